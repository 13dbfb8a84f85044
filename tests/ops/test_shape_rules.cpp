// Result types by hand, and the errors of the shape rules, word for word.
#include "catch.h"
#include "ir/builder.h"

using namespace tenon;
using namespace tenon::support;
using ir::Attr;
using ir::Dim;
using ir::Shape;
using ir::Type;

namespace {

using List = std::vector<int64_t>;
const Dim n = Dim::symbol("n");

struct Case {
  ir::Module module;
  Case() {
    module.dims["n"] = {1, 300};
    module.dims["m"] = {0, 300};
    module.dim_order = {"n", "m"};
  }
  Result<std::vector<Type>> infer(std::string_view op, std::vector<Type> operands,
                                  std::initializer_list<ir::NamedAttr> attrs = {}) {
    ir::Graph g;
    std::vector<ir::ValueId> ids;
    for (Type& t : operands) ids.push_back(g.add_arg(std::move(t), ir::ArgKind::input, ""));
    const ir::OpDef* def = ir::op_table().find(op);
    REQUIRE(def != nullptr);
    ir::Attrs given(def->attrs.size());
    for (const ir::NamedAttr& a : attrs) given[def->attr_index(a.name)] = a.value;
    auto out = ir::Builder(g, &module).try_emit(*def, ids, std::move(given));
    if (!out) return out.take_errors();
    std::vector<Type> types;
    for (ir::ValueId r : *out) types.push_back(g.type(r));
    return types;
  }
  std::string type(std::string_view op, std::vector<Type> operands,
                   std::initializer_list<ir::NamedAttr> attrs = {}) {
    auto out = infer(op, std::move(operands), attrs);
    return out ? (*out)[0].text() : out.errors().text();
  }
  std::string fails(std::string_view op, std::vector<Type> operands,
                    std::initializer_list<ir::NamedAttr> attrs = {}) {
    auto out = infer(op, std::move(operands), attrs);
    return out ? "no error: " + (*out)[0].text() : out.errors().text();
  }
};

Type f32(Shape shape) { return {DType::f32, std::move(shape)}; }
Type i32(Shape shape) { return {DType::i32, std::move(shape)}; }

}  // namespace

TEST_CASE("result types of structural operations", "[ops]") {
  Case c;
  CHECK(c.type("broadcast", {f32({3})}, {{"shape", Shape{n, 3}}}) == "f32[n,3]");
  CHECK(c.type("broadcast", {f32({n})}, {{"shape", Shape{n, 3}}, {"axes", List{0}}}) == "f32[n,3]");
  CHECK(c.type("broadcast", {f32({1, 3})}, {{"shape", Shape{2, n, 3}}}) == "f32[2,n,3]");
  CHECK(c.type("reshape", {f32({n, 4, 5})}, {{"shape", Shape{n, 20}}}) == "f32[n,20]");
  CHECK(c.type("reshape", {f32({n, 4, 5})}, {{"shape", Shape{Dim(-1), 10}}}) == "f32[2*n,10]");
  CHECK(c.type("transpose", {f32({n, 4, 5})}) == "f32[5,4,n]");
  CHECK(c.type("transpose", {f32({n, 4, 5})}, {{"perm", List{1, 0, 2}}}) == "f32[4,n,5]");
  CHECK(c.type("slice", {f32({n, 10})},
               {{"start", Shape{0, 1}}, {"limit", Shape{n, 10}}, {"stride", Shape{1, 4}}}) == "f32[n,3]");
  CHECK(c.type("slice", {f32({n})}, {{"start", Shape{1}}}) == "f32[n-1]");
  CHECK(c.type("pad", {f32({n, 3}), f32({})},
               {{"low", Shape{1, 0}}, {"high", Shape{2, 1}}, {"interior", Shape{1, 2}}}) == "f32[2*n+2,8]");
  CHECK(c.type("pad", {f32({0}), f32({})}, {{"low", Shape{1}}, {"interior", Shape{5}}}) == "f32[1]");
  CHECK(c.type("concat", {f32({n, 3}), f32({4, 3}), f32({n, 3})}) == "f32[2*n+4,3]");
  CHECK(c.type("reverse", {f32({n, 3})}, {{"axes", List{-1}}}) == "f32[n,3]");
  CHECK(c.type("iota", {}, {{"shape", Shape{n, 2}}, {"axis", int64_t{1}}, {"dtype", DType::u8}}) ==
        "u8[n,2]");
  CHECK(c.type("extent", {}, {{"dim", n * 2}}) == "i64[]");
}

