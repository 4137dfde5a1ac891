#include "runtime/operators/join_output.hpp"

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
  for (auto c : columns_) columns.push_back(pair_column(state_, c, left_, right_, *memory_));
  left_.clear();
  right_.clear();
  weights_.clear();
  out.emit(make_batch(type_, std::move(columns), std::move(weights), static_cast<uint32_t>(n)));
  return {};
}

}  // namespace weir
