// One process per data directory: a lock file (flock) that holds the pid of its owner. The system
// releases it when the process dies, however it dies. Not inherited over exec; a process that forks
// without exec must not keep using it in both.
#pragma once

#include <sys/types.h>

#include <string>

#include "runtime/base/result.hpp"

namespace weir {

class directory_lock {
 public:
  directory_lock() = default;
  directory_lock(directory_lock&&) noexcept;
  directory_lock& operator=(directory_lock&&) noexcept;
  ~directory_lock();

  /// Locks `directory` (which must exist) by the file `name` in it. errc::locked names the pid of
  /// the process that holds it.
  static result<directory_lock> acquire(const std::string& directory,
                                        const std::string& name = "LOCK");
  /// The pid of the holder, or 0 when nobody holds it. For tools that only look.
  static result<pid_t> holder(const std::string& directory, const std::string& name = "LOCK");

  bool held() const noexcept { return fd_ >= 0; }
  void release() noexcept;

 private:
  int fd_ = -1;
};

}  // namespace weir
