#include "runtime/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <cstring>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <vector>

#include "support/text.h"

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
  // Where the host has closed stdin, stdout or stderr, no file of ours stands in for it.
  if (fd >= 0 && fd <= 2) {
    const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const int code = errno;
    ::close(fd);
    errno = code;
    return own;
  }
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
    case ENAMETOOLONG:
      return "a shorter name: most file systems take 255 bytes";
    default:
      return "";
  }
}

Diagnostic write_failed(const std::string& path, const char* what, int code) {
  return at_file(Code::file_write, path, std::string("cannot write: ") + what + ": " + reason(code),
                 write_help(code));
}

// Where bytes for a path go. A link is followed to its end, which need not exist: the file is made there.
struct Target {
  std::string path, folder;
  bool exists = false;
  struct stat old{};
  bool regular() const { return !exists || S_ISREG(old.st_mode); }
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<Target> find_target(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    return at_file(Code::file_write, path, "cannot write: not a file name");
  Target t;
  t.path = path;
  constexpr int max_links = 40;
  for (int links = 0;; ++links) {
    struct stat s;
    if (::lstat(t.path.c_str(), &s) != 0) {
      if (errno != ENOENT) return write_failed(path, "open", errno);
      break;
    }
    if (!S_ISLNK(s.st_mode)) break;
    if (links == max_links) return write_failed(path, "open", ELOOP);
    char to[PATH_MAX];
    const ssize_t n = ::readlink(t.path.c_str(), to, sizeof to);
    // The kernel's own links (/dev/stdout to a pipe) name nothing that could be opened.
    if (n < 0 || n == static_cast<ssize_t>(sizeof to)) return write_failed(path, "open", errno);
    struct stat end;
    const std::string next(to, static_cast<size_t>(n));
    if (::stat(t.path.c_str(), &end) == 0 && !S_ISREG(end.st_mode)) break;
    t.path = next.starts_with('/') ? next : folder_of(t.path) + "/" + next;
  }
  t.folder = folder_of(t.path);
  t.exists = ::stat(t.path.c_str(), &t.old) == 0;
  if (t.exists && S_ISDIR(t.old.st_mode)) return write_failed(path, "open", EISDIR);
  if (t.exists && ::access(t.path.c_str(), W_OK) != 0) return write_failed(path, "open", errno);
  if (!t.regular()) return t;
  struct stat folder;
  if (::stat(t.folder.c_str(), &folder) != 0) return write_failed(path, t.folder.c_str(), errno);
  if (!S_ISDIR(folder.st_mode)) return write_failed(path, t.folder.c_str(), ENOTDIR);
  if (::access(t.folder.c_str(), W_OK | X_OK) != 0) return write_failed(path, t.folder.c_str(), errno);
  const long longest = ::pathconf(t.folder.c_str(), _PC_NAME_MAX);
  const size_t slash = t.path.rfind('/');
  const size_t name = t.path.size() - (slash == std::string::npos ? 0 : slash + 1);
  if (name == 0) return write_failed(path, "open", EISDIR);
  if (longest > 0 && name > static_cast<size_t>(longest)) return write_failed(path, "create", ENAMETOOLONG);
  return t;
}

constexpr std::string_view temporary_start = ".tenon-", temporary_end = ".tmp";

// The process that a name ".tenon-123-4.tmp" tells of; 0: another name.
int64_t writer_of(std::string_view name) {
  if (!name.starts_with(temporary_start) || !name.ends_with(temporary_end)) return 0;
  name.remove_prefix(temporary_start.size());
  return support::parse_int(name.substr(0, name.find('-'))).value_or(0);
}

// Removes what killed processes left in the folder. A writer holds a lock on its file until it has its name.
void remove_leftovers(const std::string& folder) {
  static std::mutex mutex;
  static std::set<std::string> seen;
  {
    const std::lock_guard lock(mutex);
    if (!seen.insert(folder).second) return;
  }
  DIR* entries = ::opendir(folder.c_str());
  if (entries == nullptr) return;
  while (const dirent* entry = ::readdir(entries)) {
    const int64_t writer = writer_of(entry->d_name);
    if (writer <= 0 || writer > INT_MAX || writer == ::getpid()) continue;
    if (::kill(static_cast<pid_t>(writer), 0) == 0 || errno != ESRCH) continue;
    const std::string path = folder + "/" + entry->d_name;
    Descriptor file;
    file.fd = open_retry(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (file.fd >= 0 && ::flock(file.fd, LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  }
  ::closedir(entries);
}

std::string temporary_name(const std::string& folder) {
  static std::atomic<uint32_t> counter{0};
  return folder + "/" + std::string(temporary_start) + std::to_string(::getpid()) + "-" +
         std::to_string(counter.fetch_add(1)) + std::string(temporary_end);
}

// A file on its way: written beside its target, then given its name. What has not got it vanishes.
class Written {
 public:
  Written() = default;
  ~Written() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    if (!backup_.empty()) ::unlink(backup_.c_str());
  }
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;

  Status write(const std::string& path, std::span<const std::string_view> pieces) {
    path_ = path;
    TENON_ASSIGN(target_, find_target(path));
    if (!target_.regular()) {
      direct_.assign(pieces.begin(), pieces.end());
      return Ok{};
    }
    remove_leftovers(target_.folder);
    // A name left by a process that was killed may have our number; the next one is tried.
    for (int attempt = 0; attempt < 100; ++attempt) {
      const std::string name = temporary_name(target_.folder);
      out_.fd = allowed(FileCall::create) ? open_retry(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666) : -1;
      if (out_.fd < 0 && errno == EEXIST) continue;
      if (out_.fd < 0) break;
      temporary_ = name;
      // Until the lock is had, another process may take the file for a leftover.
      struct stat s;
      ::flock(out_.fd, LOCK_EX);
      if (::fstat(out_.fd, &s) != 0 || s.st_nlink != 0) break;
      out_.close();
      temporary_.clear();
    }
    if (out_.fd < 0) return write_failed(path, "create", errno);
    if (target_.exists && ::fchmod(out_.fd, target_.old.st_mode & 07777) != 0)
      errno = 0;  // some file systems have no modes
    for (std::string_view piece : pieces)
      if (!write_all(out_.fd, piece)) return write_failed(path, "write", errno);
    if (!allowed(FileCall::sync) || ::fsync(out_.fd) != 0) return write_failed(path, "sync", errno);
    return Ok{};
  }

  // A second name for the old file, from which `undo` brings it back.
  void keep_old() {
    if (!target_.exists || !target_.regular()) return;
    const std::string name = temporary_name(target_.folder);
    if (::link(target_.path.c_str(), name.c_str()) == 0) backup_ = name;
  }

  Status name() {
    if (!target_.regular()) return write_through();
    if (!allowed(FileCall::rename) || ::rename(temporary_.c_str(), target_.path.c_str()) != 0)
      return write_failed(path_, "rename", errno);
    temporary_.clear();
    named_ = true;
    if (out_.close() != 0) return write_failed(path_, "close", errno);
    return Ok{};
  }

  void undo() {
    if (!named_) return;
    if (!backup_.empty() && ::rename(backup_.c_str(), target_.path.c_str()) == 0) {
      backup_.clear();
    } else if (!target_.exists) {
      ::unlink(target_.path.c_str());
    }
  }

  Status sync_folder() const {
    if (!target_.regular()) return Ok{};
    Descriptor directory;
    directory.fd =
        allowed(FileCall::sync_folder) ? open_retry(target_.folder.c_str(), O_RDONLY | O_DIRECTORY) : -1;
    if (directory.fd >= 0 && ::fsync(directory.fd) == 0) return Ok{};
    const int code = errno;
    // A folder that may be written but not read, or a file system without folder sync, is no failure to
    // write.
    if (code == EACCES || code == EINVAL || code == ENOTSUP || code == EROFS) return Ok{};
    return at_file(Code::file_write, path_, "written, but the folder cannot be synchronized: " + reason(code),
                   "the new file is whole; after a power failure the old one may be back");
  }

 private:
  // A device or pipe cannot be replaced; it takes the bytes as they come.
  Status write_through() {
    Descriptor out;
    out.fd = allowed(FileCall::create) ? open_retry(target_.path.c_str(), O_WRONLY) : -1;
    if (out.fd < 0) return write_failed(path_, "open", errno);
    for (std::string_view piece : direct_)
      if (!write_all(out.fd, piece)) return write_failed(path_, "write", errno);
    if (out.close() != 0) return write_failed(path_, "close", errno);
    return Ok{};
  }

  std::string path_, temporary_, backup_;
  Target target_;
  Descriptor out_;
  std::vector<std::string_view> direct_;
  bool named_ = false;
};

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

Status can_write(const std::string& path) {
  TENON_TRY(find_target(path));
  return Ok{};
}

Status write_file_atomic(const std::string& path, std::string_view bytes) {
  return write_file_atomic(path, std::span<const std::string_view>(&bytes, 1));
}

Status write_file_atomic(const std::string& path, std::span<const std::string_view> pieces) {
  Written file;
  TENON_TRY(file.write(path, pieces));
  TENON_TRY(file.name());
  return file.sync_folder();
}

Status write_files_atomic(const std::vector<std::pair<std::string, std::string_view>>& files) {
  std::vector<Written> written(files.size());
  for (size_t i = 0; i < files.size(); ++i)
    TENON_TRY(written[i].write(files[i].first, std::span<const std::string_view>(&files[i].second, 1)));
  for (Written& file : written) file.keep_old();
  for (Written& file : written) {
    if (Status named = file.name(); !named) {
      for (Written& done : written) done.undo();
      return named;
    }
  }
  for (const Written& file : written) TENON_TRY(file.sync_folder());
  return Ok{};
}

Status append_file(const std::string& path, std::string_view bytes, Append mode) {
  Descriptor out;
  const int flags = O_WRONLY | O_APPEND | (mode == Append::create ? O_CREAT | O_TRUNC : 0);
  out.fd = allowed(FileCall::create) ? open_retry(path.c_str(), flags, 0666) : -1;
  if (out.fd < 0) return write_failed(path, "open", errno);
  struct stat before;
  const bool regular = ::fstat(out.fd, &before) == 0 && S_ISREG(before.st_mode);
  if (!write_all(out.fd, bytes)) {
    const int code = errno;
    // Half a line is none.
    if (regular && ::ftruncate(out.fd, before.st_size) != 0) errno = 0;
    return write_failed(path, "write", code);
  }
  if (out.close() != 0) return write_failed(path, "close", errno);
  return Ok{};
}

}  // namespace tenon::runtime
