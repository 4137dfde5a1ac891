// "@canonical": the one value that stands for all that are equal to a value without being the same,
// which are intervals ('1 day' and '24 hours') and what contains some. Keys are made of it where
// the engine compares the parts of a value.
#include <algorithm>
#include <cstdint>

#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

constexpr int64_t micros_per_day = 86'400'000'000;

/// Months, days and microseconds of one sign, each as many as fit into the next, with months of 30
/// days: PostgreSQL's order of intervals. At the ends of the range days and microseconds take what
/// is too much for months and days, so that every length has its form.
interval_value canonical(interval_value v) noexcept {
  auto rest = (static_cast<int128>(v.months) * 30 + v.days) * micros_per_day + v.micros;
  auto take = [&rest](int128 unit) {
    const auto n = std::clamp<int128>(rest / unit, INT32_MIN, INT32_MAX);
    rest -= n * unit;
    return static_cast<int32_t>(n);
  };
  interval_value out;
  out.months = take(int128{30} * micros_per_day);
  out.days = take(micros_per_day);
  out.micros = static_cast<int64_t>(rest);
  return out;
}

void append_canonical(column_builder& out, const column& c, uint32_t i) {
  if (!c.is_valid(i)) return out.append_null();
  if (c.dictionary) return append_canonical(out, *c.dictionary, c.data<uint32_t>()[i]);
  switch (c.type.id) {
    case type_id::interval:
      return out.append(canonical(c.data<interval_value>()[i]));
    case type_id::list: {
      const auto* o = c.offsets.as<uint32_t>();
      for (uint32_t k = o[i]; k < o[i + 1]; ++k) append_canonical(out.child(0), *c.children[0], k);
      return out.append_list();
    }
    case type_id::struct_:
      for (size_t k = 0; k < c.children.size(); ++k)
        append_canonical(out.child(k), *c.children[k], i);
      return out.append_struct();
    default:
      return out.append_from(c, i);
  }
}

void make_canonical(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row);
    if (!x.valid) return out.append_null();
    append_canonical(out, *x.c, x.i);
  });
}

}  // namespace

void register_canonical(catalog& c) {
  for (auto t : {type_id::interval, type_id::list, type_id::struct_})
    c.add("@canonical", {t}, t, make_canonical, flag_any | flag_non_strict);
}

}  // namespace weir::expr
