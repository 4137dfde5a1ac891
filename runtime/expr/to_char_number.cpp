#include "runtime/column/text.hpp"
#include "runtime/expr/numeric.hpp"
#include "runtime/expr/to_char.hpp"

namespace weir::expr {
namespace {

struct number_template {
  std::string digits;         // 9, 0, and , . in order
  int before = 0, after = 0;  // digit places left and right of the point
  int zero_from = -1;         // first place left of the point that is always written
  bool fill = false, leading_sign = false, trailing_sign = false, minus_in_front = false;
  bool minus_behind = false, angle = false, plus = false;
  std::string prefix, suffix;
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
      size_t n = 1;
      std::string_view text = s.substr(0, 1);
      if (s[0] == '"') {
        n = std::min(s.find('"', 1), s.size() - 1) + 1;
        text = s.substr(1, n >= 2 ? n - 2 : 0);
      }
      (started ? t.suffix : t.prefix) += s[0] == 'L' ? std::string_view(" ") : text;
      s.remove_prefix(n);
    }
  }
  return t;
}

}  // namespace

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
    if (c == ',') {
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
  size_t digit = body.find_first_not_of(' ');
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
  if (t.angle && (negative || !t.fill)) body += negative ? '>' : ' ';
  if (t.trailing_sign) body += sign;
  if (t.minus_behind && (negative || !t.fill)) body += negative ? '-' : ' ';
  out += t.prefix + body + t.suffix;
  return {};
}

}  // namespace weir::expr
