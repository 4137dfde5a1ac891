// Checks of numbers on the command line. CLI11's own answer with the whole range of doubles, digit
// by digit.
#pragma once

#include <CLI/CLI.hpp>

#include "runtime/column/text.hpp"

namespace weir::cli {

inline CLI::Validator above_zero() {
  return CLI::Validator(
      [](const std::string& text) -> std::string {
        const auto v = parse_float64(text);
        return v && *v > 0 ? "" : "'" + text + "' is no number above 0";
      },
      "POSITIVE");
}

inline CLI::Validator zero_or_more() {
  return CLI::Validator(
      [](const std::string& text) -> std::string {
        const auto v = parse_float64(text);
        return v && *v >= 0 ? "" : "'" + text + "' is no number from 0 on";
      },
      "NONNEGATIVE");
}

}  // namespace weir::cli
