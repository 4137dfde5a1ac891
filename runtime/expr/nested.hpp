// Expressions over lists and structs: what their calls may look like, and kernels that other files
// need. Names that start with no letter cannot be written by people as calls:
//   "{}"  ARRAY[...]      "[]"  a[i]      "[:]"  a[i:j]      "()"  ROW(...)      "."  (s).field
//   "= any", "<> all" ...  x = ANY (a)
//   "@item", "@items"     what array_agg gathers and makes of it (kernels_array_agg.cpp)
//   "@zip"                arrays side by side, for functions of FROM that run in step
//   "@sum", "@moments"    of the distinct values that sum(DISTINCT x) and stddev(DISTINCT x) gather
//   "@percentile_cont", "@percentile_disc", "@mode"   of the sorted values of an ordered-set
//   aggregate
//   "@json_object"        of the names and values that json_object_agg gathers
//   "@pair"               two numbers as one argument, of corr and the like (kernels_of_items.cpp)
//   "@canonical"          the same for all values that are equal (kernels_canonical.cpp)
//   "@pack", "@unpack"    a value's stored form and back, for operators that keep bytes
#pragma once

#include "runtime/column/nested.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/node.hpp"

namespace weir::expr {

/// Bounds of a[:] that are not written.
inline constexpr int64_t slice_from_start = INT32_MIN, slice_to_end = INT32_MAX;

data_type list_of(data_type item);
inline const data_type& item_type(const data_type& list) {
  return list.fields->front().type;
}
/// Whether a call's types say more than their ids, which the catalog goes by.
bool is_nested_call(const node&);
/// Plans come from outside: whole types of such a call, beyond what the catalog has checked.
status check_nested_call(const node&);

/// Casts between the parts' types, for a value that may have them: nothing else than a cast by the
/// catalog is called.
bool can_cast(const data_type& from, const data_type& to);

/// A value of a register at a row, out of its dictionary.
struct value_at {
  const column* c = nullptr;
  uint32_t i = 0;
  bool valid = false;
};
value_at at_row(run&, uint32_t reg_index, uint32_t row);
/// The items of a list that is not NULL.
struct items_at {
  const column* c;
  uint32_t begin, end;
  uint32_t size() const noexcept { return end - begin; }
};
inline items_at items_of(const value_at& v) {
  const auto* o = v.c->offsets.as<uint32_t>();
  return {v.c->children[0].get(), o[v.i], o[v.i + 1]};
}

/// The target's column, value by value: f(row, builder) for the rows of the slot appends one.
template <class F>
void build_rows(run& r, const instruction& in, F f) {
  reg& t = r.at(in.target);
  column_builder out(t.type, *r.pool);
  out.reserve(r.rows);
  r.for_each_row(in, [&](uint32_t row) {
    if (out.length() < row) out.append_nulls(row - out.length());
    f(row, out);
  });
  if (out.length() < r.rows) out.append_nulls(r.rows - out.length());
  r.assign(t, column(*out.finish()));
}
/// The same for text or bytes that append(text, column, row) makes of the first argument.
template <class F>
void build_texts(run& r, const instruction& in, F append) {
  std::string text;
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto v = at_row(r, in.args[0], row);
    if (!v.valid) return out.append_null();
    text.clear();
    append(text, *v.c, v.i);
    out.append(std::string_view(text));
  });
}
inline void append_value(column_builder& out, const value_at& v) {
  if (v.valid)
    out.append_from(*v.c, v.i);
  else
    out.append_null();
}

void choose_nested(run&, const instruction&);
void spread_nested(run&, const instruction&);

void register_nested(catalog&);
void register_nested_casts(catalog&);
void register_arrays(catalog&);
void register_array_agg(catalog&);
void register_canonical(catalog&);
void register_of_items(catalog&);
/// Calls whose arguments are of any types: "()" and "@item".
extern const function_entry row_constructor, item_constructor;

/// Types that a list's item or a struct's field may have.
inline constexpr type_id part_types[] = {
    type_id::boolean, type_id::int32, type_id::int64,  type_id::float64,   type_id::decimal,
    type_id::string,  type_id::bytes, type_id::date,   type_id::timestamp, type_id::interval,
    type_id::json,    type_id::list,  type_id::struct_};

}  // namespace weir::expr
