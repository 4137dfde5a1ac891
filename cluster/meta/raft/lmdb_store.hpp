// The log store on disk: one LMDB environment, one synced transaction per batch, so that a crash or
// a power cut leaves a batch whole or absent. Every record is sealed by a CRC-32C over its key and
// bytes. One thread; write() waits for the disk.
#pragma once

#include <memory>
#include <string>

#include "cluster/meta/raft/store.hpp"

namespace weir {
class lmdb_environment;
}

namespace weir::meta {

class lmdb_store final : public log_store {
 public:
  /// Makes the directory if it is absent; errc::locked if another process has it.
  static result<std::unique_ptr<lmdb_store>> open(const std::string& directory);
  ~lmdb_store() override;

  result<stored_log> load() override;
  status write(const write_batch&) override;
  result<snapshot_record> snapshot() override;

 private:
  explicit lmdb_store(std::shared_ptr<lmdb_environment> e);
  error damaged(const std::string& what) const;
  std::shared_ptr<lmdb_environment> environment_;
};

}  // namespace weir::meta
