// Every generated message as a value that tests can loop over: fill it with seeded random values,
// encode, decode, compare. The list (all_messages) is generated with the messages.
#pragma once

#include <deque>
#include <random>

#include "runtime/kafka/protocol/protocol.hpp"

namespace weir::kafka::test {

/// Seeded random field values; owns the bytes that record_bytes point to.
class random_values {
 public:
  explicit random_values(uint64_t seed) : engine_(seed) {}

  uint64_t below(uint64_t n) { return engine_() % n; }
  bool boolean() { return below(2) == 1; }
  bool null() { return below(3) == 0; }
  size_t length() { return below(4); }
  template <class T>
  T integer() {
    // Edges as often as the middle.
    constexpr T edges[] = {0, 1, std::numeric_limits<T>::max(), std::numeric_limits<T>::min(),
                           static_cast<T>(-1)};
    const uint64_t kind = below(10);
    return kind < 5 ? edges[kind] : static_cast<T>(engine_());
  }
  double float64() { return static_cast<double>(integer<int32_t>()) / 4; }
  std::string string() {
    // Some are so long that compact lengths take two bytes.
    std::string out(below(16) == 0 ? 120 + below(20) : below(9), ' ');
    for (auto& c : out) c = static_cast<char>(below(256));
    return out;
  }
  uuid uuid_value() {
    uuid u;
    if (below(4) != 0)
      for (auto& b : u.bytes) b = static_cast<uint8_t>(below(256));
    return u;
  }
  record_bytes records() {
    if (null()) return {};
    return record_bytes(as_bytes_view(kept_.emplace_back(string())));
  }

 private:
  std::mt19937_64 engine_;
  std::deque<std::string> kept_;
};

struct message_case {
  message_info info;
  /// Encodes a message of random values.
  void (*encode_random)(uint64_t seed, int16_t version, writer&);
  /// Whether a random message comes back equal, and nothing is left over.
  status (*round_trip)(uint64_t seed, int16_t version);
  /// Decodes, and encodes what came out.
  status (*again)(bytes_view, int16_t version, writer&);
  /// Whether both decode to equal messages.
  result<bool> (*same)(bytes_view, bytes_view, int16_t version);
};

template <class T>
inline void (*filler)(random_values&, T&, int16_t) = nullptr;

template <class T>
status decode_whole(bytes_view bytes, int16_t version, T& out) {
  reader r(bytes);
  WEIR_TRY(decode(r, out, version));
  return r.expect_end();
}

template <class T>
message_case case_of(void (*fill)(random_values&, T&, int16_t)) {
  filler<T> = fill;
  message_case c{T::info, nullptr, nullptr, nullptr, nullptr};
  c.encode_random = [](uint64_t seed, int16_t version, writer& w) {
    random_values g(seed);
    T m;
    filler<T>(g, m, version);
    encode(w, m, version);
  };
  c.round_trip = [](uint64_t seed, int16_t version) -> status {
    random_values g(seed);
    T m, back;
    filler<T>(g, m, version);
    writer w;
    encode(w, m, version);
    WEIR_TRY(decode_whole(w.view(), version, back));
    if (!(back == m)) return error(errc::internal, "another message came back");
    return {};
  };
  c.again = [](bytes_view bytes, int16_t version, writer& w) -> status {
    T m;
    WEIR_TRY(decode_whole(bytes, version, m));
    encode(w, m, version);
    return {};
  };
  c.same = [](bytes_view a, bytes_view b, int16_t version) -> result<bool> {
    T left, right;
    WEIR_TRY(decode_whole(a, version, left));
    WEIR_TRY(decode_whole(b, version, right));
    return left == right;
  };
  return c;
}

}  // namespace weir::kafka::test
