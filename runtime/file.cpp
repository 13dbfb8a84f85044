#include "runtime/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <cstring>

#include <algorithm>
#include <atomic>

namespace tenon::runtime {

using support::Code;
using support::Diagnostic;
using support::Ok;
using support::Result;
using support::Status;

namespace {

std::atomic<FileHook> file_hook{nullptr};

// True when the hook lets the call go on; else errno is set.
bool allowed(FileCall call, size_t* bytes = nullptr) {
  FileHook hook = file_hook.load(std::memory_order_relaxed);
  if (hook == nullptr) return true;
  size_t unused = 0;
  const int code = hook(call, bytes != nullptr ? bytes : &unused);
  if (code == 0) return true;
  errno = code;
  return false;
}

// Untranslated and free of shared buffers, unlike strerror.
std::string reason(int code) {
  const char* text = strerrordesc_np(code);
  return text != nullptr ? text : "error " + std::to_string(code);
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() { close(); }
  int close() {
    const int r = fd >= 0 ? ::close(fd) : 0;
    fd = -1;
    return r;
  }
};

int open_retry(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do fd = ::open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

// -1 with errno, or the bytes moved (0 at the end of the file).
ssize_t read_some(int fd, char* to, size_t bytes, const uint64_t* offset) {
  bytes = std::min<size_t>(bytes, SSIZE_MAX);
  while (true) {
    if (!allowed(FileCall::read, &bytes)) {
      if (errno == EINTR) continue;
      return -1;
    }
    const ssize_t n =
        offset != nullptr ? ::pread(fd, to, bytes, static_cast<off_t>(*offset)) : ::read(fd, to, bytes);
    if (n >= 0 || errno != EINTR) return n;
  }
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    size_t n = bytes.size();
    if (!allowed(FileCall::write, &n)) {
      if (errno == EINTR) continue;
      return false;
    }
    const ssize_t done = ::write(fd, bytes.data(), n);
    if (done < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    if (done == 0) {
      errno = EIO;
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

std::string write_help(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return "free some space, or write to another folder. Nothing was replaced";
    case EACCES:
    case EPERM:
    case EROFS:
      return "write to a folder you may write to. Nothing was replaced";
    case ENOENT:
    case ENOTDIR:
      return "make the folder first: mkdir -p";
    case EISDIR:
      return "name a file, not a folder";
    default:
      return "";
  }
}

Diagnostic write_failed(const std::string& path, const char* what, int code) {
  return at_file(Code::file_write, path, std::string("cannot write: ") + what + ": " + reason(code),
                 write_help(code));
}

// Where the bytes go when `path` is a link: the file it names, which need not exist yet for a plain path.
std::string link_target(const std::string& path) {
  struct stat s;
  if (::lstat(path.c_str(), &s) != 0 || !S_ISLNK(s.st_mode)) return path;
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string out = real;
  ::free(real);
  return out;
}

}  // namespace

Diagnostic at_file(Code code, const std::string& file, std::string message, std::string help, uint32_t line) {
  Diagnostic d;
  d.code = code;
  d.message = std::move(message);
  d.file = file;
  d.line = line;
  d.help = std::move(help);
  return d;
}

FileHook set_file_hook(FileHook hook) { return file_hook.exchange(hook); }

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(other.fd_),
      size_(other.size_),
      owned_(std::move(other.owned_)),
      memory_(other.memory_) {
  other.fd_ = -1;
  other.size_ = 0;
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

InputFile InputFile::of_memory(std::string_view bytes, std::string name) {
  InputFile f;
  f.path_ = std::move(name);
  f.size_ = bytes.size();
  f.memory_ = bytes.data();
  return f;
}

Result<InputFile> InputFile::open(const std::string& path) {
  InputFile f;
  f.path_ = path;
  if (path.find('\0') != std::string::npos)
    return at_file(Code::file_missing, path, "a path cannot hold a zero byte");
  f.fd_ = allowed(FileCall::open) ? open_retry(path.c_str(), O_RDONLY) : -1;
  if (f.fd_ < 0) {
    const int code = errno;
    return at_file(Code::file_missing, path, "cannot open: " + reason(code),
                   code == ENOENT ? "check the path; it is relative to the current folder" : "");
  }
  struct stat s;
  if (::fstat(f.fd_, &s) != 0) return at_file(Code::file_read, path, "cannot read: " + reason(errno));
  if (S_ISDIR(s.st_mode))
    return at_file(Code::file_read, path, "cannot read: it is a folder", "name a file in it");
  if (S_ISREG(s.st_mode)) {
    f.size_ = static_cast<uint64_t>(s.st_size);
    return f;
  }
  // A stream: its size is known only at its end.
  size_t used = 0;
  while (true) {
    if (used == f.owned_.size()) {
      if (used > stream_cap)
        return at_file(Code::file_read, path, "the stream passes " + std::to_string(stream_cap) + " bytes");
      f.owned_.resize(used == 0 ? size_t{1} << 16 : 2 * used);
    }
    const ssize_t n = read_some(f.fd_, f.owned_.data() + used, f.owned_.size() - used, nullptr);
    if (n < 0) return at_file(Code::file_read, path, "cannot read: " + reason(errno));
    if (n == 0) break;
    used += static_cast<size_t>(n);
  }
  f.owned_.resize(used);
  f.size_ = used;
  ::close(f.fd_);
  f.fd_ = -1;
  return f;
}

Status InputFile::read(uint64_t offset, void* to, size_t bytes) const {
  TENON_CHECK(offset <= size_ && bytes <= size_ - offset, path_);
  if (bytes == 0) return Ok{};
  if (fd_ < 0) {
    std::memcpy(to, (memory_ != nullptr ? memory_ : owned_.data()) + offset, bytes);
    return Ok{};
  }
  char* p = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t n = read_some(fd_, p, bytes, &offset);
    if (n < 0) return at_file(Code::file_read, path_, "cannot read: " + reason(errno));
    if (n == 0)
      return at_file(Code::file_read, path_, "cannot read: the file became shorter while it was read");
    p += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<size_t>(n);
  }
  return Ok{};
}

Result<std::string> read_file(const std::string& path, uint64_t cap) {
  TENON_ASSIGN(InputFile file, InputFile::open(path));
  if (file.size() > cap)
    return at_file(Code::file_read, path,
                   "the file has " + std::to_string(file.size()) + " bytes, at most " + std::to_string(cap) +
                       " are read");
  std::string out(static_cast<size_t>(file.size()), '\0');
  TENON_TRY(file.read(0, out.data(), out.size()));
  return out;
}

Status write_file_atomic(const std::string& path, std::string_view bytes) {
  return write_file_atomic(path, std::span<const std::string_view>(&bytes, 1));
}

Status write_file_atomic(const std::string& path, std::span<const std::string_view> pieces) {
  if (path.empty() || path.find('\0') != std::string::npos)
    return at_file(Code::file_write, path, "cannot write: not a file name");
  const std::string target = link_target(path);
  struct stat old;
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) return write_failed(path, "open", EISDIR);
  if (exists && !S_ISREG(old.st_mode)) {
    // A device or pipe cannot be replaced; it takes the bytes as they come.
    Descriptor out;
    out.fd = allowed(FileCall::create) ? open_retry(target.c_str(), O_WRONLY) : -1;
    if (out.fd < 0) return write_failed(path, "open", errno);
    for (std::string_view piece : pieces)
      if (!write_all(out.fd, piece)) return write_failed(path, "write", errno);
    if (out.close() != 0) return write_failed(path, "close", errno);
    return Ok{};
  }
  if (exists && ::access(target.c_str(), W_OK) != 0) return write_failed(path, "open", errno);

  const size_t slash = target.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : target.substr(0, slash);
  static std::atomic<uint32_t> counter{0};
  std::string temporary;
  Descriptor out;
  // A name left by a process that was killed may have our number; the next one is tried.
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary = folder + "/.tenon-" + std::to_string(::getpid()) + "-" +
                std::to_string(counter.fetch_add(1)) + ".tmp";
    out.fd =
        allowed(FileCall::create) ? open_retry(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666) : -1;
    if (out.fd >= 0 || errno != EEXIST) break;
  }
  if (out.fd < 0) return write_failed(path, "create", errno);

  int code = 0;
  const char* what = "write";
  if (exists && ::fchmod(out.fd, old.st_mode & 07777) != 0) code = 0;  // some file systems have no modes
  for (std::string_view piece : pieces)
    if (code == 0 && !write_all(out.fd, piece)) code = errno;
  if (code == 0 && (!allowed(FileCall::sync) || ::fsync(out.fd) != 0)) what = "sync", code = errno;
  if (out.close() != 0 && code == 0) what = "close", code = errno;
  if (code == 0 && (!allowed(FileCall::rename) || ::rename(temporary.c_str(), target.c_str()) != 0))
    what = "rename", code = errno;
  if (code != 0) {
    ::unlink(temporary.c_str());
    return write_failed(path, what, code);
  }

  Descriptor directory;
  directory.fd = allowed(FileCall::sync_folder) ? open_retry(folder.c_str(), O_RDONLY | O_DIRECTORY) : -1;
  if (directory.fd < 0 || ::fsync(directory.fd) != 0) {
    code = errno;
    // A folder that may be written but not read, or a file system without folder sync, is no failure to
    // write.
    if (code != EACCES && code != EINVAL && code != ENOTSUP && code != EROFS)
      return at_file(Code::file_write, path,
                     "written, but the folder cannot be synchronized: " + reason(code),
                     "the new file is whole; after a power failure the old one may be back");
  }
  return Ok{};
}

Status append_file(const std::string& path, std::string_view bytes, Append mode) {
  Descriptor out;
  const int flags = O_WRONLY | O_APPEND | (mode == Append::create ? O_CREAT | O_TRUNC : 0);
  out.fd = allowed(FileCall::create) ? open_retry(path.c_str(), flags, 0666) : -1;
  if (out.fd < 0) return write_failed(path, "open", errno);
  if (!write_all(out.fd, bytes)) return write_failed(path, "write", errno);
  if (out.close() != 0) return write_failed(path, "close", errno);
  return Ok{};
}

}  // namespace tenon::runtime
