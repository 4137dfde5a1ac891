#include "runtime/state/presence_table.hpp"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

constexpr size_t page_bytes_target = 1u << 20;
constexpr size_t pages_per_region = 16;
constexpr size_t probe_run = 128;
constexpr uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu;

constexpr uint32_t head_bytes = 8, narrow_bytes = head_bytes + 4;

uint32_t wide_bytes(uint32_t value_words) {
  return head_bytes + 8 * value_words;
}
uint32_t page_shift_of(uint32_t pair_bytes) {
  return static_cast<uint32_t>(std::bit_width(page_bytes_target / pair_bytes) - 1);
}
std::unique_ptr<block_pool> pages_of(uint32_t pair_bytes, uint32_t page_shift) {
  return std::make_unique<block_pool>(size_t{pair_bytes} << page_shift, pages_per_region);
}

uint64_t widened(uint32_t half) {
  return static_cast<uint64_t>(int64_t{static_cast<int32_t>(half)});
}

row_layout record_of(type_id value) {
  row_layout l;
  l.add_key(type_id::int64);
  l.add_key(value);
  l.add_value(type_id::int64);
  return l;
}

}  // namespace

presence_table::presence_table(const row_table& groups, uint32_t number_word, type_id value,
                               memory_pool* memory)
    : groups_(groups),
      number_word_(number_word),
      value_words_(row_layout::words_of(value)),
      text_(is_varlen(value)),
      record_(record_of(value)),
      narrow_(value_words_ == 1 && !text_),
      pair_bytes_(narrow_ ? narrow_bytes : wide_bytes(value_words_)),
      page_shift_(page_shift_of(wide_bytes(value_words_))),
      page_mask_((1u << page_shift_) - 1),
      page_pool_(pages_of(pair_bytes_, page_shift_)),
      charge_(memory),
      log_(record_),
      record_words_(1 + record_.key_words + record_.value_words) {}

uint32_t presence_table::hash(uint32_t group, const uint64_t* v) const noexcept {
  uint64_t h = mix_words(v[0] ^ k0, group ^ k1);
  if (text_ && static_cast<uint32_t>(v[0]) > var_ref::inline_max) {
    var_ref r;
    std::memcpy(r.words, v, 16);
    h ^= std::hash<std::string_view>()(r.view());
  } else if (value_words_ == 2) {
    h = mix_words(h ^ v[1], k1);
  }
  return static_cast<uint32_t>(h ^ h >> 32);
}

void presence_table::value_of(const std::byte* p, uint64_t* words) const noexcept {
  if (!narrow_) {
    std::memcpy(words, p + head_bytes, 8 * value_words_);
    return;
  }
  uint32_t half;
  std::memcpy(&half, p + head_bytes, sizeof half);
  *words = widened(half);
}

void presence_table::set_value(std::byte* p, const uint64_t* words) const noexcept {
  if (!narrow_) {
    std::memcpy(p + head_bytes, words, 8 * value_words_);
    return;
  }
  const auto half = static_cast<uint32_t>(*words);
  std::memcpy(p + head_bytes, &half, sizeof half);
}

bool presence_table::same(const std::byte* p, uint32_t group, const uint64_t* v) const noexcept {
  if (static_cast<uint32_t>(head(p)) != group) return false;
  uint64_t there[2];
  value_of(p, there);
  if (text_) return equal(there, v);
  return there[0] == v[0] && (value_words_ == 1 || there[1] == v[1]);
}

void presence_table::widen() {
  const auto before = std::move(page_pool_);
  page_pool_ = pages_of(wide_bytes(value_words_), page_shift_);
  for (size_t page = 0; page < pages_.size(); ++page) {
    const std::byte* from = pages_[page];
    std::byte* const wide = page_pool_->allocate_zero();
    std::byte* to = wide;
    const size_t pairs = std::min<size_t>(pairs_ - (page << page_shift_), page_mask_ + size_t{1});
    for (size_t i = 0; i < pairs; ++i, from += narrow_bytes, to += wide_bytes(value_words_)) {
      uint64_t value;
      value_of(from, &value);
      set_head(to, head(from));
      std::memcpy(to + head_bytes, &value, sizeof value);
    }
    pages_[page] = wide;
  }
  narrow_ = false;
  pair_bytes_ = wide_bytes(value_words_);
}

uint32_t presence_table::insert(uint32_t group, const uint64_t* v, uint32_t h) {
  const uint32_t id = pairs_++;
  weir_assert(id != none, "a state table has more than four billion rows");
  if ((id >> page_shift_) == pages_.size()) pages_.push_back(page_pool_->allocate_zero());
  changes_.add(id);
  std::byte* p = pair(id);
  set_head(p, group);
  if (text_) {
    var_ref r;
    std::memcpy(r.words, v, 16);
    r = arena_.store(r);
    set_value(p, r.words);
  } else {
    set_value(p, v);
  }
  index_.insert(h, id);
  return id;
}

