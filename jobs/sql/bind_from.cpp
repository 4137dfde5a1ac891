// FROM: tables, views, subqueries, functions that give rows. Windows are in bind_window.cpp.
#include <algorithm>
#include <array>

#include "jobs/plan/joins.hpp"
#include "jobs/sql/nodes.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/subquery_syntax.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::sql {

namespace {

/// Functions that give several rows per row, by what flat_map calls them.
struct row_function {
  std::string_view name, function;
  size_t arguments;         // 0: those of the scalar function of this name, whose array is unnested
  std::string_view column;  // what PostgreSQL calls its column; empty: as the function
};
constexpr std::string_view regexp_rows = "regexp_split_to_table";
/// Its rows are arrays, which an array cannot hold: they are the one field of its items.
constexpr std::string_view regexp_arrays = "regexp_matches";
constexpr std::array row_functions = {
    row_function{"string_to_table", "split", 2, ""},
    row_function{"words", "words", 1, ""},
    row_function{"lines", "lines", 1, ""},
    row_function{"unnest", "unnest", 1, ""},
    row_function{"generate_series", "unnest", 0, ""},
    row_function{regexp_rows, "unnest", 0, ""},
    row_function{rows_from, "unnest", 0, ""},
    row_function{regexp_arrays, "unnest", 0, ""},
    row_function{"json_array_elements", "unnest", 1, "value"},
    row_function{"jsonb_array_elements", "unnest", 1, "value"},
    row_function{"json_array_elements_text", "unnest", 0, "value"},
    row_function{"jsonb_array_elements_text", "unnest", 0, "value"},
    row_function{"json_object_keys", "unnest", 0, ""},
    row_function{"jsonb_object_keys", "unnest", 0, ""},
    row_function{"json_each", "unnest", 0, ""},
    row_function{"jsonb_each", "unnest", 0, ""},
    row_function{"json_each_text", "unnest", 0, ""},
    row_function{"jsonb_each_text", "unnest", 0, ""},
};
/// The scalar function whose array has the rows of a function; empty: there is none.
std::string array_of(std::string_view name) {
  if (name == "string_to_table") return "string_to_array";
  if (name == regexp_rows) return "regexp_split_to_array";
  if (name == "words" || name == "lines" || name == regexp_arrays) return {};
  return std::string(name);
}
const row_function* find_row_function(std::string_view name) {
  for (const auto& f : row_functions)
    if (f.name == name) return &f;
  return nullptr;
}

}  // namespace

uint32_t blamed(const definition& d, const std::string& message, uint32_t otherwise) {
  // Which side of a job it cannot be on is the statement's mistake.
  const bool of_connector =
      message.find(" cannot be used as a ") == std::string::npos &&
      (message.rfind("connector ", 0) == 0 || message.rfind("there is no connector ", 0) == 0);
  uint32_t connector = otherwise;
  for (const auto& o : d.options) {
    const auto& name = o.called.text;
    if (message.rfind("option " + name + ' ', 0) == 0 ||
        message.rfind("option " + name + ':', 0) == 0 ||
        message.find("has no option " + name) != std::string::npos ||
        message.rfind(name + " of table ", 0) == 0)
      return o.called.location;
    if (of_connector && name == "connector") connector = o.called.location;
  }
  return connector;
}

std::vector<std::string> row_function_names() {
  std::vector<std::string> out;
  for (const auto& f : row_functions)
    if (f.name != rows_from) out.emplace_back(f.name);
  return out;
}

bool is_table_function(std::string_view name) {
  return is_window_function(name) || find_row_function(name);
}

/// A join of FROM that reads the query outside has rows for each of its values, as what stands
/// before the comma has; they pair where these are the same.
std::optional<rows> query_binder::join_seeds(rows left, rows right, const rows& seed,
                                             const context& c, uint32_t location) {
  const auto l = types_of(left.from), r = types_of(right.from);
  const auto lefts = static_cast<uint32_t>(l.size());
  auto place = [](const rows& in, const column_name& of) {
    return std::find_if(in.columns.begin(), in.columns.end(), [&of](const column_name& k) {
      return k.outer && k.levels == of.levels && k.table == of.table && k.name == of.name;
    });
  };
  std::vector<expr::node_ptr> all;
  for (const auto& k : seed.columns) {
    const auto a = place(left, k), b = place(right, k);
    weir_assert(a != left.columns.end() && b != right.columns.end(), "a join lost what it reads");
    all.push_back(same(planner::column_ref(l, a->index),
                       make_column(r.fields[b->index].type, lefts + b->index), true));
  }
  auto columns = left.columns;
  for (auto k : right.columns) {
    if (k.outer) continue;
    k.index += lefts;
    columns.push_back(std::move(k));
  }
  for (auto& k : columns) k.literal.reset();
  auto out = combine(std::move(left), std::move(right), join_kind::inner,
                     planner::join_and(std::move(all)), c, location);
  if (out) out->columns = std::move(columns);
  return out;
}

