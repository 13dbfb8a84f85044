// Control: the operations with regions or callees.
//
// loop: runs its body once per iteration i = 0 .. trip-1 (reverse: trip-1 .. 0).
//   operands       carries' first values, then sliced values, then captures
//   region's args  in the same order: kinds carry, slice, capture; then at most one of kind index (i64[], the
//                  value of i), which no operand stands for
//   region yields  the next value of each carry, then the values to stack, then, with `predicate`, a bool[]
//   results        the carries after the last iteration, then each stacked value with a leading extent `trip`
//   A slice is row i of its operand; row i of a stacked result is what iteration i yielded. All carries take
//   their new values together (swapping two of them is well defined). trip = 0: the first values come out.
//   predicate: the loop ends after the first iteration that yields false, and rows of stacked results that no
//   iteration wrote are zero. trip bounds it, so every loop ends.
//   commit: iterations of a native training loop; the carries that go to state are committed in each
//   iteration, and a failing iteration ends the loop with what was committed before. Only derived functions
//   carry it.
// cond: operands are the predicate (bool[]) and the captures; the regions {then, else} take all captures as
//   arguments and yield values of the same types, which are the results.
// call: the returned values of a function of the module; operands are its inputs. Globals are read by name.
// apply: all results of a function of the module, what it writes included; operands are its inputs and the
//   parameters and states that it reads or writes (ir/apply.h). Its dimensions take the operands' sizes.
//
// Derivatives of loop and cond are graphs built by transforms/, which need the surrounding graph; a call is
// inlined before it is differentiated.
#include "ir/apply.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

using ir::ArgKind;
using ir::Graph;

// --- loop ------------------------------------------------------------------------------------------------

size_t count_kind(const Graph& body, ArgKind kind) {
  size_t n = 0;
  for (ir::ValueId a : body.args) n += body.value(a).arg == kind;
  return n;
}

ir::Attr derive_trip(const InferContext& c) {
  if (c.regions.size() != 1) return {};
  const Graph& body = *c.regions[0];
  const size_t slice = count_kind(body, ArgKind::carry);
  if (count_kind(body, ArgKind::slice) == 0 || slice >= c.operands.size() || c.operands[slice].is_scalar()) {
    return {};
  }
  return c.operands[slice].shape[0];
}

Status loop_argument(const InferContext& c, const Graph& body, size_t i, const Dim& trip) {
  const ir::Value& arg = body.value(body.args[i]);
  if (arg.arg == ArgKind::index) {
    if (i + 1 != body.args.size()) return c.fail(Code::graph_invalid, "the index must be the last argument");
    if (arg.type != Type{DType::i64, {}}) {
      return c.fail(Code::dtype_mismatch, "the index is " + arg.type.text() + ", wants i64[]");
    }
    return Ok{};
  }
  if (i >= c.operands.size()) {
    return c.fail(Code::operand_count, "the body's argument " + arg.name + " has no operand");
  }
  Type given = c.operands[i];
  if (arg.arg == ArgKind::slice) {
    if (given.is_scalar()) {
      return c.fail(Code::rank_mismatch, "sliced operand " + std::to_string(i) + " is " + given.text() +
                                             ", wants a leading dimension");
    }
    if (given.shape[0] != trip) {
      return c.fail(Code::shape_mismatch, "sliced operand " + std::to_string(i) + " is " + given.text() +
                                              ", but the loop runs " + trip.text() + " times");
    }
    given.shape.erase(given.shape.begin());
  }
  if (arg.type != given) {
    return c.fail(Code::shape_mismatch, "the body's argument " + arg.name + " is " + arg.type.text() +
                                            ", its operand gives " + given.text());
  }
  return Ok{};
}

