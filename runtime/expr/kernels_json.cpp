// -> ->> #> #>> and tests over JSON text. The part that is asked for is copied as it is written, as
// PostgreSQL's json type does; simdjson checks text that is not of type json.
#include <cstdlib>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/json_text.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;
bool parses(row_scope& r, text s) {
  if (auto ok = check_json(s); !ok) {
    r.fail(errc::parse, ok.err().message);
    return false;
  }
  return true;
}
void write(row_scope& r, text_out& o, std::optional<text> v, bool as_text) {
  if (!v) return r.set_null();
  if (as_text && *v == "null") return r.set_null();
  if (as_text && !v->empty() && v->front() == '"') {
    if (v->find('\\') == text::npos) return o.append(v->substr(1, v->size() - 2));
    thread_local std::string plain;
    plain.clear();
    json_unescape(*v, plain);
    return o.append(plain);
  }
  o.append(*v);
}

// Columns of type json hold JSON already; text is checked.
template <bool as_text, bool check>
void by_key(row_scope& r, text_out& o, text s, text key) {
  if (check && !parses(r, s)) return;
  write(r, o, json_member(s, key), as_text);
}
template <bool as_text, bool check>
void by_index(row_scope& r, text_out& o, text s, int32_t index) {
  if (check && !parses(r, s)) return;
  write(r, o, json_item(s, index), as_text);
}
// A path is an array literal of PostgreSQL: {a,2,"b c"}.
bool next_step(text& path, std::string& step) {
  step.clear();
  if (path.empty()) return false;
  if (path[0] == ',') path.remove_prefix(1);
  if (!path.empty() && path[0] == '"') {
    size_t i = 1;
    for (; i < path.size() && path[i] != '"'; ++i) {
      if (path[i] == '\\' && i + 1 < path.size()) ++i;
      step += path[i];
    }
    path.remove_prefix(std::min(path.size(), i + 1));
    return true;
  }
  size_t end = std::min(path.find(','), path.size());
  step = path.substr(0, end);
  path.remove_prefix(end);
  return true;
}
template <bool as_text, bool check>
void by_path(row_scope& r, text_out& o, text s, text path) {
  if (path.size() < 2 || path[0] != '{' || path.back() != '}')
    return r.fail(errc::parse, "malformed array literal: \"" + std::string(path) + "\"");
  path = path.substr(1, path.size() - 2);
  if (check && !parses(r, s)) return;
  std::string step;
  std::optional<text> v = json_value(s);
  while (v && next_step(path, step)) {
    if (!v->empty() && v->front() == '[') {
      char* end = nullptr;
      long long index = std::strtoll(step.c_str(), &end, 10);
      v = step.empty() || *end != '\0' ? std::nullopt : json_item(*v, index);
    } else {
      v = json_member(*v, step);
    }
  }
  write(r, o, v, as_text);
}

int32_t array_length(row_scope& r, text v) {
  if (!parses(r, v)) return 0;
  v = json_value(v);
  if (v[0] == '[') return static_cast<int32_t>(json_length(v));
  r.fail(errc::invalid_argument, v[0] == '{' ? "cannot get array length of a non-array"
                                             : "cannot get array length of a scalar");
  return 0;
}
void type_of(row_scope& r, text_out& o, text v) {
  if (!parses(r, v)) return;
  char c = json_value(v)[0];
  o.append(c == '['               ? "array"
           : c == '{'             ? "object"
           : c == '"'             ? "string"
           : c == 't' || c == 'f' ? "boolean"
           : c == 'n'             ? "null"
                                  : "number");
}

template <bool check>
void add_operators(catalog& c, type_id doc) {
  constexpr auto s = type_id::string, j = type_id::json, i4 = type_id::int32;
  c.row("->", {doc, s}, j, wrap<by_key<false, check>>{});
  c.row("->>", {doc, s}, s, wrap<by_key<true, check>>{});
  c.row("->", {doc, i4}, j, wrap<by_index<false, check>>{});
  c.row("->>", {doc, i4}, s, wrap<by_index<true, check>>{});
  c.row("#>", {doc, s}, j, wrap<by_path<false, check>>{});
  c.row("#>>", {doc, s}, s, wrap<by_path<true, check>>{});
  for (auto name : {"json_array_length", "jsonb_array_length"})
    c.row(name, {doc}, i4, wrap<array_length>{});
  for (auto name : {"json_typeof", "jsonb_typeof"}) c.row(name, {doc}, s, wrap<type_of>{});
}

}  // namespace

void register_json(catalog& c) {
  add_operators<false>(c, type_id::json);
  // Text that holds JSON needs no cast.
  add_operators<true>(c, type_id::string);
}

}  // namespace weir::expr
