// The jobs that a coordinator has accepted, as files on its disk: DATA_DIR/jobs/ID.job, one per
// job, replaced in one step and fsynced. So jobs outlive their coordinator. Owned by the
// coordinator actor, which is detached: all calls block. Replicated metadata will take its place.
//
// A file: "WEIRJOB1", CRC-32C of what follows (4 bytes, little endian), then length-prefixed texts
// (runtime/flow/split_list.hpp): id, name, interval in us, job_state, error, the plan's bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/flow/coordinator.hpp"
#include "runtime/io/file.hpp"

namespace weir {

struct catalog_entry {
  std::string id, name;
  int64_t snapshot_interval_us = 0;
  job_state state = job_state::running;  // an ended state, or running: to be taken up again
  std::string error;                     // of a failed job
  std::vector<char> plan;                // encode_plan()
};

class job_catalog {
 public:
  job_catalog() = default;  // keeps nothing
  /// `files` outlives the catalog.
  job_catalog(file_system& files, std::string directory)
      : files_(&files), directory_(std::move(directory)) {}

  /// Every entry, by id. A damaged file is an error that names it: a job is never lost in silence.
  result<std::vector<catalog_entry>> load() const;
  /// Durable when it returns.
  status put(const catalog_entry&);

 private:
  file_system* files_ = nullptr;
  std::string directory_;
};

std::string encode_catalog_entry(const catalog_entry&);
/// `where` names the bytes in errors.
result<catalog_entry> decode_catalog_entry(std::string_view bytes, std::string_view where);

}  // namespace weir
