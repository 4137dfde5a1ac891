// What a request asks for: its path in parts, its parameters, its body as JSON; and answers. Plain
// values.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/http/server.hpp"

namespace weir::http {

struct target {
  std::vector<std::string> path;  // "/topics/a%2Fb/records" -> topics, a/b, records
  std::map<std::string, std::string> parameters;

  std::optional<std::string> parameter(const std::string& name) const;
  /// A whole number in [min, max]; errc::invalid_argument for anything else.
  result<int64_t> number(const std::string& name, int64_t fallback, int64_t min, int64_t max) const;
  /// An error that names the first parameter which is not among `known`.
  status only(std::initializer_list<std::string_view> known) const;
};
/// errc::parse for escapes that are none.
result<target> parse_target(std::string_view text);
/// For a path or parameter.
std::string escape(std::string_view);

/// The status that fits the error, and {"error": its message}.
http_response problem(const error&);
http_response json_answer(std::string body, int status = 200);

/// Milliseconds since 1970, as records and requests have them.
inline int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace weir::http
