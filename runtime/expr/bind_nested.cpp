// Arrays and rows: constructors, parts, operators and functions over any element type, x OP ANY
// (a).
#include <algorithm>

#include "runtime/column/text.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

constexpr std::string_view comparisons[] = {"=", "<>", "<", "<=", ">", ">="};

bool is_comparison(std::string_view name) {
  return std::find(std::begin(comparisons), std::end(comparisons), name) != std::end(comparisons);
}
bool is_list(const bound& b) {
  return !b.unknown && b.n->type.id == type_id::list;
}
bool is_row(const syntax& s) {
  return s.kind == syntax_kind::special && s.name == "row";
}
/// Something of a type, for rules that ask for values.
bound stand_in(const data_type& t) {
  auto n = std::make_shared<node>();
  n->type = t;
  n->literal = scalar::of_null(t);
  return bound{std::move(n)};
}

}  // namespace

result<data_type> binder::common_of(const data_type& a, const data_type& b, std::string_view what,
                                    uint32_t location) const {
  return common_type({stand_in(a), stand_in(b)}, what, location);
}

result<bound> binder::make_array(std::vector<bound> items, const data_type& item, cast_context c,
                                 uint32_t location) {
  if (item.id == type_id::list)
    return fail(errc::unsupported, "an array of several dimensions is not supported", location);
  const auto type = list_of(item);
  if (items.empty()) {
    scalar none{type, false};
    return bound{literal(std::move(none), location)};
  }
  std::vector<node_ptr> args;
  for (auto& i : items) {
    WEIR_ASSIGN(auto value, coerce(std::move(i), item, c));
    args.push_back(value.n);
  }
  return bound{call("{}", type, std::move(args), location)};
}

result<bound> binder::bind_array(const syntax& s) {
  WEIR_ASSIGN(auto items, bind_args(s));
  if (items.empty())
    return fail(errc::type_mismatch,
                "cannot determine type of empty array; cast it, for example ARRAY[]::integer[]",
                s.location);
  WEIR_ASSIGN(auto item, common_type(items, "ARRAY", s.location));
  return make_array(std::move(items), item, cast_context::implicit, s.location);
}

result<bound> binder::bind_row(const syntax& s) {
  if (s.args.empty())
    return fail(errc::unsupported, "a row without fields is not supported", s.location);
  data_type type(type_id::struct_);
  auto fields = std::make_shared<std::vector<field>>();
  std::vector<node_ptr> args;
  for (const auto& a : s.args) {
    WEIR_ASSIGN(auto value, bind(a));
    value = settle(std::move(value));
    fields->push_back({"f" + std::to_string(args.size() + 1), value.n->type});
    args.push_back(value.n);
  }
  type.fields = std::move(fields);
  return bound{call("()", type, std::move(args), s.location)};
}

/// a[i], a[i:j] and (s).field.
result<bound> binder::bind_part(const syntax& s) {
  WEIR_ASSIGN(auto value, bind(s.args[0]));
  if (s.name == "field") {
    if (value.unknown || value.n->type.id != type_id::struct_)
      return fail(errc::type_mismatch,
                  "column notation ." + s.text + " applied to type " + name_of(value) +
                      ", which is not a composite type",
                  s.location);
    const auto& fields = *value.n->type.fields;
    for (size_t i = 0; i < fields.size(); ++i)
      if (fields[i].name == s.text)
        return bound{call(
            ".", fields[i].type,
            {value.n, literal(scalar::of_int(type_id::int32, static_cast<int64_t>(i)), s.location)},
            s.location)};
    std::string there;
    for (const auto& f : fields) there += (there.empty() ? "" : ", ") + f.name;
    return fail(
        errc::unknown_name,
        "column \"" + s.text + "\" not found in " + name_of(value) + " (there are " + there + ")",
        s.location);
  }
  if (!is_list(value))
    return fail(errc::type_mismatch,
                "cannot subscript type " + name_of(value) + " because it is not an array",
                s.location);
  std::vector<node_ptr> args{value.n};
  for (size_t i = 1; i < s.args.size(); ++i) {
    const auto& a = s.args[i];
    if (a.kind == syntax_kind::null && a.name == "open") {
      args.push_back(literal(
          scalar::of_int(type_id::int32, i == 1 ? slice_from_start : slice_to_end), s.location));
      continue;
    }
    WEIR_ASSIGN(auto index, bind(a));
    WEIR_ASSIGN(index, coerce(std::move(index), type_id::int32, cast_context::assignment));
    args.push_back(index.n);
  }
  if (s.name == "slice") return bound{call("[:]", value.n->type, std::move(args), s.location)};
  const auto item = item_type(value.n->type);
  return bound{call("[]", item, std::move(args), s.location)};
}

