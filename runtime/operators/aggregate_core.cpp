#include "runtime/operators/aggregate_core.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/row_errors.hpp"

namespace weir {

namespace {

/// The argument as it is evaluated: not for rows that the FILTER keeps out, which may be those that
/// it could not be computed for.
expr::node_ptr guarded(const aggregate_call& c) {
  if (!c.argument || !c.filter || c.argument->kind != expr::node_kind::call) return c.argument;
  const auto& type = c.argument->type;
  return expr::make_call("case", type,
                         {c.filter, c.argument, expr::make_literal(scalar::of_null(type))},
                         c.argument->location);
}

}  // namespace

result<std::unique_ptr<aggregate_core>> aggregate_core::make(const aggregate_spec& s,
                                                             const schema_ptr& input,
                                                             bool expires) {
  using phase = aggregate_spec::phase;
  auto core = std::make_unique<aggregate_core>();
  core->spec_ = s;
  core->input_ = input;
  core->weighted_ = s.input_has_changes;
  const bool shrinks = partial_shrinks(s);
  core->merge_ = s.stage == phase::merge && shrinks;
  core->raw_merge_ = s.stage == phase::merge && !shrinks;

  std::vector<data_type> key_types;
  for (uint32_t k : s.keys) {
    if (k >= input->size())
      return error(errc::invalid_argument, "key column " + std::to_string(k) + " does not exist");
    key_types.push_back(input->fields[k].type);
  }
  // Slices of one key stay together. Pre-aggregation is in no snapshot and needs no key groups.
  if (s.stage != phase::partial)
    for (uint32_t k = 0; k < s.keys.size(); ++k)
      if (!s.windows || s.window_end_key != k) core->hash_columns_.push_back(s.keys[k]);
  WEIR_ASSIGN(core->codec_, key_codec::make(std::move(key_types), core->layout_));
  // Value word 0: the group's total weight.
  if (core->weighted_) core->layout_.add_value(type_id::int64);
  for (const auto& c : s.calls) {
    const bool in_parts = s.windows || s.stage == aggregate_spec::phase::partial;
    WEIR_ASSIGN(auto a, accumulator::make(c, s.input_has_changes, core->layout_, in_parts));
    core->calls_.push_back(std::move(a));
  }
  core->only_counts_ = !core->weighted_ && s.stage != phase::merge && !s.calls.empty();
  for (size_t i = 0; i < s.calls.size(); ++i)
    core->only_counts_ = core->only_counts_ && !s.calls[i].filter &&
                         core->calls_[i].function == aggregate_function::count_star;
  // Groups whose values are kept beside them have numbers.
  if (!expires && !s.windows && !s.window_end_key && s.stage != phase::partial)
    for (const auto& a : core->calls_)
      if (a.kind == accumulator_kind::distinct && !a.weighted && core->number_word_ == 0)
        core->number_word_ = 1 + core->layout_.key_words + core->layout_.add_value(type_id::int64);
  if (expires) core->layout_.add_stamp();

  std::vector<expr::node_ptr> roots;
  for (const auto& c : s.calls) {
    const bool evaluated = s.stage != phase::merge;
    auto add = [&](const expr::node_ptr& e, std::vector<int>& where) {
      where.push_back(evaluated && e ? static_cast<int>(roots.size()) : -1);
      if (evaluated && e) roots.push_back(e);
    };
    add(guarded(c), core->argument_root_);
    add(c.filter, core->filter_root_);
  }
  if (!roots.empty()) {
    WEIR_ASSIGN(auto p, expr::program::compile(std::move(roots), input));
    core->program_.emplace(std::move(p));
  }
  size_t expected = s.keys.size() + (core->merge_ && core->weighted_ ? 1 : 0);
  for (const auto& a : core->calls_) expected += core->raw_merge_ ? 1 : a.partial_types().size();
  if (s.stage == phase::merge && input->size() != expected)
    return error(errc::type_mismatch, "a merging aggregate has " + std::to_string(input->size()) +
                                          " input columns, not the " + std::to_string(expected) +
                                          " of its partial stage");
  return core;
}

void aggregate_core::open(const operator_context& c) {
  context_ = c;
  memory_ = c.memory;
  key_groups_ = c.key_groups;
  table_.emplace(layout_, memory_);
  make_multisets();
  call_inputs_.resize(calls_.size());
  encoded_.resize(run_max * (1 + layout_.key_words));
  for (auto* v : {&at_, &key_hashes_, &ids_, &some_at_, &some_ids_}) v->resize(run_max);
  rows_.resize(run_max);
  some_rows_.resize(run_max);
}

void aggregate_core::find_rows_by(row_finder f) {
  finder_ = std::move(f);
  table_->leave_index();
}

/// count(DISTINCT x) with several filters keeps each x once.
void aggregate_core::make_multisets() {
  const size_t n = calls_.size();
  multisets_.resize(n);
  places_.resize(n);
  if (spec_.stage == aggregate_spec::phase::partial) return;
  const bool ordered = spec_.window_end_key || spec_.windows || layout_.stamped;
  uint32_t slots_of_next = 0;
  auto shares = [&](size_t i, size_t k) {
    const auto &x = spec_.calls[i].argument, &y = spec_.calls[k].argument;
    return !ordered && slots_of_next < value_multiset::presence_slots_max && calls_[k].multiset &&
           calls_[i].kind == accumulator_kind::distinct &&
           calls_[k].kind == accumulator_kind::distinct && x && y && expr::same_tree(*x, *y);
  };
  for (size_t i = 0; i < n; ++i) {
    if (!calls_[i].multiset || places_[i].values) continue;
    auto& slots = slots_of_next = 1;
    std::vector<size_t> others;
    for (size_t k = i + 1; k < n; ++k) {
      if (places_[k].values || !shares(i, k)) continue;
      places_[k].slot = slots++;
      others.push_back(k);
    }
    multisets_[i] = std::make_unique<value_multiset>(
        calls_[i], layout_, "values/" + std::to_string(i), ordered, slots, memory_);
    places_[i].values = multisets_[i].get();
    if (places_[i].values->presence_only()) {
      weir_assert(number_word_ != 0, "groups without numbers");
      places_[i].values->use_presence(*table_, number_word_, &next_number_);
    }
    for (auto k : others) places_[k].values = multisets_[i].get();
  }
}

status aggregate_core::check_weights(const batch& b) const {
  if (weighted_ || !b.weights) return {};
  for (uint32_t i = 0; i < b.rows; ++i)
    if (b.weight(b.row(i)) <= 0)
      return error(errc::internal,
                   "a row was retracted although the plan says that its input only appends");
  return {};
}

result<batch_ptr> aggregate_core::prepare(const batch_ptr& in) {
  const batch& b = *in;
  WEIR_TRY(check_weights(b));
  hashes_ = {};
  narrowed_.reset();
  keys_.clear();
  for (uint32_t k : spec_.keys) keys_.push_back(b.columns[k]);
  if (spec_.stage == aggregate_spec::phase::merge) {
    size_t at = keys_.size();
    if (merge_ && weighted_) row_counts_ = b.columns[at++];
    for (size_t i = 0; i < calls_.size(); ++i) {
      auto& c = call_inputs_[i];
      c.partial.clear();
      const size_t n = raw_merge_ ? 1 : calls_[i].partial_types().size();
      for (size_t k = 0; k < n; ++k) c.partial.push_back(flatten(b.columns[at++], *memory_));
      // NULLs of values are taken out like those of arguments.
      c.argument = raw_merge_ || calls_[i].partial_is_raw() ? c.partial[0].get() : nullptr;
    }
    return in;
  }
  if (!program_) return in;
  WEIR_TRY(program_->evaluate(b, *memory_, evaluated_, &errors_));
  for (auto& c : evaluated_)
    if (c->dictionary && !is_varlen(c->type.id)) c = flatten(c, *memory_);
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (argument_root_[i] >= 0)
      call_inputs_[i].argument = evaluated_[static_cast<size_t>(argument_root_[i])].get();
    if (filter_root_[i] >= 0)
      call_inputs_[i].filter = evaluated_[static_cast<size_t>(filter_root_[i])].get();
  }
  return without_rejected(context_, in, errors_);
}

