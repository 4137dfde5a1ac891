// Aggregates over sessions. A session's state is one row of accumulators, which grows with its rows
// and is combined with another's when a row joins them; the last two calls, min and max of the
// rows' times, are its bounds. Rows come one by one or added up by slices of a gap's width in front
// of the exchange: what lies in one slice is one session, too. Sessions close in order of their
// ends, each once.
#include "runtime/column/builder.hpp"
#include "runtime/operators/accumulator_combine.hpp"
#include "runtime/operators/aggregate_core.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/group_progress.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/operators/session_index.hpp"

namespace weir {
namespace {

constexpr std::string_view sessions_state = "sessions";

class session_aggregate final : public stream_operator {
 public:
  session_aggregate(const aggregate_spec& s, schema_ptr output,
                    std::unique_ptr<aggregate_core> core, uint32_t first_column,
                    uint32_t last_column)
      : spec_(s),
        slice_key_(*s.window_end_key),
        output_(std::move(output)),
        core_(std::move(core)),
        late_(s),
        sessions_(s.windows->size_us),
        slice_word_(1 + core_->codec().word_of(slice_key_)),
        slice_null_(core_->codec().null_of(slice_key_)),
        first_column_(first_column),
        last_column_(last_column),
        calls_(core_->calls().size() - 2) {}

  status open(const operator_context& c) override {
    context_ = c;
    core_->open(c);
    progress_.open(c.groups);
    auto layout = core_->layout();
    layout.value_words = 0;
    layout.value_strings.clear();
    keys_.emplace(layout, c.memory);
    charge_ = state_charge(c.memory);
    return {};
  }

  status restore(const snapshot_reader& in) override {
    WEIR_TRY(core_->table().restore(in, sessions_state, context_.groups));
    for (auto& m : core_->multisets())
      if (m) WEIR_TRY(m->restore(in, context_.groups, core_->table()));
    WEIR_TRY(progress_.restore(in));
    std::vector<uint64_t> key(1 + core_->layout().key_words);
    core_->table().for_each([&](uint32_t id) {
      const uint64_t* row = core_->table().row(id);
      if (slice_null_.is_set(row)) return timeless_.push_back(id);
      key.assign(row, row + key.size());
      key[0] &= 0xffff'ffff'0000'0000u;
      key[slice_word_] = 0;
      const uint64_t* values = row + core_->value_word();
      session s;
      s.start = static_cast<timestamp_us>(values[core_->calls()[calls_].at + 1]);
      s.last = static_cast<timestamp_us>(values[core_->calls()[calls_ + 1].at + 1]);
      s.id = static_cast<int64_t>(row[slice_word_]);
      s.key = key_of(key.data());
      s.row = id;
      const auto passed = progress_.of(row_table::group(row));
      if (passed != watermark_none && sessions_.end_of(s) <= passed) s.now = session::phase::closed;
      sessions_.put(s);
    });
    end_batch();
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    WEIR_ASSIGN(auto rows, core_->prepare(in));
    if (rows->rows == 0) return {};
    WEIR_ASSIGN(rows, assign(*in, rows, out));
    if (rows->rows == 0) return {};
    WEIR_TRY(core_->absorb(*rows, [this](const group_run& run) {
      for (uint32_t i : *run.added) {
        if (slice_null_.is_set(run.rows[i]))
          timeless_.push_back(run.ids[i]);
        else
          sessions_.at(assigned_[run.at[i]]).row = run.ids[i];
      }
    }));
    end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (t > progress_.oldest()) closing_ = t;
    return {};
  }

  result<bool> drain(collector& out) override {
    if (closing_ == watermark_none) return false;
    closed_.clear();
    const bool more = sessions_.pass(
        closing_, batch_rows_target,
        [this](uint32_t s) {
          if (sessions_.at(s).row != session::none) closed_.push_back(s);
        },
        [this](uint32_t s) { forgotten_.push_back(sessions_.at(s)); });
    if (!closed_.empty()) WEIR_TRY(emit_sessions(out));
    // Some may have been closed just now.
    for (const auto& s : forgotten_) forget(s);
    forgotten_.clear();
    end_batch();
    if (more) return true;
    if (closing_ == watermark_end && !timeless_.empty()) {
      WEIR_TRY(emit_timeless(out));
      if (!timeless_.empty()) return true;
    }
    progress_.advance(closing_);
    closing_ = watermark_none;
    return false;
  }

  status snapshot_begin(snapshot_writer& w) override {
    core_->snapshot_begin(w);
    progress_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    const bool done = core_->snapshot_continue(w, sessions_state, budget);
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
    return core_->memory_bytes() + keys_->memory_bytes() + charge_.bytes();
  }

 private:
  /// The number of an encoded key, which is added where it is missing.
  uint32_t key_of(const uint64_t* key) {
    uint32_t h, id;
    uint64_t* row;
    keys_->hash(key, 1, &h);
    added_.clear();
    keys_->upsert(key, &h, 1, &id, &row, added_);
    return id;
  }

