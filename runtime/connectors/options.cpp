#include "runtime/connectors/options.hpp"

#include <charconv>
#include <cmath>

#include "runtime/column/text.hpp"

namespace weir {
namespace {

struct unit {
  std::string_view name;
  double factor;
};
constexpr unit size_units[] = {
    {"", 1},     {"B", 1},    {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0},
    {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
};
constexpr unit duration_units[] = {
    {"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"min", 60e6}, {"h", 3600e6}, {"d", 86400e6},
};

error bad(std::string_view name, std::string_view value, std::string_view expected) {
  return {errc::invalid_argument, "option " + std::string(name) + " = '" + std::string(value) +
                                      "': expected " + std::string(expected)};
}

// A number that is not negative, blanks, one of the units; nothing when malformed.
std::optional<double> number_with_unit(std::string_view s, std::span<const unit> units) {
  double number = 0;
  auto [p, ec] = std::from_chars(s.data(), s.data() + s.size(), number);
  if (ec != std::errc() || !(number >= 0) || !std::isfinite(number)) return std::nullopt;
  std::string_view name(p, static_cast<size_t>(s.data() + s.size() - p));
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  for (const auto& u : units)
    if (u.name == name && number * u.factor < 9e18) return number * u.factor;
  return std::nullopt;
}

const std::string* find(const option_map& options, std::string_view name) {
  auto it = options.find(std::string(name));
  return it == options.end() ? nullptr : &it->second;
}

}  // namespace

bool option_present(const option_map& options, std::string_view name) {
  return find(options, name) != nullptr;
}

std::string option_text(const option_map& options, std::string_view name,
                        std::string_view fallback) {
  const auto* v = find(options, name);
  return v ? *v : std::string(fallback);
}

result<bool> option_bool(const option_map& options, std::string_view name, bool fallback) {
  const auto* v = find(options, name);
  if (!v) return fallback;
  for (std::string_view yes : {"true", "on", "yes", "1"})
    if (*v == yes) return true;
  for (std::string_view no : {"false", "off", "no", "0"})
    if (*v == no) return false;
  return bad(name, *v, "true or false");
}

result<int64_t> option_int(const option_map& options, std::string_view name, int64_t fallback) {
  const auto* v = find(options, name);
  if (!v) return fallback;
  int64_t out = 0;
  const char* end = v->data() + v->size();
  auto [p, ec] = std::from_chars(v->data(), end, out);
  if (ec != std::errc() || p != end) return bad(name, *v, "an integer");
  return out;
}

result<double> option_rate(const option_map& options, std::string_view name, double fallback) {
  const auto* v = find(options, name);
  if (!v) return fallback;
  double out = 0;
  const char* end = v->data() + v->size();
  auto [p, ec] = std::from_chars(v->data(), end, out);
  if (ec != std::errc() || p != end || !(out > 0) || !(out <= 1e12))
    return bad(name, *v, "rows per second, a number above 0");
  return out;
}

result<uint64_t> option_size(const option_map& options, std::string_view name, uint64_t fallback) {
  const auto* v = find(options, name);
  if (!v) return fallback;
  auto n = number_with_unit(*v, size_units);
  if (!n || *n < 1) return bad(name, *v, "a size such as 64KiB or 2GiB");
  return static_cast<uint64_t>(*n);
}

result<int64_t> option_duration(const option_map& options, std::string_view name,
                                int64_t fallback) {
  const auto* v = find(options, name);
  if (!v) return fallback;
  auto n = number_with_unit(*v, duration_units);
  if (!n || *n < 1) return bad(name, *v, "a duration such as 100ms, 1s or 5m");
  return static_cast<int64_t>(*n);
}

result<int64_t> option_timestamp(const option_map& options, std::string_view name,
                                 int64_t fallback) {
  const auto* v = find(options, name);
  if (!v) return fallback;
  auto us = parse_timestamp(*v);
  if (!us) return bad(name, *v, "a timestamp such as 2013-01-01 06:00:00");
  return *us;
}

result<char> option_delimiter(const option_map& options, char fallback) {
  const auto* v = find(options, "delimiter");
  if (!v) return fallback;
  if (*v == "\\t") return '\t';
  if (v->size() != 1 || static_cast<unsigned char>((*v)[0]) >= 0x80 || *v == "\"" || *v == "\n" ||
      *v == "\r")
    return bad("delimiter", *v, "one ASCII character other than a quote or line break, or \\t");
  return (*v)[0];
}

std::string resolve_path(const std::string& base_dir, const std::string& path) {
  if (path.empty() || path[0] == '/' || base_dir.empty()) return path;
  return base_dir.back() == '/' ? base_dir + path : base_dir + "/" + path;
}

}  // namespace weir