TEST_CASE("result types of reductions, contractions, rows", "[ops]") {
  Case c;
  CHECK(c.type("reduce_sum", {f32({n, 3})}) == "f32[]");
  CHECK(c.type("reduce_max", {f32({n, 3, 4})}, {{"axes", List{-1, 0}}}) == "f32[3]");
  CHECK(c.type("argmax", {f32({n, 3})}) == "i64[n]");
  CHECK(c.type("argmin", {f32({n, 3})}, {{"axis", int64_t{0}}}) == "i64[3]");
  CHECK(c.type("dot", {f32({n, 784}), f32({784, 10})}) == "f32[n,10]");
  CHECK(c.type("dot", {f32({3}), f32({3})}) == "f32[]");
  CHECK(c.type("dot_general", {f32({7, n, 3, 4}), f32({4, 5, n})},
               {{"lhs_batch", List{1}},
                {"rhs_batch", List{2}},
                {"lhs_contract", List{-1}},
                {"rhs_contract", List{0}}}) == "f32[n,7,3,5]");
  CHECK(c.type("dot_general", {f32({2}), f32({3})}) == "f32[2,3]");
  CHECK(c.type("take", {f32({5, 8}), i32({n, 2})}, {{"axis", int64_t{1}}}) == "f32[5,n,2]");
  CHECK(c.type("take", {f32({5, 8}), i32({})}) == "f32[8]");
  CHECK(c.type("scatter_add", {f32({5, 8}), i32({n}), f32({n, 8})}) == "f32[5,8]");
  CHECK(c.type("random_normal", {{DType::i64, {}}, {DType::i64, {}}},
               {{"shape", Shape{n}}, {"dtype", DType::f64}}) == "f64[n]");
  CHECK(c.type("random_bernoulli", {{DType::i64, {}}}, {{"shape", Shape{2}}}) == "bool[2]");
}

TEST_CASE("result types of composites", "[ops]") {
  Case c;
  CHECK(c.type("dense", {f32({n, 784}), f32({784, 128}), f32({128})}) == "f32[n,128]");
  CHECK(c.type("dense", {f32({784}), f32({784, 128})}) == "f32[128]");
  CHECK(c.type("rnn_cell", {f32({n, 28}), f32({n, 64}), f32({28, 64}), f32({64, 64}), f32({64})}) ==
        "f32[n,64]");
  CHECK(c.type("flatten", {f32({n, 3, 4, 5})}) == "f32[n,60]");
  CHECK(c.type("cross_entropy", {f32({n, 10}), i32({n})}) == "f32[]");
  CHECK(c.type("cross_entropy", {f32({n, 10}), i32({n})}, {{"reduce", std::string("none")}}) == "f32[n]");
  CHECK(c.type("mse", {f32({n, 1}), f32({n, 1})}) == "f32[]");
  CHECK(c.type("count_correct", {f32({n, 10}), i32({n})}) == "i64[]");
  CHECK(c.type("accuracy", {f32({n, 10}), i32({n})}) == "f32[]");
  CHECK(c.type("l2", {f32({n, 10}), f32({3})}) == "f32[]");
  CHECK(c.type("mean", {f32({n, 10})}, {{"axes", List{0}}}) == "f32[10]");
  CHECK(c.type("prelu", {f32({n, 3, 8}), f32({8})}) == "f32[n,3,8]");
  CHECK(c.type("prelu", {f32({n, 3, 8}), f32({n})}, {{"axis", int64_t{-3}}}) == "f32[n,3,8]");
  CHECK(c.type("prelu", {f32({n, 3, 8}), f32({1})}) == "f32[n,3,8]");
  CHECK(c.type("glu", {f32({n, 6})}) == "f32[n,3]");
  CHECK(c.type("glu", {f32({n * 4, 6})}, {{"axis", int64_t{0}}}) == "f32[2*n,6]");
  CHECK(c.type("binary_cross_entropy", {f32({n, 3}), f32({n, 3}), f32({3})}) == "f32[]");
  CHECK(c.type("binary_cross_entropy", {f32({n}), f32({n}), f32({})}, {{"reduce", std::string("none")}}) ==
        "f32[n]");
  CHECK(c.type("soft_cross_entropy", {f32({n, 3}), f32({n, 3})}, {{"reduce", std::string("none")}}) ==
        "f32[n]");
  CHECK(c.type("huber", {f32({n, 3}), f32({n, 3})}, {{"reduce", std::string("none")}}) == "f32[n,3]");
  CHECK(c.type("cosine_similarity", {f32({n, 3, 8}), f32({n, 3, 8})}, {{"axis", int64_t{1}}}) == "f32[n,8]");
  CHECK(c.type("cosine_embedding_loss", {f32({n, 8}), f32({n, 8}), f32({n})}) == "f32[]");
}

