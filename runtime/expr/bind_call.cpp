// Operators and functions: PostgreSQL's choice among overloads (manual, chapter 10).
#include <algorithm>

#include "runtime/base/nearest.hpp"
#include "runtime/column/text.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/convert.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/format_text.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/expr/nested.hpp"
#include "runtime/expr/time_template.hpp"
#include "runtime/expr/to_char.hpp"

namespace weir::expr {
namespace {

bool preferred(type_id t) {
  return t == type_id::float64 || t == type_id::string || t == type_id::boolean ||
         t == type_id::timestamp || t == type_id::interval;
}
bool implicitly(type_id from, type_id to) {
  return context_of(from, to) == cast_context::implicit;
}
type_id arg_type(const function_entry& f, size_t i) {
  return f.args[std::min(i, f.args.size() - 1)];
}
bool takes(const function_entry& f, size_t n) {
  if (f.flags & flag_variadic) return n >= f.args.size();
  return n == f.args.size();
}
// Types of one kind, for choosing what an untyped literal is meant to be.
int category(type_id t) {
  switch (t) {
    case type_id::int32:
    case type_id::int64:
    case type_id::float64:
    case type_id::decimal:
      return 100;
    case type_id::date:
    case type_id::timestamp:
      return 101;
    default:
      return static_cast<int>(t);
  }
}

using candidates = std::vector<const function_entry*>;

// Keeps those with the highest score, where any scores above zero.
template <class Score>
void keep_best(candidates& c, Score score) {
  int best = 0;
  for (const auto* f : c) best = std::max(best, score(*f));
  std::erase_if(c, [&](const function_entry* f) { return score(*f) < best; });
}

// What untyped literals become: text where any candidate takes text, else the one category that all
// candidates share.
bool choose_for_literals(candidates& c, const std::vector<bound>& args) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (!args[i].unknown) continue;
    bool text = false, same = true;
    int cat = category(arg_type(*c[0], i));
    for (const auto* f : c) {
      text = text || arg_type(*f, i) == type_id::string;
      same = same && category(arg_type(*f, i)) == cat;
    }
    if (!text && !same) return false;
    if (text) cat = category(type_id::string);
    std::erase_if(c, [&](const function_entry* f) { return category(arg_type(*f, i)) != cat; });
    bool any = std::any_of(c.begin(), c.end(),
                           [&](const function_entry* f) { return preferred(arg_type(*f, i)); });
    if (any) std::erase_if(c, [&](const function_entry* f) { return !preferred(arg_type(*f, i)); });
  }
  return !c.empty();
}

}  // namespace

const function_entry* binder::resolve(const std::vector<function_entry>& overloads,
                                      const std::vector<bound>& args, bool is_operator) const {
  candidates c;
  for (const auto& f : overloads)
    if (takes(f, args.size())) c.push_back(&f);
  auto type_at = [&](size_t i) { return args[i].n->type.id; };
  auto exact = [&](const function_entry& f, bool unknown_too) {
    for (size_t i = 0; i < args.size(); ++i) {
      type_id t = type_at(i);
      if (args[i].unknown) {
        if (!unknown_too || args.size() != 2 || args[1 - i].unknown) return false;
        t = type_at(1 - i);
      }
      if (arg_type(f, i) != t) return false;
    }
    return true;
  };
  for (const auto* f : c)
    if (exact(*f, false)) return f;
  if (is_operator)
    for (const auto* f : c)
      if (exact(*f, true)) return f;
  std::erase_if(c, [&](const function_entry* f) {
    for (size_t i = 0; i < args.size(); ++i)
      if (!args[i].unknown && !implicitly(type_at(i), arg_type(*f, i))) return true;
    return false;
  });
  keep_best(c, [&](const function_entry& f) {
    int n = 0;
    for (size_t i = 0; i < args.size(); ++i) n += !args[i].unknown && type_at(i) == arg_type(f, i);
    return n;
  });
  if (c.size() == 1) return c[0];
  keep_best(c, [&](const function_entry& f) {
    int n = 0;
    for (size_t i = 0; i < args.size(); ++i)
      n += !args[i].unknown && (type_at(i) == arg_type(f, i) || preferred(arg_type(f, i)));
    return n;
  });
  if (c.size() == 1) return c[0];
  if (c.empty()) return nullptr;
  bool literals = std::any_of(args.begin(), args.end(), [](const bound& b) { return b.unknown; });
  if (!literals) return nullptr;
  candidates before = c;
  if (choose_for_literals(c, args) && c.size() == 1) return c[0];
  // The last rule: literals have the type of the other arguments, when those agree.
  const bound* known = nullptr;
  for (const auto& b : args)
    if (!b.unknown) {
      if (known && known->n->type.id != b.n->type.id) return nullptr;
      known = &b;
    }
  if (!known) return nullptr;
  const function_entry* found = nullptr;
  for (const auto* f : before) {
    bool fits = true;
    for (size_t i = 0; i < args.size(); ++i)
      fits = fits && implicitly(known->n->type.id, arg_type(*f, i)) &&
             arg_type(*f, i) == arg_type(*f, 0);
    if (!fits) continue;
    if (found) return nullptr;
    found = f;
  }
  return found;
}

