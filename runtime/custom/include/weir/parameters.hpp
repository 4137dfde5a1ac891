// Parameters of an operator: texts from the job file, read with a type and a default. A parameter
// that the operator never asks for is an error that names the nearest one, so that a misspelt name
// does not silently mean the default. Part of the SDK: include <weir/operator.hpp>.
#pragma once

#include <weir/types.hpp>

namespace weir {
inline namespace sdk1 {

namespace detail {

/// "250ms", "5m", "1 hour" in microseconds; nothing when it does not parse.
inline std::optional<int64_t> parse_duration(std::string_view text) {
  static constexpr std::pair<std::string_view, int64_t> units[] = {{"us", 1},
                                                                   {"ms", 1000},
                                                                   {"s", 1'000'000},
                                                                   {"sec", 1'000'000},
                                                                   {"second", 1'000'000},
                                                                   {"seconds", 1'000'000},
                                                                   {"m", 60'000'000},
                                                                   {"min", 60'000'000},
                                                                   {"minute", 60'000'000},
                                                                   {"minutes", 60'000'000},
                                                                   {"h", 3'600'000'000},
                                                                   {"hour", 3'600'000'000},
                                                                   {"hours", 3'600'000'000},
                                                                   {"d", 86'400'000'000},
                                                                   {"day", 86'400'000'000},
                                                                   {"days", 86'400'000'000}};
  text = trim(text);
  int64_t n = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc()) return {};
  auto unit = trim(text.substr(static_cast<size_t>(end - text.data())));
  int64_t r = 0;
  for (auto [name, factor] : units)
    if (unit == name && !__builtin_mul_overflow(n, factor, &r)) return r;
  return {};
}

template <class T>
std::optional<T> parse_parameter(std::string_view text) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string(text);
  } else if constexpr (std::is_same_v<T, bool>) {
    auto t = lower(trim(text));
    if (t == "true" || t == "yes" || t == "on" || t == "1") return true;
    if (t == "false" || t == "no" || t == "off" || t == "0") return false;
    return {};
  } else if constexpr (std::is_same_v<T, duration>) {
    auto us = parse_duration(text);
    return us ? std::optional<T>(duration(*us)) : std::nullopt;
  } else {
    static_assert(std::is_arithmetic_v<T>,
                  "parameters are std::string, bool, numbers or weir::duration");
    text = trim(text);
    T v{};
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (ec != std::errc() || end != text.data() + text.size()) return {};
    return v;
  }
}

template <class T>
constexpr const char* parameter_type() {
  if constexpr (std::is_same_v<T, std::string>) return "text";
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, duration>) return "a duration such as 100ms, 1s, 5m or 1h";
  if constexpr (std::is_floating_point_v<T>) return "a number";
  return "an integer in its type's range";
}

template <class T>
std::string parameter_text(const T& v) {
  if constexpr (std::is_same_v<T, std::string>) {
    return v;
  } else if constexpr (std::is_same_v<T, bool>) {
    return v ? "true" : "false";
  } else if constexpr (std::is_same_v<T, duration>) {
    return std::to_string(v.count()) + "us";
  } else {
    char b[64];
    return std::string(b, std::to_chars(b, b + sizeof b, v).ptr);
  }
}

}  // namespace detail

class parameters {
 public:
  /// How an operator declares a parameter (in describe); `value` absent = it must be given.
  struct declaration {
    std::string name;
    std::optional<std::string> value;
    std::string help;
  };

  /// The parameter's value, else its declared default; an error when there is neither.
  template <class T>
  T get(std::string_view name) const {
    return detail::parse_parameter<T>(text(name)) ? *detail::parse_parameter<T>(text(name))
                                                  : refuse<T>(name, text(name));
  }
  /// The parameter's value, else `otherwise`.
  template <class T>
  T get(std::string_view name, T otherwise) const {
    note(name);
    auto given = find(name);
    if (!given) return otherwise;
    auto v = detail::parse_parameter<T>(*given);
    return v ? *v : refuse<T>(name, *given);
  }
  bool has(std::string_view name) const { return note(name), find(name).has_value(); }

  /// For describe: declares, checks and returns a parameter.
  template <class T>
  T declare(std::string name, std::optional<T> otherwise, std::string help) {
    std::optional<std::string> text;
    if (otherwise) text = detail::parameter_text(*otherwise);
    declared_.push_back({name, std::move(text), std::move(help)});
    return get<T>(name);
  }
  const std::vector<declaration>& declared() const { return declared_; }
  /// Refuses parameters that were given and are neither declared nor were ever asked for.
  void check_all_known() const {
    auto names = known_;
    for (const auto& d : declared_) names.push_back(d.name);
    for (const auto& [name, value] : given_)
      if (std::find(names.begin(), names.end(), name) == names.end())
        throw error("unknown parameter '" + name + "'" + detail::suggestion(name, names),
                    abi::invalid_argument);
  }
  void give(std::string_view name, std::string_view value) { given_.emplace_back(name, value); }

 private:
  std::optional<std::string> find(std::string_view name) const {
    for (const auto& [n, v] : given_)
      if (n == name) return v;
    return {};
  }
  std::string text(std::string_view name) const {
    note(name);
    if (auto v = find(name)) return *v;
    for (const auto& d : declared_)
      if (d.name == name && d.value) return *d.value;
    throw error("parameter '" + std::string(name) + "' is missing: it has no default",
                abi::invalid_argument);
  }
  void note(std::string_view name) const {
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.emplace_back(name);
  }
  template <class T>
  [[noreturn]] static T refuse(std::string_view name, std::string_view value) {
    throw error("parameter '" + std::string(name) + "': '" + std::string(value) + "' is not " +
                    detail::parameter_type<T>(),
                abi::invalid_argument);
  }

  std::vector<std::pair<std::string, std::string>> given_;
  std::vector<declaration> declared_;
  mutable std::vector<std::string> known_;
};

}  // namespace sdk1
}  // namespace weir