namespace {

/// The query whose joins that read the query around it are no longer behind a comma, as far as they
/// can be moved; null: there are none.
query_ptr with_joins_first(const query& q, const std::set<std::string>& titles, const rows& outer) {
  std::shared_ptr<query> out;
  for (size_t i = 1; i < (out ? out->from : q.from).size(); ++i) {
    const auto& f = (out ? out->from : q.from)[i];
    if (f.what != from_item::kind::join || read_by(f, titles, outer).empty()) continue;
    auto copy = std::make_shared<query>(out ? *out : q);
    if (!join_behind_comma(copy->from, i)) continue;
    out = std::move(copy);
    i = 0;
  }
  return out;
}

}  // namespace

std::optional<rows> query_binder::from(const query& q, const context& c) {
  const auto around = c.outer ? read_by_from(q, *c.outer) : std::vector<const column_name*>();
  if (around.empty()) return items(q, {}, false, c);
  std::set<std::string> titles;
  for (const auto& f : q.from) collect_titles(f, titles);
  if (const auto joined = with_joins_first(q, titles, *c.outer)) return from(*joined, c);
  const auto seed = outer_values(around, c, q.location);
  if (!seed) return {};
  auto with = c;
  with.seed = &*seed;
  // What a join asks of them must find them below it.
  const auto& first = q.from[0];
  const auto* leftmost = &first;
  while (leftmost->what == from_item::kind::join) leftmost = &leftmost->sides[0];
  const bool inside = first.what == from_item::kind::join &&
                      (is_row_function(*leftmost) || !read_by(first, titles, *c.outer).empty());
  return items(q, inside ? std::nullopt : seed, inside, with);
}

/// What FROM lists, joined to `out`, if any. `inside`: the first is a join that takes the seed.
std::optional<rows> query_binder::items(const query& q, std::optional<rows> out, bool inside,
                                        const context& given) {
  std::set<std::string> titles, all_titles;
  for (const auto& f : q.from) collect_titles(f, all_titles);
  for (const auto& f : q.from) {
    if (!unique_titles(f, titles)) return {};
    auto c = given;
    const bool is_join = f.what == from_item::kind::join && !(inside && &f == &q.from[0]);
    const bool seeded = is_join && out && c.seed && !read_by(f, all_titles, *c.outer).empty();
    if (is_join && !seeded) c.seed = nullptr;
    if (seeded) {
      auto right = item(f, c);
      if (!right) return {};
      out = join_seeds(std::move(*out), std::move(*right), *c.seed, c, f.location);
    } else if (is_row_function(f)) {
      auto in = out ? std::move(out) : generated(1, f.location);
      if (!in) return {};
      out = flat_map(std::move(*in), f, c, false);
    } else if (auto joined = out ? as_of(f, *out, join_kind::inner, c) : std::nullopt) {
      out = std::move(joined);
    } else if (!out) {
      out = item(f, c);
    } else {
      const auto why = std::exchange(not_as_of_, {});
      auto right = item(f, c, &*out);
      if (!right) return {};
      out = lateral(std::move(*out), std::move(*right), join_kind::inner, nullptr, c, f.location);
      tell_why(out, why);
    }
    if (!out) return {};
  }
  return out ? out : generated(1, q.location);
}

bool query_binder::unique_titles(const from_item& f, std::set<std::string>& titles) {
  if (f.what == from_item::kind::join)
    return unique_titles(f.sides[0], titles) && unique_titles(f.sides[1], titles);
  const auto& title = !f.alias.empty()                      ? f.alias
                      : f.what == from_item::kind::function ? f.call.name
                                                            : f.table.text;
  // A subquery need not have a name.
  return title.empty() || titles.insert(title).second ||
         report(errc::already_exists, "table name \"" + title + "\" specified more than once",
                f.location);
}

bool query_binder::is_row_function(const from_item& f) {
  return f.what == from_item::kind::function && find_row_function(f.call.name);
}

