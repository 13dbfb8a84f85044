#include "driver/program/program.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "codegen/symbols.h"
#include "support/text.h"
#include "support/thread.h"

namespace tenon::driver {
namespace {

// Statements that may fail, in the order in which code generation numbers them: what each says of itself.
void collect_places(const kernel::Function& f, const std::vector<kernel::Stmt>& body,
                    std::vector<std::string>* out) {
  for (const kernel::Stmt& s : body) {
    if (s.kind == kernel::StmtKind::fail) out->push_back(s.comment.empty() ? f.comment : s.comment);
    collect_places(f, s.body, out);
    collect_places(f, s.other, out);
  }
}

}  // namespace

// Operations of the source that may fail or are made of others, by their line: "model.tenon:12".
struct SourceOperation {
  std::string text;  // "cross_entropy -> l"
  std::vector<std::string> operands;
};
struct SourceOperations : std::map<std::string, SourceOperation> {};

namespace {

void collect_operations(const ir::Module& module, const ir::Graph& graph, SourceOperations* out) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(ir::NodeId(i));
    for (const auto& region : node.regions) collect_operations(module, *region, out);
    const bool may_fail = node.op->composite() != nullptr || ir::gathers(*node.op) ||
                          ir::scatters(*node.op) || node.op->check() != nullptr;
    if (!may_fail || !node.location.known() || node.location.file >= module.files.size()) continue;
    SourceOperation o;
    o.text = node.op->name;
    if (const std::string& name = graph.value(node.results[0]).name; !name.empty()) o.text += " -> " + name;
    for (const ir::ValueId v : node.operands) o.operands.push_back(graph.value(v).name);
    out->emplace(module.files[node.location.file] + ":" + std::to_string(node.location.line), std::move(o));
  }
}

// The element of an input that made a call fail.
struct Culprit {
  size_t input = 0;
  int64_t row = 0, value = 0;
};

int64_t integer_at(const InputView& view, DType dtype, int64_t element) {
  int64_t out = 0;
  with_dtype(dtype,
             [&]<class T>() { out = static_cast<int64_t>(static_cast<const T*>(view.data)[element]); });
  return out;
}

// An index is known by its value, a label by its position: the input of the operation's operand, else the
// only one it can be.
std::optional<Culprit> find_culprit(const EntryInfo& entry, const runtime::CallStatus& status,
                                    std::span<const InputView> inputs,
                                    const std::vector<std::string>& operands) {
  const bool by_value = static_cast<Code>(status.code) == Code::index_range;
  if (!by_value && (static_cast<Code>(status.code) != Code::label_range || entry.interface->loops)) return {};
  std::vector<Culprit> found;
  for (size_t i = 0; i < inputs.size() && i < entry.inputs.size(); ++i) {
    const DType dtype = entry.inputs[i].dtype;
    int64_t count = 1;
    for (const int64_t extent : inputs[i].shape) count *= extent;
    if (!is_int(dtype) || inputs[i].shape.empty() || inputs[i].data == nullptr || count == 0) continue;
    int64_t at = by_value ? 0 : status.detail;
    while (by_value && at < count && integer_at(inputs[i], dtype, at) != status.detail) ++at;
    if (at < 0 || at >= count) continue;
    const int64_t row = count / inputs[i].shape[0];
    const Culprit c{i, at / row, integer_at(inputs[i], dtype, at)};
    if (std::find(operands.begin(), operands.end(), entry.input_names[i]) != operands.end()) return c;
    found.push_back(c);
  }
  if (found.size() != 1) return {};
  return found[0];
}

Result<ir::Type> type_of(const kernel::EntryParam& p, const ir::DimRanges& ranges) {
  ir::Type type;
  type.dtype = p.dtype;
  for (const std::string& extent : p.shape) {
    TENON_ASSIGN(ir::Dim dim, ir::parse_dim(extent, &ranges));
    type.shape.push_back(std::move(dim));
  }
  return type;
}

