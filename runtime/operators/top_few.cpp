// top_n with few rows per partition over rows that are only appended (DISTINCT ON, ROW_NUMBER() <=
// n): a table from the partition's key to the other columns of its rows, packed beside each other
// in their order. A batch's rows compete among themselves first, so that a key is written once per
// batch.
#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/key_ends.hpp"
#include "runtime/operators/row_order.hpp"
#include "runtime/operators/state_expiry.hpp"
#include "runtime/state/packed_row.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

constexpr std::string_view first_state = "first";
constexpr std::string_view texts_state = "texts";
// Within the value, the packed rows follow: the sort word beyond which a row is none of the first,
// that of the last one, or the largest word while there are fewer than are kept.
constexpr uint32_t bound_at = 0;
constexpr uint64_t no_bound = UINT64_MAX;
constexpr uint32_t run_max = 512;
// Rows that are unpacked at a time, some MiB.
constexpr size_t unpacked_max = 4 * batch_rows_target;

/// A schema's columns, those of the partition apart.
struct split_columns {
  std::vector<uint32_t> keys, values;
  std::vector<uint32_t> place;  // of each column: in keys, or keys.size() + in values
};

/// Rows beside each other have their sizes in front: u16, or 0xffff and u32. The form is part of
/// the snapshot format.
constexpr uint16_t far_size = 0xffff;

void put_row(std::vector<char>& to, std::string_view row) {
  auto put = [&to](const auto& v) {
    const auto* p = reinterpret_cast<const char*>(&v);
    to.insert(to.end(), p, p + sizeof v);
  };
  if (row.size() < far_size) {
    put(static_cast<uint16_t>(row.size()));
  } else {
    put(far_size);
    put(static_cast<uint32_t>(row.size()));
  }
  to.insert(to.end(), row.begin(), row.end());
}
/// Takes one from the front; nothing: damaged.
std::optional<std::string_view> take_row(std::string_view& from) {
  auto take = [&from](auto& v) {
    if (from.size() < sizeof v) return false;
    std::memcpy(&v, from.data(), sizeof v);
    from.remove_prefix(sizeof v);
    return true;
  };
  uint16_t near;
  if (!take(near)) return {};
  uint32_t n = near;
  if (near == far_size && !take(n)) return {};
  if (n > from.size()) return {};
  const auto row = from.substr(0, n);
  from.remove_prefix(n);
  return row;
}

class top_few_operator final : public stream_operator {
 public:
  top_few_operator(const top_n_spec& s, const schema& rows, schema_ptr output,
                   split_columns columns, key_codec keys, key_codec values,
                   const row_layout& of_values, row_layout layout, int64_t ttl_us)
      : columns_(std::move(columns)),
        key_codec_(std::move(keys)),
        value_codec_(std::move(values)),
        packer_(of_values, value_codec_.first_words()),
        layout_(std::move(layout)),
        output_(std::move(output)),
        with_number_(s.with_number),
        offset_(static_cast<uint32_t>(s.offset)),
        keep_(static_cast<uint32_t>(s.offset + s.limit)),
        expiry_(ttl_us),
        ends_(s.time_column, s.retain_us) {
    schema value_columns;
    std::vector<order_term> terms;
    for (auto c : columns_.values) value_columns.fields.push_back(rows.fields[c]);
    for (auto t : s.order) {
      const auto keys_size = static_cast<uint32_t>(columns_.keys.size());
      if (columns_.place[t.column] < keys_size) continue;  // equal within a partition
      t.column = columns_.place[t.column] - keys_size;
      terms.push_back(t);
    }
    order_ = row_order(terms, value_columns, value_codec_);
    if (s.time_column) {
      const auto place = columns_.place[*s.time_column];
      const auto keys_size = static_cast<uint32_t>(columns_.keys.size());
      end_is_key_ = place < keys_size;
      end_word_ =
          1 + (end_is_key_ ? key_codec_.word_of(place) : value_codec_.word_of(place - keys_size));
      end_null_ = end_is_key_ ? key_codec_.null_of(place) : value_codec_.null_of(place - keys_size);
    }
    value_stride_ = 1 + value_codec_.words();
    encoded_.resize(run_max * (1 + std::max(key_codec_.words(), value_codec_.words())));
    one_.resize(2 * value_stride_);
  }