/// Of the n keys in encoded_.
void aggregate_core::upsert(size_t n, uint32_t* ids, uint64_t** rows) {
  added_.clear();
  if (finder_) return finder_(encoded_.data(), n, ids, rows, added_);
  table_->hash(encoded_.data(), n, key_hashes_.data());
  table_->upsert(encoded_.data(), key_hashes_.data(), n, ids, rows, added_);
}

status aggregate_core::lookup(const batch& b, size_t begin, size_t n, group_run& run) {
  if (b.selection) {
    std::memcpy(at_.data(), b.selection.as<uint32_t>() + begin, n * 4);
  } else {
    for (size_t i = 0; i < n; ++i) at_[i] = static_cast<uint32_t>(begin + i);
  }
  codec_.encode(keys_, at_.data(), n, encoded_.data());
  upsert(n, ids_.data(), rows_.data());
  if (!added_.empty() && !hash_columns_.empty()) {
    if (!hashes_) hashes_ = hash_keys(b, hash_columns_, *memory_);
    const auto* h = hashes_.as<uint64_t>() + begin;
    for (uint32_t i : added_) row_table::set_group(rows_[i], group_of_hash(h[i], key_groups_));
  }
  run = {n, at_.data(), ids_.data(), rows_.data(), &added_};
  return {};
}