std::string shape_of(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i != 0 ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

// Whether native loops may be made later: there are steps, or directives that make them.
bool may_loop(const ir::Module& module, const CompileOptions& options) {
  if (module.stage == "optimized" || !options.epochs || options.state_like != nullptr) return false;
  return !module.derives.empty() || std::any_of(module.functions.begin(), module.functions.end(),
                                                [](const ir::Function& f) { return !f.writes.empty(); });
}

// The value of the one named dimension in `dim` for which it is `extent`, where the rest is constant.
bool solve(const ir::Dim& dim, int64_t extent, std::string* name, int64_t* value) {
  if (dim.is_constant() || dim.terms().size() != 1) return false;
  const ir::Dim::Term& term = dim.terms()[0];
  if (term.factors.size() != 1 || term.factors[0].name.empty()) return false;
  const int64_t rest = extent - dim.offset();
  if (rest % term.coefficient != 0) return false;
  *name = term.factors[0].name;
  *value = rest / term.coefficient;
  return true;
}

}  // namespace

Status EntryInfo::check_dims(std::span<const int64_t> dims) const {
  for (size_t i = 0; i < interface->dims.size(); ++i) {
    const kernel::DimSlot& d = interface->dims[i];
    if (i < dims.size() && dims[i] >= d.low && dims[i] <= d.high) continue;
    if (i >= dims.size())
      return tenon::support::error(Code::size_range, interface->name + ": no size is given for " + d.name);
    return tenon::support::error(
        Code::size_range, interface->name + ": " + d.name + " is " + std::to_string(dims[i]) + ", takes " +
                              std::to_string(d.low) + " to " + std::to_string(d.high));
  }
  return Ok{};
}

ir::DimBindings EntryInfo::bindings(std::span<const int64_t> dims) const {
  ir::DimBindings out;
  for (size_t i = 0; i < interface->dims.size() && i < dims.size(); ++i)
    out[interface->dims[i].name] = dims[i];
  return out;
}

Result<std::vector<int64_t>> EntryInfo::bind_dims(std::span<const std::vector<int64_t>> input_shapes,
                                                  const ir::DimBindings& given) const {
  const std::string& entry = interface->name;
  if (input_shapes.size() != inputs.size())
    return error(Code::data_shape, entry + " takes " + std::to_string(inputs.size()) + " inputs, got " +
                                       std::to_string(input_shapes.size()));
  ir::DimBindings known;
  for (const auto& [name, value] : given) {
    const bool exists = std::any_of(interface->dims.begin(), interface->dims.end(),
                                    [&](const kernel::DimSlot& d) { return d.name == name; });
    if (exists) known[name] = value;
  }
  auto wrong = [&](size_t i) {
    return error(Code::data_shape, entry + ": " + input_names[i] + " has shape " + shape_of(input_shapes[i]) +
                                       ", wants " + inputs[i].text());
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (input_shapes[i].size() != inputs[i].rank()) return wrong(i);
    for (size_t d = 0; d < inputs[i].rank(); ++d) {
      std::string name;
      int64_t value = 0;
      if (solve(inputs[i].shape[d], input_shapes[i][d], &name, &value)) known.try_emplace(name, value);
    }
  }
  std::vector<int64_t> dims;
  for (const kernel::DimSlot& d : interface->dims) {
    const auto found = known.find(d.name);
    if (found == known.end())
      return error(Code::size_range, entry + ": no input tells the size of " + d.name,
                   "give it by name: it takes " + std::to_string(d.low) + " to " + std::to_string(d.high));
    dims.push_back(found->second);
  }
  TENON_TRY(check_dims(dims));
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (size_t d = 0; d < inputs[i].rank(); ++d) {
      Result<int64_t> extent = inputs[i].shape[d].evaluate(known);
      if (!extent || *extent != input_shapes[i][d]) return wrong(i);
    }
  }
  return dims;
}