  /// Finds each row's session: its id takes the slice's place among the keys. Late rows are given
  /// out and left out.
  result<batch_ptr> assign(const batch& in, const batch_ptr& rows, collector& out) {
    const batch& b = *rows;
    const uint32_t stride = 1 + core_->layout().key_words;
    constexpr size_t run = aggregate_core::run_max;
    const column& slices = *in.columns[spec_.keys[slice_key_]];
    const time_values first(*in.columns[first_column_]), last(*in.columns[last_column_]);
    std::vector<column_ptr> columns;
    for (uint32_t k : spec_.keys) columns.push_back(b.columns[k]);
    columns[slice_key_] = zeros(b.physical_rows);
    assigned_.assign(b.physical_rows, session::none);
    encoded_.resize(run * stride);
    hashes_.resize(run);
    at_.resize(run);
    ids_.resize(run);
    pointers_.resize(run);
    const row_groups groups =
        progress_.even() ? row_groups() : row_groups(b, core_->hash_columns(), context_);
    uint32_t late = 0;
    for (uint32_t begin = 0; begin < b.rows; begin += run) {
      const size_t n = std::min<size_t>(run, b.rows - begin);
      for (uint32_t i = 0; i < n; ++i) at_[i] = b.row(begin + i);
      core_->codec().encode(columns, at_.data(), n, encoded_.data());
      keys_->hash(encoded_.data(), n, hashes_.data());
      added_.clear();
      keys_->upsert(encoded_.data(), hashes_.data(), n, ids_.data(), pointers_.data(), added_);
      for (size_t i = 0; i < n; ++i) {
        const uint32_t r = at_[i];
        if (!slices.is_valid(r)) continue;
        const auto watermark = progress_.at(groups, begin + static_cast<uint32_t>(i));
        WEIR_ASSIGN(assigned_[r], sessions_.add(ids_[i], first[r], last[r], watermark,
                                                [this](session& into, session& from) {
                                                  return join(into, from);
                                                }));
        late += assigned_[r] == session::none;
      }
    }
    // Sessions have met since, or their rows have come to be another's.
    auto ids = std::make_shared<column>();
    ids->type = type_id::timestamp;
    ids->length = b.physical_rows;
    ids->values = buffer::allocate_zero(*context_.memory, size_t{b.physical_rows} * 8);
    ids->validity = slices.validity;
    auto* id = ids->values.mutable_as<int64_t>();
    for (uint32_t i = 0; i < b.rows; ++i) {
      uint32_t& s = assigned_[b.row(i)];
      if (s == session::none) continue;
      s = sessions_.resolve(s);
      id[b.row(i)] = sessions_.at(s).id;
    }
    core_->replace_key(slice_key_, std::move(ids));
    if (late == 0) return rows;
    auto split = split_rows(rows, *context_.memory, late, [&](uint32_t r) {
      return assigned_[r] == session::none && slices.is_valid(r);
    });
    late_.give(split.late, context_, out);
    return std::move(split.kept);
  }

  /// The state of two sessions becomes that of one.
  status join(session& into, session& from) {
    if (from.row == session::none) return {};
    auto& table = core_->table();
    table.touch(into.row);
    uint64_t* row = table.row(into.row);
    const uint64_t* other = table.row(from.row);
    const uint32_t word = core_->value_word();
    for (size_t i = 0; i < core_->calls().size(); ++i) {
      const auto& a = core_->calls()[i];
      auto& m = core_->multisets()[i];
      if (m)
        m->move_values(row, word, into.row, from.row);
      else
        WEIR_TRY(combine_into(a, table, row, word, other + word + a.at));
    }
    table.erase(from.row);
    return {};
  }

  void forget(const session& s) {
    if (s.row != session::none) core_->table().erase(s.row);
    if (sessions_.empty(s.key) && keys_->alive(s.key)) keys_->erase(s.key);
  }

  status emit_sessions(collector& out) {
    std::vector<const uint64_t*> rows;
    for (uint32_t s : closed_) {
      const uint32_t id = sessions_.at(s).row;
      for (auto& m : core_->multisets())
        if (m) m->refresh(core_->table(), id);
      rows.push_back(core_->table().row(id));
    }
    auto start = bounds(rows.size()), end = bounds(rows.size());
    for (size_t i = 0; i < closed_.size(); ++i) {
      const auto& s = sessions_.at(closed_[i]);
      start->values.mutable_as<int64_t>()[i] = s.start;
      end->values.mutable_as<int64_t>()[i] = sessions_.end_of(s);
    }
    WEIR_TRY(emit(rows, std::move(start), std::move(end), out));
    // What is left of a closed session is the row that says when it was.
    for (uint32_t s : closed_)
      for (auto& m : core_->multisets())
        if (m) m->drop_group(sessions_.at(s).row);
    return {};
  }

