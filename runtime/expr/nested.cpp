#include "runtime/expr/nested.hpp"

#include <algorithm>

#include "runtime/expr/functions.hpp"

namespace weir::expr {
namespace {

error malformed(const node& n) {
  return {errc::invalid_argument, "malformed expression tree: \"" + n.function +
                                      "\" over lists and structs of these types"};
}
bool same(const node_ptr& a, const node_ptr& b) {
  return a->type == b->type;
}
/// a list of b's type.
bool lists(const node_ptr& a, const data_type& b) {
  return a->type.id == type_id::list && item_type(a->type) == b;
}

bool well_typed(const node& n) {
  const auto& f = n.function;
  const auto& a = n.args;
  if (f == "{}")
    return n.type.id == type_id::list && std::all_of(a.begin(), a.end(), [&n](const node_ptr& x) {
             return x->type == item_type(n.type);
           });
  if (f == "()") {
    if (n.type.fields->size() != a.size()) return false;
    for (size_t i = 0; i < a.size(); ++i)
      if ((*n.type.fields)[i].type != a[i]->type) return false;
    return true;
  }
  if (f == "[]") return lists(a[0], n.type);
  if (f == "[:]") return a[0]->type == n.type;
  if (f == ".") {
    const auto& k = *a[1];
    return k.kind == node_kind::literal && !k.literal.null && k.literal.i >= 0 &&
           static_cast<size_t>(k.literal.i) < a[0]->type.fields->size() &&
           (*a[0]->type.fields)[static_cast<size_t>(k.literal.i)].type == n.type;
  }
  if (f.ends_with(" any") || f.ends_with(" all")) return lists(a[1], a[0]->type);
  if (f == "cast") return can_cast(a[0]->type, n.type);
  if (f == "@item") return a.size() >= 2 && a[1]->type.id == type_id::string;
  if (f == "@sum") {
    const auto& item = item_type(a[0]->type);
    if (item.id == type_id::int32) return n.type.id == type_id::int64;
    if (item.id == type_id::int64) return n.type.id == type_id::decimal && n.type.scale == 0;
    return (item.id == type_id::decimal || item.id == type_id::float64) && item == n.type;
  }
  if (f.starts_with("@var_") || f.starts_with("@stddev_") || f == "@bit_xor") {
    const auto item = item_type(a[0]->type).id;
    if (f == "@bit_xor") return item == n.type.id;
    return item == type_id::int32 || item == type_id::int64 || item == type_id::float64 ||
           item == type_id::decimal;
  }
  if (f == "@percentile_cont" || f == "@percentile_disc") {
    const auto& item = item_type(a[0]->type);
    if (f == "@percentile_cont" && item.id != type_id::float64 && item.id != type_id::interval)
      return false;
    if (a[1]->type.id != type_id::list) return item == n.type;
    return item_type(a[1]->type).id == type_id::float64 && lists(a[0], item_type(n.type));
  }
  if (f == "@canonical") return a[0]->type == n.type;
  if (f == "@mode") return lists(a[0], n.type);
  if (f == "@json_object") {
    const auto& row = item_type(a[0]->type);
    return row.id == type_id::struct_ && row.fields->size() == 2 &&
           row.fields->front().type.id == type_id::string;
  }
  if (f == "@zip") {
    const auto& row = item_type(n.type);
    if (row.id != type_id::struct_ || row.fields->size() != a.size()) return false;
    for (size_t i = 0; i < a.size(); ++i)
      if (!lists(a[i], (*row.fields)[i].type)) return false;
    return true;
  }
  if (f == "@items" || f == "@pack" || f == "@unpack" || f == "@pair") return true;
  if (const auto known = typed_as_made(n)) return *known;
  if (f == "array_prepend") return a[1]->type == n.type && lists(a[1], a[0]->type);
  if (f == "array_append" || f == "array_remove")
    return a[0]->type == n.type && lists(a[0], a[1]->type);
  if (f == "array_position") return lists(a[0], a[1]->type);
  if (f == "array_positions")
    return lists(a[0], a[1]->type) && item_type(n.type).id == type_id::int32;
  if (f == "array_replace")
    return a[0]->type == n.type && lists(a[0], a[1]->type) && same(a[1], a[2]);
  if (f == "array_cat") return same(a[0], a[1]) && a[0]->type == n.type;
  if (f == "trim_array") return a[0]->type == n.type;
  if (f == "generate_series") return item_type(n.type) == a[0]->type;
  if (f == "string_to_array" || f == "regexp_split_to_array")
    return item_type(n.type).id == type_id::string;
  // Comparisons and the like of two; the others take one list and what the catalog says.
  return a.size() != 2 || !is_nested(a[0]->type.id) || !is_nested(a[1]->type.id) ||
         same(a[0], a[1]);
}

bool complete(const data_type& t, int depth) {
  if (!is_nested(t.id)) return true;
  if (!t.fields || t.fields->empty() || depth > 64) return false;
  if (t.id == type_id::list && t.fields->size() != 1) return false;
  return std::all_of(t.fields->begin(), t.fields->end(),
                     [depth](const field& f) { return complete(f.type, depth + 1); });
}

}  // namespace

data_type list_of(data_type item) {
  data_type t(type_id::list);
  t.fields = std::make_shared<std::vector<field>>(1, field{"item", std::move(item), true});
  return t;
}

bool is_nested_call(const node& n) {
  return n.function.starts_with('@') || is_nested(n.type.id) ||
         std::any_of(n.args.begin(), n.args.end(),
                     [](const node_ptr& a) { return is_nested(a->type.id); });
}

status check_nested_call(const node& n) {
  bool whole = complete(n.type, 0);
  for (const auto& a : n.args) whole = whole && complete(a->type, 0);
  if (!whole || !well_typed(n)) return malformed(n);
  return {};
}

}  // namespace weir::expr