bool aggregate_core::count_batch(const batch& b) {
  if (!counts_rows(b)) return false;
  narrowed_ = narrow_.number(b, keys_, true);
  return *narrowed_;
}

/// The groups of all keys of the batch.
void aggregate_core::lookup_narrow(const batch& b) {
  const auto& at = narrow_.first_at();
  key_ids_.resize(at.size());
  key_rows_.resize(at.size());
  new_keys_.clear();
  next_new_key_ = 0;
  for (size_t begin = 0; begin < at.size(); begin += run_max) {
    const size_t n = std::min(run_max, at.size() - begin);
    codec_.encode(keys_, at.data() + begin, n, encoded_.data());
    upsert(n, &key_ids_[begin], &key_rows_[begin]);
    for (uint32_t i : added_) new_keys_.push_back(static_cast<uint32_t>(begin) + i);
  }
  // Keys that share a hash are added behind the others.
  if (!std::is_sorted(new_keys_.begin(), new_keys_.end()))
    std::sort(new_keys_.begin(), new_keys_.end());
  if (new_keys_.empty() || hash_columns_.empty()) return;
  std::vector<uint32_t> rows;
  for (uint32_t k : new_keys_) rows.push_back(at[k]);
  const auto some =
      with_selection(b, buffer::copy(*memory_, std::as_bytes(std::span<const uint32_t>(rows))),
                     static_cast<uint32_t>(rows.size()));
  const auto hashes = hash_keys(*some, hash_columns_, *memory_);
  const auto* h = hashes.as<uint64_t>();
  for (size_t i = 0; i < rows.size(); ++i)
    row_table::set_group(key_rows_[new_keys_[i]], group_of_hash(h[i], key_groups_));
}

void aggregate_core::narrow_run(const batch& b, size_t begin, size_t n, group_run& run) {
  const uint32_t* numbers = narrow_.numbers().data() + begin;
  for (size_t i = 0; i < n; ++i) {
    at_[i] = b.row(static_cast<uint32_t>(begin + i));
    ids_[i] = key_ids_[numbers[i]];
    rows_[i] = key_rows_[numbers[i]];
  }
  added_.clear();
  for (; next_new_key_ < new_keys_.size(); ++next_new_key_) {
    const uint32_t row = narrow_.first_rows()[new_keys_[next_new_key_]];
    if (row >= begin + n) break;
    added_.push_back(static_cast<uint32_t>(row - begin));
  }
  run = {n, at_.data(), ids_.data(), rows_.data(), &added_};
}

status aggregate_core::add_call(size_t i, const group_run& run, const int32_t* weights,
                                uint32_t value_word) {
  const auto& a = calls_[i];
  const column* argument = call_inputs_[i].argument;
  const column* filter = call_inputs_[i].filter;
  accumulator_input in{run.rows, run.at, run.n, weights, value_word};
  const uint32_t* ids = run.ids;
  const bool nulls = argument && argument->validity;
  if (nulls || filter) {
    const auto* pass = filter ? filter->data<uint8_t>() : nullptr;
    size_t n = 0;
    for (size_t k = 0; k < run.n; ++k) {
      const uint32_t r = run.at[k];
      some_at_[n] = r;
      some_rows_[n] = run.rows[k];
      if (ids) some_ids_[n] = ids[k];
      bool in_it = !nulls || argument->is_valid(r);
      if (pass) in_it = in_it && pass[r] && filter->is_valid(r);
      n += in_it;
    }
    if (n == 0) return {};
    in.rows = some_rows_.data();
    in.at = some_at_.data();
    in.n = n;
    if (ids) ids = some_ids_.data();
  }
  if (i < places_.size() && places_[i].values) {
    places_[i].values->add(a, places_[i].slot, in, ids, *argument);
    return {};
  }
  if (merge_) return merge_partial(a, *table_, in, call_inputs_[i].partial);
  return accumulate(a, *table_, in, argument);
}