/// `left`: what stands before it, for LATERAL; the result says which rows of it belong to which.
std::optional<rows> query_binder::item(const from_item& f, const context& c, const rows* left) {
  if (f.what == from_item::kind::join) return join(f, c);
  std::optional<rows> r;
  std::string title = f.alias;
  if (f.what == from_item::kind::table) {
    r = relation(f.table, c);
    if (title.empty()) title = f.table.text;
  } else if (f.what == from_item::kind::subquery) {
    context inner = c;
    inner.id = c.id.empty() ? c.id : c.id + '/' + f.alias;
    inner.wanted = nullptr;
    inner.titles = &f.columns;
    inner.seed = nullptr;
    inner.outer = f.lateral ? left : nullptr;
    // The query around this one may be read without LATERAL; what stands beside it not.
    if (!f.lateral && c.seed && !read_by(f, {}, *c.seed).empty()) inner.outer = c.seed;
    r = bind(*f.inner, inner);
    if (r && f.all_named && r->columns.size() != f.columns.size()) {
      report(errc::type_mismatch, "subquery must return only one column", f.location);
      return {};
    }
  } else if (is_window_function(f.call.name)) {
    r = window(f, c);
    if (title.empty()) title = f.call.name;
  } else {
    auto names = window_functions();
    for (auto& name : row_function_names()) names.push_back(std::move(name));
    report(errc::unknown_name,
           f.call.name + "() is not a function for FROM" + nearest_hint(f.call.name, names) +
               " (there are TUMBLE, HOP, CUMULATE, SESSION, string_to_table, words, lines, "
               "unnest, generate_series, regexp_split_to_table, regexp_matches, "
               "json_array_elements, json_array_elements_text, json_object_keys, json_each, "
               "json_each_text)",
           f.call.location);
    return {};
  }
  if (!r || !rename(*r, f.columns, title, f.location)) return {};
  for (auto& column : r->columns) column.table = title;
  return r;
}

std::optional<rows> query_binder::relation(const name& n, const context& c) {
  for (const auto* e = c.with; e; e = e->outer)
    if (auto it = e->names.find(n.text); it != e->names.end()) return it->second;
  auto it = definitions.find(n.text);
  if (it == definitions.end()) {
    if (unreadable.count(n.text)) return {};
    std::vector<std::string> names;
    for (const auto* e = c.with; e; e = e->outer)
      for (const auto& [text, r] : e->names) names.push_back(text);
    for (const auto& [text, d] : definitions) names.push_back(text);
    report(errc::unknown_name,
           "relation \"" + n.text + "\" does not exist" + nearest_hint(n.text, names) +
               (names.empty() ? "; define it with CREATE TABLE before this statement" : ""),
           n.location);
    return {};
  }
  auto& d = it->second;
  d.used = true;
  if (d.broken) return {};
  if (!d.is_table) return view(d, c);
  auto source = builder_.source(d.table);
  if (!source) {
    const auto& m = source.err().message;
    report(source.err().code, m, blamed(d, m, n.location));
    d.broken = true;
    return {};
  }
  // In the order of CREATE TABLE, which * keeps; the source has generated columns last.
  rows out{*source, {}};
  const auto& types = types_of(*source);
  for (size_t i = 0; i < d.table.columns.size(); ++i) {
    column_name k;
    k.name = d.table.columns[i].name;
    k.index = *types.find(k.name);
    k.zoned = i < d.zoned.size() && d.zoned[i];
    out.columns.push_back(std::move(k));
  }
  if (d.constraints.empty()) return out;
  std::vector<uint32_t> columns;
  for (const auto& k : out.columns) columns.push_back(k.index);
  auto checked = constrained(out.from, columns, d, {}, n.location);
  if (!checked) return {};
  out.from = *checked;
  return out;
}

std::optional<planner::relation> query_binder::constrained(planner::relation from,
                                                           const std::vector<uint32_t>& columns,
                                                           const definition& d,
                                                           planner::step_options o,
                                                           uint32_t location) {
  std::vector<expr::node_ptr> all;
  for (const auto& must : d.constraints) all.push_back(expr::remap_columns(must, columns));
  auto condition = planner::join_and(std::move(all));
  o.what = expr::to_sql(*condition, types_of(from));
  auto made = builder_.filter(from, std::move(condition), std::move(o));
  if (!made) return report(made.err().code, made.err().message, location), std::nullopt;
  return *made;
}

std::optional<rows> query_binder::view(definition& d, const context& c) {
  auto known = d.bound.find(c.final_rows);
  if (known != d.bound.end()) return known->second;
  context inner;
  inner.final_rows = c.final_rows;
  inner.id = d.called.text + (c.final_rows ? "/final" : "");
  inner.titles = &d.columns;
  auto r = bind(*d.body, inner);
  if (r && !rename(*r, d.columns, d.called.text, d.called.location)) r.reset();
  d.broken = !r;
  d.bound[c.final_rows] = r;
  return r;
}

