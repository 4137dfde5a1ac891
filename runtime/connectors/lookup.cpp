// Joins rows with a table as it is when they come (plan.hpp: lookup_spec). The table is read whole
// on the io_executor, into columns and an index over its keys; rows wait for the first reading, and
// later ones replace it between batches. Owned by one task.
#include <algorithm>
#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/base/units.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/connectors/io_lane.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/row_errors.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

constexpr uint32_t none = UINT32_MAX;
// How often a task looks whether a reading is done that it does not wait for, or that failed.
constexpr timestamp_us look_again_us = 10'000;
// Pairs whose condition is asked at once, and after which a batch leaves.
constexpr size_t pairs_max = batch_rows_target;
// A reader that has nothing this many times in a row, although it need not wait, never will.
constexpr size_t idle_polls_max = 1'000'000;
constexpr uint32_t encode_run = 512;

/// A table in memory; constant once it is made.
struct loaded_table {
  batch_ptr rows;                  // without selection; the last one is NULL in every column
  uint32_t count = 0;              // of rows that are there
  std::optional<row_table> index;  // key -> the first row, and
  std::vector<uint32_t> next;      // by row: the next of its key
  uint32_t first(const uint64_t* key, uint32_t hash) const {
    const uint32_t id = index->find(key, hash);
    return id == row_table::none ? none : static_cast<uint32_t>(*value(id));
  }
  uint64_t* value(uint32_t id) const { return const_cast<row_table&>(*index).value(id); }
};
using table_ptr = std::shared_ptr<const loaded_table>;

/// Whether a key has a NULL that equals nothing.
bool matches_nothing(uint64_t header, const std::vector<bool>& null_safe, size_t keys) {
  for (size_t k = 0; k < keys; ++k)
    if (header >> (32 + k) & 1 && !(k < null_safe.size() && null_safe[k])) return true;
  return false;
}

/// Reads the table; one reading, on whatever thread.
class table_loader {
 public:
  table_loader(const lookup_spec& s, const operator_context& c) : spec_(s), context_(c) {}

  result<table_ptr> load() {
    auto io = make_inline_executor();
    context_.io = io.get();
    context_.wake = [] {};
    context_.set_processing_timer = [](timestamp_us) {};
    std::vector<expr::node_ptr> columns = spec_.columns;
    WEIR_ASSIGN(auto compute, expr::program::compile(std::move(columns), spec_.table.columns));
    std::optional<expr::program> filter;
    if (spec_.filter) {
      WEIR_ASSIGN(auto p, expr::program::compile({spec_.filter}, spec_.table.columns));
      filter.emplace(std::move(p));
    }
    std::vector<batch_ptr> parts;
    auto keep = [&](const batch_ptr& in) -> status {
      batch_ptr kept = in;
      if (filter) {
        buffer_ref selection;
        uint32_t rows = 0;
        WEIR_TRY(filter->filter(*in, *context_.memory, selection, rows));
        if (rows == 0) return {};
        if (selection) kept = with_selection(*in, std::move(selection), rows);
      }
      std::vector<column_ptr> out;
      WEIR_TRY(compute.evaluate(*kept, *context_.memory, out));
      batch b;
      b.type = spec_.rows;
      b.columns = std::move(out);
      b.rows = kept->rows;
      b.physical_rows = kept->physical_rows;
      b.selection = kept->selection;
      parts.push_back(compact(std::make_shared<const batch>(std::move(b)), *context_.memory));
      return {};
    };
    WEIR_TRY(read(keep));
    return finish(std::move(parts));
  }

 private:
  template <class F>
  status read(F each) {
    WEIR_ASSIGN(auto enumerator, make_enumerator(spec_.table, *context_.files, 1));
    WEIR_ASSIGN(auto found, enumerator->discover());
    if (!found.bounded) return {errc::unsupported, "a table that never ends cannot be looked up"};
    WEIR_ASSIGN(auto reader, make_reader(spec_.table));
    WEIR_TRY(reader->open(context_));
    if (found.splits.empty()) return reader->close();
    for (auto& s : found.splits) WEIR_TRY(reader->add_split(std::move(s)));
    for (size_t idle = 0; idle < idle_polls_max;) {
      WEIR_ASSIGN(auto p, reader->poll(batch_rows_target));
      idle = p.rows || p.split_ended ? 0 : idle + 1;
      if (p.rows && p.rows->rows > 0) WEIR_TRY(each(p.rows));
      if (p.what == polled::state::finished) return reader->close();
    }
    return {errc::internal, "the table's reader waits for something"};
  }

