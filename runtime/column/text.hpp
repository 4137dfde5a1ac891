// The text forms of values (FACES.md; PostgreSQL's where FACES is silent) and their strict
// inverses, as readers and writers use them per value: no allocation, no locale, no blanks around
// values. Parsers return nothing for text that is not wholly a value of the type or is out of its
// range. Formatters write at `p`, which must have room for the type's *_chars_max, and return the
// end; they write no terminating zero. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/column/scalar.hpp"
#include "runtime/column/types.hpp"

namespace weir {

struct column;

inline constexpr size_t int64_chars_max = 20;
inline constexpr size_t float64_chars_max = 32;
inline constexpr size_t decimal_chars_max = 48;
inline constexpr size_t date_chars_max = 24;
inline constexpr size_t timestamp_chars_max = 48;
inline constexpr size_t interval_chars_max = 96;
/// Enough for every fixed-width type.
inline constexpr size_t fixed_chars_max = 96;

char* format_int64(char* p, int64_t v) noexcept;
inline char* format_int32(char* p, int32_t v) noexcept {
  return format_int64(p, v);
}
/// "true" or "false".
char* format_bool(char* p, bool v) noexcept;
/// The shortest digits that read back the same; "1e+20", "Infinity", "NaN", "-0".
char* format_float64(char* p, double v) noexcept;
/// With exactly `scale` digits after the point.
char* format_decimal(char* p, int128 v, uint8_t scale) noexcept;
/// "2013-01-01"; years of at least four digits; "0044-03-15 BC".
char* format_date(char* p, int32_t days) noexcept;
/// "2013-01-01 10:00:00", a fraction without trailing zeros. The two reserved ends of the range
/// print as "-infinity" and "infinity" (no text reads back as them).
char* format_timestamp(char* p, int64_t us) noexcept;
/// "1 year 2 mons -3 days +04:05:06.7", PostgreSQL's default style.
char* format_interval(char* p, interval_value v) noexcept;
/// "\x" and two lower-case hexadecimal digits per byte.
void append_bytes_text(std::string& out, std::string_view bytes);

/// Optional sign and digits.
std::optional<int64_t> parse_int64(std::string_view s) noexcept;
std::optional<int32_t> parse_int32(std::string_view s) noexcept;
/// Decimal or scientific notation, "Infinity", "inf", "NaN" in any case. Numbers too large for a
/// float64, or too small to differ from zero, are out of range as in PostgreSQL.
std::optional<double> parse_float64(std::string_view s) noexcept;
/// true, false, t, f, yes, no, y, n, on, off, 1, 0 in any case.
std::optional<bool> parse_bool(std::string_view s) noexcept;
/// Decimal or scientific notation; more fraction digits than `scale` round half away from zero;
/// nothing when the result has more than 38 digits.
std::optional<int128> parse_decimal(std::string_view s, uint8_t scale) noexcept;
/// As written: "1.50" is 150 with scale 2. Nothing beyond 38 digits.
struct decimal_text {
  int128 value = 0;
  uint8_t scale = 0;
};
std::optional<decimal_text> parse_decimal(std::string_view s) noexcept;
/// YYYY-MM-DD, with one-digit months and days and " BC" allowed.
std::optional<int32_t> parse_date(std::string_view s) noexcept;
/// A date alone, or with " " or "T" and HH:MM[:SS[.fraction]] and then nothing, "Z" or a numeric
/// zone (+02, +0200, +02:00), which is converted to UTC. Fractions round to microseconds.
std::optional<int64_t> parse_timestamp(std::string_view s) noexcept;
/// PostgreSQL's forms: "1 day 02:03:04", "-1.5 hours", "3 mons ago", "1-2", and ISO 8601's
/// "P1DT2H".
std::optional<interval_value> parse_interval(std::string_view s) noexcept;
/// "\x" and hexadecimal digits, appended to `out`; false when malformed.
bool parse_bytes(std::string_view s, std::string& out);

/// The text of value `row` (not null) of a column, by its type; lists and structs as PostgreSQL
/// writes arrays and records: "{1,NULL,"a b"}", "(1,"a b")", booleans inside them as t and f.
void append_text(std::string& out, const column& c, uint32_t row);
/// The text of a scalar; "NULL" when null.
std::string to_text(const scalar& v);
/// The inverse; json text must parse, lists have one dimension. Errors quote the text.
result<scalar> parse_scalar(std::string_view text, const data_type& type);

}  // namespace weir