namespace {

data_type result_type(const function_entry& f, const std::vector<bound>& args) {
  data_type t(f.result);
  if (f.result != type_id::decimal) return t;
  auto scale = [&](size_t i) { return args[i].n->type.scale; };
  switch (f.rule) {
    case scale_rule::product:
      t.scale = multiply_scale(scale(0), scale(1));
      break;
    case scale_rule::quotient:
      t.scale = divide_scale(scale(0), scale(1));
      break;
    case scale_rule::common:
    case scale_rule::first:
      t.scale = scale(0);
      break;
    case scale_rule::second_value: {
      const node& n = *args[1].n;
      t.scale = scale(0);
      if (n.kind == node_kind::literal && !n.literal.null)
        t.scale = static_cast<uint8_t>(std::clamp<int64_t>(n.literal.i, 0, decimal_digits_max));
      break;
    }
    case scale_rule::none:
    case scale_rule::zero:
      break;
  }
  return t;
}

}  // namespace

result<bound> binder::apply(const function_entry& f, std::vector<bound> args, uint32_t location) {
  uint8_t widest = 0;
  bound r;
  for (size_t i = 0; i < args.size(); ++i) {
    data_type want(arg_type(f, i));
    if (want.id == type_id::decimal) {
      if (has_text(args[i])) {
        auto d = parse_decimal(trimmed(args[i].n->literal.s));
        want.scale = d ? d->scale : 0;
      } else if (!args[i].unknown && args[i].n->type.id == type_id::decimal) {
        want.scale = args[i].n->type.scale;
      }
      widest = std::max(widest, want.scale);
    }
    if (is_nested(want.id) && !args[i].unknown && args[i].n->type.id == want.id) continue;
    if (want.id == type_id::timestamp) r.zoned = r.zoned || args[i].zoned;
    WEIR_ASSIGN(args[i], coerce(std::move(args[i]), want, cast_context::implicit));
  }
  if (f.rule == scale_rule::common) {
    for (auto& a : args) {
      if (a.n->type.id != type_id::decimal) continue;
      WEIR_ASSIGN(
          a, coerce(std::move(a), data_type(type_id::decimal, widest), cast_context::implicit));
    }
  }
  std::vector<node_ptr> nodes;
  for (const auto& a : args) nodes.push_back(a.n);
  r.n = call(f.name, result_type(f, args), std::move(nodes), location);
  r.zoned = r.zoned && f.result == type_id::timestamp;
  return r;
}

error binder::no_operator(std::string_view name, const std::vector<bound>& args,
                          uint32_t location) const {
  std::string what = "operator does not exist: ";
  if (args.size() == 2) what += name_of(args[0]) + " ";
  what += std::string(name) + " " + name_of(args.back());
  return fail(errc::type_mismatch, what + "; a cast may help", location);
}

result<bound> binder::operate(std::string_view name, std::vector<bound> args, uint32_t location) {
  if (auto made = bind_json_operator(*this, name, args, location)) return std::move(*made);
  if (auto made = operate_nested(name, args, location)) return std::move(*made);
  const auto* overloads = catalog::get().overloads(name);
  if (!overloads)
    return fail(errc::unsupported, "operator " + std::string(name) + " is not supported", location);
  bool untyped = std::all_of(args.begin(), args.end(), [](const bound& b) { return b.unknown; });
  if (untyped && name != "||" && args.size() == 2)
    for (auto& a : args) a = settle(std::move(a));
  const auto* f = resolve(*overloads, args, true);
  if (!f) return no_operator(name, args, location);
  return apply(*f, std::move(args), location);
}

