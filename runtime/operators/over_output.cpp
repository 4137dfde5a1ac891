#include "runtime/operators/over_output.hpp"

#include "runtime/column/builder.hpp"

namespace weir {

over_output::over_output(schema_ptr type, const key_codec& codec, const over_spec& s)
    : type_(std::move(type)), codec_(codec), values_(s.calls.size()) {
  for (const auto& c : s.calls) types_.push_back(c.type);
}

void over_output::add(const over_rows& from, size_t row, int32_t weight, memory_pool& memory,
                      collector& out) {
  rows_.push_back(from.rows[row]);
  for (size_t c = 0; c < values_.size(); ++c) values_[c].push_back(from.values[c][row]);
  weights_.push_back(weight);
  all_one_ &= weight == 1;
  if (rows_.size() == batch_rows_target) flush(memory, out);
}

void over_output::flush(memory_pool& memory, collector& out) {
  const size_t n = rows_.size();
  if (n == 0) return;
  std::vector<column_ptr> columns;
  for (size_t c = 0; c < codec_.size(); ++c)
    columns.push_back(codec_.decode(c, rows_.data(), n, memory));
  for (size_t c = 0; c < values_.size(); ++c) {
    word_column made(types_[c], n, memory);
    for (size_t i = 0; i < n; ++i) {
      if (values_[c][i].null)
        made.set_null(i);
      else
        made.set(i, values_[c][i].words);
    }
    columns.push_back(made.finish());
    values_[c].clear();
  }
  buffer_ref weights;
  if (!all_one_) weights = buffer::copy(memory, std::as_bytes(std::span(weights_)));
  out.emit(make_batch(type_, std::move(columns), std::move(weights), static_cast<uint32_t>(n)));
  rows_.clear();
  weights_.clear();
  all_one_ = true;
}

int over_output::compare(const over_rows& a, size_t i, const over_rows& b, size_t k) const {
  for (size_t c = 0; c < types_.size(); ++c) {
    const auto &x = a.values[c][i], &y = b.values[c][k];
    if (x.null != y.null) return x.null ? 1 : -1;
    if (x.null) continue;
    if (is_varlen(types_[c].id)) {
      const int o = compare_words(types_[c].id, x.words, y.words);
      if (o != 0) return o;
      continue;
    }
    for (uint32_t w = 0; w < row_layout::words_of(types_[c].id); ++w)
      if (x.words[w] != y.words[w]) return x.words[w] < y.words[w] ? -1 : 1;
  }
  return 0;
}

}  // namespace weir
