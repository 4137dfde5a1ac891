#include "runtime/state/delta_log.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/snapshot/records.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

constexpr size_t first_bytes_min = 1024;
// All groups get their first buffer within one batch (copy on write): larger ones would make that
// batch a stall of page faults. Doubling from here costs a copy of each record or so.
constexpr size_t first_bytes_max = 32 * 1024;

void put_u32(std::byte* p, size_t v) {
  auto x = static_cast<uint32_t>(v);
  std::memcpy(p, &x, 4);
}

}  // namespace

delta_log::delta_log(const row_layout& layout) : layout_(layout) {}

void delta_log::begin(memory_pool& memory, size_t rows) {
  memory_ = &memory;
  // What a group gets when rows are spread evenly over the default number of groups, and a bit.
  size_t record = 16 + 8 * (layout_.key_words + layout_.value_words);
  size_t share = rows * record / default_key_groups * 5 / 4 + sizeof(record_header);
  first_bytes_ = std::clamp(share, first_bytes_min, first_bytes_max);
}

std::byte* delta_log::reserve(group_log& g, uint32_t group, size_t bytes) {
  if (g.at && static_cast<size_t>(g.end - g.at) >= bytes) return g.at;
  auto used = g.at ? static_cast<size_t>(g.at - g.bytes.data()) : 0;
  if (used + bytes > cut_bytes && used > sizeof(record_header)) {
    cut(g, group);
    used = 0;
  }
  // Groups fill evenly; first sizes that differ keep them from growing all in one slice.
  const size_t first = first_bytes_ / 2 + first_bytes_ * ((group * 0x9e3779b1u) >> 24) / 256;
  size_t wanted = std::max(used * 2, first);
  wanted = std::max(std::min(wanted, cut_bytes), used + sizeof(record_header) + bytes);
  auto wider = buffer::allocate(*memory_, wanted);
  if (used) {
    std::memcpy(wider.mutable_as<std::byte>(), g.bytes.data(), used);
  } else {
    used = sizeof(record_header);
  }
  g.bytes = std::move(wider);
  g.at = g.bytes.mutable_as<std::byte>() + used;
  g.end = g.bytes.mutable_as<std::byte>() + wanted;
  return g.at;
}

void delta_log::cut(group_log& g, uint32_t group) {
  if (!g.upserts && !g.deletes) return;
  if (!g.tombstones.empty()) {
    auto used = g.at ? static_cast<size_t>(g.at - g.bytes.data()) : sizeof(record_header);
    auto whole = g.bytes;
    if (!g.at || static_cast<size_t>(g.end - g.at) < g.tombstones.size()) {
      whole = buffer::allocate(*memory_, used + g.tombstones.size());
      if (g.at) std::memcpy(whole.mutable_as<std::byte>(), g.bytes.data(), used);
    }
    std::memcpy(whole.mutable_as<std::byte>() + used, g.tombstones.data(), g.tombstones.size());
    g.bytes = std::move(whole);
    g.at = g.bytes.mutable_as<std::byte>() + used + g.tombstones.size();
  }
  record_header h;
  if (layout_.fixed())
    h.layout = record_layout::fixed(static_cast<uint16_t>(layout_.record_key_bytes()),
                                    static_cast<uint16_t>(layout_.record_value_bytes()));
  h.upserts = g.upserts;
  h.deletes = g.deletes;
  std::memcpy(g.bytes.mutable_as<std::byte>(), &h, sizeof(h));
  g.bytes.truncate(static_cast<size_t>(g.at - g.bytes.data()));
  ready_.emplace_back(group, std::move(g.bytes));
  g = {};
}

size_t delta_log::part_bytes(const uint64_t* words, uint32_t n,
                             const std::vector<uint32_t>& strings) {
  size_t bytes = 8 * size_t{n} - 12 * strings.size();
  for (uint32_t s : strings) bytes += static_cast<uint32_t>(words[s]);
  return bytes;
}

std::byte* delta_log::write_part(std::byte* p, const uint64_t* words, uint32_t n,
                                 const std::vector<uint32_t>& strings) {
  uint32_t w = 0;
  for (uint32_t s : strings) {
    std::memcpy(p, words + w, 8 * (s - w));
    p += 8 * (s - w);
    var_ref r;
    std::memcpy(r.words, words + s, 16);
    put_u32(p, r.size());
    std::memcpy(p + 4, r.data(), r.size());
    p += 4 + r.size();
    w = s + 2;
  }
  if (n > w) std::memcpy(p, words + w, 8 * (n - w));
  return p + 8 * (n - w);
}

size_t delta_log::upsert(uint32_t group, const uint64_t* row) {
  if (group >= groups_.size()) groups_.resize(group + 1);
  group_log& g = groups_[group];
  if (layout_.fixed()) {
    size_t bytes = layout_.row_bytes() - 4;
    auto* p = reserve(g, group, bytes);
    ++g.upserts;
    std::memcpy(p, reinterpret_cast<const std::byte*>(row) + 4, bytes);
    g.at = p + bytes;
    return bytes;
  }
  const uint64_t* value = row + 1 + layout_.key_words;
  size_t key_bytes = 4 + part_bytes(row + 1, layout_.key_words, layout_.key_strings);
  size_t value_bytes = part_bytes(value, layout_.value_words, layout_.value_strings);
  auto* p = reserve(g, group, 8 + key_bytes + value_bytes);
  ++g.upserts;
  put_u32(p, key_bytes);
  put_u32(p + 4, value_bytes);
  put_u32(p + 8, *row >> 32);
  p = write_part(p + 12, row + 1, layout_.key_words, layout_.key_strings);
  g.at = write_part(p, value, layout_.value_words, layout_.value_strings);
  return 8 + key_bytes + value_bytes;
}

size_t delta_log::erase(uint32_t group, const uint64_t* row) {
  if (group >= groups_.size()) groups_.resize(group + 1);
  group_log& g = groups_[group];
  if (g.tombstones.size() > cut_bytes) cut(g, group);
  ++g.deletes;
  size_t before = g.tombstones.size();
  size_t key_bytes = 4 + part_bytes(row + 1, layout_.key_words, layout_.key_strings);
  size_t head = layout_.fixed() ? 0 : 4;
  g.tombstones.resize(before + head + key_bytes);
  auto* p = g.tombstones.data() + before;
  if (head) put_u32(p, key_bytes);
  put_u32(p + head, *row >> 32);
  write_part(p + head + 4, row + 1, layout_.key_words, layout_.key_strings);
  return head + key_bytes;
}

void delta_log::put(snapshot_writer& out, std::string_view state, bool all) {
  if (all)
    for (uint32_t i = 0; i < groups_.size(); ++i) cut(groups_[i], i);
  for (auto& [group, bytes] : ready_) out.put(state, group, chunk_kind::delta, std::move(bytes));
  ready_.clear();
}

void delta_log::abandon() {
  groups_.clear();
  ready_.clear();
}

}  // namespace weir