std::optional<rows> query_binder::flat_map(rows in, const from_item& f, const context& c,
                                           bool outer) {
  if (f.call.name == rows_from || (f.call.name == "unnest" && f.call.args.size() > 1))
    return zipped(std::move(in), f, c, outer);
  const auto& s = f.call;
  const auto& known = *find_row_function(s.name);
  const auto& types = types_of(in.from);
  if ((known.arguments && s.args.size() != known.arguments) || !s.is_plain_call()) {
    report(errc::parse,
           s.name + " takes " + (known.arguments == 1 ? "one argument" : "a text and a delimiter"),
           s.location);
    return {};
  }
  select_scope names(in, types, "FROM");
  expr::binder b(script_.text(), names);
  planner::flat_map_def def;
  def.function = known.function;
  // A scope refuses calls that give rows; this one's array is a scalar.
  auto call = known.arguments == 0 ? s : s.args[0];
  if (s.name == regexp_rows) call.name = "regexp_split_to_array";
  names.allow_series(known.arguments == 0 ? &call : nullptr);
  auto argument = b.bind(call);
  if (!argument) return report(argument.err(), s.location), std::nullopt;
  def.argument = b.settle(std::move(*argument)).n;
  if (known.arguments == 2) {
    if (s.args[1].kind != expr::syntax_kind::text || s.args[1].text.empty()) {
      report(errc::unsupported, "the delimiter must be a text literal that is not empty",
             s.args[1].location);
      return {};
    }
    def.delimiter = s.args[1].text;
  }
  std::vector<std::string> titles;
  if (s.name == regexp_arrays) titles.push_back(f.alias.empty() ? s.name : f.alias);
  return elements(std::move(in), std::move(def), f, std::move(titles), c, outer);
}

/// Functions side by side: the first rows of all are one row, then the second ones; those that have
/// no more give NULL.
std::optional<rows> query_binder::zipped(rows in, const from_item& f, const context& c,
                                         bool outer) {
  auto calls = f.call.name == rows_from ? f.call.args : std::vector<syntax>{f.call};
  for (size_t i = 0; i < calls.size(); ++i)
    while (calls[i].name == "unnest" && calls[i].args.size() > 1) {
      auto next = calls[i];
      next.args.erase(next.args.begin());
      calls[i].args.resize(1);
      calls.insert(calls.begin() + static_cast<ptrdiff_t>(++i), std::move(next));
    }
  const auto& types = types_of(in.from);
  std::vector<expr::node_ptr> arrays;
  std::vector<std::string> titles;
  data_type row(type_id::struct_);
  auto fields = std::make_shared<std::vector<field>>();
  for (auto s : calls) {
    titles.push_back(s.name);
    select_scope names(in, types, "FROM");
    expr::binder b(script_.text(), names);
    if (array_of(s.name).empty()) {
      report(errc::unsupported,
             s.name + "() beside another function that gives rows is not supported", s.location);
      return {};
    }
    s.name = array_of(s.name);
    if (s.name == "unnest" && s.args.size() == 1 && s.is_plain_call())
      s = syntax(s.args[0]);
    else
      names.allow_series(&s);
    auto array = b.bind(s);
    if (!array) return report(array.err(), s.location), std::nullopt;
    if (array->unknown || array->n->type.id != type_id::list) {
      report(errc::type_mismatch, "function unnest(" + expr::name_of(*array) + ") does not exist",
             s.location);
      return {};
    }
    const auto& item = array->n->type.fields->front().type;
    if (item.id == type_id::struct_ && !f.whole) {
      report(errc::unsupported,
             "unnest() of composite values beside another function that gives rows in FROM is not "
             "supported; write each by itself",
             s.location);
      return {};
    }
    fields->push_back({"f" + std::to_string(fields->size() + 1), item, true});
    arrays.push_back(std::move(array->n));
  }
  row.fields = std::move(fields);
  planner::flat_map_def def;
  def.function = "unnest";
  def.argument = make_call("@zip", expr::list_of(std::move(row)), std::move(arrays));
  return elements(std::move(in), std::move(def), f, std::move(titles), c, outer);
}