Status infer_loop(InferContext& c) {
  if (c.regions.size() != 1) return c.fail(Code::graph_invalid, "wants one region");
  if (!c.has("trip")) {
    return c.fail(Code::bad_attribute, "nothing tells how often it runs",
                  "slice an operand, or give {trip = n}");
  }
  const Dim trip = c.get<Dim>("trip");
  const Graph& body = *c.regions[0];
  const size_t carries = count_kind(body, ArgKind::carry), slices = count_kind(body, ArgKind::slice);
  // With sliced operands it is the extent of an array.
  if (slices == 0 && !provably_at_least(c, trip, 0))
    return c.fail(Code::dim_range, "trip " + trip.text() + " may be negative");
  const size_t captures = count_kind(body, ArgKind::capture);
  Errors errors;
  for (size_t i = 0; i < body.args.size(); ++i) {
    const ArgKind kind = body.value(body.args[i]).arg;
    const ArgKind want = i < carries                       ? ArgKind::carry
                         : i < carries + slices            ? ArgKind::slice
                         : i < carries + slices + captures ? ArgKind::capture
                                                           : ArgKind::index;
    if (kind != want)
      return c.fail(Code::graph_invalid, "arguments must be carries, slices, captures, the index");
    if (Status s = loop_argument(c, body, i, trip); !s) errors.append(s.take_errors());
  }
  if (c.operands.size() != carries + slices + captures) {
    errors.append(c.fail(Code::operand_count, "has " + std::to_string(c.operands.size()) +
                                                  " operands, its body takes " +
                                                  std::to_string(carries + slices + captures)));
  }
  if (!errors.empty()) return errors;
  size_t yields = body.results.size();
  if (c.get<bool>("predicate")) {
    if (yields == 0 || body.type(body.results[yields - 1]) != Type{DType::bool_, {}}) {
      return c.fail(Code::graph_invalid, "with a predicate, the body must yield bool[] last");
    }
    --yields;
  }
  if (yields < carries) {
    return c.fail(Code::operand_count, "the body yields " + std::to_string(yields) + " values for " +
                                           std::to_string(carries) + " carries");
  }
  for (size_t i = 0; i < yields; ++i) {
    Type type = body.type(body.results[i]);
    if (i < carries && type != c.operands[i]) {
      errors.append(c.fail(Code::shape_mismatch, "carry " + body.value(body.args[i]).name + " starts as " +
                                                     c.operands[i].text() + ", the body yields " +
                                                     type.text()));
    }
    if (i >= carries) type.shape.insert(type.shape.begin(), trip);
    c.results.push_back(std::move(type));
  }
  if (!errors.empty()) return errors;
  return Ok{};
}

// --- cond ------------------------------------------------------------------------------------------------

Status infer_cond(InferContext& c) {
  TENON_TRY(want_scalar(c, 0));
  if (c.regions.size() != 2) return c.fail(Code::graph_invalid, "wants two regions, then and else");
  for (const Graph* region : c.regions) {
    if (region->args.size() + 1 != c.operands.size()) {
      return c.fail(Code::operand_count, "a region takes " + std::to_string(region->args.size()) +
                                             " captures, the operation has " +
                                             std::to_string(c.operands.size() - 1));
    }
    for (size_t i = 0; i < region->args.size(); ++i) {
      const ir::Value& arg = region->value(region->args[i]);
      if (arg.arg != ArgKind::capture) {
        return c.fail(Code::graph_invalid, "the argument " + arg.name + " of a region is not a capture");
      }
      if (arg.type != c.operands[i + 1]) {
        return c.fail(Code::shape_mismatch, "the argument " + arg.name + " of a region is " +
                                                arg.type.text() + ", its operand is " +
                                                c.operands[i + 1].text());
      }
    }
  }
  const Graph &yes = *c.regions[0], &no = *c.regions[1];
  if (yes.results.size() != no.results.size()) {
    return c.fail(Code::operand_count, "then yields " + std::to_string(yes.results.size()) +
                                           " values, else " + std::to_string(no.results.size()));
  }
  for (size_t i = 0; i < yes.results.size(); ++i) {
    const Type &a = yes.type(yes.results[i]), &b = no.type(no.results[i]);
    if (a != b) {
      return c.fail(Code::shape_mismatch,
                    "value " + std::to_string(i) + " is " + a.text() + " in then, " + b.text() + " in else");
    }
    c.results.push_back(a);
  }
  return Ok{};
}

// --- call ------------------------------------------------------------------------------------------------

Status infer_call(InferContext& c) {
  const std::string& callee = c.get<std::string>("callee");
  const ir::Function* function = c.module == nullptr ? nullptr : c.module->find_function(callee);
  if (function == nullptr) {
    return c.fail(Code::undefined_name, "no function is named " + callee,
                  "functions are declared before their use");
  }
  std::vector<ir::ValueId> inputs;
  for (ir::ValueId a : function->graph.args) {
    if (function->graph.value(a).arg == ArgKind::input) inputs.push_back(a);
  }
  if (inputs.size() != c.operands.size()) {
    return c.fail(Code::operand_count, callee + " takes " + std::to_string(inputs.size()) + " inputs, not " +
                                           std::to_string(c.operands.size()));
  }
  Errors errors;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::Value& arg = function->graph.value(inputs[i]);
    const Type& given = c.operands[i];
    if (arg.type == given) continue;
    const Code code = arg.type.dtype != given.dtype     ? Code::dtype_mismatch
                      : arg.type.rank() != given.rank() ? Code::rank_mismatch
                                                        : Code::shape_mismatch;
    errors.append(c.fail(
        code, "input " + arg.name + " of " + callee + " is " + arg.type.text() + ", given " + given.text()));
  }
  if (!errors.empty()) return errors;
  for (const size_t r : ir::applied_results(*c.module, *function))
    c.results.push_back(function->graph.type(function->graph.results[r]));
  return Ok{};
}

