// The first rows of each partition in an order, as changes. Rows that may be taken back are all
// kept, in an ordered index; of appended ones only those that can still be among the first, which
// top_n_append.cpp does faster for row_number.
#include "runtime/operators/top_n.hpp"

#include <algorithm>

#include "runtime/operators/row_index.hpp"
#include "runtime/plan/few_rows.hpp"

namespace weir {

top_n_operator::top_n_operator(top_n_spec s, schema_ptr output,
                               std::unique_ptr<partitioned_rows> rows)
    : spec_(std::move(s)),
      last_(spec_.limit > UINT64_MAX - spec_.offset ? UINT64_MAX : spec_.offset + spec_.limit),
      final_(spec_.emit == emit_mode::final_only),
      owned_(std::move(rows)),
      rows_(*owned_),
      changes_(std::move(output), rows_.codec(), spec_.with_number),
      ends_(spec_.time_column, spec_.retain_us) {}

status top_n_operator::open(const operator_context& c) {
  context_ = c;
  progress_.open(c.groups);
  ends_.open(c.groups);
  rows_.open(c);
  charge_ = state_charge(c.memory);
  if (final_ && spec_.window_end_key)
    windows_.emplace(rows_.partition_codec(), *spec_.window_end_key);
  return {};
}

status top_n_operator::restore(const snapshot_reader& in) {
  WEIR_TRY(
      rows_.restore(in, [this](uint32_t id, uint32_t partition) { restore_row(id, partition); }));
  if (final_) WEIR_TRY(progress_.restore(in));
  WEIR_TRY(ends_.restore(in));
  auto& partitions = rows_.partitions();
  partitions.for_each([&](uint32_t p) {
    settle(p);
    if (windows_) windows_->add(p, partitions.row(p));
    if (ends_.on()) note_end(p);
  });
  return {};
}

std::optional<timestamp_us> top_n_operator::end_of(uint32_t partition) const {
  const uint32_t id = some_row(partition);
  const auto* row = id == row_table::none ? nullptr : std::as_const(rows_).row(id);
  if (!row || rows_.codec().null_of(*spec_.time_column).is_set(row)) return {};
  return static_cast<timestamp_us>(row[1 + rows_.codec().word_of(*spec_.time_column)]);
}

void top_n_operator::note_end(uint32_t partition) {
  if (const auto end = end_of(partition)) ends_.add(partition, *end);
}

status top_n_operator::process_batch(uint16_t, const batch_ptr& in, collector& out) {
  auto kept = ends_.keep(in, spec_.keys, context_);
  if (windows_)
    kept = drop_late(in, spec_.keys[*spec_.window_end_key], progress_, spec_.keys, context_);
  const batch& b = *kept;
  rows_.begin_batch(b);
  for (uint32_t begin = 0; begin < b.rows; begin += partitioned_rows::run_max) {
    rows_.find_partitions(b, begin, std::min<uint32_t>(partitioned_rows::run_max, b.rows - begin));
    auto& r = rows_.at_hand();
    if (windows_)
      for (uint32_t i : rows_.new_partitions()) windows_->add(r.partitions[i], r.partition_rows[i]);
    if (ends_.on())
      for (uint32_t i : rows_.new_partitions()) added_.push_back(r.partitions[i]);
    add_run(b);
  }
  emit_changes(out);
  // Their rows are there now.
  for (uint32_t p : added_)
    if (rows_.partitions().alive(p)) note_end(p);
  added_.clear();
  return {};
}

status top_n_operator::on_watermark(timestamp_us t, collector&) {
  ends_.advance(t, [this](uint32_t p) {
    if (!rows_.partitions().alive(p)) return;
    const auto end = end_of(p);
    if (!end || !ends_.over(*end, row_table::group(rows_.partition_row(p)))) return;
    if (final_)
      leaving_.push_back(p);
    else
      drop(p, gone_);
  });
  if (!final_ && ends_.on()) {
    for (uint32_t id : gone_) rows_.erase(id);
    gone_.clear();
    rows_.end_batch();
  }
  if (!final_ || t <= progress_.oldest()) return {};
  if (t == watermark_end) {
    leaving_.clear();
    rows_.partitions().for_each([this](uint32_t p) { leaving_.push_back(p); });
  } else if (windows_) {
    windows_->close_until(t, leaving_);
  }
  progress_.advance(t);
  return {};
}

status top_n_operator::on_processing_time(timestamp_us t, collector&) {
  rows_.expiry().on_time(t, [this](size_t& budget) {
    // The one partition of all rows stays, as an aggregate without keys does.
    bool done = spec_.keys.empty() ||
                rows_.sweep_partitions(budget, [this](uint32_t p) { drop(p, gone_); });
    for (uint32_t id : gone_) rows_.erase(id);
    gone_.clear();
    done = done && forget_rows(budget);
    rows_.end_batch();
    charge_.set(index_bytes());
    return done;
  });
  return {};
}

result<bool> top_n_operator::drain(collector& out) {
  if (leaving_at_ == leaving_.size()) return false;
  const uint32_t partition = leaving_[leaving_at_];
  if (leaving_row_ == 0) window(partition, leaving_rows_);
  const size_t end = std::min<size_t>(leaving_row_ + batch_rows_target, leaving_rows_.size());
  for (; leaving_row_ < end; ++leaving_row_) {
    const auto& e = leaving_rows_[leaving_row_];
    changes_.add(std::as_const(rows_).row(e.id), e.number, e.count, *context_.memory, out);
  }
  if (end < leaving_rows_.size()) return true;
  // Small partitions share batches: their rows stay until those have left.
  leaving_rows_.clear();
  leaving_row_ = 0;
  if (++leaving_at_ < leaving_.size() && changes_.size() < batch_rows_target / 2) return true;
  changes_.flush(*context_.memory, out);
  for (size_t i = 0; i < leaving_at_; ++i) drop(leaving_[i], gone_);
  for (uint32_t id : gone_) rows_.erase(id);
  leaving_.erase(leaving_.begin(), leaving_.begin() + static_cast<ptrdiff_t>(leaving_at_));
  leaving_at_ = 0;
  gone_.clear();
  rows_.end_batch();
  charge_.set(index_bytes());
  return !leaving_.empty();
}

int top_n_operator::compare(const top_entry& a, const top_entry& b) const {
  if (a.id != b.id) {
    if (a.word != b.word) return a.word < b.word ? -1 : 1;
    const auto& rows = std::as_const(rows_);
    const int c = rows.order().compare(rows.row(a.id), rows.row(b.id));
    if (c != 0) return c;
  }
  return a.number < b.number ? -1 : a.number > b.number;
}

/// Both windows are sorted by row and number: rows that are in one only, or more often, differ.
void top_n_operator::difference(std::span<const top_entry> before, collector& out) {
  auto& memory = *context_.memory;
  entered_.clear();
  size_t i = 0, k = 0;
  while (i < before.size() || k < after_.size()) {
    const int c = i == before.size() ? 1 : k == after_.size() ? -1 : compare(before[i], after_[k]);
    if (c < 0) {
      changes_.add(std::as_const(rows_).row(before[i].id), before[i].number, -before[i].count,
                   memory, out);
      ++i;
    } else if (c > 0) {
      entered_.push_back(after_[k++]);
    } else {
      auto more = after_[k++];
      more.count -= before[i++].count;
      if (more.count > 0) entered_.push_back(more);
      if (more.count < 0)
        changes_.add(std::as_const(rows_).row(more.id), more.number, more.count, memory, out);
    }
  }
  // What leaves goes first, so that whoever keeps rows by key sees a place free before it is taken.
  for (const auto& e : entered_)
    changes_.add(std::as_const(rows_).row(e.id), e.number, e.count, memory, out);
}

void top_n_operator::emit_changes(collector& out) {
  for (size_t t = 0; t < touched_.size(); ++t) {
    const size_t begin = touched_[t].begin;
    const size_t end = t + 1 < touched_.size() ? touched_[t + 1].begin : before_.size();
    if (final_) continue;
    after_.clear();
    window(touched_[t].partition, after_);
    difference(std::span(before_).subspan(begin, end - begin), out);
  }
  changes_.flush(*context_.memory, out);
  for (const auto& t : touched_) {
    row_table::set_mark(rows_.partitions().row(t.partition), false);
    settle(t.partition);
  }
  for (uint32_t id : gone_)
    if (rows_.is_gone(id)) rows_.erase(id);
  touched_.clear();
  before_.clear();
  gone_.clear();
  rows_.keep_partitions([this](uint32_t p) { return some_row(p); });
  rows_.end_batch();
  charge_.set(index_bytes());
}

namespace {

class top_n_ordered final : public top_n_operator {
 public:
  top_n_ordered(top_n_spec s, schema_ptr output, std::unique_ptr<partitioned_rows> rows)
      : top_n_operator(std::move(s), std::move(output), std::move(rows)), index_(rows_) {}