  batch_ptr null_row() const {
    std::vector<column_ptr> columns;
    for (const auto& f : spec_.rows->fields) {
      column_builder b(f.type, *context_.memory);
      b.append_null();
      columns.push_back(b.finish());
    }
    return make_batch(spec_.rows, std::move(columns));
  }

  result<table_ptr> finish(std::vector<batch_ptr> parts) {
    auto t = std::make_shared<loaded_table>();
    parts.push_back(null_row());
    t->rows = concat(parts, *context_.memory);
    if (t->rows->rows >= none)
      return error(errc::unsupported, "the table has more than four billion rows");
    t->count = t->rows->rows - 1;
    row_layout layout;
    std::vector<data_type> types;
    std::vector<column_ptr> keys;
    for (auto k : spec_.table_keys) {
      types.push_back(spec_.rows->fields[k].type);
      keys.push_back(t->rows->columns[k]);
    }
    WEIR_ASSIGN(auto codec, key_codec::make(std::move(types), layout));
    layout.add_value(type_id::int64);
    t->index.emplace(layout, context_.memory);
    t->next.assign(t->count, none);
    add_keys(*t, codec, keys);
    t->index->end_batch();
    return table_ptr(std::move(t));
  }

  void add_keys(loaded_table& t, const key_codec& codec, const std::vector<column_ptr>& keys) {
    const size_t stride = 1 + codec.words();
    std::vector<uint64_t> encoded(encode_run * stride);
    uint32_t at[encode_run], hashes[encode_run], ids[encode_run];
    uint64_t* places[encode_run];
    std::vector<uint32_t> added;
    // From the end, so that rows of a key are found in the table's order.
    for (uint32_t end = t.count; end > 0;) {
      const uint32_t begin = end - std::min(end, encode_run), n = end - begin;
      for (uint32_t i = 0; i < n; ++i) at[i] = begin + i;
      codec.encode(keys, at, n, encoded.data());
      t.index->hash(encoded.data(), n, hashes);
      added.clear();
      t.index->upsert(encoded.data(), hashes, n, ids, places, added);
      std::vector<bool> fresh(n);
      for (uint32_t i : added) fresh[i] = true;
      for (uint32_t i = 0; i < n; ++i)
        if (fresh[i]) *t.value(ids[i]) = none;
      for (uint32_t i = n; i-- > 0;) {
        if (matches_nothing(encoded[i * stride], spec_.null_safe, keys.size())) continue;
        auto* first = t.value(ids[i]);
        t.next[begin + i] = static_cast<uint32_t>(*first);
        *first = begin + i;
      }
      end = begin;
    }
  }

  lookup_spec spec_;
  operator_context context_;
};

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
    return {};
  }

 private:
  // ---- reading the table ----

  void start_reading() {
    reading_ = true;
    result_ = std::make_shared<table_ptr>();
    ticket_ = lane_->submit([spec = spec_, context = context_, out = result_]() -> status {
      auto made = table_loader(spec, context).load();
      if (!made) return made.err().at("the table that is looked up");
      *out = std::move(*made);
      return {};
    });
    started_at_ = context_.time->now();
  }

  /// Takes a table over that is read.
  status take_reading() {
    if (!reading_) return {};
    WEIR_ASSIGN(const bool done, lane_->done(ticket_));
    if (!done || input_) return {};  // one batch sees one table
    table_ = std::move(*result_);
    reading_ = false;
    read_again_at_ = started_at_ + spec_.cache_us;
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
    if (matches_nothing(key_[0], spec_.null_safe, spec_.keys.size())) return;
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

  std::unique_ptr<io_lane> lane_;
  table_ptr table_;
  std::shared_ptr<table_ptr> result_;  // of the reading under way
  bool reading_ = false;
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
