#include "runtime/kafka/topics/config_value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace weir::kafka {
namespace {

std::string_view trimmed(std::string_view s) {
  // As Java's String.trim: everything up to the blank, control characters included.
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

error invalid(std::string_view name, std::string_view value, std::string_view why) {
  std::string m = "Invalid value ";
  m.append(value).append(" for configuration ").append(name).append(": ").append(why);
  return {errc::invalid_argument, std::move(m)};
}

std::string_view upper_type(config_type t) {
  switch (t) {
    case config_type::int32:
      return "INT";
    case config_type::int16:
      return "SHORT";
    case config_type::int64:
      return "LONG";
    default:
      return "DOUBLE";
  }
}

std::string joined(std::span<const std::string_view> names) {
  std::string out;
  for (auto n : names) out.append(out.empty() ? "" : ", ").append(n);
  return out;
}

template <class T>
std::optional<T> parse_number(std::string_view s) {
  if (s.size() > 1 && s.front() == '+' && s[1] != '-') s.remove_prefix(1);
  T v{};
  auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (problem != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return v;
}

result<std::string> canonical_integer(std::string_view name, const value_rule& rule,
                                      std::string_view raw) {
  auto v = parse_number<int64_t>(trimmed(raw));
  bool fits = v.has_value();
  if (fits && rule.type == config_type::int32) fits = *v == static_cast<int32_t>(*v);
  if (fits && rule.type == config_type::int16) fits = *v == static_cast<int16_t>(*v);
  if (!fits)
    return invalid(name, raw, "Not a number of type " + std::string(upper_type(rule.type)));
  std::string text = std::to_string(*v);
  if (rule.more == value_rule::extra::gzip_level && *v != -1 && (*v < 1 || *v > 9))
    return invalid(name, text, "Value must be between 1 and 9 or equal to -1");
  if (*v < rule.low)
    return invalid(name, text, "Value must be at least " + std::to_string(rule.low));
  if (*v > rule.high)
    return invalid(name, text, "Value must be no more than " + std::to_string(rule.high));
  return text;
}

result<std::string> canonical_double(std::string_view name, const value_rule& rule,
                                     std::string_view raw) {
  auto v = parse_number<double>(trimmed(raw));
  if (!v || !std::isfinite(*v)) return invalid(name, raw, "Not a number of type DOUBLE");
  char buffer[512];  // the longest double in fixed notation has fewer than 350 characters
  auto [end, problem] =
      std::to_chars(buffer, buffer + sizeof buffer, *v == 0 ? 0.0 : *v, std::chars_format::fixed);
  if (problem != std::errc()) return invalid(name, raw, "Not a number of type DOUBLE");
  std::string text(buffer, end);
  if (text.find('.') == std::string::npos) text += ".0";
  if (*v < static_cast<double>(rule.low))
    return invalid(name, text, "Value must be at least " + std::to_string(rule.low));
  if (*v > static_cast<double>(rule.high))
    return invalid(name, text, "Value must be no more than " + std::to_string(rule.high));
  return text;
}

result<std::string> canonical_boolean(std::string_view name, std::string_view raw) {
  std::string text(trimmed(raw));
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (text != "true" && text != "false")
    return invalid(name, raw, "Expected value to be either true or false");
  return text;
}

bool is_replica(std::string_view s) {
  size_t colon = s.find(':');
  if (s.empty()) return true;
  if (colon == 0 || colon == s.npos || colon + 1 == s.size()) return false;
  for (size_t i = 0; i < s.size(); ++i)
    if (i != colon && (s[i] < '0' || s[i] > '9')) return false;
  return true;
}

result<std::string> canonical_list(std::string_view name, const value_rule& rule,
                                   std::string_view raw) {
  std::vector<std::string> entries = split_list(raw);
  std::string text;
  for (const auto& e : entries) text.append(&e == entries.data() ? "" : ",").append(e);
  if (rule.more == value_rule::extra::throttled_replicas) {
    if (text != "*" && !std::all_of(entries.begin(), entries.end(), is_replica))
      return invalid(name, text,
                     std::string(name) +
                         " must be the literal '*' or a list of replicas in the following format: "
                         "[partitionId]:[brokerId],[partitionId]:[brokerId],...");
    return text;
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string& e = entries[i];
    if (std::find(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(i), e) !=
        entries.begin() + static_cast<ptrdiff_t>(i))
      return {errc::invalid_argument,
              "Configuration '" + std::string(name) + "' values must not be duplicated."};
    if (e.empty())
      return {errc::invalid_argument,
              "Configuration '" + std::string(name) + "' values must not be empty."};
    if (!rule.allowed.empty() &&
        std::find(rule.allowed.begin(), rule.allowed.end(), e) == rule.allowed.end())
      return invalid(name, e, "String must be one of: " + joined(rule.allowed));
  }
  return text;
}

}  // namespace

std::vector<std::string> split_list(std::string_view value) {
  std::vector<std::string> out;
  std::string_view rest = trimmed(value);
  if (rest.empty()) return out;
  for (;;) {
    size_t comma = rest.find(',');
    out.emplace_back(trimmed(rest.substr(0, comma)));
    if (comma == rest.npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

result<std::string> canonical_value(std::string_view name, const value_rule& rule,
                                    std::string_view value) {
  if (value.size() > config_value_bytes_max)
    return {errc::invalid_argument, "Invalid value for configuration " + std::string(name) +
                                        ": it has " + std::to_string(value.size()) +
                                        " bytes, at most " +
                                        std::to_string(config_value_bytes_max) + " are taken"};
  switch (rule.type) {
    case config_type::boolean:
      return canonical_boolean(name, value);
    case config_type::int16:
    case config_type::int32:
    case config_type::int64:
      return canonical_integer(name, rule, value);
    case config_type::float64:
      return canonical_double(name, rule, value);
    case config_type::list:
      return canonical_list(name, rule, value);
    default:
      break;
  }
  std::string_view text = trimmed(value);
  if (!rule.allowed.empty() &&
      std::find(rule.allowed.begin(), rule.allowed.end(), text) == rule.allowed.end())
    return invalid(name, text, "String must be one of: " + joined(rule.allowed));
  return std::string(text);
}

}  // namespace weir::kafka