namespace {

/// Texts that || puts together become a tree of few levels, where they are more than that.
constexpr size_t flat_from = 100;
/// Others stay as deep as they are written; plans take trees of some more levels.
constexpr size_t levels_max = 900;

bool is_concat(const node& n) {
  return n.kind == node_kind::call && n.function == "||" && n.type.id == type_id::string;
}

node_ptr balanced_concat(const std::vector<node_ptr>& texts, size_t begin, size_t end,
                         uint32_t location) {
  if (end - begin == 1) return texts[begin];
  const auto middle = begin + (end - begin + 1) / 2;
  return make_call("||", type_id::string,
                   {balanced_concat(texts, begin, middle, location),
                    balanced_concat(texts, middle, end, location)},
                   location);
}

node_ptr flat_concat(const node_ptr& n) {
  std::vector<node_ptr> texts;
  auto at = n;
  for (; is_concat(*at); at = at->args[0]) texts.push_back(at->args[1]);
  if (texts.size() < flat_from) return n;
  texts.push_back(at);
  std::reverse(texts.begin(), texts.end());
  return balanced_concat(texts, 0, texts.size(), n->location);
}

}  // namespace

/// Operators in a row are bound from the left, in a loop.
result<bound> binder::bind_operator(const syntax& s) {
  std::vector<const syntax*> chain{&s};
  auto is_left = [](const syntax& x) { return x.kind == syntax_kind::op && x.args.size() == 2; };
  while (is_left(*chain.back()) && is_left(chain.back()->args[0]))
    chain.push_back(&chain.back()->args[0]);
  const auto& first = *chain.back();
  if (auto rows = over_rows(first); rows && chain.size() == 1) {
    return std::move(*rows);
  } else if (rows) {
    WEIR_ASSIGN(auto made, std::move(*rows));
    return operators_behind(std::move(made), chain);
  }
  WEIR_ASSIGN(auto args, bind_args(first));
  WEIR_ASSIGN(auto made, bind_operation(first, std::move(args)));
  return operators_behind(std::move(made), chain);
}

/// The operators of a chain but for the last one, which is the first in the text: `made`.
result<bound> binder::operators_behind(bound made, const std::vector<const syntax*>& chain) {
  size_t levels = 0;
  for (size_t i = chain.size() - 1; i-- > 0;) {
    WEIR_ASSIGN(auto right, bind(chain[i]->args[1]));
    if (chain[i]->name != "||") made.n = flat_concat(made.n);
    WEIR_ASSIGN(made, bind_operation(*chain[i], {std::move(made), std::move(right)}));
    levels += !is_concat(*made.n);
  }
  made.n = flat_concat(made.n);
  if (levels > levels_max)
    return fail(errc::unsupported,
                "more than " + std::to_string(levels_max) +
                    " operators in a row are not supported; put parts of them into parentheses",
                chain[0]->location);
  return made;
}

result<bound> binder::bind_operation(const syntax& s, std::vector<bound> args) {
  std::string_view name = s.name;
  if (args.size() == 1 && name == "+") {
    if (args[0].unknown || category(args[0].n->type.id) != 100)
      return no_operator(name, args, s.location);
    return std::move(args[0]);
  }
  auto nested = [](const bound& b) { return !b.unknown && is_nested(b.n->type.id); };
  if (name == "||" && args.size() == 2 && !nested(args[0]) && !nested(args[1])) {
    // A literal without a type beside bytea is bytea.
    auto bytes = [](const bound& b) { return b.unknown || b.n->type.id == type_id::bytes; };
    const bool of_bytes = bytes(args[0]) && bytes(args[1]) && args[0].unknown != args[1].unknown;
    bool text = args[0].unknown || args[1].unknown || args[0].n->type.id == type_id::string ||
                args[1].n->type.id == type_id::string;
    if (text && !of_bytes) {
      for (auto& a : args) {
        WEIR_ASSIGN(a, coerce(std::move(a), type_id::string, cast_context::on_request));
      }
    }
  }
  return operate(name, std::move(args), s.location);
}

