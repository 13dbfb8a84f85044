// Names of the generated C: every word that C, C++, the header itself or what it includes gives a meaning,
// as the name of a function, an input, a result, a hyper-parameter and a dimension, in one header that C and
// C++ compilers take.
#include "c_interface/names.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "kernel/builder.h"
#include "object/aot/c_text.h"
#include "paths.h"
#include "unit/catch.h"

using namespace tenon;
using namespace tenon::kernel;

namespace {

// Entries without code: the texts follow from interfaces alone.
struct Names {
  Module module;
  Names() {
    module.name = "a */ name /* of a model";
    Function f;
    f.name = "k";
    module.functions.push_back(f);
  }
  void add(const std::string& name, bool loops) {
    Entry e;
    e.name = name;
    e.function = "k";
    e.loops = e.writes_state = loops;
    auto param = [&](ParamRole role, DType dtype, std::vector<std::string> shape) {
      EntryParam p;
      p.role = role;
      p.name = name;
      p.dtype = dtype;
      p.shape = std::move(shape);
      e.params.push_back(std::move(p));
    };
    param(ParamRole::state, DType::u8, {});
    param(ParamRole::arena, DType::u8, {});
    param(ParamRole::input, DType::f32, {"4"});
    param(ParamRole::output, DType::f64, {"2", "3"});
    param(ParamRole::hyper, DType::f32, {});
    param(ParamRole::dim, DType::i64, {});
    e.dims.push_back({name, 1, 9});
    module.entries.push_back(std::move(e));
  }
};

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/tenon-names-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { (void)!std::system(("rm -rf " + path).c_str()); }
  void write(const std::string& name, const std::string& text) const {
    std::FILE* f = std::fopen((path + "/" + name).c_str(), "wb");
    REQUIRE(f != nullptr);
    REQUIRE(std::fwrite(text.data(), 1, text.size(), f) == text.size());
    std::fclose(f);
  }
  int run(const std::string& command) const { return std::system(("cd " + path + " && " + command).c_str()); }
};

std::set<std::string> all_names() {
  std::set<std::string> names;
  for (const std::string_view w : c_interface::c_taken_words()) names.emplace(w);
  // The header's own words and the parameters of its functions, bare, behind the prefix, and in both cases.
  for (const char* w : {"status",    "tensor",        "parallel",
                        "init",      "check",         "tensors",
                        "f",         "f_arena_bytes", "f_args",
                        "F",         "F_ARENA_BYTES", "state",
                        "arena",     "bytes",         "a",
                        "p",         "done",          "workers",
                        "seed",      "arena_bytes",   "run",
                        "team",      "ctx",           "chunks",
                        "name",      "dtype",         "rank",
                        "shape",     "offset",        "count",
                        "order",     "rows",          "epochs",
                        "OK",        "E_NULL",        "E_OVERLAP",
                        "ALIGN",     "STATE_BYTES",   "INIT_ARENA_BYTES",
                        "H_",        "F_MIN",         "F_MAX",
                        "ALIGN_MIN", "block",         "must",
                        "main",      "printf",        "memset",
                        "calloc",    "out_f",         "i"}) {
    names.insert(w);
    names.insert(std::string("twr_") + w);
    names.insert(std::string("TWR_") + w);
    names.insert(std::string(w) + "_");
  }
  // What is no identifier, or one that implementations keep.
  for (const char* w : {"_Bool", "_Complex", "__linux__", "__FILE__", "__func__", "_X", "9lives", "a.b",
                        "a/b", "a_b", "h'", "h''", "two words", "\xc3\xb6l", "*/", "\\", "\"", "%d"})
    names.insert(w);
  return names;
}

}  // namespace

TEST_CASE("Names that C and C++ know, or the header has, are compiled in every role") {
  Names plain, loops;
  for (const std::string& name : all_names()) {
    plain.add(name, false);
    loops.add(name, true);
  }
  const Folder folder;
  const std::string includes =
      "#include <assert.h>\n#include <errno.h>\n#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
      "#include <string.h>\n";
  for (const Names* n : {&plain, &loops}) {
    for (const std::string prefix : {"twr", "TWR", "size", "int8", "getc", "E"}) {
      const auto c = c_interface::interface_of(n->module, prefix);
      REQUIRE(c);
      folder.write("n.h", object::c_header(n->module, *c, "n", "a target"));
      folder.write("n_example.c", object::c_example(*c, "n"));
      for (const char* how : {"#include \"n.h\"\n", "#include \"n.h\"\n#include \"n.h\"\n"}) {
        folder.write("n.c", includes + how + "int main(void) { return 0; }\n");
        folder.write("n.cpp", includes + how + "int main() { return 0; }\n");
      }
      INFO(prefix << (n == &loops ? ", loops" : ""));
      const std::string c99 = TENON_CC " -fsyntax-only -pedantic -Wall -Wextra -Werror ";
      CHECK(folder.run(c99 + "-std=c99 n.c") == 0);
      CHECK(folder.run(c99 + "-std=c99 n_example.c") == 0);
      if (prefix != "twr") continue;
      CHECK(folder.run(c99 + "-std=gnu17 n.c n_example.c") == 0);
      for (const char* standard : {"c++11", "c++20", "gnu++17"})
        CHECK(folder.run(TENON_CXX " -fsyntax-only -pedantic -Wall -Wextra -Werror -std=" +
                         std::string(standard) + " n.cpp") == 0);
    }
  }
}

