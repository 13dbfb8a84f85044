// The layers hold: an include points to its own folder or to a lower level, LLVM is met in three folders
// only, the exact evaluator reaches nothing of kernel IR, and public headers reach nothing but each other.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"
#include "paths.h"

namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string_view name;  // as includes spell it
  std::string_view path;  // in the repository
  int level;
};

constexpr Folder folders[] = {
    {"tenon", "include/tenon", 0},
    {"support", "compiler/support", 1},
    {"runtime", "runtime", 2},
    {"pass", "compiler/pass", 2},
    {"rewrite", "compiler/rewrite", 2},
    {"pictures", "compiler/pictures", 3},
    {"ir", "compiler/ir", 3},
    {"target", "compiler/target", 3},
    {"kernel", "compiler/kernel", 4},
    {"ops", "compiler/ops", 5},
    {"evaluate", "compiler/evaluate", 6},
    {"transforms", "compiler/transforms", 7},
    {"passes", "compiler/passes", 7},
    {"lower", "compiler/lower", 8},
    {"codegen", "compiler/codegen", 9},
    {"c_interface", "compiler/c_interface", 10},
    {"object", "compiler/object", 11},
    {"formats", "compiler/formats", 12},
    {"driver", "compiler/driver", 12},
};

const Folder* find_folder(std::string_view name) {
  for (const Folder& f : folders)
    if (f.name == name) return &f;
  return nullptr;
}

struct Include {
  std::string target;  // "ir/graph.h", "vector"
  bool quoted;
  int line;
};

std::vector<Include> includes_of(const fs::path& file) {
  std::vector<Include> out;
  std::ifstream in(file);
  std::string text;
  for (int line = 1; std::getline(in, text); ++line) {
    size_t at = text.find_first_not_of(" \t");
    if (at == std::string::npos || text[at] != '#') continue;
    at = text.find_first_not_of(" \t", at + 1);
    if (at == std::string::npos || text.compare(at, 7, "include") != 0) continue;
    size_t open = text.find_first_of("\"<", at);
    if (open == std::string::npos) continue;
    bool quoted = text[open] == '"';
    size_t close = text.find(quoted ? '"' : '>', open + 1);
    if (close == std::string::npos) continue;
    out.push_back({text.substr(open + 1, close - open - 1), quoted, line});
  }
  return out;
}

std::string_view first_part(std::string_view target) {
  size_t slash = target.find('/');
  return slash == std::string_view::npos ? std::string_view() : target.substr(0, slash);
}

bool is_source(const fs::path& path) {
  static const std::set<std::string> extensions = {".h", ".hpp", ".cpp", ".c", ".inc"};
  return extensions.count(path.extension().string()) != 0;
}

// Every broken rule as "file:line: what".
class Checker {
 public:
  explicit Checker(fs::path root) : root_(std::move(root)) {}

  std::vector<std::string> run() {
    for (const auto& entry : fs::directory_iterator(root_ / "compiler")) {
      std::string name = entry.path().filename().string();
      const Folder* folder = find_folder(name);
      if (entry.is_directory() && (folder == nullptr || folder->path != "compiler/" + name))
        found_.push_back("compiler/" + name + ": this folder has no level");
    }
    for (const Folder& folder : folders) {
      fs::path path = root_ / folder.path;
      if (!fs::exists(path)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(path))
        if (entry.is_regular_file() && is_source(entry.path())) check_file(folder, entry.path());
    }
    return std::move(found_);
  }
  int files() const { return files_; }

 private:
  void report(const fs::path& file, int line, const std::string& what) {
    found_.push_back(fs::relative(file, root_).string() + ":" + std::to_string(line) + ": " + what);
  }

  void check_file(const Folder& folder, const fs::path& file) {
    ++files_;
    for (const Include& include : includes_of(file)) {
      std::string_view part = first_part(include.target);
      if (part == "llvm" || part == "llvm-c") {
        if (folder.name != "codegen" && folder.name != "c_interface" && folder.name != "object")
          report(file, include.line, "LLVM is included outside codegen/, c_interface/ and object/");
        continue;
      }
      if (folder.level == 0 && (part == "fmt" || part == "nlohmann" || part == "CLI" || part == "catch2"))
        report(file, include.line, "a public header includes " + include.target);
      if (include.quoted && (part.empty() || include.target.find("..") != std::string::npos)) {
        report(file, include.line, "spell the folder: " + include.target);
        continue;
      }
      const Folder* other = find_folder(part);
      if (other == nullptr || other == &folder) continue;
      if (other->level >= folder.level)
        report(file, include.line,
               std::string(folder.name) + " (level " + std::to_string(folder.level) + ") includes " +
                   include.target + " (level " + std::to_string(other->level) + ")");
    }
    if (folder.name == "evaluate") check_independence(file);
  }

