// Where a server of the consensus keeps its term, vote, log and snapshot. One owner, one thread.
// Simulated in tests (tests/meta/sim_disk.hpp); the real one is lmdb_store.hpp.
#pragma once

#include "cluster/meta/raft/records.hpp"
#include "runtime/base/result.hpp"

namespace weir::meta {

class log_store {
 public:
  virtual ~log_store() = default;
  /// errc::corrupt: it is damaged, and must not be used.
  virtual result<stored_log> load() = 0;
  /// All steps, durably, or none. After an error the server that asked is over: what is on disk is
  /// known again only by load().
  virtual status write(const write_batch&) = 0;
  /// The newest snapshot; errc::not_found if there is none.
  virtual result<snapshot_record> snapshot() = 0;
};

}  // namespace weir::meta
