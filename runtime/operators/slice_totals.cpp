#include "runtime/operators/slice_totals.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/operators/accumulator_combine.hpp"

namespace weir {
namespace {

bool any_multiset(const aggregate_core& core) {
  for (const auto& a : core.calls())
    if (a.multiset) return true;
  return false;
}

row_layout key_layout(const aggregate_core& core) {
  auto l = core.layout();
  if (any_multiset(core)) return l;
  l.value_words = 0;
  l.value_strings.clear();
  return l;
}

}  // namespace

slice_totals::slice_totals(aggregate_core& core, uint32_t slice_key, memory_pool* memory)
    : core_(core),
      slice_word_(1 + core.codec().word_of(slice_key)),
      slice_null_(core.codec().null_of(slice_key)),
      words_(core.layout().value_words),
      keys_(key_layout(core), memory),
      charge_(memory) {
  for (const auto& a : core.calls()) {
    has_multisets_ |= a.multiset;
    has_text_ |= !a.multiset && a.kind == accumulator_kind::text;
    subtract_ &= a.multiset || a.kind == accumulator_kind::text || can_subtract(a);
    multisets_.push_back(
        a.multiset ? std::make_unique<value_multiset>(a, core.layout(), "window", true, 1, memory)
                   : nullptr);
  }
}

void slice_totals::grow() {
  if (const size_t n = core_.table().rows_end(); owner_.size() < n) {
    owner_.resize(n, none);
    older_.resize(n, none);
    entered_.resize(n);
  }
  if (const size_t n = keys_.rows_end(); newest_.size() < n) {
    newest_.resize(n, none);
    slices_.resize(n);
    count_.resize(n);
    front_.resize(n, none);
    dirty_.resize(n);
    totals_.resize(n * words_);
    if (!subtract_) {
      results_.resize(n * words_);
      stale_.resize(n);
    }
  }
}

status slice_totals::add_newer(uint64_t* older, const uint64_t* newer) {
  if (core_.weighted()) *older += *newer;
  for (const auto& a : core_.calls())
    if (!a.multiset && a.kind != accumulator_kind::text)
      WEIR_TRY(combine(a, older + a.at, newer + a.at));
  return {};
}

void slice_totals::take_away(uint64_t* from, const uint64_t* what) noexcept {
  if (core_.weighted()) *from -= *what;
  for (const auto& a : core_.calls())
    if (!a.multiset && a.kind != accumulator_kind::text) subtract(a, from + a.at, what + a.at);
}

/// The values of a slice's multisets, added to its key's or taken away.
void slice_totals::add_values(uint32_t key, uint32_t id, int64_t sign) {
  for (size_t i = 0; i < multisets_.size(); ++i)
    if (multisets_[i])
      core_.multisets()[i]->for_each(id, [&](const uint64_t* value, int64_t weight) {
        multisets_[i]->add_value(keys_.row(key), 1 + keys_.layout().key_words, key, value,
                                 sign * weight);
      });
}

void slice_totals::drop_values(uint32_t key) {
  for (size_t i = 0; i < multisets_.size(); ++i) {
    if (!multisets_[i]) continue;
    multisets_[i]->drop_group(key);
    if (core_.calls()[i].kind == accumulator_kind::distinct)
      keys_.value(key)[core_.calls()[i].at] = 0;
  }
}

/// The key of a slice's row, encoded: all but the slice.
void slice_totals::take_key(const uint64_t* row, uint64_t* key) const noexcept {
  std::memcpy(key, row, size_t{8} * (1 + keys_.layout().key_words));
  key[0] &= 0xffff'ffff'0000'0000u;
  slice_null_.clear(key);
  key[slice_word_] = 0;
}

/// Looks up (or adds) the n keys in encoded_, into ids_.
void slice_totals::find_keys(size_t n) {
  hashes_.resize(aggregate_core::run_max);
  ids_.resize(aggregate_core::run_max);
  rows_.resize(aggregate_core::run_max);
  keys_.hash(encoded_.data(), n, hashes_.data());
  added_.clear();
  keys_.upsert(encoded_.data(), hashes_.data(), n, ids_.data(), rows_.data(), added_);
  grow();
}

slice_totals::chain_place slice_totals::place_of(uint32_t key, int64_t t) const noexcept {
  uint32_t newer = none, at = newest_[key];
  for (uint32_t left = slices_[key]; left > 0; --left, newer = at, at = older_[at])
    if (const int64_t there = time(at); there <= t) return {newer, at, there == t};
  return {newer, none, false};
}

void slice_totals::insert(uint32_t key, uint32_t id, const chain_place& p) {
  owner_[id] = key;
  older_[id] = p.at;
  (p.newer == none ? newest_[key] : older_[p.newer]) = id;
  ++slices_[key];
  entered_[id] = 0;
}

void slice_totals::find(const uint64_t* keys, size_t n, uint32_t* ids, uint64_t** rows,
                        std::vector<uint32_t>& added) {
  auto& table = core_.table();
  const uint32_t stride = 1 + keys_.layout().key_words;
  encoded_.resize(aggregate_core::run_max * stride);
  for (size_t i = 0; i < n; ++i) take_key(keys + i * stride, &encoded_[i * stride]);
  find_keys(n);
  for (size_t i = 0; i < n; ++i) __builtin_prefetch(&newest_[ids_[i]]);
  for (size_t i = 0; i < n; ++i)
    if (const uint32_t id = newest_[ids_[i]]; id != none) __builtin_prefetch(table.row(id), 1);
  for (size_t i = 0; i < n; ++i) {
    const uint64_t* key = keys + i * stride;
    auto place = place_of(ids_[i], time(key));
    if (!place.found) {
      const uint32_t id = table.append(key);
      grow();
      insert(ids_[i], id, place);
      place.at = id;
      added.push_back(static_cast<uint32_t>(i));
    }
    ids[i] = place.at;
    rows[i] = table.row(place.at);
  }
}

void slice_totals::adopt(std::span<const uint32_t> slices) {
  constexpr size_t run = aggregate_core::run_max;
  const uint32_t stride = 1 + keys_.layout().key_words;
  encoded_.resize(run * stride);
  for (; !slices.empty(); slices = slices.subspan(std::min(run, slices.size()))) {
    const auto some = slices.first(std::min(run, slices.size()));
    for (size_t i = 0; i < some.size(); ++i)
      take_key(core_.table().row(some[i]), &encoded_[i * stride]);
    find_keys(some.size());
    for (size_t i = 0; i < some.size(); ++i)
      insert(ids_[i], some[i], place_of(ids_[i], time(some[i])));
  }
}

status slice_totals::enter(std::span<const uint32_t> slices) {
  constexpr size_t ahead = 16;
  for (size_t i = 0; i < slices.size(); ++i) {
    if (i + ahead < slices.size()) {
      const uint32_t key = owner_[slices[i + ahead]];
      __builtin_prefetch(&count_[key], 1);
      __builtin_prefetch(total(key), 1);
      __builtin_prefetch(slice(slices[i + ahead]));
    }
    const uint32_t id = slices[i], key = owner_[id];
    entered_[id] = 1;
    size_ += count_[key]++ == 0;
    WEIR_TRY(add_newer(total(key), slice(id)));
    if (!subtract_) stale_[key] = 1;
    add_values(key, id, 1);
  }
  return {};
}

void slice_totals::changed(uint32_t id, bool added) {
  const uint32_t key = owner_[id];
  if (added) {
    entered_[id] = 1;
    size_ += count_[key]++ == 0;
  }
  if (std::exchange(dirty_[key], uint8_t{1}) == 0) dirty_keys_.push_back(key);
}

status slice_totals::settle() {
  for (uint32_t key : dirty_keys_)
    if (dirty_[key]) WEIR_TRY(rebuild(key));
  dirty_keys_.clear();
  return {};
}

status slice_totals::rebuild(uint32_t key) {
  dirty_[key] = 0;
  if (!subtract_) stale_[key] = 1;
  drop_front(key);
  std::memset(total(key), 0, size_t{8} * words_);
  collect(key, chain_);
  drop_values(key);
  for (uint32_t id : chain_) {
    WEIR_TRY(add_newer(total(key), slice(id)));
    add_values(key, id, 1);
  }
  return {};
}

/// Of a key that has one.
uint32_t slice_totals::newest_entered(uint32_t key) const noexcept {
  uint32_t id = newest_[key];
  while (!entered_[id]) id = older_[id];
  return id;
}

/// The slices of a key that the window has reached, oldest first.
void slice_totals::collect(uint32_t key, std::vector<uint32_t>& ids) const {
  ids.resize(count_[key]);
  if (ids.empty()) return;
  uint32_t id = newest_entered(key);
  for (size_t i = ids.size(); i-- > 0; id = older_[id]) ids[i] = id;
}

uint32_t slice_totals::new_entry() {
  if (free_entry_ == none) {
    entries_.emplace_back();
    entry_words_.resize(entries_.size() * words_);
    return static_cast<uint32_t>(entries_.size() - 1);
  }
  const uint32_t e = free_entry_;
  free_entry_ = entries_[e].next;
  return e;
}

void slice_totals::drop_front(uint32_t key) {
  while (front_[key] != none) {
    const uint32_t e = front_[key];
    front_[key] = entries_[e].next;
    entries_[e].next = free_entry_;
    free_entry_ = e;
  }
}

/// Moves all slices of a key to the front stack, each with the sum of itself and those behind it.
status slice_totals::flip(uint32_t key) {
  uint32_t id = newest_entered(key), behind = none;
  for (uint32_t left = count_[key]; left > 0; --left, id = older_[id]) {
    const uint32_t e = new_entry();
    entries_[e].next = behind;
    uint64_t* w = &entry_words_[size_t{e} * words_];
    std::memcpy(w, slice(id), size_t{8} * words_);
    if (behind != none) WEIR_TRY(add_newer(w, &entry_words_[size_t{behind} * words_]));
    behind = e;
  }
  front_[key] = behind;
  std::memset(total(key), 0, size_t{8} * words_);
  return {};
}

status slice_totals::leave(std::span<const uint32_t> ids) {
  gone_.clear();
  constexpr size_t ahead = 16;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i + ahead < ids.size()) {
      const uint32_t key = owner_[ids[i + ahead]];
      __builtin_prefetch(&count_[key], 1);
      __builtin_prefetch(total(key), 1);
      __builtin_prefetch(slice(ids[i + ahead]));
    }
    WEIR_TRY(leave(ids[i]));
  }
  keys_.erase(gone_);
  return {};
}

