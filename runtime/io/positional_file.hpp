// A file that is written at given positions and read through the same handle: what a log's segments
// are. Opened by file_system::open_positional, so that the fault-injecting wrapper reaches it.
// Calls block. Reading is thread-safe; write, allocate, truncate and sync belong to one thread at a
// time.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/result.hpp"

namespace weir {

class positional_file {
 public:
  virtual ~positional_file() = default;
  /// All pieces one after the other from `position` on, or an error; after an error any part of
  /// them may be there. Writing past the end makes the file longer.
  virtual status write(uint64_t position, std::span<const std::span<const std::byte>> pieces) = 0;
  status write(uint64_t position, std::span<const std::byte> bytes) {
    return write(position, std::span(&bytes, 1));
  }
  /// Up to out.size() bytes from `position`; fewer only at the end of the file.
  virtual result<size_t> read(uint64_t position, std::span<std::byte> out) const = 0;
  /// Data written so far is durable when it returns. After a failure every further call on this
  /// handle fails: the system may have dropped what it could not write.
  virtual status sync() = 0;
  /// Reserves space up to `bytes` and makes the file that long if it is shorter; reads as zeros.
  virtual status allocate(uint64_t bytes) = 0;
  virtual status truncate(uint64_t bytes) = 0;
  virtual result<uint64_t> size() const = 0;
  /// Inode: tells a file from another that took its name.
  virtual uint64_t identity() const = 0;
  /// For sendfile; valid while this object lives.
  virtual int descriptor() const = 0;
};

}  // namespace weir