/// The rows of `def` as FROM names them. `titles`: of functions side by side.
std::optional<rows> query_binder::elements(rows in, planner::flat_map_def def, const from_item& f,
                                           std::vector<std::string> titles, const context& c,
                                           bool outer) {
  const auto& s = f.call;
  const auto& known = *find_row_function(s.name);
  const auto& types = types_of(in.from);
  def.outer = outer;
  def.ordinality = f.ordinality;
  const auto& from = def.argument->type;
  const data_type item = from.id == type_id::list ? from.fields->front().type : data_type();
  // A column for each field.
  const bool expand = !titles.empty() || (item.id == type_id::struct_ && !f.whole);
  // The columns that it gives, as they are called.
  column_name made;
  made.table = f.alias.empty() ? s.name : f.alias;
  if (titles.empty() && expand)
    for (const auto& field : *item.fields) titles.push_back(field.name);
  else if (!expand)
    titles.push_back(!known.column.empty() ? std::string(known.column) : made.table);
  if (f.ordinality) titles.emplace_back("ordinality");
  if (f.columns.size() > titles.size()) {
    report(errc::invalid_argument,
           (s.name == rows_from ? "ROWS FROM" : s.name + "()") + " gives " +
               (titles.size() == 1 ? "one column" : std::to_string(titles.size()) + " columns") +
               ", but " + std::to_string(f.columns.size()) + " are named",
           f.location);
    return {};
  }
  std::copy(f.columns.begin(), f.columns.end(), titles.begin());
  made.name = titles[0];
  made.hidden = f.unlisted;
  made.row = !expand;
  std::set<std::string> taken;
  for (const auto& field : types.fields) taken.insert(field.name);
  def.output_name = unique_name(made.name, taken);
  auto o = part(c, "rows");
  o.what = s.name + ' ' + expr::to_sql(*def.argument, types) + ' ' + def.delimiter;
  if (outer) o.what += " outer";
  if (f.ordinality) o.what += " ordinality";
  made.index = static_cast<uint32_t>(types.size());
  auto columns = std::move(in.columns);
  const bool whole = !expand && !f.ordinality;
  if (whole) columns.push_back(made);
  auto out = take(builder_.flat_map(in.from, std::move(def), std::move(o)), std::move(columns),
                  s.location);
  if (!out || whole) return out;
  // The element and its number, or its fields, out of the one column.
  const auto all = types_of(out->from);
  std::vector<bound_target> targets;
  for (uint32_t i = 0; i < made.index; ++i)
    targets.push_back(plain_target(planner::column_ref(all, i), all.fields[i].name));
  auto part_of = [](const expr::node_ptr& value, size_t k) {
    return make_call(
        ".", (*value->type.fields)[k].type,
        {value, make_literal(scalar::of_int(type_id::int32, static_cast<int64_t>(k)))});
  };
  const auto element = planner::column_ref(all, made.index);
  const auto value = f.ordinality ? part_of(element, 0) : element;
  std::vector<expr::node_ptr> values;
  if (expand)
    for (size_t k = 0; k < item.fields->size(); ++k) values.push_back(part_of(value, k));
  else
    values.push_back(value);
  if (f.ordinality) values.push_back(part_of(element, 1));
  columns = std::move(out->columns);
  taken.clear();
  for (uint32_t i = 0; i < made.index; ++i) taken.insert(all.fields[i].name);
  for (size_t i = 0; i < values.size(); ++i) {
    auto column = made;
    column.name = titles[i];
    column.row = made.row && i == 0;
    column.index = static_cast<uint32_t>(targets.size());
    targets.push_back(plain_target(values[i], unique_name(titles[i], taken)));
    columns.push_back(std::move(column));
  }
  auto parts = project(out->from, std::move(targets), part(c, "elements"));
  if (!parts) return {};
  return rows{parts->from, std::move(columns)};
}

/// `count` rows without columns that SQL could name: 1 ... count in column 0.
std::optional<rows> query_binder::generated(uint64_t count, uint32_t location) {
  planner::table_def t;
  t.name = count == 1 ? "(1 row)" : '(' + std::to_string(count) + " rows)";
  t.columns = {{"n", type_id::int64}};
  t.options = {{"connector", "sequence"}, {"start", "1"}, {"end", std::to_string(count)}};
  auto out = take(builder_.source(t), {}, location);
  if (out) out->single = count == 1;
  return out;
}

bool query_binder::rename(rows& r, const std::vector<std::string>& names, const std::string& of,
                          uint32_t location) {
  if (names.size() > r.columns.size())
    return report(errc::invalid_argument,
                  "\"" + of + "\" has " + std::to_string(r.columns.size()) +
                      " columns available but " + std::to_string(names.size()) +
                      " columns specified",
                  location);
  for (size_t i = 0; i < names.size(); ++i) r.columns[i].name = names[i];
  return true;
}

std::optional<rows> query_binder::take(result<planner::relation> r, std::vector<column_name> c,
                                       uint32_t location) {
  if (!r) return report(r.err().code, r.err().message, location), std::nullopt;
  if (location) locations.try_emplace(r->node, location);
  return rows{*r, std::move(c)};
}

}  // namespace weir::sql
