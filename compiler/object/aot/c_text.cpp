#include "object/aot/c_text.h"

#include <algorithm>
#include <cstring>

#include "c_interface/names.h"
#include "ir/dim.h"
#include "support/text.h"

namespace tenon::object {
using namespace support;
using c_interface::CEntry;
using c_interface::CField;
using c_interface::CInterface;
using kernel::ParamRole;

namespace {

std::string c_type(DType d) { return std::string(dtype_row(d).c_type); }

// An arena of more bytes than this is no size that a program sets aside before it knows its own.
constexpr int64_t largest_constant = int64_t{1} << 32;

// Names of tensors and extents come from users: nothing of them may end a comment, or begin another.
std::string in_comment(std::string s) {
  for (const char* mark : {"*/", "/*"})
    for (size_t at = s.find(mark); at != std::string::npos; at = s.find(mark, at)) s.insert(at + 1, 1, ' ');
  for (char& c : s)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return s;
}

std::string shape_text(const CField& f) {
  if (f.param->shape.empty()) return "one value";
  std::string s;
  for (const std::string& extent : f.param->shape) s += "[" + extent + "]";
  return s;
}

std::string value_text(const kernel::EntryParam& p) {
  return with_dtype(p.dtype, [&]<class T>() {
    T value;
    std::memcpy(&value, &p.bits, sizeof value);
    if constexpr (std::is_floating_point_v<T>)
      return format_float(value);
    else
      return std::to_string(value);
  });
}

std::string range_text(const CField& f) { return std::to_string(f.low) + ".." + std::to_string(f.high); }

// "const float *x", and what stands beside it.
std::string declaration(const CField& f) {
  switch (f.param->role) {
    case ParamRole::input:
      return "const " + c_type(f.param->dtype) + " *" + f.name;
    case ParamRole::output:
      return c_type(f.param->dtype) + " *" + f.name;
    case ParamRole::hyper:
      return c_type(f.param->dtype) + " " + f.name;
    default:
      return "uint32_t " + f.name;
  }
}
std::string remark(const CField& f) {
  switch (f.param->role) {
    case ParamRole::input:
      if (f.optional) return shape_text(f) + " row numbers, or NULL: shuffled by the state's random counter";
      return shape_text(f) + (is_bool(f.param->dtype) ? ", 0 or 1" : "");
    case ParamRole::output:
      return "out: " + shape_text(f) + (is_bool(f.param->dtype) ? ", 0 or 1" : "") +
             (f.optional ? "; or NULL: then the arena has room for it as well, behind a multiple of 64" : "");
    case ParamRole::hyper:
      return "hyper-parameter, " + value_text(*f.param) + " in the model";
    default:
      return range_text(f);
  }
}

// What stands behind a field: whose it is, where C made it change its name, and what it holds.
std::string field_text(const CField& f) {
  const std::string& own = f.param->name;
  return in_comment((f.optional && f.param->role == ParamRole::input) || own == f.name
                        ? remark(f)
                        : "\"" + own + "\": " + remark(f));
}

std::string signature(const CEntry& e, const std::string& prefix) {
  std::string s = prefix + "_status " + prefix + "_" + e.name + "(" +
                  (e.entry->writes_state ? "" : "const ") + "void *" + e.state;
  if (e.entry->loops) {
    s += ", " + e.args + " *" + e.record;
  } else {
    for (const CField& f : e.fields) s += ", " + declaration(f);
  }
  s += ", void *" + e.arena + ", size_t " + e.bytes;
  if (e.parallel) s += ", const " + prefix + "_parallel *" + e.parallel_name;
  return s + ")";
}

std::string init_signature(const CInterface& c, const std::string& prefix) {
  return prefix + "_status " + prefix + "_init(void *state, size_t bytes, uint64_t seed" +
         (c.init_arena > c_interface::init_stack ? ", void *arena, size_t arena_bytes)" : ")");
}

void fields_comment(const CEntry& e, std::string& out) {
  for (const CField& f : e.fields) out += "     " + f.name + ": " + field_text(f) + "\n";
}

// Bounds of sizes, and the bytes of state and arenas.
std::string macros(const kernel::Module& module, const CInterface& c) {
  const std::string P = c_interface::c_upper(c.prefix);
  std::string h;
  for (const c_interface::CDim& d : c.dims) {
    h += "#define " + d.macro + "_MIN " + std::to_string(d.low) + "u\n";
    h += "#define " + d.macro + "_MAX " + std::to_string(d.high) + "u\n";
  }
  h += "#define " + P +
       "_ALIGN 64u /* of state and arena; inputs and outputs are aligned as their elements */\n";
  h += "#define " + P + "_STATE_BYTES " + std::to_string(std::max<uint64_t>(module.state_bytes, 64)) +
       "u /* all tensors of " + P + "_tensors: memcpy-able */\n";
  if (c.init_arena > c_interface::init_stack)
    h += "#define " + P + "_INIT_ARENA_BYTES " + std::to_string(c.init_arena) + "u\n";
  for (const CEntry& e : c.entries)
    if (e.arena_high < largest_constant)
      h += "#define " + e.macro + " " + std::to_string(e.arena_high) +
           "u /* with every size at its maximum */\n";
  return h;
}

std::string status_type(const std::string& prefix) {
  const std::string P = c_interface::c_upper(prefix);
  std::string h = "\n/* Not OK: the failing call, or step of a call, changed no state. */\ntypedef enum {\n";
  const char* const names[][2] = {
      {"OK", "done"},
      {"E_NULL", "a required pointer is null"},
      {"E_RANGE", "a size or an index is out of range"},
      {"E_SPACE", "state or arena is too small"},
      {"E_ALIGN", "a pointer is not aligned as required"},
      {"E_STATE", "the state is not of this program"},
      {"E_LABEL", "a label is outside its classes"},
      {"E_NONFINITE", "a checked value is not finite"},
      {"E_CPU", "the processor lacks what the code needs; from init and check"},
      {"E_OVERLAP", "an output or the arena overlaps an input, an output, the state or the arguments"}};
  for (const auto& [name, text] : names) h += "  " + P + "_" + name + ", /* " + text + " */\n";
  h.erase(h.rfind(','), 1);
  return h + "} " + prefix + "_status;\n\n";
}

std::string tensor_type(const std::string& prefix) {
  return "/* Where a tensor lies in the state. */\ntypedef struct {\n"
         "  const char *name;   /* as in the model */\n"
         "  const char *dtype;  /* \"f32\" and so on */\n"
         "  uint32_t rank;      /* extents in use */\n"
         "  uint32_t shape[8];  /* extents */\n"
         "  size_t offset;      /* from the start of the state */\n"
         "  size_t bytes;\n"
         "} " +
         prefix + "_tensor;\n\n";
}

std::string parallel_type(const std::string& prefix) {
  return "/* Threads that the caller lends; NULL: the calling thread alone. The results do not depend on it. "
         "What is not\n   offered is NULL. */\ntypedef struct {\n"
         "  void *ctx;         /* handed back to the callbacks */\n"
         "  uint32_t workers;  /* 1 or more */\n"
         "  /* calls task(arg, chunk, worker) once for every chunk below n, in any order, on any threads, "
         "and waits for all */\n"
         "  void (*run)(void *ctx, uint32_t n, void (*task)(void *arg, uint32_t chunk, uint32_t worker), "
         "void *arg);\n"
         "  /* or NULL: calls body(arg, worker) once on each of `workers` threads, all running at once, and "
         "waits for all */\n"
         "  void (*team)(void *ctx, void (*body)(void *arg, uint32_t worker), void *arg);\n"
         "  uint64_t *chunks;  /* [workers] or NULL: the chunks that each worker of a team has run are added "
         "*/\n"
         "} " +
         prefix + "_parallel;\n\n";
}

// An entry's struct, its size function and itself.
std::string entry_text(const CEntry& e, const std::string& prefix) {
  std::string h = "\n";
  if (e.entry->loops) {
    h += "typedef struct {\n";
    for (const CField& f : e.fields) h += "  " + declaration(f) + "; /* " + field_text(f) + " */\n";
    h += "  uint64_t " + e.done_name + "; /* out: steps committed */\n} " + e.args + ";\n";
  }
  h += "/* Exact; 0: out of range, or nothing needed. */\nsize_t " + e.arena_bytes + "(";
  for (const CField& f : e.fields)
    if (f.param->role == ParamRole::dim) h += "uint32_t " + f.name + ", ";
  h += "uint32_t " + e.workers + ");\n";
  std::string text =
      "/* " + in_comment(e.entry->name) + (e.entry->writes_state ? ": changes the state" : "") + "\n";
  if (!e.entry->loops) fields_comment(e, text);
  text.pop_back();
  return h + text + " */\n" + signature(e, prefix) + ";\n";
}

// What the example stands on: memory, and an end where a call fails.
std::string example_head(const std::string& prefix, const std::string& file) {
  const std::string P = c_interface::c_upper(prefix);
  return "/* " + in_comment(file) +
         "_example.c: makes a state and calls every function once, on inputs of zeros.\n"
         "   cc -std=c99 " +
         in_comment(file) + "_example.c " + in_comment(file) +
         ".o */\n"
         "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n#include \"" +
         file +
         ".h\"\n\n"
         "/* Zeroed memory at a multiple of " +
         P +
         "_ALIGN; it lasts until the program ends. */\n"
         "static void *block(size_t bytes) {\n"
         "  char *p = (char *)calloc(bytes + " +
         P +
         "_ALIGN, 1);\n"
         "  if (p == NULL) exit(2);\n"
         "  return p + (" +
         P + "_ALIGN - (uintptr_t)p % " + P + "_ALIGN) % " + P +
         "_ALIGN;\n}\n\n"
         "static void must(const char *what, " +
         prefix +
         "_status status) {\n"
         "  if (status == " +
         P +
         "_OK) return;\n"
         "  fprintf(stderr, \"%s: status %d\\n\", what, (int)status);\n"
         "  exit(1);\n}\n\n";
}

// A call of one entry, on inputs of zeros. Sizes are small; extents of the tensors follow from them.
class ExampleCall {
 public:
  ExampleCall(const CEntry& e, const std::string& prefix) : e_(e), prefix_(prefix) {
    for (const CField& f : e_.fields)
      if (f.param->role == ParamRole::dim)
        sizes_[f.param->name] = std::max<int64_t>(f.low, std::min<int64_t>(f.high, 4));
  }