/// x OP ANY (a), x OP ALL (a).
result<bound> binder::bind_quantified(const syntax& s) {
  WEIR_ASSIGN(auto x, bind(s.args[0]));
  WEIR_ASSIGN(auto a, bind(s.args[1]));
  const std::string upper = s.name == "any" ? "ANY" : "ALL";
  if (a.unknown && (x.unknown || is_nested(x.n->type.id)))
    return fail(errc::type_mismatch, "op " + upper + "/ALL (array) requires array on right side",
                s.args[1].location);
  if (a.unknown) {
    WEIR_ASSIGN(a, coerce(std::move(a), list_of(x.n->type), cast_context::implicit));
  }
  if (!is_list(a))
    return fail(errc::type_mismatch,
                s.text + " " + upper + " needs an array on its right side, not " + name_of(a),
                s.args[1].location);
  if (!is_comparison(s.text))
    return fail(errc::unsupported,
                s.text + " " + upper +
                    " (array) is supported for = <> < <= > >= only; for others "
                    "write the elements: " +
                    s.text + " " + upper + " (ARRAY[...])",
                s.location);
  // The operator over one element finds the types of both sides.
  auto one = stand_in(item_type(a.n->type));
  WEIR_ASSIGN(auto compared, operate(s.text, {x, one}, s.location));
  const auto& item = compared.n->args[1]->type;
  WEIR_ASSIGN(x, coerce(std::move(x), compared.n->args[0]->type, cast_context::implicit));
  WEIR_ASSIGN(a, coerce(std::move(a), list_of(item), cast_context::implicit));
  if (x.n->type != item) return no_operator(s.text + ' ' + upper, {x, a}, s.location);
  return bound{call(s.text + ' ' + s.name, type_id::boolean, {x.n, a.n}, s.location)};
}

/// Rows of two constructors compare field by field, and NULL makes unknown what it decides.
result<bound> binder::compare_rows(const std::string& name, const syntax& a, const syntax& b,
                                   uint32_t location) {
  if (a.args.size() != b.args.size())
    return fail(errc::type_mismatch, "unequal number of entries in row expressions", location);
  if (a.args.empty())
    return fail(errc::unsupported, "a row without fields is not supported", location);
  const bool equality = name == "=" || name == "<>";
  std::vector<node_ptr> parts;
  node_ptr made;
  bool computes = false;  // the fields behind field i: they may be errors of the row
  for (size_t i = a.args.size(); i-- > 0;) {
    WEIR_ASSIGN(auto x, bind(a.args[i]));
    WEIR_ASSIGN(auto y, bind(b.args[i]));
    const bool here = x.n->kind == node_kind::call || y.n->kind == node_kind::call;
    if (equality || !made) {
      WEIR_ASSIGN(auto c, operate(name, {x, y}, location));
      parts.insert(parts.begin(), c.n);
      made = c.n;
      computes |= here;
      continue;
    }
    WEIR_ASSIGN(auto strict, operate(name.substr(0, 1), {x, y}, location));
    WEIR_ASSIGN(auto equal, operate("=", {x, y}, location));
    if (computes) {
      // The rest is asked where x = y alone: not where one of them is NULL.
      made = call("case", type_id::boolean, {equal.n, made, strict.n}, location);
      continue;
    }
    computes = here;
    // x < y OR (x = y AND the rest)
    made = call("or", type_id::boolean,
                {strict.n, call("and", type_id::boolean, {equal.n, made}, location)}, location);
  }
  if (!equality || parts.size() == 1) return bound{made};
  return bound{call(name == "=" ? "and" : "or", type_id::boolean, std::move(parts), location)};
}

