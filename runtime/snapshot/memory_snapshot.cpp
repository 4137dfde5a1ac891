#include "runtime/snapshot/memory_snapshot.hpp"

#include <algorithm>
#include <tuple>

#include "runtime/snapshot/checksum.hpp"

namespace weir {

chunk_list_reader::chunk_list_reader(std::vector<state_chunk> chunks, std::string operator_id)
    : chunks_(std::move(chunks)) {
  std::erase_if(chunks_, [&](const state_chunk& c) { return c.operator_id != operator_id; });
  std::stable_sort(chunks_.begin(), chunks_.end(), [](const state_chunk& a, const state_chunk& b) {
    return std::tie(a.state, a.key_group) < std::tie(b.state, b.key_group);
  });
}

status chunk_list_reader::keyed(
    std::string_view state, key_group_range range,
    const std::function<status(uint32_t, chunk_kind, std::span<const std::byte>)>& visit) const {
  auto same = [](const state_chunk& a, const state_chunk& b) {
    return a.state == b.state && a.key_group == b.key_group;
  };
  for (size_t i = 0; i < chunks_.size();) {
    size_t end = i + 1;
    while (end < chunks_.size() && same(chunks_[i], chunks_[end])) ++end;
    const auto& first = chunks_[i];
    size_t begin = std::exchange(i, end);
    if (first.state != state || first.key_group == no_key_group || !range.contains(first.key_group))
      continue;
    size_t last_full = end;
    for (size_t k = end; k > begin && last_full == end; --k)
      if (chunks_[k - 1].kind == chunk_kind::full) last_full = k - 1;
    while (last_full < end && chunks_[begin].written != chunks_[last_full].written) ++begin;
    for (size_t k = begin; k < end; ++k) {
      const auto& c = chunks_[k];
      WEIR_TRY(check_chunk(c));
      WEIR_TRY(visit(c.key_group, c.kind, c.bytes.bytes()));
    }
  }
  return {};
}

std::vector<std::pair<uint32_t, buffer_ref>> chunk_list_reader::blobs(
    std::string_view state) const {
  std::vector<std::pair<uint32_t, buffer_ref>> out;
  for (const auto& c : chunks_) {
    if (c.state != state || c.kind != chunk_kind::blob) continue;
    auto it =
        std::find_if(out.begin(), out.end(), [&](const auto& e) { return e.first == c.subtask; });
    if (it == out.end())
      out.emplace_back(c.subtask, c.bytes);
    else
      it->second = c.bytes;
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

std::vector<std::string> chunk_list_reader::states() const {
  std::vector<std::string> out;
  for (const auto& c : chunks_)
    if (out.empty() || out.back() != c.state) out.push_back(c.state);
  return out;
}

}  // namespace weir
