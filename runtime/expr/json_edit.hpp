// What PostgreSQL does with jsonb documents, over their text: containment, changes at a path, other
// ways to write them. Parts that are not changed stay as they are written. Pure functions; the
// texts should be valid JSON, as for json_text.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/expr/json_text.hpp"

namespace weir::expr {

/// @>: whether `part` is in `document`, at the same place.
bool json_contains(std::string_view document, std::string_view part);
/// ?: a name of an object, a text among an array's items, or a text by itself.
bool json_exists(std::string_view document, std::string_view key);
/// The members of an object as jsonb has them: each name once with its last value, short names
/// first, names of one length by their bytes.
std::vector<json_pair> json_sorted_members(std::string_view object);

/// json_strip_nulls: without members that are null, and without blanks.
void json_strip_nulls(std::string_view document, std::string& out);
/// jsonb_pretty: jsonb's text in lines.
void json_pretty(std::string_view document, std::string& out);
/// The same text without blanks outside of strings.
void json_compact(std::string_view document, std::string& out);
/// || of jsonb: members of both objects, items of both arrays; what is no array is one of one item.
void json_concat(std::string_view a, std::string_view b, std::string& out);

/// The - operators.
status json_remove_key(std::string_view document, std::string_view key, std::string& out);
status json_remove_item(std::string_view document, int32_t index, std::string& out);
using json_path = std::vector<std::optional<std::string_view>>;
status json_remove_keys(std::string_view document, const json_path& keys, std::string& out);

enum class json_change : uint8_t { replace, create, insert_before, insert_after, remove };
/// jsonb_set, jsonb_insert and #-: the document with `value` at a path.
status json_change_at(std::string_view document, const json_path& path, std::string_view value,
                      json_change, std::string& out);

}  // namespace weir::expr
