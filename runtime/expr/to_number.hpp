// to_number(): reads a number by a template of to_char's.
#pragma once

#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/expr/row.hpp"

namespace weir::expr {

/// Digits behind the point that a template can read, by which a constant one types its call.
result<uint8_t> number_template_scale(std::string_view pattern);
/// The number that `s` has by the template, with the scale of the call.
int128 number_of_text(row_scope&, std::string_view s, std::string_view pattern);

}  // namespace weir::expr
