#include <immintrin.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "runtime/column/calendar.hpp"
#include "runtime/column/digits.hpp"
#include "runtime/column/text.hpp"

namespace weir {
namespace {

char* put_date(char* p, civil_date d) noexcept {
  // Year 0 is 1 BC in text.
  auto year = static_cast<uint32_t>(d.year > 0 ? d.year : 1 - d.year);
  if (year < 10000) [[likely]] {
    put2(p, year / 100);
    put2(p + 2, year % 100);
    p += 4;
  } else {
    p = format_int64(p, year);
  }
  *p = '-';
  put2(p + 1, d.month);
  p[3] = '-';
  put2(p + 4, d.day);
  return p + 6;
}

char* put_era(char* p, civil_date d) noexcept {
  if (d.year > 0) [[likely]]
    return p;
  std::memcpy(p, " BC", 3);
  return p + 3;
}

// ".25" for 250000 microseconds, nothing for 0.
char* put_fraction(char* p, uint32_t us) noexcept {
  if (us == 0) return p;
  *p = '.';
  put2(p + 1, us / 10000);
  put2(p + 3, us / 100 % 100);
  put2(p + 5, us % 100);
  p += 7;
  while (p[-1] == '0') --p;
  return p;
}

bool digit(char c) noexcept {
  return static_cast<unsigned char>(c - '0') <= 9;
}

// A cursor over text that may end anywhere.
struct cursor {
  const char* p;
  const char* end;
  bool take(char c) noexcept { return p != end && *p == c ? (++p, true) : false; }
  bool at(char c) const noexcept { return p != end && *p == c; }
  // min to max digits as a number, or -1.
  int64_t number(int min, int max) noexcept {
    int64_t v = 0;
    int n = 0;
    for (; n < max && p != end && digit(*p); ++n) v = v * 10 + (*p++ - '0');
    return n < min ? -1 : v;
  }
};

// Y..Y-M-D without era; false when malformed.
bool scan_date(cursor& c, int64_t& year, uint32_t& month, uint32_t& day) noexcept {
  year = c.number(4, 7);
  if (year < 0 || !c.take('-')) return false;
  auto m = c.number(1, 2);
  if (m < 1 || m > 12 || !c.take('-')) return false;
  auto d = c.number(1, 2);
  if (d < 1) return false;
  month = static_cast<uint32_t>(m);
  day = static_cast<uint32_t>(d);
  return true;
}

std::optional<int64_t> days_of(int64_t year, uint32_t month, uint32_t day, bool bc) noexcept {
  if (bc) {
    if (year < 1) return std::nullopt;
    year = 1 - year;
  } else if (year < 1) {
    return std::nullopt;
  }
  if (day > days_in_month(static_cast<int32_t>(year), month)) return std::nullopt;
  const int64_t days = days_from_civil(year, month, day);
  if (days != static_cast<int32_t>(days)) return std::nullopt;
  return days;
}

bool take_bc(cursor& c) noexcept {
  if (c.end - c.p < 3 || std::memcmp(c.end - 3, " BC", 3) != 0) return false;
  c.end -= 3;
  return true;
}

// HH:MM[:SS[.fraction]] as microseconds of the day, or -1. 24:00:00 and second 60 carry over.
int64_t scan_time(cursor& c) noexcept {
  const auto h = c.number(1, 2);
  if (h < 0 || h > 24 || !c.take(':')) return -1;
  const auto m = c.number(2, 2);
  if (m < 0 || m > 59) return -1;
  int64_t us = h * micros_per_hour + m * micros_per_minute;
  if (c.take(':')) {
    const auto s = c.number(2, 2);
    if (s < 0 || s > 60) return -1;
    us += s * micros_per_second;
    if (c.take('.')) {
      int64_t unit = micros_per_second, fraction = 0;
      int n = 0;
      for (; c.p != c.end && digit(*c.p); ++c.p, ++n) {
        if (n < 6) fraction += (*c.p - '0') * (unit /= 10);
        if (n == 6) fraction += *c.p >= '5';
      }
      if (n == 0) return -1;
      us += fraction;
    }
  }
  return us <= micros_per_day ? us : -1;
}

// "Z" or +HH[[:]MM[:SS]]: seconds east of UTC.
std::optional<int64_t> scan_zone(cursor& c) noexcept {
  if (c.take('Z') || c.take('z')) return 0;
  const bool west = c.at('-');
  if (!west && !c.at('+')) return std::nullopt;
  ++c.p;
  const auto h = c.number(2, 2);
  if (h < 0 || h > 15) return std::nullopt;
  int64_t seconds = h * 3600;
  const bool colon = c.take(':');
  if (colon || c.p != c.end) {
    const auto m = c.number(2, 2);
    if (m < 0 || m > 59) return std::nullopt;
    seconds += m * 60;
  }
  if (colon && c.take(':')) {
    const auto s = c.number(2, 2);
    if (s < 0 || s > 59) return std::nullopt;
    seconds += s;
  }
  return west ? -seconds : seconds;
}

// What follows the first 19 characters: fraction and zone, or nothing.
std::optional<int64_t> parse_general(std::string_view s) noexcept {
  cursor c{s.data(), s.data() + s.size()};
  const bool bc = take_bc(c);
  int64_t year = 0;
  uint32_t month = 0, day = 0;
  if (!scan_date(c, year, month, day)) return std::nullopt;
  const auto days = days_of(year, month, day, bc);
  if (!days) return std::nullopt;
  int64_t us = 0;
  if (c.p != c.end) {
    if (!c.take(' ') && !c.take('T') && !c.take('t')) return std::nullopt;
    us = scan_time(c);
    if (us < 0) return std::nullopt;
    if (c.p != c.end) {
      c.take(' ');
      const auto zone = scan_zone(c);
      if (!zone || c.p != c.end) return std::nullopt;
      us -= *zone * micros_per_second;
    }
  }
  // The first day of the range begins before it, so the product may need more bits than the sum.
  const int128 total = static_cast<int128>(*days) * micros_per_day + us;
  if (total <= INT64_MIN || total >= INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(total);
}

// Exactly "YYYY-MM-DD HH:MM:SS" (or with a T), the common case, with one register for all but the
// seconds.
bool parse_plain19(const char* s, int64_t& out) noexcept {
  const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(s));
  const __m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
  const __m128i separators = _mm_setr_epi8(0, 0, 0, 0, '-', 0, 0, '-', 0, 0, ' ', 0, 0, ':', 0, 0);
  const auto digit_bits = static_cast<unsigned>(_mm_movemask_epi8(is_digit));
  const auto separator_bits =
      static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, separators)));
  constexpr unsigned want_digits = 0b1101'1011'0110'1111;
  constexpr unsigned want_separators = 0b0010'0000'1001'0000;  // the one between them is apart
  const unsigned s1 = static_cast<unsigned char>(s[17]) - '0';
  const unsigned s0 = static_cast<unsigned char>(s[18]) - '0';
  const bool shape = (digit_bits & want_digits) == want_digits &&
                     (separator_bits & want_separators) == want_separators &&
                     (s[10] == ' ' || s[10] == 'T') && s[16] == ':' && s1 <= 5 && s0 <= 9;
  if (!shape) return false;
  // Pairs of digits next to each other, then 10 * first + second in 16 bits.
  const __m128i pairs = _mm_shuffle_epi8(
      digits, _mm_setr_epi8(0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, -1, -1, -1, -1));
  const __m128i numbers = _mm_maddubs_epi16(pairs, _mm_set1_epi16(0x010a));
  const auto low = static_cast<uint64_t>(_mm_cvtsi128_si64(numbers));
  const auto high = static_cast<uint32_t>(_mm_extract_epi32(numbers, 2));
  const auto year = static_cast<int32_t>((low & 0xff) * 100 + (low >> 16 & 0xff));
  const auto month = static_cast<uint32_t>(low >> 32 & 0xff);
  const auto day = static_cast<uint32_t>(low >> 48);
  const uint32_t hour = high & 0xffff, minute = high >> 16;
  if (year < 1 || month - 1 > 11 || hour > 23 || minute > 59 || day - 1 > 27) [[unlikely]] {
    if (year < 1 || month - 1 > 11 || hour > 23 || minute > 59 || day < 1 ||
        day > days_in_month(year, month))
      return false;
  }
  const int64_t seconds =
      days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + s1 * 10 + s0;
  out = seconds * micros_per_second;
  return true;
}

}  // namespace

