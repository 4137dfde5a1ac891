// Aggregates that answer: stages complete and merge. Keyed or global, with results as they change
// or once at the end, and windows that close with the watermark.
#include "runtime/column/builder.hpp"
#include "runtime/operators/aggregate_core.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/aggregate_windows.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/change_output.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/operators/owed_rows.hpp"
#include "runtime/operators/state_expiry.hpp"

namespace weir {
namespace {

constexpr std::string_view groups_state = "groups";

class aggregate_operator final : public stream_operator {
 public:
  aggregate_operator(const aggregate_spec& s, schema_ptr output,
                     std::unique_ptr<aggregate_core> core, int64_t ttl_us)
      : spec_(s),
        output_(std::move(output)),
        core_(std::move(core)),
        late_(s),
        expiry_(ttl_us),
        expires_(ttl_us != 0),
        changes_(s.emit == emit_mode::changes),
        global_(s.keys.empty()) {}

  status open(const operator_context& c) override {
    context_ = c;
    progress_.open(c.groups);
    core_->open(c);
    expiry_.open(c, {&core_->table()});
    if (spec_.window_end_key && !changes_) {
      windows_.emplace(core_->codec(), *spec_.window_end_key);
      window_column_ = spec_.keys[*spec_.window_end_key];
    }
    return {};
  }

  status restore(const snapshot_reader& in) override {
    WEIR_TRY(core_->table().restore(in, groups_state, context_.groups));
    for (auto& m : core_->multisets())
      if (m) WEIR_TRY(m->restore(in, context_.groups, core_->table()));
    WEIR_TRY(progress_.restore(in));
    if (windows_)
      core_->table().for_each([this](uint32_t id) { windows_->add(id, core_->table().row(id)); });
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    batch_ptr rows = in;
    if (windows_) {
      auto split = split_late(in, window_column_, progress_, core_->hash_columns(), context_,
                              window_is_over);
      late_.give(split.late, context_, out);
      rows = std::move(split.kept);
      if (rows->rows == 0) return {};
    }
    WEIR_ASSIGN(rows, core_->prepare(rows));
    if (rows->rows == 0) return {};
    if (changes_) {
      expiry_.begin_batch();
      WEIR_TRY(core_->absorb(*rows, [this](const group_run& run) { note_touched(run); }));
      WEIR_TRY(emit_changes(out));
    } else {
      WEIR_TRY(core_->absorb(*rows, [this](const group_run& run) { note_windows(run); }));
    }
    core_->end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector& out) override {
    if (t == watermark_end) WEIR_TRY(check_groups());
    if (changes_) {
      if (t == watermark_end) WEIR_TRY(emit_empty_group(out));
      return {};
    }
    if (windows_) windows_->close_until(t, leaving_);
    if (t == watermark_end && progress_.newest() != watermark_end) {
      if (global_ && owns_global()) core_->global_row();
      final_ = true;
      cursor_ = 0;
    }
    progress_.advance(t);
    return {};
  }

  status on_processing_time(timestamp_us t, collector&) override {
    expiry_.on_time(t, [this](size_t& budget) {
      const bool done = expiry_.sweep(0, budget, [this](uint32_t id) { erase_group(id); });
      core_->end_batch();
      return done;
    });
    return {};
  }

  /// What an epoch holds is what a database would answer, over nothing as well.
  status before_barrier(collector& out) override {
    return changes_ ? emit_empty_group(out) : status();
  }