error binder::no_function(const syntax& s, const std::vector<bound>& args) const {
  std::string what = "function " + s.name + "(";
  for (size_t i = 0; i < args.size(); ++i) what += (i ? ", " : "") + name_of(args[i]);
  what += ") does not exist";
  const auto* overloads = catalog::get().overloads(s.name);
  if (!overloads) {
    what += nearest_hint(s.name, catalog::get().names());
    return fail(errc::unknown_name, what, s.location);
  }
  std::string known;
  size_t listed = 0;
  for (const auto& f : *overloads) {
    if (++listed > 4) break;
    known += (known.empty() ? "" : ", ") + s.name + "(";
    for (size_t i = 0; i < f.args.size(); ++i)
      known += (i ? ", " : "") + std::string(pg_name(f.args[i]));
    known += ")";
  }
  return fail(errc::type_mismatch, what + "; there is " + known, s.location);
}

namespace {

/// What is wrong with the template or format string of a call, where it is constant: then it is
/// wrong for every row, and where it stands can be told.
struct constant_text_error {
  error what;
  uint32_t location = 0;
};
std::optional<constant_text_error> wrong_constant_text(const node& call) {
  const auto& f = call.function;
  const bool format = f == "format";
  if (!format &&
      (call.args.size() != 2 || (f != "to_char" && f != "to_date" && f != "to_timestamp")))
    return {};
  const auto at = format ? 0 : 1;
  const auto text = fold(call.args[at]);
  if (text->kind != node_kind::literal || text->literal.null) return {};
  const auto& s = text->literal.s;
  const auto kind = call.args[0]->type.id;
  status ok;
  if (format)
    ok = check_format(s, call.args.size());
  else if (f != "to_char")
    ok = check_time_template(s, template_use::read);
  else if (kind == type_id::timestamp)
    ok = check_time_template(s, template_use::show_time);
  else if (kind == type_id::interval)
    ok = check_time_template(s, template_use::show_interval);
  else
    ok = check_number_template(s);
  if (ok) return {};
  return constant_text_error{ok.err(), call.args[at]->location};
}

}  // namespace

result<bound> binder::bind_function(const syntax& s) {
  static constexpr std::string_view volatiles[] = {"now",
                                                   "current_timestamp",
                                                   "clock_timestamp",
                                                   "statement_timestamp",
                                                   "current_date",
                                                   "transaction_timestamp",
                                                   "current_time",
                                                   "localtimestamp",
                                                   "localtime",
                                                   "timeofday",
                                                   "random",
                                                   "gen_random_uuid",
                                                   "current_timestamp_n",
                                                   "localtimestamp_n"};
  static constexpr std::string_view aggregates[] = {"count",
                                                    "sum",
                                                    "avg",
                                                    "min",
                                                    "max",
                                                    "string_agg",
                                                    "array_agg",
                                                    "json_agg",
                                                    "jsonb_agg",
                                                    "bool_and",
                                                    "bool_or",
                                                    "every",
                                                    "stddev",
                                                    "stddev_samp",
                                                    "stddev_pop",
                                                    "variance",
                                                    "var_samp",
                                                    "var_pop",
                                                    "bit_and",
                                                    "bit_or",
                                                    "bit_xor",
                                                    "corr",
                                                    "covar_pop",
                                                    "covar_samp",
                                                    "regr_count",
                                                    "regr_avgx",
                                                    "regr_avgy",
                                                    "regr_sxx",
                                                    "regr_syy",
                                                    "regr_sxy",
                                                    "regr_slope",
                                                    "regr_intercept",
                                                    "regr_r2",
                                                    "json_object_agg",
                                                    "jsonb_object_agg"};
  if (auto special = scope_.call(s, *this)) return std::move(*special);
  if (!s.is_plain_call())
    return fail(errc::unsupported,
                std::string(s.over_location ? "a window function" : "an aggregate") +
                    " is not supported in a scalar expression",
                s.location);
  for (auto v : volatiles)
    if (s.name == v)
      return fail(errc::unsupported,
                  s.name +
                      "() is not supported: a replay after a failure must give the same "
                      "result; use a column that holds the time or value",
                  s.location);
  for (auto a : aggregates)
    if (s.name == a)
      return fail(errc::unsupported, "aggregate function " + s.name + "() is not allowed here",
                  s.location);
  if (s.name == "age" && s.args.size() == 1)
    return fail(errc::unsupported,
                "age() of one argument is not supported: it counts from today, and a replay after "
                "a failure must give the same result; write age(a, b)",
                s.location);
  WEIR_ASSIGN(auto args, bind_args(s));
  if (auto made = bind_typed_function(*this, s, args)) return std::move(*made);
  if (auto made = bind_array_function(s, args)) return std::move(*made);
  if (s.name == "extract") return bind_extract(s, std::move(args));
  if (s.name == "concat" || s.name == "concat_ws") return bind_concat(s, std::move(args));
  auto plain = [&]() -> result<bound> {
    if (s.name == "format" || s.name == "to_char" || s.name == "timezone")
      return bind_textual(s, std::move(args));
    const auto* overloads = catalog::get().overloads(s.name == "position" ? "strpos" : s.name);
    const auto* f = overloads ? resolve(*overloads, args, false) : nullptr;
    bool named = !s.name.empty() && (isalpha(static_cast<unsigned char>(s.name[0])) != 0);
    if (!f || !named) return no_function(s, args);
    return apply(*f, std::move(args), s.location);
  };
  WEIR_ASSIGN(auto r, plain());
  if (auto wrong = wrong_constant_text(*r.n))
    return fail(wrong->what.code, wrong->what.message, wrong->location);
  if (s.name == "to_timestamp") r.zoned = true;
  return r;
}

