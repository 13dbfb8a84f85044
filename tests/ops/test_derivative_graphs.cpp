// The shape of derivative graphs: what the rules must not emit.
#include <map>

#include "catch.h"
#include "ir/builder.h"

using namespace tenon;
using namespace tenon::support;
using ir::Dim;
using List = std::vector<int64_t>;

namespace {

using Counts = std::map<std::string, int>;

Counts rule(std::string_view op, std::vector<ir::Type> operands, std::initializer_list<ir::NamedAttr> attrs,
            size_t only) {
  ir::Graph g;
  std::vector<ir::ValueId> ids;
  for (const ir::Type& t : operands) ids.push_back(g.add_arg(t, ir::ArgKind::input, ""));
  ir::Builder b(g);
  const ir::ValueId y = b.emit(op, ids, attrs);
  ir::Graph from = g;
  const ir::ValueId cotangent = g.add_arg(g.type(y), ir::ArgKind::input, "");
  const ir::Node& node = *from.producer(y);
  ir::VjpContext c{b, node, ids, {y}, {cotangent}, {}, {}};
  c.out.resize(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) c.wanted.push_back(i == only);
  const size_t first = g.node_count();
  node.op->vjp(c);
  CHECK(g.type(c.out[only]) == operands[only]);
  Counts counts;
  for (size_t i = first; i < g.node_count(); ++i) counts[std::string(g.node(ir::NodeId(i)).op->name)]++;
  return counts;
}

}  // namespace

TEST_CASE("gradients of plain matrix products need no transpose", "[ops]") {
  const Dim n = Dim::symbol("n");
  const ir::Type x{DType::f32, {n, 7}}, w{DType::f32, {7, 5}}, xt{DType::f32, {7, n}}, wt{DType::f32, {5, 7}};
  const Counts one{{"dot_general", 1}};
  for (size_t operand : {size_t{0}, size_t{1}}) {
    INFO(operand);
    CHECK(rule("dot_general", {x, w}, {{"lhs_contract", List{1}}, {"rhs_contract", List{0}}}, operand) ==
          one);
    CHECK(rule("dot_general", {x, wt}, {{"lhs_contract", List{1}}, {"rhs_contract", List{1}}}, operand) ==
          one);
    CHECK(rule("dot_general", {xt, w}, {{"lhs_contract", List{0}}, {"rhs_contract", List{0}}}, operand) ==
          one);
    CHECK(rule("dot_general", {xt, wt}, {{"lhs_contract", List{0}}, {"rhs_contract", List{1}}}, operand) ==
          one);
  }
  // Batched products whose batch leads, as in attention.
  const ir::Type q{DType::f32, {4, n, 7}}, k{DType::f32, {4, n, 7}};
  for (size_t operand : {size_t{0}, size_t{1}}) {
    CHECK(rule("dot_general", {q, k},
               {{"lhs_batch", List{0}},
                {"rhs_batch", List{0}},
                {"lhs_contract", List{2}},
                {"rhs_contract", List{2}}},
               operand) == one);
  }
  // A batch in the middle cannot do without.
  const ir::Type odd{DType::f32, {7, 4, n}}, even{DType::f32, {4, 5, 7}};
  CHECK(rule("dot_general", {odd, even},
             {{"lhs_batch", List{1}},
              {"rhs_batch", List{0}},
              {"lhs_contract", List{0}},
              {"rhs_contract", List{2}}},
             0) == Counts{{"dot_general", 1}, {"transpose", 1}});
}

TEST_CASE("what is not wanted is not emitted", "[ops]") {
  const ir::Type x{DType::f32, {3, 4}};
  CHECK(rule("concat", {x, x, x}, {}, 1) == Counts{{"slice", 1}});
  CHECK(rule("scatter_add", {x, {DType::i32, {2}}, {DType::f32, {2, 4}}}, {}, 2) == Counts{{"take", 1}});
  CHECK(rule("reduce_sum", {x}, {{"axes", List{0}}}, 0) == Counts{{"broadcast", 1}});
  CHECK(rule("broadcast", {{DType::f32, {4}}}, {{"shape", ir::Shape{3, 4}}}, 0) == Counts{{"reduce_sum", 1}});
}
