// Window functions over rows that may change or come in any order: a partition that a batch touches
// is computed anew, and rows whose values differ leave as changes. With final_only all leave once,
// when the input ends. over_time.cpp has rows that come in order of event time.
#include <algorithm>
#include <numeric>

#include "runtime/operators/aggregate_windows.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/operators/over_output.hpp"
#include "runtime/operators/row_index.hpp"

namespace weir {
namespace {

class over_operator final : public stream_operator {
 public:
  over_operator(const over_spec& s, schema_ptr output, std::unique_ptr<partitioned_rows> rows,
                over_evaluator evaluator)
      : final_(s.emit == emit_mode::final_only),
        keys_(s.keys),
        window_end_key_(s.window_end_key),
        rows_(std::move(rows)),
        index_(*rows_),
        evaluator_(std::move(evaluator)),
        output_(std::move(output), rows_->codec(), s) {}

  status open(const operator_context& c) override {
    context_ = c;
    progress_.open(c.groups);
    rows_->open(c);
    charge_ = state_charge(c.memory);
    if (final_ && window_end_key_) windows_.emplace(rows_->partition_codec(), *window_end_key_);
    return {};
  }
  status restore(const snapshot_reader& in) override {
    WEIR_TRY(rows_->restore(in, [this](uint32_t id, uint32_t partition) {
      const auto* row = rows_->row(id);
      if (rows_->weight(row) > 0) index_.insert({rows_->order().word(row), partition, id});
    }));
    if (final_) WEIR_TRY(progress_.restore(in));
    auto& partitions = rows_->partitions();
    if (windows_) partitions.for_each([&](uint32_t p) { windows_->add(p, partitions.row(p)); });
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    auto kept = in;
    if (windows_) kept = drop_late(in, keys_[*window_end_key_], progress_, keys_, context_);
    const batch& b = *kept;
    rows_->begin_batch(b);
    for (uint32_t begin = 0; begin < b.rows; begin += partitioned_rows::run_max) {
      rows_->find_partitions(b, begin,
                             std::min<uint32_t>(partitioned_rows::run_max, b.rows - begin));
      const auto& r = rows_->at_hand();
      if (windows_)
        for (uint32_t i : rows_->new_partitions())
          windows_->add(r.partitions[i], r.partition_rows[i]);
      rows_->find_rows(b);
      for (uint32_t i = 0; i < r.n; ++i) WEIR_TRY(change(r, i, b.weight(r.at[i])));
    }
    return emit_changes(out);
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (!final_ || t <= progress_.oldest()) return {};
    if (t == watermark_end)
      rows_->partitions().for_each([this](uint32_t p) { leaving_.push_back(p); });
    else if (windows_)
      windows_->close_until(t, leaving_);
    progress_.advance(t);
    return {};
  }
  status on_processing_time(timestamp_us t, collector&) override {
    rows_->expiry().on_time(t, [this](size_t& budget) {
      const bool done = rows_->sweep_partitions(budget, [this](uint32_t p) {
        const auto first = index_.begin(p), end = index_.end(p);
        for (auto it = first; it != end; ++it) gone_.push_back(it->id);
        index_.erase(first, end);
        rows_->partitions().erase(p);
      });
      // What was taken back before it came is in no partition's order.
      const bool all = done && rows_->sweep_rows(budget, [this](uint32_t id, uint32_t) {
        if (rows_->weight(rows_->row(id)) <= 0) gone_.push_back(id);
      });
      for (uint32_t id : gone_) rows_->table().erase(id);
      gone_.clear();
      rows_->end_batch();
      charge_.set(index_.memory_bytes());
      return all;
    });
    return {};
  }
  result<bool> drain(collector& out) override {
    if (leaving_at_ == leaving_.size()) return false;
    const uint32_t partition = leaving_[leaving_at_++];
    WEIR_TRY(evaluate(partition, after_));
    for (size_t i = 0; i < after_.rows.size(); ++i) {
      output_.add(after_, i, 1, *context_.memory, out);
      if (i == 0 || after_.ids[i] != after_.ids[i - 1]) gone_.push_back(after_.ids[i]);
    }
    index_.erase(index_.begin(partition), index_.end(partition));
    rows_->partitions().erase(partition);
    const bool more = leaving_at_ < leaving_.size();
    if (!more) {
      leaving_.clear();
      leaving_at_ = 0;
    }
    if (more && gone_.size() < batch_rows_target) return true;
    output_.flush(*context_.memory, out);
    evaluator_.forget_strings();
    for (uint32_t id : gone_) rows_->table().erase(id);
    gone_.clear();
    rows_->end_batch();
    charge_.set(index_.memory_bytes());
    return more;
  }