// "take -> h, m.tenon:5" with what the source says of that line.
Program::Place Program::place_of(const std::string& text, const SourceOperations& operations) {
  Place out;
  out.operation = text;
  const size_t comma = text.rfind(", "), colon = text.rfind(':');
  if (comma == std::string::npos || colon == std::string::npos || colon < comma) return out;
  const auto line = parse_int(std::string_view(text).substr(colon + 1));
  if (!line || *line < 1 || *line > INT32_MAX) return out;
  out.file = text.substr(comma + 2, colon - comma - 2);
  out.line = static_cast<uint32_t>(*line);
  out.operation = text.substr(0, comma);
  if (const auto found = operations.find(text.substr(comma + 2)); found != operations.end()) {
    out.operation = found->second.text;
    out.operands = found->second.operands;
  }
  return out;
}

Result<std::shared_ptr<const Program>> Program::compile(Unit unit, const CompileOptions& options,
                                                        CompileReport* report) {
  auto program = std::make_shared<Program>();
  if (const auto* graph = std::get_if<ir::Module>(&unit.code);
      graph != nullptr && may_loop(*graph, options)) {
    program->source_ = std::make_unique<Source>();
    Source& source = *program->source_;
    source.unit = unit;
    source.options = options;
    source.options.after_pass = nullptr;
    if (options.values != nullptr && !options.baked.empty()) source.values = *options.values;
    source.options.values = &source.values;
  }
  SourceOperations operations;
  if (const auto* source = std::get_if<ir::Module>(&unit.code))
    for (const ir::Function& f : source->functions) collect_operations(*source, f.graph, &operations);
  TENON_ASSIGN(program->kernels_, to_kernels(std::move(unit), options, report));
  const target::Target* target = target::find_target(program->kernels_.target);
  if (target != nullptr && !target->runs_here())
    return error(Code::target_unsupported,
                 "this processor does not run code for " + std::string(target->name),
                 "compile for cpu native, or write an object for another machine");
  CompileOptions own = options;
  own.c_functions = false;  // sessions call entries by their slots
  TENON_ASSIGN(program->object_, to_object(program->kernels_, own, report));
  ++program->compiles_;
  TENON_ASSIGN(program->loaded_, object::Loaded::load(program->object_.elf));
  std::vector<std::string> places;
  for (const kernel::Function& f : program->kernels_.functions) collect_places(f, f.body, &places);
  for (const std::string& text : places) program->places_.push_back(place_of(text, operations));
  for (const kernel::Entry& e : program->kernels_.entries) {
    EntryInfo info;
    info.interface = &e;
    info.run = reinterpret_cast<runtime::EntryFunction>(
        program->loaded_->lookup(codegen::entry_symbol(options.prefix, e.name)));
    info.arena = reinterpret_cast<runtime::ArenaFunction>(
        program->loaded_->lookup(codegen::arena_symbol(options.prefix, e.name)));
    if (info.run == nullptr || info.arena == nullptr)
      return error(Code::backend, "the object lacks the entry " + e.name);
    ir::DimRanges ranges;
    for (const kernel::DimSlot& d : e.dims) ranges[d.name] = {d.low, d.high};
    for (const kernel::EntryParam& p : e.params) {
      if (p.role == kernel::ParamRole::input || p.role == kernel::ParamRole::output) {
        TENON_ASSIGN(ir::Type type, type_of(p, ranges));
        const bool input = p.role == kernel::ParamRole::input;
        // Where no batch dimension is known, numbers of rows that are fixed stand first.
        if (input)
          info.cuts.push_back(!e.batch.empty() || type.is_scalar() ? p.cut : std::vector<uint32_t>{0});
        (input ? info.inputs : info.outputs).push_back(std::move(type));
        (input ? info.input_names : info.output_names).push_back(p.name);
      } else if (p.role == kernel::ParamRole::hyper) {
        Array value(p.dtype, {});
        std::memcpy(value.data(), &p.bits, value.bytes());
        program->hypers_.emplace(p.name, std::move(value));
      }
    }
    program->entries_.push_back(std::move(info));
  }
  program->layout_ = kernel::layout_hash(program->kernels_);
  return std::shared_ptr<const Program>(std::move(program));
}

