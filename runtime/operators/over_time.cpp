// Window functions over appended rows in order of their event time: rows wait until the watermark
// has passed them and those that their frames look ahead to, and leave once, in order. Rows that no
// frame reaches any more go into a summary of the partition (over_evaluator::prefix).
#include <absl/container/btree_set.h>

#include <algorithm>
#include <cstring>

#include "runtime/operators/builtin.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/operators/over_output.hpp"
#include "runtime/operators/row_index.hpp"

namespace weir {
namespace {

constexpr std::string_view summaries_state = "summaries";

class over_time_operator final : public stream_operator {
 public:
  static constexpr uint32_t words_per_partition = 2;

  over_time_operator(const over_spec& s, const schema& rows, schema_ptr output,
                     std::unique_ptr<partitioned_rows> kept, over_evaluator evaluator,
                     int64_t ttl_us)
      : keys_(s.keys),
        time_column_(*s.time_column),
        time_(row_column::of(*s.time_column, rows, kept->codec())),
        rows_(std::move(kept)),
        index_(*rows_),
        evaluator_(std::move(evaluator)),
        output_(std::move(output), rows_->codec(), s) {
    layout_.key_words = rows_->partition_layout().key_words;
    layout_.key_strings = rows_->partition_layout().key_strings;
    layout_.value_words = head_words + evaluator_.prefix_layout().value_words;
    for (auto w : evaluator_.prefix_layout().value_strings)
      layout_.value_strings.push_back(head_words + w);
    if (ttl_us > 0) layout_.add_stamp();
    words_.resize(evaluator_.prefix_layout().value_words);
  }

  status open(const operator_context& c) override {
    context_ = c;
    progress_.open(c.groups);
    summaries_.emplace(layout_, c.memory);
    rows_->open(c, &*summaries_);
    charge_ = state_charge(c.memory);
    return {};
  }

  status restore(const snapshot_reader& in) override {
    WEIR_TRY(summaries_->restore(in, summaries_state, context_.groups));
    WEIR_TRY(progress_.restore(in));
    WEIR_TRY(rows_->restore(in, [this](uint32_t id, uint32_t partition) {
      index_.insert({rows_->order().word(rows_->row(id)), partition, id});
    }));
    auto& partitions = rows_->partitions();
    partitions.for_each([&](uint32_t p) { set_due(p, next_due(p, watermark_of(p))); });
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    const auto kept = drop_late(in, time_column_, progress_, keys_, context_);
    const batch& b = *kept;
    rows_->begin_batch(b);
    for (uint32_t begin = 0; begin < b.rows; begin += partitioned_rows::run_max) {
      rows_->find_partitions(b, begin,
                             std::min<uint32_t>(partitioned_rows::run_max, b.rows - begin));
      rows_->find_rows(b);
      const auto& r = rows_->at_hand();
      for (uint32_t i = 0; i < r.n; ++i) {
        auto& weight = rows_->weight(r.rows[i]);
        if (weight == 0) index_.insert({r.words[i], r.partitions[i], r.ids[i]});
        weight += b.weight(r.at[i]);
        if (time_.is_null(r.rows[i])) continue;
        const auto at = time_of(r.rows[i]);
        const auto& old = due_of(r.partition_rows[i]);
        if (!old.set || at < old.at) set_due(r.partitions[i], at);
      }
    }
    rows_->end_batch();
    charge();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (t <= progress_.oldest()) return {};
    progress_.advance(t);
    if (t == watermark_end) {
      due_.clear();
      rows_->partitions().for_each([this](uint32_t p) { leaving_.push_back(p); });
      return {};
    }
    while (!due_.empty() && due_.begin()->first <= t) {
      const uint32_t p = due_.begin()->second;
      leaving_.push_back(p);
      set_due(p, {});
    }
    return {};
  }

