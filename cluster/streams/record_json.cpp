#include "cluster/streams/record_json.hpp"

#include "runtime/base/units.hpp"
#include "runtime/column/json_text.hpp"
#include "runtime/column/text.hpp"
#include "runtime/expr/convert.hpp"

namespace weir::streams {
namespace {

namespace dom = simdjson::dom;

void append_bytes(std::string& out, const std::optional<byte_view>& b) {
  if (!b) {
    out += "null";
    return;
  }
  const auto text = text_of(*b);
  if (simdjson::validate_utf8(text.data(), text.size())) return append_json_string(out, text);
  out += "{\"base64\": \"";
  append_base64(out, text);
  out += "\"}";
}

bool is_json(std::string_view text) {
  if (text.empty()) return false;
  thread_local dom::parser parser;
  return !parser.parse(text.data(), text.size()).error();
}

void append_headers(std::string& out, std::span<const record_header> headers) {
  out += "{";
  bool first = true;
  for (size_t i = 0; i < headers.size(); ++i) {
    const auto same = [&](const record_header& h) { return h.key == headers[i].key; };
    if (std::find_if(headers.begin(), headers.begin() + static_cast<ptrdiff_t>(i), same) !=
        headers.begin() + static_cast<ptrdiff_t>(i))
      continue;  // it stands in the list of the first
    if (!std::exchange(first, false)) out += ", ";
    append_bytes(out, std::as_bytes(std::span(headers[i].key)));
    out += ": ";
    const auto n = std::count_if(headers.begin(), headers.end(), same);
    if (n > 1) out += "[";
    bool first_value = true;
    for (const auto& h : headers) {
      if (!same(h)) continue;
      if (!std::exchange(first_value, false)) out += ", ";
      append_bytes(out, h.value);
    }
    if (n > 1) out += "]";
  }
  out += "}";
}

std::optional<std::string> from_base64(std::string_view in) {
  auto value = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  while (!in.empty() && in.back() == '=') in.remove_suffix(1);
  if (in.size() % 4 == 1) return std::nullopt;
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (char c : in) {
    const int v = value(c);
    if (v < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(v);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>(bits >> have & 0xff));
    }
  }
  return out;
}

/// A string, null, {"base64": ...}, or JSON of any other kind as its text.
result<std::optional<std::string>> bytes_of(dom::element e, const char* what) {
  if (e.is_null()) return std::optional<std::string>();
  std::string_view text;
  if (!e.get(text)) return std::optional(std::string(text));
  dom::object o;
  if (!e.get(o) && o.size() == 1 && !o["base64"].get(text)) {
    auto decoded = from_base64(text);
    if (!decoded) return error{errc::parse, std::string(what) + ": this is not base64"};
    return std::optional(std::move(*decoded));
  }
  return std::optional(std::string(simdjson::minify(e)));
}

status read_headers(dom::element e, new_record& out) {
  dom::object o;
  if (e.is_null()) return {};
  if (e.get(o)) return error{errc::parse, "headers: an object is expected"};
  for (auto [name, value] : o) {
    dom::array list;
    if (value.get(list)) {
      WEIR_ASSIGN(auto one, bytes_of(value, "headers"));
      out.headers.emplace_back(std::string(name), std::move(one));
      continue;
    }
    for (auto item : list) {
      WEIR_ASSIGN(auto one, bytes_of(item, "headers"));
      out.headers.emplace_back(std::string(name), std::move(one));
    }
  }
  return {};
}

}  // namespace

std::string_view text_of(byte_view b) noexcept {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

std::string readable(byte_view b) {
  const auto text = text_of(b);
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string(text);
  std::string out;
  append_bytes_text(out, text);
  return out;
}

std::string time_text(int64_t ms) {
  // Beyond this a timestamp has no text.
  constexpr int64_t ms_max = 9'000'000'000'000'000;
  if (ms < -ms_max || ms > ms_max) return std::to_string(ms);
  char text[timestamp_chars_max];
  return {text, format_timestamp(text, ms * 1000)};
}

result<int64_t> parse_time_ms(const std::string& text, int64_t now_ms) {
  if (!text.empty() && text.front() == '-' && text.find_first_of("smhd") != std::string::npos) {
    WEIR_ASSIGN(const auto back, parse_duration_us(text.substr(1), "time"));
    return now_ms - back / 1000;
  }
  if (auto ms = parse_int64(text)) return *ms;
  auto us = expr::text_to_timestamp(text);
  if (!us)
    return error{errc::parse, "'" + text +
                                  "' is not a time: '2026-01-31 10:00:00' (UTC), milliseconds "
                                  "since 1970, or -5m"};
  return *us / 1000;
}

void append_record_json(std::string& out, int32_t partition, const record& r,
                        record_json_options o) {
  out += "{\"partition\": " + std::to_string(partition);
  out += ", \"offset\": " + std::to_string(r.offset);
  out += ", \"timestamp\": \"" + time_text(r.timestamp_ms) + "\", \"key\": ";
  append_bytes(out, r.key);
  out += ", \"value\": ";
  if (o.embed_json && r.value && is_json(text_of(*r.value)))
    out += text_of(*r.value);
  else
    append_bytes(out, r.value);
  out += ", \"headers\": ";
  append_headers(out, r.headers);
  out += "}";
}

result<new_record> parse_record_json(dom::element e, int64_t now_ms) {
  dom::object o;
  if (e.get(o))
    return error{errc::parse, "a record is an object such as {\"key\": \"a\", \"value\": \"b\"}"};
  new_record r;
  for (auto [name, value] : o) {
    if (name == "key") {
      WEIR_ASSIGN(r.key, bytes_of(value, "key"));
    } else if (name == "value") {
      WEIR_ASSIGN(r.value, bytes_of(value, "value"));
    } else if (name == "headers") {
      WEIR_TRY(read_headers(value, r));
    } else if (name == "partition") {
      int64_t n = 0;
      if (value.get(n) || n < 0 || n > INT32_MAX)
        return error{errc::parse, "partition: a number is expected"};
      r.partition = static_cast<int32_t>(n);
    } else if (name == "timestamp") {
      int64_t ms = 0;
      std::string_view text;
      if (!value.get(text)) {
        WEIR_ASSIGN(ms, parse_time_ms(std::string(text), now_ms));
      } else if (value.get(ms)) {
        return error{errc::parse, "timestamp: a text or milliseconds since 1970 are expected"};
      }
      r.timestamp_ms = ms;
    } else if (name != "offset" && name != "topic") {
      return error{errc::unknown_name,
                   "a record has no \"" + std::string(name) +
                       "\"; it may have key, value, headers, partition, timestamp"};
    }
  }
  return r;
}

result<std::optional<std::string>> key_of_json(dom::element e, const std::string& field) {
  for (size_t from = 0;;) {
    const auto dot = field.find('.', from);
    const auto name = field.substr(from, dot - from);
    dom::element inner;
    if (e[name].get(inner))
      return error{errc::unknown_name, "there is no field \"" + field + "\" to take the key from"};
    e = inner;
    if (dot == std::string::npos) break;
    from = dot + 1;
  }
  return bytes_of(e, "key");
}

}  // namespace weir::streams