  result<bool> drain(collector& out) override {
    if (leaving_at_ < leaving_.size()) {
      const size_t n = std::min<size_t>(leaving_.size() - leaving_at_, batch_rows_target);
      WEIR_TRY(emit_rows(std::span(leaving_).subspan(leaving_at_, n), out));
      for (size_t i = 0; i < n; ++i) erase_group(leaving_[leaving_at_ + i]);
      leaving_at_ += n;
      core_->end_batch();
      if (leaving_at_ < leaving_.size()) return true;
      leaving_.clear();
      leaving_at_ = 0;
    }
    if (!final_) return false;
    auto& table = core_->table();
    ids_.clear();
    for (; cursor_ < table.rows_end() && ids_.size() < batch_rows_target; ++cursor_)
      if (table.alive(cursor_)) ids_.push_back(cursor_);
    if (!ids_.empty()) WEIR_TRY(emit_rows(ids_, out));
    final_ = cursor_ < table.rows_end();
    return final_;
  }

  status snapshot_begin(snapshot_writer& w) override {
    core_->snapshot_begin(w);
    if (!changes_) progress_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    const bool done = core_->snapshot_continue(w, groups_state, budget);
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
  size_t state_bytes() const override { return core_->memory_bytes(); }

 private:
  bool owns_global() const { return context_.groups.begin == 0; }
  bool present(const uint64_t* values) const {
    return global_ || !core_->weighted() || aggregate_core::weight(values) > 0;
  }

  /// Of groups that a state_ttl has dropped rows may still be taken back.
  status check_groups() {
    if (!core_->weighted() || expires_) return {};
    return check_none_owed(
        context_, core_->table(), core_->codec(), global_ ? "a row" : "a row of the group",
        [this](const uint64_t* row) { return aggregate_core::weight(row + core_->value_word()); });
  }

  /// No row came yet: the one group without keys exists all the same.
  status emit_empty_group(collector& out) {
    if (!global_ || !owns_global() || core_->table().size() != 0) return {};
    note_new(core_->global_row());
    WEIR_TRY(emit_changes(out));
    core_->end_batch();
    return {};
  }

  // ---- results as they change ----

  void note_new(uint32_t id) { note(id, core_->table().row(id), false); }
  void note(uint32_t id, uint64_t* row, bool existed) {
    row_table::set_mark(row, true);
    const uint64_t* values = row + core_->value_word();
    touched_.push_back(id);
    existed_.push_back(existed && present(values));
    old_values_.insert(old_values_.end(), values, values + core_->layout().value_words);
  }
  void note_touched(const group_run& run) {
    for (uint32_t i : *run.added)
      if (!row_table::marked(run.rows[i])) note(run.ids[i], run.rows[i], false);
    for (size_t i = 0; i < run.n; ++i)
      if (!row_table::marked(run.rows[i])) note(run.ids[i], run.rows[i], true);
  }

  status emit_changes(collector& out) {
    auto& table = core_->table();
    const size_t value_words = core_->layout().value_words;
    for (auto& m : core_->multisets())
      if (m)
        for (uint32_t id : touched_) m->refresh(table, id);
    for (size_t begin = 0; begin < touched_.size(); begin += batch_rows_target / 2) {
      const size_t n = std::min<size_t>(touched_.size() - begin, batch_rows_target / 2);
      change_output changes(output_, *context_.memory);
      for (size_t i = begin; i < begin + n; ++i) {
        const uint64_t* row = table.row(touched_[i]);
        const uint64_t* now = row + core_->value_word();
        // Without calls there are no values; a group that was there is still one.
        const uint64_t* old = value_words ? old_values_.data() + i * value_words : now;
        changes.add(row, existed_[i] ? old : nullptr, present(now) ? now : nullptr);
      }
      WEIR_TRY(changes.emit(*core_, out));
    }
    for (uint32_t id : touched_) {
      uint64_t* row = table.row(id);
      row_table::set_mark(row, false);
      if (core_->weighted() && !global_) erase_empty(id);
    }
    touched_.clear();
    existed_.clear();
    old_values_.clear();
    return {};
  }

  // ---- results at the end ----

  void note_windows(const group_run& run) {
    if (!windows_) return;
    for (uint32_t i : *run.added) windows_->add(run.ids[i], run.rows[i]);
  }

  status emit_rows(std::span<const uint32_t> ids, collector& out) {
    auto& table = core_->table();
    std::vector<const uint64_t*> rows, values;
    rows.reserve(ids.size());
    for (uint32_t id : ids) {
      const uint64_t* row = table.row(id);
      if (!present(row + core_->value_word())) continue;
      for (auto& m : core_->multisets())
        if (m) m->refresh(table, id);
      rows.push_back(row);
      values.push_back(row + core_->value_word());
    }
    if (rows.empty()) return {};
    std::vector<column_ptr> columns;
    for (size_t k = 0; k < core_->codec().size(); ++k)
      columns.push_back(core_->codec().decode(k, rows.data(), rows.size(), *context_.memory));
    for (const auto& a : core_->calls()) {
      WEIR_ASSIGN(auto c, finish(a, values.data(), values.size(), *context_.memory));
      columns.push_back(std::move(c));
    }
    out.emit(make_batch(output_, std::move(columns), {}, static_cast<uint32_t>(rows.size())));
    return {};
  }

  /// A group that nothing is left of. One of no rows may still hold some that came and others that
  /// were taken back before they come.
  void erase_empty(uint32_t id) {
    const uint64_t* values = core_->table().row(id) + core_->value_word();
    if (aggregate_core::weight(values) != 0) return;
    for (size_t i = 0; i < core_->calls().size(); ++i) {
      const auto& a = core_->calls()[i];
      const auto& m = core_->multisets()[i];
      if (a.multiset ? m && !m->empty(id) : !holds_nothing(a, values)) return;
    }
    core_->table().erase(id);
  }
  void erase_group(uint32_t id) {
    for (auto& m : core_->multisets())
      if (m) m->drop_group(id);
    core_->table().erase(id);
  }

  aggregate_spec spec_;
  schema_ptr output_;
  std::unique_ptr<aggregate_core> core_;
  late_rows late_;
  state_expiry expiry_;
  bool expires_, changes_, global_;
  operator_context context_;

  std::vector<uint32_t> touched_;  // groups that the batch at hand touched
  std::vector<uint8_t> existed_;
  std::vector<uint64_t> old_values_;

  std::optional<window_index> windows_;
  uint32_t window_column_ = 0;
  group_progress progress_;
  std::vector<uint32_t> leaving_;  // groups of closed windows, on their way out
  size_t leaving_at_ = 0;
  bool final_ = false;  // the whole table is on its way out
  uint32_t cursor_ = 0;
  std::vector<uint32_t> ids_;
};

}  // namespace

// In aggregate_partial.cpp and aggregate_slices.cpp.
result<operator_ptr> make_partial_aggregate(const aggregate_spec&, const schema_ptr& input,
                                            schema_ptr output);
result<operator_ptr> make_sliced_aggregate(const aggregate_spec&, const schema_ptr& input,
                                           schema_ptr output);

result<operator_ptr> make_aggregate(const aggregate_spec& s, const schema_ptr& input,
                                    schema_ptr output, int64_t ttl_us) {
  if (s.stage == aggregate_spec::phase::partial)
    return make_partial_aggregate(s, input, std::move(output));
  WEIR_ASSIGN(auto wanted, aggregate_output_schema(s, *input));
  if (wanted->size() != output->size())
    return error(errc::type_mismatch, "an aggregate's output is its keys and one column per call");
  if (s.window_end_key && (*s.window_end_key >= s.keys.size() ||
                           input->fields[s.keys[*s.window_end_key]].type.id != type_id::timestamp))
    return error(errc::invalid_argument, "the window's end is no timestamp among the keys");
  if (s.windows) return make_sliced_aggregate(s, input, std::move(output));
  WEIR_ASSIGN(auto core, aggregate_core::make(s, input, ttl_us > 0));
  return operator_ptr(new aggregate_operator(s, std::move(output), std::move(core), ttl_us));
}

}  // namespace weir
