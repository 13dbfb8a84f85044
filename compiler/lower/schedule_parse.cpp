// Reads the sections of the scheduled stage. The graphs are fused anew with the groups that stand there as
// the only ones wanted, so that no group comes about that fusion would not make; fields change the schedule
// that would have been chosen, and are held against what the group can do.
#include <algorithm>
#include <unordered_map>

#include "ir/canonical.h"
#include "ir/lexer.h"
#include "lower/lower.h"
#include "lower/schedule_fields.h"
#include "lower/schedule_text.h"
#include "support/text.h"

namespace tenon::lower {
namespace {

using ir::Lexer;
using ir::Token;

// One line of a section: a group.
struct Line {
  Token kind;
  std::vector<std::pair<Token, std::string>> names;  // of operations, with the place of each
  std::vector<std::pair<Token, Token>> fields;       // name and text
  std::vector<std::vector<Line>> regions;
};

class Parser {
 public:
  Parser(std::string_view text, std::string_view file, const Options& options)
      : lexer_(text, file), options_(options) {}

  Result<ScheduledModule> run(ir::Module module) {
    ScheduledModule out;
    out.options = options_;
    out.module = std::make_unique<ir::Module>(std::move(module));
    const target::Target* target = out.options.target = header();
    if (target == nullptr) return std::move(errors_);
    const ir::DimRanges& dims = out.module->dims;
    out.usual = std::make_unique<ir::DimRanges>(usual_ranges(dims));
    out.sizes = std::make_unique<Sizes>(dims, *out.usual, *target);
    std::set<std::string> cannot_fail;
    for (const ir::Function& f : out.module->functions) {
      ScheduledFunction s{&f};
      s.ranges = std::make_unique<IndexRanges>(f.graph, dims, cannot_fail);
      std::vector<Line> lines;
      if (!section(f, dims, &s, &lines)) return std::move(errors_);
      if (!s.ranges->may_fail(f.graph) && s.guards.empty()) cannot_fail.insert(f.name);
      // A section without groups is one that fusion has not seen yet.
      if (lines.empty()) {
        s.graph = group_regions(f.graph, *s.ranges, options_.fuse);
        schedule_groups(s.graph.get(), *out.sizes);
      } else {
        s.graph = graph(f.graph, *s.ranges, *out.sizes, lines);
      }
      out.functions.push_back(std::move(s));
    }
    lexer_.skip_newlines();
    if (errors_.empty() && lexer_.peek().kind != Token::Kind::end)
      fail(Code::syntax, "no function is left for this", lexer_.peek(),
           "sections stand in the order of the functions");
    if (!errors_.empty()) return std::move(errors_);
    out.progress = Progress::scheduled;
    out.places = std::make_shared<const Places>(place_module(out, out.options));
    return out;
  }

 private:
  bool fail(Code code, std::string message, const Token& at, std::string help = {}) {
    errors_.add(lexer_.diagnostic(code, std::move(message), at, std::move(help)));
    return false;
  }
  bool expect(std::string_view punct) {
    const Token t = lexer_.next();
    return t.is(punct) || fail(Code::syntax, "expected " + std::string(punct), t);
  }
  bool word(std::string_view name) {
    const Token t = lexer_.next();
    return t.word(name) || fail(Code::syntax, "expected " + std::string(name), t);
  }

  const target::Target* header() {
    lexer_.skip_newlines();
    if (!word("target")) return nullptr;
    const Token name = lexer_.raw_until("");
    const target::Target* found = target::find_target(name.value);
    if (found == nullptr) fail(Code::target_unsupported, "no target is named " + name.value, name);
    return found;
  }

  bool section(const ir::Function& f, const ir::DimRanges& dims, ScheduledFunction* out,
               std::vector<Line>* lines) {
    lexer_.skip_newlines();
    const Token start = lexer_.peek();
    if (!word("schedule")) return false;
    const Token name = lexer_.next();
    const std::string given = name.kind == Token::Kind::string ? name.value : std::string(name.text);
    if (given != f.name)
      return fail(Code::schedule, "this is where the schedule of " + f.name + " stands", start,
                  "one section for each function, in their order");
    if (!expect("{")) return false;
    lexer_.skip_newlines();
    while (lexer_.peek().word("guard"))
      if (!guard(dims, out)) return false;
    return block(lines);
  }

  bool guard(const ir::DimRanges& dims, ScheduledFunction* out) {
    lexer_.next();
    const Token name = lexer_.next();
    if (!expect("=")) return false;
    const Token rest = lexer_.raw_until("");
    const size_t in = rest.value.rfind(" in "), dots = rest.value.rfind("..");
    if (in == std::string::npos || dots == std::string::npos || dots < in)
      return fail(Code::syntax, "a guard is \"name = size in low..high\"", rest);
    auto value = ir::parse_dim(std::string_view(rest.value).substr(0, in), &dims);
    const auto low = parse_int(trim(std::string_view(rest.value).substr(in + 4, dots - in - 4)));
    const auto high = parse_int(trim(std::string_view(rest.value).substr(dots + 2)));
    if (!value || !low || !high) return fail(Code::syntax, "a guard is \"name = size in low..high\"", rest);
    out->guards.push_back({std::string(name.text), *value, {*low, *high}});
    lexer_.skip_newlines();
    return true;
  }

