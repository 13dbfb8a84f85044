#include "conformance/goldens.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "catch.h"
#include "driver/compile/compile.h"
#include "ir/print.h"
#include "kernel/print.h"
#include "support/hash.h"

namespace tenon::test {
namespace {

constexpr size_t short_lines = 8;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

void add_item(std::string* out, const std::string& kind, const std::string& name, const std::string& hash,
              const std::string& text) {
  const std::vector<std::string> lines = lines_of(text);
  *out += kind + " " + name + ": " + std::to_string(lines.size()) + " lines, " + hash + "\n";
  if (lines.size() > short_lines) return;
  for (const std::string& line : lines) *out += line.empty() ? "\n" : "    " + line + "\n";
}

driver::Unit unit_of(const std::string& text) {
  auto unit = driver::read_unit(text, "model");
  if (!unit) FAIL(unit.errors().text() << text);
  return std::move(*unit);
}

std::string short_hash(const std::string& hex) { return hex.substr(0, 16); }

}  // namespace

std::string golden_of(const std::string& text) {
  driver::CompileOptions options;
  options.epochs = false;  // but those that the model derives
  std::string out = "== optimized\n";
  auto optimized = driver::optimize(std::get<ir::Module>(unit_of(text).code), options);
  if (!optimized) FAIL(optimized.errors().text() << text);
  ir::PrintOptions plain;
  plain.locations = plain.comments = false;
  for (const ir::Function& f : optimized->functions) {
    const std::string body = ir::print(f, *optimized, plain);
    add_item(&out, "func", f.name, short_hash(support::Hasher().add(body).hex()), body);
  }
  for (const char* cpu : {"x86-64-v3", "x86-64-v4"}) {
    options.cpu = cpu;
    auto kernels = driver::to_kernels(unit_of(text), options);
    if (!kernels) FAIL(kernels.errors().text() << text);
    out += std::string("== kernels for ") + cpu + "\n";
    for (const kernel::Function& f : kernels->functions) {
      const std::string body = kernel::print(f);
      // A kernel's name is the hash of its structure already.
      const std::string hash = short_hash(kernel::structural_hash(f).hex());
      const bool named = f.name.starts_with("k_");
      add_item(&out, f.entry ? "entry" : "kernel", named ? f.comment.substr(0, 60) : f.name, hash, body);
    }
    out += "state of " + std::to_string(kernels->state_bytes) + " bytes, constants of " +
           std::to_string(kernels->constant_bytes) + "\n";
  }
  return out;
}

GoldenDifference difference(const std::string& kept, const std::string& made) {
  GoldenDifference out;
  if (kept == made) return out;
  const std::vector<std::string> a = lines_of(kept), b = lines_of(made);
  auto heads = [](const std::vector<std::string>& lines) {
    std::multiset<std::string> all;
    std::string section;
    for (const std::string& line : lines)
      if (line.starts_with("== "))
        section = line.substr(3);
      else if (!line.empty() && line[0] != ' ')
        all.insert(section + ": " + line);
    return all;
  };
  const auto old_heads = heads(a), new_heads = heads(b);
  std::set_difference(new_heads.begin(), new_heads.end(), old_heads.begin(), old_heads.end(),
                      std::back_inserter(out.added));
  std::set_difference(old_heads.begin(), old_heads.end(), new_heads.begin(), new_heads.end(),
                      std::back_inserter(out.removed));
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  out.first = "line " + std::to_string(i + 1) + "\n  kept: " + (i < a.size() ? a[i] : "its end") +
              "\n  made: " + (i < b.size() ? b[i] : "its end");
  return out;
}

std::string GoldenDifference::text() const {
  std::string out;
  for (const std::string& line : removed) out += "- " + line + "\n";
  for (const std::string& line : added) out += "+ " + line + "\n";
  return out + "first at " + first + "\n";
}

}  // namespace tenon::test
