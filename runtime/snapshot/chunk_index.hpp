// What the store knows about its chunks, in memory: per job its kept epochs, its states, and per
// state and key group (or subtask, for blobs) the chain of chunks, oldest first. An epoch's view is
// computed from the chains, so folding and dropping never rewrite manifests. Internal to the store;
// its thread only.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/snapshot/chunk.hpp"
#include "runtime/snapshot/manifest.hpp"
#include "runtime/snapshot/packed.hpp"

namespace weir {

/// One chunk; its stored form in the index database is these bytes. A tombstone has no chunk: it
/// ends a state (its operator left the job) or a blob (its subtask is gone).
struct chunk_entry {
  uint64_t id = 0;
  uint64_t written = 0;  // epoch; of a folded chunk the newest epoch in it
  uint32_t state = 0;    // number of the state_entry
  uint32_t key_group = 0;
  uint32_t subtask = 0;
  uint32_t bytes = 0;
  uint32_t records = 0;
  uint32_t crc = 0;  // chunk_crc
  uint8_t kind = 0;
  uint8_t tombstone = 0;
  /// Share of the records that replace nothing in earlier chunks, in 65535ths; rounded down.
  uint16_t fresh = 0;
  uint32_t seal = 0;  // CRC-32C of the fields before it

  uint32_t compute_seal() const noexcept;
  void count(const chunk_counts&) noexcept;
  bool replaces() const noexcept {
    return tombstone || kind == static_cast<uint8_t>(chunk_kind::full);
  }
};
static_assert(sizeof(chunk_entry) == 48);

using chunk_chain = std::vector<chunk_entry>;  // by (written, id)

/// One named state of one operator of one job.
struct state_entry {
  uint32_t number = 0;
  std::string operator_id, name;
  std::map<uint32_t, chunk_chain> groups;  // by key group
  std::map<uint32_t, chunk_chain> blobs;   // by subtask
};

struct epoch_entry {
  snapshot_manifest manifest;
  std::string damage;  // why it cannot be used; empty = sound as far as known
  /// Of all chunks in the epoch's view: stored with the epoch, so that a lost entry is noticed.
  uint64_t view_chunks = 0, view_digest = 0;
};

struct job_entry {
  uint32_t number = 0;
  snapshot_key key;
  std::map<uint64_t, epoch_entry> epochs;
  std::map<std::pair<std::string, std::string>, state_entry> states;

  uint64_t oldest_kept() const { return epochs.empty() ? 0 : epochs.begin()->first; }
  uint64_t newest() const { return epochs.empty() ? 0 : epochs.rbegin()->first; }
};

/// The part of a chain that epoch `e` sees: [first, last) positions. Tombstones are left out.
std::pair<size_t, size_t> view_of(const chunk_chain&, uint64_t e);
/// How many entries at the front no epoch from `oldest_kept` on can see.
size_t garbage_of(const chunk_chain&, uint64_t oldest_kept);
/// Whether it pays to fold what `oldest_kept` sees of a chain, and how much that is.
struct fold_estimate {
  bool worth = false;
  uint64_t bytes = 0;
};
fold_estimate estimate_fold(const chunk_chain&, uint64_t oldest_kept, double ratio,
                            uint64_t bytes_min);

/// Calls visit(state, chain, is_blob) for every chain of a job.
template <class Job, class Visit>
void each_chain(Job& job, Visit&& visit) {
  for (auto& [name, s] : job.states) {
    for (auto& [group, c] : s.groups) visit(s, c, false);
    for (auto& [subtask, c] : s.blobs) visit(s, c, true);
  }
}

struct view_summary {
  uint64_t chunks = 0, digest = 0;
};
view_summary summarize(const job_entry&, uint64_t e);

/// The chunk without its bytes.
state_chunk address_of(const state_entry&, const chunk_entry&);

}  // namespace weir
