#include "runtime/expr/time_template.hpp"

#include <cctype>

#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

constexpr auto gregorian = date_convention::gregorian, iso = date_convention::iso;
// Longest first where one starts another. They are written in capitals or in small letters, names
// of months and days also with a first capital; anything else stands for itself.
constexpr time_pattern patterns[] = {
    {"A.D."},
    {"A.M."},
    {"AD"},
    {"AM"},
    {"B.C."},
    {"BC"},
    {"CC", true},
    {"DAY"},
    {"DDD", true, gregorian},
    {"DD", true, gregorian},
    {"DY"},
    {"D", true, gregorian},
    {"FF1"},
    {"FF2"},
    {"FF3"},
    {"FF4"},
    {"FF5"},
    {"FF6"},
    {"FX"},
    {"HH24", true},
    {"HH12", true},
    {"HH", true},
    {"IDDD", true, iso},
    {"ID", true, iso},
    {"IW", true, iso},
    {"IYYY", true, iso},
    {"IYY", true, iso},
    {"IY", true, iso},
    {"I", true, iso},
    {"J", true},
    {"MI", true},
    {"MM", true, gregorian},
    {"MONTH", false, gregorian},
    {"MON", false, gregorian},
    {"MS", true},
    {"OF"},
    {"P.M."},
    {"PM"},
    {"Q", true},
    {"RM", false, gregorian},
    {"SSSSS", true},
    {"SSSS", true},
    {"SS", true},
    {"TZH"},
    {"TZM", true},
    {"TZ"},
    {"US", true},
    {"WW", true, gregorian},
    {"W", true, gregorian},
    {"Y,YYY", true, gregorian},
    {"YYYY", true, gregorian},
    {"YYY", true, gregorian},
    {"YY", true, gregorian},
    {"Y", true, gregorian},
};

bool is_lower_of(std::string_view s, std::string_view p, size_t from) {
  for (size_t i = from; i < p.size(); ++i)
    if (s[i] != static_cast<char>(tolower(static_cast<unsigned char>(p[i])))) return false;
  return true;
}
bool is_written_at(std::string_view s, std::string_view p) {
  // Most patterns begin with another letter.
  if ((s[0] & ~0x20) != p[0] || s.size() < p.size()) return false;
  if (s.starts_with(p) || is_lower_of(s, p, 0)) return true;
  bool name = p == "MONTH" || p == "MON" || p == "DAY" || p == "DY";
  return name && s[0] == p[0] && is_lower_of(s, p, 1);
}
bool is_separator(char c) {
  auto u = static_cast<unsigned char>(c);
  return u > 0x20 && u < 0x7f && !isalnum(u);
}
bool take(std::string_view& s, std::string_view either, std::string_view other) {
  if (!s.starts_with(either) && !s.starts_with(other)) return false;
  s.remove_prefix(either.size());
  return true;
}
std::string in_quotes(std::string_view p) {
  return "pattern \"" + std::string(p) + "\"";
}

}  // namespace

time_part time_template::take_character(bool in_quotes) {
  // A backslash takes the meaning of the character behind it; outside of quotes, of a quote alone.
  if (rest_.size() > 1 && rest_[0] == '\\' && (in_quotes || rest_[1] == '"'))
    rest_.remove_prefix(1);
  time_part part;
  part.written = rest_.substr(0, char_bytes(rest_, 0));
  part.kind = time_part::kind_of::text;
  if (!in_quotes && is_separator(rest_[0])) part.kind = time_part::kind_of::separator;
  if (!in_quotes && isspace(static_cast<unsigned char>(rest_[0])))
    part.kind = time_part::kind_of::blank;
  rest_.remove_prefix(part.written.size());
  return part;
}

time_part time_template::next() {
  for (;;) {
    if (quoted_ && rest_.empty()) return {};
    if (quoted_ && rest_[0] != '"') return take_character(true);
    if (quoted_) {
      rest_.remove_prefix(1);
      quoted_ = false;
    }
    time_part part;
    part.bare = take(rest_, "FM", "fm");
    if (!part.bare) part.name_only = take(rest_, "TM", "tm");
    if (rest_.empty()) return {};
    for (const auto& p : patterns) {
      if (!is_written_at(rest_, p.name)) continue;
      part.kind = time_part::kind_of::pattern;
      part.pattern = &p;
      part.written = rest_.substr(0, p.name.size());
      rest_.remove_prefix(p.name.size());
      part.capitals = rest_.starts_with("TH");
      part.ordinal = take(rest_, "TH", "th");
      // SP (spelled numbers) is read and has no effect, as in PostgreSQL.
      if (!part.ordinal && rest_.starts_with("SP")) rest_.remove_prefix(2);
      return part;
    }
    if (rest_[0] != '"') return take_character(false);
    rest_.remove_prefix(1);
    quoted_ = true;
  }
}

status check_pattern(const time_part& part, template_use use) {
  const auto p = part.pattern->name;
  auto is = [p](std::initializer_list<std::string_view> names) {
    for (auto n : names)
      if (p == n) return true;
    return false;
  };
  if (p == "TZ") return error(errc::unsupported, in_quotes(part.written) + " is not supported");
  if (use == template_use::read && p == "OF")
    return error(errc::unsupported,
                 in_quotes(part.written) + " is not supported where text is read");
  if (use != template_use::show_interval) return {};
  if (is({"TZH", "TZM", "OF", "A.D.", "AD", "B.C.", "BC", "MONTH", "MON", "DAY", "DY", "D", "ID"}))
    return error(errc::invalid_argument,
                 in_quotes(part.written) +
                     " is not for intervals, which are not tied to dates of the calendar");
  if (part.pattern->convention == iso || p == "J")
    return error(errc::unsupported, in_quotes(part.written) + " of an interval is not supported");
  return {};
}

status check_time_template(std::string_view text, template_use use) {
  time_template parts(text);
  for (auto part = parts.next(); part.kind != time_part::kind_of::end; part = parts.next())
    if (part.is_pattern()) {
      WEIR_TRY(check_pattern(part, use));
    }
  return {};
}

}  // namespace weir::expr