void slice_totals::forget(std::span<const uint32_t> ids) {
  gone_.clear();
  for (uint32_t id : ids) {
    const uint32_t key = std::exchange(owner_[id], none);
    newest_[key] = older_[id];
    if (--slices_[key] == 0) gone_.push_back(key);
  }
  keys_.erase(gone_);
}

status slice_totals::leave(uint32_t id) {
  const uint32_t key = std::exchange(owner_[id], none);
  entered_[id] = 0;
  const bool last = --slices_[key] == 0;
  if (last) {
    newest_[key] = none;
    gone_.push_back(key);
  }
  if (--count_[key] == 0) {
    --size_;
    drop_front(key);
    std::memset(total(key), 0, size_t{8} * words_);
    dirty_[key] = 0;
    if (!subtract_) stale_[key] = 0;
    drop_values(key);
    return {};
  }
  add_values(key, id, -1);
  if (!subtract_) stale_[key] = 1;
  if (subtract_) {
    take_away(total(key), slice(id));
  } else if (front_[key] == none) {
    WEIR_TRY(flip(key));
  } else {
    const uint32_t e = front_[key];
    front_[key] = entries_[e].next;
    entries_[e].next = free_entry_;
    free_entry_ = e;
  }
  return {};
}

/// Puts both stacks of a key together.
status slice_totals::renew(uint32_t key) {
  stale_[key] = 0;
  uint64_t* w = &results_[size_t{key} * words_];
  if (front_[key] == none) {
    std::memcpy(w, total(key), size_t{8} * words_);
    return {};
  }
  std::memcpy(w, &entry_words_[size_t{front_[key]} * words_], size_t{8} * words_);
  return add_newer(w, total(key));
}

