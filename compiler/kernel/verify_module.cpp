#include <algorithm>
#include <set>
#include <unordered_set>

#include "kernel/verify.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

class ModuleVerifier {
 public:
  ModuleVerifier(const Module& module, const Limits& limits) : m_(module), limits_(limits) {}

  Errors run() {
    std::unordered_set<std::string_view> names;
    for (const Function& f : m_.functions) {
      if (f.name.empty()) fail(Code::graph_invalid, "a function has no name");
      if (!names.insert(f.name).second)
        fail(Code::duplicate_name, "function " + quote(f.name) + " is defined twice");
    }
    for (const Function& f : m_.functions)
      if (Status s = verify(f, m_, limits_); !s) errors_.append(s.take_errors());
    state();
    constants();
    names.clear();
    for (const Entry& e : m_.entries) {
      if (!names.insert(e.name).second)
        fail(Code::duplicate_name, "interface " + quote(e.name) + " is defined twice");
      entry(e);
    }
    return std::move(errors_);
  }

 private:
  void fail(Code code, std::string message) { errors_.append(error(code, std::move(message))); }

  // Slots are aligned to their elements, lie in the block, and do not overlap.
  struct Span {
    uint64_t offset, bytes;
    std::string name;
  };
  void spans(std::vector<Span> list, uint64_t total, const char* what) {
    std::sort(list.begin(), list.end(), [](const Span& a, const Span& b) { return a.offset < b.offset; });
    uint64_t end = 0;
    const Span* before = nullptr;
    for (const Span& s : list) {
      if (s.bytes > total || s.offset > total - s.bytes)
        fail(Code::graph_invalid, std::string(what) + " " + quote(s.name) + " ends beyond the block's " +
                                      std::to_string(total) + " bytes");
      else if (before != nullptr && s.bytes != 0 && s.offset < end)
        fail(Code::graph_invalid,
             std::string(what) + " " + quote(s.name) + " overlaps " + quote(before->name));
      if (s.bytes == 0) continue;
      end = s.offset + s.bytes;
      before = &s;
    }
    constexpr uint64_t most_unused = 4096;
    if (total > end && total - end > most_unused)
      fail(Code::graph_invalid, std::string(what) + " block: " + std::to_string(total) + " bytes, of which " +
                                    std::to_string(end) + " are used");
  }

  void state() {
    std::vector<Span> list;
    std::unordered_set<std::string_view> names;
    for (const StateSlot& s : m_.state) {
      if (!names.insert(s.name).second)
        fail(Code::duplicate_name, "state " + quote(s.name) + " is defined twice");
      int64_t count = 0, bytes = 0;
      if (!checked_bytes(s.dtype, s.shape, &count, &bytes) || static_cast<uint64_t>(bytes) != s.bytes)
        fail(Code::graph_invalid,
             "state " + quote(s.name) + ": " + std::to_string(s.bytes) + " bytes are not those of its shape");
      if (s.offset % dtype_bytes(s.dtype) != 0)
        fail(Code::graph_invalid, "state " + quote(s.name) + ": offset " + std::to_string(s.offset) +
                                      " is not aligned to its elements");
      list.push_back({s.offset, s.bytes, s.name});
    }
    spans(std::move(list), m_.state_bytes, "state");
  }

  void constants() {
    std::vector<Span> list;
    for (const Constant& c : m_.constants) {
      if (c.array == nullptr) {
        fail(Code::graph_invalid, "constant " + quote(c.hash) + " has no values");
        continue;
      }
      if (c.offset % dtype_bytes(c.array->dtype()) != 0)
        fail(Code::graph_invalid, "constant " + quote(c.hash) + ": offset " + std::to_string(c.offset) +
                                      " is not aligned to its elements");
      list.push_back({c.offset, c.array->bytes(), c.hash});
    }
    spans(std::move(list), m_.constant_bytes, "constant");
  }

