#include <vector>

#include "runtime/column/text.hpp"
#include "runtime/expr/numeric.hpp"
#include "runtime/expr/to_char.hpp"

namespace weir::expr {
namespace {

// Stands in a template's digits for a text between them.
constexpr char text_mark = '\x01';

struct number_template {
  std::string digits;              // 9, 0, and , . in order, and marks
  std::vector<std::string> texts;  // of the marks
  int before = 0, after = 0;       // digit places left and right of the point
  int zero_from = -1;              // first place left of the point that is always written
  bool fill = false, leading_sign = false, trailing_sign = false, minus_in_front = false;
  bool minus_behind = false, angle = false, plus = false;
  std::string prefix, tail, suffix;  // the tail stands before a MI behind the digits
  bool sign_behind() const { return trailing_sign || minus_behind || angle; }
};

bool take(std::string_view& s, std::string_view p) {
  if (s.size() < p.size()) return false;
  for (size_t i = 0; i < p.size(); ++i)
    if (toupper(static_cast<unsigned char>(s[i])) != p[i]) return false;
  s.remove_prefix(p.size());
  return true;
}

result<number_template> read(std::string_view s) {
  number_template t;
  bool point = false;
  while (!s.empty()) {
    bool started = !t.digits.empty();
    if (take(s, "FM")) {
      t.fill = true;
    } else if (take(s, "PR")) {
      t.angle = true;
    } else if (take(s, "SG")) {
      (started ? t.trailing_sign : t.leading_sign) = t.plus = true;
    } else if (take(s, "MI")) {
      (started ? t.minus_behind : t.minus_in_front) = true;
    } else if (take(s, "S")) {
      (started ? t.trailing_sign : t.leading_sign) = t.plus = true;
    } else if (s[0] == '9' || s[0] == '0') {
      if (!point && s[0] == '0' && t.zero_from < 0) t.zero_from = t.before;
      ++(point ? t.after : t.before);
      t.digits += s[0];
      s.remove_prefix(1);
    } else if (s[0] == ',' || take(s, "G")) {
      if (s[0] == ',' && !s.empty()) s.remove_prefix(1);
      t.digits += ',';
    } else if (s[0] == '.' || s[0] == 'D' || s[0] == 'd') {
      if (point) return error(errc::invalid_argument, "multiple decimal points");
      point = true;
      t.digits += '.';
      s.remove_prefix(1);
    } else if (isalpha(static_cast<unsigned char>(s[0])) && s[0] != 'L') {
      return error(errc::unsupported, "pattern \"" + std::string(s) + "\" is not supported");
    } else {
      const bool between = started && !t.sign_behind();
      if (between) t.digits += text_mark;
      auto& to = between ? t.texts.emplace_back() : started ? t.suffix : t.prefix;
      const bool quoted = s[0] == '"';
      // Outside of quotes a backslash takes the meaning of a quote only.
      if (quoted || s.starts_with("\\\"")) s.remove_prefix(1);
      if (!quoted) to += s[0] == 'L' ? ' ' : s[0];
      for (; quoted && !s.empty() && s[0] != '"'; s.remove_prefix(1)) {
        if (s[0] == '\\' && s.size() > 1) s.remove_prefix(1);
        to += s[0];
      }
      if (!s.empty()) s.remove_prefix(1);
    }
  }
  for (; t.digits.ends_with(text_mark); t.texts.pop_back(), t.digits.pop_back())
    t.tail.insert(0, t.texts.back());
  return t;
}

}  // namespace

status check_number_template(std::string_view pattern) {
  auto t = read(pattern);
  if (!t) return t.err();
  return {};
}

status format_number(std::string_view pattern, int128 value, uint8_t scale, std::string& out) {
  WEIR_ASSIGN(auto t, read(pattern));
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
  if (t.angle) {
    lead = negative ? "<" : t.fill ? "" : " ";
  } else if (t.leading_sign) {
    lead = sign;
  } else if (t.minus_in_front) {
    lead = negative ? "-" : t.fill ? "" : " ";
  } else if (!t.trailing_sign && !t.minus_behind) {
    lead = negative ? "-" : t.fill ? "" : " ";
  }
  body.insert(digit, lead);
  size_t mark = 0;
  for (const auto& between : t.texts) {
    mark = body.find(text_mark, mark);
    body.replace(mark, 1, between);
    mark += between.size();
  }
  if (t.minus_behind) body += t.tail;
  if (t.angle && (negative || !t.fill)) body += negative ? '>' : ' ';
  if (t.trailing_sign) body += sign;
  if (t.minus_behind && (negative || !t.fill)) body += negative ? '-' : ' ';
  if (!t.minus_behind) body += t.tail;
  out += t.prefix + body + t.suffix;
  return {};
}

}  // namespace weir::expr
