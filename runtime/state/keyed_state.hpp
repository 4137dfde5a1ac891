// Keyed state for general use: what custom operators see as value, list, map and reducing state and
// as timers. A keyed_store belongs to one operator instance and its task's thread. Every access is
// to the current key (set_key). All of it is in snapshots incrementally: one record per value, map
// entry, list element and timer, written only when it changed since the last epoch.
//
// Views that are returned stay valid until the next change of the same state.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/column/memory.hpp"
#include "runtime/snapshot/chunk.hpp"

namespace weir {

/// An entry is gone `duration_us` after it was written (or read, with refresh_on_read), measured on
/// the clock that the caller passes to keyed_store::set_now: event or processing time. 0 = never.
struct state_ttl {
  int64_t duration_us = 0;
  bool refresh_on_read = false;
};

namespace detail {
class state_table;
}
class keyed_store;

/// One value per key.
class value_state {
 public:
  std::optional<std::string_view> get();
  void put(std::string_view value);
  void clear();

 private:
  friend class keyed_store;
  friend class reducing_state;
  explicit value_state(detail::state_table& t) : table_(t) {}
  detail::state_table& table_;
};

/// Entries by a second key. for_each goes in ascending order of the entry's key bytes, so that it
/// is the same after a restore.
class map_state {
 public:
  std::optional<std::string_view> get(std::string_view entry);
  bool contains(std::string_view entry) { return get(entry).has_value(); }
  void put(std::string_view entry, std::string_view value);
  /// Whether there was such an entry.
  bool erase(std::string_view entry);
  /// `visit` must not change this map; collect first, then change.
  void for_each(const std::function<void(std::string_view entry, std::string_view value)>& visit);
  size_t size();
  bool empty() { return size() == 0; }
  void clear();

 private:
  friend class keyed_store;
  friend class list_state;
  explicit map_state(detail::state_table& t) : table_(t) {}
  detail::state_table& table_;
};

/// Elements in the order they were appended; an append writes one record.
class list_state {
 public:
  void append(std::string_view element);
  void assign(const std::vector<std::string_view>& elements);
  void for_each(const std::function<void(std::string_view element)>& visit);
  size_t size() { return entries_.size(); }
  bool empty() { return size() == 0; }
  void clear() { entries_.clear(); }

 private:
  friend class keyed_store;
  explicit list_state(detail::state_table& t) : entries_(t) {}
  map_state entries_;
};

/// Folds `value` into `accumulated`.
using reduce_function = std::function<void(std::string& accumulated, std::string_view value)>;

/// One value per key, made of all that was added since it was clear.
class reducing_state {
 public:
  std::optional<std::string_view> get() { return value_.get(); }
  /// The first value of a key is taken as it is.
  void add(std::string_view value);
  void clear() { value_.clear(); }

 private:
  friend class keyed_store;
  reducing_state(detail::state_table& t, reduce_function f) : value_(t), reduce_(std::move(f)) {}
  value_state value_;
  reduce_function reduce_;
  std::string scratch_;
};

enum class timer_kind : uint8_t { event_time = 0, processing_time = 1 };

/// Timers of all keys: one per (kind, key, time); setting one again changes nothing.
class timer_queue {
 public:
  /// For the current key.
  void set(timer_kind, timestamp_us at);
  /// Whether the current key had such a timer.
  bool cancel(timer_kind, timestamp_us at);
  /// Time of the earliest timer of a kind.
  std::optional<timestamp_us> next(timer_kind) const;
  size_t size(timer_kind) const;
  /// Fires timers with time <= up_to, by time and then key bytes, at most `max`: removes each,
  /// makes its key the current one and calls `fire`, which may set timers and change state (a timer
  /// that it sets at or before up_to fires in the same call). Returns how many fired, or its error.
  result<size_t> fire(timer_kind, timestamp_us up_to, size_t max,
                      const std::function<status(timestamp_us at)>& fire);

 private:
  friend class keyed_store;
  struct impl;
  explicit timer_queue(keyed_store& owner, memory_pool* memory);
  ~timer_queue();
  std::unique_ptr<impl> impl_;
};

class keyed_store {
 public:
  /// `memory` is charged for all state; may be null (tests).
  explicit keyed_store(memory_pool* memory);
  ~keyed_store();
  keyed_store(const keyed_store&) = delete;
  keyed_store& operator=(const keyed_store&) = delete;

  /// Declares a state, before restore(). The name is unique within the operator and part of the
  /// snapshot; the pointer lives as long as the store.
  result<value_state*> value(const std::string& name, state_ttl ttl = {});
  result<list_state*> list(const std::string& name, state_ttl ttl = {});
  result<map_state*> map(const std::string& name, state_ttl ttl = {});
  result<reducing_state*> reducing(const std::string& name, reduce_function, state_ttl ttl = {});
  timer_queue& timers() noexcept;

  /// The key that all states and timers refer to from now on; `group` is its key group (of the hash
  /// that the exchange used). The bytes are copied.
  void set_key(std::string_view key, uint32_t group);
  std::string_view key() const noexcept;
  uint32_t key_group() const noexcept;

  /// Time for TTL; never goes back.
  void set_now(timestamp_us now) noexcept;
  /// Looks at up to `entries` entries for expired ones and removes them; call it now and then (once
  /// per batch). Reading an expired entry removes it too.
  void sweep(size_t entries = 64);

  /// Forward the operator's calls of the same names.
  status restore(const snapshot_reader&, key_group_range);
  status snapshot_begin(snapshot_writer&);
  result<bool> snapshot_continue(snapshot_writer&, size_t budget);
  void on_epoch_complete(epoch);
  void on_epoch_aborted(epoch);
  size_t state_bytes() const noexcept;

 private:
  friend class timer_queue;
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weir