bool Program::has_loop(const EntryInfo& step) const {
  const std::string& batch = step.interface->batch;
  if (source_ == nullptr || batch.empty()) return false;
  const ir::DimRanges& dims = std::get<ir::Module>(source_->unit.code).dims;
  const auto found = dims.find(batch);
  return found != dims.end() && found->second.low >= 1;
}

Result<std::shared_ptr<const Program>> Program::loop_of(const EntryInfo& step) const {
  if (!has_loop(step)) return std::shared_ptr<const Program>();
  const std::lock_guard lock(source_->mutex);
  std::shared_ptr<const Program>& made = source_->loops[step.interface->name];
  if (made == nullptr) {
    CompileOptions options = source_->options;
    options.functions = {epochs_name(step.interface->name)};
    options.step_loops = false;
    options.state_like = &kernels_.state;
    // Whoever trains first compiles; its stack may be a small one.
    TENON_ASSIGN(made,
                 support::on_stack(support::deep_stack, [&] { return compile(source_->unit, options); }));
  }
  return made;
}

const EntryInfo* Program::find(std::string_view entry) const {
  for (const EntryInfo& e : entries_)
    if (e.interface->name == entry) return &e;
  return nullptr;
}

Result<std::shared_ptr<State>> Program::init(uint64_t seed) const {
  auto state = std::make_shared<State>(shared_from_this());
  if (find("init") == nullptr) {
    if (kernels_.state.empty()) return state;
    return error(Code::undefined_name, "the program has no entry init");
  }
  Session session(shared_from_this(), state);
  const Array value = Array::scalar<int64_t>(static_cast<int64_t>(seed));
  const Array* inputs[] = {&value};
  TENON_TRY(session.run("init", std::span(inputs, find("init")->inputs.size())));
  return state;
}

Diagnostic Program::describe(const EntryInfo& entry, const runtime::CallStatus& status,
                             std::span<const InputView> inputs) const {
  Diagnostic d;
  const Code code = static_cast<Code>(status.code);
  d.code = code;
  const std::string& name = entry.interface->name;
  if (code == Code::busy) {
    d.message = name + ": another writer holds the state";
    d.help = "one writer at a time: wait for it, or give each its own state";
    return d;
  }
  static const Place unknown;
  const Place& place = status.place < places_.size() ? places_[status.place] : unknown;
  const std::string number = std::to_string(status.detail);
  if (const auto c = find_culprit(entry, status, inputs, place.operands)) {
    d.message = name + ": " + (code == Code::label_range ? "label " : "index ") + std::to_string(c->value) +
                " at row " + std::to_string(c->row) + " of " + entry.input_names[c->input] +
                (code == Code::label_range ? " is outside its classes" : " is outside the operand");
  } else if (code == Code::index_range) {
    d.message = name + ": index " + number + " is outside the operand";
  } else {
    d.message = name + ": " + std::string(code_meaning(code)) + " (at element " + number + ")";
  }
  if (!place.operation.empty())
    d.notes.push_back("in " + place.operation +
                      (place.file.empty() ? "" : " (" + place.file + ":" + std::to_string(place.line) + ")"));
  d.file = place.file;
  d.line = place.line;
  if (entry.interface->writes_state) {
    if (kernels().edited)  // guards stand in it
      d.help = "the program is an edited dump: the state may hold a part of its writes, restore it";
    else
      d.help = entry.interface->loops ? kept_before(status.progress + 1) : "the state is unchanged";
  }
  return d;
}

}  // namespace tenon::driver
