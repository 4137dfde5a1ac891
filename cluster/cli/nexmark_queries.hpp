// The texts of jobs/examples/nexmark, compiled in.
#pragma once

#include <span>
#include <string_view>

namespace weir::cli {

struct nexmark_query {
  std::string_view name;  // "q0"
  std::string_view text;
};
/// In the order of their numbers.
std::span<const nexmark_query> nexmark_queries();

}  // namespace weir::cli
