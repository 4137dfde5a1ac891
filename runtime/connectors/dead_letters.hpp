// The side files of records that could not be read or computed (on_error = dead_letter): JSON lines
// with cause, position and the record itself. One file per id (a source's split; an operator's
// subtask) in the dead letter folder, so that its length belongs to a position in the snapshot: a
// restart cuts it to that length and each bad record is there exactly once. Written and fsynced on
// the executor. Owned by a reader or an operator's error policy; its task's thread.
#pragma once

#include <optional>

#include "runtime/connectors/io_lane.hpp"
#include "runtime/io/file.hpp"

namespace weir {

class dead_letters {
 public:
  /// What is empty or absent is left out.
  struct letter {
    std::string_view position, operator_id, cause;
    std::string_view row;  // JSON
    int32_t weight = 1;    // left out when it is 1
    std::optional<std::string_view> raw;
    // Of a topic's record; files leave them out.
    std::optional<std::string_view> key;
    std::string_view headers;  // kafka/records.hpp
  };

  dead_letters(std::string folder, file_system&, io_executor&, std::function<void()> wake);

  /// Cuts what an earlier attempt wrote behind `bytes`.
  void restore(const std::string& id, uint64_t bytes);
  /// Removes the files of ids "STEM.NUMBER" whose number is `unwanted`: an earlier run's.
  void remove_others(std::string stem, std::function<bool(uint32_t)> unwanted);
  /// Writes `lines` behind the first `bytes` bytes of the id's file.
  void write(const std::string& id, uint64_t bytes, std::string lines);
  /// Whether everything asked for is durable; false = wake() will follow. The first failure stays.
  result<bool> done();
  /// Whether more than `bytes` wait to be written; then wake() follows a change.
  bool holds_more_than(size_t bytes) const { return lane_.holds_more_than(bytes); }

  static void append_line(std::string& out, const letter&);
  std::string path_of(const std::string& id) const;

 private:
  std::string folder_;
  file_system& files_;
  io_lane lane_;
};

}  // namespace weir