char* format_date(char* p, int32_t days) noexcept {
  const auto d = civil_from_days(days);
  return put_era(put_date(p, d), d);
}

char* format_timestamp(char* p, int64_t us) noexcept {
  if (us == INT64_MIN || us == INT64_MAX) [[unlikely]] {
    const std::string_view s = us == INT64_MIN ? "-infinity" : "infinity";
    std::memcpy(p, s.data(), s.size());
    return p + s.size();
  }
  const int32_t days = day_of(us);
  // Unsigned: the first day of the range begins before it.
  const auto of_day = static_cast<uint64_t>(us) -
                      static_cast<uint64_t>(int64_t{days}) * static_cast<uint64_t>(micros_per_day);
  const auto d = civil_from_days(days);
  p = put_date(p, d);
  const auto seconds = static_cast<uint32_t>(of_day / micros_per_second);
  *p = ' ';
  put2(p + 1, seconds / 3600);
  p[3] = ':';
  put2(p + 4, seconds / 60 % 60);
  p[6] = ':';
  put2(p + 7, seconds % 60);
  p = put_fraction(p + 9, static_cast<uint32_t>(of_day % micros_per_second));
  return put_era(p, d);
}

std::optional<int32_t> parse_date(std::string_view s) noexcept {
  cursor c{s.data(), s.data() + s.size()};
  const bool bc = take_bc(c);
  int64_t year = 0;
  uint32_t month = 0, day = 0;
  if (!scan_date(c, year, month, day) || c.p != c.end) return std::nullopt;
  const auto days = days_of(year, month, day, bc);
  if (!days) return std::nullopt;
  return static_cast<int32_t>(*days);
}

std::optional<int64_t> parse_timestamp(std::string_view s) noexcept {
  int64_t us = 0;
  if (s.size() == 19 && parse_plain19(s.data(), us)) [[likely]]
    return us;
  // The tail after a plain head: a fraction of up to six digits, then nothing or Z.
  if (s.size() > 19 && parse_plain19(s.data(), us)) {
    const char *p = s.data() + 19, *end = s.data() + s.size();
    if (*p == '.') {
      int64_t unit = micros_per_second;
      const char* first = ++p;
      for (; p != end && digit(*p) && unit > 1; ++p) us += (*p - '0') * (unit /= 10);
      if (p == first) return std::nullopt;
    }
    if (p != end && *p == 'Z') ++p;
    if (p == end) return us;
  }
  return parse_general(s);
}

}  // namespace weir
