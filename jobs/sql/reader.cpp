#include "jobs/sql/reader.hpp"

#include <algorithm>

namespace weir::sql {

using expr::error_at;
using expr::has_key;
using expr::text_at;

namespace {

/// Keys of the JSON whose presence needs a word of its own: what it is in SQL, and what to do.
struct refused_key {
  std::string_view key, what, hint;
};
constexpr refused_key refused_keys[] = {
    {"lockingClause", "FOR UPDATE (SHARE, ...)", "rows of a stream cannot be locked"},
    {"intoClause", "SELECT INTO", "write INSERT INTO ... SELECT or CREATE TABLE ... AS"},
    {"onConflictClause", "ON CONFLICT", ""},
    {"returningList", "RETURNING", ""},
    {"inhRelations", "INHERITS", ""},
    {"partspec", "PARTITION BY", ""},
    {"partbound", "PARTITION OF", ""},
    {"ofTypename", "OF a type", ""},
    {"tablespacename", "TABLESPACE", ""},
    {"accessMethod", "USING an access method", "the option connector says where a table lives"},
    {"if_not_exists", "IF NOT EXISTS", "a script defines each table once"},
    {"replace", "OR REPLACE", "a script defines each view once"},
    {"raw_default", "DEFAULT", ""},
    {"collClause", "COLLATE (text compares by its bytes)", ""},
    {"coldeflist", "a list of column definitions", ""},
    {"is_local", "SET LOCAL", "write SET"},
    {"recursive", "WITH RECURSIVE", "write WITH"},
    {"lateral", "LATERAL before a subquery", "functions in FROM see what stands before them"},
    {"search_clause", "SEARCH", ""},
    {"cycle_clause", "CYCLE", ""},
    {"schemaname", "a schema's name", "tables of a script have plain names"},
    {"catalogname", "a database's name", "tables of a script have plain names"},
    {"skipData", "WITH NO DATA", ""},
    {"including", "INCLUDE", ""},
    {"is_no_inherit", "NO INHERIT", ""},
    {"skip_validation", "NOT VALID", "every row is asked"},
    {"deferrable", "DEFERRABLE", ""},
    {"initdeferred", "INITIALLY DEFERRED", ""},
    {"options", "WITH (...) here", ""},
    {"indexname", "USING INDEX", ""},
    {"indexspace", "USING INDEX TABLESPACE", ""},
    {"compression", "COMPRESSION", ""},
    {"storage_name", "STORAGE", ""},
    {"fdwoptions", "OPTIONS", ""},
};
/// Keys that say nothing, or what their node's kind says already.
constexpr std::string_view harmless[] = {"location",        "limitOption", "op",       "inh",
                                         "relpersistence",  "oncommit",    "onCommit", "override",
                                         "withCheckOption", "funcformat"};

/// PostgreSQL's statements by their node's name, for messages.
constexpr std::pair<std::string_view, std::string_view> statement_names[] = {
    {"DeleteStmt", "DELETE"},
    {"UpdateStmt", "UPDATE"},
    {"MergeStmt", "MERGE"},
    {"DropStmt", "DROP"},
    {"AlterTableStmt", "ALTER TABLE"},
    {"IndexStmt", "CREATE INDEX"},
    {"CopyStmt", "COPY"},
    {"TransactionStmt", "a transaction"},
    {"CreateFunctionStmt", "CREATE FUNCTION"},
    {"VariableShowStmt", "SHOW"},
    {"TruncateStmt", "TRUNCATE"},
    {"CreateSchemaStmt", "CREATE SCHEMA"},
    {"CreateSeqStmt", "CREATE SEQUENCE"},
    {"DoStmt", "DO"},
    {"PrepareStmt", "PREPARE"},
    {"CreateEnumStmt", "CREATE TYPE ... AS ENUM"},
    {"CreateTrigStmt", "CREATE TRIGGER"},
    {"GrantStmt", "GRANT"},
};

constexpr std::string_view statements_there_are =
    "a job is made of SET, CREATE TYPE, CREATE TABLE, CREATE VIEW, INSERT and SELECT";

}  // namespace

std::string in_quotes(std::string_view s) {
  return '"' + std::string(s) + '"';
}

std::vector<std::string> names_of(expr::json_list list) {
  std::vector<std::string> out;
  simdjson::dom::array items;
  if (list.get(items)) return out;
  for (expr::json_node item : items) out.emplace_back(text_at(item["String"], "sval"));
  return out;
}

error reader::refuse(std::string_view what, uint32_t location, std::string_view hint) const {
  std::string text(what);
  text += " is not supported";
  if (!hint.empty()) text += "; " + std::string(hint);
  return error_at(errc::unsupported, text, sql(), location);
}

namespace {

/// The nodes that say where they are, of `n` and all in it.
template <class F>
void each_placed(expr::json_node n, int depth, F& f) {
  if (depth > expr::nesting_max) return;
  simdjson::dom::object o;
  simdjson::dom::array a;
  if (!n.get(o)) {
    int64_t v = -1;
    if (!o["location"].get(v) && v >= 0) f(n);
    for (auto field : o) each_placed(field.value, depth + 1, f);
  } else if (!n.get(a)) {
    for (expr::json_node item : a) each_placed(item, depth + 1, f);
  }
}

}  // namespace

uint32_t reader::place_of(json node) const {
  uint32_t best = UINT32_MAX;
  auto earlier = [&](json n) { best = std::min(best, location_of(n)); };
  each_placed(node, 0, earlier);
  return best == UINT32_MAX ? start_ : best;
}

uint32_t reader::last_of(json node) const {
  uint32_t best = start_;
  auto later = [&](json n) { best = std::max(best, location_of(n)); };
  each_placed(node, 0, later);
  return best;
}

uint32_t reader::words_at(uint32_t from, std::initializer_list<std::string_view> words,
                          uint32_t otherwise) const {
  const auto text = sql();
  const auto is_letter = [](char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  size_t found = 0;  // words so far
  size_t begin = 0;
  for (size_t i = from; i < text.size();) {
    const char c = text[i];
    if (isspace(static_cast<unsigned char>(c))) {
      ++i;
    } else if (text.substr(i, 2) == "--") {
      i = std::min(text.find('\n', i), text.size());
    } else if (text.substr(i, 2) == "/*") {
      i = std::min(text.find("*/", i + 2), text.size() - 2) + 2;
    } else if (c == '\'' || c == '"') {
      i = std::min(text.find(c, i + 1), text.size() - 1) + 1;
      found = 0;
    } else if (!is_letter(c)) {
      ++i;
      found = 0;
    } else {
      size_t end = i;
      while (end < text.size() && is_letter(text[end])) ++end;
      const auto is = [&](std::string_view w) {
        return std::equal(w.begin(), w.end(), text.begin() + static_cast<ptrdiff_t>(i),
                          text.begin() + static_cast<ptrdiff_t>(end), [](char a, char b) {
                            return tolower(static_cast<unsigned char>(a)) ==
                                   tolower(static_cast<unsigned char>(b));
                          });
      };
      if (!is(words.begin()[found])) found = 0;
      if (is(words.begin()[found])) {
        if (found == 0) begin = i;
        if (++found == words.size()) return static_cast<uint32_t>(begin);
      }
      i = end;
    }
  }
  return otherwise;
}

status reader::only(json body, std::initializer_list<std::string_view> known) const {
  simdjson::dom::object fields;
  if (body.get(fields)) return {};
  for (auto field : fields) {
    auto is = [&field](std::string_view k) { return k == field.key; };
    if (std::any_of(known.begin(), known.end(), is)) continue;
    if (std::any_of(std::begin(harmless), std::end(harmless), is)) continue;
    auto at = std::max(place_of(field.value), place_of(body));
    if (field.key == "lockingClause")
      for (auto how : {"UPDATE", "NO", "SHARE", "KEY"})
        if (const auto found = words_at(start_, {"FOR", how}, UINT32_MAX); found != UINT32_MAX) {
          at = found;
          break;
        }
    for (const auto& r : refused_keys)
      if (is(r.key)) return refuse(r.what, at, r.hint);
    return refuse(field.key, at);
  }
  return {};
}

result<statement> reader::read_statement(json node) {
  simdjson::dom::object o;
  if (node.get(o) || o.begin() == o.end()) return refuse("this statement", start_);
  auto field = *o.begin();
  const std::string_view kind = field.key;
  const json body = field.value;
  statement s;
  s.location = start_;
  auto keep = [&s](auto r) -> result<statement> {
    if (!r) return std::move(r).err();
    s.what.template emplace<typename decltype(r)::value_type>(std::move(*r));
    return s;
  };
  if (kind == "CreateStmt") return keep(create(body));
  if (kind == "CreateTableAsStmt") return keep(create_as(body));
  if (kind == "ViewStmt") return keep(view(body));
  if (kind == "CompositeTypeStmt") return keep(composite(body));
  if (kind == "InsertStmt") return keep(read_insert(body));
  if (kind == "VariableSetStmt") return keep(set(body));
  if (kind == "ExplainStmt") return keep(explain(body));
  if (kind == "SelectStmt") {
    WEIR_ASSIGN(auto q, select(body, 0));
    s.what.emplace<select_statement>().body = std::move(q);
    return s;
  }
  for (auto [name, text] : statement_names)
    if (name == kind) return refuse(text, start_, statements_there_are);
  return refuse(kind, start_, statements_there_are);
}

result<name> reader::relation(json body) {
  WEIR_TRY(only(body, {"relname", "alias"}));
  if (text_at(body, "relpersistence") != "p")
    return refuse("a temporary or unlogged table", location_of(body));
  return name{std::string(text_at(body, "relname")), location_of(body)};
}

result<set_statement> reader::set(json body) {
  WEIR_TRY(only(body, {"kind", "name", "args"}));
  set_statement s;
  // The name follows SET; its place is not in the tree.
  auto at = sql().find_first_of(" \t\r\n", start_);
  at = sql().find_first_not_of(" \t\r\n", std::min(at, sql().size()));
  s.called = {std::string(text_at(body, "name")),
              static_cast<uint32_t>(std::min(at, sql().size()))};
  simdjson::dom::array args;
  if (text_at(body, "kind") != "VAR_SET_VALUE" || body["args"].get(args) || args.size() != 1)
    return refuse("this form of SET", start_, "write SET name = value");
  WEIR_ASSIGN(auto value, syntax_reader::read(args.at(0)));
  using k = expr::syntax_kind;
  if (value.kind != k::integer && value.kind != k::number && value.kind != k::text)
    return refuse("this value", value.location, "write a text or a number");
  s.value = value.text;
  s.value_location = value.location;
  return s;
}

result<explain_statement> reader::explain(json body) {
  WEIR_TRY(only(body, {"query", "options"}));
  explain_statement e;
  simdjson::dom::array options;
  if (!body["options"].get(options))
    for (json item : options) {
      const json d = item["DefElem"];
      const auto name = text_at(d, "defname");
      const auto value = has_key(d, "arg") && has_key(d["arg"], "String")
                             ? text_at(d["arg"]["String"], "sval")
                             : std::string_view();
      if (name == "analyze")
        return refuse(
            "EXPLAIN ANALYZE", location_of(d),
            "EXPLAIN shows the plan without running it; weir job describe shows what each "
            "operator of a job in a cluster has done");
      if (name != "format")
        return refuse("this option of EXPLAIN", location_of(d),
                      "write EXPLAIN query, or EXPLAIN (FORMAT json) query");
      using format = explain_statement::format;
      if (value == "text")
        e.as = format::text;
      else if (value == "json")
        e.as = format::json;
      else if (value == "dot")
        e.as = format::dot;
      else
        return refuse("this format of EXPLAIN", location_of(d), "there are text, json and dot");
    }
  WEIR_ASSIGN(auto inner, read_statement(body["query"]));
  if (std::holds_alternative<create_view>(inner.what) ||
      std::holds_alternative<set_statement>(inner.what))
    return refuse("EXPLAIN of this statement", start_, "write EXPLAIN before a query or INSERT");
  e.body = std::make_shared<statement>(std::move(inner));
  return e;
}

result<std::vector<option>> reader::options(json_list list) {
  std::vector<option> out;
  simdjson::dom::array items;
  if (list.get(items)) return out;
  for (json item : items) {
    const json d = item["DefElem"];
    option o;
    o.called = {std::string(text_at(d, "defname")), location_of(d)};
    if (has_key(d, "defnamespace")) return refuse("a qualified option", o.called.location);
    for (const auto& before : out)
      if (before.called.text == o.called.text)
        return error_at(errc::already_exists, "option " + o.called.text + " is given twice", sql(),
                        o.called.location);
    // The place of the value is not in the tree: it follows "name =".
    auto at = sql().find('=', o.called.location);
    at = sql().find_first_not_of(" \t\r\n", at == std::string_view::npos ? at : at + 1);
    o.value_location = at == std::string_view::npos ? o.called.location : static_cast<uint32_t>(at);
    if (!has_key(d, "arg"))
      return error_at(errc::parse,
                      "option " + o.called.text + " needs a value: " + o.called.text + " = 'value'",
                      sql(), o.called.location);
    if (has_key(d["arg"], "String"))
      o.value = text_at(d["arg"]["String"], "sval");
    else if (has_key(d["arg"], "Integer"))
      o.value = integer_at(o.value_location);
    else if (has_key(d["arg"], "Float"))
      o.value = text_at(d["arg"]["Float"], "fval");
    else
      return error_at(errc::parse,
                      "the value of option " + o.called.text +
                          " must be a text in quotes, a number, true or false",
                      sql(), o.value_location);
    out.push_back(std::move(o));
  }
  return out;
}

status reader::constraint(json body, create_table& t, column_clause* c) {
  const auto kind = text_at(body, "contype");
  const auto at = location_of(body);
  if (kind != "CONSTR_UNIQUE" && kind != "CONSTR_FOREIGN" && kind != "CONSTR_IDENTITY" &&
      kind != "CONSTR_EXCLUSION")
    WEIR_TRY(only(body, {"contype", "conname", "raw_expr", "keys", "initially_valid",
                         "generated_when", "generated_kind"}));
  if (kind == "CONSTR_NULL") return {};
  constraint_clause must;
  must.called = text_at(body, "conname");
  must.location = at;
  if (c) must.column = c->called.text;
  if (kind == "CONSTR_NOTNULL" && c) {
    must.what = constraint_clause::kind::not_null;
    t.constraints.push_back(std::move(must));
    return {};
  }
  if (kind == "CONSTR_CHECK") {
    WEIR_ASSIGN(must.condition, syntax_reader::read(body["raw_expr"]));
    t.constraints.push_back(std::move(must));
    return {};
  }
  if (kind == "CONSTR_DEFAULT" && c) {
    WEIR_ASSIGN(c->default_value, syntax_reader::read(body["raw_expr"]));
    return {};
  }
  if (kind == "CONSTR_PRIMARY") {
    if (!t.primary_key.empty())
      return error_at(errc::already_exists, "a table has one primary key", sql(), at);
    if (c) t.primary_key.push_back({c->called.text, at});
    for (auto& key : names_of(body["keys"])) t.primary_key.push_back({std::move(key), at});
    return {};
  }
  if (kind == "CONSTR_GENERATED" && c) {
    if (c->generated)
      return error_at(errc::already_exists, "the column is generated twice", sql(), at);
    WEIR_ASSIGN(c->generated, syntax_reader::read(body["raw_expr"]));
    return {};
  }
  constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"CONSTR_UNIQUE", "UNIQUE"},
      {"CONSTR_FOREIGN", "REFERENCES"},
      {"CONSTR_IDENTITY", "IDENTITY"},
      {"CONSTR_EXCLUSION", "EXCLUDE"},
      {"CONSTR_ATTR_DEFERRABLE", "DEFERRABLE"},
      {"CONSTR_ATTR_NOT_DEFERRABLE", "NOT DEFERRABLE"},
      {"CONSTR_ATTR_DEFERRED", "INITIALLY DEFERRED"},
      {"CONSTR_ATTR_IMMEDIATE", "INITIALLY IMMEDIATE"},
  };
  for (auto [key, text] : names)
    if (kind == key) return refuse(text, at);
  return refuse("this constraint", at);
}

