// Texts of lists and structs: PostgreSQL's array and record syntax, and JSON.
#include "runtime/base/assert.hpp"
#include "runtime/column/json_text.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/column/text.hpp"

namespace weir {
namespace {

bool is_blank(char c) noexcept {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_null_word(std::string_view s) noexcept {
  return s.size() == 4 && (s[0] | 32) == 'n' && (s[1] | 32) == 'u' && (s[2] | 32) == 'l' &&
         (s[3] | 32) == 'l';
}

// A part's own text; PostgreSQL's types write booleans as t and f there.
void append_part(std::string& out, const column& c, uint32_t row) {
  if (c.type.id == type_id::boolean && !c.dictionary) {
    out += c.data<uint8_t>()[row] ? 't' : 'f';
    return;
  }
  append_text(out, c, row);
}

/// A part, in quotes where it needs them; within these `specials` that are quotes or backslashes
/// are doubled, or escaped by a backslash.
void append_quoted(std::string& out, std::string_view s, bool quoted, std::string_view specials,
                   bool doubled) {
  for (char ch : s) quoted = quoted || is_blank(ch) || specials.find(ch) != std::string_view::npos;
  if (!quoted) {
    out += s;
    return;
  }
  out += '"';
  for (char ch : s) {
    if (ch == '"' || ch == '\\') out += doubled ? ch : '\\';
    out += ch;
  }
  out += '"';
}

void append_list_part(std::string& out, const column& c, uint32_t row) {
  if (!c.is_valid(row)) {
    out += "NULL";
    return;
  }
  if (c.type.id == type_id::list) return append_text(out, c, row);
  std::string s;
  append_part(s, c, row);
  append_quoted(out, s, s.empty() || is_null_word(s), "{},\"\\", false);
}

void append_struct_part(std::string& out, const column& c, uint32_t row) {
  if (!c.is_valid(row)) return;
  std::string s;
  append_part(s, c, row);
  append_quoted(out, s, s.empty(), "(),\"\\", true);
}

error malformed(std::string_view kind, std::string_view text, std::string_view why) {
  constexpr size_t quoted_max = 60;
  std::string shown(text.substr(0, quoted_max));
  if (text.size() > quoted_max) shown += "...";
  return {errc::parse,
          "malformed " + std::string(kind) + " literal: \"" + shown + "\": " + std::string(why)};
}

}  // namespace

void append_nested_text(std::string& out, const column& c, uint32_t row) {
  if (c.type.id == type_id::list) {
    const auto* o = c.offsets.as<uint32_t>();
    out += '{';
    for (uint32_t i = o[row]; i < o[row + 1]; ++i) {
      if (i != o[row]) out += ',';
      append_list_part(out, *c.children[0], i);
    }
    out += '}';
    return;
  }
  out += '(';
  for (size_t f = 0; f < c.children.size(); ++f) {
    if (f != 0) out += ',';
    append_struct_part(out, *c.children[f], row);
  }
  out += ')';
}

void append_json(std::string& out, const column& c, uint32_t row) {
  if (!c.is_valid(row)) {
    out += "null";
    return;
  }
  if (c.dictionary) return append_json(out, *c.dictionary, c.data<uint32_t>()[row]);
  switch (c.type.id) {
    case type_id::boolean:
    case type_id::int32:
    case type_id::int64:
    case type_id::decimal:
    case type_id::json:
      return append_text(out, c, row);
    case type_id::float64: {
      // JSON has no Infinity and NaN.
      const auto before = out.size();
      append_text(out, c, row);
      if (out.back() == 'y' || out.back() == 'N') {
        out.insert(before, 1, '"');
        out += '"';
      }
      return;
    }
    case type_id::list: {
      const auto* o = c.offsets.as<uint32_t>();
      out += '[';
      for (uint32_t i = o[row]; i < o[row + 1]; ++i) {
        if (i != o[row]) out += ',';
        append_json(out, *c.children[0], i);
      }
      out += ']';
      return;
    }
    case type_id::struct_:
      out += '{';
      for (size_t f = 0; f < c.children.size(); ++f) {
        if (f != 0) out += ',';
        append_json_string(out, (*c.type.fields)[f].name);
        out += ':';
        append_json(out, *c.children[f], row);
      }
      out += '}';
      return;
    case type_id::string:
      return append_json_string(out, c.view(row));
    case type_id::date:
    case type_id::timestamp:
    case type_id::interval:  // nothing to escape in these
      out += '"';
      append_text(out, c, row);
      out += '"';
      return;
    case type_id::bytes: {
      std::string s;
      append_text(s, c, row);
      return append_json_string(out, s);
    }
  }
}

result<std::vector<std::optional<std::string>>> split_list_text(std::string_view text) {
  std::vector<std::optional<std::string>> out;
  auto bad = [text](std::string_view why) { return malformed("array", text, why); };
  size_t i = 0;
  auto skip = [&] {
    while (i < text.size() && is_blank(text[i])) ++i;
  };
  skip();
  if (i < text.size() && text[i] == '[')
    return error(errc::unsupported, "arrays with bounds of their own (\"" +
                                        std::string(text.substr(0, 60)) +
                                        "\") are not supported: the first element is number 1");
  if (i == text.size() || text[i] != '{') return bad("it must begin with \"{\"");
  ++i;
  skip();
  if (i < text.size() && text[i] == '}') {
    ++i;
    skip();
    if (i != text.size()) return bad("something follows the closing brace");
    return out;
  }
  for (;;) {
    skip();
    std::string part;
    bool quoted = false;
    size_t kept = 0;  // blanks behind it do not belong to an element
    for (; i < text.size() && text[i] != ',' && text[i] != '}'; ++i) {
      if (text[i] == '{')
        return error(errc::unsupported, "arrays of several dimensions are not supported: \"" +
                                            std::string(text.substr(0, 60)) + "\"");
      if (text[i] == '"') {
        if (quoted || !part.empty()) return bad("a quote inside an element");
        quoted = true;
        for (++i; i < text.size() && text[i] != '"'; ++i) {
          if (text[i] == '\\' && ++i == text.size()) break;
          part += text[i];
        }
        if (i >= text.size()) return bad("a quote is not closed");
        kept = part.size();
        continue;
      }
      const bool blank = is_blank(text[i]);
      if (text[i] == '\\' && ++i == text.size()) return bad("it ends in a backslash");
      if (quoted && !blank) return bad("something follows an element in quotes");
      if (quoted) continue;
      part += text[i];
      if (!blank) kept = part.size();
    }
    if (i == text.size()) return bad("the closing brace is missing");
    part.resize(kept);
    if (!quoted && part.empty()) return bad("an element is missing");
    if (!quoted && is_null_word(part))
      out.emplace_back();
    else
      out.emplace_back(std::move(part));
    if (text[i++] == '}') break;
  }
  skip();
  if (i != text.size()) return bad("something follows the closing brace");
  return out;
}

result<std::vector<std::optional<std::string>>> split_struct_text(std::string_view text) {
  std::vector<std::optional<std::string>> out;
  auto bad = [text](std::string_view why) { return malformed("record", text, why); };
  size_t i = 0;
  while (i < text.size() && is_blank(text[i])) ++i;
  if (i == text.size() || text[i] != '(') return bad("it must begin with \"(\"");
  ++i;
  for (;;) {
    std::string part;
    bool quoted = false, any = false;
    for (; i < text.size() && (quoted || (text[i] != ',' && text[i] != ')')); ++i) {
      any = true;
      if (text[i] == '\\') {
        if (++i == text.size()) return bad("it ends in a backslash");
        part += text[i];
      } else if (text[i] != '"') {
        part += text[i];
      } else if (quoted && i + 1 < text.size() && text[i + 1] == '"') {
        part += '"';
        ++i;
      } else {
        quoted = !quoted;
      }
    }
    if (i == text.size()) return bad("the closing parenthesis is missing");
    if (any)
      out.emplace_back(std::move(part));
    else
      out.emplace_back();
    if (text[i++] == ')') break;
  }
  while (i < text.size() && is_blank(text[i])) ++i;
  if (i != text.size()) return bad("something follows the closing parenthesis");
  return out;
}

result<scalar> parse_nested(std::string_view text, const data_type& type) {
  scalar v{type, false};
  const bool list = type.id == type_id::list;
  WEIR_ASSIGN(auto parts, list ? split_list_text(text) : split_struct_text(text));
  if (!list && parts.size() != type.fields->size())
    return malformed("record", text,
                     parts.size() < type.fields->size() ? "too few columns" : "too many columns");
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& t = (*type.fields)[list ? 0 : i].type;
    if (!parts[i]) {
      v.items.push_back(scalar::of_null(t));
      continue;
    }
    WEIR_ASSIGN(auto item, parse_scalar(*parts[i], t));
    v.items.push_back(std::move(item));
  }
  return v;
}

}  // namespace weir
