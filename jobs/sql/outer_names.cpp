#include "jobs/sql/outer_names.hpp"

#include <algorithm>
#include <utility>

#include "jobs/plan/aggregate_call.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/row_rewrites.hpp"
#include "jobs/sql/subquery_syntax.hpp"

namespace weir::sql {
namespace {

using k = expr::syntax_kind;

std::string title_of(const from_item& f) {
  return !f.alias.empty()                      ? f.alias
         : f.what == from_item::kind::function ? f.call.name
                                               : f.table.text;
}

class qualifier {
 public:
  qualifier(const rows& outer, const relation_finder& find) : outer_(outer), find_(find) {}

  /// Names of the queries of WITH that what follows may name.
  void know(const named_query& n) { with_.push_back(&n); }
  bool changed() const { return changed_; }
  /// The first name that may mean several columns of the query outside.
  const std::optional<syntax>& ambiguous() const { return ambiguous_; }

  void walk(query& q) {
    const auto known = with_.size();
    // Copies of what is known stay as they are: a walk changes the list's own bodies.
    for (auto& w : q.with) {
      walk(w.body);
      with_.push_back(&w);
    }
    for (auto* side : {&q.left, &q.right})
      if (*side) walk(*side);
    levels_.push_back(&q);
    for (auto& f : q.from) walk(f);
    for (auto& t : q.targets)
      if (!t.star) walk(t.value);
    for (auto* part : {&q.where, &q.having})
      if (*part) walk(**part);
    for (auto* list : {&q.group_by, &q.distinct_on})
      for (auto& s : *list)
        if (!names_result(s, q)) walk(s);
    for (auto& o : q.order_by)
      if (!names_result(o.value, q)) walk(o.value);
    for (auto& w : q.windows) walk(w);
    for (auto& row : q.rows)
      for (auto& v : row) walk(v);
    levels_.pop_back();
    with_.resize(known);
  }
  /// What FROM itself reads: subqueries, functions, what joins ask.
  void walk_from(query& q) {
    levels_.push_back(&q);
    for (auto& f : q.from) walk(f);
    levels_.pop_back();
  }
  void walk(query_ptr& q) {
    auto copy = std::make_shared<query>(*q);
    walk(*copy);
    q = std::move(copy);
  }
  /// Takes calls that are the query's own out of the subqueries of its clauses.
  void take_calls(query& q, outer_calls& out) {
    taken_ = &out;
    std::vector<syntax*> clauses;
    for (auto& t : q.targets)
      if (!t.star) clauses.push_back(&t.value);
    if (q.having) clauses.push_back(&*q.having);
    for (auto& s : q.distinct_on) clauses.push_back(&s);
    for (auto& o : q.order_by) clauses.push_back(&o.value);
    for (auto* s : clauses) walk(*s);
    for (auto& w : q.windows) walk(w);
    clause_ = "WHERE";
    if (q.where) walk(*q.where);
    clause_ = "GROUP BY";
    for (auto& s : q.group_by) walk(s);
  }

 private:
  void walk(from_item& f) {
    for (auto& side : f.sides) walk(side);
    if (f.on) walk(*f.on);
    if (f.what == from_item::kind::function && !is_window_function(f.call.name)) {
      const auto around = std::exchange(called_, &f);
      walk(f.call);
      called_ = around;
    }
    if (!f.inner) return;
    // What stands beside it in FROM is seen by LATERAL only.
    const auto beside = levels_.back();
    if (!f.lateral) levels_.pop_back();
    inside_of_.push_back(&f);
    walk(f.inner);
    inside_of_.pop_back();
    if (!f.lateral) levels_.push_back(beside);
  }
  void walk(expr::window_syntax& w) {
    for (auto& p : w.partition) walk(p);
    for (auto& o : w.order) walk(o.value);
  }
  void walk(syntax& s) {
    if (taken_) {
      if (is_call(s)) {
        if (!levels_.empty() && reads_outer_alone(s)) return take(s);
        const auto around = inside_;
        inside_ |= levels_.empty() && s.kind == k::function && s.name != "grouping";
        walk_parts(s);
        inside_ = around;
        return;
      }
    } else if (s.kind == k::column && s.qualifier.empty()) {
      name(s);
    }
    walk_parts(s);
  }

  static bool is_call(const syntax& s) {
    return s.kind == k::function && !s.over_location &&
           (s.name == "grouping" || planner::find_aggregate(s.name));
  }
  bool reads_outer_alone(const syntax& s) const {
    std::vector<const syntax*> refs;
    collect(s, refs);
    bool own = false;
    for (const auto* r : refs) {
      if (!r->qualifier.empty()) {
        for (const auto* level : levels_) {
          std::set<std::string> titles;
          for (const auto& f : level->from) collect_titles(f, titles);
          if (titles.count(r->qualifier)) return false;
        }
      } else if (within_gives(r->name)) {
        return false;
      }
      const auto* found = named_by(*r, outer_);
      own |= found && !found->outer;
    }
    return own && !has_subquery(s);
  }
  void take(syntax& s) {
    if ((inside_ || clause_) && !taken_->misplaced) {
      taken_->misplaced = s;
      std::string why = s.name == "grouping" ? "grouping operations" : "aggregate functions";
      if (inside_)
        why = "aggregate function calls cannot be nested";
      else
        why.append(" are not allowed in ").append(clause_);
      taken_->why = std::move(why);
    }
    syntax column;
    column.kind = k::column;
    column.location = s.location;
    column.qualifier = outer_calls::table;
    // DISTINCT ON and ORDER BY must be known to be alike.
    auto& calls = taken_->calls;
    const auto known = std::find_if(calls.begin(), calls.end(),
                                    [&s](const syntax& other) { return same_syntax(s, other); });
    column.name = std::to_string(known - calls.begin());
    if (known == calls.end()) calls.push_back(std::move(s));
    s = std::move(column);
    changed_ = true;
  }

