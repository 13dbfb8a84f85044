#include "object/budget.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdio>
#include <string>

namespace tenon::object {
namespace {

std::string mebibytes(size_t bytes) { return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MiB"; }

// Of the process's address space; 0 where the system does not tell.
size_t in_use() {
  unsigned long long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%llu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<size_t>(pages) * 4096;
}

}  // namespace

bool can_afford(size_t bytes) noexcept {
  void* piece = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (piece == MAP_FAILED) return false;
  munmap(piece, bytes);
  return true;
}

support::Status afford(size_t bytes, std::string_view what) {
  if (can_afford(bytes)) return support::Ok{};
  std::string message =
      std::string(what) + " may take " + mebibytes(bytes) + " of memory, which the system does not give";
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    message += ": the process has " + mebibytes(in_use()) + " of " + mebibytes(limit.rlim_cur);
  return support::error(
      support::Code::memory, std::move(message),
      "a higher limit (ulimit -v), fewer functions at once, or an object compiled elsewhere");
}

}  // namespace tenon::object
