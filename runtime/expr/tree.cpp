// Walks over bound trees: checks, columns, renaming, SQL text.
#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/column/text.hpp"
#include "runtime/expr/code.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

error malformed(std::string_view what) {
  return {errc::invalid_argument, "malformed expression tree: " + std::string(what)};
}

bool all_of_type(const node& n, size_t from, size_t step, const data_type& t) {
  for (size_t i = from; i < n.args.size(); i += step)
    if (n.args[i]->type != t) return false;
  return true;
}

status check_call(const node& n) {
  const data_type b = type_id::boolean;
  if (n.function == "and" || n.function == "or") {
    if (n.args.empty() || n.type != b || !all_of_type(n, 0, 1, b)) return malformed(n.function);
    return {};
  }
  if (n.function == "case") {
    if (n.args.size() % 2 == 0 || n.args.back()->type != n.type || !all_of_type(n, 1, 2, n.type))
      return malformed("case");
    for (size_t i = 0; i + 1 < n.args.size(); i += 2)
      if (n.args[i]->type != b) return malformed("case");
    return {};
  }
  if (n.function == "coalesce") {
    if (n.args.empty() || !all_of_type(n, 0, 1, n.type)) return malformed("coalesce");
    return {};
  }
  if (n.function == "in" || n.function == "is distinct") {
    if (n.args.size() < 2 || n.type != b || !all_of_type(n, 0, 1, n.args[0]->type))
      return malformed(n.function);
    if (n.function == "is distinct" && n.args.size() != 2) return malformed(n.function);
    if (!catalog::get().find("=", {n.args[0]->type.id, n.args[0]->type.id}, type_id::boolean))
      return malformed(n.function);
    return {};
  }
  std::vector<type_id> types;
  for (const auto& a : n.args) types.push_back(a->type.id);
  if (!catalog::get().find(n.function, types, n.type.id))
    return malformed("no function \"" + n.function + "\" of these types");
  if (is_nested_call(n)) return check_nested_call(n);
  return {};
}

/// The items of a list's or struct's literal are of its type.
status check_literal(const scalar& v, const data_type& t, int depth) {
  if (depth > tree_depth_max) return malformed("it nests too deeply");
  if (!is_nested(t.id)) return {};
  const size_t fields = t.fields ? t.fields->size() : 0;
  if (fields == 0 || (t.id == type_id::list && fields != 1))
    return malformed("a type without parts");
  if (v.null) return {};
  if (t.id == type_id::struct_ && v.items.size() != fields)
    return malformed("a struct with another number of fields than its type");
  for (size_t i = 0; i < v.items.size(); ++i) {
    const auto& part = (*t.fields)[t.id == type_id::list ? 0 : i].type;
    if (v.items[i].type != part) return malformed("a part of another type than its list or struct");
    WEIR_TRY(check_literal(v.items[i], part, depth + 1));
  }
  return {};
}

class checker {
 public:
  explicit checker(const schema& input) : input_(input) {}
  status operator()(const node_ptr& n, int depth) {
    if (!n) return malformed("a missing node");
    if (depth > tree_depth_max) return malformed("it nests too deeply");
    if (n->kind == node_kind::literal) WEIR_TRY(check_literal(n->literal, n->type, 0));
    if (n->type.scale > decimal_digits_max) return malformed("a scale above 38");
    if (n->kind == node_kind::column) {
      if (n->column >= input_.size()) return malformed("a column that the input does not have");
      const auto& f = input_.fields[n->column];
      if (f.type != n->type)
        return malformed("column \"" + f.name + "\" is " + to_string(f.type) + ", not " +
                         to_string(n->type));
      return {};
    }
    if (n->kind == node_kind::literal) return {};
    if (!seen_.emplace(n.get(), true).second) return {};
    for (const auto& a : n->args) WEIR_TRY((*this)(a, depth + 1));
    return check_call(*n);
  }

 private:
  const schema& input_;
  std::map<const node*, bool> seen_;
};

void collect_columns(const node& n, std::vector<uint32_t>& out, std::map<const node*, bool>& seen) {
  if (n.kind == node_kind::column) out.push_back(n.column);
  if (n.kind != node_kind::call || !seen.emplace(&n, true).second) return;
  for (const auto& a : n.args) collect_columns(*a, out, seen);
}

