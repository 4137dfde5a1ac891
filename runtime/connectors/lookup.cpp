// Joins rows with a table as it is when they come (plan.hpp: lookup_spec). The table is read on the
// io_executor (lookup_table.hpp); rows wait for the first reading, and what later ones make of it
// takes its place between batches. Owned by one task.
#include <algorithm>
#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/base/units.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/connectors/io_lane.hpp"
#include "runtime/connectors/lookup_table.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/row_errors.hpp"

namespace weir {
namespace {

constexpr uint32_t none = loaded_table::none;
// How often a task looks whether a reading is done that it does not wait for, or that failed.
constexpr timestamp_us look_again_us = 10'000;
// Pairs whose condition is asked at once, and after which a batch leaves.
constexpr size_t pairs_max = batch_rows_target;

class lookup_operator final : public stream_operator {
 public:
  lookup_operator(lookup_spec s, schema_ptr input, schema_ptr output, key_codec codec,
                  row_layout layout, std::optional<expr::program> condition, schema_ptr pair_type)
      : spec_(std::move(s)),
        input_type_(std::move(input)),
        output_(std::move(output)),
        codec_(std::move(codec)),
        hasher_(std::move(layout), nullptr),
        condition_(std::move(condition)),
        pair_type_(std::move(pair_type)),
        semi_(spec_.kind == join_kind::semi),
        anti_(spec_.kind == join_kind::anti) {}

  status open(const operator_context& c) override {
    context_ = c;
    weir_assert(c.io && c.files && c.time && c.set_processing_timer, "a lookup needs its context");
    lane_ = std::make_unique<io_lane>(*c.io, c.wake);
    loader_ = std::make_shared<lookup_loader>(spec_, c);
    start_reading();
    c.set_processing_timer(c.time->now() + look_again_us);
    return {};
  }

  bool blocked() const override {
    // What failed is said by the next call.
    auto* self = const_cast<lookup_operator*>(this);
    auto there = self->take_reading();
    return there.ok() && !table_;
  }

  status on_processing_time(timestamp_us t, collector&) override {
    WEIR_TRY(take_reading());
    if (reading_ && waits_) read_on();
    if (!reading_ && spec_.cache_us > 0 && t >= read_again_at_) start_reading();
    if (reading_)
      context_.set_processing_timer(t + look_again_us);
    else if (spec_.cache_us > 0)
      context_.set_processing_timer(read_again_at_);
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    WEIR_TRY(take_reading());
    input_ = in;
    begin_ = 0;
    return {};
  }

  result<bool> drain(collector& out) override {
    if (!input_) return false;
    WEIR_TRY(take_reading());
    // Only rows that were in flight before a restart come before the first reading is done.
    if (!table_) return true;
    WEIR_TRY(join_some(out));
    if (begin_ < input_->rows || partner_ != none) return true;
    input_.reset();
    return false;
  }

  size_t state_bytes() const override {
    return table_ ? table_->index->memory_bytes() + table_->next.size() * 4 : 0;
  }
  status close() override {
    lane_.reset();
    if (loader_) loader_->close();
    return {};
  }

 private:
  // ---- reading the table ----

  void start_reading() {
    reading_ = true;
    started_at_ = context_.time->now();
    read_on();
  }
  void read_on() {
    result_ = std::make_shared<table_ptr>();
    waits_ = false;
    ticket_ = lane_->submit([loader = loader_, out = result_]() -> status {
      auto made = loader->read();
      if (!made) return made.err().at("the table that is looked up");
      *out = std::move(*made);
      return {};
    });
  }

  /// Takes a table over that is read.
  status take_reading() {
    if (!reading_ || waits_) return {};
    WEIR_ASSIGN(const bool done, lane_->done(ticket_));
    if (!done || input_) return {};  // one batch sees one table
    waits_ = !*result_;
    if (waits_) return {};
    table_ = std::move(*result_);
    reading_ = false;
    read_again_at_ = started_at_ + spec_.cache_us;
    if (spec_.cache_us == 0) std::exchange(loader_, nullptr)->close();
    return {};
  }

  // ---- joining ----

  /// Pairs of the next rows, until a batch is full.
  status join_some(collector& out) {
    left_.clear();
    right_.clear();
    while (begin_ < input_->rows && left_.size() < pairs_max) {
      if (partner_ == none && !started_) look_up();
      if (!add_pairs()) break;
    }
    if (condition_) WEIR_TRY(ask());
    return emit(out);
  }

  /// The first partner of row begin_.
  void look_up() {
    const uint32_t row = input_->row(begin_);
    started_ = true;
    if (spec_.keys.empty()) {
      partner_ = table_->count > 0 ? 0 : none;
      return;
    }
    key_.resize(1 + codec_.words());
    key_columns_.clear();
    for (auto k : spec_.keys) key_columns_.push_back(input_->columns[k]);
    codec_.encode(key_columns_, &row, 1, key_.data());
    if (matches_nothing(key_.data(), codec_, spec_.null_safe)) return;
    uint32_t hash;
    hasher_.hash(key_.data(), 1, &hash);
    partner_ = table_->first(key_.data(), hash);
  }
  uint32_t next_of(uint32_t row) const {
    if (!spec_.keys.empty()) return table_->next[row];
    return row + 1 < table_->count ? row + 1 : none;
  }

