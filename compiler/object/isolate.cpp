#include "object/isolate.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <new>

namespace tenon::object {
namespace {

// One message: a code (0: an object), numbers, texts.
struct Head {
  uint32_t code = 0;
  uint64_t kernels = 0;
  double seconds = 0;
  uint64_t bytes = 0, help = 0;  // of the object or the message, and of the mend behind it
};

bool send(int fd, const void* data, size_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes != 0) {
    const ssize_t n = ::write(fd, p, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    p += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

bool receive(int fd, void* data, size_t bytes) {
  char* p = static_cast<char*>(data);
  while (bytes != 0) {
    const ssize_t n = ::read(fd, p, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    p += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

[[noreturn]] void serve(int fd, const std::function<Result<Object>()>& work) {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  // LLVM says its last words on stderr, which is the host's.
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null >= 0 && null != 2) ::dup2(null, 2);
  bool sent = false;
  try {
    const Result<Object> made = work();
    Head head;
    if (made) {
      head.kernels = made->kernels;
      head.seconds = made->seconds;
      head.bytes = made->elf.size();
      sent = send(fd, &head, sizeof head) && send(fd, made->elf.data(), made->elf.size());
    } else {
      const Diagnostic& first = made.errors().list.front();
      head.code = static_cast<uint32_t>(code_number(first.code));
      head.bytes = first.message.size();
      head.help = first.help.size();
      sent = send(fd, &head, sizeof head) && send(fd, first.message.data(), first.message.size()) &&
             send(fd, first.help.data(), first.help.size());
    }
  } catch (const std::bad_alloc&) {
    Head head;
    head.code = static_cast<uint32_t>(code_number(Code::memory));
    sent = send(fd, &head, sizeof head);
  } catch (...) {
  }
  _exit(sent ? 0 : 1);
}

Result<Object> read_answer(int fd, bool* whole) {
  Head head;
  *whole = receive(fd, &head, sizeof head);
  if (!*whole) return Object{};
  if (head.code != 0) {
    if (head.bytes == 0) return out_of_memory();
    std::string message(head.bytes, '\0'), help(head.help, '\0');
    *whole = receive(fd, message.data(), message.size()) && receive(fd, help.data(), help.size());
    return error(static_cast<Code>(head.code), std::move(message), std::move(help));
  }
  Object object;
  object.kernels = head.kernels;
  object.seconds = head.seconds;
  object.elf.resize(head.bytes);
  *whole = receive(fd, object.elf.data(), object.elf.size());
  return object;
}

}  // namespace

std::shared_timed_mutex& inside_llvm() {
  static std::shared_timed_mutex mutex;
  return mutex;
}

Result<Object> isolated(const std::function<Result<Object>()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return error(Code::memory, "no pipe to a process that compiles");
  pid_t child = -1;
  {
    // A long compile of another thread is waited for, a lock that a fork of the host's left behind is not.
    std::unique_lock lock(inside_llvm(), std::defer_lock);
    (void)lock.try_lock_for(std::chrono::minutes(1));
    child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      // The child's only thread goes on alone, with a lock that nobody holds: the one it was copied from
      // knows its holder by a number that the child does not have.
      lock.release();
      new (&inside_llvm()) std::shared_timed_mutex;
      serve(ends[1], work);
    }
  }
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return error(Code::memory, "the system gives no process to compile in", "compile without isolate");
  }
  struct Reaped {
    int fd;
    pid_t child;
    int status = 0;
    void reap() {
      if (fd >= 0) ::close(fd);
      fd = -1;
      while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      child = -1;
    }
    ~Reaped() { reap(); }
  } process{ends[0], child};
  bool whole = false;
  Result<Object> answer = read_answer(process.fd, &whole);
  process.reap();
  if (whole) return answer;
  const std::string how = WIFSIGNALED(process.status)
                              ? "was ended by signal " + std::to_string(WTERMSIG(process.status))
                              : "ended";
  return error(Code::backend, "the process that compiled " + how + " before the object was made",
               "most often memory is short: a higher limit (ulimit -v), or fewer functions at once");
}

}  // namespace tenon::object