TEST_CASE("errors of structural operations say what is wrong", "[ops]") {
  Case c;
  CHECK(c.fails("broadcast", {f32({2})}, {{"shape", Shape{n, 3}}}) ==
        "error[T107]: broadcast: x: f32[2] does not broadcast to [n,3]: 2 against 3\n"
        "help: extents must be equal, or 1 in the operand\n");
  CHECK(c.fails("broadcast", {f32({2, 3})}, {{"shape", Shape{3}}}) ==
        "error[T106]: broadcast: x: f32[2,3] has more dimensions than [3]\n");
  CHECK(c.fails("reshape", {f32({n, 3})}, {{"shape", Shape{n, 4}}}) ==
        "error[T107]: reshape: x: f32[n,3] has 3*n elements, [n,4] has 4*n\n");
  CHECK(c.fails("transpose", {f32({n, 3})}, {{"perm", List{0, 0}}}) ==
        "error[T108]: transpose: perm names axis 0 twice\n");
  CHECK(c.fails("transpose", {f32({n, 3})}, {{"perm", List{0, 2}}}) ==
        "error[T108]: transpose: perm 2 is outside the 2 dimensions of x: f32[n,3]\n"
        "help: axes are 0..1, or -2..-1 from the end\n");
  CHECK(c.fails("slice", {f32({n})}, {{"limit", Shape{n + 1}}}) ==
        "error[T108]: slice: 0..n+1 in dimension 0 of x: f32[n] is not shown to be inside\n"
        "help: 0 <= start <= limit <= extent must follow from the ranges of the dimensions\n");
  CHECK(c.fails("slice", {f32({Dim::symbol("m")})}, {{"start", Shape{1}}})
            .starts_with("error[T108]: slice: 1..m "));
  CHECK(
      c.fails("pad", {f32({2}), f32({})}, {{"low", Shape{Dim(-1)}}}) ==
      "error[T108]: pad: -1 in dimension 0 of x: f32[2] may be negative\nhelp: slice where less is wanted\n");
  CHECK(c.fails("concat", {f32({2, 3}), f32({2, 4})}) ==
        "error[T107]: concat: parts[1]: f32[2,4] and parts[0]: f32[2,3] differ in dimension 1\n");
  CHECK(c.fails("concat", {}) == "error[T109]: concat: wants at least 1 operand\n");
}