void presence_table::find(const uint32_t* groups, const uint64_t* values, size_t n) {
  hashes_.resize(n);
  ids_.resize(n);
  if (narrow_) {
    uint64_t others = 0;
    for (size_t i = 0; i < n; ++i) others |= values[i] ^ widened(static_cast<uint32_t>(values[i]));
    if (others != 0) widen();
  }
  for (size_t i = 0; i < n; ++i) hashes_[i] = hash(groups[i], values + i * value_words_);
  const uint64_t* homes[probe_run];
  for (size_t begin = 0; begin < n; begin += probe_run) {
    const size_t end = std::min(n, begin + probe_run);
    for (size_t i = begin; i < end; ++i) {
      homes[i - begin] = index_.home(hashes_[i]);
      __builtin_prefetch(homes[i - begin]);
    }
    // The first with the hash, before any is added: slots do not move.
    for (size_t i = begin; i < end; ++i) {
      ids_[i] = index_.first(homes[i - begin], hashes_[i]);
      if (ids_[i] != none) __builtin_prefetch(pair(ids_[i]), 1);
    }
    for (size_t i = begin; i < end; ++i) {
      const uint64_t* v = values + i * value_words_;
      if (ids_[i] != none && same(pair(ids_[i]), groups[i], v)) [[likely]]
        continue;
      ids_[i] = index_.find(hashes_[i], [&](uint32_t id) { return same(pair(id), groups[i], v); });
      if (ids_[i] == none) ids_[i] = insert(groups[i], v, hashes_[i]);
    }
  }
}

void presence_table::add(const uint32_t* groups, const uint64_t* values, const uint32_t* bits,
                         size_t n, uint32_t* fresh) {
  find(groups, values, n);
  for (size_t i = 0; i < n; ++i) {
    std::byte* p = pair(ids_[i]);
    fresh[i] = bits[i] & ~static_cast<uint32_t>(head(p) >> bits_shift);
    if (fresh[i] == 0) continue;
    changes_.mark(&ids_[i], 1, [this](uint32_t id) { encode(id); });
    set_head(p, head(p) | uint64_t{fresh[i]} << bits_shift);
  }
}

void presence_table::end_batch() {
  charge_.set(memory_bytes());
}

size_t presence_table::memory_bytes() const noexcept {
  return size_t{pairs_} * pair_bytes_ + index_.memory_bytes() + arena_.reserved() +
         changes_.memory_bytes();
}

void presence_table::encode(uint32_t id) {
  std::byte* p = pair(id);
  const uint64_t h = head(p);
  const uint64_t* group = groups_.row(static_cast<uint32_t>(h));
  uint64_t* w = record_words_.data();
  *w++ = 0;
  *w++ = group[number_word_];
  value_of(p, w);
  w[value_words_] = (h & ~flag_durable) >> bits_shift;
  log_.upsert(row_table::group(group), record_words_.data(), {}, !(h & flag_durable));
  set_head(p, h | flag_durable);
}

void presence_table::snapshot_begin(snapshot_writer& out) {
  if (changes_.begin(out.number())) log_.abandon();
  log_.begin(out.memory(), false);
}

bool presence_table::snapshot_continue(snapshot_writer& out, std::string_view state,
                                       size_t budget) {
  if (!changes_.writing()) return true;
  const bool done = changes_.advance(budget / pair_bytes_ + 1, [this](uint32_t id) { encode(id); });
  log_.put(out, state, done);
  return done;
}

void presence_table::on_epoch_complete(epoch n) {
  changes_.complete(n);
}

void presence_table::on_epoch_aborted(epoch n) {
  const bool was_writing = changes_.writing();
  changes_.abort(n);
  if (was_writing && !changes_.writing()) log_.abandon();
}

status presence_table::restore(const snapshot_reader& in, std::string_view state,
                               key_group_range range) {
  weir_assert(pairs_ == 0, "state is restored into a table that has rows");
  auto named = [&](std::string_view what) {
    return "state \"" + std::string(state) + "\" " + std::string(what);
  };
  // Key groups and numbers within them, to groups.
  absl::flat_hash_map<std::pair<uint32_t, uint64_t>, uint32_t> by_number;
  for (uint32_t id = 0; id < groups_.rows_end(); ++id)
    if (groups_.alive(id))
      by_number.emplace(std::pair(row_table::group(groups_.row(id)), groups_.row(id)[number_word_]),
                        id);
  const packed_layout layout = packed_layout_of(record_);
  size_t rows = 0;
  WEIR_TRY(in.keyed(state, range, [&](uint32_t, chunk_kind, std::span<const std::byte> bytes) {
    rows += count_records(bytes).upserts;
    return status();
  }));
  index_.reserve(rows);
  return in.keyed(
      state, range, [&](uint32_t group, chunk_kind, std::span<const std::byte> bytes) -> status {
        const auto other = [&] {
          return error(errc::version_mismatch, named("of the snapshot has records of another shape "
                                                     "(the operator changed): start with --fresh"));
        };
        if (!packed_reader::is_packed(bytes)) return other();
        WEIR_ASSIGN(auto r, packed_reader::open(bytes));
        if (r.layout() != layout) return other();
        packed_reader::block b;
        for (;;) {
          WEIR_ASSIGN(const bool more, r.next(b));
          if (!more) return {};
          if (b.deletes) return error(errc::corrupt, named("has values that were taken away"));
          const char* text = b.text;
          const size_t bits_column = layout.columns() - 1;
          for (uint32_t i = 0; i < b.rows; ++i) {
            uint64_t v[2] = {b.column(2)[i], 0};
            if (text_) {
              const auto ref = var_ref::borrow({text, v[0]});
              text += v[0];
              std::memcpy(v, ref.words, 16);
            } else if (value_words_ == 2) {
              v[1] = b.column(3)[i];
            }
            const auto it = by_number.find(std::pair(group, b.column(1)[i]));
            if (it == by_number.end())
              return error(errc::corrupt, named("has values of a group that is missing"));
            const uint64_t bits = b.column(bits_column)[i];
            if (bits >> bits_max != 0)
              return error(errc::corrupt, named("has more bits than calls"));
            find(&it->second, v, 1);
            // The newest record of a pair holds.
            set_head(pair(ids_[0]), it->second | bits << bits_shift | flag_durable);
          }
        }
      });
}

}  // namespace weir
