// GREATEST and LEAST of two: nulls are passed over.
#include <algorithm>
#include <cmath>

#include "runtime/expr/catalog.hpp"

namespace weir::expr {
namespace {

int128 length_of(interval_value v) {
  return (static_cast<int128>(v.months) * 30 + v.days) * 86'400'000'000 + v.micros;
}
template <class T>
bool less(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, double>)
    return a < b || (std::isnan(b) && !std::isnan(a));
  else if constexpr (std::is_same_v<T, interval_value>)
    return length_of(a) < length_of(b);
  else if constexpr (std::is_same_v<T, decimal_value>)
    return a.v < b.v;
  else
    return a < b;
}

// -1: neither is there; 0 or 1: which one counts.
template <class T, bool greatest>
int chosen(run& r, const instruction& in, const operand<T>& a, const operand<T>& b, uint32_t i) {
  bool va = r.is_valid(in.args[0], i), vb = r.is_valid(in.args[1], i);
  if (!va || !vb) return va ? 0 : vb ? 1 : -1;
  T x = a[i], y = b[i];
  return greatest ? less(x, y) : less(y, x);
}

template <class T, bool greatest>
void extreme(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  operand<T> a(r, in.args[0]), b(r, in.args[1]);
  uint64_t* valid = r.validity(t);
  set_all(valid, r.rows);
  auto null_at = [&](uint32_t i) { valid[i >> 6] &= ~(uint64_t{1} << (i & 63)); };
  if constexpr (std::is_same_v<T, std::string_view>) {
    uint32_t* offsets = r.offsets(t);
    text_out out(r, t);
    uint32_t next = 0;
    r.for_each_row(in, [&](uint32_t i) {
      while (next <= i) offsets[next++] = static_cast<uint32_t>(out.size());
      int k = chosen<T, greatest>(r, in, a, b, i);
      if (k < 0) return null_at(i);
      out.append(k == 0 ? a[i] : b[i]);
    });
    while (next <= r.rows) offsets[next++] = static_cast<uint32_t>(out.size());
    out.finish();
  } else {
    using S = std::conditional_t<std::is_same_v<T, decimal_value>, int128,
                                 std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;
    S* out = r.values<S>(t, r.rows);
    if (!r.slot(in.slot).all) std::memset(static_cast<void*>(out), 0, sizeof(S) * r.rows);
    r.for_each_row(in, [&](uint32_t i) {
      int k = chosen<T, greatest>(r, in, a, b, i);
      if (k < 0) null_at(i);
      T v = k <= 0 ? a[i] : b[i];
      if constexpr (std::is_same_v<T, decimal_value>)
        out[i] = v.v;
      else
        out[i] = v;
    });
  }
  r.publish(t);
}

template <class T>
void add_type(catalog& c, type_id t) {
  c.add("greatest", {t, t}, t, extreme<T, true>, flag_any | flag_non_strict, scale_rule::common);
  c.add("least", {t, t}, t, extreme<T, false>, flag_any | flag_non_strict, scale_rule::common);
}

}  // namespace

void register_choice(catalog& c) {
  add_type<bool>(c, type_id::boolean);
  add_type<int32_t>(c, type_id::int32);
  add_type<int32_t>(c, type_id::date);
  add_type<int64_t>(c, type_id::int64);
  add_type<int64_t>(c, type_id::timestamp);
  add_type<double>(c, type_id::float64);
  add_type<decimal_value>(c, type_id::decimal);
  add_type<interval_value>(c, type_id::interval);
  add_type<std::string_view>(c, type_id::string);
  add_type<std::string_view>(c, type_id::bytes);
}

}  // namespace weir::expr
