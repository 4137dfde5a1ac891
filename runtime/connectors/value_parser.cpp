#include "runtime/connectors/value_parser.hpp"

#include <simdjson.h>

#include "runtime/column/calendar.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/column/text.hpp"
#include "runtime/expr/convert.hpp"

namespace weir {
namespace {

inline uint64_t load8(const char* p) noexcept {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

// 1 to 8 digits at p; reads 8 bytes. After D. Lemire, "Quickly parsing eight digits" (2022).
inline bool parse_digits8(const char* p, size_t n, uint32_t& out) noexcept {
  uint64_t v = load8(p);
  if (n < 8) v = (v << (64 - 8 * n)) | (0x3030303030303030ull >> (8 * n));
  if (((v & 0xF0F0F0F0F0F0F0F0ull) |
       (((v + 0x0606060606060606ull) & 0xF0F0F0F0F0F0F0F0ull) >> 4)) != 0x3333333333333333ull)
    return false;
  v -= 0x3030303030303030ull;
  v = v * 10 + (v >> 8);
  out = static_cast<uint32_t>((((v & 0x000000FF000000FFull) * 0x000F424000000064ull) +
                               (((v >> 16) & 0x000000FF000000FFull) * 0x0000271000000001ull)) >>
                              32);
  return true;
}

template <class Int>
struct parse_int {
  bool operator()(const char* p, size_t n, Int& out) noexcept {
    bool minus = n > 1 && *p == '-';
    size_t digits = n - minus;
    if (uint32_t v; digits - 1 < 8 && parse_digits8(p + minus, digits, v)) [[likely]] {
      out = minus ? -static_cast<Int>(v) : static_cast<Int>(v);
      return true;
    }
    auto v = parse_int64({p, n});
    if (!v || *v < std::numeric_limits<Int>::min() || *v > std::numeric_limits<Int>::max())
      return false;
    out = static_cast<Int>(*v);
    return true;
  }
};

struct parse_float {
  bool operator()(const char* p, size_t n, double& out) noexcept {
    if (uint32_t v; n - 1 < 8 && parse_digits8(p, n, v)) return out = v, true;
    auto v = parse_float64({p, n});
    return v ? (out = *v, true) : false;
  }
};

struct parse_boolean {
  bool operator()(const char* p, size_t n, uint8_t& out) noexcept {
    auto v = parse_bool({p, n});
    return v ? (out = *v, true) : false;
  }
};

struct parse_dec {
  uint8_t scale;
  bool operator()(const char* p, size_t n, int128& out) noexcept {
    auto v = parse_decimal({p, n}, scale);
    return v ? (out = *v, true) : false;
  }
};

// Neighbouring rows mostly share their date: its ten bytes are compared before they are parsed.
struct date_cache {
  uint64_t first = 0;
  uint16_t last = 0;
  int32_t days = 0;
  bool operator()(const char* p, int32_t& out) noexcept {
    uint64_t a = load8(p);
    uint16_t b;
    std::memcpy(&b, p + 8, 2);
    if (a != first || b != last || first == 0) [[unlikely]] {
      auto d = parse_date({p, 10});
      if (!d) return false;
      first = a;
      last = b;
      days = *d;
    }
    out = days;
    return true;
  }
};

struct parse_day {
  date_cache cache;
  bool operator()(const char* p, size_t n, int32_t& out) noexcept {
    if (n == 10 && p[4] == '-' && cache(p, out)) return true;
    auto v = parse_date({p, n});
    return v ? (out = *v, true) : false;
  }
};

struct parse_time {
  date_cache cache;
  // "2013-01-01 10:00:00", also with T, and with Z at the end.
  bool operator()(const char* p, size_t n, int64_t& out) noexcept {
    int32_t days;
    if ((n == 19 || (n == 20 && p[19] == 'Z')) && p[4] == '-' && p[7] == '-' &&
        (p[10] == ' ' || p[10] == 'T') && p[13] == ':' && p[16] == ':') {
      auto two = [p](int i) {
        unsigned a = static_cast<unsigned char>(p[i]) - '0',
                 b = static_cast<unsigned char>(p[i + 1]) - '0';
        return a > 9 || b > 9 ? 255u : a * 10 + b;
      };
      unsigned h = two(11), m = two(14), s = two(17);
      if (h < 24 && m < 60 && s < 60 && cache(p, days)) {
        out = days * micros_per_day + h * micros_per_hour + m * micros_per_minute +
              s * micros_per_second;
        return true;
      }
    }
    auto v = parse_timestamp({p, n});
    return v ? (out = *v, true) : false;
  }
};

struct parse_span {
  bool operator()(const char* p, size_t n, interval_value& out) noexcept {
    auto v = parse_interval({p, n});
    return v ? (out = *v, true) : false;
  }
};

inline bool is_null(const char* p, size_t n, std::string_view null_text) noexcept {
  return n == null_text.size() &&
         (n == 0 || (*p == null_text[0] && std::memcmp(p, null_text.data(), n) == 0));
}

inline bool has_quote(const char* p, size_t n) noexcept {
  return n && std::memchr(p, '"', n) != nullptr;
}

// The slow way of a text that the fast one refused, kept out of the loops over fields.
template <class T>
[[gnu::noinline, gnu::cold]] bool parse_by_cast(const char* p, size_t n, const data_type& type,
                                                T& out) {
  auto v = value_by_cast({p, n}, type);
  if (!v) return false;
  if constexpr (std::is_same_v<T, double>)
    out = v->d;
  else if constexpr (std::is_same_v<T, int128>)
    out = v->dec;
  else if constexpr (std::is_same_v<T, interval_value>)
    out = v->interval;
  else
    out = static_cast<T>(v->i);
  return true;
}

template <class T, class Parse>
void fixed_fields(const field_texts& in, column_filler& out, uint32_t row, std::string_view name,
                  std::vector<bad_record>& bad, Parse parse) {
  T* values = out.fixed<T>() + row;
  std::string unquoted;
  for (uint32_t i = 0; i < in.count; ++i) {
    const char* p = in.window->data + in.begin[i];
    size_t n = in.end[i] - in.begin[i];
    if (in.window->any_quote && has_quote(p, n)) {
      unquote({p, n}, unquoted);
      n = unquoted.size();
      unquoted.append(64, '\0');  // fast paths read past the end
      p = unquoted.data();
    } else if (is_null(p, n, in.null_text)) {
      values[i] = T{};
      out.set_null(row + i);
      continue;
    }
    if (parse(p, n, values[i])) [[likely]]
      continue;
    if (!parse_by_cast(p, n, out.type(), values[i])) {
      values[i] = T{};
      bad.push_back({i, not_a_value(name, {p, n}, out.type())});
    }
  }
}

template <class T, class Parse>
void fixed_of(const field_texts& in, column_filler& out, uint32_t row, std::string_view name,
              std::vector<bad_record>& bad) {
  if constexpr (std::is_same_v<Parse, parse_dec>)
    fixed_fields<T>(in, out, row, name, bad, parse_dec{out.type().scale});
  else
    fixed_fields<T>(in, out, row, name, bad, Parse{});
}

// `convert(text, value)`: the value's bytes, or false.
template <class Convert>
void varlen_fields(const field_texts& in, column_filler& out, uint32_t row, std::string_view name,
                   std::vector<bad_record>& bad, Convert convert) {
  std::string unquoted, value;
  for (uint32_t i = 0; i < in.count; ++i) {
    std::string_view s(in.window->data + in.begin[i], in.end[i] - in.begin[i]);
    if (in.window->any_quote && has_quote(s.data(), s.size())) {
      unquote(s, unquoted);
      s = unquoted;
    } else if (is_null(s.data(), s.size(), in.null_text)) {
      out.append(row + i, {});
      out.set_null(row + i);
      continue;
    }
    if (!convert(s, value)) {
      out.append(row + i, {});
      bad.push_back({i, not_a_value(name, s, out.type())});
      continue;
    }
    out.append(row + i, value);
  }
}

void string_fields(const field_texts& in, column_filler& out, uint32_t row, std::string_view name,
                   std::vector<bad_record>& bad) {
  if (in.window->any_quote || !in.window->utf8) {
    varlen_fields(in, out, row, name, bad, [&](std::string_view s, std::string& v) {
      v.assign(s);
      return in.window->utf8 || simdjson::validate_utf8(s.data(), s.size());
    });
    return;
  }
  for (uint32_t i = 0; i < in.count; ++i) {
    std::string_view s(in.window->data + in.begin[i], in.end[i] - in.begin[i]);
    if (is_null(s.data(), s.size(), in.null_text)) out.set_null(row + i);
    out.append_padded(row + i, s);
  }
}

void bytes_fields(const field_texts& in, column_filler& out, uint32_t row, std::string_view name,
                  std::vector<bad_record>& bad) {
  varlen_fields(in, out, row, name, bad, [](std::string_view s, std::string& v) {
    v.clear();
    return parse_bytes(s, v);
  });
}

void json_fields(const field_texts& in, column_filler& out, uint32_t row, std::string_view name,
                 std::vector<bad_record>& bad) {
  varlen_fields(in, out, row, name, bad, [](std::string_view s, std::string& v) {
    if (!parse_scalar(s, data_type(type_id::json))) return false;
    v.assign(s);
    return true;
  });
}

void nested_fields(const field_texts& in, column_filler& out, uint32_t row, std::string_view name,
                   std::vector<bad_record>& bad) {
  varlen_fields(in, out, row, name, bad, [&](std::string_view s, std::string& v) {
    if (!in.window->utf8 && !simdjson::validate_utf8(s.data(), s.size())) return false;
    auto parsed = parse_scalar(s, out.type());
    if (!parsed) return false;
    v.clear();
    append_stored(v, *parsed);
    return true;
  });
}

}  // namespace

void unquote(std::string_view field, std::string& out) {
  out.clear();
  bool inside = false;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '"') {
      out.push_back(field[i]);
    } else if (inside && i + 1 < field.size() && field[i + 1] == '"') {
      out.push_back('"');
      ++i;
    } else {
      inside = !inside;
    }
  }
}

