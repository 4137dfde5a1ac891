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
  }
  if (const size_t n = keys_.rows_end(); newest_.size() < n) {
    newest_.resize(n, none);
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

/// The key of a slice's row, encoded: all but the slice.
void slice_totals::take_key(const uint64_t* row, uint64_t* key) const noexcept {
  std::memcpy(key, row, size_t{8} * (1 + keys_.layout().key_words));
  key[0] &= 0xffff'ffff'0000'0000u;
  slice_null_.clear(key);
  key[slice_word_] = 0;
}

/// Looks up (or adds) the key of one slice.
uint32_t slice_totals::upsert(uint32_t id) {
  const uint32_t stride = 1 + keys_.layout().key_words;
  encoded_.resize(std::max<size_t>(encoded_.size(), stride));
  const uint64_t* row = core_.table().row(id);
  take_key(row, encoded_.data());
  uint32_t h, key;
  uint64_t* at;
  keys_.hash(encoded_.data(), 1, &h);
  added_.clear();
  keys_.upsert(encoded_.data(), &h, 1, &key, &at, added_);
  if (!added_.empty()) row_table::set_group(at, row_table::group(row));
  grow();
  return key;
}

status slice_totals::enter(std::span<const uint32_t> slices) {
  constexpr size_t run = aggregate_core::run_max;
  const uint32_t stride = 1 + keys_.layout().key_words;
  for (size_t begin = 0; begin < slices.size(); begin += run) {
    const auto some = slices.subspan(begin, std::min(run, slices.size() - begin));
    encoded_.resize(run * stride);
    hashes_.resize(run);
    ids_.resize(run);
    rows_.resize(run);
    for (size_t i = 0; i < some.size(); ++i) {
      uint64_t* key = &encoded_[i * stride];
      take_key(core_.table().row(some[i]), key);
    }
    keys_.hash(encoded_.data(), some.size(), hashes_.data());
    added_.clear();
    keys_.upsert(encoded_.data(), hashes_.data(), some.size(), ids_.data(), rows_.data(), added_);
    for (uint32_t i : added_)
      row_table::set_group(rows_[i], row_table::group(core_.table().row(some[i])));
    grow();
    for (size_t i = 0; i < some.size(); ++i) {
      const uint32_t key = ids_[i], id = some[i];
      owner_[id] = key;
      older_[id] = newest_[key];
      newest_[key] = id;
      ++count_[key];
      WEIR_TRY(add_newer(total(key), slice(id)));
      if (!subtract_) stale_[key] = 1;
      add_values(key, id, 1);
    }
  }
  return {};
}

void slice_totals::changed(uint32_t id, bool added) {
  grow();
  const uint32_t key = added ? upsert(id) : owner_[id];
  if (added) {
    // Into its place in the chain.
    uint32_t newer = none, at = newest_[key];
    uint32_t left = count_[key];
    for (; left > 0 && time(at) > time(id); --left) {
      newer = at;
      at = older_[at];
    }
    owner_[id] = key;
    older_[id] = left > 0 ? at : none;
    (newer == none ? newest_[key] : older_[newer]) = id;
    ++count_[key];
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
  for (auto& m : multisets_)
    if (m) m->drop_group(key);
  for (size_t i = 0; i < multisets_.size(); ++i)
    if (multisets_[i] && core_.calls()[i].kind == accumulator_kind::distinct)
      keys_.value(key)[core_.calls()[i].at] = 0;
  for (uint32_t id : chain_) {
    WEIR_TRY(add_newer(total(key), slice(id)));
    add_values(key, id, 1);
  }
  return {};
}

/// The slices of a key, oldest first.
void slice_totals::collect(uint32_t key, std::vector<uint32_t>& ids) const {
  ids.resize(count_[key]);
  uint32_t id = newest_[key];
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
  uint32_t id = newest_[key], behind = none;
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

status slice_totals::leave(uint32_t id) {
  const uint32_t key = std::exchange(owner_[id], none);
  if (--count_[key] == 0) {
    drop_front(key);
    std::memset(total(key), 0, size_t{8} * words_);
    newest_[key] = none;
    dirty_[key] = 0;
    for (auto& m : multisets_)
      if (m) m->drop_group(key);
    gone_.push_back(key);
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
  charge_.set((owner_.capacity() + older_.capacity() + newest_.capacity() + count_.capacity() +
               front_.capacity() + entries_.capacity()) *
                  4 +
              dirty_.capacity() + stale_.capacity() +
              (results_.capacity() + totals_.capacity() + entry_words_.capacity()) * 8);
}

size_t slice_totals::memory_bytes() const noexcept {
  size_t n = keys_.memory_bytes() + charge_.bytes();
  for (const auto& m : multisets_)
    if (m) n += m->memory_bytes();
  return n;
}

}  // namespace weir
