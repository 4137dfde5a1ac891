#include "runtime/expr/format_text.hpp"

#include <limits>

#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

error wrong(std::string what) {
  return {errc::invalid_argument, std::move(what)};
}

}  // namespace

std::string_view format_reader::literal() {
  const auto text = rest_.substr(0, rest_.find('%'));
  rest_.remove_prefix(text.size());
  return text;
}

status format_reader::advance() {
  rest_.remove_prefix(1);
  if (rest_.empty()) return wrong("unterminated format() type specifier");
  return {};
}

result<std::optional<int64_t>> format_reader::digits() {
  std::optional<int64_t> v;
  while (rest_[0] >= '0' && rest_[0] <= '9') {
    v = v.value_or(0) * 10 + (rest_[0] - '0');
    if (*v > std::numeric_limits<int32_t>::max()) return wrong("number is out of range");
    WEIR_TRY(advance());
  }
  return v;
}

result<size_t> format_reader::argument(std::optional<size_t> position) {
  if (position) next_ = *position;
  if (next_ >= arguments_) return wrong("too few arguments for format()");
  return next_++;
}

result<format_specifier> format_reader::specifier() {
  format_specifier s;
  WEIR_TRY(advance());
  if (rest_[0] == '%') {
    rest_.remove_prefix(1);
    s.kind = '%';
    return s;
  }
  auto position_of = [](int64_t n) -> result<size_t> {
    if (n == 0) return wrong("format specifies argument 0, but arguments are numbered from 1");
    return static_cast<size_t>(n);
  };
  std::optional<size_t> value, width;
  WEIR_ASSIGN(auto number, digits());
  if (number && rest_[0] != '$') {
    s.width = *number;
  } else {
    if (number) {
      WEIR_ASSIGN(value, position_of(*number));
      WEIR_TRY(advance());
    }
    for (; rest_[0] == '-'; s.left = true) WEIR_TRY(advance());
    if (rest_[0] == '*') {
      WEIR_TRY(advance());
      WEIR_ASSIGN(auto at, digits());
      if (at) {
        if (rest_[0] != '$') return wrong("width argument position must be ended by \"$\"");
        WEIR_ASSIGN(width, position_of(*at));
        WEIR_TRY(advance());
      }
      s.width_argument = 0;
    } else {
      WEIR_ASSIGN(auto given, digits());
      s.width = given.value_or(0);
    }
  }
  s.kind = rest_[0];
  if (s.kind != 's' && s.kind != 'I' && s.kind != 'L')
    return wrong("unrecognized format() type specifier \"" +
                 std::string(rest_.substr(0, char_bytes(rest_, 0))) + "\"");
  rest_.remove_prefix(1);
  if (s.width_argument) {
    WEIR_ASSIGN(s.width_argument, argument(width));
  }
  WEIR_ASSIGN(s.value, argument(value));
  return s;
}

status check_format(std::string_view format, size_t arguments) {
  format_reader reader(format, arguments);
  for (reader.literal(); !reader.at_end(); reader.literal()) {
    auto s = reader.specifier();
    if (!s) return s.err();
  }
  return {};
}

}  // namespace weir::expr
