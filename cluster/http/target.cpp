#include "cluster/http/target.hpp"

#include <algorithm>

#include "runtime/column/text.hpp"

namespace weir::http {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

result<std::string> unescape(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      const int high = i + 1 < text.size() ? hex(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return error{errc::parse, "'" + std::string(text) + "': a % without two digits"};
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return out;
}

int status_of(errc e) {
  switch (e) {
    case errc::invalid_argument:
    case errc::parse:
    case errc::unknown_name:
    case errc::type_mismatch:
    case errc::unsupported:
    case errc::overflow:
      return 400;
    case errc::not_found:
      return 404;
    case errc::already_exists:
    case errc::locked:
      return 409;
    case errc::budget_exceeded:
      return 413;
    case errc::timeout:
    case errc::io:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

std::optional<std::string> target::parameter(const std::string& name) const {
  auto it = parameters.find(name);
  return it == parameters.end() ? std::nullopt : std::optional(it->second);
}

result<int64_t> target::number(const std::string& name, int64_t fallback, int64_t min,
                               int64_t max) const {
  auto text = parameter(name);
  if (!text) return fallback;
  auto n = parse_int64(*text);
  if (n && *n >= min && *n <= max) return *n;
  return error{errc::invalid_argument, name + "=" + *text + ": a number from " +
                                           std::to_string(min) + " to " + std::to_string(max) +
                                           " is expected"};
}

status target::only(std::initializer_list<std::string_view> known) const {
  for (const auto& [name, value] : parameters) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string list;
    for (auto k : known) list += (list.empty() ? "" : ", ") + std::string(k);
    return error{errc::invalid_argument, "there is no parameter '" + name + "' here" +
                                             (list.empty() ? "" : "; there are " + list)};
  }
  return {};
}

result<target> parse_target(std::string_view text) {
  target out;
  const auto question = text.find('?');
  for (auto rest = text.substr(0, question); !rest.empty();) {
    const auto slash = rest.find('/');
    if (slash != 0) {
      WEIR_ASSIGN(auto part, unescape(rest.substr(0, slash), false));
      out.path.push_back(std::move(part));
    }
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  if (question == std::string_view::npos) return out;
  for (auto rest = text.substr(question + 1); !rest.empty();) {
    const auto end = rest.find('&');
    const auto pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    WEIR_ASSIGN(auto name, unescape(pair.substr(0, equals), true));
    WEIR_ASSIGN(auto value, unescape(equals == std::string_view::npos ? std::string_view()
                                                                      : pair.substr(equals + 1),
                                     true));
    out.parameters[std::move(name)] = std::move(value);
  }
  return out;
}

std::string escape(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      const auto u = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(digits[u >> 4]);
      out.push_back(digits[u & 15]);
    }
  }
  return out;
}

http_response problem(const error& e) {
  return problem(status_of(e.code), e.message);
}

http_response json_answer(std::string body, int status) {
  body.push_back('\n');
  return {status, std::move(body), "application/json"};
}

}  // namespace weir::http