std::optional<scalar> value_by_cast(std::string_view text, const data_type& type) {
  scalar v = scalar::of_null(type);
  auto set = [](auto& field, const auto& made) { return made ? (field = *made, true) : false; };
  auto made = [&] {
    switch (type.id) {
      case type_id::boolean:
        return set(v.i, expr::text_to_bool(text));
      case type_id::int32:
      case type_id::int64:
        return set(v.i, expr::text_to_integer(text, type.id));
      case type_id::float64:
        return set(v.d, expr::text_to_float(text));
      case type_id::decimal:
        return set(v.dec, expr::text_to_decimal(text, type.scale));
      case type_id::date:
        return set(v.i, expr::text_to_date(text));
      case type_id::timestamp:
        return set(v.i, expr::text_to_timestamp(text));
      case type_id::interval:
        return set(v.interval, expr::text_to_interval(text));
      default:
        return false;
    }
  };
  if (!made()) return {};
  v.null = false;
  return v;
}

std::string not_a_value(std::string_view name, std::string_view text, const data_type& type) {
  constexpr size_t shown_bytes_max = 64;
  std::string shown(text.substr(0, shown_bytes_max));
  if (text.size() > shown_bytes_max) shown += "...";
  std::string s = "column " + std::string(name) + ": ";
  if (type.id == type_id::string) return s + "the text is not valid UTF-8";
  return s + "'" + shown + "' is not a valid " + to_string(type);
}

parse_fields_fn parser_of(const data_type& type) {
  switch (type.id) {
    case type_id::boolean:
      return fixed_of<uint8_t, parse_boolean>;
    case type_id::int32:
      return fixed_of<int32_t, parse_int<int32_t>>;
    case type_id::int64:
      return fixed_of<int64_t, parse_int<int64_t>>;
    case type_id::float64:
      return fixed_of<double, parse_float>;
    case type_id::decimal:
      return fixed_of<int128, parse_dec>;
    case type_id::date:
      return fixed_of<int32_t, parse_day>;
    case type_id::timestamp:
      return fixed_of<int64_t, parse_time>;
    case type_id::interval:
      return fixed_of<interval_value, parse_span>;
    case type_id::string:
      return string_fields;
    case type_id::bytes:
      return bytes_fields;
    case type_id::json:
      return json_fields;
    case type_id::list:
    case type_id::struct_:
      return nested_fields;
  }
  return nullptr;
}

}  // namespace weir
