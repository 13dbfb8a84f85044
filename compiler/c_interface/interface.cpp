#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "c_interface/interface.h"
#include "c_interface/names.h"
#include "codegen/analysis.h"
#include "kernel/evaluate.h"

namespace tenon::c_interface {
using kernel::Entry;
using kernel::EntryParam;
using kernel::Function;
using kernel::ParamRole;

namespace {

// The words of every header: types, functions and constants that are there whatever the model holds.
void take_fixed(CNames& file, const std::string& prefix) {
  for (const char* word : {"status", "tensor", "parallel", "init", "check", "tensors"})
    file.take(prefix + "_" + word);
  for (const char* word :
       {"OK", "E_NULL", "E_RANGE", "E_SPACE", "E_ALIGN", "E_STATE", "E_LABEL", "E_NONFINITE", "E_CPU",
        "E_OVERLAP", "ALIGN", "STATE_BYTES", "INIT_ARENA_BYTES", "H_"})
    file.take(c_upper(prefix) + "_" + word);
}

// File-level names of the entries: users' functions first, then what belongs to them.
void name_file(CInterface& c, CNames& file) {
  const std::string stem = c.prefix + "_", upper = c_upper(c.prefix) + "_";
  for (CEntry& e : c.entries) e.name = file.claim_ending(stem, e.entry->name);
  std::set<std::string> seen;
  for (CEntry& e : c.entries) {
    e.arena_bytes = file.claim(stem + e.name + "_arena_bytes");
    if (e.entry->loops) e.args = file.claim(stem + e.name + "_args");
    e.macro = file.claim(upper + c_upper(e.name) + "_ARENA_BYTES");
    for (const kernel::DimSlot& d : e.entry->dims) {
      if (!seen.insert(d.name).second) continue;
      const std::string wanted = upper + c_upper(c_identifier(d.name));
      std::string macro = wanted;
      while (!file.free(macro + "_MIN") || !file.free(macro + "_MAX")) macro += '_';
      file.take(macro + "_MIN");
      file.take(macro + "_MAX");
      c.dims.push_back({std::move(macro), d.low, std::min<int64_t>(d.high, UINT32_MAX)});
    }
  }
  std::sort(c.dims.begin(), c.dims.end(), [](const CDim& a, const CDim& b) { return a.macro < b.macro; });
}

// Names of an entry's fields, and of what its functions take beside them.
void name_fields(CEntry& e, const CNames& file) {
  CNames names(&file), sizes(&file);
  for (const bool dims : {false, true})
    for (CField& f : e.fields)
      if ((f.param->role == ParamRole::dim) == dims && f.param != e.order)
        f.name = names.claim(f.param->name);
  for (CField& f : e.fields)
    if (f.param == e.order) f.name = names.claim(given_order);
  for (const CField& f : e.fields)
    if (f.param->role == ParamRole::dim) sizes.take(f.name);
  e.workers = sizes.claim("workers");
  // Fields of a struct leave the names of parameters free.
  CNames own(&file);
  CNames& beside = e.entry->loops ? own : names;
  if (e.entry->loops) e.done_name = names.claim("done");
  e.state = beside.claim("state");
  e.record = beside.claim("a");
  e.arena = beside.claim("arena");
  e.bytes = beside.claim("bytes");
  e.parallel_name = beside.claim("p");
}

size_t c_bytes(const EntryParam& p) {
  if (p.role == ParamRole::dim) return 4;
  return p.role == ParamRole::hyper ? dtype_bytes(p.dtype) : 8;
}

const EntryParam* find_param(const Entry& entry, ParamRole role, std::string_view name) {
  for (const EntryParam& p : entry.params)
    if (p.role == role && p.name == name) return &p;
  return nullptr;
}

// The array of row numbers that `other` takes beside what `entry` takes, where that is all they differ in.
const EntryParam* order_of(const Entry& entry, const Entry& other) {
  if (!entry.loops || !other.loops || other.name != entry.name + std::string(given_order_suffix))
    return nullptr;
  const EntryParam* order = nullptr;
  for (const EntryParam& p : other.params)
    if (p.role == ParamRole::input && find_param(entry, p.role, p.name) == nullptr) order = &p;
  if (order == nullptr || order->dtype != DType::u32) return nullptr;
  auto within = [](const Entry& a, const Entry& b, const EntryParam* but) {
    return std::all_of(a.params.begin(), a.params.end(), [&](const EntryParam& p) {
      if (&p == but || p.role == ParamRole::constants) return true;
      const EntryParam* same = find_param(b, p.role, p.name);
      return same != nullptr && same->dtype == p.dtype && same->shape == p.shape;
    });
  };
  // The dims are passed to both in one order.
  const bool same = within(entry, other, nullptr) && within(other, entry, order) &&
                    std::equal(entry.dims.begin(), entry.dims.end(), other.dims.begin(), other.dims.end(),
                               [](const kernel::DimSlot& a, const kernel::DimSlot& b) {
                                 return a.name == b.name && a.low == b.low && a.high == b.high;
                               });
  return same ? order : nullptr;
}

// Loops that are one C function with another: of each loop, the same in a given order and the array of row
// numbers that it takes.
struct GivenOrders {
  std::map<const Entry*, std::pair<const Entry*, const EntryParam*>> of;
  std::set<const Entry*> merged;  // those in a given order
};

GivenOrders given_orders(const kernel::Module& module) {
  GivenOrders given;
  for (const Entry& entry : module.entries)
    for (const Entry& other : module.entries)
      if (const EntryParam* order = order_of(entry, other)) {
        given.of[&entry] = {&other, order};
        given.merged.insert(&other);
      }
  return given;
}

// Whether an entry fills a state from a seed, and needs nothing else for it.
bool fills_state(const Entry& entry) {
  return entry.name == "init" && entry.dims.empty() &&
         std::all_of(entry.params.begin(), entry.params.end(), [](const EntryParam& p) {
           return p.role == ParamRole::state || p.role == ParamRole::arena ||
                  p.role == ParamRole::constants ||
                  (p.role == ParamRole::input && p.name == "seed" && dtype_bytes(p.dtype) == 8);
         });
}

// The fields of an entry's parameters, in the entry's order.
Result<std::vector<CField>> entry_fields(const Entry& entry) {
  std::vector<CField> fields;
  size_t dim = 0;
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
      ++dim;
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

// Puts fields into the order of C, each at its offset in the args struct.
void lay_out(CEntry& e, const std::vector<CField>& fields) {
  uint64_t offset = 0;
  for (ParamRole role : {ParamRole::input, ParamRole::dim, ParamRole::hyper, ParamRole::output})
    for (const CField& field : fields) {
      if (field.param->role != role) continue;
      const size_t bytes = c_bytes(*field.param);
      offset = (offset + bytes - 1) / bytes * bytes;
      e.fields.push_back(field);
      e.fields.back().offset = offset;
      offset += bytes;
    }
  e.done = (offset + 7) / 8 * 8;
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

namespace {

Result<CEntry> c_entry(const kernel::Module& module, const Entry& entry, const GivenOrders& given,
                       bool parallel) {
  CEntry e;
  e.entry = &entry;
  e.parallel = parallel;
  TENON_ASSIGN(std::vector<CField> fields, entry_fields(entry));
  std::vector<int64_t> high;
  for (const CField& field : fields)
    if (field.param->role == ParamRole::dim) high.push_back(field.high);
  if (const auto found = given.of.find(&entry); found != given.of.end()) {
    std::tie(e.given, e.order) = found->second;
    CField order;
    order.param = e.order;
    order.optional = true;
    fields.push_back(std::move(order));
  }
  lay_out(e, fields);
  TENON_ASSIGN(e.arena_high, arena_bytes(module, entry, high));
  if (e.given != nullptr) {
    TENON_ASSIGN(const int64_t other, arena_bytes(module, *e.given, high));
    e.arena_high = std::max(e.arena_high, other);
  }
  return e;
}

}  // namespace

Result<CInterface> interface_of(const kernel::Module& module, const std::string& prefix) {
  CInterface c;
  c.prefix = prefix;
  const GivenOrders given = given_orders(module);
  const codegen::ModuleFacts facts = codegen::module_facts(module);
  for (const Entry& entry : module.entries) {
    if (given.merged.count(&entry) != 0) continue;
    const Function* f = module.find(entry.function);
    if (f == nullptr)
      return error(Code::backend, "entry " + entry.name + " has no function " + entry.function);
    if (fills_state(entry)) {
      c.init = &entry;
      TENON_ASSIGN(c.init_arena, arena_bytes(module, entry, {}));
      continue;
    }
    // A step takes threads whether or not it uses them now: its signature does not follow from its sizes.
    const bool parallel = entry.writes_state || facts.phases.at(f);
    TENON_ASSIGN(CEntry e, c_entry(module, entry, given, parallel));
    c.entries.push_back(std::move(e));
  }
  CNames file;
  take_fixed(file, prefix);
  name_file(c, file);
  for (CEntry& e : c.entries) name_fields(e, file);
  return c;
}

}  // namespace tenon::c_interface
