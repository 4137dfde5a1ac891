// Aggregates over hops and cumulating windows, made of slices: rows are added to the one slice that
// they are in, and when the watermark reaches a window's end its result is made of its slices. A
// hop's totals move along (slice_totals). A cumulating window only grows, so the slices that it has
// reached are added to one row per key, under the window's start instead of a slice's end, and
// last until the largest window ends. Windows close in order of their ends, each once.
#include <absl/container/btree_map.h>

#include "runtime/column/builder.hpp"
#include "runtime/column/runs.hpp"
#include "runtime/operators/accumulator_combine.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/group_progress.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/operators/slice_totals.hpp"
#include "runtime/plan/windows.hpp"

namespace weir {
namespace {

constexpr std::string_view slices_state = "slices";

class sliced_aggregate final : public stream_operator {
 public:
  sliced_aggregate(const aggregate_spec& s, schema_ptr output, std::unique_ptr<aggregate_core> core)
      : spec_(s),
        shape_(*s.windows),
        slice_key_(*s.window_end_key),
        output_(std::move(output)),
        core_(std::move(core)),
        late_(s),
        slice_word_(1 + core_->codec().word_of(slice_key_)),
        slice_null_(core_->codec().null_of(slice_key_)),
        hop_(shape_.kind == window_kind::hop) {}

  status open(const operator_context& c) override {
    context_ = c;
    core_->open(c);
    progress_.open(c.groups);
    if (hop_) totals_.emplace(*core_, slice_key_, c.memory);
    return {};
  }

  status restore(const snapshot_reader& in) override {
    WEIR_TRY(core_->table().restore(in, slices_state, context_.groups));
    for (auto& m : core_->multisets())
      if (m) WEIR_TRY(m->restore(in, context_.groups, core_->table()));
    WEIR_TRY(progress_.restore(in));
    last_end_ = closed_window_end(shape_, progress_.oldest());
    std::vector<std::pair<timestamp_us, uint32_t>> reached;
    std::vector<uint32_t> ids;
    if (hop_) {
      core_->table().for_each([&](uint32_t id) { ids.push_back(id); });
      totals_->adopt(ids);
      find_by_totals();
    }
    core_->table().for_each([&](uint32_t id) {
      const uint64_t* row = core_->table().row(id);
      if (slice_null_.is_set(row)) return timeless_.push_back(id);
      const auto slice = slice_of(row);
      const auto closed = closed_window_end(shape_, progress_.of(row_table::group(row)));
      if (closed == watermark_none || slice > closed)
        pending_[slice].push_back(id);
      else
        reached.emplace_back(slice, id);
    });
    std::sort(reached.begin(), reached.end());
    ids.clear();
    for (auto [slice, id] : reached) {
      ids.push_back(id);
      reached_[slice].push_back(id);
      last_reached_ = slice;
    }
    if (hop_) WEIR_TRY(totals_->enter(ids));
    end_batch();
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    auto split = split_late(in, spec_.keys[slice_key_], progress_, core_->hash_columns(), context_,
                            [this](timestamp_us slice, timestamp_us watermark) {
                              return last_window_end(shape_, slice) <= watermark;
                            });
    late_.give(split.late, context_, out);
    auto rows = std::move(split.kept);
    if (rows->rows == 0) return {};
    if (hop_ && !found_by_totals_) find_by_totals();
    WEIR_ASSIGN(rows, core_->prepare(rows));
    if (rows->rows == 0) return {};
    WEIR_TRY(core_->absorb(*rows, [this](const group_run& run) { note(run); }));
    for (uint32_t id : stragglers_) WEIR_TRY(cumulate(id));
    stragglers_.clear();
    end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (t <= progress_.oldest()) return {};
    if (hop_) WEIR_TRY(totals_->settle());
    closing_ = t;
    return {};
  }

  result<bool> drain(collector& out) override {
    if (closing_ == watermark_none) return false;
    if (!open_) {
      WEIR_ASSIGN(open_, next_window());
      if (!open_) return finish(out);
    }
    std::vector<const uint64_t*> rows, values;
    if (hop_)
      WEIR_TRY(hop_results(rows, values));
    else
      cumulated_results(rows, values);
    if (!rows.empty()) WEIR_TRY(emit(rows, values, out));
    if (cursor_ < cursor_end()) return true;
    WEIR_TRY(leave_window());
    open_ = false;
    end_batch();
    return true;
  }

