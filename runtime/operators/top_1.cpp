// top_n with one row per partition over rows that are only appended (DISTINCT ON, ROW_NUMBER() =
// 1): a table from the partition's key to the other columns, which are packed, and their sort word.
// A batch's rows compete among themselves first, so that a key is written once per batch.
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
constexpr uint32_t word_at = 0;  // the sort word within the value; the packed row follows
constexpr uint32_t run_max = 512;

/// A schema's columns, those of the partition apart.
struct split_columns {
  std::vector<uint32_t> keys, values;
  std::vector<uint32_t> place;  // of each column: in keys, or keys.size() + in values
};

class top_1_operator final : public stream_operator {
 public:
  top_1_operator(const top_n_spec& s, const schema& rows, schema_ptr output, split_columns columns,
                 key_codec keys, key_codec values, const row_layout& of_values, row_layout layout,
                 int64_t ttl_us)
      : columns_(std::move(columns)),
        key_codec_(std::move(keys)),
        value_codec_(std::move(values)),
        packer_(of_values, value_codec_.first_words()),
        layout_(std::move(layout)),
        output_(std::move(output)),
        with_number_(s.with_number),
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
    one_.resize(3 * value_stride_);
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
      bad = packer_.check(table_->packed(row), texts_);
      if (!bad.ok()) return;
      scratch_.clear();
      row[1 + layout_.key_words + word_at] = order_.word(unpack(row, one_.data()));
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
    if (!winners_.empty()) replace(b, out);
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
  /// The best row of the batch for a key, as long as it is better than what is there.
  struct winner {
    uint64_t word;
    uint32_t id, row;  // of the table; physical row of the batch
    bool fresh;        // nothing was there
  };

  void end_batch() {
    table_->end_batch();
    scratch_.clear();
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
    // A row that does not win touches its key all the same.
    table_->refresh(ids_, n);
    order_.words(value_columns_, at_, n, words_);
    std::fill_n(added_at_, n, false);
    for (uint32_t i : added_) added_at_[i] = true;  // in no order: keys may share a hash
    for (uint32_t i = 0; i < n; ++i) {
      const bool fresh = added_at_[i];
      // Until the batch is done, a marked row's sort word is the place of its winner instead.
      uint64_t& there = rows_[i][1 + layout_.key_words + word_at];
      if (row_table::marked(rows_[i])) {
        auto& w = winners_[there];
        if (words_[i] > w.word || (words_[i] == w.word && !better(at_[i], w.row))) continue;
        w.word = words_[i];
        w.row = at_[i];
        continue;
      }
      if (!fresh) {
        if (words_[i] > there) continue;
        if (words_[i] == there) {
          encode_one(at_[i], one_.data());
          const auto* other = unpack(rows_[i], one_.data() + 2 * value_stride_);
          if (order_.compare(one_.data(), other) >= 0) continue;
        }
      }
      there = winners_.size();
      row_table::set_mark(rows_[i], true);
      winners_.push_back({words_[i], ids_[i], at_[i], fresh});
    }
  }

  /// What stands in the column by which keys end.
  std::optional<timestamp_us> end_of(uint32_t id) {
    const auto* row = table_->row(id);
    const auto* part = end_is_key_ ? row : unpack(row, one_.data());
    if (end_null_.is_set(part)) return {};
    return static_cast<timestamp_us>(part[end_word_]);
  }
  void note_end(uint32_t id) {
    if (const auto end = end_of(id)) ends_.add(id, *end);
  }

  /// The values of a row, whose texts stay as long as the batch.
  const uint64_t* unpack(const uint64_t* row, uint64_t* to) {
    packer_.unpack(table_->packed(row), texts_, scratch_, to);
    return to;
  }
  void encode_one(uint32_t row, uint64_t* to) const {
    value_codec_.encode(value_columns_, &row, 1, to);
  }
  bool better(uint32_t row, uint32_t other) {
    encode_one(row, one_.data());
    encode_one(other, one_.data() + value_stride_);
    return order_.compare(one_.data(), one_.data() + value_stride_) < 0;
  }

