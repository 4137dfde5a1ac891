#include "runtime/log/segment_index.hpp"

#include <algorithm>

#include "runtime/base/crc32c.hpp"
#include "runtime/log/byte_codec.hpp"

namespace weir {
namespace {

constexpr uint64_t index_magic = 0x3158444952494557;  // "WEIRIDX1"
constexpr uint32_t holes_max = 1u << 16;
constexpr size_t index_file_bytes_max = size_t{4} << 20;

error damaged(const char* what) {
  return {errc::corrupt, std::string("a segment's index does not fit: ") + what};
}

}  // namespace

void segment_index::add(uint32_t offset, uint32_t position, int64_t max_timestamp_before) {
  if (!entries_.empty() && position - entries_.back().position < interval_) return;
  if (entries_.size() == entries_max) {
    for (size_t i = 0; i < entries_max / 2; ++i) entries_[i] = entries_[2 * i];
    entries_.resize(entries_max / 2);
    interval_ = std::max<uint64_t>(1, interval_) * 2;
    if (position - entries_.back().position < interval_) return;
  }
  entries_.push_back({offset, position, max_timestamp_before});
}

void segment_index::cut(uint32_t position) {
  while (!entries_.empty() && entries_.back().position >= position) entries_.pop_back();
}

index_entry segment_index::at_offset(uint32_t offset) const noexcept {
  auto it = std::upper_bound(entries_.begin(), entries_.end(), offset,
                             [](uint32_t o, const index_entry& e) { return o < e.offset; });
  return it == entries_.begin() ? index_entry{} : *(it - 1);
}

index_entry segment_index::at_position(uint32_t position) const noexcept {
  auto it = std::upper_bound(entries_.begin(), entries_.end(), position,
                             [](uint32_t p, const index_entry& e) { return p < e.position; });
  return it == entries_.begin() ? index_entry{} : *(it - 1);
}

index_entry segment_index::at_timestamp(int64_t timestamp_ms) const noexcept {
  // max_timestamp_before never falls from entry to entry.
  auto it = std::partition_point(entries_.begin(), entries_.end(), [&](const index_entry& e) {
    return e.max_timestamp_before < timestamp_ms;
  });
  return it == entries_.begin() ? index_entry{} : *(it - 1);
}

void segment_index::assign(std::vector<index_entry> entries, uint64_t interval) {
  entries_ = std::move(entries);
  interval_ = interval;
}

std::string index_path(const std::string& segment_path) {
  constexpr std::string_view suffix = ".log";
  return segment_path.substr(0, segment_path.size() - suffix.size()) + ".index";
}

std::string encode_index(const segment_facts& f, const segment_index& index) {
  byte_writer w;
  w.put(index_magic);
  w.put(uint32_t{0});  // checksum of all that follows
  w.put(f.base_offset);
  w.put(f.end_offset);
  w.put(f.bytes);
  w.put(f.max_timestamp);
  w.put(f.max_timestamp_offset);
  w.put(index.interval());
  w.put(static_cast<uint32_t>(f.holes.size()));
  w.put(static_cast<uint32_t>(index.entries().size()));
  for (const auto& h : f.holes) {
    w.put(h.position);
    w.put(h.bytes);
  }
  for (const auto& e : index.entries()) w.put(e);
  std::string out = std::move(w.text());
  const uint32_t crc = crc32c(std::as_bytes(std::span(out).subspan(12)));
  std::memcpy(out.data() + 8, &crc, sizeof crc);
  return out;
}

result<saved_index> decode_index(std::string_view bytes) {
  byte_reader r(bytes);
  if (r.take<uint64_t>() != index_magic) return damaged("its first bytes");
  const auto crc = r.take<uint32_t>();
  if (!r.ok() || crc != crc32c(std::as_bytes(std::span(bytes.substr(12)))))
    return damaged("its checksum");
  saved_index s;
  s.facts.base_offset = r.take<int64_t>();
  s.facts.end_offset = r.take<int64_t>();
  s.facts.bytes = r.take<uint64_t>();
  s.facts.max_timestamp = r.take<int64_t>();
  s.facts.max_timestamp_offset = r.take<int64_t>();
  const auto interval = r.take<uint64_t>();
  const auto holes = r.take<uint32_t>(), count = r.take<uint32_t>();
  if (!r.ok() || holes > holes_max || count > segment_index::entries_max ||
      r.left() != holes * 2 * sizeof(uint64_t) + count * sizeof(index_entry))
    return damaged("its length");
  for (uint32_t i = 0; i < holes; ++i) {
    segment_hole h;
    h.position = r.take<uint64_t>();
    h.bytes = r.take<uint64_t>();
    s.facts.holes.push_back(h);
  }
  std::vector<index_entry> entries(count);
  for (auto& e : entries) e = r.take<index_entry>();
  s.index.assign(std::move(entries), interval);
  return s;
}

status write_index(file_system& files, const std::string& path, const segment_facts& facts,
                   const segment_index& index) {
  WEIR_ASSIGN(auto file, files.open_append(path));
  if (file->size() != 0) WEIR_TRY(file->truncate(0));
  const std::string bytes = encode_index(facts, index);
  WEIR_TRY(file->append(std::as_bytes(std::span(bytes))));
  return file->close();
}

result<saved_index> read_index(file_system& files, const std::string& path) {
  WEIR_ASSIGN(std::string bytes, read_whole_file(files, path, index_file_bytes_max));
  return decode_index(bytes);
}

}  // namespace weir
