#include <simdjson.h>

#include <cstring>

#include "runtime/base/hex.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/text.hpp"

namespace weir {

// text_nested.cpp
void append_nested_text(std::string& out, const column& c, uint32_t row);
result<scalar> parse_nested(std::string_view text, const data_type& type);

namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <class F>
void append_with(std::string& out, F format) {
  char text[fixed_chars_max];
  out.append(text, static_cast<size_t>(format(text) - text));
}

error bad_text(std::string_view text, const data_type& type) {
  constexpr size_t quoted_max = 60;
  std::string shown(text.substr(0, quoted_max));
  if (text.size() > quoted_max) shown += "...";
  return {errc::parse, "\"" + shown + "\" is not a valid " + to_string(type)};
}

}  // namespace

void append_bytes_text(std::string& out, std::string_view bytes) {
  out += "\\x";
  append_hex(out, bytes);
}

bool parse_bytes(std::string_view s, std::string& out) {
  if (s.size() < 2 || s.size() % 2 != 0 || s[0] != '\\' || (s[1] | 32) != 'x') return false;
  const auto before = out.size();
  for (size_t i = 2; i < s.size(); i += 2) {
    const int high = hex_value(s[i]), low = hex_value(s[i + 1]);
    if (high < 0 || low < 0) {
      out.resize(before);
      return false;
    }
    out += static_cast<char>(high << 4 | low);
  }
  return true;
}

void append_text(std::string& out, const column& c, uint32_t row) {
  if (c.dictionary) return append_text(out, *c.dictionary, c.data<uint32_t>()[row]);
  switch (c.type.id) {
    case type_id::boolean:
      out += c.data<uint8_t>()[row] ? "true" : "false";
      return;
    case type_id::int32:
      return append_with(out, [&](char* p) { return format_int32(p, c.data<int32_t>()[row]); });
    case type_id::int64:
      return append_with(out, [&](char* p) { return format_int64(p, c.data<int64_t>()[row]); });
    case type_id::float64:
      return append_with(out, [&](char* p) { return format_float64(p, c.data<double>()[row]); });
    case type_id::decimal: {
      int128 v;
      std::memcpy(&v, c.data<std::byte>() + size_t{row} * sizeof v, sizeof v);
      return append_with(out, [&](char* p) { return format_decimal(p, v, c.type.scale); });
    }
    case type_id::date:
      return append_with(out, [&](char* p) { return format_date(p, c.data<int32_t>()[row]); });
    case type_id::timestamp:
      return append_with(out, [&](char* p) { return format_timestamp(p, c.data<int64_t>()[row]); });
    case type_id::interval:
      return append_with(
          out, [&](char* p) { return format_interval(p, c.data<interval_value>()[row]); });
    case type_id::string:
    case type_id::json:
      out += c.view(row);
      return;
    case type_id::bytes:
      return append_bytes_text(out, c.view(row));
    case type_id::list:
    case type_id::struct_:
      return append_nested_text(out, c, row);
  }
}

std::string to_text(const scalar& v) {
  if (v.null) return "NULL";
  std::string out;
  switch (v.type.id) {
    case type_id::boolean:
      return v.i ? "true" : "false";
    case type_id::int32:
    case type_id::int64:
      append_with(out, [&](char* p) { return format_int64(p, v.i); });
      break;
    case type_id::float64:
      append_with(out, [&](char* p) { return format_float64(p, v.d); });
      break;
    case type_id::decimal:
      append_with(out, [&](char* p) { return format_decimal(p, v.dec, v.type.scale); });
      break;
    case type_id::date:
      append_with(out, [&](char* p) { return format_date(p, static_cast<int32_t>(v.i)); });
      break;
    case type_id::timestamp:
      append_with(out, [&](char* p) { return format_timestamp(p, v.i); });
      break;
    case type_id::interval:
      append_with(out, [&](char* p) { return format_interval(p, v.interval); });
      break;
    case type_id::string:
    case type_id::json:
      return v.s;
    case type_id::bytes:
      append_bytes_text(out, v.s);
      break;
    case type_id::list:
    case type_id::struct_: {
      memory_pool pool;
      append_nested_text(out, *constant_column(v, 1, pool), 0);
    }
  }
  return out;
}

result<scalar> parse_scalar(std::string_view text, const data_type& type) {
  scalar v{type, false};
  switch (type.id) {
    case type_id::boolean:
      if (auto b = parse_bool(text)) return v.i = *b, v;
      break;
    case type_id::int32:
      if (auto i = parse_int32(text)) return v.i = *i, v;
      break;
    case type_id::int64:
      if (auto i = parse_int64(text)) return v.i = *i, v;
      break;
    case type_id::float64:
      if (auto d = parse_float64(text)) return v.d = *d, v;
      break;
    case type_id::decimal:
      if (auto d = parse_decimal(text, type.scale)) return v.dec = *d, v;
      break;
    case type_id::date:
      if (auto i = parse_date(text)) return v.i = *i, v;
      break;
    case type_id::timestamp:
      if (auto i = parse_timestamp(text)) return v.i = *i, v;
      break;
    case type_id::interval:
      if (auto i = parse_interval(text)) return v.interval = *i, v;
      break;
    case type_id::string:
      v.s = text;
      return v;
    case type_id::json: {
      simdjson::dom::parser parser;
      if (parser.parse(text.data(), text.size()).error() != simdjson::SUCCESS) break;
      v.s = text;
      return v;
    }
    case type_id::bytes:
      if (parse_bytes(text, v.s)) return v;
      break;
    case type_id::list:
    case type_id::struct_:
      return parse_nested(text, type);
  }
  return bad_text(text, type);
}

}  // namespace weir
