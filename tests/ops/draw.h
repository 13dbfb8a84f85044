// Draws attributes and operand types for tests from a declaration's `sample`, or generically where it has
// none: operands of one random shape and type.
#pragma once

#include "ir/builder.h"
#include "ir/op_def.h"

namespace tenon::test {

// A small deterministic source (xorshift64*).
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull + 1) {}
  int64_t range(int64_t low, int64_t high) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return low + static_cast<int64_t>((state_ * 0x2545F4914F6CDD1Dull >> 20) %
                                      static_cast<uint64_t>(high - low + 1));
  }
  bool symbolic = true;  // extents may be the dimension n

  // One operation in a graph: `values` are arguments of the sampled types.
  struct Drawn {
    std::vector<ir::Type> operands;
    ir::Attrs attrs;
  };
  Drawn sample(const ir::OpDef& op, ir::DType dtype) {
    ir::SampleContext s;
    s.attrs.resize(op.attrs.size());
    s.dtype = dtype;
    s.state = this;
    s.draw = [](void* self, int64_t low, int64_t high) { return static_cast<Draw*>(self)->range(low, high); };
    s.draw_dim = [](void* self) { return static_cast<Draw*>(self)->dim(); };
    if (op.sample != nullptr) {
      op.sample(s);
    } else {
      ir::Shape shape;
      for (int64_t n = range(0, 3); n > 0; --n) shape.push_back(dim());
      for (const ir::OperandDef& o : op.operands) {
        const bool fits = ir::dtype_in(dtype, o.dtypes);
        s.operands.push_back({fits                            ? dtype
                              : o.dtypes == ir::DTypes::bools ? ir::DType::bool_
                                                              : ir::DType::i32,
                              shape});
      }
    }
    s.attrs.resize(op.attrs.size());
    return {std::move(s.operands), std::move(s.attrs)};
  }
  ir::Dim dim() {
    const int64_t kind = range(0, 9);
    if (kind == 0) return 0;
    if (kind == 1) return 1;
    if (kind == 2 && symbolic) return ir::Dim::symbol("n");
    return range(2, 7);
  }

 private:
  uint64_t state_;
};

// A module with the dimension that Draw uses.
inline ir::Module module_with_n() {
  ir::Module m;
  m.dims["n"] = {1, 64};
  m.dim_order = {"n"};
  return m;
}

}  // namespace tenon::test
