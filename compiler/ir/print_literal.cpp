// Printer: which constants print as literals of the operation that uses them.
//
// "mul x, 2.0" reads as a constant, its broadcast where the operation is elementwise, and the operation.
// Where these nodes stand just so (unnamed, used once, in the order the parser makes them), they print as the
// literal again, and the text parses back to the very same nodes. Everywhere else constants print as lines of
// their own.
#include "ir/builder.h"
#include "ir/op_def.h"
#include "ir/print_detail.h"

namespace tenon::ir {
namespace {

struct Candidate {
  size_t operand;
  NodeId constant, broadcast;  // broadcast invalid where none is needed
  DType dtype;
};

// The type that the parser gives to a literal at a position, if any.
bool literal_dtype(const Graph& graph, const Node& node, const std::vector<Candidate>& literals,
                   const Candidate& c) {
  if (is_bool(c.dtype)) return true;
  if (node.op->operands.empty()) return false;
  DTypes set = node.op->operands[std::min(c.operand, node.op->operands.size() - 1)].dtypes;
  if (set == DTypes::index) return c.dtype == DType::i64;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    bool literal = false;
    for (const Candidate& other : literals) literal = literal || other.operand == i;
    DType d = graph.type(node.operands[i]).dtype;
    if (!literal && !is_bool(d) && dtype_in(d, set)) return d == c.dtype;
  }
  return false;
}

}  // namespace

bool Printer::literal_operands(const Graph& graph, size_t index, const std::vector<uint32_t>& uses,
                               std::vector<std::string>* literals, std::vector<bool>* hidden) const {
  const Node& node = graph.node(NodeId(index));
  if (node.op->control() != nullptr || node.operands.size() < 2) return false;
  static const OpDef* const constant = op_table().find("const");
  static const OpDef* const broadcast = op_table().find("broadcast");
  bool spread = node.op->elementwise() != nullptr && !graph.type(node.operands[0]).is_scalar();
  // An inner value that only this operation knows.
  auto own = [&](ValueId v, const OpDef* op) -> const Node* {
    const Node* n = graph.producer(v);
    bool fits = n != nullptr && n->op == op && uses[v.index] == 1 && graph.value(v).name.empty() &&
                n->scope == node.scope && place(n->location) == place(node.location);
    return fits ? n : nullptr;
  };
  std::vector<Candidate> found;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    ValueId v = node.operands[i];
    Candidate c{i, {}, {}, graph.type(v).dtype};
    if (spread) {
      const Node* wide = own(v, broadcast);
      if (wide == nullptr) continue;
      c.broadcast = graph.value(v).node;
      v = wide->operands[0];
    }
    if (!graph.type(v).is_scalar() || own(v, constant) == nullptr || !dtype_computes(c.dtype)) continue;
    c.constant = graph.value(v).node;
    found.push_back(c);
  }
  if (found.empty() || found.size() == node.operands.size()) return false;
  size_t count = found.size();
  if (index < count * (spread ? 2 : 1)) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!literal_dtype(graph, node, found, found[i])) return false;
    if (found[i].constant.index != index - count * (spread ? 2 : 1) + i) return false;
    if (spread && found[i].broadcast.index != index - count + i) return false;
  }
  literals->assign(node.operands.size(), "");
  for (const Candidate& c : found) {
    const Node& n = graph.node(c.constant);
    (*literals)[c.operand] =
        array_text(**std::get_if<std::shared_ptr<const Array>>(&n.attrs[positional_attr(*n.op)]));
    (*hidden)[c.constant.index] = true;
    if (spread) (*hidden)[c.broadcast.index] = true;
  }
  return true;
}

}  // namespace tenon::ir