  /// Adds what row begin_ has left; false: the batch is full first.
  bool add_pairs() {
    const uint32_t row = input_->row(begin_);
    for (; partner_ != none; partner_ = next_of(partner_)) {
      if (left_.size() >= pairs_max) return false;
      left_.push_back(row);
      right_.push_back(partner_);
    }
    // What has no partner, or is the last word on the row, stands behind its pairs.
    left_.push_back(row);
    right_.push_back(table_->count);
    started_ = false;
    ++begin_;
    return true;
  }

  /// Which pairs the condition accepts; the marks behind each row's pairs stay.
  status ask() {
    std::vector<uint32_t> l, r, at;
    for (size_t i = 0; i < left_.size(); ++i)
      if (right_[i] != table_->count) {
        l.push_back(left_[i]);
        r.push_back(right_[i]);
        at.push_back(static_cast<uint32_t>(i));
      }
    accepted_.assign(left_.size(), 1);
    if (l.empty()) return {};
    std::vector<column_ptr> columns;
    for (auto c : spec_.condition_columns) columns.push_back(pair_column(c, l, r));
    const auto n = static_cast<uint32_t>(l.size());
    auto pairs = make_batch(pair_type_, std::move(columns), {}, n);
    buffer_ref selection;
    uint32_t rows = 0;
    std::vector<expr::row_error> errors;
    WEIR_TRY(condition_->filter(*pairs, *context_.memory, selection, rows, &errors));
    WEIR_TRY(reject_rows(context_, *pairs, errors));
    if (rows == n) return {};
    for (auto i : at) accepted_[i] = 0;
    for (uint32_t i = 0; i < rows; ++i) accepted_[at[selection.as<uint32_t>()[i]]] = 1;
    return {};
  }

  column_ptr pair_column(uint32_t c, const std::vector<uint32_t>& left,
                         const std::vector<uint32_t>& right) {
    const auto lefts = static_cast<uint32_t>(input_type_->size());
    return c < lefts ? gather(*input_->columns[c], left, *context_.memory)
                     : gather(*table_->rows->columns[c - lefts], right, *context_.memory);
  }

  status emit(collector& out) {
    size_t n = 0;
    for (size_t i = 0; i < left_.size(); ++i) {
      const bool end = right_[i] == table_->count;
      const bool pair = !end && (!condition_ || accepted_[i]);
      bool given = pair && !semi_ && !anti_;
      if (end) {
        given = semi_ ? matched_of_row_ : !matched_of_row_ && (anti_ || is_outer());
        matched_of_row_ = false;
      } else {
        matched_of_row_ |= pair;
      }
      left_[n] = left_[i];
      right_[n] = right_[i];
      n += given;
    }
    left_.resize(n);
    right_.resize(n);
    if (n == 0) return {};
    std::vector<column_ptr> columns;
    for (auto c : spec_.output) columns.push_back(pair_column(c, left_, right_));
    buffer_ref weights;
    if (input_->weights) {
      weights = buffer::allocate(*context_.memory, n * 4);
      for (size_t i = 0; i < n; ++i) weights.mutable_as<int32_t>()[i] = input_->weight(left_[i]);
    }
    out.emit(make_batch(output_, std::move(columns), std::move(weights), static_cast<uint32_t>(n)));
    return {};
  }
  bool is_outer() const { return spec_.kind == join_kind::left; }

  const lookup_spec spec_;
  const schema_ptr input_type_, output_;
  const key_codec codec_;
  const row_table hasher_;  // for the hash of keys alone
  std::optional<expr::program> condition_;
  const schema_ptr pair_type_;
  const bool semi_, anti_;
  operator_context context_;

  std::shared_ptr<lookup_loader> loader_;
  std::unique_ptr<io_lane> lane_;
  table_ptr table_;
  std::shared_ptr<table_ptr> result_;  // of the reading under way
  bool reading_ = false;
  bool waits_ = false;  // for rows that are on their way; the timer asks again
  uint64_t ticket_ = 0;
  timestamp_us started_at_ = 0, read_again_at_ = 0;

  // The batch at hand.
  batch_ptr input_;
  uint32_t begin_ = 0;           // logical row
  uint32_t partner_ = none;      // of row begin_, that is to be added next
  bool started_ = false;         // row begin_ was looked up
  bool matched_of_row_ = false;  // a pair of the row at hand was accepted, perhaps in another batch
  std::vector<uint32_t> left_, right_;  // physical rows; right = count: the end of a row's pairs
  std::vector<uint8_t> accepted_;
  std::vector<uint64_t> key_;
  std::vector<column_ptr> key_columns_;
};

}  // namespace

result<std::unique_ptr<stream_operator>> make_lookup(const lookup_spec& s, const schema_ptr& input,
                                                     schema_ptr output) {
  row_layout layout;
  std::vector<data_type> types;
  for (auto k : s.keys) types.push_back(input->fields[k].type);
  WEIR_ASSIGN(auto codec, key_codec::make(std::move(types), layout));
  std::optional<expr::program> condition;
  auto pair_type = std::make_shared<schema>();
  if (s.condition) {
    for (auto c : s.condition_columns)
      pair_type->fields.push_back(c < input->size() ? input->fields[c]
                                                    : s.rows->fields[c - input->size()]);
    WEIR_ASSIGN(auto p, expr::program::compile({s.condition}, pair_type));
    condition.emplace(std::move(p));
  }
  return std::unique_ptr<stream_operator>(
      new lookup_operator(s, input, std::move(output), std::move(codec), std::move(layout),
                          std::move(condition), std::move(pair_type)));
}

}  // namespace weir