TEST_CASE("errors of reductions and contractions say what is wrong", "[ops]") {
  Case c;
  CHECK(c.fails("reduce_sum", {f32({2})}, {{"axes", List{1}}}) ==
        "error[T108]: reduce_sum: axes 1 is outside the 1 dimension of x: f32[2]\n"
        "help: axes are 0..0, or -1..-1 from the end\n");
  CHECK(c.fails("reduce_sum", {f32({2})}, {{"lanes", int64_t{3}}}) ==
        "error[T108]: reduce_sum: lanes is 3, wants a power of two up to 64\n");
  CHECK(c.fails("reduce_sum", {f32({2})}, {{"lanes", int64_t{8}}, {"block", int64_t{12}}}) ==
        "error[T108]: reduce_sum: block is 12, wants a multiple of lanes (8) up to 1048576\n");
  CHECK(c.fails("reduce_any", {f32({2})}) == "error[T105]: reduce_any: x is f32[2], wants bool\n");
  CHECK(c.fails("argmax", {f32({})}) == "error[T106]: argmax: x: f32[] has no dimension to take as axis\n");
  CHECK(c.fails("argmax", {f32({Dim::symbol("m")})}) ==
        "error[T107]: argmax: x: f32[m] may have no element along axis 0\nhelp: declare a range that starts "
        "at 1\n");
  CHECK(c.fails("dot", {f32({n, 784}), f32({128, 10})}) ==
        "error[T107]: dot: x has inner size 784, w expects 128\nhelp: x: f32[n,784]; w: f32[128,10]\n");
  CHECK(
      c.fails("dot", {f32({2}), i32({2})}) ==
      "error[T105]: dot: x is f32[2], w is i32[2]\nhelp: cast one of them: there is no implicit promotion\n");
  CHECK(c.fails("dot_general", {f32({2, 3}), f32({4, 5})},
                {{"lhs_contract", List{1}}, {"rhs_contract", List{0}}}) ==
        "error[T107]: dot_general: dimension 1 of lhs: f32[2,3] is 3, dimension 0 of rhs: f32[4,5] is 4\n"
        "help: pair dimensions of equal extents (lhs_contract, rhs_contract)\n");
  CHECK(c.fails("dot_general", {f32({2, 3}), f32({2, 5})},
                {{"lhs_batch", List{0}},
                 {"rhs_batch", List{0}},
                 {"lhs_contract", List{0}},
                 {"rhs_contract", List{0}}}) ==
        "error[T108]: dot_general: dimension 0 of lhs: f32[2,3] is named twice by lhs_batch and "
        "lhs_contract\n");
  CHECK(c.fails("scatter_add", {f32({5, 8}), i32({n}), f32({n, 7})}) ==
        "error[T107]: scatter_add: updates: f32[n,7], wants shape [n,8]\n");
  CHECK(c.fails("take", {f32({5, 8}), f32({n})}) ==
        "error[T105]: take: indices is f32[n], wants an integer type\n");
  CHECK(c.fails("check", {f32({2}), {DType::bool_, {2}}}, {{"code", int64_t{1}}}) ==
        "error[T108]: check: code 1 is not in the table of error codes\n");
}

TEST_CASE("errors of composites say what is wrong", "[ops]") {
  Case c;
  CHECK(c.fails("dense", {f32({n, 784}), f32({128, 10}), f32({10})}) ==
        "error[T107]: dense: x has inner size 784, w expects 128\n");
  CHECK(c.fails("dense", {f32({n, 784}), f32({784, 10}), f32({11})}) ==
        "error[T107]: dense: b has 11 entries, the result has 10 features\n");
  CHECK(c.fails("dense", {f32({n, 784}), f32({784})}) ==
        "error[T106]: dense: w is f32[784], wants 2 dimensions\n");
  CHECK(c.fails("cross_entropy", {f32({n, 10}), f32({n})}) ==
        "error[T105]: cross_entropy: labels is f32[n], wants an integer type\n");
  CHECK(c.fails("cross_entropy", {f32({n, 10}), i32({n, 10})}) ==
        "error[T106]: cross_entropy: labels: i32[n,10], wants shape [n]\n"
        "help: labels are class numbers, not one-hot rows\n");
  CHECK(
      c.fails("cross_entropy", {f32({n, 10}), i32({n})}, {{"reduce", std::string("men")}}) ==
      "error[T108]: cross_entropy: attribute reduce is men, wants mean|sum|none\nhelp: did you mean mean?\n");
  CHECK(c.fails("mse", {f32({n, 1}), f32({n})}) ==
        "error[T106]: mse: p: f32[n,1], y: f32[n]\nhelp: reshape one of them\n");
  CHECK(c.fails("dropout", {f32({n})}, {{"rate", 1.0}}) ==
        "error[T108]: dropout: rate must be at least 0 and less than 1\n");
  CHECK(c.fails("softmax", {f32({n, 3})}, {{"axis", int64_t{2}}}) ==
        "error[T108]: softmax: axis 2 is outside the 2 dimensions of x: f32[n,3]\n"
        "help: axes are 0..1, or -2..-1 from the end\n");
  CHECK(c.fails("random_uniform", {f32({})}, {{"shape", Shape{2}}}) ==
        "error[T105]: random_uniform: seed is f32[], wants an integer type\n");
  CHECK(c.fails("rnn_cell", {f32({n, 28}), f32({2, 64}), f32({28, 64}), f32({64, 64})}) ==
        "error[T107]: rnn_cell: x: f32[n,28] and h: f32[2,64] have different batches\n");
}