  void walk_parts(syntax& s) {
    for (auto* part : {&s.args, &s.filter})
      for (auto& a : *part) walk(a);
    if (s.order) {
      auto order = std::make_shared<std::vector<expr::sort_item>>(*s.order);
      for (auto& o : *order) walk(o.value);
      s.order = std::move(order);
    }
    if (s.over) {
      auto over = std::make_shared<expr::window_syntax>(*s.over);
      walk(*over);
      s.over = std::move(over);
    }
    if (!s.query) return;
    auto inner = std::make_shared<query>(query_of(s));
    walk(*inner);
    s.query = std::move(inner);
  }

  bool within_gives(const std::string& column) const {
    return std::any_of(levels_.begin(), levels_.end(), [&](const query* level) {
      return std::any_of(level->from.begin(), level->from.end(),
                         [&](const from_item& f) { return gives(f, column); });
    });
  }

  void name(syntax& s) {
    if (within_gives(s.name)) return;
    const auto all = all_named_by(s, outer_);
    if (all.size() > 1 && !ambiguous_) ambiguous_ = s;
    const auto* found = all.size() == 1 ? all.front() : nullptr;
    if (!found || found->table.empty()) return;
    // The name would mean a table of the query's own.
    for (const auto* level : levels_) {
      std::set<std::string> titles;
      for (const auto& f : level->from) collect_titles(f, titles);
      if (titles.count(found->table)) return;
    }
    s.qualifier = found->table;
    s.name = found->name;  // of a table of one column it may be the table's
    changed_ = true;
  }

  bool gives(const from_item& f, const std::string& column) const {
    // Its arguments, or its own query, do not see what it gives.
    if (&f == called_ || std::find(inside_of_.begin(), inside_of_.end(), &f) != inside_of_.end())
      return false;
    if (f.what == from_item::kind::join)
      return gives(f.sides[0], column) || gives(f.sides[1], column);
    if (std::find(f.columns.begin(), f.columns.end(), column) != f.columns.end()) return true;
    if (f.what == from_item::kind::subquery) return gives(*f.inner, column);
    if (f.what == from_item::kind::table) return table_gives(f.table.text, column, with_.size());
    if (is_window_function(f.call.name))
      return column == "window_start" || column == "window_end" || f.call.args.empty() ||
             f.call.args[0].kind != k::column ||
             table_gives(f.call.args[0].name, column, with_.size());
    // Without names for its columns what unnest() gives may have any.
    return (f.columns.empty() && (f.call.name == "unnest" || f.call.name == rows_from)) ||
           column == title_of(f) || column == "ordinality" ||
           (f.columns.empty() && column == "value");
  }
  /// `upto`: of the queries of WITH the first so many may be meant.
  bool table_gives(const std::string& table, const std::string& column, size_t upto) const {
    for (size_t i = upto; i-- > 0;)
      if (with_[i]->called.text == table) return titled(with_[i]->columns, *with_[i]->body, column);
    const auto r = find_(table);
    if (!r.known) return true;
    return r.body ? titled(r.titles, *r.body, column) : r.columns.count(column) > 0;
  }
  bool titled(const std::vector<std::string>& titles, const query& q,
              const std::string& column) const {
    return std::find(titles.begin(), titles.end(), column) != titles.end() || gives(q, column);
  }
  bool gives(const query& q, const std::string& column) const {
    if (q.what == query::kind::set_operation) return gives(*q.left, column);
    if (q.what == query::kind::values) return column.starts_with("column");
    return std::any_of(q.targets.begin(), q.targets.end(), [&](const target& t) {
      if (!t.star) return column == (t.alias.empty() ? column_title(t.value) : t.alias);
      return std::any_of(q.from.begin(), q.from.end(), [&](const from_item& f) {
        const bool all = t.value.qualifier.empty() || f.what == from_item::kind::join;
        return (all || title_of(f) == t.value.qualifier) && gives(f, column);
      });
    });
  }

  const rows& outer_;
  const relation_finder& find_;
  std::vector<const named_query*> with_;
  std::vector<const query*> levels_;
  const from_item* called_ = nullptr;        // the function whose arguments are walked
  std::vector<const from_item*> inside_of_;  // the subqueries of FROM that are walked
  bool changed_ = false;
  std::optional<syntax> ambiguous_;
  outer_calls* taken_ = nullptr;  // what take_calls() fills
  bool inside_ = false;           // an aggregate's arguments of the query itself
  const char* clause_ = nullptr;  // one that may have no aggregates
};

}  // namespace

query_ptr with_outer_names(const query& q, const rows& outer, const relation_finder& find,
                           std::optional<syntax>& ambiguous) {
  auto out = std::make_shared<query>(q);
  qualifier names(outer, find);
  for (auto& w : out->with) {
    names.walk(w.body);
    names.know(w);
  }
  names.walk_from(*out);
  ambiguous = names.ambiguous();
  return names.changed() ? out : nullptr;
}

outer_calls with_outer_calls(const query& q, const rows& in, const relation_finder& find) {
  outer_calls out;
  auto copy = std::make_shared<query>(q);
  qualifier names(in, find);
  names.take_calls(*copy, out);
  if (names.changed()) out.body = std::move(copy);
  return out;
}

}  // namespace weir::sql