  status open(const operator_context& c) override {
    context_ = c;
    ends_.open(c.groups);
    table_.emplace(layout_, c.memory);
    texts_.open(c.subtask, c.parallelism, c.key_groups);
    charge_ = state_charge(c.memory);
    expiry_.open(c, {&*table_});
    return {};
  }
  status restore(const snapshot_reader& in) override {
    WEIR_TRY(texts_.restore(in));
    WEIR_TRY(table_->restore(in, first_state, context_.groups));
    WEIR_TRY(ends_.restore(in));
    status bad;
    table_->for_each([&](uint32_t id) {
      if (!bad.ok()) return;
      auto* row = table_->row(id);
      bad = check(table_->packed(row));
      if (!bad.ok()) return;
      scratch_.clear();
      unpack(row);
      bound_of(row) = before_.size() == keep_ ? order_.word(before_.back().words) : no_bound;
      if (ends_.on()) note_end(id);
    });
    return bad;
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    const auto kept = ends_.keep(in, columns_.keys, context_);
    const batch& b = *kept;
    expiry_.begin_batch();
    key_columns_.clear();
    value_columns_.clear();
    for (auto c : columns_.keys) key_columns_.push_back(b.columns[c]);
    for (auto c : columns_.values) value_columns_.push_back(b.columns[c]);
    packer_.begin_batch(value_columns_);
    buffer_ref hashes;
    for (uint32_t begin = 0; begin < b.rows; begin += run_max)
      compete(b, begin, std::min<uint32_t>(run_max, b.rows - begin), hashes);
    if (!touched_.empty()) replace(b, out);
    end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    ends_.advance(t, [this](uint32_t id) {
      if (!table_->alive(id)) return;
      if (const auto end = end_of(id); end && ends_.over(*end, row_table::group(table_->row(id))))
        table_->erase(id);
    });
    end_batch();
    return {};
  }

  status on_processing_time(timestamp_us t, collector&) override {
    expiry_.on_time(t, [this](size_t& budget) {
      const bool done = expiry_.sweep(0, budget, [this](uint32_t id) { table_->erase(id); });
      table_->end_batch();
      return done;
    });
    return {};
  }

  status snapshot_begin(snapshot_writer& w) override {
    texts_.snapshot(w);
    table_->snapshot_begin(w);
    ends_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    bool done = table_->snapshot_continue(w, first_state, budget);
    // A slice need not fill a chunk, and then nothing tells the task that there is more to do.
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    table_->on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    table_->on_epoch_aborted(e);
    texts_.on_epoch_aborted();
    return {};
  }
  size_t state_bytes() const override { return table_->memory_bytes() + charge_.bytes(); }

 private:
  /// A row of the batch that may be among the first.
  struct candidate {
    uint64_t word;
    uint32_t row;  // physical
  };
  /// A key that the batch may change, with the best of its rows in their order.
  struct touched {
    uint64_t bound;  // what its row had
    uint32_t id;
    uint32_t size = 0, capacity = 0;
    candidate* rows = nullptr;  // in candidates_
    bool fresh;                 // nothing was there
  };
  /// A row that is kept.
  struct kept_row {
    std::string_view bytes;  // packed
    const uint64_t* words;
  };
  /// One that stands when the batch is done.
  struct standing_row {
    const uint64_t* words;
    uint64_t word;
    std::string_view bytes;  // none: a row of the batch
    uint32_t row = 0;        // of the batch, physical
  };

  uint64_t& bound_of(uint64_t* row) const { return row[1 + layout_.key_words + bound_at]; }

  void end_batch() {
    table_->end_batch();
    scratch_.clear();
    candidates_.clear();
    charge_.set(ends_.memory_bytes() + texts_.memory_bytes());
  }

  void compete(const batch& b, uint32_t begin, uint32_t n, buffer_ref& hashes) {
    for (uint32_t i = 0; i < n; ++i) at_[i] = b.row(begin + i);
    key_codec_.encode(key_columns_, at_, n, encoded_.data());
    table_->hash(encoded_.data(), n, key_hashes_);
    added_.clear();
    table_->upsert(encoded_.data(), key_hashes_, n, ids_, rows_, added_);
    if (!added_.empty()) {
      if (!hashes) hashes = hash_keys(b, columns_.keys, *context_.memory);
      const auto* h = hashes.as<uint64_t>() + begin;
      for (uint32_t i : added_)
        row_table::set_group(rows_[i], group_of_hash(h[i], context_.key_groups));
    }
    // A row that is none of the first touches its key all the same.
    table_->refresh(ids_, n);
    order_.words(value_columns_, at_, n, words_);
    std::fill_n(added_at_, n, false);
    for (uint32_t i : added_) added_at_[i] = true;  // in no order: keys may share a hash
    for (uint32_t i = 0; i < n; ++i) {
      // Until the batch is done, a marked row has its place among the touched ones as its bound.
      uint64_t& there = bound_of(rows_[i]);
      if (!row_table::marked(rows_[i])) {
        if (added_at_[i]) there = no_bound;
        if (words_[i] > there) continue;
        row_table::set_mark(rows_[i], true);
        touched_.push_back({.bound = there, .id = ids_[i], .fresh = added_at_[i]});
        there = touched_.size() - 1;
      }
      auto& t = touched_[there];
      if (words_[i] > t.bound) continue;
      // A row that came several times is that many rows.
      for (int32_t w = b.weights ? b.weight(at_[i]) : 1; w > 0 && enter(t, words_[i], at_[i]);) --w;
    }
  }

