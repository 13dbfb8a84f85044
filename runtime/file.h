// The one place where the runtime touches files: bounded reading, atomic writing, and a hook through which
// tests make any system call fail. Failure is a Diagnostic with the path and the system's reason.
//   T401  does not exist or cannot be opened      T405  reading failed, or the file passes the cap
//   T404  cannot be written; the old file is whole and no temporary file stays behind
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::runtime {

// A diagnostic about a file; line 0: about the whole of it.
support::Diagnostic at_file(support::Code code, const std::string& file, std::string message,
                            std::string help = {}, uint32_t line = 0);

// A file open for reading at offsets, or bytes in memory that stand for one. What is not a regular file (a
// pipe, /dev/stdin) is read whole when opened, at most `stream_cap` bytes.
class InputFile {
 public:
  static constexpr uint64_t stream_cap = uint64_t{1} << 30;

  static support::Result<InputFile> open(const std::string& path);
  // The bytes must outlive the InputFile; name stands for the path in errors.
  static InputFile of_memory(std::string_view bytes, std::string name);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  // Reads exactly `bytes` bytes; the caller has checked offset + bytes <= size().
  support::Status read(uint64_t offset, void* to, size_t bytes) const;

 private:
  InputFile() = default;
  std::string path_;
  int fd_ = -1;  // -1: in memory
  uint64_t size_ = 0;
  std::string owned_;
  const char* memory_ = nullptr;  // null: owned_
};

// The whole file; one of more than `cap` bytes is refused before anything is allocated for it.
support::Result<std::string> read_file(const std::string& path, uint64_t cap);

// Writes the pieces, one after the other, so that the file holds either all of the new or all of the old
// bytes: temporary file in the same folder, fsync, rename, fsync of the folder. The mode of an old file is
// kept; a link is followed, and the file it names is made where there is none. A device or pipe (/dev/stdout)
// is written directly. Temporary files that a killed process left in the folder are removed.
support::Status write_file_atomic(const std::string& path, std::span<const std::string_view> pieces);
support::Status write_file_atomic(const std::string& path, std::string_view bytes);

// Several files, all of them or none: they get their names when all have been written. Where one does not,
// those that had theirs go back to what they were.
support::Status write_files_atomic(const std::vector<std::pair<std::string, std::string_view>>& files);

// T404 now for what writing to the path would fail with later: no such folder, no permission for it or for an
// old file, a name too long, a folder of that name. Makes nothing.
support::Status can_write(const std::string& path);

// Appends in one write, whole or not at all; `create` also makes the file, or empties it.
enum class Append : uint8_t { create, add };
support::Status append_file(const std::string& path, std::string_view bytes, Append mode);

// Before each system call on a file the hook, if set, is asked: it returns 0, or the errno with which the
// call is to fail; for read and write it may lower *bytes, and the call then moves only so many. Returns the
// old hook.
enum class FileCall : uint8_t { open, create, read, write, sync, rename, sync_folder };
using FileHook = int (*)(FileCall call, size_t* bytes);
FileHook set_file_hook(FileHook hook);

}  // namespace tenon::runtime
