// Operators and functions of jsonb over documents that stay text, and those that give rows, whose
// arrays are unnested.
#include "runtime/column/json_text.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/json_edit.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;
constexpr uint32_t by_rows = flag_any | flag_non_strict;

std::string& scratch() {
  thread_local std::string s;
  s.clear();
  return s;
}
void answer(row_scope& r, text_out& o, const status& ok, text made) {
  if (!ok) return r.fail(ok.err().code, ok.err().message);
  o.append(made);
}
template <auto f>
void made_of_one(row_scope&, text_out& o, text v) {
  auto& s = scratch();
  f(v, s);
  o.append(s);
}

/// A text[]; NULL items are nothing.
json_path texts_of(const value_at& v) {
  json_path out;
  const auto items = items_of(v);
  for (uint32_t i = items.begin; i < items.end; ++i) {
    if (items.c->is_valid(i))
      out.emplace_back(items.c->view(i));
    else
      out.emplace_back();
  }
  return out;
}
text text_of(const value_at& v) {
  return v.c->view(v.i);
}

/// f(document, texts, builder) where both are there.
template <class F>
void with_texts(run& r, const instruction& in, F f) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto doc = at_row(r, in.args[0], row), list = at_row(r, in.args[1], row);
    if (!doc.valid || !list.valid) return out.append_null();
    f(text_of(doc), texts_of(list), out, row);
  });
}
/// ?| and ?&, which do not ask for NULL.
template <bool all>
void exists_of(run& r, const instruction& in) {
  with_texts(r, in, [](text doc, const json_path& keys, column_builder& out, uint32_t) {
    bool found = all;
    for (const auto& k : keys)
      if (k && json_exists(doc, *k) != all) found = !all;
    out.append(static_cast<uint8_t>(found));
  });
}
void append_changed(run& r, const instruction& in, column_builder& out, uint32_t row,
                    const status& ok, text made) {
  if (ok) return out.append(made);
  r.fail(in, row, ok.err());
  out.append_null();
}
void remove_keys(run& r, const instruction& in) {
  with_texts(r, in, [&](text doc, const json_path& keys, column_builder& out, uint32_t row) {
    auto& s = scratch();
    const auto ok = json_remove_keys(doc, keys, s);
    append_changed(r, in, out, row, ok, s);
  });
}
void remove_at(run& r, const instruction& in) {
  with_texts(r, in, [&](text doc, const json_path& path, column_builder& out, uint32_t row) {
    auto& s = scratch();
    const auto ok = json_change_at(doc, path, {}, json_change::remove, s);
    append_changed(r, in, out, row, ok, s);
  });
}
/// jsonb_set and jsonb_insert, whose last argument chooses between two changes.
template <json_change otherwise, json_change when_true>
void change(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    value_at args[4];
    for (size_t i = 0; i < 4; ++i) {
      args[i] = at_row(r, in.args[i], row);
      if (!args[i].valid) return out.append_null();
    }
    auto& s = scratch();
    const auto what = args[3].c->data<uint8_t>()[args[3].i] ? when_true : otherwise;
    const auto ok = json_change_at(text_of(args[0]), texts_of(args[1]), text_of(args[2]), what, s);
    append_changed(r, in, out, row, ok, s);
  });
}

/// What a path finds: of an object the member, of an array the item of that number.
std::optional<text> found_at(text doc, const json_path& path) {
  std::optional<text> v = json_value(doc);
  for (const auto& step : path) {
    if (!v || !step) return {};
    if (!v->empty() && v->front() == '[') {
      const std::string s(*step);
      char* end = nullptr;
      const long long index = std::strtoll(s.c_str(), &end, 10);
      v = s.empty() || *end != '\0' ? std::nullopt : json_item(*v, index);
    } else {
      v = json_member(*v, *step);
    }
  }
  return v;
}
/// A part as text: strings without quotes, null as nothing.
template <bool as_text>
void append_part(column_builder& out, std::optional<text> v) {
  if (!v || (as_text && *v == "null")) return out.append_null();
  if (!as_text || v->empty() || v->front() != '"') return out.append(*v);
  auto& s = scratch();
  json_unescape(*v, s);
  out.append(text(s));
}
template <bool as_text>
void at_path(run& r, const instruction& in) {
  with_texts(r, in, [](text doc, const json_path& path, column_builder& out, uint32_t) {
    append_part<as_text>(out, found_at(doc, path));
  });
}
template <bool as_text>
void extract_path(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto doc = at_row(r, in.args[0], row);
    if (!doc.valid) return out.append_null();
    json_path path;
    for (size_t i = 1; i < in.args.size(); ++i) {
      const auto step = at_row(r, in.args[i], row);
      if (!step.valid) return out.append_null();
      path.emplace_back(text_of(step));
    }
    append_part<as_text>(out, found_at(text_of(doc), path));
  });
}