  status snapshot_begin(snapshot_writer& w) override {
    core_->snapshot_begin(w);
    progress_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    const bool done = core_->snapshot_continue(w, slices_state, budget);
    // A slice need not fill a chunk, and then nothing tells the task that there is more to do.
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    core_->on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    core_->on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override {
    return core_->memory_bytes() + (totals_ ? totals_->memory_bytes() : 0);
  }

 private:
  using slice_index = absl::btree_map<timestamp_us, std::vector<uint32_t>>;

  timestamp_us slice_of(const uint64_t* row) const noexcept {
    return static_cast<timestamp_us>(row[slice_word_]);
  }
  void end_batch() {
    core_->end_batch();
    if (totals_) totals_->end_batch();
  }

  /// Not before the values of a snapshot have found their rows.
  void find_by_totals() {
    found_by_totals_ = true;
    core_->find_rows_by(
        [this](const uint64_t* keys, size_t n, uint32_t* ids, uint64_t** rows,
               std::vector<uint32_t>& added) { totals_->find(keys, n, ids, rows, added); });
  }

  /// Rows that are about to be added to: new slices find their place, and those that windows have
  /// reached before (a row is behind the watermark, its last window is not) are looked at again.
  void note(const group_run& run) {
    timestamp_us last = watermark_none;  // rows of one slice mostly come together
    std::vector<uint32_t>* waiting = nullptr;
    for (uint32_t i : *run.added) {
      const uint64_t* row = run.rows[i];
      if (slice_null_.is_set(row)) {
        timeless_.push_back(run.ids[i]);
        continue;
      }
      const auto slice = slice_of(row);
      const auto closed = closed_window_end(shape_, progress_.of(row_table::group(row)));
      if (closed == watermark_none || slice > closed) {
        if (!waiting || slice != last) waiting = &pending_[slice];
        last = slice;
        waiting->push_back(run.ids[i]);
      } else if (hop_) {
        reached_[slice].push_back(run.ids[i]);
        last_reached_ = std::max(last_reached_, slice);
        totals_->changed(run.ids[i], true);
      } else {
        stragglers_.push_back(run.ids[i]);
      }
    }
    if (!hop_) return;
    for (size_t i = 0; i < run.n; ++i)
      if (slice_of(run.rows[i]) <= last_reached_ && totals_->entered(run.ids[i]))
        totals_->changed(run.ids[i], false);
  }

  /// Goes to the next window that ends up to closing_ and has rows; false: there is none.
  result<bool> next_window() {
    const bool some = hop_ ? totals_->size() > 0 : !reached_.empty();
    if (!some && pending_.empty()) return false;
    timestamp_us end;
    if (some && last_end_ != watermark_none) {
      end = next_window_end(shape_, last_end_);
    } else {
      auto first = pending_.empty() ? watermark_end : pending_.begin()->first;
      // Groups that are ahead of others which have seen no watermark yet.
      if (some) first = std::min(first, reached_.begin()->first + (hop_ ? 0 : shape_.step_us));
      end = first_window_end(shape_, first);
    }
    if (end > closing_) return false;
    last_end_ = end;
    cursor_ = 0;
    auto stop = pending_.upper_bound(end);
    for (auto it = pending_.begin(); it != stop; ++it) {
      if (hop_) {
        WEIR_TRY(totals_->enter(it->second));
        auto& there = reached_[it->first];
        there.insert(there.end(), it->second.begin(), it->second.end());
      } else {
        for (uint32_t id : it->second) WEIR_TRY(cumulate(id));
      }
      last_reached_ = std::max(last_reached_, it->first);
    }
    pending_.erase(pending_.begin(), stop);
    core_->end_batch();
    return true;
  }

  uint32_t cursor_end() const {
    if (hop_) return totals_->keys_end();
    auto it = reached_.find(window_start(shape_, last_end_));
    return it == reached_.end() ? 0 : static_cast<uint32_t>(it->second.size());
  }

  /// Groups that were ahead when they were restored have given the window's result already.
  bool gave(uint32_t group) const { return !progress_.even() && last_end_ <= progress_.of(group); }
  bool present(const uint64_t* values) const {
    return !core_->weighted() || aggregate_core::weight(values) > 0;
  }

  status hop_results(std::vector<const uint64_t*>& rows, std::vector<const uint64_t*>& values) {
    const bool even = progress_.even();
    const uint32_t end = totals_->keys_end();
    ids_.resize(batch_rows_target);
    size_t n = 0;
    for (; cursor_ < end && n < batch_rows_target; ++cursor_) {
      if (!totals_->alive(cursor_)) continue;
      if (even || !gave(totals_->group(cursor_))) ids_[n++] = cursor_;
    }
    ids_.resize(n);
    WEIR_TRY(totals_->read(ids_, values));
    rows.resize(n);
    n = 0;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (!present(values[i])) continue;
      rows[n] = totals_->row(ids_[i]);
      values[n++] = values[i];
    }
    rows.resize(n);
    values.resize(n);
    return {};
  }

