// Up to where each partition of a node is acknowledged: one file with a slot of 64 bytes for each,
// written after every round without a sync of its own. After a crash it tells acknowledged bytes
// that are damaged from a torn tail; a slot that is old or lost only makes recovery less sure of
// itself. Owned by the committer; blocks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/log/log_types.hpp"

namespace weir {

class commit_points {
 public:
  static result<std::unique_ptr<commit_points>> open(file_system&, const std::string& path);

  std::optional<commit_point> find(const log_id&) const;
  void set(const log_id&, const commit_point&);
  void erase(const log_id&);
  /// Writes the slots that changed; after a failure all of them, to a file that is opened anew.
  status write();
  /// What was written is durable.
  status sync();

 private:
  static constexpr size_t slot_bytes = 64;
  static constexpr size_t page_bytes = 4096;  // slots are written page by page

  commit_points(file_system& files, std::string path) : files_(files), path_(std::move(path)) {}
  status load();
  void touch(uint32_t slot);

  file_system& files_;
  const std::string path_;
  std::unique_ptr<positional_file> file_;
  bool failed_ = false;  // what the file holds is not known, and its descriptor may say so for ever
  std::vector<std::byte> bytes_;  // the whole file
  std::map<log_id, uint32_t> slots_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> dirty_pages_;
  std::vector<bool> page_is_dirty_;
};

}  // namespace weir
