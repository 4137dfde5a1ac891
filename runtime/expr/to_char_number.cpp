#include <algorithm>
#include <vector>

#include "runtime/column/text.hpp"
#include "runtime/expr/number_template.hpp"
#include "runtime/expr/numeric.hpp"
#include "runtime/expr/to_char.hpp"

namespace weir::expr {
namespace {

using mark = number_mark;

// Stands in a template's digits for a text between them.
constexpr char text_mark = '\x01';
// Stand in texts for what depends on the number: an ordinal's ending in both cases, the signs of
// PL, MI and SG.
constexpr char upper_ordinal = '\x02', lower_ordinal = '\x03', plus_mark = '\x04',
               minus_mark = '\x05', sign_mark = '\x06';

struct number_template {
  std::string digits;              // 9, 0, and , . in order, and marks
  std::vector<std::string> texts;  // of the marks
  int before = 0, after = 0;       // digit places left and right of the point
  int zero_from = -1;              // first place left of the point that is always written
  bool fill = false, leading_sign = false, trailing_sign = false, angle = false;
  bool own_sign = false;  // MI or SG: the number has no other sign
  bool point = false, exponent = false, multiplies = false;
  int multi = 0;  // digits behind V: by as many powers of ten the number is larger
  bool roman = false;
  std::string prefix, tail, suffix;
  bool sign_behind() const { return trailing_sign || angle; }
};

error wrong(std::string what) {
  return {errc::invalid_argument, std::move(what)};
}

/// A digit of the template.
void add_digit(number_template& t, char digit) {
  if (!t.point && digit == '0' && t.zero_from < 0) t.zero_from = t.before;
  ++(t.point ? t.after : t.before);
  t.multi += t.multiplies && digit == '9';
  t.digits += digit;
}

/// A pattern that stands for itself or for what depends on the number's value.
void add_text(number_template& t, std::string_view text) {
  const bool started = !t.digits.empty();
  const bool between = started && !t.sign_behind();
  if (between) t.digits += text_mark;
  (between ? t.texts.emplace_back() : started ? t.suffix : t.prefix) += text;
}

/// A sign that stands where its pattern does.
void add_mark(number_template& t, const char& which) {
  add_text(t, {&which, 1});
}

status add_point(number_template& t) {
  if (t.point) return wrong("multiple decimal points");
  if (t.multiplies) return wrong("cannot use \"V\" and decimal point together");
  t.point = true;
  t.digits += '.';
  return {};
}

/// One pattern that says something of the number.
status add(number_template& t, const number_pattern& p) {
  switch (p.what) {
    case mark::digit:
    case mark::zero:
      add_digit(t, p.what == mark::digit ? '9' : '0');
      return {};
    case mark::point:
      return add_point(t);
    case mark::comma:
    case mark::group:
      t.digits += ',';
      return {};
    case mark::fill:
      t.fill = true;
      return {};
    case mark::bracket:
      t.angle = true;
      return {};
    case mark::sign:
    case mark::minus:
      t.own_sign = true;
      add_mark(t, p.what == mark::sign ? sign_mark : minus_mark);
      return {};
    case mark::plus:
      add_mark(t, plus_mark);
      return {};
    case mark::anchored:
      // Behind digits that V adds it is as if it stood before them.
      (!t.digits.empty() && t.multi == 0 ? t.trailing_sign : t.leading_sign) = true;
      return {};
    case mark::multiply:
      if (t.point) return wrong("cannot use \"V\" and decimal point together");
      t.multiplies = true;
      return {};
    case mark::roman:
      t.roman = true;
      return {};
    case mark::exponent:
      if (t.exponent) return wrong("cannot use \"EEEE\" twice");
      t.exponent = true;
      return {};
    case mark::ordinal:
      add_mark(t, p.lower ? lower_ordinal : upper_ordinal);
      return {};
    case mark::currency:
      add_text(t, " ");
      return {};
    case mark::literal:
      add_text(t, p.literal);
      return {};
    case mark::blank:
    case mark::nothing:
      return {};
  }
  return {};
}

/// Whether a pattern may not stand in front of EEEE.
bool excludes_exponent(mark m) {
  return m == mark::fill || m == mark::bracket || m == mark::sign || m == mark::minus ||
         m == mark::plus || m == mark::anchored || m == mark::multiply || m == mark::roman ||
         m == mark::blank;
}

result<number_template> read(std::string_view s) {
  number_template t;
  bool other = false;
  while (const auto p = next_number_pattern(s)) {
    if (t.exponent && p->what != mark::literal && p->what != mark::exponent)
      return wrong("\"EEEE\" must be the last pattern used");
    WEIR_TRY(add(t, *p));
    other |= excludes_exponent(p->what);
    if (p->what == mark::exponent && other)
      return wrong("\"EEEE\" is incompatible with other formats");
  }
  for (; t.digits.ends_with(text_mark); t.texts.pop_back(), t.digits.pop_back())
    t.tail.insert(0, t.texts.back());
  return t;
}

/// st, nd, rd or th.
std::string_view ordinal_of(std::string_view digits) {
  const char last = digits.empty() ? '0' : digits.back();
  if (digits.size() > 1 && digits[digits.size() - 2] == '1') return "th";
  return last == '1' ? "st" : last == '2' ? "nd" : last == '3' ? "rd" : "th";
}
/// The texts of the template, with what depends on the number in them.
std::string with_marks(const std::string& s, std::string_view ordinal, bool negative, bool fill) {
  const std::string_view blank = fill ? "" : " ";
  std::string out;
  for (char c : s) {
    if (c == upper_ordinal)
      for (char letter : ordinal) out += static_cast<char>(toupper(letter));
    else if (c == lower_ordinal)
      out += ordinal;
    else if (c == plus_mark)
      out += negative ? blank : "+";
    else if (c == minus_mark)
      out += negative ? "-" : blank;
    else if (c == sign_mark)
      out += negative ? '-' : '+';
    else
      out += c;
  }
  return out;
}

constexpr int roman_width = 15;

/// A template with RN: digits and signs say nothing beside it.
void format_roman(std::string_view pattern, bool fill, int128 n, std::string& out) {
  static constexpr std::pair<int, std::string_view> parts[] = {
      {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
      {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"}};
  std::string roman;
  if (n < 1 || n > 3999) {
    roman.assign(roman_width, '#');
  } else {
    for (const auto& [value, letters] : parts)
      for (; n >= value; n -= value) roman += letters;
    if (!fill) roman.insert(0, static_cast<size_t>(roman_width) - roman.size(), ' ');
  }
  while (const auto p = next_number_pattern(pattern)) {
    switch (p->what) {
      case mark::roman:
        for (char c : roman) out += static_cast<char>(p->lower ? tolower(c) : c);
        break;
      case mark::minus:
      case mark::comma:
      case mark::group:
        if (!fill) out += ' ';
        break;
      case mark::currency:
        out += ' ';
        break;
      case mark::literal:
        out += p->literal;
        break;
      default:  // says nothing here
        break;
    }
  }
}

/// "1.23e+04": the digits of a value over a power of ten, of which the template has `after` behind
/// the point. Rounding may make two digits in front of it, as in PostgreSQL.
void format_exponent(int128 value, uint8_t scale, int after, std::string& out) {
  const int128 v = absolute(value);
  int digits = 1;
  while (digits < 39 && v >= power_of_ten(digits)) ++digits;
  const int exponent = v == 0 ? 0 : digits - 1 - scale;
  char made[decimal_chars_max];
  std::string all(made,
                  format_decimal(made, divide_rounded(v, std::max(0, digits - 1 - after)), 0));
  if (digits - 1 < after) all.append(static_cast<size_t>(after - (digits - 1)), '0');
  const auto point = all.size() - static_cast<size_t>(after);
  out += value < 0 ? '-' : ' ';
  out += all.substr(0, point);
  if (after > 0) out += '.' + all.substr(point);
  out += exponent < 0 ? "e-" : "e+";
  const auto size = std::to_string(exponent < 0 ? -exponent : exponent);
  if (size.size() < 2) out += '0';
  out += size;
}

}  // namespace

std::optional<int> exponent_digits(std::string_view pattern) {
  // Asked for every row.
  if (pattern.find("EEEE") == pattern.npos && pattern.find("eeee") == pattern.npos) return {};
  const auto t = read(pattern);
  if (!t || !t->exponent) return {};
  return t->after;
}
bool is_roman(std::string_view pattern) {
  const auto t = read(pattern);
  return t && t->roman;
}
status check_number_template(std::string_view pattern) {
  auto t = read(pattern);
  if (!t) return t.err();
  return {};
}

status format_number(std::string_view pattern, int128 value, uint8_t scale, std::string& out) {
  WEIR_ASSIGN(auto t, read(pattern));
  if (t.exponent) {
    format_exponent(value, scale, t.after, out);
    return {};
  }
  if (t.roman) {
    const int128 n = divide_rounded(value, scale);
    if (n != static_cast<int32_t>(n)) return error(errc::overflow, "integer out of range");
    format_roman(pattern, t.fill, n, out);
    return {};
  }
  if (t.multi > 0) {
    const int more = std::max(0, t.multi - scale);
    if (more > 38 || __builtin_mul_overflow(value, power_of_ten(more), &value))
      return error(errc::overflow, "to_char: the number is out of range");
    scale = static_cast<uint8_t>(std::max(0, scale - t.multi));
  }
  int128 v = divide_rounded(absolute(value), std::max(0, scale - t.after));
  char text[decimal_chars_max];
  char* end = format_decimal(text, v, static_cast<uint8_t>(std::min<int>(scale, t.after)));
  std::string_view all(text, static_cast<size_t>(end - text));
  auto whole = std::string(all.substr(0, all.find('.')));
  auto fraction = all.find('.') == std::string_view::npos
                      ? std::string()
                      : std::string(all.substr(all.find('.') + 1));
  fraction.resize(static_cast<size_t>(t.after), '0');
  if (whole == "0") whole.clear();
  bool overflow = whole.size() > static_cast<size_t>(t.before);
  bool negative = value < 0 && v != 0;
  // Places from the left; those before the first digit are blank, or zero behind a "0".
  size_t first = overflow ? 0 : static_cast<size_t>(t.before) - whole.size();
  std::string body;
  size_t place = 0, behind = 0;
  bool point = false, written = false;
  for (char c : t.digits) {
    if (c == text_mark) {
      body += c;
    } else if (c == ',') {
      if (written || !t.fill) body += written ? ',' : ' ';
    } else if (c == '.') {
      point = true;
      if (!written && !t.fill && t.before > 0 && t.zero_from < 0 && whole.empty()) written = true;
      body += '.';
    } else if (point) {
      body += overflow ? '#' : fraction[behind];
      ++behind;
    } else {
      bool zero = t.zero_from >= 0 && place >= static_cast<size_t>(t.zero_from);
      if (overflow) {
        body += '#';
        written = true;
      } else if (place >= first) {
        body += whole[place - first];
        written = true;
      } else if (zero || (place + 1 == static_cast<size_t>(t.before) && t.after == 0)) {
        body += '0';
        written = true;
      } else if (!t.fill) {
        body += ' ';
      }
      ++place;
    }
  }
  if (t.fill && point) {
    // Without padding, optional zeros at the end go too.
    size_t keep = body.size();
    for (size_t i = t.digits.size(); i-- > 0 && t.digits[i] == '9' && body[keep - 1] == '0';)
      --keep;
    body.resize(keep);
  }
  // The sign stands directly before the first digit.
  size_t digit = body.find_first_not_of(std::string{' ', text_mark});
  if (digit == std::string::npos) digit = body.size();
  char sign = negative ? '-' : '+';
  std::string lead;
  // It belongs to digits and the point: without them there is none.
  const bool number = t.before + t.after > 0 || t.point;
  if (!number) {
    t.angle = t.trailing_sign = false;
  } else if (t.angle) {
    lead = negative ? "<" : t.fill ? "" : " ";
  } else if (t.leading_sign) {
    lead = sign;
  } else if (!t.trailing_sign && !t.own_sign) {
    lead = negative ? "-" : t.fill ? "" : " ";
  }
  body.insert(digit, lead);
  const auto ordinal = negative || t.point || overflow ? "" : ordinal_of(whole);
  for (auto* around : {&t.prefix, &t.tail, &t.suffix})
    *around = with_marks(*around, ordinal, negative, t.fill);
  size_t mark = 0;
  for (auto& between : t.texts) {
    between = with_marks(between, ordinal, negative, t.fill);
    mark = body.find(text_mark, mark);
    body.replace(mark, 1, between);
    mark += between.size();
  }
  if (t.angle && (negative || !t.fill)) body += negative ? '>' : ' ';
  if (t.trailing_sign) body += sign;
  out += t.prefix + body + t.tail + t.suffix;
  return {};
}

}  // namespace weir::expr
