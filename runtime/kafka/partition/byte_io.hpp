// Little-endian numbers to and from bytes, for this room's own files. Internal to partition/.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

namespace weir::kafka {

template <class T>
requires std::is_integral_v<T>
void put_number(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// After a failure every read gives zero and ok() is false.
class byte_reader {
 public:
  explicit byte_reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <class T>
  requires std::is_integral_v<T> T number() {
    T value{};
    if (bytes_.size() < sizeof value) {
      ok_ = false;
      bytes_ = {};
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return value;
  }
  std::span<const std::byte> rest() const noexcept { return bytes_; }
  size_t left() const noexcept { return bytes_.size(); }
  bool ok() const noexcept { return ok_; }

 private:
  std::span<const std::byte> bytes_;
  bool ok_ = true;
};

}  // namespace weir::kafka
