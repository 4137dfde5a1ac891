#include "runtime/log/commit_points.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/base/crc32c.hpp"

namespace weir {
namespace {

struct slot_image {
  uint32_t crc = 0;  // of the rest
  int32_t partition = 0;
  std::array<uint8_t, 16> topic{};
  int64_t end_offset = 0;
  int64_t segment_base = 0;
  uint64_t position = 0;
  uint32_t used = 0;
  uint32_t reserved = 0;
  int64_t high_watermark = 0;
};
static_assert(sizeof(slot_image) == 64 && std::is_trivially_copyable_v<slot_image>);

uint32_t crc_of(const slot_image& s) {
  return crc32c(std::as_bytes(std::span(&s, 1)).subspan(sizeof s.crc));
}
/// A million partitions: anything larger is no file of ours.
constexpr uint64_t points_bytes_max = uint64_t{64} << 20;

}  // namespace

result<std::unique_ptr<commit_points>> commit_points::open(file_system& files,
                                                           const std::string& path) {
  std::unique_ptr<commit_points> p(new commit_points(files, path));
  WEIR_TRY(p->load());
  return p;
}

status commit_points::load() {
  WEIR_ASSIGN(file_, files_.open_positional(path_, true));
  WEIR_ASSIGN(uint64_t size, file_->size());
  if (size > points_bytes_max)
    return error{errc::corrupt, "'" + path_ + "' is too large for commit points"};
  bytes_.resize(size / page_bytes * page_bytes);
  WEIR_ASSIGN(size_t n, file_->read(0, bytes_));
  std::fill(bytes_.begin() + static_cast<ptrdiff_t>(n), bytes_.end(), std::byte{0});
  page_is_dirty_.resize(bytes_.size() / page_bytes);
  for (uint32_t i = 0; i < bytes_.size() / slot_bytes; ++i) {
    slot_image s;
    std::memcpy(&s, bytes_.data() + i * slot_bytes, sizeof s);
    const log_id id{s.topic, s.partition};
    // A slot that was torn is free; of two for one partition the first stays.
    if (s.used == 1 && s.crc == crc_of(s) && slots_.emplace(id, i).second) continue;
    std::memset(bytes_.data() + i * slot_bytes, 0, slot_bytes);
    free_.push_back(i);
  }
  std::reverse(free_.begin(), free_.end());  // low slots first
  return {};
}

std::optional<commit_point> commit_points::find(const log_id& id) const {
  auto it = slots_.find(id);
  if (it == slots_.end()) return std::nullopt;
  slot_image s;
  std::memcpy(&s, bytes_.data() + it->second * slot_bytes, sizeof s);
  return commit_point{s.end_offset, s.segment_base, s.position, s.high_watermark};
}

void commit_points::touch(uint32_t slot) {
  const auto page = static_cast<uint32_t>(slot * slot_bytes / page_bytes);
  if (page_is_dirty_[page]) return;
  page_is_dirty_[page] = true;
  dirty_pages_.push_back(page);
}

void commit_points::set(const log_id& id, const commit_point& p) {
  auto it = slots_.find(id);
  if (it == slots_.end()) {
    if (free_.empty()) {
      const auto first = static_cast<uint32_t>(bytes_.size() / slot_bytes);
      bytes_.resize(bytes_.size() + page_bytes);
      page_is_dirty_.push_back(false);
      for (auto i = static_cast<uint32_t>(bytes_.size() / slot_bytes); i-- > first;)
        free_.push_back(i);
    }
    it = slots_.emplace(id, free_.back()).first;
    free_.pop_back();
  }
  slot_image s;
  s.partition = id.partition;
  s.topic = id.topic;
  s.end_offset = p.end_offset;
  s.segment_base = p.segment_base;
  s.position = p.position;
  s.high_watermark = p.high_watermark;
  s.used = 1;
  s.crc = crc_of(s);
  std::memcpy(bytes_.data() + it->second * slot_bytes, &s, sizeof s);
  touch(it->second);
}

void commit_points::erase(const log_id& id) {
  auto it = slots_.find(id);
  if (it == slots_.end()) return;
  std::memset(bytes_.data() + it->second * slot_bytes, 0, slot_bytes);
  touch(it->second);
  free_.push_back(it->second);
  slots_.erase(it);
}

status commit_points::write() {
  if (failed_) {
    WEIR_ASSIGN(file_, files_.open_positional(path_, true));
    for (uint32_t i = 0; i < bytes_.size() / slot_bytes; ++i) touch(i);
  }
  failed_ = true;
  std::sort(dirty_pages_.begin(), dirty_pages_.end());
  for (size_t i = 0; i < dirty_pages_.size();) {
    size_t n = 1;
    while (i + n < dirty_pages_.size() && dirty_pages_[i + n] == dirty_pages_[i] + n) ++n;
    const size_t at = dirty_pages_[i] * page_bytes;
    WEIR_TRY(file_->write(at, std::span(bytes_).subspan(at, n * page_bytes)));
    i += n;
  }
  for (auto page : dirty_pages_) page_is_dirty_[page] = false;
  dirty_pages_.clear();
  failed_ = false;
  return {};
}

status commit_points::sync() {
  status s = file_->sync();
  failed_ = failed_ || !s;
  return s;
}

}  // namespace weir
