// The inside of snapshot_store, shared by its source files.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "runtime/snapshot/chunk_index.hpp"
#include "runtime/snapshot/environment.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir {

/// The number of the format of what is in the databases; another one is refused.
inline constexpr uint32_t store_format = 1;

/// A chunk of an epoch that is under way. With a number it is on the disk already, and what it was
/// measured to be is all that is left of it in memory.
struct staged_chunk {
  state_chunk chunk;
  chunk_entry entry;
};
struct staged_epoch {
  std::vector<staged_chunk> chunks;
  size_t on_disk = 0;  // of the chunks, from the first one on
  size_t bytes = 0;    // of the others
  bool stays = false;  // those stay in memory until the commit
};

struct snapshot_store::impl {
  struct fold_pass;  // store_fold.cpp
  std::shared_ptr<lmdb_environment> environment;
  snapshot_options options;
  memory_pool own_pool;
  std::map<snapshot_key, job_entry> jobs;
  std::map<std::pair<snapshot_key, uint64_t>, staged_epoch> staged;
  /// Numbers of chunks on the disk that no epoch will name; the next write removes them.
  std::vector<uint64_t> orphans;
  /// Index entries and names that could not be read; the epochs that miss them are unsound.
  std::vector<std::string> damage;
  /// Chains that could not be folded (damaged, or opaque bytes), by their oldest chunk: not tried
  /// again.
  std::set<uint64_t> unfoldable;
  uint64_t next_chunk = 1;
  uint32_t next_state = 1, next_job = 1;
  /// Loads share a lease until something was written.
  mutable std::weak_ptr<const read_lease> current_lease;
  std::shared_ptr<const read_lease> pinned;  // read-only stores: the state as of open()

  memory_pool& pool() { return options.memory ? *options.memory : own_pool; }

  // store_open.cpp
  status ensure_format();
  status load_all_records();
  status load_format(MDB_txn*);
  status load_names(MDB_txn*, std::map<uint32_t, job_entry*>&, std::map<uint32_t, state_entry*>&);
  status load_index(MDB_txn*, const std::map<uint32_t, state_entry*>&,
                    std::vector<uint64_t>& indexed);
  status load_epochs(MDB_txn*, const std::map<uint32_t, job_entry*>&);
  void add_lost_epochs();
  void check_views();
  status find_orphans(MDB_txn*, const std::vector<uint64_t>& indexed);

  // store.cpp
  status writable() const;
  /// Writes, and removes orphans.
  status apply(const std::function<int(MDB_txn*)>& body);
  /// Chunks that wait go to the disk. Nothing names them until the epoch is committed.
  void spill(staged_epoch&);
  /// What is on the disk of it is an orphan.
  void give_up(const staged_epoch&);
  status drop_epochs(job_entry&, uint64_t from, bool job_too);

  // store_read.cpp
  const job_entry* find(const snapshot_key&) const;
  result<const epoch_entry*> find(const snapshot_key&, epoch) const;
  result<std::shared_ptr<const read_lease>> lease() const;
  result<state_chunk> fetch(const std::shared_ptr<const read_lease>&, const state_entry&,
                            const chunk_entry&) const;
  /// What is wrong with the epoch; `checked` keeps verdicts over several epochs.
  using verdicts = std::map<uint64_t, std::string>;
  result<std::vector<std::string>> examine(const job_entry&, uint64_t e, bool every_byte,
                                           verdicts& checked, verify_report* report) const;
};

// Keys of the catalog. Numbers are big-endian, so that epochs sort.
std::string job_record_key(uint32_t job);
std::string state_record_key(uint32_t state);
std::string manifest_record_key(uint32_t job, uint64_t e);
std::string view_record_key(uint32_t job, uint64_t e);
inline constexpr std::string_view format_record_key = "format";

/// Writes the view seals of a job's kept epochs; call within the transaction that changes them.
int put_view_seals(MDB_txn*, MDB_dbi catalog, const job_entry&);
int put_text(MDB_txn*, MDB_dbi, std::string_view key, std::string_view value);
/// Removing what is not there is no error.
int remove_key(MDB_txn*, MDB_dbi, MDB_val key);

}  // namespace weir
