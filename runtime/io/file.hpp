// Files as the engine sees them: a small interface with the real file system, and a wrapper that
// injects faults (short writes, EIO, ENOSPC, failed fsync) at chosen calls. All calls block: they
// run on an io_executor or in detached actors. Errors name the path and what the system said.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/io/positional_file.hpp"

namespace weir {

class random_file {  // reading; thread-safe
 public:
  virtual ~random_file() = default;
  /// Up to out.size() bytes from `offset`; fewer only at the end of the file.
  virtual result<size_t> read(uint64_t offset, std::span<std::byte> out) const = 0;
  virtual result<uint64_t> size() const = 0;
  /// Device and inode: tells a rotated file from the one that was opened.
  virtual result<std::pair<uint64_t, uint64_t>> identity() const = 0;
};

class append_file {  // writing at the end; one thread at a time
 public:
  virtual ~append_file() = default;
  /// All of it or an error; after an error the file's tail is unknown: truncate before going on.
  virtual status append(std::span<const std::byte>) = 0;
  /// Durable when it returns. After a failure every further call fails: the system may have dropped
  /// what it could not write, and a second sync would lie.
  virtual status sync() = 0;
  virtual status truncate(uint64_t bytes) = 0;
  virtual status close() = 0;
  virtual uint64_t size() const = 0;
};

struct file_info {
  std::string path;
  uint64_t size = 0;
  int64_t modified_us = 0;
  uint64_t device = 0, inode = 0;
};

class file_system {
 public:
  virtual ~file_system() = default;
  virtual result<std::unique_ptr<random_file>> open_read(const std::string& path) = 0;
  /// Creates, or opens an existing file at its end.
  virtual result<std::unique_ptr<append_file>> open_append(const std::string& path) = 0;
  /// For reading and writing at positions. `create` makes an empty file when there is none;
  /// otherwise errc::not_found. A file system without such files refuses.
  virtual result<std::unique_ptr<positional_file>> open_positional(const std::string& path,
                                                                   bool create);
  /// Everything written so far to any file of the file system that holds `path` is durable.
  virtual status sync_file_system(const std::string& path);
  virtual status create_directories(const std::string& path) = 0;
  virtual status rename(const std::string& from, const std::string& to) = 0;
  /// Removing what is not there is no error.
  virtual status remove(const std::string& path) = 0;
  virtual status sync_directory(const std::string& path) = 0;
  virtual result<file_info> stat(const std::string& path) = 0;
  /// The files of a directory (not its folders), sorted by path.
  virtual result<std::vector<file_info>> list(const std::string& directory) = 0;
  /// The names of a directory's folders, sorted. A file system without folders refuses.
  virtual result<std::vector<std::string>> folders(const std::string& directory);
  /// Paths that match a shell pattern (*, ?, [..] and ** for folders), sorted. A pattern without
  /// wildcards matches itself when it exists. As in a shell, a wildcard does not match a leading
  /// dot; folders are walked through but not returned.
  virtual result<std::vector<std::string>> glob(const std::string& pattern) = 0;
};

std::unique_ptr<file_system> make_posix_file_system();

/// Replaces `path` by `bytes` so that after a crash either the old or the new content is there:
/// temporary file, fsync, rename, fsync of the folder.
status atomic_write_file(file_system&, const std::string& path, std::span<const std::byte> bytes);
status atomic_write_file(file_system&, const std::string& path, std::string_view text);
/// The whole file; refused when it is larger than `bytes_max`.
result<std::string> read_whole_file(file_system&, const std::string& path,
                                    uint64_t bytes_max = uint64_t{1} << 30);
/// The folder of a path: "." when it has none.
std::string parent_directory(const std::string& path);
/// Whether `pattern` has wildcards of glob().
bool has_wildcards(std::string_view pattern);
/// One path component against a pattern with *, ? and [..] (ranges, ! or ^ negates).
bool matches_wildcards(std::string_view pattern, std::string_view name);
/// An errno as an error: "cannot VERB 'PATH': what the system says", with the fitting code.
error system_error(int error_number, std::string_view verb, std::string_view path);

/// What the wrapper can break. A short write (and ENOSPC) writes a part before it fails; it is
/// `none` for other operations than write.
enum class file_op : uint8_t {
  open,
  read,
  write,
  sync,  // also sync_file_system
  truncate,
  rename,
  remove,
  sync_directory,
  allocate,
};
enum class file_fault : uint8_t { none, eio, enospc, short_write };
/// Asked before each call on files; `call` counts from 0 over all calls of the wrapper.
using fault_plan = std::function<file_fault(file_op, const std::string& path, uint64_t call)>;
std::unique_ptr<file_system> make_faulty_file_system(file_system& base, fault_plan plan);

}  // namespace weir