  // Groups up to the brace that closes them.
  bool block(std::vector<Line>* out) {
    for (lexer_.skip_newlines(); !lexer_.peek().is("}"); lexer_.skip_newlines()) {
      if (lexer_.peek().kind == Token::Kind::end)
        return fail(Code::syntax, "the section is not closed", lexer_.peek());
      Line line;
      line.kind = lexer_.next();
      do {
        const Token t = lexer_.next();
        if (t.kind != Token::Kind::name && t.kind != Token::Kind::string)
          return fail(Code::syntax, "expected the name of a value", t);
        line.names.push_back({t, t.kind == Token::Kind::string ? t.value : std::string(t.text)});
      } while (lexer_.peek().is(",") && lexer_.next().is(","));
      if (lexer_.peek().is("{")) {
        lexer_.next();
        const bool regions = lexer_.peek().ends_line();
        if (!(regions ? read_regions(&line) : read_fields(&line))) return false;
      }
      const Token end = lexer_.peek();
      if (!end.ends_line()) return fail(Code::syntax, "expected the end of the line", end);
      out->push_back(std::move(line));
    }
    return expect("}");
  }

  bool read_regions(Line* line) {
    constexpr size_t most_regions = 2;
    for (lexer_.skip_newlines(); !lexer_.peek().is("}"); lexer_.skip_newlines()) {
      if (line->regions.size() == most_regions)
        return fail(Code::syntax, "an operation has two regions at most", lexer_.peek());
      if (!word("region") || !expect("{")) return false;
      line->regions.emplace_back();
      if (!block(&line->regions.back())) return false;
    }
    return expect("}");
  }

  bool read_fields(Line* line) {
    do {
      const Token name = lexer_.next();
      if (name.kind != Token::Kind::name) return fail(Code::syntax, "expected the name of a field", name);
      if (!expect("=")) return false;
      line->fields.push_back({name, lexer_.raw_until(",}")});
    } while (lexer_.peek().is(",") && lexer_.next().is(","));
    return expect("}");
  }

  std::unique_ptr<ScheduledGraph> graph(const Graph& g, const IndexRanges& ranges, const Sizes& sizes,
                                        const std::vector<Line>& lines) {
    const std::vector<std::string> names = ir::value_names(g);
    std::unordered_map<std::string, NodeId> nodes;
    for (size_t i = 0; i < g.node_count(); ++i) nodes.emplace(node_name(g, NodeId(i), names), NodeId(i));
    std::vector<int32_t> wanted(g.node_count(), -1);
    for (size_t l = 0; l < lines.size(); ++l)
      for (const auto& [at, name] : lines[l].names) {
        const auto found = nodes.find(name);
        if (found == nodes.end()) {
          fail(Code::undefined_name, "no operation gives " + name, at);
        } else if (wanted[found->second.index] >= 0) {
          fail(Code::schedule, name + " stands in two groups", at);
        } else {
          wanted[found->second.index] = static_cast<int32_t>(l);
        }
      }
    if (!errors_.empty()) return nullptr;
    auto out = group_graph(g, ranges, options_.fuse, &wanted);
    std::vector<int32_t> line_of(out->fusion.groups.size(), -1);
    for (size_t l = 0; l < lines.size(); ++l)
      check_group(*out, names, lines[l], nodes, static_cast<int32_t>(l), &line_of);
    for (size_t n = 0; n < line_of.size() && errors_.empty(); ++n)
      if (line_of[n] < 0) {
        const NodeId id = out->fusion.groups[n].nodes[0];
        fail(Code::schedule, ir::node_text(g, id, names) + " belongs to no group", lexer_.peek(),
             "add a line for it to the section that ends before this place");
      }
    for (size_t n = 0; n < line_of.size() && errors_.empty(); ++n)
      finish(out.get(), n, ranges, sizes, lines[static_cast<size_t>(line_of[n])]);
    return errors_.empty() ? std::move(out) : nullptr;
  }