node_ptr remap(const node_ptr& n, const std::vector<uint32_t>& mapping,
               std::map<const node*, node_ptr>& done) {
  if (n->kind == node_kind::literal) return n;
  if (auto it = done.find(n.get()); it != done.end()) return it->second;
  auto copy = std::make_shared<node>(*n);
  if (n->kind == node_kind::column) {
    weir_assert(n->column < mapping.size(), "remap_columns: the mapping covers every column");
    copy->column = mapping[n->column];
  }
  for (auto& a : copy->args) a = remap(a, mapping, done);
  done[n.get()] = copy;
  return copy;
}

std::string in_quotes(std::string_view s) {
  std::string r = "'";
  for (char c : s) {
    if (c == '\'') r += '\'';
    r += c;
  }
  return r + "'";
}

std::string identifier(const std::string& name) {
  bool plain = !name.empty() && (islower(static_cast<unsigned char>(name[0])) || name[0] == '_');
  for (char c : name)
    plain = plain && (islower(static_cast<unsigned char>(c)) ||
                      isdigit(static_cast<unsigned char>(c)) || c == '_');
  if (plain) return name;
  std::string r = "\"";
  for (char c : name) {
    if (c == '"') r += '"';
    r += c;
  }
  return r + "\"";
}

std::string literal_sql(const node& n) {
  const auto& v = n.literal;
  if (v.null) return n.type.id == type_id::string ? "NULL" : "NULL::" + to_string(n.type);
  switch (n.type.id) {
    case type_id::boolean:
    case type_id::int32:
      return to_text(v);
    case type_id::string:
      return in_quotes(v.s);
    case type_id::decimal:
      if (v.type.scale > 0) return to_text(v);
      break;
    case type_id::int64:
      if (v.i > INT32_MAX || v.i < INT32_MIN) return to_text(v);
      break;
    default:
      break;
  }
  return in_quotes(to_text(v)) + "::" + to_string(n.type);
}

std::string sql_of(const node& n, const schema& input, int depth);

std::string list_of(const node& n, size_t from, const schema& input, int depth) {
  std::string s;
  for (size_t i = from; i < n.args.size(); ++i)
    s += (i > from ? ", " : "") + sql_of(*n.args[i], input, depth);
  return s;
}

std::string slice_bound(const node& n, std::string text) {
  const bool open = n.kind == node_kind::literal && !n.literal.null &&
                    (n.literal.i == slice_from_start || n.literal.i == slice_to_end);
  return open ? std::string() : text;
}

