// The orders of reductions and contractions that declared extents derive: they are part of what a model
// means, so a change here changes every model's bits.
#include "catch.h"
#include "ir/builder.h"

using namespace tenon;
using namespace tenon::support;
using ir::Dim;
using ir::Shape;
using List = std::vector<int64_t>;

namespace {

struct Order {
  std::string order;
  int64_t block;
  friend bool operator==(const Order&, const Order&) = default;
};

Order contraction(Dim k, Dim n, DType dtype = DType::f32) {
  ir::Graph g;
  const ir::ValueId x = g.add_arg({dtype, {Dim::symbol("batch"), k}}, ir::ArgKind::input, "x");
  const ir::ValueId w = g.add_arg({dtype, {k, n}}, ir::ArgKind::input, "w");
  ir::Builder b(g);
  const ir::ValueId y = b.emit("dot_general", {x, w}, {{"lhs_contract", List{1}}, {"rhs_contract", List{0}}});
  const ir::Node& node = *g.producer(y);
  return {node.get<std::string>("order"), node.get<int64_t>("block")};
}

List reduction(Shape shape, List axes) {
  ir::Graph g;
  const ir::ValueId x = g.add_arg({DType::f32, std::move(shape)}, ir::ArgKind::input, "x");
  const ir::ValueId y = ir::Builder(g).emit("reduce_sum", {x}, {{"axes", std::move(axes)}});
  const ir::Node& node = *g.producer(y);
  return {node.get<int64_t>("lanes"), node.get<int64_t>("block")};
}

}  // namespace

TEST_CASE("a reduction's order follows from its axes", "[ops]") {
  CHECK(reduction({100, 200}, {1}) == List{64, 8192});
  CHECK(reduction({100, 200}, {-1}) == List{64, 8192});
  CHECK(reduction({100, 200}, {0, 1}) == List{64, 8192});
  CHECK(reduction({100, 200}, {0}) == List{4, 256});
  CHECK(reduction({Dim::symbol("batch"), 200}, {0}) == List{4, 256});
}

TEST_CASE("a contraction's order follows from its declared static extents", "[ops]") {
  const Dim batch = Dim::symbol("batch");
  CHECK(contraction(784, 1) == Order{"lanes", 8192});
  CHECK(contraction(784, 4) == Order{"lanes", 8192});
  CHECK(contraction(784, 5) == Order{"blocks", 104});
  CHECK(contraction(784, 7) == Order{"blocks", 104});
  CHECK(contraction(8, 7) == Order{"blocks", 512});
  CHECK(contraction(784, 128) == Order{"blocks", 512});
  CHECK(contraction(784, batch) == Order{"blocks", 512});
  CHECK(contraction(batch, 10) == Order{"blocks", 64});
  // nvec = 1: eight blocks; 784 / 8 = 98, rounded up to a multiple of 8.
  CHECK(contraction(784, 10) == Order{"blocks", 104});
  CHECK(contraction(784, 8) == Order{"blocks", 104});
  // nvec = 4: two blocks.
  CHECK(contraction(64, 64) == Order{"blocks", 32});
  CHECK(contraction(16, 64) == Order{"blocks", 8});
  CHECK(contraction(64, 16) == Order{"blocks", 8});
  CHECK(contraction(4, 16) == Order{"blocks", 8});
  CHECK(contraction(100000, 16) == Order{"blocks", 512});
  // Six vectors or more: one chain each.
  CHECK(contraction(300, 127) == Order{"blocks", 512});
  CHECK(contraction(300, 81) == Order{"blocks", 512});
  CHECK(contraction(300, 80) == Order{"blocks", 152});
  CHECK(contraction(0, 16) == Order{"blocks", 8});
}

TEST_CASE("a given order is kept, and the block follows it", "[ops]") {
  ir::Graph g;
  const ir::ValueId x = g.add_arg({DType::f32, {100}}, ir::ArgKind::input, "x");
  const ir::ValueId y = g.add_arg({DType::f32, {100}}, ir::ArgKind::input, "y");
  ir::Builder b(g);
  const ir::ValueId z =
      b.emit("dot_general", {x, y},
             {{"lhs_contract", List{0}}, {"rhs_contract", List{0}}, {"order", std::string("blocks")}});
  CHECK(g.producer(z)->get<int64_t>("block") == 512);
}