 protected:
  void restore_row(uint32_t id, uint32_t partition) override {
    const auto* row = rows_.row(id);
    if (rows_.weight(row) > 0) index_.insert({rows_.order().word(row), partition, id});
  }

  void add_run(const batch& b) override {
    auto& r = rows_.at_hand();
    if (!spec_.input_has_changes)
      rows_.choose([&](uint32_t i) {
        const auto* p = rows_.partition_value(r.partition_rows[i]);
        return p[full_word] == 0 || r.words[i] <= p[last_word];
      });
    if (r.n == 0) return;
    rows_.find_rows(b);
    for (uint32_t i = 0; i < r.n; ++i) change(r, i, b.weight(r.at[i]));
  }

  void drop(uint32_t partition, std::vector<uint32_t>& rows) override {
    auto first = index_.begin(partition);
    auto end = index_.end(partition);
    for (auto it = first; it != end; ++it) rows.push_back(it->id);
    index_.erase(first, end);
    rows_.partitions().erase(partition);
  }

  void window(uint32_t partition, std::vector<top_entry>& out) const override {
    const auto offset = static_cast<int64_t>(std::min<uint64_t>(spec_.offset, INT64_MAX));
    walk(partition, [&](const entry& e, int64_t position, int64_t number, int64_t weight) {
      if (spec_.function != rank_function::row_number) {
        if (number > offset) out.push_back({e.id, spec_.with_number ? number : 0, weight, e.word});
        return;
      }
      const int64_t first = std::max(position, offset);
      const int64_t end =
          spec_.with_ties ? position + weight
                          : std::min(position + weight,
                                     static_cast<int64_t>(std::min<uint64_t>(last_, INT64_MAX)));
      if (!spec_.with_number) {
        if (first < end) out.push_back({e.id, 0, end - first, e.word});
      } else {
        for (int64_t k = first; k < end; ++k) out.push_back({e.id, k + 1, 1, e.word});
      }
    });
  }