  void entry(const Entry& e) {
    const std::string where = "interface " + quote(e.name) + ": ";
    const Function* f = m_.find(e.function);
    if (f == nullptr) {
      fail(Code::undefined_name, where + "no function " + quote(e.function));
    } else if (!f->entry) {
      fail(Code::graph_invalid, where + quote(e.function) + " is no entry");
    } else if (f->params.size() != e.params.size()) {
      fail(Code::operand_count, where + "has " + std::to_string(e.params.size()) + " parameters, " +
                                    quote(e.function) + " has " + std::to_string(f->params.size()));
    } else {
      for (size_t i = 0; i < e.params.size(); ++i) parameter(where, e.params[i], f->params[i], *f);
    }
    std::unordered_set<std::string_view> names;
    for (const DimSlot& d : e.dims) {
      if (!names.insert(d.name).second)
        fail(Code::duplicate_name, where + "dimension " + quote(d.name) + " is listed twice");
      if (d.low > d.high || d.low < 0)
        fail(Code::dim_range, where + "dimension " + quote(d.name) + " has an empty range, or one below 0");
    }
    // Hosts pass sizes in this order.
    size_t next = 0;
    for (const EntryParam& p : e.params) {
      if (p.role != ParamRole::dim) continue;
      if (!names.contains(p.name))
        fail(Code::undefined_name,
             where + "parameter " + quote(p.name) + " is no dimension of the interface");
      else if (next >= e.dims.size() || e.dims[next].name != p.name)
        fail(Code::graph_invalid, where + "parameter " + quote(p.name) +
                                      " does not stand in the order of the dimensions, or twice");
      ++next;
    }
    if (next < e.dims.size())
      fail(Code::operand_count, where + "has " + std::to_string(e.dims.size()) + " dimensions and " +
                                    std::to_string(next) + " parameters for them");
    std::set<std::pair<ParamRole, std::string_view>> params;
    for (const EntryParam& p : e.params)
      if (!params.emplace(p.role, p.name).second)
        fail(Code::duplicate_name, where + "two parameters of one role are named " + quote(p.name));
    if (!e.arena_function.empty()) arena(where, e);
  }

  void parameter(const std::string& where, const EntryParam& p, VarId id, const Function& f) {
    if (id.index >= f.vars.size()) return;  // reported with the function
    const Var& v = f.var(id);
    const bool value = p.role == ParamRole::hyper || p.role == ParamRole::dim;
    if (value != (v.kind == VarKind::scalar)) {
      fail(Code::graph_invalid, where + quote(p.name) + " is a " + (value ? "value" : "buffer") + ", " +
                                    v.name + " of " + quote(f.name) + " is not");
    } else if ((value || p.role == ParamRole::input || p.role == ParamRole::output) && v.dtype != p.dtype) {
      fail(Code::dtype_mismatch, where + quote(p.name) + " is " + std::string(dtype_name(p.dtype)) + ", " +
                                     v.name + " of " + quote(f.name) + " is " +
                                     std::string(dtype_name(v.dtype)));
    }
  }

  // Dimensions in, one i64 out.
  void arena(const std::string& where, const Entry& e) {
    const Function* f = m_.find(e.arena_function);
    if (f == nullptr) {
      fail(Code::undefined_name, where + "no function " + quote(e.arena_function));
      return;
    }
    size_t buffers = 0, scalars = 0;
    bool sound = !f->entry;
    for (VarId v : f->params) {
      if (v.index >= f->vars.size()) return;
      const Var& x = f->var(v);
      (x.kind == VarKind::buffer ? buffers : scalars) += 1;
      sound = sound && x.dtype == DType::i64;
    }
    if (!sound || buffers != 1 || scalars != e.dims.size())
      fail(Code::graph_invalid, where + quote(e.arena_function) + " takes " + std::to_string(e.dims.size()) +
                                    " dimensions (i64) and one i64 buffer for the number of bytes");
  }

  const Module& m_;
  const Limits& limits_;
  Errors errors_;
};

}  // namespace

Status verify(const Module& module, const Limits& limits) {
  Errors errors = ModuleVerifier(module, limits).run();
  if (errors.empty()) return Ok{};
  return errors;
}

}  // namespace tenon::kernel
