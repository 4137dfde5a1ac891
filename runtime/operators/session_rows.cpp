// Sessions of rows: holds rows until the watermark closes their session, then gives them with its
// bounds, each session once, in order of ends. Rows may be taken back meanwhile, which may end a
// session sooner or make two of one; what leaves stays. Which rows are late follows the same rules
// as for aggregates over sessions (session_index.hpp); since a key's sessions are a gap apart, the
// end of the last one that closed tells.
#include <absl/container/btree_set.h>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/group_progress.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/plan/windows.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

constexpr std::string_view rows_state = "rows", keys_state = "keys";
// Roughly what a btree_set of such entries takes per entry.
constexpr size_t entry_bytes = 24;

class session_rows final : public stream_operator {
 public:
  session_rows(const window_spec& s, schema_ptr output) : spec_(s), output_(std::move(output)) {}

  status plan(const schema& input) {
    std::vector<data_type> all, keys;
    for (const auto& f : input.fields) all.push_back(f.type);
    for (uint32_t k : spec_.keys) keys.push_back(input.fields[k].type);
    auto codec = key_codec::make(std::move(all), row_layout_);
    if (!codec) return codec.err().at("sessions of rows hold whole rows");
    row_codec_ = std::move(*codec);
    WEIR_ASSIGN(key_codec_, key_codec::make(std::move(keys), key_layout_));
    key_of_ = key_projection(row_codec_, spec_.keys, key_codec_, {}, true);
    row_layout_.add_value(type_id::int64);  // how often the row is there
    key_layout_.add_value(type_id::int64);  // whether a session of the key has closed
    key_layout_.add_value(type_id::int64);  // and the last such one's end
    time_word_ = 1 + row_codec_.word_of(spec_.time_column);
    time_null_ = row_codec_.null_of(spec_.time_column);
    return {};
  }

  status open(const operator_context& c) override {
    context_ = c;
    progress_.open(c.groups);
    table_.emplace(row_layout_, c.memory);
    keys_.emplace(key_layout_, c.memory);
    charge_ = state_charge(c.memory);
    row_words_.resize(1 + row_layout_.key_words);
    key_words_.resize(1 + key_layout_.key_words);
    return {};
  }