/// Lists of the parts of a document: f(value, child builder), or an error's text.
template <class F>
void listed(run& r, const instruction& in, F f) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto doc = at_row(r, in.args[0], row);
    if (!doc.valid) return out.append_null();
    const std::string wrong = f(json_value(text_of(doc)), out.child(0));
    if (wrong.empty()) return out.append_list();
    r.fail(in, row, {errc::invalid_argument, wrong});
    out.append_null();
  });
}
char kind_of(text v) {
  return v.empty() ? '\0' : v[0];
}
std::vector<json_pair> members_of(text v, bool binary) {
  return binary ? json_sorted_members(v) : json_members(v);
}
template <bool binary>
void object_keys(run& r, const instruction& in) {
  listed(r, in, [](text v, column_builder& out) -> std::string {
    const std::string name = binary ? "jsonb_object_keys" : "json_object_keys";
    if (kind_of(v) == '[') return "cannot call " + name + " on an array";
    if (kind_of(v) != '{') return "cannot call " + name + " on a scalar";
    for (const auto& m : members_of(v, binary)) out.append(text(m.key));
    return {};
  });
}
template <bool binary, bool as_text>
void each(run& r, const instruction& in) {
  listed(r, in, [](text v, column_builder& out) -> std::string {
    if (kind_of(v) != '{' && binary)
      return std::string("cannot call jsonb_each") + (as_text ? "_text" : "") + " on a non-object";
    if (kind_of(v) == '[') return "cannot deconstruct an array as an object";
    if (kind_of(v) != '{') return "cannot deconstruct a scalar";
    for (const auto& m : members_of(v, binary)) {
      out.child(0).append(text(m.key));
      append_part<as_text>(out.child(1), m.value);
      out.append_struct();
    }
    return {};
  });
}
/// Items come without blanks, as json_array_elements gives them in FROM; as text they stay as they
/// are written.
template <bool binary, bool as_text>
void elements(run& r, const instruction& in) {
  listed(r, in, [](text v, column_builder& out) -> std::string {
    const bool object = kind_of(v) == '{';
    if (kind_of(v) != '[' && binary)
      return std::string("cannot extract elements from ") + (object ? "an object" : "a scalar");
    if (kind_of(v) != '[')
      return std::string("cannot call json_array_elements") + (as_text ? "_text" : "") + " on a " +
             (object ? "non-array" : "scalar");
    std::string compact;
    for (const auto item : json_items(v)) {
      compact.clear();
      if (!as_text) json_compact(item, compact);
      append_part<as_text>(out, as_text ? item : text(compact));
    }
    return {};
  });
}

/// The JSON array of a row's fields.
void build_array(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto v = at_row(r, in.args[0], row);
    auto& s = scratch();
    s += '[';
    for (size_t k = 0; k < v.c->children.size(); ++k) {
      const column& field = *v.c->children[k];
      if (k != 0) s += ',';
      if (field.is_valid(v.i))
        append_json(s, field, v.i);
      else
        s += "null";
    }
    s += ']';
    out.append(text(s));
  });
}
/// The JSON object of a row whose fields are names and values in turn.
void build_object(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto v = at_row(r, in.args[0], row);
    auto& s = scratch();
    s += '{';
    for (size_t k = 0; k + 1 < v.c->children.size(); k += 2) {
      const column &name = *v.c->children[k], &value = *v.c->children[k + 1];
      if (!name.is_valid(v.i)) {
        r.fail(in, row,
               {errc::invalid_argument, "argument " + std::to_string(k + 1) + " cannot be null"});
        return out.append_null();
      }
      if (k != 0) s += ',';
      append_json_string(s, name.view(v.i));
      s += ':';
      if (value.is_valid(v.i))
        append_json(s, value, v.i);
      else
        s += "null";
    }
    s += '}';
    out.append(text(s));
  });
}
template <bool nulls>
void count_nulls(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto v = at_row(r, in.args[0], row);
    int32_t n = 0;
    for (const auto& field : v.c->children) n += field->is_valid(v.i) != nulls;
    out.append(n);
  });
}

