#include "runtime/operators/batch_groups.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/column/runs.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

// Runs shorter than this on average are not worth looking for.
constexpr size_t run_rows_min = 64;

}  // namespace

result<batch_groups> batch_groups::make(const schema& rows, std::vector<uint32_t> keys) {
  batch_groups out;
  std::vector<data_type> types;
  for (auto k : keys) types.push_back(rows.fields[k].type);
  WEIR_ASSIGN(out.codec_, key_codec::make(std::move(types), out.layout_));
  out.keys_ = std::move(keys);
  return out;
}

bool batch_groups::equal_keys(const uint64_t* a, const uint64_t* b) const noexcept {
  uint32_t w = 0;
  for (uint32_t s : layout_.key_strings) {
    for (; w < 1 + s; ++w)
      if (a[w] != b[w]) return false;
    if (!equal(a + w, b + w)) return false;
    w += 2;
  }
  for (; w <= layout_.key_words; ++w)
    if (a[w] != b[w]) return false;
  return true;
}

/// The rows whose key is not that of the row before them, if they are few.
bool batch_groups::find_heads(const batch& b) {
  const size_t limit = b.rows / run_rows_min;
  heads_.assign(1, 0);
  constant_.resize(keys_.size());
  for (size_t k = 0; k < keys_.size(); ++k) {
    const column& c = *b.columns[keys_[k]];
    // Bounds of windows are columns that many batches share (constant_times).
    const bool fixed = fixed_width(c.type.id) != 0 && !c.dictionary && !c.validity;
    if (fixed && constant_[k] && c.values.data() == constant_[k].data() &&
        c.values.size() <= constant_[k].size())
      continue;
    const size_t known = heads_.size();
    if (!find_changes(b, c, limit, heads_)) return false;
    constant_[k] = {};
    if (fixed && !b.selection && heads_.size() == known) constant_[k] = c.values;
  }
  if (keys_.size() == 1) return true;
  std::sort(heads_.begin() + 1, heads_.end());
  heads_.erase(std::unique(heads_.begin(), heads_.end()), heads_.end());
  return true;
}

uint32_t batch_groups::number(const batch& b, memory_pool& memory, std::vector<uint32_t>& groups) {
  groups.clear();
  if (keys_.empty() || b.rows <= 1) return b.rows == 0 ? 0 : 1;
  const bool runs = find_heads(b);
  if (runs && heads_.size() == 1) return 1;
  at_.resize(runs ? heads_.size() : b.rows);
  if (runs)
    for (size_t i = 0; i < heads_.size(); ++i) at_[i] = b.row(heads_[i]);
  else if (b.selection)
    std::memcpy(at_.data(), b.selection.as<uint32_t>(), size_t{b.rows} * 4);
  else
    std::iota(at_.begin(), at_.end(), 0U);
  if (!runs) return number_rows(b, memory, groups);
  const auto rows = static_cast<uint32_t>(heads_.size());
  const auto selection = buffer::copy(memory, std::as_bytes(std::span<const uint32_t>(at_)));
  const uint32_t n = number_rows(*with_selection(b, selection, rows), memory, group_of_head_);
  if (n == 1) return 1;
  groups.resize(b.rows);
  for (size_t i = 0; i < heads_.size(); ++i) {
    const uint32_t end = i + 1 < heads_.size() ? heads_[i + 1] : b.rows;
    std::fill(groups.begin() + heads_[i], groups.begin() + end, group_of_head_[i]);
  }
  return n;
}

/// The rows of `b`, which are those in at_.
uint32_t batch_groups::number_rows(const batch& b, memory_pool& memory,
                                   std::vector<uint32_t>& groups) {
  columns_.clear();
  for (auto k : keys_) columns_.push_back(b.columns[k]);
  groups.resize(b.rows);
  const size_t stride = 1 + codec_.words();
  encoded_.resize(b.rows * stride);
  codec_.encode(columns_, at_.data(), b.rows, encoded_.data());
  const auto hashes = hash_keys(b, keys_, memory);
  const auto* h = hashes.as<uint64_t>();
  // At most half full, so that probes are short.
  const size_t size = std::bit_ceil(std::max<size_t>(16, size_t{b.rows} * 2));
  slots_.assign(size, {0, 0});
  first_.clear();
  for (uint32_t i = 0; i < b.rows; ++i) {
    const auto tag = static_cast<uint32_t>(h[i] >> 32);
    const uint64_t* key = &encoded_[i * stride];
    for (size_t at = h[i] & (size - 1);; at = (at + 1) & (size - 1)) {
      slot& s = slots_[at];
      if (s.group == 0) {
        first_.push_back(i);
        s = {tag, static_cast<uint32_t>(first_.size())};
      } else if (s.tag != tag || !equal_keys(key, &encoded_[first_[s.group - 1] * stride])) {
        continue;
      }
      groups[i] = s.group - 1;
      break;
    }
  }
  columns_.clear();
  return static_cast<uint32_t>(first_.size());
}

bool batch_groups::same_group(const batch& b) {
  if (!layout_.key_strings.empty() || b.rows == 0) return false;
  columns_.clear();
  for (auto k : keys_) columns_.push_back(b.columns[k]);
  const uint32_t first = b.row(0);
  key_.resize(1 + codec_.words());
  codec_.encode(columns_, &first, 1, key_.data());
  columns_.clear();
  const bool same = key_ == last_key_;
  key_.swap(last_key_);
  return same;
}

}  // namespace weir
