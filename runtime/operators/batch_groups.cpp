#include "runtime/operators/batch_groups.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "runtime/column/hash.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {

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

uint32_t batch_groups::number(const batch& b, memory_pool& memory, std::vector<uint32_t>& groups) {
  groups.assign(b.rows, 0);
  if (keys_.empty()) return b.rows == 0 ? 0 : 1;
  columns_.clear();
  for (auto k : keys_) columns_.push_back(b.columns[k]);
  at_.resize(b.rows);
  if (b.selection)
    std::memcpy(at_.data(), b.selection.as<uint32_t>(), size_t{b.rows} * 4);
  else
    std::iota(at_.begin(), at_.end(), 0U);
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

}  // namespace weir
