// Pre-aggregation in front of an exchange. Groups are added up in a small table that is emptied
// before each barrier, when it is full and when the task idles; it holds no state of its own. A
// large one is emptied in parts while a barrier approaches, and rows pass it by meanwhile. Where
// adding up does not make fewer rows, they are turned into accumulator columns one by one; where a
// batch's groups do not come again in the next ones, each batch is counted by itself. So are
// rows whose windows may have closed: the aggregate behind counts those that come too late.
#include <algorithm>
#include <cstring>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/operators/aggregate_core.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/plan/windows.hpp"

namespace weir {
namespace {

// The table is emptied at this many groups: some 10 to 30 MB, beyond which lookups cost as much
// here as behind the exchange.
constexpr size_t groups_max = 256 * 1024;
// After this many rows it is judged; with more groups than this share of rows it is not worth it.
constexpr size_t trial_rows = 128 * 1024;
constexpr double useless_share = 0.75;
// And then it is left alone for this many rows before the next trial.
constexpr size_t pass_rows = 8 * 1024 * 1024;

// While a barrier approaches rows pass the table by; should it be given up, for no more than these.
constexpr size_t approach_rows = 1024 * 1024;

class partial_aggregate final : public stream_operator {
 public:
  partial_aggregate(const aggregate_spec& s, schema_ptr output,
                    std::unique_ptr<aggregate_core> core)
      : spec_(s),
        output_(std::move(output)),
        core_(std::move(core)),
        shrinks_(partial_shrinks(s)),
        session_(s.windows && s.windows->kind == window_kind::session) {
    if (s.window_end_key)
      time_column_ = session_ ? s.calls.back().argument->column : s.keys[*s.window_end_key];
  }

  status open(const operator_context& c) override {
    memory_ = c.memory;
    core_->open(c);
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& batch, collector& out) override {
    if (!shrinks_ || watermark_ == watermark_none) return add(batch, out);
    auto split = split_late(batch, time_column_, *memory_,
                            [this](timestamp_us t) { return may_be_closed(t); });
    if (split.late) {
      WEIR_ASSIGN(auto late, core_->prepare(split.late));
      if (late->rows > 0) WEIR_TRY(pass_sums(*late, out));
      if (split.kept->rows == 0) return {};
    }
    return add(split.kept, out);
  }
  status on_watermark(timestamp_us t, collector&) override {
    if (spec_.window_end_key) watermark_ = t;
    return {};
  }
  status before_barrier(collector& out) override { return flush(out); }
  size_t held_rows() const override { return core_->table().rows_end() - emptied_; }
  result<bool> approach_barrier(collector& out) override {
    if (held_rows() > 0) emit_groups(out);
    const bool more = held_rows() > 0;
    if (!more) WEIR_TRY(flush(out));
    approach_left_ = approach_rows;
    return more;
  }
  status on_idle(collector& out) override { return flush(out); }
  size_t state_bytes() const override { return core_->table().memory_bytes(); }