  /// False: as many as are kept are better, or the same row.
  bool enter(touched& t, uint64_t word, uint32_t row) {
    auto before = [&](const candidate& c) {
      return c.word != word ? c.word < word : !better(row, c.row);
    };
    if (t.size == keep_) {
      if (before(t.rows[t.size - 1])) return false;
      --t.size;
    }
    const auto at =
        static_cast<uint32_t>(std::partition_point(t.rows, t.rows + t.size, before) - t.rows);
    if (t.size == t.capacity) {
      t.capacity = std::min(std::max(4u, 2 * t.capacity), keep_);
      auto* more = reinterpret_cast<candidate*>(candidates_.take(t.capacity * sizeof(candidate)));
      std::copy_n(t.rows, t.size, more);
      t.rows = more;
    }
    std::copy_backward(t.rows + at, t.rows + t.size, t.rows + t.size + 1);
    t.rows[at] = {word, row};
    ++t.size;
    return true;
  }
  bool better(uint32_t row, uint32_t other) {
    if (row == other) return false;
    encode_one(row, one_.data());
    encode_one(other, one_.data() + value_stride_);
    return order_.compare(one_.data(), one_.data() + value_stride_) < 0;
  }
  void encode_one(uint32_t row, uint64_t* to) const {
    value_codec_.encode(value_columns_, &row, 1, to);
  }

  /// What stands in the column by which keys end.
  std::optional<timestamp_us> end_of(uint32_t id) {
    const auto* row = table_->row(id);
    const uint64_t* part = row;
    if (!end_is_key_) {
      auto packed = table_->packed(row);
      part = unpack(*take(packed));
    }
    if (end_null_.is_set(part)) return {};
    return static_cast<timestamp_us>(part[end_word_]);
  }
  void note_end(uint32_t id) {
    if (const auto end = end_of(id)) ends_.add(id, *end);
  }

  // Where one row is kept there is nothing beside it.
  std::optional<std::string_view> take(std::string_view& from) const {
    return keep_ == 1 ? std::exchange(from, {}) : take_row(from);
  }
  void put(std::string_view packed_row) {
    if (keep_ == 1)
      packed_.assign(packed_row.begin(), packed_row.end());
    else
      put_row(packed_, packed_row);
  }
  /// Bytes from outside.
  status check(std::string_view packed) const {
    uint32_t n = 0;
    do {
      const auto row = take(packed);
      if (!row || ++n > keep_)
        return {errc::corrupt, "the snapshot has packed rows that do not fit"};
      WEIR_TRY(packer_.check(*row, texts_));
    } while (!packed.empty());
    return {};
  }
  /// The values of a row, which stay until flush().
  const uint64_t* unpack(std::string_view packed_row) {
    uint64_t* words = scratch_.words(value_stride_);
    packer_.unpack(packed_row, texts_, scratch_, words);
    return words;
  }
  /// All rows of a key, into before_.
  void unpack(const uint64_t* row) {
    before_.clear();
    for (auto packed = table_->packed(row); !packed.empty();) {
      const auto one = *take(packed);
      before_.push_back({one, unpack(one)});
    }
    unpacked_ += before_.size();
  }