// --- apply -----------------------------------------------------------------------------------------------

// What is put into it later brings arguments along that its operands would not name.
bool is_complete(const Graph& graph, bool training) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(ir::NodeId(i));
    if (ir::is_control(node, ir::Control::call) || (training && node.op->mode != nullptr)) return false;
    for (const auto& region : node.regions)
      if (!is_complete(*region, training)) return false;
  }
  return true;
}

Status infer_apply(InferContext& c) {
  const std::string& callee = c.get<std::string>("callee");
  const ir::Function* function = c.module == nullptr ? nullptr : c.module->find_function(callee);
  if (function == nullptr) {
    return c.fail(Code::undefined_name, "no function is named " + callee,
                  "functions are declared before their use");
  }
  if (!is_complete(function->graph, function->mode == ir::Mode::training))
    return c.fail(
        Code::graph_invalid,
        callee + " calls functions, or draws random numbers for training: what it reads is not known",
        "apply a function of operations alone, or one that a directive has made");
  Result<ir::AppliedSizes> sizes =
      ir::applied_sizes(*function, ir::applied_arguments(*c.module, *function), c.operands);
  if (!sizes) {
    const Diagnostic d = sizes.errors().list.front();
    return c.fail(d.code, d.message, d.help);
  }
  for (const size_t r : ir::applied_results(*c.module, *function)) {
    Type type = function->graph.type(function->graph.results[r]);
    for (Dim& d : type.shape) d = d.substitute(*sizes);
    c.results.push_back(std::move(type));
  }
  return Ok{};
}

constexpr ir::ControlForm loop_form{ir::Control::loop}, cond_form{ir::Control::cond},
    call_form{ir::Control::call}, apply_form{ir::Control::apply};

constexpr OperandDef loop_operands[] = {
    {.name = "operands",
     .doc = "first values of the carries, then sliced values, then captures",
     .variadic = true}};
constexpr AttrDef loop_attrs[] = {
    {.name = "trip",
     .kind = AttrKind::dim,
     .doc = "number of iterations; by default the leading extent of the sliced values",
     .derive = derive_trip},
    {.name = "predicate",
     .kind = AttrKind::boolean,
     .doc = "the last yielded value, a bool[], tells whether to go on; trip is then an upper bound",
     .preset = "false"},
    {.name = "reverse",
     .kind = AttrKind::boolean,
     .doc = "iterates from the last row to the first",
     .preset = "false"},
    {.name = "commit",
     .kind = AttrKind::boolean,
     .doc = "each iteration commits what it writes to state (derived training loops only)",
     .preset = "false"},
};
constexpr OperandDef cond_operands[] = {
    {.name = "predicate", .doc = "bool[]: chooses the first region where true", .dtypes = DTypes::bools},
    {.name = "captures", .doc = "arguments of both regions", .variadic = true}};
constexpr OperandDef call_operands[] = {
    {.name = "inputs", .doc = "one per input of the callee", .variadic = true}};
constexpr AttrDef call_attrs[] = {
    {.name = "callee", .kind = AttrKind::text, .doc = "name of a function declared before"}};

constexpr OperandDef apply_operands[] = {
    {.name = "values",
     .doc = "one per input of the function, then one per parameter and state that it reads or writes, in the "
            "order of their declarations",
     .variadic = true}};

constexpr OpDef defs[] = {
    {.name = "loop",
     .doc =
         "Repeats a region: carries go from one iteration to the next, slices are rows of operands, yielded "
         "values beyond the carries are stacked. All carries change together; rows are those of the "
         "iteration "
         "number, also in reverse.",
     .operands = loop_operands,
     .attrs = loop_attrs,
     .form = &loop_form,
     .infer = infer_loop},
    {.name = "cond",
     .doc = "Runs one of two regions, chosen by a rank-0 bool; both yield values of the same types.",
     .operands = cond_operands,
     .form = &cond_form,
     .infer = infer_cond},
    {.name = "call",
     .doc = "The values returned by a function of the module, then the new values of what it writes, in the "
            "order of their declarations. Its globals are read by name. A statement that names the returned "
            "values alone writes the others, as the function would.",
     .operands = call_operands,
     .attrs = call_attrs,
     .form = &call_form,
     .infer = infer_call},
    {.name = "apply",
     .doc = "All results of a function of the module: what it returns, then the new values of what it "
            "writes, in "
            "the order of their declarations; nothing is written. Dimensions of the function take the sizes "
            "that "
            "the operands have; hyper-parameters are read by name. A function that is large is compiled once "
            "for "
            "all that apply it.",
     .operands = apply_operands,
     .attrs = call_attrs,
     .form = &apply_form,
     .infer = infer_apply,
     .may_fail = true},
};

}  // namespace

TENON_OP_FAMILY(control) = defs;

}  // namespace tenon::ops
