// Keeps the catalog of topics on disk: one sealed record a topic in an LMDB environment of its own,
// so that a change costs one commit, whatever the number of topics. Owned by the topics actor and
// used on its thread only; write() waits for the disk, so that actor must be detached. What write()
// has returned ok for survives a crash, what failed left no trace.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/kafka/topics/topic_catalog.hpp"

namespace weir {
class lmdb_environment;
}

namespace weir::kafka {

class topic_store {
 public:
  /// Makes the directory if it is absent; errc::locked if another process has it.
  static result<topic_store> open(const std::string& directory);
  topic_store(topic_store&&) noexcept;
  topic_store& operator=(topic_store&&) noexcept;
  ~topic_store();

  /// The catalog as it was last written. errc::corrupt names the record that does not hold.
  result<topic_catalog> load(catalog_limits limits = {}) const;
  /// All of the changes, durably, or none.
  status write(std::span<const topic_change> changes);

 private:
  explicit topic_store(std::shared_ptr<lmdb_environment> environment);
  std::shared_ptr<lmdb_environment> environment_;
};

}  // namespace weir::kafka
