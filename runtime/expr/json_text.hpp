// Finds parts of a JSON text as they are written, without building a tree. The text should be
// valid; of a malformed one any answer may come, but nothing past its end is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::expr {

/// The value that starts at the first non-blank, without blanks around it.
std::string_view json_value(std::string_view s);
/// The member `key` of an object (the last of equals); nothing when absent or not an object.
std::optional<std::string_view> json_member(std::string_view object, std::string_view key);
/// Item `index` of an array, negative from the end.
std::optional<std::string_view> json_item(std::string_view array, int64_t index);
int64_t json_length(std::string_view array);
/// The items of an array; none of what is no array.
std::vector<std::string_view> json_items(std::string_view array);
/// A member as it is written, and its name's characters.
struct json_pair {
  std::string key;
  std::string_view name, value;
};
/// The members of an object as they are written, also those whose names are there twice; none of
/// what is no object.
std::vector<json_pair> json_members(std::string_view object);
/// Appends the characters of a JSON string (with its quotes) to `out`.
void json_unescape(std::string_view quoted, std::string& out);

}  // namespace weir::expr