 private:
  /// Of a window's end, a slice's, or the time of a row that belongs to a session.
  bool may_be_closed(timestamp_us t) const {
    return (spec_.windows && !session_ ? last_window_end(*spec_.windows, t) : t) <= watermark_;
  }
  status add(const batch_ptr& batch, collector& out) {
    WEIR_ASSIGN(auto in, core_->prepare(batch));
    if (in->rows == 0) return {};
    if (!shrinks_) return pass_values(*in, out);
    if (approach_left_ > 0) {
      // A row that is taken back must not overtake itself.
      while (core_->weighted() && held_rows() > 0) emit_groups(out);
      approach_left_ -= std::min<size_t>(approach_left_, in->rows);
      WEIR_TRY(pass_sums(*in, out));
      // Given up half-way: groups that were handed on must not be added to.
      return approach_left_ == 0 ? flush(out) : status();
    }
    if (pass_left_ > 0) {
      pass_left_ -= std::min<size_t>(pass_left_, in->rows);
      return pass_sums(*in, out);
    }
    if (count_left_ > 0) {
      count_left_ -= std::min<size_t>(count_left_, in->rows);
      if (core_->count_batch(*in)) return pass_counts(*in, out);
    }
    WEIR_TRY(core_->absorb(*in, [](const group_run&) {}));
    core_->end_batch();
    rows_ += in->rows;
    batch_groups_ += core_->groups_of_batch();
    const auto groups = static_cast<double>(core_->table().size());
    const bool judged = rows_ >= trial_rows && last_judged_ < trial_rows;
    last_judged_ = rows_;
    if (judged && groups > useless_share * static_cast<double>(batch_groups_)) {
      (batch_groups_ == rows_ ? pass_left_ : count_left_) = pass_rows;
      return flush(out);
    }
    return core_->table().size() >= groups_max ? flush(out) : status();
  }
  /// A batch of the groups that are not handed on yet.
  void emit_groups(collector& out) {
    auto& table = core_->table();
    std::vector<const uint64_t*> rows, values;
    const uint32_t end = std::min(table.rows_end(), emptied_ + batch_rows_target);
    for (; emptied_ < end; ++emptied_) {
      rows.push_back(table.row(emptied_));
      values.push_back(rows.back() + core_->value_word());
    }
    std::vector<column_ptr> columns;
    for (size_t k = 0; k < spec_.keys.size(); ++k)
      columns.push_back(core_->codec().decode(k, rows.data(), rows.size(), *memory_));
    add_sums(values, columns);
    out.emit(make_batch(output_, std::move(columns), {}, static_cast<uint32_t>(rows.size())));
  }
  status flush(collector& out) {
    auto& table = core_->table();
    while (emptied_ < table.rows_end()) emit_groups(out);
    table.clear();
    table.end_batch();
    emptied_ = 0;
    approach_left_ = 0;
    rows_ = 0;
    batch_groups_ = 0;
    last_judged_ = 0;
    return {};
  }
  void add_sums(const std::vector<const uint64_t*>& values, std::vector<column_ptr>& columns) {
    if (core_->weighted()) {
      word_column c(type_id::int64, values.size(), *memory_);
      c.set_all(values.data(), 0);
      columns.push_back(c.finish());
    }
    for (const auto& a : core_->calls())
      finish_partial(a, values.data(), values.size(), *memory_, columns);
  }

  /// The groups of a batch that was counted.
  status pass_counts(const batch& in, collector& out) {
    const auto& at = core_->counted_at();
    auto counts = std::make_shared<column>();
    counts->type = type_id::int64;
    counts->length = in.physical_rows;
    counts->values = buffer::allocate_zero(*memory_, size_t{in.physical_rows} * 8);
    auto* to = counts->values.mutable_as<int64_t>();
    for (size_t i = 0; i < at.size(); ++i) to[at[i]] = core_->counts()[i];
    std::vector<column_ptr> columns = key_columns(in);
    columns.insert(columns.end(), core_->calls().size(), counts);
    const auto groups = with_columns(in, output_, std::move(columns));
    out.emit(with_selection(*groups,
                            buffer::copy(*memory_, std::as_bytes(std::span<const uint32_t>(at))),
                            static_cast<uint32_t>(at.size())));
    return {};
  }

  /// Every row's accumulators as if it were a group of its own; its weight goes along.
  status pass_sums(const batch& in, collector& out) {
    std::vector<column_ptr> columns = key_columns(in);
    const column_ptr one = ones(in.physical_rows);
    if (core_->weighted()) columns.push_back(one);
    bool added = false;
    for (size_t i = 0; i < core_->calls().size(); ++i) {
      const auto& a = core_->calls()[i];
      if (a.kind == accumulator_kind::pick) {
        columns.push_back(filtered(i, in.physical_rows));
        continue;
      }
      if (!core_->filter(i) &&
          partial_of_rows(a, core_->argument_column(i), one, *memory_, columns))
        continue;
      if (!added) WEIR_TRY(add_singly(in));
      added = true;
      finish_partial(a, values_.data(), values_.size(), *memory_, columns);
    }
    out.emit(with_columns(in, output_, std::move(columns)));
    return {};
  }
  /// A row of accumulators for each row, in values_.
  status add_singly(const batch& in) {
    const size_t words = std::max<uint32_t>(core_->layout().value_words, 1);
    scratch_.assign(size_t{in.physical_rows} * words, 0);
    row_pointers_.resize(aggregate_core::run_max);
    at_.resize(aggregate_core::run_max);
    for (size_t begin = 0; begin < in.rows; begin += aggregate_core::run_max) {
      const size_t n = std::min<size_t>(aggregate_core::run_max, in.rows - begin);
      for (size_t i = 0; i < n; ++i) {
        at_[i] = in.row(static_cast<uint32_t>(begin + i));
        row_pointers_[i] = &scratch_[at_[i] * words];
      }
      const group_run run{n, at_.data(), nullptr, row_pointers_.data(), nullptr};
      for (size_t c = 0; c < core_->calls().size(); ++c)
        if (core_->calls()[c].kind != accumulator_kind::pick)
          WEIR_TRY(core_->add_call(c, run, nullptr, 0));
    }
    values_.resize(in.physical_rows);
    for (size_t i = 0; i < in.physical_rows; ++i) values_[i] = &scratch_[i * words];
    return {};
  }
  /// A column of n ones; batches of one size share it.
  const column_ptr& ones(uint32_t n) {
    if (ones_ && ones_->length == n) return ones_;
    auto c = std::make_shared<column>();
    c->type = type_id::int64;
    c->length = n;
    c->values = buffer::allocate(*memory_, size_t{n} * 8);
    std::fill_n(c->values.mutable_as<int64_t>(), n, int64_t{1});
    ones_ = std::move(c);
    return ones_;
  }

