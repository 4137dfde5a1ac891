// Brokers that benchmarks measure: this binary as a process of its own, or one that runs already.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "runtime/base/result.hpp"

namespace weir::cli {

struct bench_broker {
  std::string address;  // HOST:PORT
  pid_t pid = 0;        // 0: not known; then it has used nothing
  /// User and system time so far.
  double cpu_seconds() const;
  double resident_mib() const;
};

/// This binary as `weir up` in a folder of its own, ended when it goes out of scope.
class child_broker : public bench_broker {
 public:
  static result<std::unique_ptr<child_broker>> start();
  child_broker(const child_broker&) = delete;
  child_broker& operator=(const child_broker&) = delete;
  ~child_broker();
  const std::string& folder() const { return folder_; }
  double ready_ms() const { return ready_ms_; }

 private:
  child_broker() = default;
  status spawn();
  std::string folder_;
  double ready_ms_ = 0;
};

}  // namespace weir::cli
