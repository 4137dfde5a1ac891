// What operators give to a snapshot and get back on restore. The store (store.hpp) keeps chunks in
// LMDB; here they are only bytes with an address.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/column/buffer.hpp"

namespace weir {

/// The numbers are part of the snapshot format.
enum class chunk_kind : uint8_t {
  delta = 0,  // records (records.hpp) that changed since the last epoch, on top of what is there
  full = 1,   // records that replace everything earlier of the same state and key group
  blob = 2,   // opaque bytes of one subtask that replace its earlier blob (positions, sink parts)
};
/// The key group of blobs, which belong to a subtask and not to keys.
inline constexpr uint32_t no_key_group = 0xffff'ffff;

/// Rules that make chunks foldable: within an epoch the `full` chunks of a state and key group
/// together replace everything of earlier epochs, and `delta` chunks come on top in the order they
/// were put. A blob stays until its subtask writes another, or the job's parallelism drops below
/// the subtask: after a restore every subtask has to write its blobs in its first epoch.
struct state_chunk {
  std::string operator_id;  // stable id
  std::string state;        // name of the state within the operator
  uint32_t key_group = no_key_group;
  uint32_t subtask = 0;  // who wrote it
  chunk_kind kind = chunk_kind::delta;
  buffer_ref bytes;
  epoch written;                // the epoch that it belongs to
  std::optional<uint32_t> crc;  // checksum.hpp; set by the store
};

/// Given to an operator while it snapshots. One task's; not thread-safe.
class snapshot_writer {
 public:
  virtual ~snapshot_writer() = default;
  virtual epoch number() const = 0;
  /// Where chunk buffers come from.
  virtual memory_pool& memory() = 0;
  /// Adds a chunk; state changes of one key group may come in several.
  virtual void put(std::string_view state, uint32_t key_group, chunk_kind, buffer_ref bytes) = 0;
};

/// Given to an operator when it restores.
class snapshot_reader {
 public:
  virtual ~snapshot_reader() = default;
  /// Chunks of `state` in the key groups of `range`, per group oldest first. Nothing lies in front
  /// of a group's first chunk, so `full` ones (there may be several) are read like deltas.
  virtual status keyed(std::string_view state, key_group_range range,
                       const std::function<status(uint32_t key_group, chunk_kind,
                                                  std::span<const std::byte>)>& visit) const = 0;
  /// The blobs of `state` of all subtasks that wrote one (the parallelism may have changed since).
  virtual std::vector<std::pair<uint32_t, buffer_ref>> blobs(std::string_view state) const = 0;
};

}  // namespace weir
