#include "runtime/operators/join_state.hpp"

#include <cstring>

namespace weir {
namespace {

// Rows expire in groups, so that they need no place of their own in an order of time: they stay by
// one part in 64 of their lifetime longer, and at least by as much as is nothing to anybody.
constexpr int64_t lifetime_parts = 64;
constexpr int64_t lifetime_part_min_us = 100'000;
// Shorter spans would give rows of one key an entry of the index each.
constexpr int64_t span_min_us = 100'000;
// As often as all times of a row's partners are long: these are in two spans at most then, and for
// every other row in one, while what is looked at in vain stays few.
constexpr int64_t span_widths = 2;

constexpr std::string_view names[2] = {"left", "right"};

/// The width of spans of time by which partners are found: where the condition bounds their times
/// on both sides, since what a row's lifetime ends before is no partner of it. Nothing: rows are
/// found by key alone. What has one partner at most has few to look through.
std::optional<int64_t> span_width_us(const join_spec& s) {
  if (!s.condition || is_as_of(s.kind)) return {};
  for (const auto* side : {&s.left, &s.right})
    if (!side->time_column || side->ends_by_column || side->retain_us < 0 || side->one_partner)
      return {};
  int64_t both, out;
  if (__builtin_add_overflow(s.left.retain_us, s.right.retain_us, &both) ||
      __builtin_mul_overflow(both, span_widths, &out))
    return {};
  return std::max(span_min_us, out);
}

}  // namespace

result<std::unique_ptr<join_side_state>> join_side_state::make(const join_side& s,
                                                               const schema_ptr& in,
                                                               const key_codec& keys,
                                                               bool counts_matches, bool on_time,
                                                               bool expires) {
  auto out = std::make_unique<join_side_state>();
  out->side_ = s;
  std::vector<data_type> types;
  for (const auto& f : in->fields) types.push_back(f.type);
  WEIR_ASSIGN(out->codec_, key_codec::make(std::move(types), out->layout_));
  const uint32_t values = counts_matches ? 3 : 2;
  for (uint32_t i = 0; i < values; ++i) out->layout_.add_value(type_id::int64);
  out->layout_.transient.push_back(join_row::links);
  if (expires) out->layout_.add_stamp();
  out->null_row_.assign(out->stride(), 0);
  out->codec_.set_nulls(out->null_row_.data());
  out->key_of_ = key_projection(out->codec_, s.keys, keys, s.null_safe, false);
  if (s.time_column) {
    out->time_word_ = 1 + out->codec_.word_of(*s.time_column);
    out->time_null_ = out->codec_.null_of(*s.time_column);
    // Rows of one window end together.
    if (s.retain_us >= 0 && !on_time)
      out->lifetimes_ = row_lifetimes(std::max(lifetime_part_min_us, s.retain_us / lifetime_parts));
    if (const auto late = s.ends_by_column ? s.late_column : s.time_column) {
      out->late_word_ = 1 + out->codec_.word_of(*late);
      out->late_null_ = out->codec_.null_of(*late);
    }
  }
  return out;
}

void join_side_state::link(uint32_t id, join_key& key, int side) noexcept {
  const uint32_t head = key.first(side);
  values(rows_->row(id))[join_row::links] = uint64_t{head + 1} << 32;
  if (head != none) {
    auto& links = values(rows_->row(head))[join_row::links];
    links = (links & ~uint64_t{0xffff'ffff}) | (id + 1);
  }
  key.set_first(side, id);
}

void join_side_state::unlink(uint32_t id, join_key& key, int side) noexcept {
  const uint64_t links = values(rows_->row(id))[join_row::links];
  const auto before = static_cast<uint32_t>(links) - 1;
  const auto behind = static_cast<uint32_t>(links >> 32) - 1;
  if (before != none) {
    auto& l = values(rows_->row(before))[join_row::links];
    l = (l & 0xffff'ffff) | uint64_t{behind + 1} << 32;
  } else {
    key.set_first(side, behind);
  }
  if (behind != none) {
    auto& l = values(rows_->row(behind))[join_row::links];
    l = (l & ~uint64_t{0xffff'ffff}) | (before + 1);
  }
}

std::pair<timestamp_us, timestamp_us> join_side_state::partner_times(
    const uint64_t* row) const noexcept {
  const auto t = time_of(row);
  timestamp_us first, last;
  if (__builtin_sub_overflow(t, spans_->before_us, &first)) first = INT64_MIN;
  if (__builtin_add_overflow(t, spans_->after_us, &last)) last = INT64_MAX;
  return {first, last};
}

std::optional<timestamp_us> join_side_state::last_use(const uint64_t* row) const noexcept {
  if (time_null_.is_set(row)) return {};
  return last_use_of(time_of(row), side_.retain_us);
}

bool join_side_state::is_late(const uint64_t* row, timestamp_us watermark) const noexcept {
  if (!late_word_ || late_null_.is_set(row) || watermark == watermark_none) return false;
  timestamp_us t;
  // A window's row is late once its window has closed, another one when its time has passed.
  if (__builtin_add_overflow(static_cast<timestamp_us>(row[*late_word_]),
                             std::min<int64_t>(side_.retain_us, 0), &t))
    return false;
  return t < watermark;
}

void join_side_state::note_lifetime(uint32_t id) {
  if (!expires()) return;
  if (const auto t = last_use(rows_->row(id))) lifetimes_.add(id, *t);
}

void join_side_state::take_expired(timestamp_us t, std::vector<uint32_t>& out) {
  lifetimes_.take(t, [&](uint32_t id) {
    // Numbers of rows that were erased meanwhile may be others' by now.
    if (!rows_->alive(id)) return;
    const auto last = last_use(rows_->row(id));
    if (last && *last < t) out.push_back(id);
  });
}

size_t join_side_state::memory_bytes() const noexcept {
  return rows_->memory_bytes() + lifetimes_.memory_bytes();
}

result<std::unique_ptr<join_state>> join_state::make(const join_spec& s, const schema_ptr& left,
                                                     const schema_ptr& right, bool counts,
                                                     bool expires) {
  auto out = std::make_unique<join_state>();
  std::vector<data_type> key_types;
  for (auto k : s.left.keys) key_types.push_back(left->fields[k].type);
  WEIR_ASSIGN(const auto keys, key_codec::make(std::move(key_types), out->key_layout_));
  const auto span = span_width_us(s);
  const uint32_t span_word = out->key_layout_.key_words + 1;
  if (span) out->key_layout_.add_key(type_id::int64);
  out->key_words_ = out->key_layout_.key_words;
  for (uint32_t i = 0; i < join_key::words; ++i) out->key_layout_.add_value(type_id::int64);
  const bool l = counts && s.kind != join_kind::inner && s.kind != join_kind::right;
  const bool r = counts && (s.kind == join_kind::right || s.kind == join_kind::full);
  // What leaves behind an as-of join, or without a partner, must not be late for windows.
  auto on_time = [&s](const join_side& side) {
    return defers_unmatched(s) && (s.delay_us > 0 || side.retain_us == 0);
  };
  WEIR_ASSIGN(out->sides_[0],
              join_side_state::make(s.left, left, keys, l, is_as_of(s.kind) || on_time(s.left),
                                    expires && drops_untouched(s, 0)));
  WEIR_ASSIGN(out->sides_[1], join_side_state::make(s.right, right, keys, r, on_time(s.right),
                                                    expires && drops_untouched(s, 1)));
  if (span) {
    const int64_t l_after = s.left.retain_us, r_after = s.right.retain_us;
    out->sides_[0]->set_spans({span_word, *span, r_after, l_after});
    out->sides_[1]->set_spans({span_word, *span, l_after, r_after});
  }
  out->scratch_.resize(out->key_stride());
  return out;
}

void join_state::open(memory_pool* memory) {
  keys_.emplace(key_layout_, memory);
  for (auto& s : sides_) s->open(memory);
}

uint32_t join_state::find_key(int side, const uint64_t* row) {
  if (!sides_[side]->key_of(row, scratch_.data())) return row_table::none;
  uint32_t hash;
  keys_->hash(scratch_.data(), 1, &hash);
  return keys_->find(scratch_.data(), hash);
}

void join_state::remove(int side, uint32_t id, uint32_t key_id) {
  auto& rows = sides_[side]->rows();
  if (key_id != row_table::none) {
    auto k = key(keys_->row(key_id));
    const uint64_t* values = sides_[side]->values(rows.row(id));
    k.add(side, -static_cast<int64_t>(values[join_row::weight]));
    sides_[side]->unlink(id, k, side);
    if (k.unused()) keys_->erase(key_id);
  }
  rows.erase(id);
}

void join_state::add_to_index(int side, uint32_t id) {
  auto& s = *sides_[side];
  uint64_t* row = s.rows().row(id);
  s.note_lifetime(id);
  if (!s.key_of(row, scratch_.data())) return;
  uint32_t hash, key_id;
  uint64_t* key_row;
  std::vector<uint32_t> added;
  keys_->hash(scratch_.data(), 1, &hash);
  keys_->upsert(scratch_.data(), &hash, 1, &key_id, &key_row, added);
  auto k = key(key_row);
  s.link(id, k, side);
  k.add(side, static_cast<int64_t>(s.values(row)[join_row::weight]));
}

status join_state::restore(const snapshot_reader& in, key_group_range range) {
  for (int s : {0, 1}) {
    WEIR_TRY(sides_[s]->rows().restore(in, names[s], range));
    // Links of the epoch are those of another index.
    sides_[s]->rows().for_each(
        [&](uint32_t id) { sides_[s]->values(sides_[s]->rows().row(id))[join_row::links] = 0; });
    sides_[s]->rows().for_each([&](uint32_t id) { add_to_index(s, id); });
  }
  end_batch();
  return {};
}

void join_state::snapshot_begin(snapshot_writer& w) {
  for (auto& s : sides_) s->rows().snapshot_begin(w);
}

bool join_state::snapshot_continue(snapshot_writer& w, size_t budget) {
  bool done = true;
  for (int s : {0, 1}) done = done && sides_[s]->rows().snapshot_continue(w, names[s], budget);
  return done;
}

void join_state::on_epoch_complete(epoch e) {
  for (auto& s : sides_) s->rows().on_epoch_complete(e);
}

void join_state::on_epoch_aborted(epoch e) {
  for (auto& s : sides_) s->rows().on_epoch_aborted(e);
}

void join_state::end_batch() {
  keys_->end_batch();
  for (auto& s : sides_) s->rows().end_batch();
}

size_t join_state::memory_bytes() const noexcept {
  return keys_->memory_bytes() + sides_[0]->memory_bytes() + sides_[1]->memory_bytes();
}

}  // namespace weir