  /// The winners take the places of what was there, which leaves.
  void replace(const batch& b, collector& out) {
    const size_t words = value_stride_;
    old_.resize(winners_.size() * words);
    new_.resize(winners_.size() * words);
    by_row_.assign((b.physical_rows + 63) / 64, 0);
    winner_at_.resize(b.physical_rows);
    ids_to_touch_.clear();
    for (uint32_t i = 0; i < winners_.size(); ++i) {
      const auto& w = winners_[i];
      by_row_[w.row >> 6] |= uint64_t{1} << (w.row & 63);
      winner_at_[w.row] = i;
      ids_to_touch_.push_back(w.id);
      if (!w.fresh) unpack(table_->row(w.id), &old_[i * words]);
    }
    table_->touch(ids_to_touch_.data(), ids_to_touch_.size());
    // Rows are encoded in their order in the batch.
    uint32_t n = 0;
    for (size_t block = 0; block < by_row_.size(); ++block)
      for (uint64_t bits = by_row_[block]; bits != 0; bits &= bits - 1) {
        at_[n++] =
            static_cast<uint32_t>(block * 64) + static_cast<uint32_t>(std::countr_zero(bits));
        if (n == run_max) store(std::exchange(n, 0));
      }
    if (n != 0) store(n);
    if (ends_.on())
      for (const auto& w : winners_)
        if (w.fresh) note_end(w.id);
    emit(out);
    winners_.clear();
  }

  void store(uint32_t n) {
    n = n == 0 ? run_max : n;
    value_codec_.encode(value_columns_, at_, n, encoded_.data());
    for (uint32_t i = 0; i < n; ++i) {
      const uint64_t* from = &encoded_[i * value_stride_];
      const uint32_t place = winner_at_[at_[i]];
      auto* row = table_->row(winners_[place].id);
      row_table::set_mark(row, false);
      row[1 + layout_.key_words + word_at] = winners_[place].word;
      table_->set_packed(row, packer_.pack(from, texts_));
      std::memcpy(&new_[place * value_stride_], from, 8 * value_stride_);
    }
  }

  void emit(collector& out) {
    auto& memory = *context_.memory;
    for (size_t begin = 0; begin < winners_.size(); begin += batch_rows_target / 2) {
      const size_t end = std::min<size_t>(winners_.size(), begin + batch_rows_target / 2);
      keys_out_.clear();
      values_out_.clear();
      weights_out_.clear();
      bool changes = false;
      for (size_t i = begin; i < end; ++i) {
        const auto* row = table_->row(winners_[i].id);
        for (bool after : {false, true}) {
          if (!after && winners_[i].fresh) continue;
          keys_out_.push_back(row);
          values_out_.push_back(&(after ? new_ : old_)[i * value_stride_]);
          weights_out_.push_back(after ? 1 : -1);
          changes |= !after;
        }
      }
      const size_t n = keys_out_.size();
      std::vector<column_ptr> made;
      for (auto place : columns_.place)
        made.push_back(
            place < columns_.keys.size()
                ? key_codec_.decode(place, keys_out_.data(), n, memory)
                : value_codec_.decode(place - columns_.keys.size(), values_out_.data(), n, memory));
      if (with_number_) {
        auto ones = std::make_shared<column>();
        ones->type = type_id::int64;
        ones->length = static_cast<uint32_t>(n);
        ones->values = buffer::allocate(memory, 8 * n);
        std::fill_n(ones->values.mutable_as<int64_t>(), n, 1);
        made.push_back(std::move(ones));
      }
      buffer_ref weights;
      if (changes) weights = buffer::copy(memory, std::as_bytes(std::span(weights_out_)));
      out.emit(make_batch(output_, std::move(made), std::move(weights), static_cast<uint32_t>(n)));
    }
  }

  const split_columns columns_;
  const key_codec key_codec_, value_codec_;
  row_packer packer_;        // of what value_codec_ encodes
  const row_layout layout_;  // value: the sort word, which snapshots leave out, and the packed row
  const schema_ptr output_;
  const bool with_number_;
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

  row_scratch scratch_;
  std::vector<winner> winners_;
  std::vector<column_ptr> key_columns_, value_columns_;
  std::vector<uint64_t> encoded_, one_, old_, new_, by_row_;
  std::vector<uint32_t> added_, winner_at_, ids_to_touch_;
  uint32_t at_[run_max], key_hashes_[run_max], ids_[run_max];
  uint64_t words_[run_max];
  bool added_at_[run_max];  // of the run: its key was new
  uint64_t* rows_[run_max];
  std::vector<const uint64_t*> keys_out_, values_out_;
  std::vector<int32_t> weights_out_;
};

}  // namespace

result<operator_ptr> make_top_1(const top_n_spec& s, const schema_ptr& input, schema_ptr output,
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
  layout.transient.push_back(word_at);
  layout.add_packed();
  if (ttl_us > 0) layout.add_stamp();
  WEIR_ASSIGN(auto value_codec, key_codec::make(std::move(values), of_values));
  return operator_ptr(new top_1_operator(s, *input, std::move(output), std::move(columns),
                                         std::move(key_codec), std::move(value_codec), of_values,
                                         std::move(layout), ttl_us));
}

}  // namespace weir
