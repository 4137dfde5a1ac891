#include "runtime/log/segment_file.hpp"

namespace weir {

segment_file::segment_file(file_cache& cache, std::string path)
    : cache_(cache.core_), path_(std::move(path)) {}

segment_file::~segment_file() {
  cache_->open.erase(this);
  cache_->indexes.erase(this);
}

result<std::shared_ptr<positional_file>> segment_file::open(bool create) {
  if (auto f = cache_->open.find(this)) return f;
  std::lock_guard lock(mutex_);
  if (pinned_) return pinned_;
  if (auto f = cache_->open.find(this)) return f;
  WEIR_ASSIGN(auto opened, cache_->files.open_positional(path_, create));
  std::shared_ptr<positional_file> file = std::move(opened);
  cache_->open.put(this, file);
  return file;
}

void segment_file::forget() {
  cache_->open.erase(this);
}

status segment_file::rename(const std::string& to) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(cache_->files.rename(path_, to));
  path_ = to;
  return {};
}

status segment_file::remove() {
  std::lock_guard lock(mutex_);
  // Others hold it beside the caller: one of them may want to read. A file that cannot be opened
  // could not be read by them either.
  if (!pinned_ && weak_from_this().use_count() > 1) {
    pinned_ = cache_->open.find(this);
    if (!pinned_)
      if (auto opened = cache_->files.open_positional(path_, false)) pinned_ = *std::move(opened);
  }
  WEIR_TRY(cache_->files.remove(path_));
  cache_->open.erase(this);
  return {};
}

std::string segment_file::path() const {
  std::lock_guard lock(mutex_);
  return path_;
}

segment_index_ptr segment_file::cached_index() const {
  return cache_->indexes.find(this);
}

void segment_file::cache_index(segment_index_ptr index) const {
  cache_->indexes.put(this, std::move(index));
}

}  // namespace weir
