// to_char(), to_timestamp(text, template), to_date().
#include <cmath>
#include <cstdio>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/datetime.hpp"
#include "runtime/expr/numeric.hpp"
#include "runtime/expr/to_char.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

void number_text(row_scope& r, text_out& o, int128 v, uint8_t scale, text pattern) {
  thread_local std::string s;
  s.clear();
  if (auto ok = format_number(pattern, v, scale, s); !ok)
    return r.fail(ok.err().code, ok.err().message);
  o.append(s);
}
/// A template of EEEE over a float64; false: it is another template.
bool exponent_text(text_out& o, double v, text pattern) {
  const auto digits = exponent_digits(pattern);
  if (!digits) return false;
  std::string s;
  if (std::isfinite(v)) {
    char made[400];
    const int n = std::snprintf(made, sizeof made, "%.*e", std::min(*digits, 300), v);
    s.assign(made, static_cast<size_t>(n));
    if (!std::signbit(v)) s.insert(0, 1, ' ');
  } else {
    s = " #.";
    s.append(static_cast<size_t>(*digits) + 4, '#');
  }
  o.append(s);
  return true;
}
// The last text, and the step of time for which it stands: times come in order, more or less.
struct last_text {
  std::string pattern, text;
  int64_t grain = 0;  // 0 = nothing yet
  int64_t from = 0;
};
void time_text(row_scope& r, text_out& o, int64_t t, text pattern) {
  if (pattern.empty()) return r.set_null();
  auto& last = r.state<last_text>();
  if (last.grain == 0 || last.pattern != pattern) {
    last.pattern = pattern;
    last.grain = grain_of(pattern);
  } else if (t >= last.from && t - last.from < last.grain) {
    return o.append(last.text);
  }
  last.text.clear();
  if (auto ok = format_time(pattern, t, last.text); !ok) {
    last.grain = 0;
    return r.fail(ok.err().code, ok.err().message);
  }
  last.from = floor_div(t, last.grain) * last.grain;
  o.append(last.text);
}
void interval_text(row_scope& r, text_out& o, interval_value v, text pattern) {
  if (pattern.empty()) return r.set_null();
  thread_local std::string s;
  s.clear();
  if (auto ok = format_interval(pattern, v, s); !ok) return r.fail(ok.err().code, ok.err().message);
  o.append(s);
}
template <bool zones>
int64_t time_of(row_scope& r, text s, text pattern) {
  auto t = parse_time(s, pattern, zones);
  if (t) return *t;
  r.fail(t.err().code, t.err().message);
  return 0;
}

}  // namespace

void register_format(catalog& c) {
  constexpr auto s = type_id::string, ts = type_id::timestamp;
  c.row("to_char", {ts, s}, s,
        [](row_scope& r, text_out& o, int64_t t, text p) { time_text(r, o, t, p); });
  c.row("to_char", {type_id::interval, s}, s,
        [](row_scope& r, text_out& o, interval_value v, text p) { interval_text(r, o, v, p); });
  c.row("to_char", {type_id::int32, s}, s, [](row_scope& r, text_out& o, int32_t v, text p) {
    if (!exponent_text(o, v, p)) number_text(r, o, v, 0, p);
  });
  c.row("to_char", {type_id::int64, s}, s,
        [](row_scope& r, text_out& o, int64_t v, text p) { number_text(r, o, v, 0, p); });
  c.row("to_char", {type_id::decimal, s}, s,
        [](row_scope& r, text_out& o, decimal_value v, text p) {
          number_text(r, o, v.v, v.scale, p);
        });
  c.row("to_char", {type_id::float64, s}, s, [](row_scope& r, text_out& o, double v, text p) {
    if (exponent_text(o, v, p)) return;
    // A float beyond integers is as little a Roman number as 0 is.
    if (!(std::fabs(v) < 0x1p31) && is_roman(p)) return number_text(r, o, 0, 0, p);
    // Fifteen digits, of which those left of the point come first.
    int left = std::fabs(v) < 1 ? 1 : static_cast<int>(std::log10(std::fabs(v))) + 1;
    int scale = left > 15 ? 0 : 15 - left;
    auto d = decimal_of_float(v, scale);
    if (!d) return r.fail(errc::overflow, "to_char: the number is out of range");
    number_text(r, o, *d, static_cast<uint8_t>(scale), p);
  });
  c.row("to_timestamp", {s, s}, ts, wrap<time_of<true>>{});
  c.row("to_date", {s, s}, type_id::date,
        [](row_scope& r, text v, text p) { return day_of(time_of<false>(r, v, p)); });
}

}  // namespace weir::expr