  void cumulated_results(std::vector<const uint64_t*>& rows, std::vector<const uint64_t*>& values) {
    auto it = reached_.find(window_start(shape_, last_end_));
    if (it == reached_.end()) return;
    auto& table = core_->table();
    const auto& all = it->second;
    for (; cursor_ < all.size() && rows.size() < batch_rows_target; ++cursor_) {
      const uint64_t* row = table.row(all[cursor_]);
      if (gave(row_table::group(row)) || !present(row + core_->value_word())) continue;
      for (auto& m : core_->multisets())
        if (m) m->refresh(table, all[cursor_]);
      rows.push_back(row);
      values.push_back(row + core_->value_word());
    }
  }

  /// Adds a slice that its window has reached to the key's row of the whole window, and is rid of
  /// it.
  status cumulate(uint32_t id) {
    auto& table = core_->table();
    const uint32_t stride = 1 + core_->layout().key_words;
    key_.assign(table.row(id), table.row(id) + stride);
    key_[0] &= 0xffff'ffff'0000'0000u;
    const auto start = floor_to(slice_of(table.row(id)) - 1, shape_.size_us);
    key_[slice_word_] = static_cast<uint64_t>(start);
    uint32_t h, whole;
    uint64_t* row;
    std::vector<uint32_t> added;
    table.hash(key_.data(), 1, &h);
    table.upsert(key_.data(), &h, 1, &whole, &row, added);
    const uint64_t* slice = table.row(id);
    if (!added.empty()) {
      row_table::set_group(row, row_table::group(slice));
      reached_[start].push_back(whole);
    }
    table.touch(whole);
    const uint32_t word = core_->value_word();
    if (core_->weighted()) row[word] += slice[word];
    for (size_t i = 0; i < core_->calls().size(); ++i) {
      const auto& a = core_->calls()[i];
      auto& m = core_->multisets()[i];
      if (m)
        m->move_values(row, word, whole, id);
      else
        WEIR_TRY(combine_into(a, table, row, word, slice + word + a.at));
    }
    table.erase(id);
    return {};
  }

  /// Slices that no window needs any longer are freed.
  status leave_window() {
    auto stop = reached_.begin();
    for (; stop != reached_.end(); ++stop) {
      if (hop_ ? last_window_end(shape_, stop->first) > last_end_
               : stop->first + shape_.size_us > last_end_)
        break;
      if (hop_) WEIR_TRY(totals_->leave(stop->second));
      for (auto& m : core_->multisets())
        if (m)
          for (uint32_t id : stop->second) m->drop_group(id);
      core_->table().erase(stop->second);
    }
    reached_.erase(reached_.begin(), stop);
    return {};
  }

