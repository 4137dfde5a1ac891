#include "runtime/state/timers.hpp"

#include <cstring>

namespace weir {
namespace {

row_layout timer_layout() {
  row_layout l;
  l.add_key(type_id::bytes);
  return l;
}

constexpr std::string_view timers_state = "timers";
constexpr uint64_t sign_bit = uint64_t{1} << 63;

std::string_view whole_key(const uint64_t* row) noexcept {
  auto n = static_cast<uint32_t>(row[1]);
  const char* p = n <= var_ref::inline_max ? reinterpret_cast<const char*>(row + 1) + 4
                                           : reinterpret_cast<const char*>(row[2]);
  return {p, n};
}

}  // namespace

timer_queue::impl::impl(keyed_store& o, memory_pool* memory)
    : owner(o), rows(timer_layout(), memory), by_time{index(order{&rows}), index(order{&rows})} {}

bool timer_queue::impl::order::operator()(entry a, entry b) const noexcept {
  if (a.at != b.at) return a.at < b.at;
  if (a.id == b.id) return false;
  return key_of(rows->row(a.id)) < key_of(rows->row(b.id));
}

std::string_view timer_queue::impl::key_of(const uint64_t* row) noexcept {
  return whole_key(row).substr(prefix_bytes);
}

void timer_queue::impl::encode(timer_kind kind, timestamp_us at) {
  const uint64_t big = __builtin_bswap64(static_cast<uint64_t>(at) ^ sign_bit);
  encoded.clear();
  encoded.push_back(static_cast<char>(kind));
  encoded.append(reinterpret_cast<const char*>(&big), 8);
  encoded += owner.key();
  auto r = var_ref::borrow(encoded);
  std::memcpy(words + 1, r.words, 16);
  rows.hash(words, 1, &hash);
}

status timer_queue::impl::restore(const snapshot_reader& in, key_group_range range) {
  WEIR_TRY(rows.restore(in, timers_state, range));
  status bad;
  rows.for_each([&](uint32_t id) {
    auto k = whole_key(rows.row(id));
    if (k.size() < prefix_bytes || static_cast<uint8_t>(k[0]) > 1) {
      bad = error(errc::corrupt, "state \"timers\" has a record that is no timer");
      return;
    }
    uint64_t big;
    std::memcpy(&big, k.data() + 1, 8);
    const auto at = static_cast<timestamp_us>(__builtin_bswap64(big) ^ sign_bit);
    by_time[static_cast<size_t>(k[0])].insert({at, id});
  });
  return bad;
}

timer_queue::timer_queue(keyed_store& owner, memory_pool* memory)
    : impl_(new impl(owner, memory)) {}
timer_queue::~timer_queue() = default;

void timer_queue::set(timer_kind kind, timestamp_us at) {
  impl& s = *impl_;
  s.encode(kind, at);
  uint32_t id;
  uint64_t* row;
  std::vector<uint32_t> added;
  s.rows.upsert(s.words, &s.hash, 1, &id, &row, added);
  if (added.empty()) return;
  row_table::set_group(row, s.owner.key_group());
  s.rows.touch(id);
  s.by_time[static_cast<size_t>(kind)].insert({at, id});
}

bool timer_queue::cancel(timer_kind kind, timestamp_us at) {
  impl& s = *impl_;
  s.encode(kind, at);
  const uint32_t id = s.rows.find(s.words, s.hash);
  if (id == row_table::none) return false;
  s.by_time[static_cast<size_t>(kind)].erase({at, id});
  s.rows.erase(id);
  s.rows.release_freed();
  return true;
}

std::optional<timestamp_us> timer_queue::next(timer_kind kind) const {
  const auto& index = impl_->by_time[static_cast<size_t>(kind)];
  if (index.empty()) return std::nullopt;
  return index.begin()->at;
}

size_t timer_queue::size(timer_kind kind) const {
  return impl_->by_time[static_cast<size_t>(kind)].size();
}

result<size_t> timer_queue::fire(timer_kind kind, timestamp_us up_to, size_t max,
                                 const std::function<status(timestamp_us at)>& fire) {
  impl& s = *impl_;
  auto& index = s.by_time[static_cast<size_t>(kind)];
  size_t fired = 0;
  while (fired < max && !index.empty() && index.begin()->at <= up_to) {
    const auto due = *index.begin();
    index.erase(index.begin());
    const uint64_t* row = s.rows.row(due.id);
    s.owner.set_key(impl::key_of(row), row_table::group(row));
    s.rows.erase(due.id);
    s.rows.release_freed();
    ++fired;
    WEIR_TRY(fire(due.at));
  }
  s.rows.end_batch();
  return fired;
}

}  // namespace weir