result<column_clause> reader::column(json body, create_table& t) {
  column_clause c;
  c.called = {std::string(text_at(body, "colname")), location_of(body)};
  WEIR_TRY(only(body, {"colname", "typeName", "constraints", "is_local", "is_not_null"}));
  int32_t length = 0;
  WEIR_ASSIGN(c.type, type(body["typeName"], c.zoned, &length));
  if (length > 0) {
    constraint_clause must;
    must.what = constraint_clause::kind::length;
    must.column = c.called.text;
    must.length = length;
    must.location = c.called.location;
    t.constraints.push_back(std::move(must));
  }
  simdjson::dom::array constraints;
  if (!body["constraints"].get(constraints))
    for (json k : constraints) WEIR_TRY(constraint(k["Constraint"], t, &c));
  return c;
}

status reader::no_on_commit(std::string_view what) const {
  if (what.empty() || what == "ONCOMMIT_NOOP") return {};
  return refuse("ON COMMIT", words_at(start_, {"ON", "COMMIT"}, start_), "no table is temporary");
}

result<create_table> reader::create(json body) {
  WEIR_TRY(only(body, {"relation", "tableElts", "options", "if_not_exists"}));
  WEIR_TRY(no_on_commit(text_at(body, "oncommit")));
  create_table t;
  t.if_not_exists = has_key(body, "if_not_exists");
  WEIR_ASSIGN(t.called, relation(body["relation"]));
  simdjson::dom::array elements;
  if (!body["tableElts"].get(elements))
    for (json e : elements) {
      if (has_key(e, "ColumnDef")) {
        WEIR_ASSIGN(auto c, column(e["ColumnDef"], t));
        for (const auto& before : t.columns)
          if (before.called.text == c.called.text)
            return error_at(errc::already_exists,
                            "column " + in_quotes(c.called.text) + " is there twice", sql(),
                            c.called.location);
        t.columns.push_back(std::move(c));
      } else if (has_key(e, "Constraint")) {
        WEIR_TRY(constraint(e["Constraint"], t, nullptr));
      } else {
        return refuse(has_key(e, "TableLikeClause") ? "LIKE" : "this part of a table", place_of(e));
      }
    }
  for (const auto& key : t.primary_key)
    if (std::none_of(t.columns.begin(), t.columns.end(),
                     [&key](const column_clause& c) { return c.called.text == key.text; }))
      return error_at(errc::unknown_name,
                      "column " + in_quotes(key.text) + " named in the key does not exist", sql(),
                      key.location);
  WEIR_ASSIGN(t.options, options(body["options"]));
  return t;
}

