// Making lists and structs, their parts, comparing them and choosing among them.
#include <algorithm>

#include "runtime/expr/nested.hpp"

namespace weir::expr {

value_at at_row(run& r, uint32_t reg_index, uint32_t row) {
  const reg& x = r.at(reg_index);
  value_at v{x.c, x.constant ? 0 : row, false};
  v.valid = v.c->is_valid(v.i);
  if (v.valid && v.c->dictionary) {
    v.i = v.c->data<uint32_t>()[v.i];
    v.c = v.c->dictionary.get();
  }
  return v;
}

namespace {

constexpr uint32_t by_rows = flag_any | flag_non_strict;

void make_list(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    for (auto a : in.args) append_value(out.child(0), at_row(r, a, row));
    out.append_list();
  });
}

void make_struct(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    for (size_t i = 0; i < in.args.size(); ++i)
      append_value(out.child(i), at_row(r, in.args[i], row));
    out.append_struct();
  });
}

/// Lists side by side: a list of structs as long as the longest; NULL behind a list's end.
void zip(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    std::vector<items_at> lists;
    uint32_t longest = 0;
    for (auto arg : in.args) {
      const auto list = at_row(r, arg, row);
      lists.push_back(list.valid ? items_of(list) : items_at{nullptr, 0, 0});
      longest = std::max(longest, lists.back().size());
    }
    auto& made = out.child(0);
    for (uint32_t k = 0; k < longest; ++k) {
      for (size_t i = 0; i < lists.size(); ++i)
        if (k < lists[i].size())
          made.child(i).append_from(*lists[i].c, lists[i].begin + k);
        else
          made.child(i).append_null();
      made.append_struct();
    }
    out.append_list();
  });
}

void element(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), n = at_row(r, in.args[1], row);
    if (!a.valid || !n.valid) return out.append_null();
    const auto items = items_of(a);
    const int64_t k = n.c->data<int32_t>()[n.i];
    if (k < 1 || k > items.size()) return out.append_null();
    out.append_from(*items.c, items.begin + static_cast<uint32_t>(k - 1));
  });
}

void part_of_list(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), from = at_row(r, in.args[1], row),
               to = at_row(r, in.args[2], row);
    if (!a.valid || !from.valid || !to.valid) return out.append_null();
    const auto items = items_of(a);
    const int64_t first = std::max<int64_t>(1, from.c->data<int32_t>()[from.i]);
    const int64_t last = std::min<int64_t>(items.size(), to.c->data<int32_t>()[to.i]);
    for (int64_t k = first; k <= last; ++k)
      out.child(0).append_from(*items.c, items.begin + static_cast<uint32_t>(k - 1));
    out.append_list();
  });
}

void field_of_struct(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto s = at_row(r, in.args[0], row), n = at_row(r, in.args[1], row);
    const auto k = n.valid ? static_cast<size_t>(n.c->data<int32_t>()[n.i]) : SIZE_MAX;
    if (!s.valid || k >= s.c->children.size()) return out.append_null();
    out.append_from(*s.c->children[k], s.i);
  });
}

enum class relation : uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };
bool holds(relation r, int order) {
  switch (r) {
    case relation::equal:
      return order == 0;
    case relation::not_equal:
      return order != 0;
    case relation::less:
      return order < 0;
    case relation::less_equal:
      return order <= 0;
    case relation::greater:
      return order > 0;
    case relation::greater_equal:
      return order >= 0;
  }
  return false;
}

template <relation rel>
void compare(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto a = at_row(r, in.args[0], row), b = at_row(r, in.args[1], row);
    if (!a.valid || !b.valid) return out.append_null();
    out.append(static_cast<uint8_t>(holds(rel, compare_values(*a.c, a.i, *b.c, b.i))));
  });
}

/// x OP ANY (a), x OP ALL (a): decided by one item, else unknown where an item or x is.
template <relation rel, bool any>
void quantified(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row), a = at_row(r, in.args[1], row);
    if (!a.valid) return out.append_null();
    const auto items = items_of(a);
    bool unknown = items.size() != 0 && !x.valid;
    for (uint32_t i = items.begin; x.valid && i < items.end; ++i) {
      if (!items.c->is_valid(i))
        unknown = true;
      else if (holds(rel, compare_values(*x.c, x.i, *items.c, i)) == any)
        return out.append(static_cast<uint8_t>(any));
    }
    if (unknown) return out.append_null();
    out.append(static_cast<uint8_t>(!any));
  });
}

/// Of a struct: all fields are NULL (or none is), which PostgreSQL asks of rows.
template <bool null>
void row_is(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto s = at_row(r, in.args[0], row);
    bool all = !s.valid ? null : true;
    for (size_t k = 0; s.valid && k < s.c->children.size(); ++k)
      all = all && s.c->children[k]->is_valid(s.i) != null;
    out.append(static_cast<uint8_t>(all));
  });
}

template <relation rel>
void add_relation(catalog& c, const char* name, bool exchanged = false) {
  for (auto t : {type_id::list, type_id::struct_})
    c.add(name, {t, t}, type_id::boolean, exchanged ? nullptr : compare<rel>, by_rows);
  for (auto t : part_types) {
    c.add(std::string(name) + " any", {t, type_id::list}, type_id::boolean, quantified<rel, true>,
          by_rows);
    c.add(std::string(name) + " all", {t, type_id::list}, type_id::boolean, quantified<rel, false>,
          by_rows);
  }
}

}  // namespace

void choose_nested(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    size_t k = 0;
    for (; k + 1 < in.args.size(); k += 2) {
      const column& condition = r.col(in.args[k]);
      if (condition.data<uint8_t>()[row] && condition.is_valid(row)) break;
    }
    append_value(out, at_row(r, k + 1 < in.args.size() ? in.args[k + 1] : in.args.back(), row));
  });
}

void spread_nested(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  column_builder out(t.type, *r.pool);
  for (uint32_t row = 0; row < r.rows; ++row) out.append_from(r.col(in.args[0]), 0);
  r.assign(t, column(*out.finish()));
}

const function_entry row_constructor{"()", {}, type_id::struct_, make_struct, by_rows};

void register_nested(catalog& c) {
  constexpr auto list = type_id::list, i4 = type_id::int32, b = type_id::boolean;
  for (auto t : part_types) {
    c.add("{}", {t}, list, make_list, by_rows | flag_variadic);
    c.add("[]", {list, i4}, t, element, by_rows);
    c.add(".", {type_id::struct_, i4}, t, field_of_struct, by_rows);
  }
  c.add("[:]", {list, i4, i4}, list, part_of_list, by_rows);
  c.add("@zip", {list}, list, zip, by_rows | flag_variadic);
  add_relation<relation::equal>(c, "=");
  add_relation<relation::not_equal>(c, "<>");
  add_relation<relation::less>(c, "<");
  add_relation<relation::less_equal>(c, "<=");
  add_relation<relation::greater>(c, ">", true);
  add_relation<relation::greater_equal>(c, ">=", true);
  c.add("row is null", {type_id::struct_}, b, row_is<true>, by_rows);
  c.add("row is not null", {type_id::struct_}, b, row_is<false>, by_rows);
}

}  // namespace weir::expr
