// The pages: programs in them build as they say and print what they say, models parse, commands run.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"
#include "conformance/command_runner.h"
#include "paths.h"

using tenon::test::Folder;
using tenon::test::Ran;

namespace {

struct Fence {
  std::string page, language, text;
  size_t line = 0;
};

std::vector<Fence> fences_of(const std::string& page) {
  std::ifstream in(std::string(TENON_SOURCE_DIR "/") + page);
  REQUIRE(in);
  std::vector<Fence> out;
  bool inside = false;
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.starts_with("```")) {
      if (!inside) out.push_back({page, line.substr(3), "", number});
      inside = !inside;
    } else if (inside) {
      out.back().text += line + "\n";
    }
  }
  CHECK_FALSE(inside);
  return out;
}

std::vector<std::string> pages() {
  std::vector<std::string> out{"README.md"};
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/docs"))
    if (entry.path().extension() == ".md") out.push_back("docs/" + entry.path().filename().string());
  return out;
}

// The one fence of a page in that language that has `part`.
Fence fence(const std::string& page, const std::string& language, const std::string& part) {
  std::vector<Fence> found;
  for (Fence& f : fences_of(page))
    if (f.language == language && f.text.find(part) != std::string::npos) found.push_back(std::move(f));
  INFO(page << " " << language << " " << part);
  REQUIRE(found.size() == 1);
  return found[0];
}

// What a page's output says, without the lines of commands.
std::string shown(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with("$ ")) out += line + "\n";
  return out;
}

void must(const Ran& ran) {
  INFO(ran.out << ran.err);
  REQUIRE(ran.status == 0);
}

}  // namespace

TEST_CASE("programs of the pages build against an installed prefix and print what stands below them") {
  if (std::string(TENON_SANITIZE) != "") return;  // the page's own line has no sanitizer
  const Folder folder;
  must(folder.shell("cmake --install '" TENON_BIN_DIR "/..' --prefix prefix"));
  const std::string prefix = "PREFIX='" + folder.path("prefix") + "'; ";

  folder.write("line.cpp", fence("README.md", "cpp", "int main").text);
  const Ran line = folder.shell(prefix + fence("docs/install.md", "sh", "./line").text);
  must(line);
  CHECK(line.out == shown(fence("README.md", "text", "./line").text));

  folder.write("host.cpp", fence("docs/install.md", "cpp", "int main").text);
  const Ran host = folder.shell(prefix + "export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig; " +
                                fence("docs/install.md", "sh", "./host").text);
  must(host);
  CHECK(host.out.ends_with(fence("docs/install.md", "text", "steps").text));
  // No LLVM beside an object.
  const Ran needs = folder.shell("ldd ./host");
  CHECK(needs.out.find("LLVM") == std::string::npos);
  CHECK(needs.out.find("libtenon") == std::string::npos);

  folder.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\nproject(line LANGUAGES CXX)\n" +
                                     fence("docs/install.md", "cmake", "find_package").text);
  must(folder.shell(
      prefix + "cmake -G Ninja -S . -B tree -DCMAKE_PREFIX_PATH=$PREFIX && cmake --build tree && tree/line"));
}

TEST_CASE("models of the pages parse") {
  size_t count = 0;
  for (const std::string& page : pages())
    for (const Fence& f : fences_of(page)) {
      if (!f.text.starts_with("tenon 1\n") || f.text.find("stage kernel") != std::string::npos) continue;
      ++count;
      INFO(page << ":" << f.line);
      try {
        (void)tenon::parse(f.text);
      } catch (const tenon::Error& error) {
        FAIL_CHECK(error.what());
      }
    }
  CHECK(count >= 1);
}

TEST_CASE("the first hour of the command runs as it stands") {
  const Folder folder;
  std::istringstream lines(fence("docs/command.md", "sh", "tenon doctor").text);
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    INFO(line);
    must(folder.shell(line));
  }
  CHECK(count > 5);
  CHECK(folder.read("mlp.o") == folder.read("again.o"));
}

TEST_CASE("the page's filters draw a sheet of pictures, and its negative") {
  const Folder folder;
  if (folder.tenon("doctor --json").out.find("\"png\": true") == std::string::npos) {
    WARN("skipped: pictures of the page (this build has no libpng)");
    return;
  }
  folder.write("filters.tenon", fence("docs/command.md", "text", "module filters").text);
  std::istringstream lines(fence("docs/command.md", "sh", "filters.tenon texture").text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    must(folder.shell(line));
  }
  CHECK(folder.read("negative.png").starts_with("\x89PNG"));
}
