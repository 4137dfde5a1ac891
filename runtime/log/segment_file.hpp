// One segment's file: a name that many may hold, and a bounded cache of open descriptors and
// indexes behind it. Whoever holds a segment_file can go on reading even when the log has deleted
// it. Thread-safe: partitions hand them to the committer, to gateways (sendfile), to background
// jobs.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "runtime/io/file.hpp"
#include "runtime/log/segment_index.hpp"

namespace weir {

class file_cache;
class segment_file;

/// Values of segment files, the least recently used of which goes first.
template <class V>
class recent_cache {
 public:
  explicit recent_cache(size_t size_max) : size_max_(size_max) {}
  V find(const segment_file* f) {
    std::lock_guard lock(mutex_);
    auto it = places_.find(f);
    if (it == places_.end()) return {};
    entries_.splice(entries_.begin(), entries_, it->second);
    return it->second->second;
  }
  void put(const segment_file* f, V value) {
    std::pair<const segment_file*, V> gone{};  // closed outside the lock
    std::lock_guard lock(mutex_);
    auto it = places_.find(f);
    if (it != places_.end()) {
      std::swap(it->second->second, value);
      return;
    }
    entries_.emplace_front(f, std::move(value));
    places_[f] = entries_.begin();
    if (entries_.size() <= size_max_) return;
    gone = std::move(entries_.back());
    places_.erase(gone.first);
    entries_.pop_back();
  }
  void erase(const segment_file* f) {
    V gone{};
    std::lock_guard lock(mutex_);
    auto it = places_.find(f);
    if (it == places_.end()) return;
    gone = std::move(it->second->second);
    entries_.erase(it->second);
    places_.erase(it);
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  using entry_list = std::list<std::pair<const segment_file*, V>>;
  const size_t size_max_;
  mutable std::mutex mutex_;
  entry_list entries_;  // most recently used first
  std::unordered_map<const segment_file*, typename entry_list::iterator> places_;
};

/// What a cache's files share; lives as long as the last of them.
struct file_cache_core {
  file_system& files;
  recent_cache<std::shared_ptr<positional_file>> open;
  recent_cache<segment_index_ptr> indexes;
};

class segment_file : public std::enable_shared_from_this<segment_file> {
 public:
  segment_file(file_cache& cache, std::string path);
  ~segment_file();
  segment_file(const segment_file&) = delete;
  segment_file& operator=(const segment_file&) = delete;

  /// The open file; stays open while the pointer is held. Blocks when it has to be opened.
  /// errc::not_found when there is none and `create` is false.
  result<std::shared_ptr<positional_file>> open(bool create = false);
  /// Drops the cached descriptor, so that the next open() gets a fresh one.
  void forget();
  /// Renames the file; holders follow.
  status rename(const std::string& to);
  /// Removes the file. Those who hold this object go on reading through a descriptor that is kept
  /// until the last of them lets go.
  status remove();
  std::string path() const;

  /// The index of a closed segment while it is in memory; null: to be read from its file.
  segment_index_ptr cached_index() const;
  void cache_index(segment_index_ptr) const;

 private:
  std::shared_ptr<file_cache_core> cache_;
  mutable std::mutex mutex_;  // held while opening, renaming and removing
  std::string path_;
  std::shared_ptr<positional_file> pinned_;  // after remove()
};
using segment_file_ptr = std::shared_ptr<segment_file>;

/// Shared by all logs of a node; the file system outlives it and all its files. Files that someone
/// holds open at the moment are not bounded: there are few of them (a round of the committer in
/// slices, the transfers under way).
class file_cache {
 public:
  /// Below the usual soft limit of 1,024 descriptors; busy partitions stay open.
  static constexpr size_t open_max_default = 800;
  /// At most 16 KiB each.
  static constexpr size_t indexes_max_default = 1000;

  explicit file_cache(file_system& files, size_t open_max = open_max_default,
                      size_t indexes_max = indexes_max_default)
      : core_(new file_cache_core{files, recent_cache<std::shared_ptr<positional_file>>(open_max),
                                  recent_cache<segment_index_ptr>(indexes_max)}) {}
  file_cache(const file_cache&) = delete;
  file_cache& operator=(const file_cache&) = delete;

  file_system& files() noexcept { return core_->files; }
  size_t open_files() const { return core_->open.size(); }

 private:
  friend class segment_file;
  std::shared_ptr<file_cache_core> core_;
};

}  // namespace weir
