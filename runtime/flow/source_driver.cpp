#include "runtime/flow/source_driver.hpp"

#include <algorithm>

#include "runtime/column/kernels.hpp"
#include "runtime/connectors/kafka/dead_letter_topic.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

// At-most-once: rows that wait for their positions to become durable, per source task. What one
// snapshot interval may hand on.
constexpr size_t held_bytes_max = 32u << 20;

}  // namespace

source_driver::source_driver(std::unique_ptr<source_reader> r, options o)
    : reader_(std::move(r)), options_(o), watermarks_(o.time) {}

status source_driver::open(operator_context c) {
  context_ = std::move(c);
  return reader_->open(context_);
}

status source_driver::add_splits(std::vector<source_split> splits, bool last, bool hold,
                                 timestamp_us now) {
  // An empty answer that is not the last: the coordinator keeps the request until there is one.
  nothing_ = splits.empty() && !last;
  asked_ = nothing_;
  last_ = last;
  this->hold(hold);
  for (auto& s : splits) {
    exhausted_ = false;
    watermarks_.add(s.id, now);
    orders_[s.id] = s.order;
    stream_ = s.ordered_by;
    given_.push_back(s);
    WEIR_TRY(reader_->add_split(std::move(s)));
  }
  return {};
}

source_standing source_driver::standing() const {
  source_standing s;
  for (const auto& [id, order] : orders_) {
    s.handed.push_back(id);
    s.newest_order = std::max(s.newest_order, order);
  }
  s.given = given_;
  s.stream = stream_;
  s.reads = !exhausted_;
  s.waiting = asked_;
  s.told_last = last_;
  s.held = !time_moves_;
  return s;
}

source_driver::taken source_driver::hand_on(batch_ptr rows) {
  taken t;
  t.what = taken::kind::rows;
  context_.metrics->rows_out.fetch_add(rows->rows, std::memory_order_relaxed);
  context_.metrics->batches_in.fetch_add(1, std::memory_order_relaxed);
  t.rows = std::move(rows);
  return t;
}

void source_driver::observe(const held_rows& h, timestamp_us now) {
  if (h.rows) {
    auto times = options_.event_time ? range_of(*h.rows, *options_.event_time) : std::nullopt;
    watermarks_.observe(h.split, times ? times->max : watermark_none, now);
  }
  if (options_.event_time) watermarks_.promise(h.split, h.split_time);
  if (h.split_ended) watermarks_.remove(h.split);
}

bool source_driver::releasable() const {
  return !held_.empty() && held_.front().after != epoch{} && held_.front().after <= released_;
}

split_watermarks::reading source_driver::watermark(timestamp_us now) {
  auto r = watermarks_.read(now);
  if (nothing_ && watermarks_.empty() && !watermarks_.held()) r.idle = true;
  if (!held_.empty()) r.idle = false;  // they still come
  return r;
}

result<source_driver::taken> source_driver::take(timestamp_us now) {
  taken t;
  if (releasable()) {
    auto h = std::move(held_.front());
    held_.pop_front();
    observe(h, now);
    if (h.rows) {
      held_bytes_ -= h.rows->memory_bytes();
      return hand_on(std::move(h.rows));
    }
    t.wake_at = now;
    return t;
  }
  if (held_bytes_ > held_bytes_max) return t;  // the next epoch releases them
  if (exhausted_) {
    if (!last_) {
      if (asked_) return t;
      asked_ = true;
      t.what = taken::kind::need_splits;
    } else if (held_.empty()) {
      t.what = taken::kind::ended;
    }
    return t;
  }
  WEIR_ASSIGN(auto p, reader_->poll(batch_rows_target));
  if (p.rows && p.rows->rows == 0) p.rows.reset();
  if (p.what == polled::state::finished) exhausted_ = true;
  if (p.what == polled::state::pending) t.wake_at = p.wake_at;
  held_rows h{std::move(p.rows), epoch{}, std::string(p.split_id), p.split_ended, p.split_time};
  if (options_.mode != delivery_mode::at_most_once) {
    observe(h, now);
    if (h.rows) return hand_on(std::move(h.rows));
  } else if (h.rows || h.split_ended) {
    // Event time moves when the rows do, or the rest of them would be late.
    if (h.rows) {
      watermarks_.observe(h.split, watermark_none, now);
      held_bytes_ += h.rows->memory_bytes();
    }
    held_.push_back(std::move(h));
  }
  // Not "nothing": a finished split, held rows or an empty batch leave more to do right away.
  if (p.what != polled::state::pending) t.wake_at = now;
  return t;
}

status source_driver::snapshot(snapshot_writer& w) {
  auto splits = reader_->snapshot();
  for (auto& s : splits)
    if (auto it = orders_.find(s.id); it != orders_.end()) s.order = it->second;
  auto text = encode_splits(splits);
  w.put(state_name, no_key_group, chunk_kind::blob,
        buffer::copy(w.memory(), std::as_bytes(std::span(text))));
  given_before_barrier_ = given_.size();
  for (auto& h : held_)
    if (h.after == epoch{}) h.after = w.number();
  if (auto* letters = reader_->letters()) letters->snapshot_begin(w);
  return {};
}

status source_driver::restore(const snapshot_reader& from) {
  auto* letters = reader_->letters();
  return letters ? letters->restore(from) : status();
}

result<bool> source_driver::snapshot_continue(snapshot_writer& w) {
  if (auto* letters = reader_->letters()) return letters->snapshot_continue(w);
  return true;
}

result<bool> source_driver::committed() const {
  if (auto* letters = reader_->letters()) return letters->committed();
  return true;
}

bool source_driver::blocked() const {
  auto* letters = reader_->letters();
  return letters && letters->blocked();
}

status source_driver::epoch_complete(epoch e) {
  released_ = std::max(released_, e);
  given_.erase(given_.begin(),
               given_.begin() + static_cast<ptrdiff_t>(std::exchange(given_before_barrier_, 0)));
  if (auto* letters = reader_->letters()) WEIR_TRY(letters->on_epoch_complete(e));
  return reader_->on_epoch_complete(e);
}

void source_driver::epoch_aborted(epoch e) {
  given_before_barrier_ = 0;
  if (auto* letters = reader_->letters()) letters->on_epoch_aborted();
  for (auto& h : held_)
    if (h.after == e) h.after = epoch{};
}

}  // namespace weir