// The words above are the table's own: one that it lacks would not be tried.
TEST_CASE("The table of words lacks no keyword of C and C++, and no macro or type that the header brings") {
  const Folder folder;
  std::set<std::string> words;
  std::istringstream keywords(
      // C, up to C23
      "alignas alignof auto bool break case char const constexpr continue default do double else enum extern "
      "false float for goto if inline int long nullptr register restrict return short signed sizeof static "
      "static_assert struct switch thread_local true typedef typeof typeof_unqual union unsigned void "
      "volatile while "
      // C++, up to C++20, and its spellings of operators
      "asm catch char16_t char32_t char8_t class co_await co_return co_yield concept const_cast consteval "
      "constinit decltype delete dynamic_cast explicit export friend mutable namespace new noexcept operator "
      "private protected public reinterpret_cast requires static_cast template this throw try typeid "
      "typename using virtual wchar_t and and_eq bitand bitor compl not not_eq or or_eq xor xor_eq "
      // types
      "size_t ptrdiff_t max_align_t int8_t uint8_t int_least16_t uint_fast32_t int64_t intmax_t uintptr_t "
      "FILE div_t ldiv_t lldiv_t fpos_t");
  for (std::string word; keywords >> word;) words.insert(word);
  // Macros are asked of the compiler. Those with arguments stay out: no name stands before a parenthesis.
  folder.write("h.c",
               "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include "
               "<string.h>\n");
  for (const char* standard : {"c99", "c17"}) {
    REQUIRE(folder.run(TENON_CC " -dM -E -std=" + std::string(standard) + " h.c > macros") == 0);
    std::ifstream in(folder.path + "/macros");
    for (std::string define, name, rest; in >> define >> name && std::getline(in, rest);)
      if (name[0] != '_' && name.find('(') == std::string::npos) words.insert(name);
  }
  CHECK(words.size() > 150);  // EOF, SIZE_MAX and the like among them
  for (const std::string& word : words) {
    INFO(word);
    CHECK(c_interface::c_taken_word(word));
  }
}

TEST_CASE("C names keep their spelling where nothing stands against it") {
  Names n;
  for (const char* name : {"p", "a", "state", "f", "f_arena_bytes", "done", "workers"}) n.add(name, false);
  n.add("step", true);
  const auto c = c_interface::interface_of(n.module, "m");
  REQUIRE(c);
  for (const c_interface::CEntry& e : c->entries) {
    CHECK(e.name == e.entry->name);
    CHECK(e.fields[0].name == e.entry->name);  // the input
  }
  // What belongs to f makes way for the function that has its name.
  CHECK(c->entries[3].arena_bytes == "m_f_arena_bytes_");
  const std::string h = object::c_header(n.module, *c, "m", "a target");
  CHECK(h.find("m_status m_p(const void *state, const float *p, ") != std::string::npos);
}

TEST_CASE("An arena that no program sets aside beforehand has no constant in the header") {
  Names n;
  n.add("small", false);
  n.add("large", false);
  auto arena = [&](size_t entry, int64_t factor) {
    Function f;
    f.name = "arena" + std::to_string(entry);
    Builder b(f);
    const ExprId size = b.use(b.scalar("n"));
    b.store(b.buffer("bytes", DType::i64), b.index(0), b.mul(size, b.index(factor)));
    n.module.functions.push_back(f);
    n.module.entries[entry].arena_function = f.name;
  };
  arena(0, 64);
  arena(1, int64_t{1} << 40);
  const auto c = c_interface::interface_of(n.module, "m");
  REQUIRE(c);
  const std::string h = object::c_header(n.module, *c, "file", "a target");
  CHECK(h.find("#define M_SMALL_ARENA_BYTES 576u") != std::string::npos);
  CHECK(h.find("M_LARGE_ARENA_BYTES") == std::string::npos);
  CHECK(h.find("m_large_arena_bytes(") != std::string::npos);
  // The files are spoken of by their own name.
  CHECK(h.find("/* file.h: ") == 0);
  CHECK(h.find("link file.o and nothing else") != std::string::npos);
}

TEST_CASE("a prefix that no name may begin with is refused, and made of no file's name") {
  for (const char* word : {"", "3x", "a-b", "_x", "_X", "__x", "_"}) {
    INFO(word);
    CHECK(!c_interface::c_prefix(word));
  }
  for (const char* word : {"x", "x_", "X1", "_3", "mlp_2"}) CHECK(c_interface::c_prefix(word));
  for (const char* path : {"", "out/._net", "_", "__", "3net", "a/b-c.d", "_N", ".l"}) {
    INFO(path);
    CHECK(c_interface::c_prefix(c_interface::c_prefix_of(path)));
  }
  CHECK(c_interface::c_prefix_of("out/my-net") == "my_net");
}
