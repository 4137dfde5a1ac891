#include "actors/data/frame.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace weir {
namespace {

constexpr char magic[] = {'w', 'e', 'i', 'r', 'd', 'a', 't', 'a'};
constexpr uint32_t frame_magic = 0x31465257;  // "WRF1"
constexpr uint16_t text_max = 1'000;          // of a greeting, each

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}
void put_text16(std::string& out, const std::string& text) {
  const auto n = static_cast<uint16_t>(std::min<size_t>(text.size(), text_max));
  put(out, n);
  out.append(text, 0, n);
}

template <class T>
bool take(std::span<const std::byte>& in, T& v) {
  if (in.size() < sizeof v) return false;
  std::memcpy(&v, in.data(), sizeof v);
  in = in.subspan(sizeof v);
  return true;
}
bool take_text16(std::span<const std::byte>& in, std::string& text) {
  uint16_t n = 0;
  if (!take(in, n) || n > text_max || in.size() < n) return false;
  text.assign(reinterpret_cast<const char*>(in.data()), n);
  in = in.subspan(n);
  return true;
}

error corrupt(const char* what) {
  return {errc::corrupt, std::string("damaged connection between nodes: ") + what};
}

/// The head as it is in memory.
struct raw_head {
  uint32_t magic;
  uint8_t kind, message, unaligned, zero;
  uint32_t channel, reserved;
  uint64_t task, sequence;
  int64_t value;
  uint64_t completed, bytes, payload;
};
static_assert(sizeof(raw_head) == frame_head_bytes);

}  // namespace

std::string encode_greeting(const greeting& g) {
  std::string rest;
  put(rest, g.batch_format);
  put(rest, static_cast<uint8_t>(!g.refusal.empty()));
  put(rest, uint8_t{0});
  put(rest, g.life);
  put(rest, g.wanted);
  put_text16(rest, g.address);
  put_text16(rest, g.build);
  put_text16(rest, g.refusal);
  std::string out(magic, sizeof magic);
  put(out, g.protocol);
  put(out, static_cast<uint32_t>(rest.size()));
  return out + rest;
}

result<size_t> greeting_rest(std::span<const std::byte> head) {
  uint32_t n = 0;
  if (head.size() != greeting_head_bytes || std::memcmp(head.data(), magic, sizeof magic) != 0)
    return corrupt("it does not begin as one");
  std::memcpy(&n, head.data() + 12, sizeof n);
  if (n > greeting_rest_max) return corrupt("a greeting that is too long");
  return n;
}

result<greeting> decode_greeting(std::span<const std::byte> head, std::span<const std::byte> rest) {
  WEIR_TRY(greeting_rest(head));
  greeting g;
  std::memcpy(&g.protocol, head.data() + 8, sizeof g.protocol);
  if (g.protocol != data_protocol) return g;
  uint8_t refused = 0, zero = 0;
  if (!take(rest, g.batch_format) || !take(rest, refused) || !take(rest, zero) ||
      !take(rest, g.life) || !take(rest, g.wanted) || !take_text16(rest, g.address) ||
      !take_text16(rest, g.build) || !take_text16(rest, g.refusal))
    return corrupt("a greeting that is cut off");
  if (!rest.empty() || (refused != 0) != !g.refusal.empty())
    return corrupt("a greeting that contradicts itself");
  return g;
}

frame_head_text encode_frame_head(const frame_head& f) noexcept {
  raw_head r{};
  r.magic = frame_magic;
  r.kind = static_cast<uint8_t>(f.kind);
  r.message = static_cast<uint8_t>(f.body.kind);
  r.unaligned = f.body.unaligned ? 1 : 0;
  r.channel = f.body.channel.value;
  r.task = f.task;
  r.sequence = f.body.sequence;
  r.value = f.body.value;
  r.completed = f.body.completed.value;
  r.bytes = f.body.bytes;
  r.payload = f.payload_bytes;
  frame_head_text out;
  std::memcpy(out.data(), &r, sizeof r);
  return out;
}

result<frame_head> decode_frame_head(std::span<const std::byte, frame_head_bytes> in) {
  raw_head r;
  std::memcpy(&r, in.data(), sizeof r);
  if (r.magic != frame_magic) return corrupt("a frame that does not begin as one");
  if (r.kind < 1 || r.kind > 3 || r.message > static_cast<uint8_t>(message_kind::restored) ||
      r.unaligned > 1 || r.zero != 0 || r.reserved != 0)
    return corrupt("a frame of an unknown kind");
  frame_head f;
  f.kind = static_cast<frame_kind>(r.kind);
  f.task = r.task;
  f.body.channel = channel_id{r.channel};
  f.body.sequence = r.sequence;
  f.body.kind = static_cast<message_kind>(r.message);
  f.body.unaligned = r.unaligned != 0;
  f.body.value = r.value;
  f.body.completed = epoch{r.completed};
  f.body.bytes = r.bytes;
  f.payload_bytes = r.payload;
  const bool rows = f.kind == frame_kind::message && f.body.kind == message_kind::data;
  if (rows != (r.payload != 0)) return corrupt("rows without bytes, or bytes without rows");
  if (r.payload > frame_payload_max || r.payload % 8 != 0) return corrupt("an impossible length");
  if (f.kind == frame_kind::credit && (r.value < 0 || r.value > UINT32_MAX))
    return corrupt("credit for an impossible number of batches");
  return f;
}

std::string to_string(const data_address& a) {
  char life[17];
  std::snprintf(life, sizeof life, "%016llx", static_cast<unsigned long long>(a.life));
  const bool v6 = a.host.find(':') != std::string::npos;
  return (v6 ? "[" + a.host + "]" : a.host) + ":" + std::to_string(a.port) + "/" + life;
}

result<data_address> parse_data_address(const std::string& text) {
  const error wrong{errc::invalid_argument, "'" + text + "' is not HOST:PORT/LIFE"};
  const auto slash = text.rfind('/');
  const auto colon = text.rfind(':', slash);
  if (slash == std::string::npos || colon == std::string::npos || colon == 0) return wrong;
  data_address a;
  a.host = text.substr(0, colon);
  if (a.host.size() > 2 && a.host.front() == '[' && a.host.back() == ']')
    a.host = a.host.substr(1, a.host.size() - 2);
  const char* begin = text.data() + colon + 1;
  const char* mid = text.data() + slash;
  const char* end = text.data() + text.size();
  auto port = std::from_chars(begin, mid, a.port);
  auto life = std::from_chars(mid + 1, end, a.life, 16);
  if (port.ec != std::errc() || port.ptr != mid || a.port == 0 || life.ec != std::errc() ||
      life.ptr != end || end - mid != 17)
    return wrong;
  return a;
}

}  // namespace weir
