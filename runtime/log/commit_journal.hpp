// The committer's journal for small writes: what goes to many segments is written here once more,
// one behind the other, and only this one file is synced; the segments follow when the system
// likes. Two files take turns; one is used again when everything in it is durable in the segments.
// After a crash both are played back. Owned by the committer; blocks.
//
// Why (two cores, ext4 on a virtio disk; one round of n writes of 200 B to n files, microseconds):
//   files      fdatasync each   by 8 threads   syncfs   journal
//   1                 90            345          104        92
//   8                732            531          153       116
//   128           12,742          3,719          904       174
//   2,048        246,144         57,008       14,976       645
//   10,000             -              -       74,075     2,141
// And into blocks that were written before (its second lap) a sync takes 88 us, at the end of a
// growing file 116 us, into reserved space 174 us (the file system notes which blocks are now
// written).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/log/log_types.hpp"

namespace weir {

struct journal_entry {
  std::string path;
  uint64_t identity = 0;  // of the file: a later one of the same name is left alone
  uint64_t position = 0;
  std::span<const std::byte> bytes;
};

class commit_journal {
 public:
  /// Whether a round of so many bytes to so many files is better off here. Large ones go to the
  /// segments directly: the disk is then busy with their bytes, not with syncing, and would have to
  /// take them twice. One more file in a syncfs costs what 14 KiB cost.
  static constexpr bool is_better(uint64_t bytes, uint64_t files) noexcept {
    return bytes <= round_bytes_small ||
           (bytes <= files * file_bytes_small && bytes <= file_bytes_max / 4);
  }
  static constexpr uint64_t round_bytes_small = uint64_t{128} << 10;
  static constexpr uint64_t file_bytes_small = uint64_t{14} << 10;
  /// Small enough for the page cache, large enough that the syncfs of a turn is rare.
  static constexpr uint64_t file_bytes_max = uint64_t{32} << 20;

  /// Opens (and creates) FOLDER/journal-0 and -1.
  static result<std::unique_ptr<commit_journal>> open(file_system&, const std::string& folder);

  /// Whether a record of this many bytes needs the other file first: see turn().
  bool is_full(uint64_t bytes) const noexcept;
  /// Goes on in the other file. Everything in it must be durable in its segments.
  void turn() noexcept;
  /// Durable when it returns. After a failure: reset() before anything else.
  status append(std::span<const journal_entry> entries);
  /// Grows with each turn(). Entries of lap n are gone once something of lap n + 2 is written.
  uint64_t lap() const noexcept { return lap_; }
  bool may_hold(uint64_t lap) const noexcept { return lap + 2 >= lap_; }
  bool broken() const noexcept { return broken_; }
  /// Writes everything that is still in the journal to the segments again and syncs them.
  status replay(file_cache&) const;
  /// Empties both files, durably. Everything in them must be durable in its segments.
  status reset();
  static uint64_t record_bytes(std::span<const journal_entry> entries) noexcept;

 private:
  struct record;
  commit_journal(file_system& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}
  status open_files();
  status read_records(size_t file, std::vector<record>& out) const;
  static status sync_all(std::map<std::string, std::unique_ptr<positional_file>>& open,
                         const std::string& but);
  /// Files that a replay keeps open.
  static constexpr size_t open_max = 500;
  std::string path(size_t file) const { return folder_ + "/journal-" + std::to_string(file); }

  file_system& files_;
  std::string folder_;
  std::array<std::unique_ptr<positional_file>, 2> file_;
  size_t current_ = 0;
  uint64_t position_ = 0;
  uint64_t sequence_ = 1;
  uint64_t lap_ = 0;
  bool broken_ = false;
  std::vector<std::byte> buffer_;
};

}  // namespace weir
