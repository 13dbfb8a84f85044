#include "runtime/file.h"

#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include "files.h"

using namespace tenon::runtime;

namespace {

// The hook fails the n-th call it is asked about, and counts all.
int calls = 0, fail_at = -1, fail_with = EIO;
size_t at_most = 0;
std::vector<FileCall> seen;
int hook(FileCall call, size_t* bytes) {
  seen.push_back(call);
  if (at_most != 0 && (call == FileCall::read || call == FileCall::write) && *bytes > at_most)
    *bytes = at_most;
  return calls++ == fail_at ? fail_with : 0;
}
struct Hooked {
  Hooked(int at, int with, size_t most = 0) {
    calls = 0;
    fail_at = at;
    fail_with = with;
    at_most = most;
    seen.clear();
    set_file_hook(hook);
  }
  ~Hooked() { set_file_hook(nullptr); }
};

}  // namespace

TEST_CASE("a file reads back as written") {
  Folder f;
  const std::string bytes("a\0b\n\xff", 5);
  REQUIRE(write_file_atomic(f / "x", bytes));
  auto r = read_file(f / "x", 100);
  REQUIRE(r);
  CHECK(*r == bytes);
  const std::string_view pieces[] = {"one", "", "two"};
  REQUIRE(write_file_atomic(f / "x", pieces));
  CHECK(get_file(f / "x") == "onetwo");
  CHECK(f.entries() == 1);
}

TEST_CASE("reading says what is wrong") {
  Folder f;
  CHECK(failure(read_file(f / "none", 10)) == 401);
  CHECK(contains(failure_text(read_file(f / "none", 10)), "No such file"));
  CHECK(failure(read_file(f.path, 10)) == 405);
  put_file(f / "x", "12345678901");
  CHECK(failure(read_file(f / "x", 10)) == 405);
  CHECK(failure(read_file(f / "x", 11)) == 0);
  CHECK(failure(read_file(std::string("a\0b", 3), 10)) == 401);
  CHECK(failure(read_file("", 10)) == 401);
}

TEST_CASE("a stream is read to its end") {
  Folder f;
  const std::string fifo = f / "pipe";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  const std::string bytes(200000, 'z');
  const pid_t child = fork();
  if (child == 0) {
    FILE* out = fopen(fifo.c_str(), "w");
    fwrite(bytes.data(), 1, bytes.size(), out);
    fclose(out);
    _exit(0);
  }
  auto r = read_file(fifo, 1 << 20);
  REQUIRE(r);
  CHECK(*r == bytes);
}

TEST_CASE("a write that fails anywhere leaves the old file whole and nothing beside it") {
  Folder f;
  const std::string old = "the old content", fresh(5000, 'n');
  put_file(f / "x", old);
  int total = 0;
  {
    Hooked h(-1, 0, 1000);
    REQUIRE(write_file_atomic(f / "x", fresh));
    total = calls;
    CHECK(get_file(f / "x") == fresh);
    // create, five pieces, sync, rename, folder
    REQUIRE(seen.size() == 9);
    CHECK(seen.back() == FileCall::sync_folder);
  }
  for (int code : {ENOSPC, EIO, EDQUOT, EROFS})
    for (int at = 0; at < total; ++at) {
      put_file(f / "x", old);
      Hooked h(at, code, 1000);
      auto r = write_file_atomic(f / "x", fresh);
      CAPTURE(at, code);
      const bool renamed = seen.back() == FileCall::sync_folder;
      REQUIRE(get_file(f / "x") == (renamed ? fresh : old));
      REQUIRE(f.entries() == 1);
      if (!renamed || code != EROFS) {
        REQUIRE(failure(r) == 404);
        REQUIRE(contains(failure_text(r), "x"));
      }
    }
}

TEST_CASE("interrupted and short calls are carried on") {
  Folder f;
  const std::string bytes(3000, 'q');
  for (int at = 0; at < 8; ++at) {
    Hooked h(at, EINTR, 700);
    auto w = write_file_atomic(f / "x", bytes);
    if (w) {
      CHECK(get_file(f / "x") == bytes);
    } else {
      CHECK(failure(w) == 404);
    }
  }
  put_file(f / "x", bytes);
  Hooked h(2, EINTR, 700);
  auto r = read_file(f / "x", 1 << 20);
  REQUIRE(r);
  CHECK(*r == bytes);
}

TEST_CASE("reading errors are named") {
  Folder f;
  put_file(f / "x", std::string(3000, 'q'));
  for (int at = 0; at < 4; ++at) {
    Hooked h(at, EIO, 1000);
    CHECK(failure(read_file(f / "x", 1 << 20)) == (at == 0 ? 401 : 405));
  }
}

TEST_CASE("a full disk, a folder that is missing or closed, a folder as a file") {
  Folder f;
  CHECK(failure(write_file_atomic("/dev/full", std::string(100, 'x'))) == 404);
  CHECK(contains(failure_text(write_file_atomic("/dev/full", std::string(100, 'x'))), "No space left"));
  struct stat s;
  REQUIRE(stat("/dev/full", &s) == 0);
  CHECK(S_ISCHR(s.st_mode));
  CHECK(failure(write_file_atomic("/dev/null", "x")) == 0);
  CHECK(failure(write_file_atomic(f / "no/x", "x")) == 404);
  CHECK(failure(write_file_atomic(f.path, "x")) == 404);
  CHECK(failure(write_file_atomic("", "x")) == 404);
  CHECK(failure(write_file_atomic(f / std::string(300, 'a'), "x")) == 404);
  CHECK(f.entries() == 0);
  put_file(f / "x", "old");
  REQUIRE(chmod(f.path.c_str(), 0500) == 0);
  if (access(f.path.c_str(), W_OK) != 0) {  // root may write anywhere
    CHECK(failure(write_file_atomic(f / "x", "new")) == 404);
    CHECK(get_file(f / "x") == "old");
  }
  REQUIRE(chmod(f.path.c_str(), 0700) == 0);
}

TEST_CASE("the longest name, the mode and the link of an old file are kept") {
  Folder f;
  CHECK(write_file_atomic(f / std::string(255, 'n'), "x"));
  put_file(f / "real", "old");
  REQUIRE(chmod((f / "real").c_str(), 0640) == 0);
  std::filesystem::create_symlink(f / "real", f / "link");
  REQUIRE(write_file_atomic(f / "link", "new"));
  CHECK(std::filesystem::is_symlink(f / "link"));
  CHECK(get_file(f / "real") == "new");
  struct stat s;
  REQUIRE(stat((f / "real").c_str(), &s) == 0);
  CHECK((s.st_mode & 0777) == 0640);
}

TEST_CASE("appending adds whole pieces") {
  Folder f;
  put_file(f / "log", "old");
  REQUIRE(append_file(f / "log", "", Append::create));
  REQUIRE(append_file(f / "log", "a\n", Append::add));
  REQUIRE(append_file(f / "log", "b\n", Append::add));
  CHECK(get_file(f / "log") == "a\nb\n");
  CHECK(failure(append_file(f / "none", "a", Append::add)) == 404);
  CHECK(failure(append_file("/dev/full", "a", Append::add)) == 404);
}