/// What an operator or form over two rows in parentheses means; nothing: others are values.
std::optional<result<bound>> binder::over_rows(const syntax& s) {
  if (s.args.size() < 2 || !std::all_of(s.args.begin(), s.args.end(), is_row)) return {};
  if (s.kind == syntax_kind::op) {
    if (!is_comparison(s.name)) return {};
    return compare_rows(s.name, s.args[0], s.args[1], s.location);
  }
  std::vector<node_ptr> any;
  if (s.name == "in") {
    for (size_t i = 1; i < s.args.size(); ++i) {
      auto one = compare_rows("=", s.args[0], s.args[i], s.location);
      if (!one) return one;
      any.push_back(one->n);
    }
  } else {  // IS DISTINCT FROM
    if (s.args[0].args.size() != s.args[1].args.size())
      return fail(errc::type_mismatch, "unequal number of entries in row expressions", s.location);
    for (size_t i = 0; i < s.args[0].args.size(); ++i) {
      syntax part = s;
      part.negated = false;
      part.args = {s.args[0].args[i], s.args[1].args[i]};
      auto one = bind_distinct(part);
      if (!one) return one;
      any.push_back(one->n);
    }
  }
  bound r{any.size() == 1 ? any[0] : call("or", type_id::boolean, std::move(any), s.location)};
  if (s.negated) r.n = call("not", type_id::boolean, {r.n}, s.location);
  return result<bound>(std::move(r));
}

std::optional<result<bound>> binder::operate_nested(std::string_view name, std::vector<bound>& args,
                                                    uint32_t location) {
  auto nested = [](const bound& b) { return !b.unknown && is_nested(b.n->type.id); };
  if (args.size() != 2 || (!nested(args[0]) && !nested(args[1]))) return {};
  const bool compares = is_comparison(name);
  const bool sets = name == "@>" || name == "<@" || name == "&&";
  if (name == "||" && (is_list(args[0]) || is_list(args[1]))) {
    const bool left = is_list(args[0]) || args[0].unknown;
    const bool right = is_list(args[1]) || args[1].unknown;
    auto made = array_call(left && right ? "array_cat"
                           : left        ? "array_append"
                                         : "array_prepend",
                           args, location);
    if (!made && made.err().message.find(") does not exist at") != std::string::npos)
      return result<bound>(no_operator(name, args, location));
    return made;
  }
  if (!compares && !sets) return result<bound>(no_operator(name, args, location));
  // One type for both sides: arrays of equal elements, rows of fields that go together.
  const auto& known = nested(args[0]) ? args[0].n->type : args[1].n->type;
  data_type type = known;
  if (!args[0].unknown && !args[1].unknown) {
    const auto &a = args[0].n->type, &b = args[1].n->type;
    auto common = a.id == b.id ? common_of(a, b, name, location)
                               : result<data_type>(error(errc::type_mismatch, ""));
    if (!common) return result<bound>(no_operator(name, args, location));
    type = *common;
  }
  if (sets && type.id != type_id::list) return result<bound>(no_operator(name, args, location));
  std::vector<node_ptr> nodes;
  for (auto& a : args) {
    auto value = coerce(std::move(a), type, cast_context::implicit);
    if (!value) return value;
    nodes.push_back(value->n);
  }
  return result<bound>(
      bound{call(std::string(name), type_id::boolean, std::move(nodes), location)});
}

/// Functions whose arguments are an array and its elements: PostgreSQL's anycompatiblearray.
result<bound> binder::array_call(const std::string& name, std::vector<bound> args,
                                 uint32_t location) {
  const size_t array = name == "array_prepend" ? 1 : 0;
  const bool two = name == "array_cat";
  size_t elements = 0;  // how many of the other arguments are elements
  if (!two) elements = name == "array_replace" ? 2 : 1;
  auto none = [&]() -> error {
    std::string what = name + "(";
    for (size_t i = 0; i < args.size(); ++i) what += (i ? ", " : "") + name_of(args[i]);
    return fail(errc::type_mismatch, what + ") does not exist", location);
  };
  if (args.size() < 1 + std::max<size_t>(elements, 1)) return none();
  auto is_element = [&](size_t i) { return !two && i != array && i <= elements; };
  std::optional<data_type> item;
  for (size_t i = 0; i < args.size(); ++i) {
    const bool element = is_element(i);
    if (args[i].unknown || (!element && i != array && !two)) continue;
    if (!element && !is_list(args[i])) return none();
    const auto t = element ? args[i].n->type : item_type(args[i].n->type);
    if (!item) {
      item = t;
      continue;
    }
    auto common = common_of(*item, t, name, location);
    if (!common) return none();
    item = *common;
  }
  if (!item)
    return fail(errc::type_mismatch,
                "could not determine the type of the array; cast it, for example NULL::integer[]",
                location);
  if (item->id == type_id::list)
    return fail(errc::unsupported, "an array of several dimensions is not supported", location);
  const auto list = list_of(*item);
  std::vector<node_ptr> nodes;
  for (size_t i = 0; i < args.size(); ++i) {
    const auto& want = is_element(i) ? *item : two || i == array ? list : data_type(type_id::int32);
    WEIR_ASSIGN(auto value, coerce(std::move(args[i]), want, cast_context::implicit));
    nodes.push_back(value.n);
  }
  auto type = name == "array_position"    ? data_type(type_id::int32)
              : name == "array_positions" ? list_of(type_id::int32)
                                          : list;
  return bound{call(name, type, std::move(nodes), location)};
}

