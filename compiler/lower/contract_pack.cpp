// Panels of a right factor, copied before the product, or made once where it is a constant: element (k, j) of
// the panel from j0 stands at j0 * K + k * width + j - j0.
#include <cstring>

#include "lower/contract.h"

namespace tenon::lower {

ExprId ContractEmitter::pack_address(ExprId k, ExprId j) {
  ExprId start = b_.mul(panel_lo_, frame_.dim(k_extent()));
  return b_.add(b_.add(start, b_.mul(k, panel_width_)), b_.sub(j, panel_lo_));
}

ExprId ContractEmitter::right_element(ExprId k, ExprId j) {
  emitter_.axes[*n_axis_] = j;
  set_k(k);
  emitter_.forget();
  return emitter_.emit(bt_);
}

ExprId ContractEmitter::right(ExprId k) {
  if (!packed_) return emitter_.emit(bt_);
  return frame_.load(pack_place(), dtype_, pack_address(k, emitter_.axes[*n_axis_]));
}

void ContractEmitter::pack_row(ExprId k, ExprId lo, ExprId hi, ExprId width) {
  ExprId j = b_.begin_lanes("j", lo, hi, width);
  frame_.store(pack_place(), dtype_, pack_address(k, j), right_element(k, j));
  b_.end();
}

// Squares of as many rows of memory as a vector has lanes: read along the rows, exchanged in registers, and
// stored as pieces of the panel's rows. What is left at the edges goes element by element.
void ContractEmitter::pack_transposed(ExprId begin, ExprId end, ExprId whole, ExprId j1) {
  ExprId side = b_.index(frame_.target().lanes(dtype_bytes(dtype_)));
  ExprId squares = b_.mul(b_.binary(kernel::Op::div, b_.sub(j1, panel_lo_), side), side);
  ExprId edge = b_.let("edge", b_.add(panel_lo_, squares));
  ExprId jb = b_.begin_for("jb", panel_lo_, edge, side);
  ExprId kb = b_.begin_for("kb", begin, whole, side);
  ExprId l = b_.begin_lanes("l", b_.index(0), side, side);
  VarId square = b_.declare("square", dtype_, b_.constant(dtype_, 0), {side});
  ExprId r = b_.begin_unroll("r", b_.index(0), side);
  b_.assign(square, right_element(b_.add(kb, l), b_.add(jb, r)), {r});
  b_.end();
  b_.exchange(square);
  r = b_.begin_unroll("r", b_.index(0), side);
  frame_.store(pack_place(), dtype_, pack_address(b_.add(kb, r), b_.add(jb, l)), b_.use(square, {r}));
  b_.end();
  for (int i = 0; i < 3; ++i) b_.end();
  ExprId k = b_.begin_for("k", whole, end, b_.index(1));
  pack_row(k, panel_lo_, edge, side);
  b_.end();
  k = b_.begin_for("k", begin, end, b_.index(1));
  pack_row(k, edge, j1, side);
  b_.end();
}

void ContractEmitter::emit_pack(ExprId begin, ExprId end) {
  emitter_.axes.assign(extents_.size(), b_.index(0));
  ExprId n = frame_.dim(n_extent());
  auto open = [&](ExprId j0, ExprId j1, ExprId width) {
    panel_lo_ = j0;
    panel_width_ = width;
    return b_.let("j1", j1);
  };
  if (right_is_even(*scope_.graph, *dot_)) {
    // Rows are read from end to end: the panels are many streams, each written in order.
    return runs(begin, end, [&](ExprId from, ExprId to) {
      ExprId k = b_.begin_for("k", from, to, b_.index(1));
      panels(b_.index(0), n, [&](ExprId j0, ExprId j1, ExprId width) {
        ExprId stop = open(j0, j1, width);
        pack_row(k, j0, stop, width);
      });
      b_.end();
    });
  }
  const bool loads = terms_.term(bt_).kind == TermKind::load && terms_.term(bt_).chosen.empty();
  ExprId side = b_.index(frame_.target().lanes(dtype_bytes(dtype_)));
  runs(begin, end, [&](ExprId from, ExprId to) {
    ExprId whole = from;
    if (loads)
      whole = b_.let("whole", b_.add(from, b_.mul(b_.binary(kernel::Op::div, b_.sub(to, from), side), side)));
    panels(b_.index(0), n, [&](ExprId j0, ExprId j1, ExprId width) {
      ExprId stop = open(j0, j1, width);
      if (loads) return pack_transposed(from, to, whole, stop);
      ExprId k = b_.begin_for("k", from, to, b_.index(1));
      pack_row(k, j0, stop, width);
      b_.end();
    });
  });
}

int64_t ContractEmitter::panel_width(int64_t j0) const {
  const auto [narrow, wider] = split();
  return (j0 < wider * (narrow + 1) * lanes() ? narrow + 1 : narrow) * lanes();
}

int64_t ContractEmitter::panel_columns() const {
  int64_t columns = 0;
  while (columns < n_extent().constant()) columns += panel_width(columns);
  return columns;
}

std::shared_ptr<const Array> ContractEmitter::lay_out(const Array& array) {
  const Term& term = terms_.term(bt_);
  const Dim n = n_extent(), k = k_extent();
  if (!term.is_plain_load() || !n_axis_) return nullptr;
  if (!n.is_constant() || !k.is_constant() || n.constant() == 0 || k.constant() == 0) return nullptr;
  packed_ = true;  // the panels are those of a factor that is read from panels
  // Strides by axis; an axis of a batch or a second one of columns has no panel.
  std::vector<int64_t> stride(extents_.size(), 0);
  for (const AffineIndex::Part& p : term.address.parts) {
    const bool inner = p.axis == *n_axis_ || classes_[p.axis] == k_class;
    if (!inner || !p.coefficient.is_constant()) return nullptr;
    stride[p.axis] = p.coefficient.constant();
  }
  // One panel of whole rows lies in order already.
  if (stride[*n_axis_] == 1 && n.constant() <= panel_width(0)) return nullptr;
  const int64_t columns = panel_columns();
  auto out = std::make_shared<Array>(array.dtype(), std::vector<int64_t>{columns * k.constant()});
  const size_t bytes = dtype_bytes(array.dtype());
  for (int64_t row = 0; row < k.constant(); ++row) {
    int64_t from = term.address.constant.constant(), rest = row;
    for (size_t i = k_axes_.size(); i-- > 0;) {
      const int64_t extent = extents_[k_axes_[i]].constant();
      from += rest % extent * stride[k_axes_[i]];
      rest /= extent;
    }
    for (int64_t j0 = 0; j0 < n.constant(); j0 += panel_width(j0)) {
      const int64_t width = panel_width(j0), stop = std::min(j0 + width, n.constant());
      std::byte* to = out->data() + static_cast<size_t>(j0 * k.constant() + row * width) * bytes;
      for (int64_t j = j0; j < stop; ++j, to += bytes)
        std::memcpy(to, array.data() + static_cast<size_t>(from + j * stride[*n_axis_]) * bytes, bytes);
    }
  }
  return out;
}

std::shared_ptr<const Array> constant_panels(const ir::Module& module, const Plan& plan, const Scope& scope,
                                             int32_t group, const target::Target& target) {
  const Graph& graph = *scope.graph;
  for (NodeId id : scope.fusion.groups[static_cast<size_t>(group)].nodes) {
    if (!is_tiled(graph, graph.node(id))) continue;
    const NodeId producer = graph.value(graph.node(id).operands[1]).node;
    if (!producer.valid() || scope.fusion.group_of[producer.index] < 0) return nullptr;
    const Node& node = graph.node(producer);
    if (node.op->generate() == nullptr || node.op->generate()->what != ir::Generator::constant)
      return nullptr;
    kernel::Function scratch;
    Frame frame(scratch, module, plan, target);
    return ContractEmitter(frame, scope, group).lay_out(*node.get<std::shared_ptr<const Array>>("value"));
  }
  return nullptr;
}

}  // namespace tenon::lower
