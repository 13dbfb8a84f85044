#include <algorithm>
#include <map>
#include <set>

#include "codegen/c_functions.h"
#include "kernel/evaluate.h"

namespace tenon::codegen {
using kernel::Entry;
using kernel::EntryParam;
using kernel::Function;
using kernel::ParamRole;

namespace {

bool has_parallel(const std::vector<kernel::Stmt>& body) {
  return std::any_of(body.begin(), body.end(), [](const kernel::Stmt& s) {
    return s.kind == kernel::StmtKind::parallel || has_parallel(s.body) || has_parallel(s.other);
  });
}

// A C identifier that no other field or function has.
std::string identifier(std::string_view name, std::set<std::string>& taken) {
  std::string id;
  for (char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    id += plain ? c : '_';
  }
  if (id.empty() || (id[0] >= '0' && id[0] <= '9')) id.insert(0, "_");
  while (!taken.insert(id).second) id += '_';
  return id;
}

// What a field of the args struct, or an argument, must not be called.
const std::set<std::string> reserved{
    "state",    "arena",  "bytes",    "p",       "a",      "done",     "auto",      "break",    "case",
    "char",     "const",  "continue", "default", "do",     "double",   "else",      "enum",     "extern",
    "float",    "for",    "goto",     "if",      "inline", "int",      "long",      "register", "restrict",
    "return",   "short",  "signed",   "sizeof",  "static", "struct",   "switch",    "typedef",  "union",
    "unsigned", "void",   "volatile", "while",   "class",  "new",      "this",      "template", "delete",
    "private",  "public", "bool",     "true",    "false",  "operator", "namespace", "using",    "try",
    "catch",    "throw",  "virtual",  "friend",  "asm"};

size_t c_bytes(const EntryParam& p) {
  if (p.role == ParamRole::dim) return 4;
  return p.role == ParamRole::hyper ? dtype_bytes(p.dtype) : 8;
}

const EntryParam* find_param(const Entry& entry, ParamRole role, std::string_view name) {
  for (const EntryParam& p : entry.params)
    if (p.role == role && p.name == name) return &p;
  return nullptr;
}

// Whether `other` is `entry` in an order that it takes.
bool takes_order(const Entry& entry, const Entry& other) {
  if (!entry.loops || !other.loops || other.name != entry.name + std::string(given_order_suffix))
    return false;
  const EntryParam* order = find_param(other, ParamRole::input, given_order);
  if (order == nullptr || order->dtype != DType::u32) return false;
  auto within = [](const Entry& a, const Entry& b, const EntryParam* but) {
    return std::all_of(a.params.begin(), a.params.end(), [&](const EntryParam& p) {
      if (&p == but || p.role == ParamRole::constants) return true;
      const EntryParam* same = find_param(b, p.role, p.name);
      return same != nullptr && same->dtype == p.dtype && same->shape == p.shape;
    });
  };
  // The dims are passed to both in one order.
  return within(entry, other, nullptr) && within(other, entry, order) &&
         std::equal(entry.dims.begin(), entry.dims.end(), other.dims.begin(), other.dims.end(),
                    [](const kernel::DimSlot& a, const kernel::DimSlot& b) {
                      return a.name == b.name && a.low == b.low && a.high == b.high;
                    });
}

}  // namespace

CStatus c_status(uint16_t code) {
  switch (static_cast<Code>(code)) {
    case Code::label_range:
      return CStatus::label;
    case Code::nonfinite:
      return CStatus::nonfinite;
    case Code::space:
      return CStatus::space;
    case Code::alignment:
      return CStatus::align;
    case Code::state_foreign:
      return CStatus::state;
    case Code::null_argument:
      return CStatus::null;
    default:
      return CStatus::range;
  }
}

Result<int64_t> arena_bytes(const kernel::Module& module, const Entry& entry,
                            const std::vector<int64_t>& dims) {
  const Function* f = module.find(entry.arena_function);
  if (f == nullptr) return int64_t{0};
  int64_t bytes = 0;
  std::vector<kernel::Argument> arguments;
  size_t dim = 0;
  for (kernel::VarId p : f->params) {
    kernel::Argument a;
    if (f->var(p).kind == kernel::VarKind::buffer) {
      a.pointer = &bytes;
      a.bytes = sizeof bytes;
    } else if (dim < dims.size()) {
      a.scalar = static_cast<uint64_t>(dims[dim++]);
    }
    arguments.push_back(a);
  }
  TENON_TRY(kernel::evaluate(module, *f, arguments));
  return bytes;
}

Result<CInterface> c_interface(const kernel::Module& module) {
  CInterface c;
  std::set<std::string> functions{"init", "check", "tensors"};
  std::map<const Entry*, const Entry*> given;  // loop -> the same in a given order
  std::set<const Entry*> merged;
  for (const Entry& entry : module.entries)
    for (const Entry& other : module.entries)
      if (takes_order(entry, other)) {
        given[&entry] = &other;
        merged.insert(&other);
      }
  for (const Entry& entry : module.entries) {
    if (merged.count(&entry) != 0) continue;
    const Function* f = module.find(entry.function);
    if (f == nullptr)
      return error(Code::backend, "entry " + entry.name + " has no function " + entry.function);
    if (entry.name == "init") {
      const bool plain =
          entry.dims.empty() &&
          std::all_of(entry.params.begin(), entry.params.end(), [](const EntryParam& p) {
            return p.role == ParamRole::state || p.role == ParamRole::arena ||
                   p.role == ParamRole::constants ||
                   (p.role == ParamRole::input && p.name == "seed" && dtype_bytes(p.dtype) == 8);
          });
      if (plain) {
        c.init = &entry;
        TENON_ASSIGN(c.init_arena, arena_bytes(module, entry, {}));
        continue;
      }
    }
    CEntry e;
    e.entry = &entry;
    e.name = identifier(entry.name, functions);
    // A step takes threads whether or not it uses them now: its signature does not follow from its sizes.
    e.parallel = entry.writes_state || has_parallel(f->body);
    std::set<std::string> names = reserved;
    size_t dim = 0;
    std::vector<CField> all;
    std::vector<int64_t> high;
    for (const EntryParam& p : entry.params) {
      if (p.role == ParamRole::constants) continue;
      CField field;
      field.param = &p;
      field.optional = entry.loops && p.role == ParamRole::output;
      if (p.role == ParamRole::dim) {
        if (dim >= entry.dims.size())
          return error(Code::backend, "entry " + entry.name + " has more dims than ranges");
        field.low = entry.dims[dim].low;
        field.high = std::min<int64_t>(entry.dims[dim].high, UINT32_MAX);
        high.push_back(field.high);
        ++dim;
      }
      if (p.role != ParamRole::state && p.role != ParamRole::arena) field.name = identifier(p.name, names);
      all.push_back(std::move(field));
    }
    if (const auto found = given.find(&entry); found != given.end()) {
      e.given = found->second;
      CField order;
      order.param = find_param(*e.given, ParamRole::input, given_order);
      order.name = identifier(given_order, names);
      order.optional = true;
      all.push_back(std::move(order));
    }
    uint64_t offset = 0;
    for (ParamRole role : {ParamRole::input, ParamRole::dim, ParamRole::hyper, ParamRole::output})
      for (const CField& field : all) {
        if (field.param->role != role) continue;
        const size_t bytes = c_bytes(*field.param);
        offset = (offset + bytes - 1) / bytes * bytes;
        e.fields.push_back(field);
        e.fields.back().offset = offset;
        offset += bytes;
      }
    e.done = (offset + 7) / 8 * 8;
    TENON_ASSIGN(e.arena_high, arena_bytes(module, entry, high));
    if (e.given != nullptr) {
      TENON_ASSIGN(const int64_t other, arena_bytes(module, *e.given, high));
      e.arena_high = std::max(e.arena_high, other);
    }
    c.entries.push_back(std::move(e));
  }
  return c;
}

}  // namespace tenon::codegen