/// json_build_object('name', value, ...) of constant names: the JSON of a row whose fields have
/// them.
result<bound> binder::bind_json_object(const syntax& s, std::vector<bound>& args) {
  data_type type(type_id::struct_);
  auto fields = std::make_shared<std::vector<field>>();
  std::vector<node_ptr> values;
  for (size_t i = 0; i < args.size(); i += 2) {
    auto value = settle(std::move(args[i + 1]));
    fields->push_back({args[i].n->literal.s, value.n->type});
    values.push_back(value.n);
  }
  type.fields = std::move(fields);
  auto row = call("()", type, std::move(values), s.location);
  return bound{call("row_to_json", type_id::json, {std::move(row)}, s.location)};
}

std::optional<result<bound>> binder::bind_array_function(const syntax& s,
                                                         std::vector<bound>& args) {
  struct known {
    std::string_view name;
    size_t least, most;
  };
  static constexpr known functions[] = {{"array_append", 2, 2},    {"array_prepend", 2, 2},
                                        {"array_cat", 2, 2},       {"array_position", 2, 3},
                                        {"array_positions", 2, 2}, {"array_remove", 2, 2},
                                        {"array_replace", 3, 3}};
  for (const auto& f : functions)
    if (f.name == s.name) {
      if (args.size() < f.least || args.size() > f.most) return result<bound>(no_function(s, args));
      return array_call(s.name, args, s.location);
    }
  auto finish = [&](const data_type& type, const std::vector<data_type>& wanted) -> result<bound> {
    std::vector<node_ptr> nodes;
    for (size_t i = 0; i < args.size(); ++i) {
      WEIR_ASSIGN(auto value, coerce(std::move(args[i]), wanted[i], cast_context::implicit));
      nodes.push_back(value.n);
    }
    return bound{call(s.name, type, std::move(nodes), s.location)};
  };
  const bool splits = s.name == "string_to_array" || s.name == "regexp_split_to_array";
  if (splits && (args.size() == 2 || args.size() == 3)) {
    for (const auto& a : args)
      if (!a.unknown && a.n->type.id != type_id::string) return result<bound>(no_function(s, args));
    return finish(list_of(type_id::string), std::vector<data_type>(3, type_id::string));
  }
  if (s.name == "generate_series" && (args.size() == 2 || args.size() == 3)) {
    // The rows of this name's function in FROM, as an array.
    auto any_of = [&args](type_id a, type_id b) {
      return std::any_of(args.begin(), args.begin() + 2, [a, b](const bound& x) {
        return !x.unknown && (x.n->type.id == a || x.n->type.id == b);
      });
    };
    const data_type item =
        any_of(type_id::timestamp, type_id::date) ? type_id::timestamp
        : any_of(type_id::int64, type_id::int64) ||
                (args.size() == 3 && !args[2].unknown && args[2].n->type.id == type_id::int64)
            ? type_id::int64
            : type_id::int32;
    const bool times = item.id == type_id::timestamp;
    if (times && args.size() == 2) return result<bound>(no_function(s, args));
    auto fits = [](const bound& a, const data_type& wanted) {
      return a.unknown || context_of(a.n->type.id, wanted.id) == cast_context::implicit ||
             a.n->type == wanted;
    };
    std::vector<data_type> wanted(2, item);
    wanted.push_back(times ? data_type(type_id::interval) : item);
    for (size_t i = 0; i < args.size(); ++i)
      if (!fits(args[i], wanted[i])) return result<bound>(no_function(s, args));
    return finish(list_of(item), wanted);
  }
  if (s.name == "json_build_object" || s.name == "jsonb_build_object")
    return bind_json_object(s, args);
  if (s.name == "trim_array" && args.size() == 2 && is_list(args[0]))
    return finish(args[0].n->type, {args[0].n->type, type_id::int32});
  return {};
}

}  // namespace weir::expr