std::string call_sql(const node& n, const schema& input, int depth) {
  auto arg = [&](size_t i) { return sql_of(*n.args[i], input, depth + 1); };
  const auto& f = n.function;
  auto base = [&] { return n.args[0]->kind == node_kind::column ? arg(0) : '(' + arg(0) + ')'; };
  if (f == "and" || f == "or") {
    std::string s = "(";
    for (size_t i = 0; i < n.args.size(); ++i)
      s += (i ? (f == "and" ? " AND " : " OR ") : "") + arg(i);
    return s + ")";
  }
  if (f == "not") return "(NOT " + arg(0) + ")";
  if (f == "case") {
    std::string s = "CASE";
    for (size_t i = 0; i + 1 < n.args.size(); i += 2)
      s += " WHEN " + arg(i) + " THEN " + arg(i + 1);
    return s + " ELSE " + arg(n.args.size() - 1) + " END";
  }
  if (f == "in") return "(" + arg(0) + " IN (" + list_of(n, 1, input, depth + 1) + "))";
  if (f == "is distinct") return "(" + arg(0) + " IS DISTINCT FROM " + arg(1) + ")";
  if (f.substr(0, 3) == "is ") {
    std::string upper;
    for (char c : f) upper += static_cast<char>(toupper(static_cast<unsigned char>(c)));
    return "(" + arg(0) + " " + upper + ")";
  }
  if (f == "{}") return "ARRAY[" + list_of(n, 0, input, depth + 1) + "]";
  if (f == "()") return "ROW(" + list_of(n, 0, input, depth + 1) + ")";
  if (f == "[]") return base() + "[" + arg(1) + "]";
  if (f == "[:]")
    return base() + "[" + slice_bound(*n.args[1], arg(1)) + ":" + slice_bound(*n.args[2], arg(2)) +
           "]";
  if (f == "." && n.args[1]->kind == node_kind::literal && n.args[0]->type.fields) {
    const auto k = static_cast<size_t>(n.args[1]->literal.i);
    if (k < n.args[0]->type.fields->size())
      return "(" + arg(0) + ")." + identifier((*n.args[0]->type.fields)[k].name);
  }
  if (f.ends_with(" any") || f.ends_with(" all"))
    return "(" + arg(0) + " " + f.substr(0, f.size() - 4) +
           (f.ends_with(" any") ? " ANY (" : " ALL (") + arg(1) + "))";
  if (f == "row is null" || f == "row is not null")
    return "(" + arg(0) + (f == "row is null" ? " IS NULL)" : " IS NOT NULL)");
  if (f == "@item") return "array_item(" + list_of(n, 0, input, depth + 1) + ")";
  if (f == "@items") return "array_of(" + list_of(n, 0, input, depth + 1) + ")";
  if (f == check_function && n.args.size() == 2) return "check (" + arg(0) + ")";
  if (f.size() > 1 && f[0] == '@' && isalpha(static_cast<unsigned char>(f[1])))
    return f.substr(1) + "_of(" + list_of(n, 0, input, depth + 1) + ")";
  if (f == "cast" && n.args.size() == 1) return arg(0) + "::" + to_string(n.type);
  if (packs_arguments(f) && n.args.size() == 1 && n.args[0]->function == "()")
    return f + "(" + list_of(*n.args[0], 0, input, depth + 2) + ")";
  bool is_operator = !f.empty() && !isalpha(static_cast<unsigned char>(f[0])) && f[0] != '_';
  if (is_operator && n.args.size() == 2) return "(" + arg(0) + " " + f + " " + arg(1) + ")";
  if (is_operator && n.args.size() == 1) return "(" + f + " " + arg(0) + ")";
  return f + "(" + list_of(n, 0, input, depth + 1) + ")";
}

std::string sql_of(const node& n, const schema& input, int depth) {
  if (depth > tree_depth_max) return "...";
  if (n.kind == node_kind::column)
    return n.column < input.size() ? identifier(input.fields[n.column].name)
                                   : "$" + std::to_string(n.column);
  return n.kind == node_kind::literal ? literal_sql(n) : call_sql(n, input, depth);
}

}  // namespace

status check_tree(const node_ptr& n, const schema& input) {
  return checker(input)(n, 0);
}

std::string to_sql(const node& n, const schema& input) {
  return sql_of(n, input, 0);
}

std::vector<uint32_t> columns_of(const node& n) {
  std::vector<uint32_t> out;
  std::map<const node*, bool> seen;
  collect_columns(n, out, seen);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool same_literal(const scalar& x, const scalar& y) {
  if (x.null != y.null || x.i != y.i || std::memcmp(&x.d, &y.d, sizeof x.d) != 0 ||
      x.dec != y.dec || x.interval != y.interval || x.s != y.s || x.items.size() != y.items.size())
    return false;
  for (size_t i = 0; i < x.items.size(); ++i)
    if (x.items[i].type != y.items[i].type || !same_literal(x.items[i], y.items[i])) return false;
  return true;
}

bool same_tree(const node& a, const node& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.type != b.type || a.column != b.column || a.function != b.function ||
      a.args.size() != b.args.size())
    return false;
  if (a.kind == node_kind::literal && !same_literal(a.literal, b.literal)) return false;
  for (size_t i = 0; i < a.args.size(); ++i)
    if (!same_tree(*a.args[i], *b.args[i])) return false;
  return true;
}

node_ptr remap_columns(const node_ptr& n, const std::vector<uint32_t>& mapping) {
  std::map<const node*, node_ptr> done;
  return remap(n, mapping, done);
}

}  // namespace weir::expr