/// Call i and those that share its values: one lookup where all of them read one column.
void aggregate_core::add_presence(size_t i, const group_run& run, uint32_t value_word) {
  const auto* values = places_[i].values;
  const column* argument = call_inputs_[i].argument;
  slots_.assign(run.n, 0);
  counts_.clear();
  std::vector<size_t> apart;
  for (size_t k = i; k < calls_.size(); ++k) {
    if (places_[k].values != values) continue;
    counts_.push_back(value_word + calls_[k].at);
    if (call_inputs_[k].argument != argument) {
      apart.push_back(k);
      continue;
    }
    mark_slots(k, run);
  }
  add_slots(i, run, value_word);
  for (size_t k : apart) {
    slots_.assign(run.n, 0);
    mark_slots(k, run);
    add_slots(k, run, value_word);
  }
}

/// The rows that a call's FILTER lets through and that have a value.
void aggregate_core::mark_slots(size_t i, const group_run& run) {
  const column* argument = call_inputs_[i].argument;
  const column* filter = call_inputs_[i].filter;
  const auto* pass = filter ? filter->data<uint8_t>() : nullptr;
  const uint32_t bit = uint32_t{1} << places_[i].slot;
  for (size_t k = 0; k < run.n; ++k) {
    const uint32_t r = run.at[k];
    bool in_it = !argument->validity || argument->is_valid(r);
    if (pass) in_it = in_it && pass[r] && filter->is_valid(r);
    slots_[k] |= in_it ? bit : 0;
  }
}

void aggregate_core::add_slots(size_t i, const group_run& run, uint32_t value_word) {
  size_t n = 0;
  for (size_t k = 0; k < run.n; ++k) {
    some_at_[n] = run.at[k];
    some_rows_[n] = run.rows[k];
    some_ids_[n] = run.ids[k];
    slots_[n] = slots_[k];
    n += slots_[n] != 0;
  }
  if (n == 0) return;
  places_[i].values->add_presence({some_rows_.data(), some_at_.data(), n, nullptr, value_word},
                                  some_ids_.data(), slots_.data(), counts_.data(),
                                  *call_inputs_[i].argument);
}

status aggregate_core::add_run(const batch& b, const group_run& run) {
  // Pre-aggregation is in no snapshot.
  if (spec_.stage != aggregate_spec::phase::partial) table_->touch(run.ids, run.n);
  const int32_t* weights = b.weights ? b.weights.as<int32_t>() : nullptr;
  const uint32_t word = value_word();
  if (weighted_) {
    const int64_t* counts = merge_ ? row_counts_->data<int64_t>() : nullptr;
    for (size_t i = 0; i < run.n; ++i) {
      const uint32_t r = run.at[i];
      const int64_t w = (weights ? weights[r] : 1) * (counts ? counts[r] : 1);
      run.rows[i][word] += static_cast<uint64_t>(w);
    }
  }
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (i < places_.size() && places_[i].values && places_[i].values->presence_only()) {
      if (places_[i].slot == 0) add_presence(i, run, word);
      continue;
    }
    auto done = add_call(i, run, weights, word);
    if (!done) return done.err().at("aggregate \"" + spec_.calls[i].name + "\"");
  }
  return {};
}

uint32_t aggregate_core::global_row() {
  encoded_[0] = 0;
  upsert(1, ids_.data(), rows_.data());
  table_->touch(ids_[0]);
  return ids_[0];
}

void aggregate_core::end_batch() {
  table_->end_batch();
  for (auto& m : multisets_)
    if (m) m->end_batch();
}

void aggregate_core::snapshot_begin(snapshot_writer& w) {
  table_->snapshot_begin(w);
  for (auto& m : multisets_)
    if (m) m->snapshot_begin(w);
}

bool aggregate_core::snapshot_continue(snapshot_writer& w, std::string_view name, size_t budget) {
  bool done = table_->snapshot_continue(w, name, budget);
  for (auto& m : multisets_)
    if (m) done = done && m->snapshot_continue(w, budget);
  return done;
}

void aggregate_core::on_epoch_complete(epoch e) {
  table_->on_epoch_complete(e);
  for (auto& m : multisets_)
    if (m) m->on_epoch_complete(e);
}

void aggregate_core::on_epoch_aborted(epoch e) {
  table_->on_epoch_aborted(e);
  for (auto& m : multisets_)
    if (m) m->on_epoch_aborted(e);
}

size_t aggregate_core::memory_bytes() const noexcept {
  size_t n = table_->memory_bytes();
  for (const auto& m : multisets_)
    if (m) n += m->memory_bytes();
  return n;
}

}  // namespace weir
