#include "runtime/operators/multiset.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/operators/key_codec.hpp"

namespace weir {
namespace {

row_layout layout_of(const row_layout& groups, const accumulator& a, uint32_t values) {
  row_layout l;
  l.key_words = groups.key_words;
  l.key_strings = groups.key_strings;
  l.add_key(a.argument.id);
  for (uint32_t i = 0; i < values; ++i) l.add_value(type_id::int64);
  return l;
}

}  // namespace

bool value_multiset::order::operator()(entry a, entry b) const noexcept {
  if (a.group != b.group) return a.group < b.group;
  if (a.id == b.id) return false;
  if (owner->by_arrival()) {
    const uint32_t word = 1 + owner->table_.layout().key_words + 1;
    return static_cast<int64_t>(owner->table_.row(a.id)[word]) <
           static_cast<int64_t>(owner->table_.row(b.id)[word]);
  }
  const int c = compare_words(owner->a_.argument.id, owner->value_of(a.id), owner->value_of(b.id));
  return c != 0 ? c < 0 : a.id < b.id;
}

value_multiset::value_multiset(const accumulator& a, const row_layout& groups, std::string state,
                               bool ordered, uint32_t slots, memory_pool* memory)
    : a_(a),
      state_(std::move(state)),
      group_words_(groups.key_words),
      ordered_(ordered || a.kind != accumulator_kind::distinct),
      presence_only_(!ordered_ && !a.weighted),
      slots_(slots),
      memory_(memory),
      table_(layout_of(groups, a, slots + 1), memory),
      index_(order{this}) {
  weir_assert(slots == 1 || !ordered_, "values in order are of one call");
  weir_assert(!presence_only_ || slots <= presence_slots_max, "more calls than bits");
}

void value_multiset::find_values(const accumulator_input& in, const column& values) {
  const uint32_t stride = 1 + table_.layout().key_words;
  keys_.resize(in.n * stride);
  hashes_.resize(in.n);
  ids_.resize(in.n);
  rows_.resize(in.n);
  added_.clear();
  for (size_t i = 0; i < in.n; ++i) {
    uint64_t* key = &keys_[i * stride];
    std::memcpy(key, in.rows[i], 8 * (1 + group_words_));
    key[0] &= 0xffff'ffff'0000'0000u;
    uint64_t v[2];
    value_words(values, in.at[i], v);
    std::memcpy(key + 1 + group_words_, v, 8 * (stride - 1 - group_words_));
  }
  table_.hash(keys_.data(), in.n, hashes_.data());
  table_.upsert(keys_.data(), hashes_.data(), in.n, ids_.data(), rows_.data(), added_);
  for (uint32_t i : added_) row_table::set_group(rows_[i], row_table::group(in.rows[i]));
}

void value_multiset::use_presence(const row_table& groups, uint32_t number_word,
                                  uint64_t* next_number) {
  weir_assert(presence_only_, "weights are needed");
  presence_.emplace(groups, number_word, a_.argument.id, memory_);
  number_word_ = number_word;
  next_number_ = next_number;
}

void value_multiset::add_presence(const accumulator_input& in, const uint32_t* ids,
                                  const uint32_t* slots, const uint32_t* counts,
                                  const column& values) {
  const uint32_t words = row_layout::words_of(a_.argument.id);
  values_.resize(in.n * words);
  fresh_.resize(in.n);
  const bool plain = words == 1 && fixed_width(a_.argument.id) == 8 &&
                     a_.argument.id != type_id::float64 && !values.dictionary;
  for (size_t i = 0; i < in.n; ++i) {
    if (plain)
      values_[i] = values.data<uint64_t>()[in.at[i]];
    else
      value_words(values, in.at[i], &values_[i * words]);
    // Numbers begin with 1.
    uint64_t& number = in.rows[i][number_word_];
    if (number == 0) number = ++*next_number_;
  }
  presence_->add(ids, values_.data(), slots, in.n, fresh_.data());
  for (size_t i = 0; i < in.n; ++i)
    for (uint32_t f = fresh_[i]; f != 0; f &= f - 1) ++in.rows[i][counts[std::countr_zero(f)]];
}

void value_multiset::add(const accumulator& call, uint32_t slot, const accumulator_input& in,
                         const uint32_t* ids, const column& values) {
  weir_assert(!presence_only_, "values without weights");
  const uint32_t stride = 1 + table_.layout().key_words;
  find_values(in, values);
  table_.touch(ids_.data(), in.n);
  bool some_gone = false;
  for (size_t i = 0; i < in.n; ++i) {
    const int64_t weight = in.weights ? in.weights[in.at[i]] : 1;
    uint64_t* words = rows_[i] + stride;
    if (ordered_) {
      some_gone |= apply(in.rows[i], in.value_word, ids[i], ids_[i], words, weight);
      continue;
    }
    const auto before = static_cast<int64_t>(words[slot]);
    const bool was = before > 0, is = before + weight > 0;
    words[slot] = static_cast<uint64_t>(before + weight);
    in.rows[i][in.value_word + call.at] += uint64_t{is} - uint64_t{was};
    some_gone |= before + weight == 0;
  }
  if (!some_gone) return;
  for (size_t i = 0; i < in.n; ++i)
    if (table_.alive(ids_[i]) && no_weights(rows_[i] + stride)) table_.erase(ids_[i]);
}

bool value_multiset::no_weights(const uint64_t* words) const noexcept {
  return std::all_of(words, words + slots_, [](uint64_t w) { return w == 0; });
}

bool value_multiset::apply(uint64_t* group_row, uint32_t value_word, uint32_t group, uint32_t id,
                           uint64_t* words, int64_t weight) {
  const auto before = static_cast<int64_t>(words[0]);
  const int64_t after = before + weight;
  words[0] = static_cast<uint64_t>(after);
  const bool was = before > 0, is = after > 0;
  if (a_.kind == accumulator_kind::distinct && was != is)
    group_row[value_word + a_.at] += is ? 1 : uint64_t(-1);
  if (before < 0 && after >= 0) owed_.erase({group, id});
  if (before >= 0 && after < 0) owed_.insert({group, id});
  const entry e{group, id};
  const bool again = a_.function == aggregate_function::last && weight > 0;
  if (was && (!is || again)) index_.erase(e);
  if (!was || again) words[1] = static_cast<uint64_t>(++arrivals_);
  if (is && (!was || again)) index_.insert(e);
  return after == 0;
}

void value_multiset::add_value(uint64_t* row, uint32_t value_word, uint32_t group,
                               const uint64_t* value, int64_t weight) {
  const uint32_t stride = 1 + table_.layout().key_words;
  keys_.resize(std::max<size_t>(keys_.size(), stride));
  std::memcpy(keys_.data(), row, 8 * (1 + group_words_));
  keys_[0] &= 0xffff'ffff'0000'0000u;
  std::memcpy(&keys_[1 + group_words_], value, 8 * (stride - 1 - group_words_));
  uint32_t h, id;
  uint64_t* at;
  table_.hash(keys_.data(), 1, &h);
  added_.clear();
  table_.upsert(keys_.data(), &h, 1, &id, &at, added_);
  if (!added_.empty()) row_table::set_group(at, row_table::group(row));
  table_.touch(id);
  if (apply(row, value_word, group, id, at + stride, weight)) table_.erase(id);
}

void value_multiset::move_values(uint64_t* row, uint32_t value_word, uint32_t to, uint32_t from) {
  const bool two = row_layout::words_of(a_.argument.id) > 1;
  moving_.clear();
  for_each(from, [&](const uint64_t* value, int64_t weight) {
    moving_.push_back({{value[0], two ? value[1] : 0}, weight});
  });
  for (const auto& v : moving_) add_value(row, value_word, to, v.words, v.weight);
  drop_group(from);
}

void value_multiset::set_result(row_table& groups, uint32_t group, uint64_t* words,
                                const uint64_t* value) {
  const auto t = a_.argument.id;
  if (is_varlen(t)) {
    if (words[0] == 0 || !equal(words + 1, value)) {
      var_ref r;
      std::memcpy(r.words, value, 16);
      groups.set_string(groups.row(group), a_.at + 1, r.view());
    }
  } else {
    std::memcpy(words + 1, value, 8 * row_layout::words_of(t));
  }
  words[0] = 1;
}

void value_multiset::refresh(row_table& groups, uint32_t group) {
  if (a_.kind == accumulator_kind::distinct) return;
  uint64_t* words = groups.value(group) + a_.at;
  auto first = index_.lower_bound(group_only{group});
  auto end = index_.upper_bound(group_only{group});
  if (first == end) {
    if (is_varlen(a_.argument.id)) {
      groups.set_string(groups.row(group), a_.at + 1, {});
    } else {
      std::memset(words + 1, 0, 8 * row_layout::words_of(a_.argument.id));
    }
    words[0] = 0;
    return;
  }
  if (a_.kind == accumulator_kind::text) {
    text_.clear();
    int64_t n = 0;
    for (; first != end; ++first) {
      var_ref r;
      std::memcpy(r.words, value_of(first->id), 16);
      const auto weight =
          static_cast<int64_t>(table_.row(first->id)[1 + table_.layout().key_words]);
      for (int64_t k = 0; k < weight; ++k) {
        if (n++ > 0) text_ += a_.separator;
        text_ += r.view();
      }
    }
    words[0] = static_cast<uint64_t>(n);
    groups.set_string(groups.row(group), a_.at + 1, text_);
    return;
  }
  const bool front =
      a_.function == aggregate_function::min || a_.function == aggregate_function::first;
  set_result(groups, group, words, value_of(front ? first->id : std::prev(end)->id));
}

void value_multiset::drop_group(uint32_t group) {
  weir_assert(ordered_, "values of a group can be dropped only by their index");
  auto first = index_.lower_bound(group_only{group});
  auto end = index_.upper_bound(group_only{group});
  ids_.clear();
  for (auto it = first; it != end; ++it) ids_.push_back(it->id);
  index_.erase(first, end);
  auto owed = owed_.lower_bound({group, 0});
  auto owed_end = owed_.upper_bound({group, UINT32_MAX});
  for (auto it = owed; it != owed_end; ++it) ids_.push_back(it->second);
  owed_.erase(owed, owed_end);
  for (uint32_t id : ids_) table_.erase(id);
}

status value_multiset::restore(const snapshot_reader& in, key_group_range range,
                               row_table& groups) {
  if (presence_) {
    groups.for_each([&](uint32_t id) {
      *next_number_ = std::max(*next_number_, groups.row(id)[number_word_]);
    });
    return presence_->restore(in, state_, range);
  }
  WEIR_TRY(table_.restore(in, state_, range));
  std::vector<uint64_t> key(1 + group_words_);
  status bad;
  table_.for_each([&](uint32_t id) {
    const uint64_t* row = table_.row(id);
    const uint64_t* words = row + 1 + table_.layout().key_words;
    arrivals_ = std::max(arrivals_, static_cast<int64_t>(words[slots_]));
    if (!ordered_ || !bad.ok()) return;
    std::memcpy(key.data(), row, 8 * key.size());
    key[0] &= 0xffff'ffff'0000'0000u;
    uint32_t h;
    groups.hash(key.data(), 1, &h);
    const uint32_t group = groups.find(key.data(), h);
    if (static_cast<int64_t>(words[0]) <= 0) {
      if (group != row_table::none) owed_.insert({group, id});
      return;
    }
    if (group == row_table::none) {
      bad = error(errc::corrupt, "state \"" + state_ + "\" has values of a group that is missing");
      return;
    }
    index_.insert({group, id});
  });
  return bad;
}

}  // namespace weir
