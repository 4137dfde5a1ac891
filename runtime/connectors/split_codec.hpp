// Bytes of split payloads and sink snapshots: little-endian integers and length-prefixed strings.
// The reader checks every length, for snapshots come from disk. Plain values.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace weir {

class payload_writer {
 public:
  payload_writer& u64(uint64_t v);
  payload_writer& text(std::string_view s);
  std::string take();

 private:
  std::string out_;
};

/// After a failed read everything reads as zero or empty; ok() tells.
class payload_reader {
 public:
  explicit payload_reader(std::string_view in) : in_(in) {}
  uint64_t u64() {
    uint64_t v = 0;
    if (in_.size() < 8) return fail(), 0;
    std::memcpy(&v, in_.data(), 8);
    in_.remove_prefix(8);
    return v;
  }
  std::string text() {
    uint64_t n = u64();
    if (n > in_.size()) return fail(), std::string();
    std::string s(in_.substr(0, n));
    in_.remove_prefix(n);
    return s;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && in_.empty(); }

 private:
  void fail() {
    ok_ = false;
    in_ = {};
  }
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace weir
