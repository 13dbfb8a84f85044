#include <algorithm>
#include <cstring>

#include "kernel/print.h"
#include "kernel/syntax.h"
#include "kernel/text.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i != 0 ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

// A dimension expression stands as it is, unless its characters would end it.
std::string extent_text(const std::string& text) {
  const bool plain = !text.empty() && trim(text) == text && std::all_of(text.begin(), text.end(), [](char c) {
    return is_name_char(c) || std::string_view("+-*/%(). '").find(c) != std::string_view::npos;
  });
  return plain ? text : quote(text);
}

void print_constant(const Constant& c, const PrintOptions& options, std::string& out) {
  out += "  " + quote(c.hash) + " at " + std::to_string(c.offset);
  if (c.array == nullptr) {
    out += " = data\n";
    return;
  }
  const Array& a = *c.array;
  out += " : " + std::string(dtype_name(a.dtype())) + shape_text(a.shape()) + " = ";
  if (options.side && static_cast<uint64_t>(a.count()) >= options.large_constant) {
    options.side(c.hash, a);
    out += "data\n";
    return;
  }
  out += "{";
  const size_t bytes = dtype_bytes(a.dtype());
  for (int64_t i = 0; i < a.count(); ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, a.data() + static_cast<size_t>(i) * bytes, bytes);
    out += (i != 0 ? ", " : "") + literal_text(a.dtype(), bits, true);
  }
  out += "}\n";
}

}  // namespace

std::string print(const Module& m, const PrintOptions& options) {
  std::string out = "tenon 1\nstage kernel\nmodule " + quote(m.name) + " target " + quote(m.target) + "\n";
  if (m.state_bytes != 0 || !m.state.empty()) {
    out += "\nstate " + std::to_string(m.state_bytes) + " {\n";
    for (const StateSlot& s : m.state)
      out += "  " + quote(s.name) + " : " + std::string(dtype_name(s.dtype)) + shape_text(s.shape) + " at " +
             std::to_string(s.offset) + " bytes " + std::to_string(s.bytes) + " " + quote(s.kind) + "\n";
    out += "}\n";
  }
  if (m.constant_bytes != 0 || !m.constants.empty()) {
    out += "\nconstants " + std::to_string(m.constant_bytes) + " {\n";
    for (const Constant& c : m.constants) print_constant(c, options, out);
    out += "}\n";
  }
  for (const Entry& e : m.entries) {
    out += "\ninterface " + quote(e.name) + " = " + quote(e.function) + " arena " + quote(e.arena_function);
    if (e.writes_state) out += " writes_state";
    if (e.loops) out += " loops";
    if (e.origin.role != ir::Role::written) out += " from " + quote(e.origin.text());
    if (!e.batch.empty()) out += " batch " + quote(e.batch);
    out += " {\n";
    for (const DimSlot& d : e.dims)
      out += "  dimension " + quote(d.name) + " in " + std::to_string(d.low) + " .. " +
             std::to_string(d.high) + "\n";
    for (const EntryParam& p : e.params) {
      out += "  " + std::string(role_name(p.role)) + " " + quote(p.name) + " : " +
             std::string(dtype_name(p.dtype)) + "[";
      for (size_t i = 0; i < p.shape.size(); ++i) out += (i != 0 ? "," : "") + extent_text(p.shape[i]);
      out += "]";
      for (size_t i = 0; i < p.cut.size(); ++i) out += (i == 0 ? " cut " : ", ") + std::to_string(p.cut[i]);
      if (p.role == ParamRole::hyper) out += " = " + literal_text(p.dtype, p.bits, true);
      out += "\n";
    }
    out += "}\n";
  }
  for (const Function& f : m.functions) out += "\n" + print(f);
  if (!m.edited) out += "\nseal " + quote(seal(m)) + "\n";
  return out;
}

std::string seal(const Module& m) {
  Hasher h;
  auto list = [&](size_t size) -> Hasher& { return h.add(uint64_t{size}); };
  h.add(m.name).add(m.target).add(m.state_bytes).add(m.constant_bytes);
  list(m.state.size());
  for (const StateSlot& s : m.state) {
    h.add(s.name).add(dtype_name(s.dtype)).add(s.offset).add(s.bytes).add(s.kind);
    list(s.shape.size());
    for (const int64_t extent : s.shape) h.add(static_cast<uint64_t>(extent));
  }
  list(m.constants.size());
  for (const Constant& c : m.constants) {
    h.add(c.hash).add(c.offset);
    if (c.array == nullptr) continue;
    h.add(dtype_name(c.array->dtype()));
    list(c.array->shape().size());
    for (const int64_t extent : c.array->shape()) h.add(static_cast<uint64_t>(extent));
    h.add(std::string_view(reinterpret_cast<const char*>(c.array->data()), c.array->bytes()));
  }
  list(m.entries.size());
  for (const Entry& e : m.entries) {
    h.add(e.name).add(e.function).add(e.arena_function).add(e.origin.text());
    h.add(uint64_t{e.writes_state} << 1 | uint64_t{e.loops});
    list(e.dims.size());
    for (const DimSlot& d : e.dims)
      h.add(d.name).add(static_cast<uint64_t>(d.low)).add(static_cast<uint64_t>(d.high));
    list(e.params.size());
    for (const EntryParam& p : e.params) {
      h.add(role_name(p.role)).add(p.name).add(dtype_name(p.dtype)).add(p.bits);
      list(p.shape.size());
      for (const std::string& extent : p.shape) h.add(extent);
    }
  }
  list(m.functions.size());
  for (const Function& f : m.functions) {
    const Hasher body = structural_hash(f);
    h.add(f.name).add(body.low()).add(body.high());
  }
  return h.hex();
}

}  // namespace tenon::kernel