  status emit_timeless(collector& out) {
    const size_t n = std::min<size_t>(timeless_.size(), batch_rows_target);
    const std::vector<uint32_t> ids(timeless_.end() - static_cast<ptrdiff_t>(n), timeless_.end());
    timeless_.resize(timeless_.size() - n);
    std::vector<const uint64_t*> rows;
    for (uint32_t id : ids) {
      for (auto& m : core_->multisets())
        if (m) m->refresh(core_->table(), id);
      rows.push_back(core_->table().row(id));
    }
    const auto none = constant_column(scalar::of_null(type_id::timestamp), static_cast<uint32_t>(n),
                                      *context_.memory);
    WEIR_TRY(emit(rows, none, none, out));
    for (uint32_t id : ids) {
      for (auto& m : core_->multisets())
        if (m) m->drop_group(id);
      core_->table().erase(id);
    }
    end_batch();
    return {};
  }

  status emit(const std::vector<const uint64_t*>& rows, column_ptr start, column_ptr end,
              collector& out) {
    std::vector<const uint64_t*> values;
    for (const auto* row : rows) values.push_back(row + core_->value_word());
    std::vector<column_ptr> columns;
    for (uint32_t k = 0; k < core_->codec().size(); ++k)
      columns.push_back(k == slice_key_
                            ? end
                            : core_->codec().decode(k, rows.data(), rows.size(), *context_.memory));
    columns.insert(columns.begin() + spec_.window_start_at, std::move(start));
    for (size_t i = 0; i < calls_; ++i) {
      WEIR_ASSIGN(auto c,
                  finish(core_->calls()[i], values.data(), values.size(), *context_.memory));
      columns.push_back(std::move(c));
    }
    out.emit(make_batch(output_, std::move(columns), {}, static_cast<uint32_t>(rows.size())));
    return {};
  }

  std::shared_ptr<column> bounds(size_t n) const {
    auto c = std::make_shared<column>();
    c->type = type_id::timestamp;
    c->length = static_cast<uint32_t>(n);
    c->values = buffer::allocate(*context_.memory, n * 8);
    return c;
  }
  /// At least n zeros: the slice's place in the key of all sessions.
  const column_ptr& zeros(uint32_t n) {
    if (zeros_ && zeros_->length >= n) return zeros_;
    auto c = std::make_shared<column>();
    c->type = type_id::timestamp;
    c->length = n;
    c->values = buffer::allocate_zero(*context_.memory, size_t{n} * 8);
    return zeros_ = std::move(c);
  }
  void end_batch() {
    core_->end_batch();
    keys_->end_batch();
    charge_.set(sessions_.memory_bytes());
  }

  aggregate_spec spec_;
  uint32_t slice_key_;
  schema_ptr output_;
  std::unique_ptr<aggregate_core> core_;
  late_rows late_;
  session_index sessions_;
  uint32_t slice_word_;
  null_bit slice_null_;
  uint32_t first_column_, last_column_;  // of the input: times of a row, or of what was added up
  size_t calls_;                         // without those of the bounds
  operator_context context_;
  std::optional<row_table> keys_;  // the keys that have sessions, with a slice of 0
  group_progress progress_;
  std::vector<uint32_t> timeless_;

  timestamp_us closing_ = watermark_none;
  std::vector<uint32_t> closed_;
  std::vector<session> forgotten_;
  std::vector<uint32_t> assigned_;  // by physical row of the batch at hand
  std::vector<uint64_t> encoded_;
  std::vector<uint32_t> hashes_, at_, ids_, added_;
  std::vector<uint64_t*> pointers_;
  column_ptr zeros_;
  state_charge charge_;
};

bool is_time_of(const aggregate_call& c, aggregate_function f) {
  return c.function == f && !c.filter && c.argument &&
         c.argument->kind == expr::node_kind::column && c.argument->type.id == type_id::timestamp;
}

}  // namespace

result<operator_ptr> make_session_aggregate(const aggregate_spec& s, const schema_ptr& input,
                                            schema_ptr output) {
  const size_t n = s.calls.size();
  if (n < 2 || !is_time_of(s.calls[n - 2], aggregate_function::min) ||
      !is_time_of(s.calls[n - 1], aggregate_function::max))
    return error(errc::invalid_argument,
                 "the last calls over sessions must be min and max of the rows' times");
  if (s.input_has_changes)
    return error(errc::unsupported, "sessions of rows that change are made of rows");
  auto first = s.calls[n - 2].argument->column, last = s.calls[n - 1].argument->column;
  if (s.stage == aggregate_spec::phase::merge) {
    first = static_cast<uint32_t>(input->size() - 2);
    last = first + 1;
  }
  if (first >= input->size() || last >= input->size())
    return error(errc::invalid_argument, "the rows' times are no columns of the input");
  WEIR_ASSIGN(auto core, aggregate_core::make(s, input));
  return operator_ptr(new session_aggregate(s, std::move(output), std::move(core), first, last));
}

}  // namespace weir
