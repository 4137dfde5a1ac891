// One segment's file: a name that many may hold, and a bounded cache of open descriptors behind it.
// Whoever holds a segment_file can go on reading even when the log has deleted it. Thread-safe:
// partitions hand them to the committer, to gateways (sendfile) and to background jobs.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "runtime/io/file.hpp"

namespace weir {

class file_cache;

class segment_file {
 public:
  segment_file(file_cache& cache, std::string path);
  ~segment_file();
  segment_file(const segment_file&) = delete;
  segment_file& operator=(const segment_file&) = delete;

  /// The open file; stays open while the pointer is held. Blocks when it has to be opened.
  result<std::shared_ptr<positional_file>> open(bool create = false);
  /// Drops the cached descriptor, so that the next open() gets a fresh one.
  void forget();
  /// Renames the file; holders follow.
  status rename(const std::string& to);
  /// Removes the file. Those who hold this object go on reading through a descriptor that is kept
  /// until the last of them lets go.
  status remove();
  std::string path() const;

 private:
  friend class file_cache;
  file_cache& cache_;
  mutable std::mutex mutex_;  // path_ and pinned_
  std::string path_;
  std::shared_ptr<positional_file> pinned_;  // after remove()
  bool removed_ = false;
};
using segment_file_ptr = std::shared_ptr<segment_file>;

/// Least recently used files are closed first. Files that someone holds open at the moment do not
/// count: there are few of them (a round of the committer, the transfers under way).
class file_cache {
 public:
  /// Far below the usual limit of 1,024 x n descriptors, and enough that busy partitions stay open.
  static constexpr size_t open_max_default = 1000;

  explicit file_cache(file_system& files, size_t open_max = open_max_default)
      : files_(files), open_max_(open_max) {}
  file_cache(const file_cache&) = delete;
  file_cache& operator=(const file_cache&) = delete;

  file_system& files() noexcept { return files_; }
  size_t open_files() const;

 private:
  friend class segment_file;
  struct entry {
    segment_file* owner;
    std::shared_ptr<positional_file> file;
  };
  std::shared_ptr<positional_file> find(segment_file*);
  std::shared_ptr<positional_file> insert(segment_file*, std::shared_ptr<positional_file>);
  void erase(segment_file*);

  file_system& files_;
  const size_t open_max_;
  mutable std::mutex mutex_;
  std::list<entry> recent_;  // most recently used first
  std::unordered_map<segment_file*, std::list<entry>::iterator> by_owner_;
};

}  // namespace weir
