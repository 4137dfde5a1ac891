#include <simdjson.h>

#include <cstring>

#include "runtime/column/batch.hpp"
#include "runtime/column/text.hpp"

namespace weir {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void append_json_string(std::string& out, std::string_view s) {
  constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20) {
      if (c == '\n') {
        out += "\\n";
      } else if (c == '\t') {
        out += "\\t";
      } else if (c == '\r') {
        out += "\\r";
      } else {
        out += "\\u00";
        out += hex[u >> 4];
        out += hex[u & 15];
      }
    } else {
      out += c;
    }
  }
  out += '"';
}

// A value inside a list or struct.
void append_json(std::string& out, const column& c, uint32_t row) {
  if (!c.is_valid(row)) {
    out += "null";
    return;
  }
  switch (c.type.id) {
    case type_id::boolean:
    case type_id::int32:
    case type_id::int64:
    case type_id::decimal:
    case type_id::json:
    case type_id::list:
    case type_id::struct_:
      return append_text(out, c, row);
    case type_id::float64: {
      // JSON has no Infinity and NaN.
      const auto before = out.size();
      append_text(out, c, row);
      if (out.back() == 'y' || out.back() == 'N') {
        out.insert(before, 1, '"');
        out += '"';
      }
      return;
    }
    default: {
      std::string s;
      append_text(s, c, row);
      append_json_string(out, s);
    }
  }
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
  constexpr char hex[] = "0123456789abcdef";
  const auto at = out.size();
  out.resize(at + 2 + 2 * bytes.size());
  char* p = out.data() + at;
  *p++ = '\\';
  *p++ = 'x';
  for (char c : bytes) {
    *p++ = hex[static_cast<unsigned char>(c) >> 4];
    *p++ = hex[static_cast<unsigned char>(c) & 15];
  }
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
    case type_id::list: {
      const auto* o = c.offsets.as<uint32_t>();
      out += '[';
      for (uint32_t i = o[row]; i < o[row + 1]; ++i) {
        if (i != o[row]) out += ',';
        append_json(out, *c.children[0], i);
      }
      out += ']';
      return;
    }
    case type_id::struct_:
      out += '{';
      for (size_t f = 0; f < c.children.size(); ++f) {
        if (f != 0) out += ',';
        append_json_string(out, (*c.type.fields)[f].name);
        out += ':';
        append_json(out, *c.children[f], row);
      }
      out += '}';
      return;
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
      const bool is_list = v.type.id == type_id::list;
      out += is_list ? '[' : '{';
      for (size_t i = 0; i < v.items.size(); ++i) {
        if (i != 0) out += ',';
        if (!is_list) out += '"' + (*v.type.fields)[i].name + "\":";
        const auto& item = v.items[i];
        const bool quoted = !item.null && item.type.id == type_id::string;
        if (quoted)
          append_json_string(out, item.s);
        else
          out += item.null ? "null" : to_text(item);
      }
      out += is_list ? ']' : '}';
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
      return error(errc::unsupported, "text cannot be read as " + to_string(type));
  }
  return bad_text(text, type);
}

}  // namespace weir