// Fraction digits of EXTRACT's result by its field, as PostgreSQL prints them.
result<bound> binder::bind_extract(const syntax& s, std::vector<bound> args) {
  if (args.size() != 2 || !has_text(args[0])) return no_function(s, args);
  std::string field = args[0].n->literal.s;
  uint8_t scale = field == "epoch" || field == "second" ? 6 : field == "milliseconds" ? 3 : 0;
  if (field == "julian") scale = 20;
  const auto* overloads = catalog::get().overloads("extract");
  if (!overloads) return no_function(s, args);
  const auto* f = resolve(*overloads, args, false);
  if (!f) return no_function(s, args);
  if (f->args[1] == type_id::date) scale = 0;
  WEIR_ASSIGN(auto r, apply(*f, std::move(args), s.location));
  auto typed = std::make_shared<node>(*r.n);
  typed->type.scale = scale;
  r.n = typed;
  return r;
}

// Arguments of any type, as text.
result<bound> binder::bind_concat(const syntax& s, std::vector<bound> args) {
  const auto* overloads = catalog::get().overloads(s.name);
  if (!overloads || args.size() < (s.name == "concat_ws" ? 2u : 1u)) return no_function(s, args);
  std::vector<node_ptr> nodes;
  for (auto& a : args) {
    if (!a.unknown && a.n->type.id == type_id::boolean) {
      // concat() writes booleans as t and f, unlike a cast.
      auto text = [&](const char* v) { return literal(scalar::of_string(v), a.n->location); };
      auto is_false = call("not", type_id::boolean, {a.n}, a.n->location);
      a.n = call("case", type_id::string,
                 {a.n, text("t"), is_false, text("f"),
                  literal(scalar::of_null(type_id::string), a.n->location)},
                 a.n->location);
    }
    WEIR_ASSIGN(a, coerce(std::move(a), type_id::string, cast_context::on_request));
    nodes.push_back(a.n);
  }
  return bound{call(s.name, type_id::string, std::move(nodes), s.location)};
}

result<bound> binder::bind_textual(const syntax& s, std::vector<bound> args) {
  std::string name = s.name;
  if (name == "format") return bind_concat(s, std::move(args));
  if (name == "timezone" && args.size() == 2 && !args[1].unknown) {
    // Of a moment in UTC: the local time there. Of a local time: the moment in UTC.
    bool zoned = args[1].zoned || args[1].n->type.id == type_id::date;
    name = zoned ? "timezone_local" : "timezone";
    const auto* overloads = catalog::get().overloads(name);
    const auto* f = overloads ? resolve(*overloads, args, false) : nullptr;
    if (!f) return no_function(s, args);
    WEIR_ASSIGN(auto r, apply(*f, std::move(args), s.location));
    r.zoned = !zoned;
    return r;
  }
  const auto* overloads = catalog::get().overloads(name);
  const auto* f = overloads ? resolve(*overloads, args, false) : nullptr;
  if (!f) return no_function(s, args);
  return apply(*f, std::move(args), s.location);
}

}  // namespace weir::expr
