// Types of columns and CREATE TYPE.
#include "jobs/sql/reader.hpp"

namespace weir::sql {

using expr::error_at;
using expr::has_key;
using expr::text_at;

result<data_type> reader::type(json body, bool& zoned, int32_t* length) {
  WEIR_TRY(only(body, {"names", "typmods", "typemod", "arrayBounds"}));
  const auto at = location_of(body);
  auto names = names_of(body["names"]);
  auto text = names.empty() ? std::string() : names.back();
  if (text == "bpchar") return refuse("char(n)", at, "it pads with blanks; write text");
  if (text == "timestamptz") {
    zoned = true;
    text = "timestamp";
  }
  if (text == "jsonb") text = "json";  // one type
  simdjson::dom::array mods;
  if (!body["typmods"].get(mods)) {
    std::string list;
    for (json m : mods) {
      if (!has_key(m, "A_Const"))
        return error_at(errc::parse, "a type's modifiers are numbers", sql(), place_of(m));
      const json c = m["A_Const"];
      list += (list.empty() ? "" : ",") + integer_at(location_of(c));
    }
    // A length is what values must keep to, not another type.
    const bool bounded = length && text == "varchar" && mods.size() == 1 &&
                         !has_key(body, "arrayBounds") && list.size() < 9;
    if (bounded)
      *length = static_cast<int32_t>(std::strtol(list.c_str(), nullptr, 10));
    else
      text += '(' + list + ')';
    if (bounded && *length < 1)
      return error_at(errc::invalid_argument, "length for type varchar must be at least 1", sql(),
                      at);
  }
  auto t = parse_type(text);
  if (const auto* made = type_named(text)) t = *made;
  if (!t) return error_at(t.err().code, t.err().message, sql(), at);
  if (body["arrayBounds"].get(mods)) return *t;
  zoned = false;
  if (mods.size() > 1)
    return refuse("an array of several dimensions", at,
                  "its elements may be a type of CREATE TYPE");
  data_type list(type_id::list);
  list.fields = std::make_shared<std::vector<field>>(1, field{"item", *t, true});
  return list;
}

const data_type* reader::type_named(std::string_view name) const {
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : &found->second;
}

/// CREATE TYPE name AS (a int, b text).
result<create_type> reader::composite(json body) {
  WEIR_TRY(only(body, {"typevar", "coldeflist"}));
  create_type t;
  WEIR_ASSIGN(t.called, relation(body["typevar"]));
  if (type_named(t.called.text) || parse_type(t.called.text))
    return error_at(errc::already_exists, "type " + in_quotes(t.called.text) + " already exists",
                    sql(), t.called.location);
  auto fields = std::make_shared<std::vector<field>>();
  simdjson::dom::array columns;
  if (!body["coldeflist"].get(columns))
    for (json c : columns) {
      const json d = c["ColumnDef"];
      WEIR_TRY(only(d, {"colname", "typeName", "is_local"}));
      field f;
      f.name = text_at(d, "colname");
      bool zoned = false;
      WEIR_ASSIGN(f.type, type(d["typeName"], zoned));
      for (const auto& before : *fields)
        if (before.name == f.name)
          return error_at(errc::already_exists,
                          "attribute " + in_quotes(f.name) + " is there twice", sql(),
                          location_of(d));
      fields->push_back(std::move(f));
    }
  if (fields->empty()) return refuse("a type without attributes", t.called.location);
  t.type = data_type(type_id::struct_);
  t.type.fields = std::move(fields);
  return t;
}

}  // namespace weir::sql
