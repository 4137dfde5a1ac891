#include "runtime/state/delta_log.hpp"

#include <cstring>

#include "runtime/state/var_bytes.hpp"

namespace weir {

packed_layout packed_layout_of(const row_layout& l) {
  packed_layout p;
  auto add = [](std::vector<packed_kind>& to, uint32_t words,
                const std::vector<uint32_t>& strings) {
    uint32_t w = 0;
    for (uint32_t s : strings) {
      to.insert(to.end(), s - w, packed_kind::word);
      to.push_back(packed_kind::text);
      w = s + 2;
    }
    to.insert(to.end(), words - w, packed_kind::word);
  };
  add(p.key, l.key_words, l.key_strings);
  add(p.value, l.value_words, l.value_strings);
  if (l.packed()) p.value[l.packed_word] = packed_kind::row;
  return p;
}

delta_log::delta_log(const row_layout& layout)
    : layout_(layout), packed_(packed_layout_of(layout)) {}

void delta_log::begin(memory_pool& memory, bool whole) {
  memory_ = &memory;
  whole_ = whole;
}

uint64_t* delta_log::write_part(packed_writer& w, uint64_t* out, const uint64_t* words, uint32_t n,
                                const std::vector<uint32_t>& strings) {
  uint32_t at = 0;
  for (uint32_t s : strings) {
    for (; at < s; ++at) *out++ = words[at];
    var_ref r;
    std::memcpy(r.words, words + s, 16);
    *out++ = w.text(r.view());
    at += 2;
  }
  for (; at < n; ++at) *out++ = words[at];
  return out;
}

void delta_log::upsert(uint32_t group, const uint64_t* row, std::string_view packed, bool fresh) {
  packed_writer& w = writer_of(group);
  uint64_t* out = w.upsert(fresh);
  *out = *row >> 32;
  uint64_t* value = write_part(w, out + 1, row + 1, layout_.key_words, layout_.key_strings);
  write_part(w, value, row + 1 + layout_.key_words, layout_.value_words, layout_.value_strings);
  if (layout_.packed()) value[layout_.packed_word] = w.text(packed);
  for (uint32_t t : layout_.transient) value[t] = 0;
}

void delta_log::erase(uint32_t group, const uint64_t* row) {
  packed_writer& w = writer_of(group);
  uint64_t* out = w.erase();
  *out = *row >> 32;
  write_part(w, out + 1, row + 1, layout_.key_words, layout_.key_strings);
}

void delta_log::put(snapshot_writer& out, std::string_view state, bool all) {
  const auto kind = whole_ ? chunk_kind::full : chunk_kind::delta;
  if (all)
    for (uint32_t i = 0; i < groups_.size(); ++i)
      if (!groups_[i].empty()) ready_.emplace_back(i, groups_[i].take());
  if (all) groups_.clear();
  for (auto& [group, bytes] : ready_) out.put(state, group, kind, std::move(bytes));
  ready_.clear();
}

void delta_log::abandon() {
  groups_.clear();
  ready_.clear();
}

}  // namespace weir