  /// Of appended rows, those behind the window's end go; and the partition learns its last word.
  void settle(uint32_t partition) override {
    auto first = index_.begin(partition);
    auto end = index_.end(partition);
    if (first == end) {
      rows_.partitions().erase(partition);
      return;
    }
    if (spec_.input_has_changes && !rows_.expiry().on()) return;
    int64_t rows = 0, groups = 0;
    uint64_t last = 0;
    auto cut = walk(partition, [&](const entry& e, int64_t position, int64_t number, int64_t w) {
      rows = position + w;
      groups = number;
      last = e.word;
    });
    auto* value = rows_.partition_value(rows_.partitions().row(partition));
    const auto reached =
        static_cast<uint64_t>(spec_.function == rank_function::dense_rank ? groups : rows);
    value[full_word] = reached >= last_;
    value[last_word] = last;
    if (cut == end || spec_.input_has_changes) return;
    leaving_.clear();
    for (auto it = cut; it != end; ++it) leaving_.push_back(it->id);
    index_.erase(cut, end);
    for (uint32_t id : leaving_) {
      rows_.table().touch(id);
      rows_.weight(rows_.row(id)) = 0;
      gone(id);
    }
  }

  uint32_t some_row(uint32_t partition) const override {
    const auto first = index_.begin(partition);
    return first == index_.end(partition) ? row_table::none : first->id;
  }