  /// All windows up to closing_ are closed; at the end those without a time follow.
  result<bool> finish(collector& out) {
    if (closing_ == watermark_end && !timeless_.empty()) {
      auto& table = core_->table();
      const size_t n = std::min<size_t>(timeless_.size(), batch_rows_target);
      std::vector<const uint64_t*> rows, values;
      for (size_t i = timeless_.size() - n; i < timeless_.size(); ++i) {
        const uint64_t* row = table.row(timeless_[i]);
        if (!present(row + core_->value_word())) continue;
        for (auto& m : core_->multisets())
          if (m) m->refresh(table, timeless_[i]);
        rows.push_back(row);
        values.push_back(row + core_->value_word());
      }
      if (!rows.empty()) WEIR_TRY(emit(rows, values, out));
      if (hop_) totals_->forget(std::span(timeless_).last(n));
      for (size_t i = timeless_.size() - n; i < timeless_.size(); ++i) {
        for (auto& m : core_->multisets())
          if (m) m->drop_group(timeless_[i]);
        table.erase(timeless_[i]);
      }
      timeless_.resize(timeless_.size() - n);
      if (!timeless_.empty()) return true;
    }
    progress_.advance(closing_);
    // Windows without rows are over, too: late comers are for those that are to come.
    last_end_ = std::max(last_end_, closed_window_end(shape_, closing_));
    closing_ = watermark_none;
    end_batch();
    return false;
  }

  /// Results: the keys of `rows`, the window at hand, and the calls' values.
  status emit(const std::vector<const uint64_t*>& rows, const std::vector<const uint64_t*>& values,
              collector& out) {
    const size_t n = rows.size();
    const bool timeless = slice_null_.is_set(rows[0]);
    auto bound = [&](constant_times& times, timestamp_us t) {
      const auto count = static_cast<uint32_t>(n);
      if (timeless)
        return constant_column(scalar::of_null(type_id::timestamp), count, *context_.memory);
      return times.get(t, count, {}, *context_.memory);
    };
    std::vector<column_ptr> columns;
    for (uint32_t k = 0; k < core_->codec().size(); ++k)
      columns.push_back(k == slice_key_
                            ? bound(ends_, last_end_)
                            : core_->codec().decode(k, rows.data(), n, *context_.memory));
    columns.insert(columns.begin() + spec_.window_start_at,
                   bound(starts_, window_start(shape_, last_end_)));
    for (const auto& a : core_->calls()) {
      WEIR_ASSIGN(auto c, weir::finish(a, values.data(), n, *context_.memory));
      columns.push_back(std::move(c));
    }
    out.emit(make_batch(output_, std::move(columns), {}, static_cast<uint32_t>(n)));
    return {};
  }

  aggregate_spec spec_;
  window_shape shape_;
  uint32_t slice_key_;
  schema_ptr output_;
  std::unique_ptr<aggregate_core> core_;
  late_rows late_;
  uint32_t slice_word_;
  null_bit slice_null_;
  bool hop_;
  operator_context context_;
  std::optional<slice_totals> totals_;  // hop
  bool found_by_totals_ = false;

  group_progress progress_;
  timestamp_us last_end_ =
      watermark_none;  // of the last window that was closed, or is being closed
  timestamp_us last_reached_ = watermark_none;  // the newest slice that a window has reached
  slice_index pending_;                         // slices that no window has reached
  /// Hop: slices in windows that are still to come. Cumulate: by start, the rows of windows that
  /// have begun to close.
  slice_index reached_;
  std::vector<uint32_t> timeless_;    // slices of rows without a time
  std::vector<uint32_t> stragglers_;  // cumulate: slices of the batch at hand that are behind

  timestamp_us closing_ = watermark_none;  // windows up to it are on their way out
  bool open_ = false;                      // the window that ends at last_end_ is
  uint32_t cursor_ = 0;
  constant_times starts_, ends_;  // of results

  std::vector<uint64_t> key_;
  std::vector<uint32_t> ids_;
};

}  // namespace

// In aggregate_sessions.cpp.
result<operator_ptr> make_session_aggregate(const aggregate_spec&, const schema_ptr& input,
                                            schema_ptr output);

result<operator_ptr> make_sliced_aggregate(const aggregate_spec& s, const schema_ptr& input,
                                           schema_ptr output) {
  if (!s.window_end_key)
    return error(errc::invalid_argument, "windows of slices need the slice among the keys");
  if (auto problem = problem_of(*s.windows); !problem.empty())
    return error(errc::invalid_argument, problem);
  if (s.windows->kind == window_kind::session)
    return make_session_aggregate(s, input, std::move(output));
  WEIR_ASSIGN(auto core, aggregate_core::make(s, input));
  return operator_ptr(new sliced_aggregate(s, std::move(output), std::move(core)));
}

}  // namespace weir
