#include "jobs/plan/joins.hpp"

#include <algorithm>

#include "jobs/plan/canonical_keys.hpp"
#include "jobs/plan/lookups.hpp"
#include "jobs/plan/needs.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir::planner {
namespace {

enum class sides : uint8_t { none, left, right, both };

sides sides_of(const expr::node& e, uint32_t lefts) {
  bool l = false, r = false;
  for (auto c : expr::columns_of(e)) (c < lefts ? l : r) = true;
  return l && r ? sides::both : l ? sides::left : r ? sides::right : sides::none;
}

/// "time" or "time + interval" over one column.
struct moment {
  uint32_t column = 0;
  int64_t offset_us = 0;
};

std::optional<int64_t> fixed_interval(const expr::node_ptr& given) {
  const auto n = expr::fold(given);
  if (n->kind != expr::node_kind::literal || n->type.id != type_id::interval || n->literal.null ||
      n->literal.interval.months)
    return {};
  int64_t us = 0;
  if (__builtin_mul_overflow(int64_t{n->literal.interval.days}, int64_t{86'400'000'000}, &us) ||
      __builtin_add_overflow(us, n->literal.interval.micros, &us))
    return {};
  // Far beyond any lifetime of a row; sums of two stay in range.
  if (us > INT64_MAX / 8 || us < INT64_MIN / 8) return {};
  return us;
}

std::optional<moment> moment_of(const expr::node_ptr& n) {
  if (n->kind == expr::node_kind::column && n->type.id == type_id::timestamp)
    return moment{n->column, 0};
  if (n->kind != expr::node_kind::call || n->args.size() != 2 ||
      (n->function != "+" && n->function != "-"))
    return {};
  auto base = moment_of(n->args[0]);
  const auto by = fixed_interval(n->args[1]);
  if (!base || !by) return {};
  base->offset_us += n->function == "+" ? *by : -*by;
  return base;
}

/// Bounds of left time - right time; and of each side a column up to which, and how much farther,
/// the other side's times may be.
struct distance {
  std::optional<int64_t> least, most;
  std::optional<moment> left_end, right_end;
  void at_least(int64_t v) { least = least ? std::max(*least, v) : v; }
  void at_most(int64_t v) { most = most ? std::min(*most, v) : v; }
};

/// a + x <= b + y.
void read_order(const moment& a, const moment& b, uint32_t lefts, std::optional<uint32_t> left,
                std::optional<uint32_t> right, distance& d) {
  if ((a.column < lefts) == (b.column < lefts)) return;
  const int64_t by = b.offset_us - a.offset_us;
  if (a.column == left) {
    if (b.column == right)
      d.at_most(by);
    else if (!d.right_end)
      d.right_end = moment{b.column - lefts, by};
  } else if (a.column == right) {
    if (b.column == left)
      d.at_least(-by);
    else if (!d.left_end)
      d.left_end = moment{b.column, by};
  }
}

void read_bound(const expr::node_ptr& e, uint32_t lefts, std::optional<uint32_t> left,
                std::optional<uint32_t> right, distance& d) {
  if (e->kind != expr::node_kind::call || e->args.size() != 2) return;
  const auto& f = e->function;
  const bool up = f == "<" || f == "<=", down = f == ">" || f == ">=";
  if (!up && !down && f != "=") return;
  const auto a = moment_of(e->args[0]), b = moment_of(e->args[1]);
  if (!a || !b) return;
  if (!down) read_order(*a, *b, lefts, left, right, d);
  if (!up) read_order(*b, *a, lefts, left, right, d);
}

}  // namespace

void split_and(const expr::node_ptr& e, std::vector<expr::node_ptr>& out) {
  if (e->kind == expr::node_kind::call && e->function == "and")
    for (const auto& a : e->args) split_and(a, out);
  else
    out.push_back(e);
}

expr::node_ptr of_right(const expr::node_ptr& e, size_t left_columns) {
  const auto read = expr::columns_of(*e);
  if (read.empty()) return e;  // a constant
  std::vector<uint32_t> map(read.back() + 1);
  for (uint32_t c = 0; c < map.size(); ++c) map[c] = c - static_cast<uint32_t>(left_columns);
  return expr::remap_columns(e, map);
}

expr::node_ptr join_and(std::vector<expr::node_ptr> all) {
  if (all.empty()) return nullptr;
  if (all.size() == 1) return all[0];
  return expr::make_call("and", type_id::boolean, std::move(all));
}

join_parts analyze_join(const std::vector<logical_node>& nodes, const logical_node& j) {
  join_parts out;
  const auto left = output_of(nodes, j.inputs[0]), right = output_of(nodes, j.inputs[1]);
  const auto lefts = static_cast<uint32_t>(left->size());
  std::vector<expr::node_ptr> all, rest;
  if (j.predicate) split_and(j.predicate, all);
  std::optional<uint32_t> right_time;
  if (right->event_time) right_time = lefts + *right->event_time;
  distance d;
  for (const auto& part : all) {
    read_bound(part, lefts, left->event_time, right_time, d);
    auto e = part;
    auto is_call = [&e](const char* name, size_t args) {
      return e->kind == expr::node_kind::call && e->function == name && e->args.size() == args;
    };
    bool null_safe = false;
    if (is_call("not", 1)) {  // IS NOT DISTINCT FROM
      e = e->args[0];
      null_safe = is_call("is distinct", 2);
    }
    if ((null_safe || is_call("=", 2)) && (null_safe || e == part) &&
        e->args[0]->type == e->args[1]->type && e->args[0]->type.id != type_id::json) {
      const auto a = sides_of(*e->args[0], lefts), b = sides_of(*e->args[1], lefts);
      const bool straight = a == sides::left && b == sides::right;
      if (straight || (a == sides::right && b == sides::left)) {
        const auto& l = e->args[straight ? 0 : 1];
        out.keys.push_back(
            {canonical(l), canonical(of_right(e->args[straight ? 1 : 0], lefts)), null_safe});
        continue;
      }
    }
    rest.push_back(part);
  }
  out.condition = join_and(std::move(rest));

  const auto& l = nodes[j.inputs[0].node];
  const auto& r = nodes[j.inputs[1].node];
  for (const auto& k : out.keys) {
    if (!l.window_end || !r.window_end || j.inputs[0].port || j.inputs[1].port) break;
    if (bare_column(k.left) == l.window_end && bare_column(k.right) == r.window_end) {
      out.windowed = true;
      out.left = {*l.window_end, -1};
      out.right = {*r.window_end, -1};
      return out;
    }
  }
  if (is_as_of(j.join)) {
    // right <= left, or right < left: how much the right one may be younger.
    out.condition = nullptr;
    if (d.least && left->event_time && right->event_time) {
      bool strict = false;
      for (const auto& part : all)
        strict |=
            part->kind == expr::node_kind::call && (part->function == "<" || part->function == ">");
      out.left = {*left->event_time, -*d.least - (strict ? 1 : 0)};
      out.right = {*right->event_time, 0};
    }
    return out;
  }
  // A left row has its last partner when the right time is its own less the least distance.
  if (d.least) out.left = {*left->event_time, std::max<int64_t>(0, -*d.least)};
  if (d.most) out.right = {*right->event_time, std::max<int64_t>(0, *d.most)};
  // Its event time says nothing, but another column. An end of a row that changes might come late.
  auto by_column = [](const std::optional<moment>& end, const logical_node& side,
                      std::optional<join_parts::lifetime>& life) {
    if (life || !end || side.emits_changes) return;
    life = {end->column, std::max<int64_t>(0, end->offset_us)};
    life->by_column = true;
  };
  if (left->event_time && right->event_time) {
    by_column(d.left_end, l, out.left);
    by_column(d.right_end, r, out.right);
    if (out.left && out.left->by_column && out.right) out.left->late = left->event_time;
    if (out.right && out.right->by_column && out.left) out.right->late = right->event_time;
  }
  return out;
}

bool join_changes(const std::vector<logical_node>& nodes, const logical_node& j) {
  if (j.join == join_kind::inner || j.join == join_kind::semi || is_as_of(j.join)) return false;
  if (looks_up(nodes, j)) return false;
  const auto parts = analyze_join(nodes, j);
  return !parts.left || !parts.right || nodes[j.inputs[0].node].emits_changes ||
         nodes[j.inputs[1].node].emits_changes;
}

std::optional<uint32_t> timed_rows(const std::vector<logical_node>& nodes, const logical_node& j) {
  if (is_as_of(j.join) || j.join == join_kind::full || looks_up(nodes, j) ||
      nodes[j.inputs[0].node].emits_changes || nodes[j.inputs[1].node].emits_changes ||
      join_changes(nodes, j))
    return {};
  const auto parts = analyze_join(nodes, j);
  if (parts.windowed) return {};
  // Rows without a partner have no time of the other side.
  if (parts.left && !parts.left->by_column && j.join != join_kind::right) return parts.left->column;
  if (parts.right && !parts.right->by_column &&
      (j.join == join_kind::inner || j.join == join_kind::right)) {
    const auto lefts = static_cast<uint32_t>(output_of(nodes, j.inputs[0])->size());
    return lefts + parts.right->column;
  }
  return {};
}

}  // namespace weir::planner
