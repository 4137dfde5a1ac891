// Casts to and from text, with PostgreSQL's text forms.
#include "runtime/base/hex.hpp"
#include "runtime/column/text.hpp"
#include "runtime/expr/bytes_text.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/convert.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

template <class T>
T value_or_fail(row_scope& row, const result<T>& r) {
  if (r) return *r;
  row.fail(r.err().code, r.err().message);
  return T{};
}

void to_text_casts(catalog& c) {
  constexpr auto s = type_id::string;
  c.row("cast", {type_id::boolean}, s,
        [](row_scope&, text_out& o, bool v) { o.append(v ? "true" : "false"); });
  c.row("cast", {type_id::int32}, s, [](row_scope&, text_out& o, int32_t v) {
    char* p = o.room(fixed_chars_max);
    o.added(static_cast<size_t>(format_int32(p, v) - p));
  });
  c.row("cast", {type_id::int64}, s, [](row_scope&, text_out& o, int64_t v) {
    char* p = o.room(fixed_chars_max);
    o.added(static_cast<size_t>(format_int64(p, v) - p));
  });
  c.row("cast", {type_id::float64}, s, [](row_scope&, text_out& o, double v) {
    char* p = o.room(fixed_chars_max);
    o.added(static_cast<size_t>(format_float64(p, v) - p));
  });
  c.row("cast", {type_id::decimal}, s, [](row_scope&, text_out& o, decimal_value v) {
    char* p = o.room(fixed_chars_max);
    o.added(static_cast<size_t>(format_decimal(p, v.v, v.scale) - p));
  });
  c.row("cast", {type_id::date}, s, [](row_scope&, text_out& o, int32_t v) {
    char* p = o.room(fixed_chars_max);
    o.added(static_cast<size_t>(format_date(p, v) - p));
  });
  c.row("cast", {type_id::timestamp}, s, [](row_scope&, text_out& o, int64_t v) {
    char* p = o.room(fixed_chars_max);
    o.added(static_cast<size_t>(format_timestamp(p, v) - p));
  });
  c.row("cast", {type_id::interval}, s, [](row_scope&, text_out& o, interval_value v) {
    char* p = o.room(fixed_chars_max);
    o.added(static_cast<size_t>(format_interval(p, v) - p));
  });
  c.row("cast", {type_id::json}, s, [](row_scope&, text_out& o, text v) { o.append(v); });
  c.row("cast", {type_id::bytes}, s, [](row_scope&, text_out& o, text v) {
    char* p = o.room(2 + v.size() * 2);
    *p++ = '\\';
    *p++ = 'x';
    write_hex(p, v);
    o.added(2 + v.size() * 2);
  });
}

void from_text_casts(catalog& c) {
  constexpr auto s = type_id::string;
  c.row("cast", {s}, type_id::boolean,
        [](row_scope& r, text v) { return value_or_fail(r, text_to_bool(v)); });
  c.row("cast", {s}, type_id::int32, [](row_scope& r, text v) {
    return static_cast<int32_t>(value_or_fail(r, text_to_integer(v, type_id::int32)));
  });
  c.row("cast", {s}, type_id::int64,
        [](row_scope& r, text v) { return value_or_fail(r, text_to_integer(v, type_id::int64)); });
  c.row("cast", {s}, type_id::float64,
        [](row_scope& r, text v) { return value_or_fail(r, text_to_float(v)); });
  c.row("cast", {s}, type_id::decimal, [](row_scope& r, text v) {
    return value_or_fail(r, text_to_decimal(v, r.result_scale()));
  });
  c.row("cast", {s}, type_id::date,
        [](row_scope& r, text v) { return value_or_fail(r, text_to_date(v)); });
  c.row("cast", {s}, type_id::timestamp,
        [](row_scope& r, text v) { return value_or_fail(r, text_to_timestamp(v)); });
  c.row("cast", {s}, type_id::interval,
        [](row_scope& r, text v) { return value_or_fail(r, text_to_interval(v)); });
  c.row("cast", {s}, type_id::json, [](row_scope& r, text_out& o, text v) {
    auto ok = check_json(v);
    if (!ok) return r.fail(ok.err().code, ok.err().message);
    o.append(v);
  });
  c.row("cast", {s}, type_id::bytes, [](row_scope& r, text_out& o, text v) {
    thread_local std::string bytes;
    bytes.clear();
    if (v.substr(0, 2) != "\\x") {
      if (const auto ok = append_unescaped(bytes, v); !ok)
        return r.fail(ok.err().code, ok.err().message);
    } else if (!parse_bytes(v, bytes)) {
      return r.fail(errc::parse, "invalid hexadecimal data: \"" + std::string(v) + "\"");
    }
    o.append(bytes);
  });
}

}  // namespace

void register_casts_text(catalog& c) {
  to_text_casts(c);
  from_text_casts(c);
}

}  // namespace weir::expr