  status snapshot_begin(snapshot_writer& w) override {
    rows_->snapshot_begin(w);
    if (final_) progress_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    return rows_->snapshot_continue(w, budget);
  }
  status on_epoch_complete(epoch e) override {
    rows_->on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    rows_->on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override { return rows_->memory_bytes() + charge_.bytes(); }

 private:
  struct touched {
    uint32_t partition;
    over_rows before;
  };

  /// The partition's rows, each as often as its weight says, and their values.
  status evaluate(uint32_t partition, over_rows& into) {
    into.clear();
    const auto end = index_.end(partition);
    for (auto it = index_.begin(partition); it != end; ++it) {
      const auto* row = rows_->row(it->id);
      for (int64_t n = rows_->weight(row); n > 0; --n) {
        into.ids.push_back(it->id);
        into.rows.push_back(row);
      }
    }
    return evaluator_.evaluate(into.rows, rows_->order(), {}, into.values);
  }

  status change(const partitioned_rows::run& r, uint32_t i, int64_t by) {
    if (!row_table::marked(r.partition_rows[i])) {
      row_table::set_mark(r.partition_rows[i], true);
      if (touched_at_ == touched_.size()) touched_.emplace_back();
      auto& t = touched_[touched_at_++];
      t.partition = r.partitions[i];
      t.before.clear();
      if (!final_) WEIR_TRY(evaluate(t.partition, t.before));
    }
    auto& weight = rows_->weight(r.rows[i]);
    const bool was = weight > 0;
    weight += by;
    const bool is = weight > 0;
    if (was != is) {
      const row_index::entry e{r.words[i], r.partitions[i], r.ids[i]};
      if (is)
        index_.insert(e);
      else
        index_.erase(e);
    }
    if (weight == 0) gone_.push_back(r.ids[i]);
    return {};
  }

  status emit_changes(collector& out) {
    for (size_t t = 0; t < touched_at_; ++t) {
      const uint32_t partition = touched_[t].partition;
      row_table::set_mark(rows_->partitions().row(partition), false);
      if (!final_) {
        WEIR_TRY(evaluate(partition, after_));
        difference(touched_[t].before, out);
      }
    }
    output_.flush(*context_.memory, out);
    evaluator_.forget_strings();
    for (size_t t = 0; t < touched_at_; ++t) {
      const uint32_t partition = touched_[t].partition;
      if (index_.begin(partition) == index_.end(partition)) rows_->partitions().erase(partition);
      // What large partitions needed is not kept for small ones.
      if (touched_[t].before.ids.capacity() > batch_rows_target) touched_[t].before = {};
    }
    touched_at_ = 0;
    auto& table = rows_->table();
    for (uint32_t id : gone_)
      if (table.alive(id) && rows_->weight(table.row(id)) == 0) table.erase(id);
    gone_.clear();
    rows_->keep_partitions([this](uint32_t p) {
      const auto first = index_.begin(p);
      return first == index_.end(p) ? row_table::none : first->id;
    });
    rows_->end_batch();
    charge_.set(index_.memory_bytes());
    return {};
  }

  bool before(uint32_t a, uint32_t b) const {
    const auto *x = rows_->row(a), *y = rows_->row(b);
    const auto u = rows_->order().word(x), v = rows_->order().word(y);
    return u != v ? u < v : rows_->order().compare(x, y) < 0;
  }

  /// Rows that are in one of the two only, or whose values differ. What leaves goes first.
  void difference(const over_rows& old, collector& out) {
    auto& memory = *context_.memory;
    entered_.clear();
    size_t i = 0, k = 0;
    while (i < old.ids.size() || k < after_.ids.size()) {
      if (k == after_.ids.size() || (i < old.ids.size() && old.ids[i] != after_.ids[k] &&
                                     before(old.ids[i], after_.ids[k]))) {
        output_.add(old, i++, -1, memory, out);
      } else if (i == old.ids.size() || old.ids[i] != after_.ids[k]) {
        entered_.push_back(static_cast<uint32_t>(k++));
      } else {
        same_rows(old, i, k, out);
      }
    }
    for (uint32_t e : entered_) output_.add(after_, e, 1, memory, out);
  }

  /// Equal rows, of which there may be several, with their values of before and now.
  void same_rows(const over_rows& old, size_t& i, size_t& k, collector& out) {
    auto& memory = *context_.memory;
    const uint32_t id = old.ids[i];
    size_t i_end = i, k_end = k;
    while (i_end < old.ids.size() && old.ids[i_end] == id) ++i_end;
    while (k_end < after_.ids.size() && after_.ids[k_end] == id) ++k_end;
    places_.resize(i_end - i + k_end - k);
    const auto middle = places_.begin() + static_cast<ptrdiff_t>(i_end - i);
    std::iota(places_.begin(), middle, i);
    std::iota(middle, places_.end(), k);
    if (places_.size() > 2) {
      std::sort(places_.begin(), middle,
                [&](size_t a, size_t b) { return output_.compare(old, a, old, b) < 0; });
      std::sort(middle, places_.end(),
                [&](size_t a, size_t b) { return output_.compare(after_, a, after_, b) < 0; });
    }
    auto a = places_.begin(), b = middle;
    while (a != middle || b != places_.end()) {
      const int c = a == middle          ? 1
                    : b == places_.end() ? -1
                                         : output_.compare(old, *a, after_, *b);
      if (c < 0) {
        output_.add(old, *a++, -1, memory, out);
      } else if (c > 0) {
        entered_.push_back(static_cast<uint32_t>(*b++));
      } else {
        ++a;
        ++b;
      }
    }
    i = i_end;
    k = k_end;
  }

  const bool final_;
  const std::vector<uint32_t> keys_;
  const std::optional<uint32_t> window_end_key_;
  std::unique_ptr<partitioned_rows> rows_;
  row_index index_;
  over_evaluator evaluator_;
  over_output output_;
  operator_context context_;
  state_charge charge_;

  std::vector<touched> touched_;  // the first touched_at_ are in use
  size_t touched_at_ = 0;
  over_rows after_;
  std::vector<uint32_t> entered_, gone_;
  std::vector<size_t> places_;

  std::optional<window_index> windows_;
  group_progress progress_;
  std::vector<uint32_t> leaving_;  // partitions on their way out
  size_t leaving_at_ = 0;
};

}  // namespace

// In over_time.cpp.
result<operator_ptr> make_over_time(const over_spec&, const schema_ptr& input, schema_ptr output,
                                    int64_t ttl_us);

result<operator_ptr> make_over(const over_spec& s, const schema_ptr& input, schema_ptr output,
                               int64_t ttl_us) {
  if (s.time_column) return make_over_time(s, input, std::move(output), ttl_us);
  WEIR_ASSIGN(auto rows, partitioned_rows::make(*input, s.keys, s.order, 0, ttl_us));
  WEIR_ASSIGN(auto evaluator, over_evaluator::make(s, *input, rows->codec()));
  return operator_ptr(
      new over_operator(s, std::move(output), std::move(rows), std::move(evaluator)));
}

}  // namespace weir
