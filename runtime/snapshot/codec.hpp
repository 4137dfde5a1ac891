// The byte form of the store's small records (manifests, names): little endian, sealed by a CRC-32C
// over the record's key and bytes. Internal to runtime/snapshot.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime/base/crc32c.hpp"

namespace weir::snapshot_codec {

inline std::span<const std::byte> bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}

class writer {
 public:
  template <class T>
  requires std::is_arithmetic_v<T>
  void number(T v) { out_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void text(std::string_view s) {
    number(static_cast<uint32_t>(s.size()));
    out_.append(s);
  }
  /// The record with its seal; `key` is where it will be stored.
  std::string seal(std::string_view key) && {
    uint32_t crc = crc32c(crc32c(bytes_of(key)), bytes_of(out_));
    number(crc);
    return std::move(out_);
  }

 private:
  std::string out_;
};

/// Reads what writer wrote. After a failure every read gives zero and ok() is false.
class reader {
 public:
  /// ok() is false when the seal does not match.
  reader(std::string_view key, std::string_view sealed) {
    uint32_t crc;
    if (sealed.size() < sizeof crc) return;
    rest_ = sealed.substr(0, sealed.size() - sizeof crc);
    std::memcpy(&crc, sealed.data() + rest_.size(), sizeof crc);
    ok_ = crc == crc32c(crc32c(bytes_of(key)), bytes_of(rest_));
  }
  template <class T>
  T number() {
    T v{};
    if (!take(sizeof v)) return v;
    std::memcpy(&v, rest_.data() - sizeof v, sizeof v);
    return v;
  }
  std::string text() {
    uint32_t n = number<uint32_t>();
    if (!take(n)) return {};
    return std::string(rest_.data() - n, n);
  }
  /// The length of a list whose items take at least `item_bytes` each.
  size_t count(size_t item_bytes) {
    uint32_t n = number<uint32_t>();
    if (n > rest_.size() / item_bytes) ok_ = false;
    return ok_ ? n : 0;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }

 private:
  bool take(size_t n) {
    if (!ok_ || rest_.size() < n) return ok_ = false;
    rest_.remove_prefix(n);
    return true;
  }
  std::string_view rest_;
  bool ok_ = false;
};

}  // namespace weir::snapshot_codec
