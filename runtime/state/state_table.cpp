#include "runtime/state/state_table.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/base/assert.hpp"

namespace weir::detail {
namespace {

row_layout bytes_layout() {
  row_layout l;
  l.add_key(type_id::bytes);
  l.add_value(type_id::bytes);
  l.add_value(type_id::int64);
  return l;
}

// Short strings live inside their reference: views must point into the row, not into a copy.
std::string_view view_at(const uint64_t* words) {
  auto n = static_cast<uint32_t>(words[0]);
  const char* p = n <= var_ref::inline_max ? reinterpret_cast<const char*>(words) + 4
                                           : reinterpret_cast<const char*>(words[1]);
  return {p, n};
}

constexpr size_t head_cost = 96;  // a node, its slot and its pointers

}  // namespace

state_table::state_table(std::string name, shape s, state_ttl ttl, const current_key& key,
                         memory_pool* memory)
    : name_(std::move(name)),
      shape_(s),
      ttl_(ttl),
      key_(key),
      rows_(bytes_layout(), memory),
      value_word_(1 + rows_.layout().key_words) {}

void state_table::encode(std::string_view entry) {
  encoded_.clear();
  if (shape_ == shape::map) {
    auto n = static_cast<uint32_t>(key_.bytes.size());
    encoded_.append(reinterpret_cast<const char*>(&n), 4);
  }
  encoded_ += key_.bytes;
  encoded_ += entry;
  auto r = var_ref::borrow(encoded_);
  words_[0] = 0;
  std::memcpy(words_ + 1, r.words, 16);
  rows_.hash(words_, 1, &hash_);
}

uint32_t state_table::find(std::string_view entry) {
  encode(entry);
  return rows_.find(words_, hash_);
}

std::string_view state_table::value_of(uint32_t id) const noexcept {
  return view_at(rows_.row(id) + value_word_ + string_word);
}
std::string_view state_table::key_of(uint32_t id) const noexcept {
  auto whole = view_at(rows_.row(id) + 1);
  if (shape_ == shape::value) return whole;
  uint32_t n;
  std::memcpy(&n, whole.data(), 4);
  return whole.substr(4, n);
}
std::string_view state_table::entry_of(uint32_t id) const noexcept {
  auto whole = view_at(rows_.row(id) + 1);
  uint32_t n;
  std::memcpy(&n, whole.data(), 4);
  return whole.substr(4 + size_t{n});
}

void state_table::set_expiry(uint32_t id) {
  if (ttl_.duration_us <= 0) return;
  timestamp_us at = watermark_end;
  if (key_.now == watermark_none || __builtin_add_overflow(key_.now, ttl_.duration_us, &at))
    at = watermark_end;
  rows_.row(id)[value_word_ + expiry_word] = static_cast<uint64_t>(at);
}

std::optional<std::string_view> state_table::get(std::string_view entry) {
  uint32_t id = find(entry);
  if (id == row_table::none) return std::nullopt;
  if (expired(id)) {
    remove(id);
    return std::nullopt;
  }
  if (ttl_.refresh_on_read && ttl_.duration_us > 0) {
    rows_.touch(id);
    set_expiry(id);
  }
  return value_of(id);
}

void state_table::put(std::string_view entry, std::string_view value) {
  rows_.release_freed();
  encode(entry);
  uint32_t id;
  uint64_t* row;
  std::vector<uint32_t> added;
  rows_.upsert(words_, &hash_, 1, &id, &row, added);
  if (!added.empty()) {
    row_table::set_group(row, key_.group);
    if (shape_ == shape::map) {
      if (!find_head()) {
        auto [it, made] = heads_.try_emplace(key_.bytes);
        head_ = &it->second;
        head_version_ = key_.version;
        head_bytes_ += head_cost + key_.bytes.size();
      }
      add_link(id, *head_);
    }
  }
  rows_.touch(id);
  rows_.set_string(row, string_word, value);
  set_expiry(id);
  if (++changes_ % 256 == 0) rows_.end_batch();
}

bool state_table::erase(std::string_view entry) {
  rows_.release_freed();
  uint32_t id = find(entry);
  if (id == row_table::none) return false;
  const bool was_there = !expired(id);
  remove(id);
  return was_there;
}

void state_table::add_link(uint32_t id, head& h) {
  if (id >= links_.size()) links_.resize(std::max<size_t>(id + 1, links_.size() * 2));
  links_[id] = {row_table::none, h.first, &h};
  if (h.first != row_table::none) links_[h.first].previous = id;
  h.first = id;
  ++h.entries;
}

void state_table::remove(uint32_t id) {
  if (shape_ == shape::map) {
    link l = links_[id];
    if (l.previous != row_table::none) links_[l.previous].next = l.next;
    if (l.next != row_table::none) links_[l.next].previous = l.previous;
    if (l.of->first == id) l.of->first = l.next;
    if (--l.of->entries == 0) {
      if (head_ == l.of) head_ = nullptr, head_version_ = 0;
      auto it = heads_.find(std::string(key_of(id)));
      weir_assert(it != heads_.end() && &it->second == l.of, "a map entry without its head");
      head_bytes_ -= head_cost + it->first.size();
      heads_.erase(it);
    }
    links_[id] = {};
  }
  rows_.erase(id);
}

state_table::head* state_table::find_head() {
  if (head_version_ == key_.version) return head_;
  auto it = heads_.find(key_.bytes);
  head_ = it == heads_.end() ? nullptr : &it->second;
  head_version_ = key_.version;
  return head_;
}

void state_table::purge_expired(head& h) {
  if (ttl_.duration_us <= 0) return;
  for (uint32_t id = h.first; id != row_table::none;) {
    const uint32_t next = links_[id].next;
    const bool last = next == row_table::none;
    if (expired(id)) remove(id);
    if (last) return;  // the head may be gone
    id = next;
  }
}

size_t state_table::count() {
  head* h = find_head();
  if (!h) return 0;
  purge_expired(*h);
  h = find_head();
  return h ? h->entries : 0;
}

void state_table::for_each(const std::function<void(std::string_view, std::string_view)>& visit) {
  if (count() == 0) return;
  std::vector<std::pair<std::string_view, uint32_t>> order;
  for (uint32_t id = find_head()->first; id != row_table::none; id = links_[id].next)
    order.emplace_back(entry_of(id), id);
  std::sort(order.begin(), order.end());
  for (const auto& [entry, id] : order) visit(entry, value_of(id));
}

void state_table::clear() {
  rows_.release_freed();
  head* h = find_head();
  if (!h) return;
  for (uint32_t id = h->first; id != row_table::none;) {
    const uint32_t next = links_[id].next;
    remove(id);
    id = next;
  }
}

uint64_t state_table::next_sequence() {
  head* h = find_head();
  return h ? h->next_sequence++ : 0;
}

void state_table::sweep(size_t entries) {
  rows_.end_batch();
  if (ttl_.duration_us <= 0 || rows_.rows_end() == 0) return;
  entries = std::min<size_t>(entries, rows_.rows_end());
  for (; entries > 0; --entries) {
    if (sweep_at_ >= rows_.rows_end()) sweep_at_ = 0;
    const uint32_t id = sweep_at_++;
    if (rows_.alive(id) && expired(id)) remove(id);
  }
}

status state_table::restore(const snapshot_reader& in, key_group_range range) {
  WEIR_TRY(rows_.restore(in, name_, range));
  if (shape_ != shape::map) return {};
  status bad;
  rows_.for_each([&](uint32_t id) {
    auto whole = view_at(rows_.row(id) + 1);
    uint32_t n = 0;
    if (whole.size() >= 4) std::memcpy(&n, whole.data(), 4);
    if (whole.size() < 4 || whole.size() - 4 < n) {
      bad = error(errc::corrupt, "state \"" + name_ + "\" has an entry whose key does not fit");
      return;
    }
    auto [it, made] = heads_.try_emplace(std::string(whole.substr(4, n)));
    if (made) head_bytes_ += head_cost + n;
    add_link(id, it->second);
    // Elements of lists: eight bytes, most significant first.
    auto entry = whole.substr(4 + size_t{n});
    if (entry.size() != 8) return;
    uint64_t sequence;
    std::memcpy(&sequence, entry.data(), 8);
    it->second.next_sequence = std::max(it->second.next_sequence, __builtin_bswap64(sequence) + 1);
  });
  return bad;
}

size_t state_table::memory_bytes() const noexcept {
  return rows_.memory_bytes() + head_bytes_ + links_.capacity() * sizeof(link);
}

}  // namespace weir::detail
