// Bound expression trees that the SQL front end makes by itself. Plain functions.
#pragma once

#include "jobs/plan/builder.hpp"
#include "jobs/plan/canonical_keys.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/expr/binder.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::sql {

using expr::make_call;
using expr::make_column;
using expr::make_literal;

inline expr::node_ptr make_number(int64_t v) {
  return make_literal(scalar::of_int(type_id::int64, v));
}
inline expr::node_ptr make_truth(bool v) {
  return make_literal(scalar::of_int(type_id::boolean, v));
}
inline expr::node_ptr make_null(const data_type& type) {
  return make_literal(scalar::of_null(type));
}

/// What an aggregate is over no rows.
inline expr::node_ptr over_nothing(const aggregate_call& call, const data_type& type) {
  const auto f = call.function;
  const bool counts = f == aggregate_function::count_star || f == aggregate_function::count ||
                      f == aggregate_function::count_distinct ||
                      f == aggregate_function::regr_count;
  return counts ? make_number(0) : make_null(type);
}

/// How a subquery has values of the query outside that = does not tell from each other, as json
/// has none and equal intervals may be written differently: as text or bytes that are the same for
/// the same value only.
inline bool has_outer_form(const data_type& t) {
  return !is_comparable(t) || planner::has_equal_forms(t);
}
inline expr::node_ptr outer_form(expr::node_ptr n) {
  if (!has_outer_form(n->type)) return n;
  return is_nested(n->type.id) ? make_call("@pack", type_id::bytes, {std::move(n)})
                               : make_call("cast", type_id::string, {std::move(n)});
}
/// The value that a form is of.
inline expr::node_ptr of_outer_form(expr::node_ptr n, const data_type& type) {
  return make_call(is_nested(type.id) ? "@unpack" : "cast", type, {std::move(n)});
}

/// The columns of two inputs, as a join's condition reads them.
inline schema both_types(const schema& left, const schema& right) {
  schema out = left;
  out.event_time.reset();
  out.fields.insert(out.fields.end(), right.fields.begin(), right.fields.end());
  return out;
}

/// "l" and "r" are two given values: a scope for what the binder makes of two operands.
class two_values final : public expr::scope {
 public:
  two_values(expr::bound l, expr::bound r) : left_(std::move(l)), right_(std::move(r)) {}
  result<expr::bound> column(const expr::syntax& s, const expr::binder&) override {
    return s.name == "l" ? left_ : right_;
  }
  /// l OP r, or a special form of both.
  static expr::syntax of(expr::syntax_kind kind, const std::string& name, uint32_t location) {
    expr::syntax s;
    s.kind = kind;
    s.name = name;
    s.location = location;
    for (const auto* side : {"l", "r"}) {
      expr::syntax c;
      c.kind = expr::syntax_kind::column;
      c.name = side;
      c.location = location;
      s.args.push_back(std::move(c));
    }
    return s;
  }

 private:
  expr::bound left_, right_;
};

/// The same for the fields of two rows: (l0, l1) and (r0, r1).
class two_rows final : public expr::scope {
 public:
  two_rows(const std::vector<expr::bound>& l, const std::vector<expr::bound>& r)
      : left_(l), right_(r) {}
  result<expr::bound> column(const expr::syntax& s, const expr::binder&) override {
    return (s.name[0] == 'l' ? left_ : right_)[std::stoul(s.name.substr(1))];
  }
  /// l OP r.
  static expr::syntax of(const std::string& name, size_t fields, uint32_t location) {
    expr::syntax s;
    s.kind = expr::syntax_kind::op;
    s.name = name;
    s.location = location;
    for (const auto* side : {"l", "r"}) {
      expr::syntax row;
      row.kind = expr::syntax_kind::special;
      row.name = "row";
      row.location = location;
      for (size_t i = 0; i < fields; ++i) {
        expr::syntax c;
        c.kind = expr::syntax_kind::column;
        c.name = side + std::to_string(i);
        c.location = location;
        row.args.push_back(std::move(c));
      }
      s.args.push_back(std::move(row));
    }
    return s;
  }

 private:
  const std::vector<expr::bound>&left_, &right_;
};

}  // namespace weir::sql
