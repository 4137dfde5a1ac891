// Kafka's primitive types, before compact encodings: big-endian numbers, length-prefixed texts.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::test {

class wire_reader {
 public:
  explicit wire_reader(std::string_view in) : in_(in) {}
  template <class T>
  T number() {
    if (in_.size() < sizeof(T)) throw std::runtime_error("a request is cut short");
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof(T); ++i) v = v << 8 | static_cast<uint8_t>(in_[i]);
    in_.remove_prefix(sizeof(T));
    return static_cast<T>(v);
  }
  int8_t i8() { return number<int8_t>(); }
  int16_t i16() { return number<int16_t>(); }
  int32_t i32() { return number<int32_t>(); }
  int64_t i64() { return number<int64_t>(); }
  std::string raw(int64_t n) {
    if (n < 0) return {};
    if (static_cast<size_t>(n) > in_.size()) throw std::runtime_error("a request is cut short");
    std::string s(in_.substr(0, static_cast<size_t>(n)));
    in_.remove_prefix(static_cast<size_t>(n));
    return s;
  }
  std::string text() { return raw(i16()); }
  std::string bytes() { return raw(i32()); }

 private:
  std::string_view in_;
};

class wire_writer {
 public:
  template <class T>
  wire_writer& number(T v) {
    for (size_t i = sizeof(T); i-- > 0;)
      out.push_back(static_cast<char>(static_cast<uint64_t>(v) >> (8 * i)));
    return *this;
  }
  wire_writer& i8(int8_t v) { return number(v); }
  wire_writer& i16(int16_t v) { return number(v); }
  wire_writer& i32(int32_t v) { return number(v); }
  wire_writer& i64(int64_t v) { return number(v); }
  wire_writer& text(std::string_view s) {
    i16(static_cast<int16_t>(s.size())).out += s;
    return *this;
  }
  wire_writer& bytes(std::string_view s) {
    i32(static_cast<int32_t>(s.size())).out += s;
    return *this;
  }
  std::string out;
};

inline constexpr int16_t unknown_topic = 3, offset_out_of_range = 1, unsupported_version = 35,
                         out_of_order_sequence = 45, duplicate_sequence = 46,
                         invalid_producer_epoch = 47, invalid_txn_state = 48,
                         invalid_producer_mapping = 49;

template <class T>
T peek(const std::string& s, size_t at) {
  return wire_reader(std::string_view(s).substr(at)).number<T>();
}

}  // namespace weir::test