  /// Rows behind the window, which could only come back to it.
  bool forget_rows(size_t& budget) override {
    return rows_.sweep_rows(budget, [this](uint32_t id, uint32_t partition) {
      const auto* row = rows_.row(id);
      const auto* value = rows_.partition_value(rows_.partitions().row(partition));
      const entry e{rows_.order().word(row), partition, id};
      if (rows_.weight(row) > 0) {
        if (value[full_word] == 0 || e.word <= value[last_word]) return;
        index_.erase(e);
      }
      rows_.erase(id);
    });
  }

  size_t index_bytes() const override { return index_.memory_bytes(); }

 private:
  static constexpr uint32_t full_word = 0, last_word = 1;
  using entry = row_index::entry;

  void change(const partitioned_rows::run& r, uint32_t i, int64_t by) {
    note(r.partitions[i], r.partition_rows[i]);
    auto& weight = rows_.weight(r.rows[i]);
    const bool was = weight > 0;
    weight += by;
    const bool is = weight > 0;
    if (was != is) {
      const entry e{r.words[i], r.partitions[i], r.ids[i]};
      if (is)
        index_.insert(e);
      else
        index_.erase(e);
    }
    if (weight == 0) gone(r.ids[i]);
  }

  /// Visits the rows up to the window's end, with how many stand before each, and its number;
  /// returns the first behind.
  template <class F>
  row_index::iterator walk(uint32_t partition, F visit) const {
    auto it = index_.begin(partition);
    const auto end = index_.end(partition);
    const uint64_t* previous = nullptr;
    int64_t position = 0, rank = 0, dense = 0;
    for (; it != end; ++it) {
      const auto* row = rows_.row(it->id);
      const bool peer =
          peers_matter() && previous && rows_.order().compare_terms(previous, row) == 0;
      if (!peer) {
        rank = position + 1;
        ++dense;
      }
      const int64_t number = spec_.function == rank_function::dense_rank ? dense : rank;
      if (static_cast<uint64_t>(number) > last_) break;
      const int64_t weight = rows_.weight(row);
      visit(*it, position, number, weight);
      position += weight;
      previous = row;
    }
    return it;
  }
  bool peers_matter() const {
    return spec_.function != rank_function::row_number || spec_.with_ties;
  }

  row_index index_;
  std::vector<uint32_t> leaving_;
};

}  // namespace

// In top_n_append.cpp, top_few.cpp and keep_last.cpp.
result<operator_ptr> make_append_top_n(const top_n_spec&, const schema_ptr& input,
                                       schema_ptr output, int64_t ttl_us);
result<operator_ptr> make_top_few(const top_n_spec&, const schema_ptr& input, schema_ptr output,
                                  int64_t ttl_us);

result<operator_ptr> make_keep_last(const top_n_spec&, const schema_ptr& input, schema_ptr output,
                                    int64_t ttl_us);
// In preselect.cpp.
result<operator_ptr> make_preselect(const top_n_spec&, const schema_ptr& input);

result<operator_ptr> make_top_n(const top_n_spec& s, const schema_ptr& input, schema_ptr output,
                                int64_t ttl_us) {
  if (s.preselect) return make_preselect(s, input);
  if (s.last_arrived) return make_keep_last(s, input, std::move(output), ttl_us);
  const bool numbers =
      !s.input_has_changes && s.function == rank_function::row_number && !s.with_ties;
  auto is_key = [&s](uint32_t c) {
    return std::find(s.keys.begin(), s.keys.end(), c) != s.keys.end();
  };
  bool others = false;
  for (uint32_t c = 0; c < input->size(); ++c) others |= !is_key(c);
  if (keeps_few_rows(s) && others) return make_top_few(s, input, std::move(output), ttl_us);
  if (numbers && s.limit <= top_n_append_max && s.offset <= top_n_append_max - s.limit)
    return make_append_top_n(s, input, std::move(output), ttl_us);
  WEIR_ASSIGN(auto rows, partitioned_rows::make(*input, s.keys, s.order, 2, ttl_us));
  return operator_ptr(new top_n_ordered(s, std::move(output), std::move(rows)));
}

}  // namespace weir
