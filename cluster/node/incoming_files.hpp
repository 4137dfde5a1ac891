// Files that come in parts, from clients or from other nodes, and are named by the hash of their
// content: in memory until they are whole. Several may bring the same file at the same time, each
// all of it in order. Bounded in number and bytes; what is not brought to its end is forgotten.
// Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace weir {

class incoming_files {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  struct limits {
    size_t file_bytes_max;
    size_t files_max = 8;
    /// Of all together, as large as they are going to be.
    size_t bytes_max;
    /// Who says nothing for so long has given up.
    std::chrono::seconds idle_max{30};
  };

  explicit incoming_files(limits l) : limits_(l) {}

  /// `size`: of the whole file. Gives it when this part ends it and its content has the hash,
  /// nothing before. errc::invalid_argument: a part is missing or another one than was brought
  /// before, the file is too large, or has another hash: begin again. errc::timeout: too many come
  /// at once.
  result<std::optional<std::string>> take(const std::string& hash, size_t offset, size_t size,
                                          std::string_view part, time_point now);
  /// Forgets what nobody has brought parts of for long.
  void forget_idle(time_point now);
  /// Bytes that are held.
  size_t bytes() const;

 private:
  struct file {
    std::string content;
    size_t size = 0;    // that it will have
    time_point newest;  // part of it
  };
  status make_room(size_t size, time_point now);

  void drop_idle(time_point now);

  const limits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, file> files_;  // by hash
};

}  // namespace weir
