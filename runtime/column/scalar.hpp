// One value outside a column: literals of expressions, test expectations, printed cells.
#pragma once

#include <string>
#include <vector>

#include "runtime/column/types.hpp"

namespace weir {

using int128 = __int128;

struct scalar {
  data_type type;
  bool null = true;
  int64_t i = 0;   // boolean, int32, int64, date, timestamp
  double d = 0;    // float64
  int128 dec = 0;  // decimal, times 10^type.scale
  interval_value interval;
  std::string s;              // string, bytes, json
  std::vector<scalar> items;  // list: its items; struct: one per field

  static scalar of_null(data_type t) { return {std::move(t)}; }
  static scalar of_bool(bool v) { return of_int(type_id::boolean, v); }
  static scalar of_int(type_id t, int64_t v) {
    scalar r{t, false};
    r.i = v;
    return r;
  }
  static scalar of_double(double v) {
    scalar r{type_id::float64, false};
    r.d = v;
    return r;
  }
  static scalar of_decimal(int128 v, uint8_t scale) {
    scalar r{data_type(type_id::decimal, scale), false};
    r.dec = v;
    return r;
  }
  static scalar of_interval(interval_value v) {
    scalar r{type_id::interval, false};
    r.interval = v;
    return r;
  }
  static scalar of_string(std::string v, type_id t = type_id::string) {
    scalar r{t, false};
    r.s = std::move(v);
    return r;
  }
};

}  // namespace weir