result<create_table> reader::create_as(json body) {
  WEIR_TRY(only(body, {"query", "into", "objtype"}));
  if (text_at(body, "objtype") != "OBJECT_TABLE")
    return refuse("CREATE MATERIALIZED VIEW", start_, "write CREATE TABLE ... WITH (...) AS");
  const json into = body["into"];
  WEIR_TRY(only(into, {"rel", "colNames", "options"}));
  WEIR_TRY(no_on_commit(text_at(into, "onCommit")));
  create_table t;
  WEIR_ASSIGN(t.called, relation(into["rel"]));
  if (has_key(into, "colNames")) t.as_columns = names_of(into["colNames"]);
  WEIR_ASSIGN(t.options, options(into["options"]));
  if (!has_key(body["query"], "SelectStmt")) return refuse("this query", start_);
  WEIR_ASSIGN(t.as, select(body["query"]["SelectStmt"], 0));
  return t;
}

result<create_view> reader::view(json body) {
  if (has_key(body, "options"))
    return refuse("WITH (...) of a view", place_of(body["options"]), "options are those of tables");
  WEIR_TRY(only(body, {"view", "query", "aliases"}));
  create_view v;
  WEIR_ASSIGN(v.called, relation(body["view"]));
  if (text_at(body, "withCheckOption") != "NO_CHECK_OPTION")
    return refuse("WITH CHECK OPTION",
                  words_at(start_, {"WITH", "CHECK", "OPTION"},
                           words_at(start_, {"CHECK", "OPTION"}, start_)),
                  "nothing is inserted into a view");
  if (has_key(body, "aliases")) v.columns = names_of(body["aliases"]);
  WEIR_ASSIGN(v.body, select(body["query"]["SelectStmt"], 0));
  return v;
}