  // What judges compiled code shares nothing with it: no path of includes leads into kernel/ or above.
  void check_independence(const fs::path& file) {
    std::set<fs::path> seen = {file};
    std::vector<fs::path> open = {file};
    while (!open.empty()) {
      fs::path at = open.back();
      open.pop_back();
      for (const Include& include : includes_of(at)) {
        std::string_view part = first_part(include.target);
        if (part == "kernel" || part == "lower" || part == "codegen" || part == "c_interface")
          report(at, include.line,
                 "reached from " + fs::relative(file, root_).string() + ": " + include.target);
        const Folder* folder = find_folder(part);
        if (folder == nullptr) continue;
        fs::path next = root_ / fs::path(folder->path).parent_path() / include.target;
        if (fs::exists(next) && seen.insert(next).second) open.push_back(next);
      }
    }
  }

  fs::path root_;
  std::vector<std::string> found_;
  int files_ = 0;
};

std::string lines(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& s : list) out += s + "\n";
  return out;
}

// A small tree in a temporary folder, removed at the end.
class Tree {
 public:
  Tree() {
    std::string name = (fs::temp_directory_path() / "tenon_layering_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
    fs::create_directories(root_ / "compiler");
  }
  ~Tree() { fs::remove_all(root_); }
  Tree& add(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
    return *this;
  }
  std::string check() const { return lines(Checker(root_).run()); }

 private:
  fs::path root_;
};

}  // namespace

TEST_CASE("includes of the project point down", "[layering]") {
  Checker checker(TENON_SOURCE_DIR);
  std::vector<std::string> found = checker.run();
  INFO(lines(found));
  CHECK(found.empty());
  CHECK(checker.files() > 20);
}

TEST_CASE("planted layering faults are found", "[layering]") {
  Tree tree;
  tree.add("compiler/support/text.h", "#include <string>\n")
      .add("compiler/ir/graph.h", "#include \"support/text.h\"\n");
  REQUIRE(tree.check() == "");

  SECTION("an include that points up") {
    tree.add("compiler/ir/print.cpp", "#include \"ir/graph.h\"\n  #  include \"ops/registry.h\"\n");
    CHECK(tree.check() == "compiler/ir/print.cpp:2: ir (level 3) includes ops/registry.h (level 5)\n");
  }
  SECTION("an include of a neighbour on the same level") {
    tree.add("compiler/passes/cse.cpp", "#include \"transforms/grad.h\"\n");
    CHECK(tree.check() ==
          "compiler/passes/cse.cpp:1: passes (level 7) includes transforms/grad.h (level 7)\n");
  }
  SECTION("LLVM outside code generation") {
    tree.add("compiler/lower/loops.cpp", "#include <llvm/IR/Module.h>\n");
    tree.add("runtime/load.cpp", "#include \"llvm-c/Core.h\"\n");
    tree.add("compiler/codegen/emit.cpp", "#include <llvm/IR/Module.h>\n");
    tree.add("compiler/object/jit/load.cpp", "#include <llvm/IR/Module.h>\n");
    CHECK(tree.check() ==
          "runtime/load.cpp:1: LLVM is included outside codegen/, c_interface/ and object/\n"
          "compiler/lower/loops.cpp:1: LLVM is included outside codegen/, c_interface/ and object/\n");
  }
  SECTION("an evaluator that reaches kernel IR on a detour") {
    tree.add("compiler/ops/scalar.h", "#include \"kernel/kernel.h\"\n");
    tree.add("compiler/evaluate/exact.cpp", "#include \"ops/scalar.h\"\n");
    CHECK(tree.check() ==
          "compiler/ops/scalar.h:1: reached from compiler/evaluate/exact.cpp: kernel/kernel.h\n");
  }
  SECTION("a public header that leaks") {
    tree.add("include/tenon/tenon.hpp", "#include <fmt/core.h>\n#include \"support/text.h\"\n");
    CHECK(tree.check() ==
          "include/tenon/tenon.hpp:1: a public header includes fmt/core.h\n"
          "include/tenon/tenon.hpp:2: tenon (level 0) includes support/text.h (level 1)\n");
  }
  SECTION("a folder without a level, and a relative include") {
    tree.add("compiler/misc/a.h", "").add("compiler/ir/type.h", "#include \"graph.h\"\n");
    CHECK(tree.check() ==
          "compiler/misc: this folder has no level\n"
          "compiler/ir/type.h:1: spell the folder: graph.h\n");
  }
}
