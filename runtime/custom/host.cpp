#include "runtime/custom/host.hpp"

#include <algorithm>

#include "runtime/column/hash.hpp"
#include "runtime/custom/key_codec.hpp"
#include "runtime/custom/library.hpp"

namespace weir::custom {

operator_host::operator_host(const operator_context& c, std::vector<std::vector<uint32_t>> keys,
                             std::vector<data_type> key_types, std::vector<schema_ptr> outputs)
    : context_(c),
      keys_(std::move(keys)),
      key_types_(std::move(key_types)),
      outputs_(std::move(outputs)),
      store_(c.memory) {}

void operator_host::begin_batch(const batch_ptr& b, const abi::batch& view) {
  batch_ = b;
  view_ = &view;
  logical_ = 0;
  no_key();
  // Before the first watermark, entries are as old as the first row that came.
  auto t = b->type->event_time;
  if (has_ttl_ && first_event_time_ == watermark_none && t && b->rows) {
    const column& c = *b->columns[*t];
    if (!c.dictionary && c.is_valid(b->row(0))) first_event_time_ = c.data<int64_t>()[b->row(0)];
  }
  advance_ttl();
}

void operator_host::end_batch() {
  no_key();
  batch_.reset();
  view_ = nullptr;
  hashes_ = {};
}

void operator_host::no_key() {
  source_ = key_source::none;
  store_has_key_ = false;
}

void operator_host::use_timer_key() {
  source_ = key_source::timer;
  store_has_key_ = true;
  key_bytes_ = store_.key();
}

void operator_host::advance_ttl() {
  if (!has_ttl_) return;
  timestamp_us now =
      ttl_clock_ == abi::processing_time ? processing_time : std::max(watermark, first_event_time_);
  if (now == watermark_none) return;
  store_.set_now(now);
  store_.sweep();
}

int32_t operator_host::fail(const error& e) {
  error_ = e.message;
  switch (e.code) {
    case errc::budget_exceeded:
      return abi::budget_exceeded;
    case errc::corrupt:
      return abi::corrupt;
    case errc::unsupported:
      return abi::unsupported;
    case errc::invalid_argument:
    case errc::already_exists:
      return abi::invalid_argument;
    default:
      return abi::internal;
  }
}

uint32_t operator_host::logical_row(uint32_t physical) {
  if (!batch_->selection) return physical;
  const auto* s = batch_->selection.as<uint32_t>();
  // Rows are nearly always visited in order: the next one is at hand.
  if (logical_ < batch_->rows && s[logical_] == physical) return logical_;
  if (logical_ + 1 < batch_->rows && s[logical_ + 1] == physical) return ++logical_;
  logical_ = static_cast<uint32_t>(std::lower_bound(s, s + batch_->rows, physical) - s);
  logical_ = std::min(logical_, batch_->rows - 1);
  return logical_;
}

void operator_host::set_key_of_row() {
  const auto& keys = keys_[view_->port];
  if (!hashes_) {
    static memory_pool unaccounted;
    hashes_ = hash_keys(*batch_, keys, context_.memory ? *context_.memory : unaccounted);
  }
  key_bytes_.clear();
  for (uint32_t k : keys) append_key(key_bytes_, view_->columns[k], row_);
  auto hash = hashes_.as<uint64_t>()[logical_row(row_)];
  store_.set_key(key_bytes_, group_of_hash(hash, context_.key_groups));
  store_has_key_ = true;
}

int32_t operator_host::need_key() {
  if (store_has_key_) return abi::ok;
  if (!keyed())
    return fail(abi::invalid_argument, "it needs a key: give the step `key: [columns]`");
  if (source_ == key_source::none)
    return fail(abi::user_code, "there is no current key: iterate the rows with context::rows");
  set_key_of_row();
  return abi::ok;
}

const abi::cell* operator_host::current_key(uint32_t& count) {
  count = 0;
  if (need_key() != abi::ok || !decode_key(key_bytes_, key_types_, cells_)) return nullptr;
  count = static_cast<uint32_t>(cells_.size());
  return cells_.data();
}

int32_t operator_host::open_state(const abi::state_declaration& d, uint32_t& id) {
  std::string name(view(d.name));
  if (!opening) return fail(abi::user_code, "states are members of the operator");
  if (!keyed())
    return fail(abi::invalid_argument, "it needs a key: give the step `key: [columns]`");
  if (d.ttl_us < 0) return fail(abi::invalid_argument, "its time to live is negative");
  if (d.ttl_us && has_ttl_ && d.clock != ttl_clock_)
    return fail(abi::unsupported, "all states of an operator measure their ttl by one clock");
  if (d.ttl_us) has_ttl_ = true, ttl_clock_ = d.clock;
  state_ttl ttl{d.ttl_us, d.refresh_on_read != 0};
  state s{name, d.kind};
  auto keep = [this](auto made, auto& to) {
    if (!made) return fail(made.err());
    to = *made;
    return static_cast<int32_t>(abi::ok);
  };
  int32_t rc = abi::ok;
  if (d.kind == abi::value_state) {
    rc = keep(store_.value(name, ttl), s.value);
  } else if (d.kind == abi::list_state) {
    rc = keep(store_.list(name, ttl), s.list);
  } else if (d.kind == abi::map_state) {
    rc = keep(store_.map(name, ttl), s.map);
  } else {
    return fail(abi::unsupported, "unknown kind of state");
  }
  if (rc != abi::ok) return rc;
  id = static_cast<uint32_t>(states_.size());
  states_.push_back(std::move(s));
  return abi::ok;
}

std::vector<custom_metric> operator_host::metrics() const {
  std::lock_guard lock(metrics_mutex_);
  std::vector<custom_metric> r;
  for (const auto& m : metrics_)
    r.push_back({m.name, m.gauge, __atomic_load_n(&m.value, __ATOMIC_RELAXED)});
  return r;
}

}  // namespace weir::custom
