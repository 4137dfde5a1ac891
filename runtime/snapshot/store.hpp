// The node's snapshot store: completed epochs of its jobs in one LMDB environment. Single writer:
// one thread (a detached actor) owns and calls it; what load() gives may be read and dropped
// anywhere. Always holds: a commit that returned ok survives a crash of process or machine, a
// failed one left nothing, and each of the last `keep_epochs` epochs of a job can be restored. See
// README.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/snapshot/chunk.hpp"
#include "runtime/snapshot/manifest.hpp"

namespace weir {

struct snapshot_options {
  /// Address space for the map, not memory or disk; it grows when it is used up.
  size_t map_bytes = size_t{256} << 30;
  size_t map_growth = size_t{64} << 30;
  uint32_t keep_epochs = 3;
  /// A key group is folded when its deltas exceed this share of its base and this many bytes.
  double fold_ratio = 0.5;
  uint64_t fold_bytes_min = 4 << 10;
  /// Chunks of an epoch under way that wait in memory; beyond it they go to the disk before the
  /// commit, which then names them.
  size_t staged_bytes_max = 4 << 20;
  /// Off: for tests; a commit then survives a kill but no power loss.
  bool sync = true;
  /// Looks on, while another process may hold the store, or at a copy of the folder. Sees the state
  /// as of open().
  bool read_only = false;
  /// For errors about damage: what helps.
  std::string when_damaged = "restore a copy of the folder, or start over with --fresh";
  /// Chunk buffers that folding makes are charged here; none: to a pool of its own.
  memory_pool* memory = nullptr;
};

struct sound_epoch {
  epoch number;
  std::vector<std::string> damage;  // of newer epochs that were passed over: what and where
};

struct epoch_state_info {
  std::string name;
  uint64_t chunks = 0, bytes = 0, records = 0;  // of the whole state as of the epoch
  uint64_t bytes_written = 0;                   // by the epoch itself
};
struct epoch_operator_info {
  std::string id, name;
  uint32_t parallelism = 1;
  uint64_t bytes = 0, bytes_written = 0;
  std::vector<epoch_state_info> states;
};
struct epoch_info {
  epoch number;
  int64_t started_us = 0, ended_us = 0;
  bool finished = false;
  uint64_t chunks = 0, bytes = 0, bytes_written = 0;
  std::string damage;  // empty = sound as far as known
  std::vector<epoch_operator_info> operators;
};

struct epoch_verdict {
  epoch number;
  std::vector<std::string> damage;  // empty = every byte is as it was written
};
struct verify_report {
  std::vector<epoch_verdict> epochs;  // oldest first
  uint64_t chunks = 0, bytes = 0;     // that were read
  bool sound() const;
};

struct store_usage {
  uint64_t file_bytes = 0, map_bytes = 0;
  uint64_t live_chunks = 0, live_bytes = 0;
  uint64_t orphans = 0;  // chunks of epochs that were given up, until the next write
};

class snapshot_store {
 public:
  /// Creates the folder when needed. errc::locked names the process that holds it.
  static result<std::unique_ptr<snapshot_store>> open(const std::string& directory,
                                                      snapshot_options = {});
  ~snapshot_store();
  snapshot_store(const snapshot_store&) = delete;
  snapshot_store& operator=(const snapshot_store&) = delete;

  // -- writing -------------------------------------------------------------------------------
  /// Stages a chunk of an epoch that is under way; nothing of it is found again without commit(). A
  /// chunk that carries a checksum (a copy from another node) is checked.
  status put(const snapshot_key&, epoch, state_chunk);
  status put(const snapshot_key&, epoch, std::vector<state_chunk>);
  /// Makes the epoch durable in one transaction. On any failure the epoch is aborted, and with
  /// errc::no_space the next one works when space is back. Epochs of a job grow; what the manifest
  /// leaves out (an operator, subtasks beyond its parallelism) loses its state; `anew`: so does all
  /// that the epoch does not write.
  status commit(snapshot_manifest, bool anew = false);
  /// Drops what was staged.
  void abort(const snapshot_key&, epoch);
  /// Forgets the epochs after `e`: must precede the first commit of a job that was restored from an
  /// epoch other than its newest, whose changes would else be mixed in. Nothing to do is no error.
  status rewind(const snapshot_key&, epoch e);
  /// Forgets a job with all its epochs (--fresh).
  status drop(const snapshot_key&);
  /// Folds and removes what no kept epoch needs, reading about `bytes_budget`, in one transaction.
  /// True while there is more to do. Failures leave everything as it was.
  result<bool> fold_some(size_t bytes_budget = 16 << 20);

  // -- reading -------------------------------------------------------------------------------
  std::vector<snapshot_key> jobs() const;
  /// Kept epochs, oldest first, sound or not.
  std::vector<epoch> epochs(const snapshot_key&) const;
  /// errc::not_found, or errc::corrupt when it is damaged.
  result<snapshot_manifest> manifest(const snapshot_key&, epoch) const;
  /// The newest epoch whose manifest and chunks are all there; with `every_byte` also every
  /// checksum is checked (the rate of memory). errc::not_found when the job has none at all;
  /// errc::corrupt naming the damage when none is sound.
  result<sound_epoch> newest_sound(const snapshot_key&, bool every_byte = true) const;
  /// The operator's chunks in the key groups, per group oldest first, and all its blobs. The bytes
  /// lie in the map and are not copied; they are checked by check_chunk(), which chunk_list_reader
  /// calls. Holding them keeps the store's file from reusing their pages: drop them after
  /// restoring.
  result<std::vector<state_chunk>> load(const snapshot_key&, epoch, std::string_view operator_id,
                                        key_group_range) const;
  /// All operators' chunks: what another node needs to hold a copy. They are given to its put()
  /// with as_import().
  result<std::vector<state_chunk>> load_all(const snapshot_key&, epoch) const;
  /// Reads every kept chunk.
  result<verify_report> verify(const snapshot_key&) const;
  std::vector<epoch_info> inspect(const snapshot_key&) const;
  store_usage usage() const;

 private:
  struct impl;
  explicit snapshot_store(std::unique_ptr<impl>);
  std::unique_ptr<impl> impl_;
};

/// Chunks of a whole epoch (load_all) as chunks that one epoch of another store writes: checked,
/// and replacing whatever that store has of their states.
result<std::vector<state_chunk>> as_import(std::vector<state_chunk> chunks, epoch target);

}  // namespace weir
