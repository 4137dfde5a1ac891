// "Did you mean": the candidate nearest to a mistyped name, for error messages. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weir {

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`, ignoring ASCII case.
size_t edit_distance(std::string_view a, std::string_view b);
/// The candidate with the fewest edits, or "" when none is near enough to be meant (more than a
/// third of its letters differ, at least one may). The first of equals wins.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates);
std::string_view nearest_name(std::string_view name, std::span<const std::string> candidates);
/// "; did you mean \"X\"?" or "" when nothing is near.
std::string nearest_hint(std::string_view name, std::span<const std::string_view> candidates);
std::string nearest_hint(std::string_view name, std::span<const std::string> candidates);

}  // namespace weir