  status restore(const snapshot_reader& in) override {
    WEIR_TRY(table_->restore(in, rows_state, context_.groups));
    WEIR_TRY(keys_->restore(in, keys_state, context_.groups));
    WEIR_TRY(progress_.restore(in));
    status bad;
    table_->for_each([&](uint32_t id) {
      const uint64_t* row = table_->row(id);
      if (!has_time(row)) return;
      const uint32_t key = find_key(row);
      if (key == row_table::none)
        bad = error(errc::corrupt, "state \"rows\" has rows of a key that is missing");
      else
        enter(key, id);
    });
    keys_->for_each([&](uint32_t key) {
      if (const auto* v = keys_->value(key); v[0])
        due_.insert({static_cast<timestamp_us>(v[1]) + gap(), key});
    });
    end_batch();
    return bad;
  }

  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    const batch& b = *in;
    std::vector<column_ptr> keys;
    for (uint32_t k : spec_.keys) keys.push_back(b.columns[k]);
    const row_groups groups(b, spec_.keys, context_);
    for (uint32_t i = 0; i < b.rows; ++i) {
      const uint32_t r = b.row(i);
      row_codec_.encode(b.columns, &r, 1, row_words_.data());
      const uint32_t group = groups.of(i);
      uint32_t key = row_table::none;
      if (has_time(row_words_.data())) {
        key_codec_.encode(keys, &r, 1, key_words_.data());
        key = upsert(*keys_, key_words_.data(), group);
        if (late(key, time_of(row_words_.data()))) {
          if (context_.metrics) ++context_.metrics->late_rows;
          release(key);
          continue;
        }
      }
      add(key, group, b.weight(r));
    }
    end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (t <= progress_.oldest()) return {};
    closing_ = t;
    cursor_ = 0;
    return {};
  }

  result<bool> drain(collector& out) override {
    if (closing_ == watermark_none) return false;
    out_rows_.clear();
    bounds_.clear();
    while (!due_.empty() && due_.begin()->first <= closing_ &&
           out_rows_.size() < batch_rows_target) {
      const auto [time, key] = *due_.begin();
      due_.erase(due_.begin());
      if (keys_->alive(key)) close_until(key, time);
    }
    bool more = !due_.empty() && due_.begin()->first <= closing_;
    if (!more && closing_ == watermark_end) {
      for (; cursor_ < table_->rows_end() && out_rows_.size() < batch_rows_target; ++cursor_)
        if (table_->alive(cursor_) && !has_time(table_->row(cursor_))) take(cursor_, 0, 0);
      more = cursor_ < table_->rows_end();
    }
    if (!out_rows_.empty()) emit(out);
    for (uint32_t id : taken_) table_->erase(id);
    taken_.clear();
    end_batch();
    if (more) return true;
    progress_.advance(closing_);
    closing_ = watermark_none;
    return false;
  }

  status snapshot_begin(snapshot_writer& w) override {
    table_->snapshot_begin(w);
    keys_->snapshot_begin(w);
    progress_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    const bool done = table_->snapshot_continue(w, rows_state, budget) &&
                      keys_->snapshot_continue(w, keys_state, budget);
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    table_->on_epoch_complete(e);
    keys_->on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    table_->on_epoch_aborted(e);
    keys_->on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override {
    return table_->memory_bytes() + keys_->memory_bytes() + charge_.bytes();
  }

 private:
  struct entry {
    uint32_t key;
    timestamp_us time;
    uint32_t id;
    auto operator<=>(const entry&) const = default;
  };

  int64_t gap() const noexcept { return spec_.shape.size_us; }
  timestamp_us time_of(const uint64_t* row) const noexcept {
    return static_cast<timestamp_us>(row[time_word_]);
  }
  bool has_time(const uint64_t* row) const noexcept {
    const auto t = time_of(row);
    return !time_null_.is_set(row) && t > -window_time_max && t < window_time_max;
  }
  int64_t weight(uint32_t id) const noexcept {
    return static_cast<int64_t>(table_->row(id)[1 + row_layout_.key_words]);
  }

  uint32_t upsert(row_table& t, const uint64_t* key, uint32_t group) {
    uint32_t h, id;
    uint64_t* row;
    added_.clear();
    t.hash(key, 1, &h);
    t.upsert(key, &h, 1, &id, &row, added_);
    if (added_.empty()) return id;
    row_table::set_group(row, group);
    t.touch(id);
    return id;
  }
  /// The key of a state row.
  uint32_t find_key(const uint64_t* row) {
    key_of_(row, key_words_.data());
    uint32_t h;
    keys_->hash(key_words_.data(), 1, &h);
    return keys_->find(key_words_.data(), h);
  }

  /// The row of a key before a time that is there, not a gap away from it.
  const entry* before(uint32_t key, timestamp_us t) const {
    for (auto it = rows_.lower_bound({key, t + 1, 0}); it != rows_.begin();) {
      --it;
      if (it->key != key || it->time + gap() <= t) break;
      if (weight(it->id) > 0) return &*it;
    }
    return nullptr;
  }
  bool late(uint32_t key, timestamp_us t) const {
    const uint64_t* closed = keys_->row(key) + 1 + key_layout_.key_words;
    if (closed[0] && t < static_cast<timestamp_us>(closed[1])) return true;
    const auto watermark = progress_.of(row_table::group(keys_->row(key)));
    return watermark != watermark_none && t + gap() <= watermark && !before(key, t);
  }
  void enter(uint32_t key, uint32_t id) {
    const auto t = time_of(table_->row(id));
    rows_.insert({key, t, id});
    due_.insert({t + gap(), key});
  }

  /// Adds the row in row_words_ as often as it says.
  void add(uint32_t key, uint32_t group, int32_t times) {
    const uint32_t id = upsert(*table_, row_words_.data(), group);
    const bool fresh = !added_.empty();
    table_->touch(id);
    uint64_t& w = table_->value(id)[0];
    w += static_cast<uint64_t>(int64_t{times});
    if (key == row_table::none) {
      if (w == 0) table_->erase(id);
      return;
    }
    if (fresh) enter(key, id);
    if (static_cast<int64_t>(w) > 0) return;
    // A row is gone: what was before it may end a session now.
    const auto t = time_of(table_->row(id));
    if (const auto* e = before(key, t)) due_.insert({e->time + gap(), key});
    if (w != 0) return;
    rows_.erase({key, t, id});
    table_->erase(id);
    release(key);
  }

  /// Gives the sessions of a key that end up to t. At their own end, so that they come in order.
  void close_until(uint32_t key, timestamp_us t) {
    for (;;) {
      auto first = rows_.lower_bound({key, INT64_MIN, 0});
      // Rows of which more was taken back than there was, until they are too old to come.
      while (first != rows_.end() && first->key == key && weight(first->id) <= 0 &&
             first->time + gap() <= t) {
        table_->erase(first->id);
        first = rows_.erase(first);
      }
      while (first != rows_.end() && first->key == key && weight(first->id) <= 0) ++first;
      if (first == rows_.end() || first->key != key) break;
      auto end = first;
      timestamp_us last = first->time;
      for (; end != rows_.end() && end->key == key && end->time < last + gap(); ++end)
        if (weight(end->id) > 0) last = end->time;
      if (last + gap() > t) break;
      for (auto it = first; it != end; ++it) take(it->id, first->time, last + gap());
      rows_.erase(first, end);
      keys_->touch(key);
      keys_->value(key)[0] = 1;
      keys_->value(key)[1] = static_cast<uint64_t>(last + gap());
      due_.insert({last + 2 * gap(), key});
    }
    const auto* closed = keys_->value(key);
    if (closed[0] && static_cast<timestamp_us>(closed[1]) + gap() <= t) {
      keys_->touch(key);
      keys_->value(key)[0] = 0;
    }
    release(key);
  }
  /// Forgets a key of which nothing is left.
  void release(uint32_t key) {
    if (keys_->value(key)[0]) return;
    auto it = rows_.lower_bound({key, INT64_MIN, 0});
    if (it == rows_.end() || it->key != key) keys_->erase(key);
  }

  void take(uint32_t id, timestamp_us start, timestamp_us end) {
    for (int64_t n = weight(id); n > 0; --n) {
      out_rows_.push_back(table_->row(id));
      bounds_.emplace_back(start, end);
    }
    taken_.push_back(id);
  }

  void emit(collector& out) {
    const size_t n = out_rows_.size();
    std::vector<column_ptr> columns;
    for (size_t c = 0; c < row_codec_.size(); ++c)
      columns.push_back(row_codec_.decode(c, out_rows_.data(), n, *context_.memory));
    word_column start(type_id::timestamp, n, *context_.memory);
    word_column end(type_id::timestamp, n, *context_.memory);
    for (size_t i = 0; i < n; ++i) {
      if (!has_time(out_rows_[i])) {
        start.set_null(i);
        end.set_null(i);
        continue;
      }
      const auto s = static_cast<uint64_t>(bounds_[i].first);
      const auto e = static_cast<uint64_t>(bounds_[i].second);
      start.set(i, &s);
      end.set(i, &e);
    }
    columns.push_back(start.finish());
    columns.push_back(end.finish());
    out.emit(make_batch(output_, std::move(columns), {}, static_cast<uint32_t>(n)));
  }

  void end_batch() {
    table_->end_batch();
    keys_->end_batch();
    charge_.set((rows_.size() + due_.size()) * entry_bytes);
  }

  window_spec spec_;
  schema_ptr output_;
  row_layout row_layout_, key_layout_;
  key_codec row_codec_, key_codec_;
  key_projection key_of_;
  uint32_t time_word_ = 0;
  null_bit time_null_;
  operator_context context_;
  std::optional<row_table> table_, keys_;
  group_progress progress_;

  // Derived from the state.
  absl::btree_set<entry> rows_;  // those with a time
  /// When to look at keys: the ends that sessions may have, and when what has closed is forgotten.
  absl::btree_set<std::pair<timestamp_us, uint32_t>> due_;
  state_charge charge_;

  timestamp_us closing_ = watermark_none;
  uint32_t cursor_ = 0;
  std::vector<const uint64_t*> out_rows_;
  std::vector<std::pair<timestamp_us, timestamp_us>> bounds_;
  std::vector<uint32_t> taken_;
  std::vector<uint64_t> row_words_, key_words_;
  std::vector<uint32_t> added_;
};

}  // namespace

result<operator_ptr> make_session_rows(const window_spec& s, const schema_ptr& input,
                                       schema_ptr output) {
  for (uint32_t k : s.keys)
    if (k >= input->size())
      return error(errc::invalid_argument, "key column " + std::to_string(k) + " does not exist");
  auto made = std::make_unique<session_rows>(s, std::move(output));
  WEIR_TRY(made->plan(*input));
  return operator_ptr(std::move(made));
}

}  // namespace weir