TEST_CASE("errors of activations and losses say what is wrong", "[ops]") {
  Case c;
  CHECK(c.fails("prelu", {f32({n, 8}), f32({7})}) ==
        "error[T107]: prelu: slope: f32[7], wants 8 entries, or 1, as x: f32[n,8] has along axis 1\n");
  CHECK(c.fails("prelu", {f32({n, 8}), f32({1, 8})}) ==
        "error[T106]: prelu: slope is f32[1,8], wants 1 dimension\n");
  CHECK(c.fails("prelu", {f32({}), f32({1})}) ==
        "error[T106]: prelu: x: f32[] has no dimension to take as axis\n");
  CHECK(c.fails("glu", {f32({2, n})}) ==
        "error[T107]: glu: x: f32[2,n] has n elements along axis 1, which do not divide into halves\n"
        "help: an extent such as 6 or 2*n\n");
  CHECK(c.fails("hard_tanh", {f32({n})}, {{"low", 2.0}}) ==
        "error[T108]: hard_tanh: low is 2.0, wants a number up to high, 1.0\n");
  CHECK(c.fails("celu", {f32({n})}, {{"alpha", 1e-60}}) ==
        "error[T108]: celu: alpha is 1e-60, wants a number above 0 that f32 can hold\n");
  CHECK(c.fails("huber", {f32({n}), f32({n})}, {{"delta", 0.0}}) ==
        "error[T108]: huber: delta is 0.0, wants a number above 0 that f32 can hold\n");
  CHECK(c.fails("huber", {f32({n, 1}), f32({n})}) ==
        "error[T106]: huber: p: f32[n,1], y: f32[n]\nhelp: reshape one of them\n");
  CHECK(c.fails("cross_entropy", {f32({n, 10}), i32({n})}, {{"smoothing", 1.5}}) ==
        "error[T108]: cross_entropy: smoothing is 1.5, wants a number from 0.0 to 1.0\n");
  CHECK(c.fails("focal_loss", {f32({n}), f32({n})}, {{"alpha", -0.5}}) ==
        "error[T108]: focal_loss: alpha is -0.5, wants a number from 0.0 to 1.0\n");
  CHECK(c.fails("binary_cross_entropy", {f32({n}), i32({n})}) ==
        "error[T105]: binary_cross_entropy: targets is i32[n], wants a float type\n");
  CHECK(c.fails("binary_cross_entropy", {f32({n, 3}), f32({n, 3}), f32({4})}) ==
        "error[T107]: binary_cross_entropy: positive_weight: f32[4], wants shape [] or [3] as logits: "
        "f32[n,3]\n");
  CHECK(c.fails("soft_cross_entropy", {f32({}), f32({})}) ==
        "error[T106]: soft_cross_entropy: logits: f32[] has no dimension of classes\n");
  CHECK(c.fails("nll", {f32({n, 10}), i32({n, 10})}) ==
        "error[T106]: nll: labels: i32[n,10], wants shape [n]\n"
        "help: labels are class numbers, not one-hot rows\n");
  CHECK(c.fails("cosine_embedding_loss", {f32({n, 8}), f32({n, 8}), f32({8})}) ==
        "error[T107]: cosine_embedding_loss: targets: f32[8], wants shape [n] as x: f32[n,8]\n");
}
