#include "runtime/expr/to_number.hpp"

#include "runtime/expr/convert.hpp"
#include "runtime/expr/number_template.hpp"
#include "runtime/expr/numeric.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

constexpr int decimal_digits = 38;

using mark = number_mark;

struct number_template {
  std::vector<mark> marks;
  int before = 0, after = 0, multi = 0;
  bool decimal = false, fill = false, anchored = false, anchored_before = false, bracket = false;
  bool plus = false, minus = false, multiplies = false;
};

error wrong(std::string what) {
  return {errc::invalid_argument, std::move(what)};
}

/// Notes what a mark says of the whole template; what may not stand together is an error.
status note(number_template& t, mark m) {
  switch (m) {
    case mark::digit:
      if (t.bracket) return wrong("\"9\" must be ahead of \"PR\"");
      if (t.multiplies)
        ++t.multi;
      else
        ++(t.decimal ? t.after : t.before);
      return {};
    case mark::zero:
      if (t.bracket) return wrong("\"0\" must be ahead of \"PR\"");
      ++(t.decimal ? t.after : t.before);
      return {};
    case mark::point:
      if (t.decimal) return wrong("multiple decimal points");
      if (t.multiplies) return wrong("cannot use \"V\" and decimal point together");
      t.decimal = true;
      return {};
    case mark::multiply:
      if (t.decimal) return wrong("cannot use \"V\" and decimal point together");
      t.multiplies = true;
      return {};
    case mark::anchored:
      if (t.anchored) return wrong("cannot use \"S\" twice");
      if (t.plus || t.minus || t.bracket)
        return wrong("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
      t.anchored = true;
      t.anchored_before = !t.decimal;
      return {};
    case mark::minus:
      if (t.anchored) return wrong("cannot use \"S\" and \"MI\" together");
      t.minus = true;
      return {};
    case mark::plus:
      if (t.anchored) return wrong("cannot use \"S\" and \"PL\" together");
      t.plus = true;
      return {};
    case mark::sign:
      if (t.anchored) return wrong("cannot use \"S\" and \"SG\" together");
      t.plus = t.minus = true;
      return {};
    case mark::bracket:
      if (t.anchored || t.plus || t.minus)
        return wrong("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
      t.bracket = true;
      return {};
    case mark::fill:
      t.fill = true;
      return {};
    case mark::roman:
      return error(errc::unsupported, "\"RN\" not supported for input");
    case mark::exponent:
      return error(errc::unsupported, "\"EEEE\" not supported for input");
    default:
      return {};
  }
}

result<number_template> read(text s) {
  number_template t;
  while (const auto p = next_number_pattern(s)) {
    WEIR_TRY(note(t, p->what));
    if (p->what != mark::literal) t.marks.push_back(p->what);
    // Each character of a literal stands for one.
    for (size_t at = 0; at < p->literal.size(); at += char_bytes(p->literal, at))
      t.marks.push_back(mark::literal);
  }
  return t;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads a text as PostgreSQL does: forgiving what does not fit in many places.
class reader {
 public:
  reader(const number_template& t, text s) : t_(t), s_(s) {}

  /// Sign, digits and point as numeric reads them.
  std::string read() {
    for (auto m : t_.marks) {
      if (at_ >= s_.size()) break;
      step(m);
    }
    if (out_.ends_with('.')) out_.pop_back();
    return sign_ + out_;
  }

 private:
  void step(mark m) {
    switch (m) {
      case mark::digit:
      case mark::zero:
      case mark::point:
        number(m != mark::point);
        ++at_;
        return;
      case mark::comma:
      case mark::group:
        if (!t_.fill && s_[at_] == ',') ++at_;
        return;
      case mark::currency:
        return skip(1);
      case mark::ordinal:
        // Both forms have two letters.
        if (!t_.decimal) skip(2);
        return;
      case mark::minus:
        return sign(s_[at_] == '-');
      case mark::plus:
        return sign(s_[at_] == '+');
      case mark::sign:
        return sign(s_[at_] == '-' || s_[at_] == '+');
      case mark::literal:
        at_ += char_bytes(s_, at_);
        return;
      default:
        return;
    }
  }
  void sign(bool there) {
    if (!there) return skip(1);
    sign_ = s_[at_++];
  }
  /// Up to n characters that are no part of a number.
  void skip(int n) {
    for (; n > 0 && at_ < s_.size() && text("0123456789.,+-").find(s_[at_]) == text::npos; --n)
      at_ += char_bytes(s_, at_);
  }
  bool any() const { return before_ + after_ > 0; }

  void number(bool digit_mark) {
    if (s_[at_] == ' ') ++at_;
    if (at_ >= s_.size()) return;
    if (sign_ == " " && digit_mark && !any()) {
      const char c = s_[at_];
      const bool bracket = t_.bracket && c == '<' && !(t_.anchored && t_.anchored_before);
      if (!t_.anchored || t_.anchored_before) {
        if (c == '-' || bracket || c == '+') {
          sign_ = c == '+' ? "+" : "-";
          ++at_;
        }
      } else if (c == '-' || c == '+') {
        sign_ = c;
        ++at_;
      }
    }
    if (at_ >= s_.size()) return;
    bool taken = false;
    if (is_digit(s_[at_])) {
      if (pointed_ && after_ == t_.after) return;
      out_ += s_[at_];
      ++(pointed_ ? after_ : before_);
      taken = true;
    } else if (t_.decimal && !pointed_ && s_[at_] == '.') {
      out_ += '.';
      pointed_ = taken = true;
    }
    if (sign_ != " " || !any()) return;
    // A sign behind the last digit.
    if (t_.anchored && taken && at_ + 1 < s_.size() && !is_digit(s_[at_ + 1])) {
      const char c = s_[at_ + 1];
      if (c != '-' && c != '+') return;
      ++at_;
      sign_ = c;
    } else if (!taken && !t_.anchored && (t_.plus || t_.minus) &&
               (s_[at_] == '-' || s_[at_] == '+')) {
      sign_ = s_[at_];
    }
  }

  const number_template& t_;
  text s_;
  size_t at_ = 0;
  std::string sign_ = " ", out_;
  int before_ = 0, after_ = 0;
  bool pointed_ = false;
};

struct template_state {
  std::string source;
  bool ready = false;
  result<number_template> made = number_template();
};

}  // namespace

result<uint8_t> number_template_scale(text pattern) {
  WEIR_ASSIGN(const auto t, read(pattern));
  return static_cast<uint8_t>(std::min(t.multiplies ? t.multi : t.after, decimal_digits));
}

int128 number_of_text(row_scope& r, text s, text pattern) {
  if (pattern.empty()) {
    r.set_null();
    return 0;
  }
  auto& st = r.state<template_state>();
  if (!st.ready || st.source != pattern) {
    st.ready = true;
    st.source = pattern;
    st.made = read(pattern);
  }
  if (!st.made) {
    r.fail(st.made.err().code, st.made.err().message);
    return 0;
  }
  const auto number = reader(*st.made, s).read();
  const int shift = st.made->multiplies ? st.made->multi : 0;
  const auto scale = r.result_scale();
  // With V the last digits are behind the point.
  const auto v = text_to_decimal(number, static_cast<uint8_t>(std::max(0, scale - shift)));
  if (!v) {
    r.fail(v.err().code, v.err().message);
    return 0;
  }
  // As many digits before the point as the template has.
  const int places = st.made->before + shift;
  const int kept = std::max(0, scale - shift);
  if (places + kept <= decimal_digits && absolute(*v) >= power_of_ten(places + kept)) {
    r.fail(errc::overflow, "numeric field overflow");
    return 0;
  }
  return scale >= shift ? *v : divide_rounded(*v, shift - scale);
}

}  // namespace weir::expr