result<insert> reader::read_insert(json body) {
  WEIR_TRY(only(body, {"relation", "cols", "selectStmt", "withClause"}));
  insert i;
  WEIR_ASSIGN(i.into, relation(body["relation"]));
  if (text_at(body, "override") != "OVERRIDING_NOT_SET")
    return refuse("OVERRIDING", words_at(i.into.location, {"OVERRIDING"}, start_),
                  "leave generated columns out of the list");
  simdjson::dom::array columns;
  if (!body["cols"].get(columns))
    for (json c : columns) {
      const json t = c["ResTarget"];
      WEIR_TRY(only(t, {"name"}));
      i.columns.push_back({std::string(text_at(t, "name")), location_of(t)});
    }
  if (!has_key(body, "selectStmt"))
    return refuse("INSERT ... DEFAULT VALUES", start_, "write INSERT INTO ... SELECT");
  WEIR_ASSIGN(auto q, select(body["selectStmt"]["SelectStmt"], 0));
  if (has_key(body, "withClause")) {
    auto with = std::make_shared<query>(*q);
    std::vector<named_query> inner = std::move(with->with);
    with->with.clear();
    WEIR_TRY(with_clause(body["withClause"], *with, 0));
    for (auto& n : inner) with->with.push_back(std::move(n));
    q = std::move(with);
  }
  i.body = std::move(q);
  return i;
}

}  // namespace weir::sql