status slice_totals::read(std::span<const uint32_t> keys, std::vector<const uint64_t*>& values) {
  values.resize(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const uint32_t key = keys[i];
    if (!subtract_ && stale_[key]) WEIR_TRY(renew(key));
    values[i] = subtract_ ? total(key) : &results_[size_t{key} * words_];
  }
  if (!has_text_ && !has_multisets_) return {};
  read_.assign(std::max<size_t>(keys.size() * words_, 1), 0);
  texts_.clear();
  for (size_t i = 0; i < keys.size(); ++i) {
    uint64_t* w = &read_[i * words_];
    std::memcpy(w, values[i], size_t{8} * words_);
    values[i] = w;
    if (has_text_) collect(keys[i], chain_);
    for (size_t c = 0; c < multisets_.size(); ++c) {
      const auto& a = core_.calls()[c];
      if (a.multiset) {
        multisets_[c]->refresh(keys_, keys[i]);
        std::memcpy(w + a.at, keys_.value(keys[i]) + a.at, size_t{8} * a.words);
      } else if (a.kind == accumulator_kind::text) {
        join_texts(a, w + a.at);
      }
    }
  }
  return {};
}

/// string_agg over the slices in chain_: as long to make as its result is.
void slice_totals::join_texts(const accumulator& a, uint64_t* words) {
  auto& text = texts_.emplace_back();
  uint64_t n = 0;
  for (uint32_t id : chain_) {
    const uint64_t* part = slice(id) + a.at;
    if (part[0] == 0) continue;
    var_ref ref;
    std::memcpy(ref.words, part + 1, 16);
    if (n > 0) text += a.separator;
    text += ref.view();
    n += part[0];
  }
  words[0] = n;
  std::memcpy(words + 1, var_ref::borrow(text).words, 16);
}

void slice_totals::end_batch() {
  keys_.end_batch();
  for (auto& m : multisets_)
    if (m) m->end_batch();
  charge_.set((owner_.capacity() + older_.capacity() + newest_.capacity() + slices_.capacity() +
               count_.capacity() + front_.capacity() + entries_.capacity()) *
                  4 +
              entered_.capacity() + dirty_.capacity() + stale_.capacity() +
              (results_.capacity() + totals_.capacity() + entry_words_.capacity()) * 8);
}

size_t slice_totals::memory_bytes() const noexcept {
  size_t n = keys_.memory_bytes() + charge_.bytes();
  for (const auto& m : multisets_)
    if (m) n += m->memory_bytes();
  return n;
}

}  // namespace weir
