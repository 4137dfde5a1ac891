#include "runtime/expr/syntax_reader.hpp"

#include <algorithm>

namespace weir::expr {

std::string_view text_at(json_node e, std::string_view key) {
  std::string_view s;
  if (e[key].get(s)) return {};
  return s;
}
bool has_key(json_node e, std::string_view key) {
  return e[key].error() == simdjson::SUCCESS;
}

result<syntax> syntax_reader::read(json_node e, int depth) {
  if (depth > nesting_max)
    return error_at(errc::unsupported, "the expression nests too deeply", sql_, 0);
  simdjson::dom::object o;
  if (e.get(o) || o.begin() == o.end()) return refuse("this form", 0);
  auto field = *o.begin();
  std::string_view kind = field.key;
  json_node body = field.value;
  syntax s;
  s.location = location_of(body);
  if (kind == "ColumnRef") return column(body, std::move(s));
  if (kind == "A_Const") return constant(body, std::move(s));
  if (kind == "A_Expr") return a_expr(body, std::move(s), depth);
  if (kind == "TypeCast") return type_cast(body, std::move(s), depth);
  if (kind == "FuncCall") return function(body, std::move(s), depth);
  if (kind == "CaseExpr") return case_expr(body, std::move(s), depth);
  if (kind == "BoolExpr") {
    auto op = text_at(body, "boolop");
    s.name = op == "AND_EXPR" ? "and" : op == "OR_EXPR" ? "or" : "not";
    return special(body, std::move(s), depth);
  }
  if (kind == "NullTest") {
    s.name = "is null";
    s.negated = text_at(body, "nulltesttype") == "IS_NOT_NULL";
    return special(body, std::move(s), depth);
  }
  if (kind == "BooleanTest") {
    auto t = text_at(body, "booltesttype");
    s.negated = t.substr(0, 7) == "IS_NOT_";
    auto what = t.substr(s.negated ? 7 : 3);
    s.name = what == "TRUE" ? "is true" : what == "FALSE" ? "is false" : "is null";
    return special(body, std::move(s), depth);
  }
  if (kind == "CoalesceExpr") {
    s.name = "coalesce";
    return special(body, std::move(s), depth);
  }
  if (kind == "MinMaxExpr") {
    s.name = text_at(body, "op") == "IS_GREATEST" ? "greatest" : "least";
    return special(body, std::move(s), depth);
  }
  if (kind == "CollateClause") return refuse("COLLATE (text compares by its bytes)", s.location);
  if (kind == "SQLValueFunction") {
    s.kind = syntax_kind::function;
    auto op = text_at(body, "op");
    for (char c : op.substr(op.find('_') + 1)) s.name += static_cast<char>(tolower(c));
    return s;
  }
  if (kind == "SubLink") return subquery(body, std::move(s), depth);
  if (kind == "GroupingFunc") {
    s.kind = syntax_kind::function;
    s.name = "grouping";
    simdjson::dom::array args;
    if (!body["args"].get(args))
      for (json_node a : args) {
        WEIR_ASSIGN(auto argument, read(a, depth + 1));
        s.args.push_back(std::move(argument));
      }
    return s;
  }
  if (kind == "RowExpr" || kind == "A_ArrayExpr") {
    s.kind = syntax_kind::special;
    s.name = kind == "RowExpr" ? "row" : "array";
    const auto* parts = kind == "RowExpr" ? "args" : "elements";
    if (has_key(body, parts)) WEIR_TRY(read_args(body[parts], s, depth));
    return s;
  }
  if (kind == "SetToDefault") {
    s.kind = syntax_kind::special;
    s.name = "default";
    return s;
  }
  if (kind == "ParamRef") return refuse("a parameter ($n)", s.location);
  if (kind == "A_Indirection") return indirection(body, depth);
  if (kind == "NamedArgExpr")
    return error_at(errc::unsupported,
                    "an argument by name (name => value) is not supported; give the function's "
                    "arguments in their order",
                    sql_, s.location);
  return refuse(kind, s.location);
}

error syntax_reader::refuse(std::string_view what, uint32_t location) const {
  return error_at(errc::unsupported, std::string(what) + " is not supported in a scalar expression",
                  sql_, location);
}
uint32_t syntax_reader::location_of(json_node body) const {
  int64_t v = 0;
  if (body["location"].get(v) || v < 0) v = 0;
  const auto at = std::max<int64_t>(0, v + shift_);
  return static_cast<uint32_t>(std::min(static_cast<size_t>(at), sql_.size()));
}

result<syntax> syntax_reader::column(json_node body, syntax s) {
  s.kind = syntax_kind::column;
  simdjson::dom::array fields;
  if (body["fields"].get(fields)) return refuse("this column reference", s.location);
  for (json_node f : fields) {
    if (has_key(f, "A_Star")) return refuse("*", s.location);
    if (!s.name.empty()) s.qualifier += (s.qualifier.empty() ? "" : ".") + s.name;
    s.name = text_at(f["String"], "sval");
  }
  return s;
}

// The JSON of this libpg_query leaves out integers that are zero or negative: those are read from
// the text, where a folded minus sign may stand apart from its digits.
std::string syntax_reader::integer_at(uint32_t location) const {
  bool negative = false;
  size_t i = location;
  for (; i < sql_.size() && !isdigit(static_cast<unsigned char>(sql_[i])); ++i)
    if (sql_[i] == '-') negative = !negative;
  std::string digits(negative ? "-" : "");
  for (; i < sql_.size() && isdigit(static_cast<unsigned char>(sql_[i])); ++i) digits += sql_[i];
  return digits;
}

result<syntax> syntax_reader::constant(json_node body, syntax s) {
  if (has_key(body, "isnull")) return s;
  if (has_key(body, "ival")) {
    s.kind = syntax_kind::integer;
    int64_t v = 0;
    s.text = body["ival"]["ival"].get(v) ? integer_at(s.location) : std::to_string(v);
    return s;
  }
  if (has_key(body, "fval")) {
    s.kind = syntax_kind::number;
    s.text = text_at(body["fval"], "fval");
    return s;
  }
  if (has_key(body, "boolval")) {
    s.kind = syntax_kind::boolean;
    s.text = has_key(body["boolval"], "boolval") ? "true" : "false";
    return s;
  }
  if (has_key(body, "sval")) {
    s.kind = syntax_kind::text;
    s.text = text_at(body["sval"], "sval");
    return s;
  }
  return refuse("a bit string", s.location);
}

status syntax_reader::read_args(json_list list, syntax& s, int depth) {
  simdjson::dom::array items;
  if (list.get(items)) return {};
  for (json_node item : items) {
    WEIR_ASSIGN(auto a, read(item, depth + 1));
    s.args.push_back(std::move(a));
  }
  return {};
}

// Expressions with `arg` or `args`.
result<syntax> syntax_reader::special(json_node body, syntax s, int depth) {
  s.kind = syntax_kind::special;
  if (has_key(body, "args")) WEIR_TRY(read_args(body["args"], s, depth));
  if (has_key(body, "arg")) {
    WEIR_ASSIGN(auto a, read(body["arg"], depth + 1));
    s.args.push_back(std::move(a));
  }
  return s;
}

/// a || b || c: what stands left of an operator is another one. Their chain is read in a loop, not
/// by a call per operator.
result<syntax> syntax_reader::a_expr(json_node body, syntax s, int depth) {
  auto is_operator = [](json_node n) {
    return text_at(n, "kind") == "AEXPR_OP" && has_key(n, "lexpr") && has_key(n, "rexpr");
  };
  std::vector<json_node> chain;
  for (json_node n = body; is_operator(n);) {
    chain.push_back(n);
    if (!has_key(n["lexpr"], "A_Expr")) break;
    n = n["lexpr"]["A_Expr"];
  }
  if (chain.size() > operators_max)
    return error_at(
        errc::unsupported,
        "more than " + std::to_string(operators_max) + " operators in a row are not supported",
        sql_, s.location);
  std::optional<syntax> left;
  while (chain.size() > 1) {
    syntax one;
    one.location = location_of(chain.back());
    WEIR_ASSIGN(left, operation(chain.back(), std::move(one), depth, std::move(left)));
    chain.pop_back();
  }
  return operation(body, std::move(s), depth, std::move(left));
}

/// `left`: what stands left, where it is read already.
result<syntax> syntax_reader::operation(json_node body, syntax s, int depth,
                                        std::optional<syntax> left) {
  simdjson::dom::array names;
  if (body["name"].get(names)) return refuse("this operator", s.location);
  for (json_node n : names) s.name = text_at(n["String"], "sval");
  auto kind = text_at(body, "kind");
  if (left) {
    s.args.push_back(std::move(*left));
  } else if (has_key(body, "lexpr")) {
    WEIR_ASSIGN(auto a, read(body["lexpr"], depth + 1));
    s.args.push_back(std::move(a));
  }
  if (kind == "AEXPR_OP" && has_key(body, "rexpr") && !s.args.empty() &&
      s.args[0].kind == syntax_kind::special && s.args[0].name == "row" &&
      has_key(body["rexpr"], "SubLink") &&
      text_at(body["rexpr"]["SubLink"], "subLinkType") == "EXPR_SUBLINK") {
    s.kind = syntax_kind::subquery;
    s.text = std::exchange(s.name, "ROW");
    WEIR_ASSIGN(s.query,
                read_query(body["rexpr"]["SubLink"]["subselect"], body, s.location, false));
    return s;
  }
  if (has_key(body, "rexpr")) {
    if (has_key(body["rexpr"], "List")) {
      WEIR_TRY(read_args(body["rexpr"]["List"]["items"], s, depth));
    } else if (kind == "AEXPR_OP_ANY" || kind == "AEXPR_OP_ALL") {
      return any_all(body, std::move(s), kind == "AEXPR_OP_ANY", depth);
    } else {
      WEIR_ASSIGN(auto b, read(body["rexpr"], depth + 1));
      s.args.push_back(std::move(b));
    }
  }
  s.kind = syntax_kind::special;
  if (kind == "AEXPR_OP" || kind == "AEXPR_LIKE" || kind == "AEXPR_ILIKE" ||
      kind == "AEXPR_SIMILAR") {
    s.kind = syntax_kind::op;
    return s;
  }
  if (kind == "AEXPR_DISTINCT" || kind == "AEXPR_NOT_DISTINCT") {
    s.name = "is distinct";
    s.negated = kind == "AEXPR_NOT_DISTINCT";
    return s;
  }
  if (kind == "AEXPR_NULLIF") {
    s.name = "nullif";
    return s;
  }
  if (kind == "AEXPR_IN") {
    s.negated = s.name == "<>";
    s.name = "in";
    return s;
  }
  if (kind.substr(0, 13) == "AEXPR_BETWEEN" || kind.substr(0, 17) == "AEXPR_NOT_BETWEEN") {
    s.negated = kind.substr(6, 4) == "NOT_";
    s.name = kind.substr(kind.size() - 4) == "_SYM" ? "between symmetric" : "between";
    return s;
  }
  return refuse(s.name, s.location);
}

// x = ANY (ARRAY[...]) is IN, x <> ALL (ARRAY[...]) is NOT IN, other operators are an OR or AND of
// their elements; other arrays are values.
result<syntax> syntax_reader::any_all(json_node body, syntax s, bool any, int depth) {
  s.kind = syntax_kind::special;
  if (!has_key(body["rexpr"], "A_ArrayExpr")) {
    WEIR_ASSIGN(auto array, read(body["rexpr"], depth + 1));
    s.args.push_back(std::move(array));
    s.text = std::move(s.name);
    s.name = any ? "any" : "all";
    return s;
  }
  syntax elements;
  if (has_key(body["rexpr"]["A_ArrayExpr"], "elements"))
    WEIR_TRY(read_args(body["rexpr"]["A_ArrayExpr"]["elements"], elements, depth));
  if (elements.args.empty()) return refuse("an empty ARRAY", s.location);
  if (s.name == (any ? "=" : "<>")) {
    for (auto& e : elements.args) s.args.push_back(std::move(e));
    s.name = "in";
    s.negated = !any;
    return s;
  }
  syntax all;
  all.kind = syntax_kind::special;
  all.location = s.location;
  all.name = any ? "or" : "and";
  for (auto& e : elements.args) {
    syntax one = s;
    one.kind = syntax_kind::op;
    one.args.push_back(std::move(e));
    all.args.push_back(std::move(one));
  }
  return all.args.size() == 1 ? std::move(all.args[0]) : std::move(all);
}

// a[1], a[1:2], (s).field, one after the other.
result<syntax> syntax_reader::indirection(json_node body, int depth) {
  WEIR_ASSIGN(auto value, read(body["arg"], depth + 1));
  simdjson::dom::array parts;
  if (body["indirection"].get(parts)) return value;
  bool indexed = false;
  for (json_node part : parts) {
    syntax s;
    s.kind = syntax_kind::special;
    s.location = begin_of(value);
    s.args.push_back(std::move(value));
    if (has_key(part, "String")) {
      s.name = "field";
      s.text = text_at(part["String"], "sval");
      indexed = false;
    } else if (has_key(part, "A_Indices")) {
      const json_node at = part["A_Indices"];
      if (std::exchange(indexed, true))
        return refuse("a subscript of a second dimension (arrays have one)", s.location);
      s.name = has_key(at, "is_slice") ? "slice" : "subscript";
      for (const auto* bound : {"lidx", "uidx"}) {
        syntax index;  // a slice's bound that is not written
        index.location = s.location;
        index.name = "open";
        if (has_key(at, bound)) {
          WEIR_ASSIGN(index, read(at[bound], depth + 1));
        } else if (s.name == "subscript") {
          continue;
        }
        s.args.push_back(std::move(index));
      }
    } else {
      s.name = "fields";  // (row).*
    }
    value = std::move(s);
  }
  return value;
}

result<syntax> syntax_reader::type_cast(json_node body, syntax s, int depth) {
  s.kind = syntax_kind::cast;
  WEIR_ASSIGN(auto a, read(body["arg"], depth + 1));
  json_node type;
  if (body["typeName"].get(type)) return refuse("this cast", s.location);
  if (!has_key(body, "location") || text_at(body, "location") == "-1")
    s.location = location_of(type);
  int64_t at = -1;
  if (body["location"].get(at) || at < 0) s.location = location_of(type);
  simdjson::dom::array names, mods;
  if (!type["names"].get(names))
    for (json_node n : names) s.name = text_at(n["String"], "sval");
  if (!type["typmods"].get(mods)) {
    for (json_node m : mods) {
      int64_t v = 0;
      if (m["A_Const"]["ival"]["ival"].get(v)) v = 0;
      s.modifiers.push_back(static_cast<int32_t>(v));
    }
  }
  if (const auto* made = type_named(s.name)) s.made_type = std::make_shared<data_type>(*made);
  if (!type["arrayBounds"].get(mods)) {
    if (mods.size() > 1) return refuse("an array of several dimensions", s.location);
    s.name += "[]";
  }
  s.args.push_back(std::move(a));
  return s;
}

namespace {

/// The arguments by name of the one function that is mostly called with them, in their order;
/// false: there are none. Those that are left out before one that is given are 0.
template <class Read>
result<bool> named_arguments(Read read, std::string_view sql, json_list list, syntax& s) {
  static constexpr std::string_view names[] = {"years", "months", "weeks", "days",
                                               "hours", "mins",   "secs"};
  simdjson::dom::array items;
  if (s.name != "make_interval" || list.get(items)) return false;
  const auto is_named = [](json_node a) { return has_key(a, "NamedArgExpr"); };
  if (std::none_of(items.begin(), items.end(), is_named)) return false;
  std::vector<std::optional<syntax>> given;
  for (json_node item : items) {
    size_t place = given.size();
    json_node value = item;
    if (is_named(item)) {
      const json_node argument = item["NamedArgExpr"];
      const auto name = text_at(argument, "name");
      place = static_cast<size_t>(std::find(std::begin(names), std::end(names), name) - names);
      if (place == std::size(names))
        return error_at(errc::unknown_name,
                        "make_interval() has no argument \"" + std::string(name) +
                            "\" (there are years, months, weeks, days, hours, mins, secs)",
                        sql, s.location);
      if (place < given.size() && given[place])
        return error_at(errc::invalid_argument,
                        "argument name \"" + std::string(name) + "\" used more than once", sql,
                        s.location);
      value = argument["arg"];
    }
    if (given.size() <= place) given.resize(place + 1);
    WEIR_ASSIGN(given[place], read(value));
  }
  for (auto& g : given) {
    syntax zero;
    zero.kind = syntax_kind::integer;
    zero.text = "0";
    zero.location = s.location;
    s.args.push_back(g ? std::move(*g) : std::move(zero));
  }
  return true;
}

}  // namespace

result<syntax> syntax_reader::function(json_node body, syntax s, int depth) {
  s.kind = syntax_kind::function;
  simdjson::dom::array names;
  if (body["funcname"].get(names)) return refuse("this call", s.location);
  for (json_node n : names) s.name = text_at(n["String"], "sval");
  if (has_key(body, "func_variadic")) return refuse("VARIADIC", s.location);
  s.star = has_key(body, "agg_star");
  s.distinct = has_key(body, "agg_distinct");
  if (has_key(body, "over")) {
    s.over_location = location_of(body["over"]);
    WEIR_ASSIGN(auto over, window(body["over"], depth + 1));
    s.over = std::make_shared<window_syntax>(std::move(over));
  }
  if (has_key(body, "agg_order")) {
    s.order_location = s.location;
    WEIR_ASSIGN(auto order, sort_items(body["agg_order"]));
    s.order = std::make_shared<const std::vector<sort_item>>(std::move(order));
  }
  if (has_key(body, "agg_filter")) {
    WEIR_ASSIGN(auto condition, read(body["agg_filter"], depth + 1));
    s.filter.push_back(std::move(condition));
  }
  if (has_key(body, "args")) {
    auto value = [this, depth](json_node v) { return read(v, depth + 1); };
    WEIR_ASSIGN(const bool named, named_arguments(value, sql_, body["args"], s));
    if (!named) WEIR_TRY(read_args(body["args"], s, depth));
  }
  WEIR_TRY(within_group(has_key(body, "agg_within_group"), s));
  if (std::find(json_aggregates.begin(), json_aggregates.end(), s.name) != json_aggregates.end()) {
    // The JSON of the array of the same values.
    syntax json;
    json.kind = syntax_kind::function;
    json.name = "to_json";
    json.text = s.name;  // what PostgreSQL calls the column
    json.location = s.location;
    s.name = "array_agg";
    json.args.push_back(std::move(s));
    return json;
  }
  return s;
}

/// Brings a call with WITHIN GROUP into the form that syntax.hpp describes.
status syntax_reader::within_group(bool written, syntax& s) {
  if (!written && !is_ordered_set(s.name)) return {};
  if (!written)
    return error_at(errc::invalid_argument,
                    "WITHIN GROUP is required for ordered-set aggregate " + s.name, sql_,
                    s.location);
  if (s.name == "rank" || s.name == "dense_rank" || s.name == "percent_rank" ||
      s.name == "cume_dist")
    return refuse("WITHIN GROUP of " + s.name, s.location);
  if (!is_ordered_set(s.name))
    return error_at(errc::invalid_argument,
                    s.name + " is not an ordered-set aggregate, so it cannot have WITHIN GROUP",
                    sql_, s.location);
  if (s.over_location)
    return error_at(errc::unsupported, "OVER is not supported for ordered-set aggregate " + s.name,
                    sql_, s.location);
  std::vector<syntax> args;
  for (const auto& item : *s.order) args.push_back(item.value);
  std::move(s.args.begin(), s.args.end(), std::back_inserter(args));
  s.args = std::move(args);
  return {};
}

result<syntax> syntax_reader::case_expr(json_node body, syntax s, int depth) {
  s.kind = syntax_kind::special;
  s.name = "case";
  if (has_key(body, "arg")) {
    s.simple_case = true;
    WEIR_ASSIGN(auto a, read(body["arg"], depth + 1));
    s.args.push_back(std::move(a));
  }
  simdjson::dom::array whens;
  if (body["args"].get(whens)) return refuse("this CASE", s.location);
  for (json_node w : whens) {
    WEIR_ASSIGN(auto c, read(w["CaseWhen"]["expr"], depth + 1));
    WEIR_ASSIGN(auto v, read(w["CaseWhen"]["result"], depth + 1));
    s.args.push_back(std::move(c));
    s.args.push_back(std::move(v));
  }
  if (has_key(body, "defresult")) {
    WEIR_ASSIGN(auto e, read(body["defresult"], depth + 1));
    s.args.push_back(std::move(e));
  } else {
    syntax none;
    none.location = s.location;
    s.args.push_back(std::move(none));
  }
  return s;
}

result<syntax> syntax_reader::subquery(json_node body, syntax s, int depth) {
  s.kind = syntax_kind::subquery;
  auto type = text_at(body, "subLinkType");
  const bool array = type == "ARRAY_SUBLINK";
  s.name = type == "EXISTS_SUBLINK"          ? "EXISTS"
           : type == "ALL_SUBLINK"           ? "ALL"
           : type == "EXPR_SUBLINK" || array ? ""
                                             : "ANY";
  if (type == "MULTIEXPR_SUBLINK") return refuse("this subquery", s.location);
  simdjson::dom::array names;
  if (s.name == "ANY" && body["operName"].get(names)) s.name = "IN";
  if (!body["operName"].get(names))
    for (json_node n : names) s.text = text_at(n["String"], "sval");
  WEIR_ASSIGN(s.query, read_query(body["subselect"], body, s.location, array));
  if (has_key(body, "testexpr")) {
    WEIR_ASSIGN(auto test, read(body["testexpr"], depth + 1));
    s.args.push_back(std::move(test));
  }
  if (!array) return s;
  // Without a row the array is empty.
  syntax out, empty;
  empty.kind = syntax_kind::text;
  empty.text = "{}";
  empty.location = s.location;
  out.kind = syntax_kind::special;
  out.name = "coalesce";
  out.text = "array";  // what PostgreSQL calls the column
  out.location = s.location;
  out.args.push_back(std::move(s));
  out.args.push_back(std::move(empty));
  return out;
}

result<std::shared_ptr<const void>> syntax_reader::read_query(json_node, json_node,
                                                              uint32_t location, bool) {
  return refuse("a subquery", location);
}

}  // namespace weir::expr
