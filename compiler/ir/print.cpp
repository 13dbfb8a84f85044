// Printer: modules, functions, regions, and the alignment of neighbouring lines.
#include "ir/print.h"

#include <algorithm>
#include <unordered_map>

#include "ir/builder.h"
#include "ir/lexer.h"
#include "ir/print_detail.h"
#include "support/text.h"

namespace tenon::ir {
namespace {

// Wider parts do not push their neighbours away.
constexpr size_t max_names_column = 24, max_body_column = 72;

std::string init_text(const Init& init, DType dtype) {
  std::string out = init.name;
  if (init.args.empty()) return out;
  out += "(";
  for (size_t i = 0; i < init.args.size(); ++i) {
    if (i != 0) out += ", ";
    out += init.args[i].text(dtype);
  }
  return out + ")";
}

void options_text(const std::vector<Option>& options, std::string* out) {
  for (size_t i = 0; i < options.size(); ++i) {
    const Option& o = options[i];
    if (i != 0) *out += ", ";
    *out += is_plain_pattern(o.name) ? o.name : name_text(o.name);
    if (o.is_list || !o.word.empty() || !o.group.empty()) *out += " =";
    if (o.is_list) {
      *out += " [" + join(o.list, ", ") + "]";
    } else if (!o.word.empty()) {
      *out += " " + o.word;
    }
    if (!o.group.empty()) {
      *out += " {";
      options_text(o.group, out);
      *out += "}";
    }
  }
}

void pad(std::string* out, size_t width) {
  if (out->size() < width) out->append(width - out->size(), ' ');
}

}  // namespace

std::string Printer::place(const Location& location) const {
  if (!options_.locations || module_ == nullptr || module_->from.empty() || location.file != 0 ||
      location.line == 0)
    return "";
  return "@" + std::to_string(location.line);
}

std::string Printer::tail(const Node& node) const {
  std::string out = node.scope.empty() ? "" : "in " + quote(node.scope);
  std::string at = place(node.location);
  if (!out.empty() && !at.empty()) out += "  ";
  return out + at;
}

void Printer::header() {
  out_ += "tenon 1\n";
  if (module_->stage != "graph") out_ += "stage " + name_text(module_->stage) + "\n";
  out_ += "module " + name_text(module_->name);
  if (!module_->from.empty()) out_ += " from " + quote(module_->from);
  out_ += "\n";
  for (const std::string& name : module_->dim_order) {
    auto range = module_->dims.find(name);
    if (range == module_->dims.end()) continue;
    out_ +=
        "dim " + name + " = " + std::to_string(range->second.low) + ".." + std::to_string(range->second.high);
    if (range->second.value != nullptr) out_ += " from " + range->second.value->text();
    out_ += "\n";
  }
}

void Printer::globals() {
  size_t name_width = 0, type_width = 0, init_width = 0;
  for (const Global& g : module_->globals) {
    if (g.kind == GlobalKind::hyper) continue;
    name_width = std::max(name_width, (g.kind == GlobalKind::param ? 6 : 6) + name_text(g.name).size());
    type_width = std::max(type_width, g.type.text().size());
    init_width = std::max(init_width, init_text(g.init, g.type.dtype).size());
  }
  name_width = std::min(name_width, size_t{40});
  type_width = std::min(type_width, size_t{32});
  init_width = std::min(init_width, size_t{32});
  for (const Global& g : module_->globals) {
    comment(g.comment);
    std::string line;
    if (g.kind == GlobalKind::hyper) {
      line = "hyper " + name_text(g.name) + " = " +
             (g.init.args.empty() ? Number() : g.init.args[0]).text(g.type.dtype) + " : ";
      line += g.type.is_scalar() ? std::string(dtype_name(g.type.dtype)) : g.type.text();
    } else {
      std::string part = (g.kind == GlobalKind::param ? "param " : "state ") + name_text(g.name);
      pad(&part, name_width);
      line = part + " : ";
      part = g.type.text();
      pad(&part, type_width);
      line += part + " = ";
      part = init_text(g.init, g.type.dtype);
      if (g.frozen || !place(g.location).empty()) pad(&part, init_width);
      line += part;
      if (g.frozen) line += "  frozen";
    }
    if (std::string at = place(g.location); !at.empty()) line += "  " + at;
    out_ += line + "\n";
  }
}

void Printer::comment(const std::string& lines) {
  if (lines.empty() || !options_.comments) return;
  for (const std::string_view line : split(lines, '\n'))
    out_ += (line.empty() ? "//" : "// " + std::string(line)) + "\n";
}

void Printer::derives() {
  for (const Derive& d : module_->derives) {
    comment(d.comment);
    out_ += "derive " + name_text(d.name) + " = " + d.kind + " " + name_text(d.source);
    if (!d.options.empty()) {
      out_ += " {";
      options_text(d.options, &out_);
      out_ += "}";
    }
    if (std::string at = place(d.location); !at.empty()) out_ += "  " + at;
    out_ += "\n";
  }
}

void Printer::module_text() {
  header();
  globals();
  for (const Function& f : module_->functions) {
    out_ += "\n";
    function(f);
  }
  if (!module_->derives.empty()) out_ += "\n";
  derives();
}

void Printer::function(const Function& f) {
  std::vector<std::string> names = value_names(f.graph);
  comment(f.comment);
  out_ += (f.procedure ? "procedure " : "func ") + name_text(f.name) + "(";
  bool first = true;
  for (ValueId a : f.graph.args) {
    if (f.graph.value(a).arg != ArgKind::input) continue;
    if (!first) out_ += ", ";
    first = false;
    out_ += name_text(names[a.index]) + ": " + f.graph.type(a).text();
  }
  out_ += ")";
  for (size_t i = 0; i < f.returns; ++i) {
    out_ += i == 0 ? " -> " : ", ";
    if (i < f.result_names.size() && !f.result_names[i].empty()) out_ += name_text(f.result_names[i]) + ": ";
    out_ += f.graph.type(f.graph.results[i]).text();
  }
  if (f.mode != Mode::unresolved) out_ += f.mode == Mode::training ? " mode training" : " mode inference";
  if (!f.batch.dim.empty()) {
    out_ += " batch " + f.batch.dim + " (";
    for (size_t i = 0; i < f.batch.inputs.size(); ++i) {
      const BatchInput& input = f.batch.inputs[i];
      out_ += (i == 0 ? "" : ", ") + name_text(input.name);
      for (const uint32_t axis : input.axes) out_ += " " + std::to_string(axis);
    }
    out_ += ")";
  }
  if (f.origin.role != Role::written) out_ += " from " + f.origin.text();
  out_ += " {\n";
  block(f.graph, names, 2);
  for (size_t i = 0; i < f.writes.size(); ++i)
    out_ += "  set " + name_text(f.writes[i].global) + " = " +
            name_text(names[f.graph.results[f.returns + i].index]) + "\n";
  for (size_t i = 0; i < f.returns; ++i)
    out_ += (i == 0 ? "  return " : ", ") + name_text(names[f.graph.results[i].index]);
  out_ += f.returns == 0 ? "}\n" : "\n}\n";
}

void Printer::flush(std::vector<Row>* rows, size_t indent) {
  size_t names = 0, body = 0, types = 0;
  for (const Row& r : *rows) {
    if (r.names.size() <= max_names_column) names = std::max(names, r.names.size());
    if (r.types.size() <= max_body_column) types = std::max(types, r.types.size());
  }
  auto head = [&](const Row& r) {
    std::string out(indent, ' ');
    if (r.names.empty()) return out + r.body;
    std::string n = r.names;
    pad(&n, names);
    return out + n + " = " + r.body;
  };
  for (const Row& r : *rows) {
    size_t width = head(r).size();
    if (width <= max_body_column) body = std::max(body, width);
  }
  for (const Row& r : *rows) {
    std::string line = head(r);
    if (!r.types.empty()) {
      pad(&line, body);
      std::string t = r.types;
      if (!r.tail.empty()) pad(&t, types);
      line += " : " + t;
    }
    if (!r.tail.empty()) line += "  " + r.tail;
    out_ += line + "\n";
  }
  rows->clear();
}

void Printer::block(const Graph& graph, const std::vector<std::string>& names, size_t indent) {
  std::vector<Row> rows;
  std::vector<uint32_t> uses = count_uses(graph);
  std::vector<bool> hidden(graph.node_count());
  std::unordered_map<size_t, std::vector<std::string>> literals;
  for (size_t i = 0; i < graph.node_count(); ++i)
    if (std::vector<std::string> l; literal_operands(graph, i, uses, &l, &hidden))
      literals.emplace(i, std::move(l));
  for (size_t i = 0; i < graph.node_count(); ++i) {
    if (hidden[i]) continue;
    const Node& node = graph.node(NodeId(i));
    auto folded = literals.find(i);
    Row row;
    for (ValueId r : node.results) {
      if (!row.types.empty()) row.names += ", ", row.types += ", ";
      row.names += name_text(names[r.index]);
      row.types += graph.type(r).text();
    }
    row.body = operation(graph, node, names, folded == literals.end() ? nullptr : &folded->second);
    row.tail = tail(node);
    bool has_regions = node.op->control() != nullptr && !node.regions.empty();
    if (!has_regions) {
      rows.push_back(std::move(row));
      if (options_.bodies && node.op->composite() != nullptr) {
        flush(&rows, indent);
        body_comment(graph, node, indent);
      }
      continue;
    }
    flush(&rows, indent);
    rows.push_back(std::move(row));
    flush(&rows, indent);
    out_.pop_back();
    out_ += " {\n";
    regions(graph, node, names, indent);
  }
  flush(&rows, indent);
}

std::string print(const Module& module, const PrintOptions& options) {
  Printer p(&module, options);
  p.module_text();
  return p.take();
}

std::string print(const Function& function, const Module& module, const PrintOptions& options) {
  Printer p(&module, options);
  p.function(function);
  return p.take();
}

Hasher structural_hash(const Module& module) {
  PrintOptions options;
  options.locations = options.comments = false;
  options.side = [](const std::string&, const Array&) {};
  Hasher h;
  h.add(std::string_view(print(module, options)));
  return h;
}

}  // namespace tenon::ir
