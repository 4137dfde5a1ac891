// The part files of a file sink and what a snapshot says about them. A part is written under a
// hidden name (.NAME.ATTEMPT.inprogress) that no glob for *.csv or *.json matches, and renamed to
// NAME when the epoch that closed it is complete. With partitions the parts lie in folders within
// the sink's, as Hive lays them out (COLUMN=VALUE/COLUMN=VALUE). The functions here block: they run
// on the sink's io_lane. Every one may be repeated after a failure at any point.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/io/file.hpp"

namespace weir {

/// part-<tag>-<subtask>-<epoch>-<number>.<extension>. The tag names the sink and the run that
/// began it (hexadecimal), so that nobody else's parts are touched.
struct part_name {
  std::string tag;
  uint32_t subtask = 0;
  uint64_t epoch = 0;
  uint64_t number = 0;
  std::string extension;
  std::string text() const;
  static std::optional<part_name> parse(std::string_view name);
};

/// The files of a folder for who reads it as a table: those of a sink's runs in the order in which
/// they began, by epoch, task and number; others behind them by name. What begins with a dot (parts
/// in progress) or an underscore (what other programs leave) is none of the table. An error when
/// its rows lie in folders below it, as partitions do.
result<std::vector<std::string>> table_files(file_system&, const std::string& folder);

/// The tag of a sink's run; its first part is the same for all runs of the operator.
std::string part_tag(std::string_view operator_id, std::string_view attempt);
inline constexpr size_t part_tag_operator_chars = 6;

struct part_file {
  std::string hidden;          // the name while it is in progress
  uint32_t subtask = 0;        // that began it
  uint64_t number = 0;         // unique within tag and subtask
  uint64_t epoch = 0;          // whose barrier closed it; 0 = none yet
  uint64_t bytes = 0;          // that belong to the snapshot
  std::string partition = {};  // its folder within the sink's; empty: the sink's itself
};

/// One subtask's blob in the snapshot of `number`.
struct parts_snapshot {
  uint64_t number = 0;
  std::string tag;
  std::string extension;
  uint32_t subtask = 0;
  uint64_t next_part = 0;
  std::vector<part_file> closed;  // waiting for their epoch to be complete
  std::vector<part_file> open;    // stay open over the barrier
  /// Paths within the sink's folder that go when the epoch is complete, before its own parts come.
  std::vector<std::string> outdated;
  std::string encode() const;
  static result<parts_snapshot> decode(std::string_view);
  std::string final_name(const part_file&) const;
};

/// The folder that holds a part.
std::string folder_of(const std::string& sink, const std::string& partition);
/// Makes a partition's folder, durably, under the sink's.
status make_partition(file_system&, const std::string& folder, const std::string& partition);

/// Renames closed parts into place; those that are there already are left.
status publish_parts(file_system&, const std::string& folder, const parts_snapshot& parts);

enum class existing_parts : uint8_t { replace, keep, fail };

/// What one subtask of a sink that starts may take for outdated: each its own share.
struct part_cleanup {
  std::string tag;                        // empty: a fresh start
  std::string operator_chars;             // of the tag
  std::string attempt;                    // whose hidden files stay
  uint64_t restored = 0;                  // epoch that the job continues from
  uint32_t subtask = 0, parallelism = 1;  // its share: old subtasks that are it modulo parallelism
  size_t levels = 0;                      // of folders with partitions
  existing_parts existing = existing_parts::keep;  // of a fresh start: parts of other runs
};
/// Leftovers of earlier attempts, parts that were published after the restored epoch, and with
/// `replace` those of other runs: of this subtask's share, as paths within the sink's folder.
///
/// They are only named here. Who starts does not know whether another attempt has gone on
/// meanwhile, of a master that it has not heard of: what looks left over may be that one's work.
/// They go when an epoch of this attempt is complete, which only the job's master can say.
result<std::vector<std::string>> find_outdated(file_system&, const std::string& folder,
                                               const part_cleanup&);
status remove_outdated(file_system&, const std::string& folder,
                       const std::vector<std::string>& paths);
/// Copies what the snapshot has of an open part into a hidden file of this attempt, `to`; from
/// under its name where it was published after that.
status recover_open(file_system&, const std::string& folder, const parts_snapshot&,
                    const part_file&, const std::string& to);

/// A fresh start in a folder that may hold parts of another run, in `levels` levels of partitions:
/// makes it; errc::already_exists where there are some and they make it fail.
status prepare_folder(file_system&, const std::string& folder, existing_parts, size_t levels);

}  // namespace weir
