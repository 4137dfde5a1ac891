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
  /// True: it is the first of this partition. Without any point recovery takes more for
  /// acknowledged than was; so the first one is to be synced.
  bool set(const log_id&, const commit_point&);
  void erase(const log_id&);
  /// Writes the slots that changed.
  status write();
  status sync();

 private:
  static constexpr size_t slot_bytes = 64;
  static constexpr size_t page_bytes = 4096;  // slots are written page by page

  explicit commit_points(std::unique_ptr<positional_file> file) : file_(std::move(file)) {}
  status load(const std::string& path);
  void touch(uint32_t slot);

  std::unique_ptr<positional_file> file_;
  std::vector<std::byte> bytes_;  // the whole file
  std::map<log_id, uint32_t> slots_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> dirty_pages_;
  std::vector<bool> page_is_dirty_;
};

}  // namespace weir