/// The JSON of a value of any type.
void as_json(run& r, const instruction& in) {
  build_texts(r, in, append_json);
}

template <bool binary>
void register_rows(catalog& c) {
  constexpr auto j = type_id::json, list = type_id::list;
  const std::string prefix = binary ? "jsonb_" : "json_";
  c.add(prefix + "object_keys", {j}, list, object_keys<binary>, by_rows);
  c.add(prefix + "each", {j}, list, each<binary, false>, by_rows);
  c.add(prefix + "each_text", {j}, list, each<binary, true>, by_rows);
  c.add(prefix + "array_elements", {j}, list, elements<binary, false>, by_rows);
  c.add(prefix + "array_elements_text", {j}, list, elements<binary, true>, by_rows);
}

}  // namespace

void register_json_edit(catalog& c) {
  constexpr auto j = type_id::json, s = type_id::string, i4 = type_id::int32, b = type_id::boolean,
                 list = type_id::list;
  c.row("@>", {j, j}, b, [](row_scope&, text x, text y) { return json_contains(x, y); });
  c.row("<@", {j, j}, b, [](row_scope&, text x, text y) { return json_contains(y, x); });
  c.row("?", {j, s}, b, [](row_scope&, text x, text k) { return json_exists(x, k); });
  c.add("?|", {j, list}, b, exists_of<false>, by_rows);
  c.add("?&", {j, list}, b, exists_of<true>, by_rows);
  c.row("-", {j, s}, j, [](row_scope& r, text_out& o, text v, text key) {
    auto& made = scratch();
    const auto ok = json_remove_key(v, key, made);
    answer(r, o, ok, made);
  });
  c.row("-", {j, i4}, j, [](row_scope& r, text_out& o, text v, int32_t index) {
    auto& made = scratch();
    const auto ok = json_remove_item(v, index, made);
    answer(r, o, ok, made);
  });
  c.add("-", {j, list}, j, remove_keys, by_rows);
  for (auto name : {"#-", "jsonb_delete_path"}) c.add(name, {j, list}, j, remove_at, by_rows);
  c.add("#>", {j, list}, j, at_path<false>, by_rows);
  c.add("#>>", {j, list}, s, at_path<true>, by_rows);
  c.row("||", {j, j}, j, [](row_scope&, text_out& o, text x, text y) {
    auto& made = scratch();
    json_concat(x, y, made);
    o.append(made);
  });
  c.add("jsonb_set", {j, list, j, b}, j, change<json_change::replace, json_change::create>,
        by_rows);
  c.add("jsonb_insert", {j, list, j, b}, j,
        change<json_change::insert_before, json_change::insert_after>, by_rows);
  for (auto name : {"json_extract_path", "jsonb_extract_path"})
    c.add(name, {j, s}, j, extract_path<false>, by_rows | flag_variadic);
  for (auto name : {"json_extract_path_text", "jsonb_extract_path_text"})
    c.add(name, {j, s}, s, extract_path<true>, by_rows | flag_variadic);
  for (auto name : {"json_strip_nulls", "jsonb_strip_nulls"})
    c.row(name, {j}, j, wrap<made_of_one<json_strip_nulls>>{});
  c.row("jsonb_pretty", {j}, s, wrap<made_of_one<json_pretty>>{});
  for (auto name : {"json_build_array", "jsonb_build_array"})
    c.add(name, {type_id::struct_}, j, build_array, by_rows);
  for (auto name : {"json_build_object", "jsonb_build_object"})
    c.add(name, {type_id::struct_}, j, build_object, by_rows);
  c.add("num_nulls", {type_id::struct_}, i4, count_nulls<true>, by_rows);
  c.add("num_nonnulls", {type_id::struct_}, i4, count_nulls<false>, by_rows);
  for (auto t : part_types) {
    if (!is_nested(t)) c.add("to_json", {t}, j, as_json, by_rows);
    c.add("to_jsonb", {t}, j, as_json, by_rows);
  }
  register_rows<false>(c);
  register_rows<true>(c);
}

}  // namespace weir::expr
