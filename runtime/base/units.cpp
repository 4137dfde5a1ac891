#include "runtime/base/units.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <span>

namespace weir {
namespace {

struct unit {
  std::string_view name;
  double factor;
};

constexpr unit duration_units[] = {{"us", 1},     {"ms", 1e3},   {"s", 1e6},    {"m", 60e6},
                                   {"min", 60e6}, {"h", 3600e6}, {"d", 86400e6}};
constexpr unit size_units[] = {{"b", 1},
                               {"kib", 1024.0},
                               {"mib", 1048576.0},
                               {"gib", 1073741824.0},
                               {"tib", 1099511627776.0},
                               {"kb", 1e3},
                               {"mb", 1e6},
                               {"gb", 1e9},
                               {"tb", 1e12}};

std::string lower_ascii(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

struct quantity {
  double number = 0;
  uint64_t whole = 0;  // exact when `is_whole`
  bool is_whole = false;
  std::string unit;
};

/// NUMBER [UNIT]; false when no number is in front.
bool split_quantity(std::string_view text, quantity& q) {
  text = trim(text);
  size_t digits = 0;
  while (digits < text.size() &&
         ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.'))
    ++digits;
  if (digits == 0) return false;
  auto number = text.substr(0, digits);
  auto r = std::from_chars(number.data(), number.data() + number.size(), q.number,
                           std::chars_format::fixed);
  if (r.ec != std::errc() || r.ptr != number.data() + number.size()) return false;
  auto w = std::from_chars(number.data(), number.data() + number.size(), q.whole);
  q.is_whole = w.ec == std::errc() && w.ptr == number.data() + number.size();
  q.unit = lower_ascii(trim(text.substr(digits)));
  return true;
}

const unit* find_unit(std::span<const unit> units, std::string_view name) {
  for (const unit& u : units)
    if (u.name == name) return &u;
  return nullptr;
}

error refuse(std::string_view what, std::string_view text, std::string_view why) {
  return {errc::invalid_argument,
          std::string(what) + " '" + std::string(text) + "': " + std::string(why)};
}

std::string shortened(double v, const char* suffix) {
  char buf[48];
  int decimals = v >= 100 ? 0 : v >= 10 ? 1 : 2;
  std::snprintf(buf, sizeof buf, "%.*f", decimals, v);
  std::string s = buf;
  if (s.find('.') != std::string::npos) {
    while (s.back() == '0') s.pop_back();
    if (s.back() == '.') s.pop_back();
  }
  return s + suffix;
}

}  // namespace

result<int64_t> parse_duration_us(std::string_view text, std::string_view what) {
  constexpr auto expected = "expected a number and a unit such as 100ms, 1s, 5m, 1h or 2d";
  quantity q;
  if (!split_quantity(text, q)) return refuse(what, text, expected);
  if (q.unit.empty()) {
    if (q.number == 0) return int64_t{0};
    return refuse(what, text, "the unit is missing (us, ms, s, m, h or d)");
  }
  const unit* u = find_unit(duration_units, q.unit);
  if (!u) return refuse(what, text, "'" + q.unit + "' is no unit of time (us, ms, s, m, h or d)");
  double us = q.number * u->factor;
  if (!(us < 9.2e18)) return refuse(what, text, "too long");
  if (q.is_whole) return static_cast<int64_t>(q.whole * static_cast<uint64_t>(u->factor));
  return static_cast<int64_t>(std::llround(us));
}

result<uint64_t> parse_size(std::string_view text, std::string_view what) {
  constexpr auto expected =
      "expected a number of bytes, with or without a unit such as 64KiB or 2GiB";
  quantity q;
  if (!split_quantity(text, q)) return refuse(what, text, expected);
  if (q.unit.empty()) q.unit = "b";
  const unit* u = find_unit(size_units, q.unit);
  if (!u)
    return refuse(what, text,
                  "'" + q.unit + "' is no unit of size (B, KiB, MiB, GiB, TiB, KB, MB, GB or TB)");
  double bytes = q.number * u->factor;
  if (!(bytes < 1.84e19)) return refuse(what, text, "too large");
  if (q.is_whole) return q.whole * static_cast<uint64_t>(u->factor);
  return static_cast<uint64_t>(std::llround(bytes));
}

std::string format_duration_us(int64_t us) {
  if (us < 0) return "-" + format_duration_us(us == INT64_MIN ? INT64_MAX : -us);
  if (us == 0) return "0s";
  if (us < 1000) return std::to_string(us) + "us";
  if (us < 999'500) return shortened(static_cast<double>(us) / 1e3, "ms");
  if (us < 59'950'000) return shortened(static_cast<double>(us) / 1e6, "s");
  int64_t s = us / 1'000'000 + (us % 1'000'000 >= 500'000);
  char buf[64];
  if (s < 3600)
    std::snprintf(buf, sizeof buf, "%dm %02ds", static_cast<int>(s / 60), static_cast<int>(s % 60));
  else if (s < 86400)
    std::snprintf(buf, sizeof buf, "%dh %02dm", static_cast<int>(s / 3600),
                  static_cast<int>(s / 60 % 60));
  else
    std::snprintf(buf, sizeof buf, "%lldd %02dh", static_cast<long long>(s / 86400),
                  static_cast<int>(s / 3600 % 24));
  return buf;
}

std::string format_size(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double v = static_cast<double>(bytes);
  const char* names[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
  int i = 0;
  while (v >= 1023.5 && i < 6) {
    v /= 1024;
    ++i;
  }
  return shortened(v, names[i]);
}

std::string format_count(double n) {
  if (n < 0) return "-" + format_count(-n);
  const char* names[] = {"", " k", " M", " G", " T"};
  int i = 0;
  while (n >= 999.5 && i < 4) {
    n /= 1000;
    ++i;
  }
  return shortened(n, names[i]);
}

std::string format_grouped(uint64_t n) {
  std::string s = std::to_string(n);
  for (size_t i = s.size(); i > 3; i -= 3) s.insert(i - 3, ",");
  return s;
}

}  // namespace weir
