// The side file of records that could not be read (on_error = dead_letter): JSON lines with cause,
// position and the record itself. One file per split in the dead letter folder, so that its length
// belongs to the split's position: a restart cuts it to the length in the snapshot and each bad
// record is there exactly once. Written and fsynced on the executor before the rows behind the
// record are emitted. Owned by a reader; its task's thread.
#pragma once

#include "runtime/connectors/io_lane.hpp"
#include "runtime/io/file.hpp"

namespace weir {

class dead_letters {
 public:
  dead_letters(std::string folder, file_system&, io_executor&, std::function<void()> wake);

  /// Cuts what an earlier attempt wrote behind `bytes`.
  void restore(const std::string& split_id, uint64_t bytes);
  /// Writes `lines` behind the first `bytes` bytes of the split's file.
  void write(const std::string& split_id, uint64_t bytes, std::string lines);
  /// Whether everything asked for is durable; false = wake() will follow. The first failure stays.
  result<bool> done();

  static void append_line(std::string& out, std::string_view position, std::string_view cause,
                          std::string_view raw);
  std::string path_of(const std::string& split_id) const;

 private:
  std::string folder_;
  file_system& files_;
  io_lane lane_;
};

}  // namespace weir
