#include "support/process.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

namespace tenon::support {
namespace {

using Number = std::atomic<uint64_t>;

// A page that the kernel gives to a child empty. Null where it cannot; the process's id then serves.
Number* make_page() noexcept {
  const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* page = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (madvise(page, bytes, MADV_WIPEONFORK) == 0) return static_cast<Number*>(page);
  munmap(page, bytes);
  return nullptr;
}
Number* const page = make_page();
// Of all ancestors too, as a child goes on from its parent's.
constinit Number last{0};

}  // namespace

uint64_t process_number() noexcept {
  if (page == nullptr) return static_cast<uint64_t>(getpid());
  uint64_t number = page->load(std::memory_order_acquire);
  if (number != 0) [[likely]]
    return number;
  const uint64_t own = last.fetch_add(1) + 1;
  return page->compare_exchange_strong(number, own) ? own : number;
}

}  // namespace tenon::support
