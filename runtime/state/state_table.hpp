// What value, list, map and reducing states are made of: rows keyed by (key) or (key, entry) with a
// byte string and an expiry. For maps, the entries of a key are also linked, which is rebuilt on
// restore. Owned by a keyed_store.
#pragma once

#include <absl/container/node_hash_map.h>

#include <string>

#include "runtime/state/keyed_state.hpp"
#include "runtime/state/row_table.hpp"

namespace weir::detail {

/// The key that all states of a store refer to.
struct current_key {
  std::string bytes;
  uint32_t group = 0;
  timestamp_us now = watermark_none;
  uint64_t version = 1;  // of bytes
};

class state_table {
 public:
  enum class shape : uint8_t { value, map };
  state_table(std::string name, shape, state_ttl, const current_key&, memory_pool*);

  const std::string& name() const noexcept { return name_; }
  row_table& rows() noexcept { return rows_; }

  /// `entry` is empty for values.
  std::optional<std::string_view> get(std::string_view entry);
  void put(std::string_view entry, std::string_view value);
  bool erase(std::string_view entry);

  // Maps: of the current key.
  size_t count();
  void for_each(const std::function<void(std::string_view, std::string_view)>&);
  void clear();
  /// A number larger than any before of this key.
  uint64_t next_sequence();
  void start_sequence(uint64_t n) {
    if (head* h = find_head()) h->next_sequence = std::max(h->next_sequence, n);
  }

  void sweep(size_t entries);
  status restore(const snapshot_reader&, key_group_range);
  size_t memory_bytes() const noexcept;

 private:
  struct head {
    uint32_t first = row_table::none;
    uint32_t entries = 0;
    uint64_t next_sequence = 0;
  };
  struct link {
    uint32_t previous = row_table::none, next = row_table::none;
    head* of = nullptr;
  };
  // Value words: string, expiry.
  static constexpr uint32_t string_word = 0, expiry_word = 2;

  uint32_t find(std::string_view entry);
  void encode(std::string_view entry);
  bool expired(uint32_t id) const noexcept {
    return ttl_.duration_us > 0 &&
           key_.now >= static_cast<timestamp_us>(rows_.row(id)[value_word_ + expiry_word]);
  }
  void set_expiry(uint32_t id);
  void remove(uint32_t id);
  void add_link(uint32_t id, head&);
  head* find_head();
  std::string_view entry_of(uint32_t id) const noexcept;
  std::string_view key_of(uint32_t id) const noexcept;
  std::string_view value_of(uint32_t id) const noexcept;
  void purge_expired(head&);

  std::string name_;
  shape shape_;
  state_ttl ttl_;
  const current_key& key_;
  row_table rows_;
  uint32_t value_word_;
  std::string encoded_;     // key bytes of the row looked for
  uint64_t words_[3] = {};  // its encoded key
  uint32_t hash_ = 0;
  absl::node_hash_map<std::string, head> heads_;
  size_t head_bytes_ = 0;
  std::vector<link> links_;
  head* head_ = nullptr;  // of the current key, while head_version_ is its version
  uint64_t head_version_ = 0;
  uint32_t sweep_at_ = 0;
  uint32_t changes_ = 0;
};

}  // namespace weir::detail