  result<bool> drain(collector& out) override {
    if (leaving_at_ == leaving_.size()) return false;
    const uint32_t partition = leaving_[leaving_at_++];
    WEIR_TRY(advance(partition, watermark_of(partition), out));
    const bool more = leaving_at_ < leaving_.size();
    if (!more) {
      leaving_.clear();
      leaving_at_ = 0;
    }
    if (!more || gone_.size() >= batch_rows_target) {
      output_.flush(*context_.memory, out);
      evaluator_.forget_strings();
      for (uint32_t id : gone_) rows_->table().erase(id);
      gone_.clear();
      rows_->end_batch();
      summaries_->end_batch();
      charge();
    }
    return more;
  }

  /// Partitions of which all rows have left, and nothing came for the TTL.
  status on_processing_time(timestamp_us t, collector&) override {
    auto& expiry = rows_->expiry();
    expiry.on_time(t, [this, &expiry](size_t& budget) {
      const bool done = expiry.sweep(2, budget, [this](uint32_t summary) { forget(summary); });
      rows_->end_batch();
      summaries_->end_batch();
      charge();
      return done;
    });
    return {};
  }

  status snapshot_begin(snapshot_writer& w) override {
    rows_->snapshot_begin(w);
    summaries_->snapshot_begin(w);
    progress_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    WEIR_ASSIGN(bool done, rows_->snapshot_continue(w, budget));
    if (!done) return false;
    done = summaries_->snapshot_continue(w, summaries_state, budget);
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    rows_->on_epoch_complete(e);
    summaries_->on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    rows_->on_epoch_aborted(e);
    summaries_->on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override {
    return rows_->memory_bytes() + summaries_->memory_bytes() + charge_.bytes();
  }

 private:
  /// The words that a summary begins with: rows and groups that are gone, and how many of the kept
  /// rows, which are the first ones, have left already.
  static constexpr uint32_t gone_rows = 0, gone_groups = 1, done_rows = 2, head_words = 3;
  struct due {
    timestamp_us at;
    uint64_t set;
  };
  static_assert(sizeof(due) == 8 * words_per_partition);

  timestamp_us watermark_of(uint32_t partition) const {
    return progress_.of(row_table::group(rows_->partition_row(partition)));
  }
  timestamp_us time_of(const uint64_t* row) const {
    return static_cast<timestamp_us>(*time_.value(row));
  }
  due& due_of(uint64_t* partition_row) const {
    return *reinterpret_cast<due*>(rows_->partition_value(partition_row));
  }
  void set_due(uint32_t partition, std::optional<timestamp_us> at) {
    auto& d = due_of(rows_->partitions().row(partition));
    if (d.set) due_.erase({d.at, partition});
    d = {at.value_or(0), at.has_value()};
    if (at) due_.insert({*at, partition});
  }
  void forget(uint32_t summary) {
    const auto* row = summaries_->row(summary);
    key_.assign(row, row + 1 + layout_.key_words);
    key_[0] &= 0xffff'ffff'0000'0000u;
    auto& partitions = rows_->partitions();
    uint32_t hash;
    partitions.hash(key_.data(), 1, &hash);
    if (const uint32_t p = partitions.find(key_.data(), hash); p != row_table::none) {
      const auto first = index_.begin(p), end = index_.end(p);
      int64_t there = 0;
      for (auto it = first; it != end; ++it) there += rows_->weight(rows_->row(it->id));
      const bool waits = there != static_cast<int64_t>(summaries_->value(summary)[done_rows]);
      if (waits || due_of(partitions.row(p)).set || !rows_->expiry().over(partitions.stamp(p)))
        return;
      for (auto it = first; it != end; ++it) gone_.push_back(it->id);
      index_.erase(first, end);
      for (uint32_t id : gone_) rows_->table().erase(id);
      gone_.clear();
      partitions.erase(p);
    }
    summaries_->erase(summary);
  }
  void charge() { charge_.set(index_.memory_bytes() + due_.size() * 24); }

  uint64_t* summary_of(uint32_t partition, bool make) {
    const auto* p = rows_->partition_row(partition);
    key_.assign(p, p + 1 + layout_.key_words);
    key_[0] &= 0xffff'ffff'0000'0000u;
    uint32_t hash;
    summaries_->hash(key_.data(), 1, &hash);
    uint32_t id = summaries_->find(key_.data(), hash);
    if (id == row_table::none) {
      if (!make) return nullptr;
      uint64_t* row;
      added_.clear();
      summaries_->upsert(key_.data(), &hash, 1, &id, &row, added_);
      row_table::set_group(row, row_table::group(p));
    }
    summary_ = id;
    return summaries_->value(id);
  }

  /// When the partition has something to do next, all rows up to `t` being known.
  std::optional<timestamp_us> next_due(uint32_t partition, timestamp_us t) {
    const auto* summary = summary_of(partition, false);
    int64_t done = summary ? static_cast<int64_t>(summary[done_rows]) : 0;
    std::optional<timestamp_us> out;
    const auto end = index_.end(partition);
    for (auto it = index_.begin(partition); it != end; ++it) {
      const auto* row = rows_->row(it->id);
      if (time_.is_null(row)) break;
      done -= rows_->weight(row);
      if (done >= 0) continue;
      const auto at = time_of(row);
      // Those that wait for rows behind them may leave when any of those is passed.
      if (at > t) return out ? std::min(*out, at) : at;
      const auto distance = evaluator_.after().distance;
      if (distance > t - at && !out) out = distance > INT64_MAX - at ? INT64_MAX : at + distance;
    }
    return out;
  }

  /// Emits what can leave at watermark `t`, and lets go what no frame reaches any more.
  status advance(uint32_t partition, timestamp_us t, collector& out) {
    kept_.clear();
    const auto end = index_.end(partition);
    auto unknown = index_.begin(partition);
    for (; unknown != end; ++unknown) {
      const auto* row = rows_->row(unknown->id);
      if (t != watermark_end && (time_.is_null(row) || time_of(row) > t)) break;
      for (int64_t n = rows_->weight(row); n > 0; --n) {
        kept_.ids.push_back(unknown->id);
        kept_.rows.push_back(row);
      }
    }
    auto* summary = summary_of(partition, true);
    over_evaluator::prefix before{static_cast<int64_t>(summary[gone_rows]),
                                  static_cast<int64_t>(summary[gone_groups]),
                                  summary[gone_rows] ? summary + head_words : nullptr};
    WEIR_TRY(evaluator_.evaluate(kept_.rows, rows_->order(), before, kept_.values));
    const auto done = static_cast<size_t>(summary[done_rows]);
    size_t limit = kept_.rows.size();
    if (t != watermark_end) {
      const auto ahead =
          static_cast<size_t>(std::min<int64_t>(evaluator_.after().rows, UINT32_MAX));
      limit = std::max(done, limit - std::min(limit, ahead));
      const auto distance = evaluator_.after().distance;
      while (distance > 0 && limit > done && t - time_of(kept_.rows[limit - 1]) < distance) --limit;
    }
    for (size_t i = done; i < limit; ++i) output_.add(kept_, i, 1, *context_.memory, out);
    let_go(partition, summary, limit, t);
    if (t != watermark_end && index_.begin(partition) != index_.end(partition))
      set_due(partition, next_due(partition, t));
    return {};
  }

  /// Rows before `first` have left.
  void let_go(uint32_t partition, uint64_t* summary, size_t first, timestamp_us t) {
    const auto reach = evaluator_.before();
    size_t keep = first - std::min<size_t>(first, static_cast<size_t>(reach.rows));
    // Whole groups go, so that ranks of what stays are known.
    groups_.find(kept_.rows, rows_->order());
    const size_t n = kept_.rows.size();
    const size_t group = first == n ? groups_.begins.size() - 1 : groups_.of[first];
    const size_t groups = group - std::min<size_t>(group, static_cast<size_t>(reach.groups));
    keep = std::min<size_t>(keep, groups_.begins[groups]);
    if (t == watermark_end) {
      keep = n;
    } else if (reach.distance > 0) {
      auto soonest = t;
      if (first < n && !time_.is_null(kept_.rows[first])) soonest = time_of(kept_.rows[first]);
      size_t far = 0;
      while (far < keep && !time_.is_null(kept_.rows[far]) &&
             soonest - time_of(kept_.rows[far]) > reach.distance)
        ++far;
      keep = far;
    }
    size_t whole = n == 0 ? 0 : keep == n ? groups_.begins.size() - 1 : groups_.of[keep];
    keep = groups_.begins[whole];
    summaries_->touch(summary_);
    summary[done_rows] = first - keep;
    if (keep > 0) summarize(summary, keep, whole);
    // What is gone is the beginning of the index.
    auto it = index_.begin(partition);
    const auto begin = it;
    for (size_t i = 0; i < keep; ++it) {
      auto* row = rows_->row(it->id);
      i += static_cast<size_t>(rows_->weight(row));
      rows_->table().touch(it->id);
      rows_->weight(row) = 0;
      gone_.push_back(it->id);
    }
    index_.erase(begin, it);
    if (index_.begin(partition) != index_.end(partition)) return;
    set_due(partition, {});
    if (!evaluator_.needs_prefix()) summaries_->erase(summary_);
    rows_->partitions().erase(partition);
  }

  void summarize(uint64_t* summary, size_t rows, size_t groups) {
    std::copy_n(summary + head_words, words_.size(), words_.data());  // which may be none
    for (size_t i = 0; i < rows; ++i) {
      auto added = evaluator_.add_to_prefix(
          kept_.rows[i], static_cast<int64_t>(summary[gone_rows] + i), words_.data());
      weir_assert(added.ok(), "a sum that was emitted is out of range");
    }
    summary[gone_rows] += rows;
    summary[gone_groups] += groups;
    auto* row = summaries_->row(summary_);
    size_t at = 0;
    for (auto w : evaluator_.prefix_layout().value_strings) {
      std::memcpy(summary + head_words + at, &words_[at], 8 * (w - at));
      var_ref s;
      std::memcpy(s.words, &words_[w], 16);
      if (std::memcmp(summary + head_words + w, s.words, 16) != 0)
        summaries_->set_string(row, head_words + w, s.view());
      at = w + 2;
    }
    std::copy(words_.begin() + static_cast<ptrdiff_t>(at), words_.end(), summary + head_words + at);
  }

  const std::vector<uint32_t> keys_;
  const uint32_t time_column_;
  const row_column time_;
  std::unique_ptr<partitioned_rows> rows_;
  row_index index_;
  over_evaluator evaluator_;
  over_output output_;
  row_layout layout_;
  std::optional<row_table> summaries_;
  operator_context context_;
  state_charge charge_;
  group_progress progress_;
  absl::btree_set<std::pair<timestamp_us, uint32_t>> due_;

  // The partition at hand.
  uint32_t summary_ = 0;  // its row
  over_rows kept_;
  peer_groups groups_;
  std::vector<uint64_t> key_, words_;
  std::vector<uint32_t> added_, gone_;
  std::vector<uint32_t> leaving_;  // partitions that have something to do
  size_t leaving_at_ = 0;
};

}  // namespace

result<operator_ptr> make_over_time(const over_spec& s, const schema_ptr& input, schema_ptr output,
                                    int64_t ttl_us) {
  WEIR_ASSIGN(auto rows, partitioned_rows::make(*input, s.keys, s.order,
                                                over_time_operator::words_per_partition, ttl_us));
  WEIR_ASSIGN(auto evaluator, over_evaluator::make(s, *input, rows->codec()));
  return operator_ptr(new over_time_operator(s, *input, std::move(output), std::move(rows),
                                             std::move(evaluator), ttl_us));
}

}  // namespace weir
