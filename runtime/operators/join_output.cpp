#include "runtime/operators/join_output.hpp"

#include <bit>
#include <cstring>

#include "runtime/column/builder.hpp"

namespace weir {

column_ptr pair_column(const join_state& state, uint32_t i,
                       const std::vector<const uint64_t*>& left,
                       const std::vector<const uint64_t*>& right, memory_pool& memory) {
  const auto lefts = static_cast<uint32_t>(state.side(0).codec().size());
  const auto& rows = i < lefts ? left : right;
  return state.side(i < lefts ? 0 : 1)
      .codec()
      .decode(i < lefts ? i : i - lefts, rows.data(), rows.size(), memory);
}

namespace {

// Texts of a row that this many pairs have on average are worth a dictionary; and how many pairs
// tell whether it may come to that.
constexpr size_t pairs_per_row_min = 4;
constexpr size_t pairs_asked = 512;

}  // namespace

bool join_output::find_repeated(const std::vector<const uint64_t*>& pairs, repeated& out) {
  const size_t n = pairs.size(), most = n / pairs_per_row_min;
  out.rows.clear();
  if (n < pairs_asked) return false;
  const size_t slots = std::bit_ceil(2 * most);
  slots_.assign(slots, {nullptr, 0});
  out.places = buffer::allocate(*memory_, n * 4);
  auto* places = out.places.mutable_as<uint32_t>();
  for (size_t i = 0; i < n; ++i) {
    if (i > 0 && pairs[i] == pairs[i - 1]) {
      places[i] = places[i - 1];
      continue;
    }
    size_t at = (reinterpret_cast<uint64_t>(pairs[i]) >> 3) * 0x9e37'79b9'7f4a'7c15u >> 32;
    for (at &= slots - 1; slots_[at].first && slots_[at].first != pairs[i];)
      at = (at + 1) & (slots - 1);
    if (!slots_[at].first) {
      if (out.rows.size() == most || (i < pairs_asked && out.rows.size() == pairs_asked / 2))
        return false;
      slots_[at] = {pairs[i], static_cast<uint32_t>(out.rows.size())};
      out.rows.push_back(pairs[i]);
    }
    places[i] = slots_[at].second;
  }
  return true;
}

column_ptr join_output::dictionary_column(const key_codec& codec, uint32_t k, const repeated& from,
                                          const std::vector<const uint64_t*>& pairs) const {
  auto values =
      std::make_shared<column>(*codec.decode(k, from.rows.data(), from.rows.size(), *memory_));
  auto c = std::make_shared<column>();
  c->type = values->type;
  c->length = static_cast<uint32_t>(pairs.size());
  c->values = from.places;
  if (values->validity) {
    const auto* there = values->validity.as<uint8_t>();
    const auto* places = from.places.as<uint32_t>();
    c->validity = buffer::allocate(*memory_, (pairs.size() + 7) / 8);
    auto* bits = c->validity.mutable_as<uint8_t>();
    std::memset(bits, 0, (pairs.size() + 7) / 8);
    for (size_t i = 0; i < pairs.size(); ++i)
      bits[i >> 3] = static_cast<uint8_t>(
          bits[i >> 3] | (there[places[i] >> 3] >> (places[i] & 7) & 1) << (i & 7));
    values->validity = {};
  }
  c->dictionary = std::move(values);
  return c;
}

status join_output::flush(collector& out) {
  if (left_.empty()) return {};
  const size_t n = left_.size();
  buffer_ref weights;
  bool all_one = true;
  for (auto w : weights_) all_one &= w == 1;
  if (!all_one) {
    weights = buffer::allocate(*memory_, n * 4);
    auto* w = weights.mutable_as<int32_t>();
    for (size_t i = 0; i < n; ++i) {
      w[i] = static_cast<int32_t>(weights_[i]);
      if (w[i] != weights_[i])
        return error(errc::overflow, "a row of the join comes " + std::to_string(weights_[i]) +
                                         " times, more than a batch can say");
    }
  }
  std::vector<column_ptr> columns;
  columns.reserve(columns_.size());
  // A row's texts are copied once, however many partners it has in the batch.
  const auto lefts = static_cast<uint32_t>(state_.side(0).codec().size());
  enum class repeats : uint8_t { unknown, some, none } known[2] = {};
  for (size_t i = 0; i < columns_.size(); ++i) {
    const uint32_t c = columns_[i];
    const int side = c < lefts ? 0 : 1;
    const auto& pairs = side == 0 ? left_ : right_;
    const bool text = is_varlen(type_->fields[i].type.id);
    if (text && known[side] == repeats::unknown)
      known[side] = find_repeated(pairs, repeated_[side]) ? repeats::some : repeats::none;
    columns.push_back(text && known[side] == repeats::some
                          ? dictionary_column(state_.side(side).codec(), c - (side ? lefts : 0),
                                              repeated_[side], pairs)
                          : pair_column(state_, c, left_, right_, *memory_));
  }
  for (auto& r : repeated_) r.places = {};
  left_.clear();
  right_.clear();
  weights_.clear();
  out.emit(make_batch(type_, std::move(columns), std::move(weights), static_cast<uint32_t>(n)));
  return {};
}

}  // namespace weir