  /// Every row's values, for calls that need them all.
  status pass_values(const batch& in, collector& out) {
    std::vector<column_ptr> columns = key_columns(in);
    for (size_t i = 0; i < core_->calls().size(); ++i)
      columns.push_back(filtered(i, in.physical_rows));
    out.emit(with_columns(in, output_, std::move(columns)));
    return {};
  }

  std::vector<column_ptr> key_columns(const batch& in) const {
    std::vector<column_ptr> columns;
    for (uint32_t k : spec_.keys) columns.push_back(in.columns[k]);
    return columns;
  }
  /// The argument of a call, NULL where its filter does not let the row through; for count(*) any
  /// value.
  column_ptr filtered(size_t call, uint32_t n) const {
    column_ptr argument = core_->argument_column(call);
    const column* filter = core_->filter(call);
    if (argument && !filter) return argument;
    auto c = std::make_shared<column>();
    if (argument) {
      *c = *argument;
    } else {
      c->type = type_id::int64;
      c->length = n;
      c->values = buffer::allocate_zero(*memory_, size_t{n} * 8);
    }
    if (!filter) return c;
    auto validity = buffer::allocate_zero(*memory_, (n + 7) / 8);
    auto* bits = validity.mutable_as<uint8_t>();
    const auto* pass = filter->data<uint8_t>();
    for (uint32_t i = 0; i < n; ++i)
      if (pass[i] && filter->is_valid(i) && c->is_valid(i))
        bits[i >> 3] = static_cast<uint8_t>(bits[i >> 3] | 1u << (i & 7));
    c->validity = std::move(validity);
    return c;
  }

  aggregate_spec spec_;
  schema_ptr output_;
  std::unique_ptr<aggregate_core> core_;
  bool shrinks_, session_;
  uint32_t time_column_ = 0;  // with windows
  memory_pool* memory_ = nullptr;
  size_t rows_ = 0, last_judged_ = 0;        // rows since the table was empty
  size_t batch_groups_ = 0;                  // of their batches, each by itself
  size_t pass_left_ = 0, count_left_ = 0;    // rows until the next trial
  timestamp_us watermark_ = watermark_none;  // of this task; with windows only
  uint32_t emptied_ = 0;      // rows of the table that were handed on: a barrier approaches
  size_t approach_left_ = 0;  // rows that pass the table by until then
  column_ptr ones_;
  std::vector<uint64_t> scratch_;
  std::vector<uint64_t*> row_pointers_;
  std::vector<const uint64_t*> values_;
  std::vector<uint32_t> at_;
};

}  // namespace

result<operator_ptr> make_partial_aggregate(const aggregate_spec& s, const schema_ptr& input,
                                            schema_ptr output) {
  if (s.windows && s.windows->kind == window_kind::session &&
      (s.calls.empty() || !s.calls.back().argument ||
       s.calls.back().argument->kind != expr::node_kind::column))
    return error(errc::invalid_argument, "sessions need the rows' times");
  WEIR_ASSIGN(auto wanted, partial_output_schema(s, *input));
  bool same = wanted->size() == output->size();
  for (size_t i = 0; same && i < wanted->size(); ++i)
    same = wanted->fields[i].type == output->fields[i].type;
  if (!same)
    return error(errc::type_mismatch,
                 "a partial aggregate's output is not what partial_output_schema() says");
  WEIR_ASSIGN(auto core, aggregate_core::make(s, input));
  return operator_ptr(new partial_aggregate(s, std::move(output), std::move(core)));
}

}  // namespace weir