  /// The batch's best rows take their places among what was there.
  void replace(const batch& b, collector& out) {
    encode_candidates(b);
    constexpr size_t ahead = 8;
    unpacked_ = 0;
    for (size_t i = 0; i < touched_.size(); ++i) {
      if (i + ahead < touched_.size())
        __builtin_prefetch(table_->packed(table_->row(touched_[i + ahead].id)).data());
      const auto& t = touched_[i];
      auto* row = table_->row(t.id);
      if (unpacked_ > unpacked_max) flush(out);
      before_.clear();
      if (!t.fresh) unpack(row);
      row_table::set_mark(row, false);
      bound_of(row) = t.bound;
      if (!merge(t)) continue;
      table_->touch(t.id);
      bound_of(row) = after_.size() == keep_ ? after_.back().word : no_bound;
      packed_.clear();
      for (const auto& r : after_)
        put(r.bytes.data() ? r.bytes : packer_.pack(r.words, r.row, texts_));
      table_->set_packed(row, {packed_.data(), packed_.size()});
      if (t.fresh && ends_.on()) note_end(t.id);
      emit_changes(row);
      if (keys_out_.size() + 2 * keep_ > batch_rows_target) flush(out);
    }
    flush(out);
    touched_.clear();
  }

  /// The words of the candidates, once each and in their order in the batch.
  void encode_candidates(const batch& b) {
    by_row_.assign((b.physical_rows + 63) / 64, 0);
    for (const auto& t : touched_)
      for (uint32_t i = 0; i < t.size; ++i) {
        const uint32_t row = t.rows[i].row;
        by_row_[row >> 6] |= uint64_t{1} << (row & 63);
      }
    rows_at_.clear();
    words_of_.resize(b.physical_rows);
    for (size_t block = 0; block < by_row_.size(); ++block)
      for (uint64_t bits = by_row_[block]; bits != 0; bits &= bits - 1) {
        const auto row =
            static_cast<uint32_t>(block * 64) + static_cast<uint32_t>(std::countr_zero(bits));
        words_of_[row] = static_cast<uint32_t>(rows_at_.size());
        rows_at_.push_back(row);
      }
    encoded_rows_.resize(rows_at_.size() * value_stride_);
    for (size_t at = 0; at < rows_at_.size(); at += run_max)
      value_codec_.encode(value_columns_, &rows_at_[at],
                          std::min<size_t>(run_max, rows_at_.size() - at),
                          &encoded_rows_[at * value_stride_]);
  }

  /// What was there and the candidates to after_. False: nothing changes.
  bool merge(const touched& t) {
    after_.clear();
    bool changed = false;
    uint32_t o = 0, c = 0;
    while (after_.size() < keep_ && (o < before_.size() || c < t.size)) {
      const uint64_t* words = nullptr;
      if (c < t.size) words = &encoded_rows_[words_of_[t.rows[c].row] * value_stride_];
      if (o < before_.size()) {
        const auto& old = before_[o];
        const uint64_t word = order_.word(old.words);
        const bool first = !words || word < t.rows[c].word ||
                           (word == t.rows[c].word && order_.compare(old.words, words) <= 0);
        if (first) {
          after_.push_back({old.words, word, old.bytes, 0});
          ++o;
          continue;
        }
      }
      after_.push_back({words, t.rows[c].word, {}, t.rows[c].row});
      ++c;
      changed = true;
    }
    return changed;
  }

  /// How the windows differ, of which both stand in their order. What leaves goes first, so that
  /// whoever keeps rows by key sees a place free before it is taken.
  void emit_changes(const uint64_t* row) {
    entered_.clear();
    for (uint32_t o = offset_, n = offset_; o < before_.size() || n < after_.size();) {
      int c = 0;
      if (o >= before_.size() || n >= after_.size())
        c = o < before_.size() ? -1 : 1;
      else if (before_[o].words != after_[n].words)
        c = order_.compare(before_[o].words, after_[n].words);
      // Where rows are numbered, another one in the same place is a change of both.
      const bool both = c == 0 || (with_number_ && o < before_.size() && n < after_.size());
      if (c != 0 && (c < 0 || both)) add_out(row, before_[o].words, o, -1);
      if (c != 0 && (c > 0 || both)) entered_.push_back(n);
      o += c < 0 || both;
      n += c > 0 || both;
    }
    for (uint32_t place : entered_) add_out(row, after_[place].words, place, 1);
  }
  void add_out(const uint64_t* row, const uint64_t* words, uint32_t place, int32_t weight) {
    keys_out_.push_back(row);
    values_out_.push_back(words);
    if (with_number_) numbers_out_.push_back(int64_t{place} + 1);
    weights_out_.push_back(weight);
    some_leave_ |= weight < 0;
  }