  // Whether a line's operations are one group, of its kind.
  void check_group(const ScheduledGraph& s, const std::vector<std::string>& names, const Line& line,
                   const std::unordered_map<std::string, NodeId>& nodes, int32_t number,
                   std::vector<int32_t>* line_of) {
    const NodeId first = nodes.at(line.names[0].second);
    const int32_t group = s.fusion.group_of[first.index];
    for (const auto& [at, name] : line.names) {
      const NodeId id = nodes.at(name);
      const int32_t own = s.fusion.group_of[id.index];
      if (own < 0) {
        fail(Code::schedule, name + " is made anew where it is read: it belongs to no group", at);
        return;
      }
      if (own == group) continue;
      fail(Code::schedule,
           line.names[0].second + " and " + name + " cannot be one kernel: " + reason(s, group, own), at,
           "put " + name + " into a group of its own");
      return;
    }
    const Group& made = s.fusion.groups[static_cast<size_t>(group)];
    if (line.kind.text != kind_name(made.kind)) {
      fail(Code::schedule,
           "a group of " + ir::node_text(*s.graph, made.nodes[0], names) + " is " +
               std::string(kind_name(made.kind)),
           line.kind);
      return;
    }
    (*line_of)[static_cast<size_t>(group)] = number;
  }

  // Why two groups stayed apart.
  static std::string reason(const ScheduledGraph& s, int32_t a, int32_t b) {
    for (const EdgeNote& note : s.fusion.notes) {
      const int32_t from = s.fusion.group_of[note.producer.index],
                    to = s.fusion.group_of[note.consumer.index];
      if (!note.fused && ((from == a && to == b) || (from == b && to == a))) return note.reason;
    }
    return "neither reads the other";
  }

  void finish(ScheduledGraph* s, size_t n, const IndexRanges& ranges, const Sizes& sizes, const Line& line) {
    Schedule schedule = choose_schedule(*s, n, sizes);
    const std::vector<ScheduleField>& fields = schedule_fields(schedule);
    for (const auto& [name, text] : line.fields) {
      const auto field = std::find_if(fields.begin(), fields.end(),
                                      [&](const ScheduleField& f) { return f.name == name.text; });
      if (field == fields.end()) {
        std::string all;
        for (const ScheduleField& f : fields) all += (all.empty() ? "" : ", ") + std::string(f.name);
        fail(Code::schedule, "no field of this group is named " + std::string(name.text), name,
             all.empty() ? "it has none" : "its fields are " + all);
        continue;
      }
      if (const std::string takes = field->read(text.value, &schedule); !takes.empty())
        fail(Code::schedule, std::string(name.text) + " takes " + takes + ", found " + quote(text.value),
             text);
    }
    if (!errors_.empty()) return;
    if (const std::string why = why_not(*s, n, sizes, schedule); !why.empty()) {
      fail(Code::schedule, "the group cannot run so: " + why, line.kind);
      return;
    }
    adopt(s, std::move(schedule));
    const Group& group = s->fusion.groups[n];
    const size_t regions =
        group.kind == GroupKind::control ? s->graph->node(group.nodes[0]).regions.size() : 0;
    if (regions != line.regions.size()) {
      fail(Code::schedule,
           "the operation has " + std::to_string(regions) + " regions, found " +
               std::to_string(line.regions.size()),
           line.kind);
      return;
    }
    for (size_t r = 0; r < regions && errors_.empty(); ++r)
      s->regions[n].push_back(
          graph(*s->graph->node(group.nodes[0]).regions[r], ranges, sizes, line.regions[r]));
  }

  Lexer lexer_;
  const Options& options_;
  Errors errors_;
};

}  // namespace

Result<ScheduledModule> parse_scheduled(std::string_view text, const ir::ParseOptions& options,
                                        const Options& lowering) {
  constexpr std::string_view begin = "\ntarget ";
  const size_t at = text.find(begin);
  if (at == std::string_view::npos)
    return error(Code::bad_header,
                 options.file + ": a dump of the stage scheduled names its target and schedules",
                 "tenon show --stage scheduled writes one");
  TENON_ASSIGN(ir::Module module, ir::parse(text.substr(0, at + 1), options));
  auto refused = [&](const std::string& what, const std::string& help) {
    return error(Code::schedule, options.file + ": " + what, help);
  };
  if (!module.derives.empty())
    return refused("directives are expanded at this stage", "name the stage graph");
  if (const auto computed = ir::computed_dims(module.dims); !computed.empty())
    return refused("dimension " + computed.begin()->first + " is computed, which this stage writes out",
                   "name the stage optimized");
  for (const ir::Function& f : module.functions)
    if (!is_primitive(f.graph))
      return refused(f.name + " holds composites or calls, kernels are made of primitives",
                     "name the stage graph");
  // A text names globals where they are used; kernels take them as they are declared.
  for (ir::Function& f : module.functions) ir::order_globals(module, &f);
  // Blank lines keep the numbers of the lines.
  std::string sections(text);
  for (size_t i = 0; i <= at; ++i)
    if (sections[i] != '\n') sections[i] = ' ';
  return Parser(sections, options.file, lowering).run(std::move(module));
}

}  // namespace tenon::lower
