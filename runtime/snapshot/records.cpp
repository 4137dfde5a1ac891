#include "runtime/snapshot/records.hpp"

#include <algorithm>
#include <string>

namespace weir {
namespace {

// Most key groups of most epochs have few changes: chunks start small and double.
constexpr size_t first_capacity = 1024;
// The last record of a chunk may exceed the target, whatever its size; counts stay below 2^32.
constexpr size_t slack_bytes = 64;

}  // namespace

record_writer::record_writer(memory_pool& pool, record_layout layout, flush_function flush,
                             size_t chunk_bytes)
    : pool_(pool),
      layout_(layout),
      flush_(std::move(flush)),
      chunk_bytes_(std::clamp(chunk_bytes, size_t{first_capacity}, chunk_bytes_max)) {
  weir_assert((layout.key_size == record_layout::variable_size) == !layout.is_fixed(),
              "keys and values are both of fixed or both of variable size");
  weir_assert(!layout.is_fixed() || layout.key_size > 0, "a key has at least one byte");
}

std::byte* record_writer::put_sizes(std::byte* p, size_t key, size_t value) {
  weir_assert(key < (size_t{1} << 32) && value < (size_t{1} << 32),
              "a key or value of state has less than 4 GiB");
  auto k = static_cast<uint32_t>(key), v = static_cast<uint32_t>(value);
  std::memcpy(p, &k, 4);
  std::memcpy(p + 4, &v, 4);
  return p + 8;
}

void record_writer::reserve(size_t capacity) {
  buffer_ref larger = buffer::allocate(pool_, capacity);
  if (chunk_) std::memcpy(larger.mutable_as<std::byte>(), chunk_.data(), size_);
  chunk_ = std::move(larger);
  capacity_ = capacity;
}

void record_writer::make_room(size_t bytes) {
  if (size_ + deleted_.size() >= chunk_bytes_) finish();
  if (size_ == 0) size_ = sizeof(record_header);
  size_t needed = size_ + bytes;
  if (needed <= capacity_) return;
  size_t doubled = std::min(std::max(first_capacity, capacity_ * 2), chunk_bytes_ + slack_bytes);
  reserve(std::max(needed, doubled));
}

void record_writer::upsert_bulk(std::span<const std::byte> records) {
  const size_t n = layout_.record_bytes();
  weir_assert(layout_.is_fixed() && records.size() % n == 0,
              "bulk records need a fixed layout and whole records");
  while (!records.empty()) {
    if (size_ + deleted_.size() >= chunk_bytes_) finish();
    size_t used = std::max(size_, sizeof(record_header)) + deleted_.size();
    size_t fit = used < chunk_bytes_ ? (chunk_bytes_ - used) / n : 0;
    size_t part = std::min(std::max<size_t>(fit, 1) * n, records.size());
    if (size_ == 0 || size_ + part > capacity_) make_room(part);
    std::memcpy(chunk_.mutable_as<std::byte>() + size_, records.data(), part);
    size_ += part;
    upserts_ += static_cast<uint32_t>(part / n);
    records_ += part / n;
    records = records.subspan(part);
  }
}

void record_writer::erase(std::span<const std::byte> key) {
  weir_assert(!layout_.is_fixed() || key.size() == layout_.key_size,
              "a key's size is not that of its chunk's layout");
  if (size_ + deleted_.size() >= chunk_bytes_) finish();
  if (!layout_.is_fixed()) {
    std::byte sizes[8];
    put_sizes(sizes, key.size(), 0);
    deleted_.insert(deleted_.end(), sizes, sizes + 4);
  }
  deleted_.insert(deleted_.end(), key.begin(), key.end());
  ++deletes_;
  ++records_;
}

void record_writer::finish() {
  if (upserts_ == 0 && deletes_ == 0) return;
  size_t total = std::max(size_, sizeof(record_header)) + deleted_.size();
  if (size_ == 0) size_ = sizeof(record_header);
  if (total > capacity_) reserve(total);
  record_header h;
  h.layout = layout_;
  h.upserts = upserts_;
  h.deletes = deletes_;
  auto* p = chunk_.mutable_as<std::byte>();
  std::memcpy(p, &h, sizeof h);
  if (!deleted_.empty()) std::memcpy(p + size_, deleted_.data(), deleted_.size());
  chunk_.truncate(total);
  bytes_ += total;
  deleted_.clear();
  size_ = capacity_ = 0;
  upserts_ = deletes_ = 0;
  flush_(std::exchange(chunk_, buffer_ref()));
}

result<record_reader> record_reader::open(std::span<const std::byte> chunk) {
  record_reader r;
  if (chunk.size() < sizeof(record_header))
    return {errc::corrupt,
            "a chunk of " + std::to_string(chunk.size()) + " bytes is too short for its header"};
  std::memcpy(&r.header_, chunk.data(), sizeof(record_header));
  r.body_ = chunk.subspan(sizeof(record_header));
  const auto& h = r.header_;
  if (h.magic != record_header::magic_value)
    return {errc::corrupt, "a chunk does not begin with the mark of a record chunk"};
  if ((h.layout.key_size == record_layout::variable_size) == h.layout.is_fixed() ||
      h.layout.key_size == 0)
    return {errc::corrupt, "a chunk's header gives impossible sizes of keys and values"};
  if (h.layout.is_fixed()) {
    uint64_t expected =
        uint64_t{h.upserts} * h.layout.record_bytes() + uint64_t{h.deletes} * h.layout.key_size;
    if (expected != r.body_.size())
      return {errc::corrupt, "a chunk's records take " + std::to_string(expected) +
                                 " bytes by its header, but it has " +
                                 std::to_string(r.body_.size())};
  }
  return r;
}

status record_reader::too_short(uint32_t record) const {
  return {errc::corrupt, "record " + std::to_string(record) + " of " +
                             std::to_string(uint64_t{header_.upserts} + header_.deletes) +
                             " reaches past the end of its chunk"};
}

status record_reader::too_long(size_t bytes) const {
  return {errc::corrupt, "a chunk has " + std::to_string(bytes) + " bytes behind its last record"};
}

}  // namespace weir