  /// Emits what there is, and forgets the rows that were unpacked.
  void flush(collector& out) {
    if (!keys_out_.empty()) emit(out);
    scratch_.clear();
    unpacked_ = 0;
  }
  void emit(collector& out) {
    auto& memory = *context_.memory;
    const size_t n = keys_out_.size();
    std::vector<column_ptr> made;
    for (auto place : columns_.place)
      made.push_back(
          place < columns_.keys.size()
              ? key_codec_.decode(place, keys_out_.data(), n, memory)
              : value_codec_.decode(place - columns_.keys.size(), values_out_.data(), n, memory));
    if (with_number_) {
      auto numbers = std::make_shared<column>();
      numbers->type = type_id::int64;
      numbers->length = static_cast<uint32_t>(n);
      numbers->values = buffer::copy(memory, std::as_bytes(std::span(numbers_out_)));
      made.push_back(std::move(numbers));
    }
    buffer_ref weights;
    if (some_leave_) weights = buffer::copy(memory, std::as_bytes(std::span(weights_out_)));
    out.emit(make_batch(output_, std::move(made), std::move(weights), static_cast<uint32_t>(n)));
    keys_out_.clear();
    values_out_.clear();
    numbers_out_.clear();
    weights_out_.clear();
    some_leave_ = false;
  }

  const split_columns columns_;
  const key_codec key_codec_, value_codec_;
  row_packer packer_;        // of what value_codec_ encodes
  const row_layout layout_;  // value: the bound, which snapshots leave out, and the packed rows
  const schema_ptr output_;
  const bool with_number_;
  const uint32_t offset_, keep_;  // of `keep_` rows those behind the first `offset_` are emitted
  state_expiry expiry_;
  key_ends ends_;
  bool end_is_key_ = false;  // where the column stands by which they end: its word and NULL
  uint32_t end_word_ = 0;
  null_bit end_null_;
  row_order order_;  // of the values
  size_t value_stride_ = 0;
  operator_context context_;
  std::optional<row_table> table_;
  text_dictionary texts_{texts_state};
  state_charge charge_;

  // The batch at hand.
  row_scratch candidates_, scratch_;
  size_t unpacked_ = 0;  // rows in scratch_
  std::vector<touched> touched_;
  std::vector<column_ptr> key_columns_, value_columns_;
  std::vector<uint64_t> encoded_, one_, by_row_;
  std::vector<uint32_t> added_;
  uint32_t at_[run_max], key_hashes_[run_max], ids_[run_max];
  uint64_t words_[run_max];
  bool added_at_[run_max];  // of the run: its key was new
  uint64_t* rows_[run_max];
  std::vector<uint32_t> rows_at_, words_of_;  // candidates; by physical row their place in them
  std::vector<uint64_t> encoded_rows_;        // of rows_at_
  // The key at hand.
  std::vector<kept_row> before_;
  std::vector<standing_row> after_;
  std::vector<uint32_t> entered_;
  std::vector<char> packed_;
  // What is to be emitted.
  std::vector<const uint64_t*> keys_out_, values_out_;
  std::vector<int64_t> numbers_out_;
  std::vector<int32_t> weights_out_;
  bool some_leave_ = false;
};

}  // namespace

result<operator_ptr> make_top_few(const top_n_spec& s, const schema_ptr& input, schema_ptr output,
                                  int64_t ttl_us) {
  split_columns columns;
  std::vector<data_type> keys, values;
  columns.keys = s.keys;
  columns.place.resize(input->size(), UINT32_MAX);
  for (uint32_t k = 0; k < s.keys.size(); ++k) {
    columns.place[s.keys[k]] = k;
    keys.push_back(input->fields[s.keys[k]].type);
  }
  for (uint32_t c = 0; c < input->size(); ++c) {
    if (columns.place[c] != UINT32_MAX) continue;
    columns.place[c] = static_cast<uint32_t>(s.keys.size() + columns.values.size());
    columns.values.push_back(c);
    values.push_back(input->fields[c].type);
  }
  row_layout layout, of_values;
  WEIR_ASSIGN(auto key_codec, key_codec::make(std::move(keys), layout));
  layout.add_value(type_id::int64);
  layout.transient.push_back(bound_at);
  layout.add_packed();
  if (ttl_us > 0) layout.add_stamp();
  WEIR_ASSIGN(auto value_codec, key_codec::make(std::move(values), of_values));
  return operator_ptr(new top_few_operator(s, *input, std::move(output), std::move(columns),
                                           std::move(key_codec), std::move(value_codec), of_values,
                                           std::move(layout), ttl_us));
}

}  // namespace weir