  std::string text() const {
    std::string x = "  {\n";
    for (const CField& f : e_.fields)
      if (f.param->role == ParamRole::output)
        x += "    " + c_type(f.param->dtype) + " *" + out(f) + " = (" + c_type(f.param->dtype) + " *)block(" +
             bytes(f) + ");\n";
    x += "    size_t bytes = " + e_.arena_bytes + "(";
    for (const CField& f : e_.fields)
      if (f.param->role == ParamRole::dim) x += value(f) + ", ";
    x += "1);\n";
    std::string call = prefix_ + "_" + e_.name + "(state, ";
    if (e_.entry->loops) {
      x += "    " + e_.args + " a;\n    memset(&a, 0, sizeof a);\n";
      for (const CField& f : e_.fields) x += "    a." + f.name + " = " + value(f) + ";\n";
      call += "&a, ";
    } else {
      for (const CField& f : e_.fields) call += value(f) + ", ";
    }
    call += std::string("block(bytes), bytes") + (e_.parallel ? ", NULL)" : ")");
    x += "    must(\"" + e_.name + "\", " + call + ");\n";
    if (e_.entry->loops)
      x += "    printf(\"" + e_.name + ": %lu steps\\n\", (unsigned long)a." + e_.done_name + ");\n";
    for (const CField& f : e_.fields)
      if (f.param->role == ParamRole::output)
        x += "    printf(\"" + e_.name + ": " + f.name + "[0] = %g\\n\", (double)" + out(f) + "[0]);\n";
    return x + "  }\n";
  }

