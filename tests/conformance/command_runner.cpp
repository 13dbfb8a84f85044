#include "conformance/command_runner.h"
#include "paths.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>

extern char** environ;

namespace tenon::test {

namespace {

std::string slurp(const std::string& path) {
  std::string out;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return out;
  char buffer[4096];
  size_t n = 0;
  while ((n = std::fread(buffer, 1, sizeof buffer, file)) > 0) out.append(buffer, n);
  std::fclose(file);
  return out;
}

}  // namespace

Folder::Folder() : path_("/tmp/tenon-test-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) path_ = "/nonexistent";
  // Others may look in: some runs are not root's.
  chmod(path_.c_str(), 0755);
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Folder::write(const std::string& name, const std::string& text) const {
  std::FILE* file = std::fopen(path(name).c_str(), "wb");
  if (file == nullptr) return;
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
}
std::string Folder::read(const std::string& name) const { return slurp(path(name)); }
bool Folder::has(const std::string& name) const { return access(path(name).c_str(), F_OK) == 0; }

Ran Folder::shell(const std::string& line) const {
  const std::string out = path("..out"), err = path("..err");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  // No && before the line: where it begins in the background, only that part of it would be in the folder.
  std::string command =
      "tenon() { \"" TENON_BIN_DIR "/tenon\" \"$@\"; }; cd '" + path_ + "' || exit; " + line;
  std::string shell = "sh", flag = "-c";
  char* argv[] = {shell.data(), flag.data(), command.data(), nullptr};
  pid_t child = 0;
  Ran ran;
  const int failed = posix_spawnp(&child, "sh", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return ran;
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return ran;
  if (WIFEXITED(status)) {
    // A shell turns a signal into 128 + its number.
    ran.status = WEXITSTATUS(status);
    if (ran.status > 128) ran.signal = ran.status - 128;
  } else if (WIFSIGNALED(status)) {
    ran.signal = WTERMSIG(status);
  }
  ran.out = slurp(out);
  ran.err = slurp(err);
  unlink(out.c_str());
  unlink(err.c_str());
  return ran;
}

std::vector<std::string> example_models(Examples which) {
  static constexpr std::string_view quick[] = {"linear", "logistic", "mlp", "lenet", "rnn"};
  namespace fs = std::filesystem;
  std::vector<std::string> out;
  for (const fs::directory_entry& e : fs::recursive_directory_iterator(TENON_SOURCE_DIR "/examples")) {
    if (e.path().extension() != ".tenon") continue;
    const std::string name = e.path().stem().string();
    if (which == Examples::all || std::find(std::begin(quick), std::end(quick), name) != std::end(quick))
      out.push_back(e.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace tenon::test
