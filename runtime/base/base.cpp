#include <cstdio>
#include <cstdlib>

#include "runtime/base/assert.hpp"
#include "runtime/base/permanent.hpp"

namespace weir {

void assert_failed(const char* condition, const char* why, const char* file, int line) noexcept {
  std::fprintf(stderr, "weir: assertion failed at %s:%d: %s (%s)\n", file, line, condition, why);
  std::fflush(stderr);
  std::abort();
}

const char* to_string(errc c) noexcept {
  switch (c) {
    case errc::invalid_argument:
      return "invalid argument";
    case errc::parse:
      return "parse error";
    case errc::unknown_name:
      return "unknown name";
    case errc::type_mismatch:
      return "type mismatch";
    case errc::overflow:
      return "overflow";
    case errc::division_by_zero:
      return "division by zero";
    case errc::io:
      return "i/o error";
    case errc::no_space:
      return "no space left";
    case errc::not_found:
      return "not found";
    case errc::already_exists:
      return "already exists";
    case errc::corrupt:
      return "corrupt";
    case errc::version_mismatch:
      return "version mismatch";
    case errc::locked:
      return "locked";
    case errc::budget_exceeded:
      return "memory budget exceeded";
    case errc::unsupported:
      return "unsupported";
    case errc::user_code:
      return "error in user code";
    case errc::cancelled:
      return "cancelled";
    case errc::timeout:
      return "timeout";
    case errc::internal:
      return "internal error";
  }
  return "unknown error";
}

bool is_permanent(errc c) noexcept {
  switch (c) {
    case errc::invalid_argument:
    case errc::parse:
    case errc::unknown_name:
    case errc::type_mismatch:
    case errc::overflow:
    case errc::division_by_zero:
    case errc::not_found:
    case errc::corrupt:
    case errc::version_mismatch:
    case errc::budget_exceeded:
    case errc::unsupported:
      return true;
    case errc::io:
    case errc::no_space:
    case errc::already_exists:
    case errc::locked:
    case errc::user_code:
    case errc::cancelled:
    case errc::timeout:
    case errc::internal:
      return false;
  }
  return false;
}

std::string error::text() const {
  return message + " (" + to_string(code) + ")";
}

error error::at(std::string_view prefix) const& {
  return {code, std::string(prefix) + ": " + message};
}

}  // namespace weir