 private:
  // The example's own variables keep out of the way of the model's names.
  static std::string out(const CField& f) { return "out_" + f.name; }
  std::string bytes(const CField& f) const {
    int64_t n = static_cast<int64_t>(dtype_bytes(f.param->dtype));
    for (const std::string& extent : f.param->shape) {
      const Result<ir::Dim> dim = ir::parse_dim(extent, nullptr);
      const Result<int64_t> value = dim ? dim->evaluate(sizes_) : Result<int64_t>(int64_t{1});
      n *= value ? std::max<int64_t>(*value, 1) : 1;
    }
    return std::to_string(n);
  }
  std::string value(const CField& f) const {
    switch (f.param->role) {
      case ParamRole::dim:
        return std::to_string(sizes_.at(f.param->name));
      case ParamRole::hyper: {
        std::string v = value_text(*f.param);
        if (v == "nan" || v == "-nan" || v == "inf" || v == "-inf") v = "0.0";
        return f.param->dtype == DType::f32 ? v + "f" : v;
      }
      case ParamRole::input:
        if (f.optional) return "NULL";
        return "(const " + c_type(f.param->dtype) + " *)block(" + bytes(f) + ")";
      default:
        return out(f);
    }
  }

  const CEntry& e_;
  const std::string& prefix_;
  ir::DimBindings sizes_;
};

}  // namespace

std::string c_header(const kernel::Module& module, const CInterface& c, const std::string& file,
                     const std::string& target) {
  const std::string& prefix = c.prefix;
  const std::string P = c_interface::c_upper(prefix);
  std::string h = "/* " + in_comment(file) + ".h: " + in_comment(module.name) + ", compiled for " + target +
                  ". Generated; do not edit.\n"
                  "   No allocation, no globals, no initialization; link " +
                  in_comment(file) +
                  ".o and nothing else. */\n"
                  "#ifndef " +
                  P + "_H_\n#define " + P +
                  "_H_\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
                  "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
  h += macros(module, c);
  h += status_type(prefix) + tensor_type(prefix) + parallel_type(prefix);
  h += "/* Fills a state: parameters from the seed, everything else as the model says. */\n" +
       init_signature(c, prefix) + ";\n";
  h += "/* Whether a state is one of this program: layout and version. */\n" + prefix + "_status " + prefix +
       "_check(const void *state, size_t bytes);\n";
  h += "/* The tensors of the state; their number goes to *count. */\nconst " + prefix + "_tensor *" +
       prefix + "_tensors(size_t *count);\n";
  for (const CEntry& e : c.entries) h += entry_text(e, prefix);
  h += "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* " + P + "_H_ */\n";
  return h;
}

std::string c_example(const CInterface& c, const std::string& file) {
  const std::string& prefix = c.prefix;
  const std::string P = c_interface::c_upper(prefix);
  std::string x = example_head(prefix, file);
  x += "int main(void) {\n"
       "  size_t count = 0;\n"
       "  const " +
       prefix + "_tensor *tensors = " + prefix +
       "_tensors(&count);\n"
       "  void *state = block(" +
       P + "_STATE_BYTES);\n";
  const bool given = c.init_arena > c_interface::init_stack;
  x += "  must(\"init\", " + prefix + "_init(state, " + P + "_STATE_BYTES, 1" +
       (given ? ", block(" + P + "_INIT_ARENA_BYTES), " + P + "_INIT_ARENA_BYTES" : std::string()) + "));\n";
  x += "  must(\"check\", " + prefix + "_check(state, " + P + "_STATE_BYTES));\n";
  x += "  for (size_t i = 0; i < count; ++i)\n"
       "    printf(\"%s %s at %lu\\n\", tensors[i].name, tensors[i].dtype, (unsigned "
       "long)tensors[i].offset);\n";
  for (const CEntry& e : c.entries) x += ExampleCall(e, prefix).text();
  return x + "  return 0;\n}\n";
}

}  // namespace tenon::object
