#include "runtime/connectors/kafka/records.hpp"

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstring>

namespace weir {
namespace {

constexpr uint32_t absent = UINT32_MAX;

struct record_head {
  int64_t timestamp_ms;
  int32_t partition;
  uint32_t key, value, headers;  // bytes, or `absent`
};

struct header_head {
  uint32_t name, value;
};

uint32_t length_of(const std::optional<std::string_view>& s) {
  if (!s) return absent;
  weir_assert(s->size() < absent, "values of columns have 32-bit lengths");
  return static_cast<uint32_t>(s->size());
}

std::optional<std::string_view> part(std::string_view& rest, uint32_t length) {
  if (length == absent) return std::nullopt;
  auto s = rest.substr(0, length);
  rest.remove_prefix(length);
  return s;
}

const error damaged{errc::corrupt, "the records of a Kafka sink in the snapshot are damaged"};

template <class T>
void append_head(std::string& out, const T& head) {
  out.append(reinterpret_cast<const char*>(&head), sizeof head);
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool decode_base64(std::string_view text, std::string& out) {
  if (text.size() % 4) return false;
  uint32_t bits = 0;
  int count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=') return i + 2 >= text.size() && text.ends_with('=');
    int digit = base64_digit(text[i]);
    if (digit < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) >= 8) out.push_back(static_cast<char>(bits >> (count -= 8) & 0xff));
  }
  return true;
}

namespace dom = simdjson::dom;

bool append_value(std::string& out, std::string_view name, const dom::element& e) {
  std::string_view text;
  if (e.is_null()) {
    append_header(out, {name, std::nullopt});
  } else if (!e.get_string().get(text)) {
    append_header(out, {name, text});
  } else if (dom::element inner; e.is_object()) {
    dom::object object;
    if (e.get_object().get(object) || object.size() != 1 || object["base64"].get(inner) ||
        inner.get_string().get(text))
      return false;
    std::string bytes;
    if (!decode_base64(text, bytes)) return false;
    append_header(out, {name, bytes});
  } else if (e.is_array()) {
    return false;
  } else {
    append_header(out, {name, simdjson::minify(e)});
  }
  return true;
}

}  // namespace

void append_record(std::string& out, const record_view& r) {
  append_head(out, record_head{r.timestamp_ms, r.partition, length_of(r.key), length_of(r.value),
                               static_cast<uint32_t>(r.headers.size())});
  if (r.key) out += *r.key;
  if (r.value) out += *r.value;
  out += r.headers;
}

result<bool> record_cursor::next(record_view& r) {
  if (rest_.empty()) return false;
  record_head head;
  if (rest_.size() < sizeof head) return damaged;
  std::memcpy(&head, rest_.data(), sizeof head);
  rest_.remove_prefix(sizeof head);
  const uint64_t key = head.key == absent ? 0 : head.key;
  const uint64_t value = head.value == absent ? 0 : head.value;
  if (key + value + head.headers > rest_.size() || head.partition < -1 || head.timestamp_ms < 0)
    return damaged;
  r.timestamp_ms = head.timestamp_ms;
  r.partition = head.partition;
  r.key = part(rest_, head.key);
  r.value = part(rest_, head.value);
  r.headers = *part(rest_, head.headers);
  return true;
}

void append_header(std::string& out, const header_view& h) {
  append_head(out, header_head{static_cast<uint32_t>(h.name.size()), length_of(h.value)});
  out += h.name;
  if (h.value) out += *h.value;
}

result<bool> header_cursor::next(header_view& h) {
  if (rest_.empty()) return false;
  header_head head;
  if (rest_.size() < sizeof head) return damaged;
  std::memcpy(&head, rest_.data(), sizeof head);
  rest_.remove_prefix(sizeof head);
  const uint64_t value = head.value == absent ? 0 : head.value;
  if (uint64_t{head.name} + value > rest_.size()) return damaged;
  h.name = *part(rest_, head.name);
  h.value = part(rest_, head.value);
  return true;
}

status headers_from_json(std::string_view json, std::string& out) {
  out.clear();
  const error bad{errc::parse,
                  "headers are a JSON object of texts, such as {\"trace\":\"a1\"}, not '" +
                      std::string(json.substr(0, 80)) + "'"};
  dom::parser parser;
  dom::object object;
  if (parser.parse(json.data(), json.size()).get_object().get(object)) return bad;
  for (auto member : object) {
    dom::array values;
    if (member.value.get_array().get(values)) {
      if (!append_value(out, member.key, member.value)) return bad;
      continue;
    }
    for (auto v : values)
      if (!append_value(out, member.key, v)) return bad;
  }
  return {};
}

}  // namespace weir
