// Queries: SELECT, VALUES, set operations, what FROM lists.
#include <set>

#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/reader.hpp"
#include "jobs/sql/row_rewrites.hpp"
#include "jobs/sql/subquery_syntax.hpp"

namespace weir::sql {

using expr::error_at;
using expr::has_key;
using expr::text_at;

namespace {

/// Each is an aggregate of its own.
constexpr size_t grouping_sets_max = 64;
/// Operands of UNION, INTERSECT and EXCEPT in a row: each is steps and tasks of its own.
constexpr size_t set_operations_max = 2000;

}  // namespace

namespace {

/// The tree as text without the places where its parts stand.
std::string shape_of(expr::json_node n) {
  std::string all = simdjson::minify(n), out;
  constexpr std::string_view key = "\"location\":";
  for (size_t at = 0; at < all.size();) {
    const auto next = std::min(all.find(key, at), all.size());
    out.append(all, at, next - at);
    at = next == all.size() ? next : all.find_first_not_of("-0123456789", next + key.size());
  }
  return out;
}

}  // namespace

result<std::shared_ptr<const void>> reader::read_query(json select_node, json whole,
                                                       uint32_t location, bool gather) {
  if (!has_key(select_node, "SelectStmt")) return refuse("this subquery", location);
  const bool only_asked = text_at(whole, "subLinkType") == "EXISTS_SUBLINK";
  WEIR_ASSIGN(auto q, select(select_node["SelectStmt"], 1, only_asked));
  auto named = std::make_shared<query>(*q);
  if (gather) {
    auto all = gathered(*q);
    if (!all)
      return error_at(errc::type_mismatch, "subquery must return only one column", sql(), location);
    *named = std::move(*all);
  }
  named->shape = shape_of(whole);
  return std::shared_ptr<const void>(std::move(named));
}

status reader::only_clauses(json body) const {
  return only(body, {"distinctClause", "targetList", "fromClause", "whereClause", "groupClause",
                     "havingClause", "valuesLists", "withClause", "all", "larg", "rarg",
                     "sortClause", "limitCount", "limitOffset", "windowClause", "groupDistinct"});
}

result<query_ptr> reader::select(json body, int depth, bool only_asked) {
  if (depth > expr::nesting_max)
    return error_at(errc::unsupported, "the query nests too deeply", sql(), place_of(body));
  WEIR_TRY(only_clauses(body));
  auto q = std::make_shared<query>();
  q->location = place_of(body);
  if (has_key(body, "withClause")) WEIR_TRY(with_clause(body["withClause"], *q, depth));
  const auto op = text_at(body, "op");
  simdjson::dom::array rows;
  if (op != "SETOP_NONE") {
    WEIR_TRY(set_operations(body, *q, depth));
  } else if (!body["valuesLists"].get(rows)) {
    q->what = query::kind::values;
    for (json row : rows) {
      WEIR_ASSIGN(auto values, expressions(row["List"]["items"]));
      if (!q->rows.empty() && values.size() != q->rows[0].size())
        return error_at(errc::parse, "VALUES lists must all be the same length", sql(),
                        place_of(row));
      q->rows.push_back(std::move(values));
    }
  } else {
    WEIR_TRY(select_clauses(body, *q, depth, only_asked));
  }
  WEIR_TRY(limits(body, *q));
  if (q->what == query::kind::select) {
    join_laterals(*q);
    move_outer_conditions(*q);
    WEIR_TRY(move_row_functions(*q, sql()));
  }
  return query_ptr(std::move(q));
}

namespace {

bool is_set_operation(expr::json_node body) {
  return expr::text_at(body, "op") != "SETOP_NONE";
}

/// Operations of a chain that are put together as a tree of few levels: so many in a row as are
/// UNIONs alike, where it makes no difference.
constexpr size_t flat_from = 32;

/// operands[begin, end) by operations like `q`, which becomes the last one.
void balance(const std::vector<query_ptr>& operands, size_t begin, size_t end, query& q) {
  const auto middle = begin + (end - begin + 1) / 2;
  auto part = [&](size_t from, size_t to) {
    if (to - from == 1) return operands[from];
    auto made = std::make_shared<query>();
    made->what = q.what;
    made->set = q.set;
    made->all = q.all;
    balance(operands, from, to, *made);
    return query_ptr(std::move(made));
  };
  q.left = part(begin, middle);
  q.right = part(middle, end);
  q.location = operands[end - 1]->location;
}

}  // namespace

namespace {

/// GROUP BY DISTINCT: of equal groupings the first.
std::vector<std::vector<uint32_t>> distinct_sets(const std::vector<std::vector<uint32_t>>& sets,
                                                 const std::vector<syntax>& items) {
  std::set<std::set<uint32_t>> known;
  std::vector<std::vector<uint32_t>> out;
  for (const auto& set : sets) {
    std::set<uint32_t> keys;
    for (auto i : set) {
      uint32_t first = 0;
      while (first < i && !same_syntax(items[first], items[i])) ++first;
      keys.insert(first);
    }
    if (known.insert(std::move(keys)).second) out.push_back(set);
  }
  return out;
}

}  // namespace

/// A chain of set operations, from the left: a UNION b UNION c ...
status reader::set_operations(json body, query& q, int depth) {
  std::vector<json> chain{body};
  for (;;) {
    const json left = chain.back()["larg"];
    if (!is_set_operation(left) || has_key(left, "withClause") || has_key(left, "sortClause") ||
        has_key(left, "limitCount") || has_key(left, "limitOffset"))
      break;
    chain.push_back(left);
    if (chain.size() > set_operations_max)
      return error_at(errc::unsupported,
                      "more than " + std::to_string(set_operations_max) +
                          " set operations in a row are not supported",
                      sql(), place_of(body));
  }
  WEIR_ASSIGN(auto made, select(chain.back()["larg"], depth + 1));
  int levels = depth;
  while (!chain.empty()) {
    const auto op = text_at(chain.back(), "op");
    const auto set = op == "SETOP_UNION"       ? query::set_kind::unite
                     : op == "SETOP_INTERSECT" ? query::set_kind::intersect
                                               : query::set_kind::except;
    const bool all = has_key(chain.back(), "all");
    std::vector<query_ptr> operands{std::move(made)};
    do {
      WEIR_TRY(only_clauses(chain.back()));
      WEIR_ASSIGN(auto right, select(chain.back()["rarg"], depth + 1));
      operands.push_back(std::move(right));
      chain.pop_back();
    } while (!chain.empty() && set == query::set_kind::unite && text_at(chain.back(), "op") == op &&
             has_key(chain.back(), "all") == all);
    auto one = std::make_shared<query>();
    one->what = query::kind::set_operation;
    one->set = set;
    one->all = all;
    if (operands.size() > flat_from) {
      balance(operands, 0, operands.size(), *one);
      made = std::move(one);
      continue;
    }
    made = operands[0];
    for (size_t k = 1; k < operands.size(); ++k) {
      if (++levels > expr::nesting_max)
        return error_at(errc::unsupported, "the query nests too deeply", sql(), place_of(body));
      auto step = std::make_shared<query>(*one);
      step->left = std::move(made);
      step->right = operands[k];
      // With a right side in parentheses this is where the operation's second half begins.
      step->location = step->right->location;
      made = std::move(step);
    }
  }
  q.what = made->what;
  q.set = made->set;
  q.all = made->all;
  q.left = made->left;
  q.right = made->right;
  q.location = made->location;
  return {};
}

status reader::select_clauses(json body, query& q, int depth, bool only_asked) {
  simdjson::dom::array list;
  if (!body["distinctClause"].get(list)) {
    q.distinct = true;  // whole rows, unless there is ON (...)
    for (json item : list) {
      simdjson::dom::object o;
      if (item.get(o) || o.size() == 0) continue;
      WEIR_ASSIGN(auto key, syntax_reader::read(item));
      q.distinct_on.push_back(std::move(key));
    }
  }
  if (!body["targetList"].get(list)) {
    for (json item : list) {
      WEIR_ASSIGN(auto t, read_target(item));
      q.targets.push_back(std::move(t));
    }
  } else if (only_asked) {
    // Rows without columns: a constant stands for them.
    auto& t = q.targets.emplace_back();
    t.location = t.value.location = q.location;
    t.value.kind = expr::syntax_kind::integer;
    t.value.text = "1";
  } else {
    return refuse("SELECT without columns", q.location);
  }
  if (!body["fromClause"].get(list))
    for (json item : list) {
      WEIR_ASSIGN(auto f, from(item, depth));
      q.from.push_back(std::move(f));
    }
  if (has_key(body, "whereClause")) {
    WEIR_ASSIGN(q.where, syntax_reader::read(body["whereClause"]));
  }
  if (!body["groupClause"].get(list)) {
    bool several = false;
    std::vector<std::vector<uint32_t>> sets{{}};
    for (json item : list) {
      several |= has_key(item, "GroupingSet");
      WEIR_ASSIGN(const auto choices, groupings(item, q, depth));
      std::vector<std::vector<uint32_t>> all;
      for (const auto& before : sets)
        for (const auto& choice : choices) {
          all.push_back(before);
          all.back().insert(all.back().end(), choice.begin(), choice.end());
        }
      sets = std::move(all);
      if (sets.size() > grouping_sets_max)
        return refuse(
            "GROUP BY with more than " + std::to_string(grouping_sets_max) + " grouping sets",
            place_of(item));
    }
    if (has_key(body, "groupDistinct")) sets = distinct_sets(sets, q.group_by);
    q.whole = several && sets.size() == 1 && sets[0].empty() && q.group_by.empty();
    if (several && !q.whole) q.grouping_sets = std::move(sets);
  }
  if (!body["windowClause"].get(list))
    for (json item : list) {
      WEIR_ASSIGN(auto w, window(item["WindowDef"]));
      for (const auto& before : q.windows)
        if (before.name == w.name)
          return error_at(errc::already_exists,
                          "window " + in_quotes(w.name) + " is already defined", sql(), w.location);
      q.windows.push_back(std::move(w));
    }
  if (has_key(body, "havingClause")) {
    WEIR_ASSIGN(q.having, syntax_reader::read(body["havingClause"]));
  }
  return {};
}

result<std::vector<std::vector<uint32_t>>> reader::groupings(json item, query& q, int depth) {
  using sets = std::vector<std::vector<uint32_t>>;
  if (depth > expr::nesting_max)
    return error_at(errc::unsupported, "GROUP BY nests too deeply", sql(), place_of(item));
  simdjson::dom::array list;
  if (has_key(item, "RowExpr")) {
    // (a, b): both together.
    sets out{{}};
    if (item["RowExpr"]["args"].get(list)) return out;
    for (json part : list) {
      WEIR_ASSIGN(auto inner, groupings(part, q, depth + 1));
      out[0].insert(out[0].end(), inner[0].begin(), inner[0].end());
    }
    return out;
  }
  if (!has_key(item, "GroupingSet")) {
    WEIR_ASSIGN(auto e, syntax_reader::read(item));
    q.group_by.push_back(std::move(e));
    return sets{{static_cast<uint32_t>(q.group_by.size() - 1)}};
  }
  const json set = item["GroupingSet"];
  const auto kind = text_at(set, "kind");
  std::vector<sets> parts;
  if (!set["content"].get(list))
    for (json part : list) {
      WEIR_ASSIGN(auto inner, groupings(part, q, depth + 1));
      parts.push_back(std::move(inner));
    }
  sets out;
  if (kind == "GROUPING_SET_SETS") {
    for (auto& p : parts) out.insert(out.end(), p.begin(), p.end());
    return out;
  }
  auto together = [&parts](auto chosen) {
    std::vector<uint32_t> one;
    for (size_t i = 0; i < parts.size(); ++i)
      if (chosen(i)) one.insert(one.end(), parts[i][0].begin(), parts[i][0].end());
    return one;
  };
  if (kind == "GROUPING_SET_ROLLUP") {
    for (size_t n = parts.size() + 1; n-- > 0;)
      out.push_back(together([n](size_t i) { return i < n; }));
  } else if (kind == "GROUPING_SET_CUBE") {
    if (parts.size() > 6) return refuse("CUBE of more than 6 parts", place_of(item));
    for (uint32_t m = 1u << parts.size(); m-- > 0;)
      out.push_back(together([m, n = parts.size()](size_t i) { return m >> (n - 1 - i) & 1; }));
  } else {
    out.push_back(together([](size_t) { return true; }));
  }
  return out;
}

status reader::limits(json body, query& q) {
  WEIR_ASSIGN(q.order_by, sort_items(body["sortClause"]));
  for (auto [key, into] : {std::pair{"limitCount", &q.limit}, {"limitOffset", &q.offset}}) {
    if (!has_key(body, key)) continue;
    WEIR_ASSIGN(*into, syntax_reader::read(body[key]));
    q.limit_location = (*into)->location;
  }
  q.with_ties = text_at(body, "limitOption") == "LIMIT_OPTION_WITH_TIES";
  return {};
}

status reader::with_clause(json body, query& q, int depth) {
  WEIR_TRY(only(body, {"ctes"}));
  simdjson::dom::array list;
  if (body["ctes"].get(list)) return {};
  for (json item : list) {
    const json c = item["CommonTableExpr"];
    WEIR_TRY(only(c, {"ctename", "aliascolnames", "ctematerialized", "ctequery"}));
    named_query n;
    n.called = {std::string(text_at(c, "ctename")), location_of(c)};
    for (const auto& before : q.with)
      if (before.called.text == n.called.text)
        return error_at(errc::already_exists,
                        "WITH query name \"" + n.called.text + "\" specified more than once", sql(),
                        n.called.location);
    if (has_key(c, "aliascolnames")) n.columns = names_of(c["aliascolnames"]);
    if (!has_key(c["ctequery"], "SelectStmt"))
      return refuse("a statement that changes data in WITH", n.called.location);
    WEIR_ASSIGN(n.body, select(c["ctequery"]["SelectStmt"], depth + 1));
    q.with.push_back(std::move(n));
  }
  return {};
}

status reader::alias(json body, from_item& f) {
  if (!has_key(body, "alias")) return {};
  f.alias = text_at(body["alias"], "aliasname");
  if (has_key(body["alias"], "colnames")) f.columns = names_of(body["alias"]["colnames"]);
  return {};
}

result<from_item> reader::from(json node, int depth) {
  from_item f;
  if (has_key(node, "RangeVar")) {
    const json body = node["RangeVar"];
    f.location = location_of(body);
    WEIR_ASSIGN(f.table, relation(body));
    WEIR_TRY(alias(body, f));
    return f;
  }
  if (has_key(node, "RangeSubselect")) {
    const json body = node["RangeSubselect"];
    f.what = from_item::kind::subquery;
    f.location = place_of(body);
    WEIR_TRY(only(body, {"subquery", "alias", "lateral"}));
    f.lateral = has_key(body, "lateral");
    WEIR_ASSIGN(f.inner, select(body["subquery"]["SelectStmt"], depth + 1));
    WEIR_TRY(alias(body, f));
    return f;
  }
  if (has_key(node, "RangeFunction")) return function_item(node["RangeFunction"]);
  if (has_key(node, "JoinExpr")) {
    const json body = node["JoinExpr"];
    return join(body, depth);
  }
  return refuse(has_key(node, "RangeTableSample") ? "TABLESAMPLE" : "this part of FROM",
                place_of(node));
}

namespace {

bool is_lateral(const from_item& f) {
  return f.lateral || f.what == from_item::kind::function ||
         std::any_of(f.sides.begin(), f.sides.end(), is_lateral);
}

/// (t JOIN u ON ...) AS j: (SELECT * FROM t JOIN u ON ...) AS j, whose tables nobody sees outside.
from_item whole(from_item join) {
  auto q = std::make_shared<query>();
  q->location = join.location;
  auto& t = q->targets.emplace_back();
  t.star = true;
  t.location = t.value.location = join.location;
  t.value.kind = expr::syntax_kind::column;
  from_item out;
  out.what = from_item::kind::subquery;
  out.location = join.location;
  out.lateral = is_lateral(join);
  q->from.push_back(std::move(join));
  out.inner = std::move(q);
  return out;
}

}  // namespace

result<from_item> reader::join(json body, int depth) {
  if (depth > expr::nesting_max)
    return error_at(errc::unsupported, "FROM nests too deeply", sql(), place_of(body));
  WEIR_TRY(only(body, {"jointype", "isNatural", "larg", "rarg", "usingClause", "quals", "rtindex",
                       "alias", "join_using_alias"}));
  from_item f;
  f.what = from_item::kind::join;
  const auto type = text_at(body, "jointype");
  f.how = type == "JOIN_LEFT"    ? join_kind::left
          : type == "JOIN_RIGHT" ? join_kind::right
          : type == "JOIN_FULL"  ? join_kind::full
                                 : join_kind::inner;
  WEIR_ASSIGN(auto left, from(body["larg"], depth + 1));
  WEIR_ASSIGN(auto right, from(body["rarg"], depth + 1));
  f.location = right.location;
  f.sides.push_back(std::move(left));
  f.sides.push_back(std::move(right));
  f.natural = has_key(body, "isNatural");
  if (has_key(body, "usingClause"))
    for (auto& column : names_of(body["usingClause"]))
      f.using_columns.push_back({std::move(column), f.location});
  if (has_key(body, "quals")) {
    WEIR_ASSIGN(f.on, syntax_reader::read(body["quals"]));
  }
  if (has_key(body, "join_using_alias"))
    f.using_alias = text_at(body["join_using_alias"], "aliasname");
  if (!has_key(body, "alias")) return f;
  from_item out = whole(std::move(f));
  WEIR_TRY(alias(body, out));
  return out;
}

result<from_item> reader::function_item(json body) {
  from_item f;
  f.what = from_item::kind::function;
  f.location = place_of(body);
  WEIR_TRY(only(body, {"functions", "alias", "lateral", "ordinality", "is_rowsfrom"}));
  f.ordinality = has_key(body, "ordinality");
  simdjson::dom::array functions;
  if (body["functions"].get(functions)) return refuse("this call in FROM", f.location);
  std::vector<syntax> calls;
  for (json item : functions) {
    const json call = item["List"]["items"].at(0);
    if (!has_key(call, "FuncCall")) return refuse("this call in FROM", f.location);
    simdjson::dom::array definitions;
    if (!item["List"]["items"].at(1)["List"]["items"].get(definitions))
      return refuse("a list of column definitions", f.location);
    // TUMBLE(t, ...): the table's name reads as a column.
    WEIR_ASSIGN(auto s, syntax_reader::read(call));
    if (functions.size() > 1 && (!is_table_function(s.name) || is_window_function(s.name)))
      return refuse(s.name + "() in ROWS FROM", f.location);
    calls.push_back(std::move(s));
  }
  if (calls.size() > 1) {
    f.call.kind = expr::syntax_kind::function;
    f.call.name = rows_from;
    f.call.location = calls[0].location;
    f.alias = calls[0].name;
    f.call.args = std::move(calls);
  } else {
    f.call = std::move(calls.at(0));
  }
  WEIR_TRY(alias(body, f));
  return f;
}

result<target> reader::read_target(json node) {
  const json body = node["ResTarget"];
  WEIR_TRY(only(body, {"name", "val"}));
  target t;
  t.location = location_of(body);
  t.alias = text_at(body, "name");
  const json value = body["val"];
  simdjson::dom::array fields;
  if (has_key(value, "ColumnRef") && !value["ColumnRef"]["fields"].get(fields) &&
      has_key(fields.at(fields.size() - 1), "A_Star")) {
    t.star = true;
    t.value.kind = expr::syntax_kind::column;
    t.value.location = t.location;
    if (fields.size() > 2) return refuse("a qualified table", t.location);
    if (fields.size() == 2) t.value.qualifier = text_at(fields.at(0)["String"], "sval");
    return t;
  }
  WEIR_ASSIGN(t.value, syntax_reader::read(value));
  return t;
}

result<std::vector<syntax>> reader::expressions(json_list list) {
  std::vector<syntax> out;
  simdjson::dom::array items;
  if (list.get(items)) return out;
  for (json item : items) {
    WEIR_ASSIGN(auto e, syntax_reader::read(item));
    out.push_back(std::move(e));
  }
  return out;
}

}  // namespace weir::sql
