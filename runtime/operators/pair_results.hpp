// What regr_*, corr and covar_* give over sums of pairs, whichever way these are kept.
#pragma once

#include <cmath>
#include <optional>

#include "runtime/plan/plan.hpp"

namespace weir {

/// The result, as PostgreSQL has it; nothing is NULL. Of `Sums`: n() pairs; total_x(), total_y();
/// sxx(), syy() and sxy(), sums of products of deviations from the means.
template <class Sums>
std::optional<double> result_of_pairs(aggregate_function f, const Sums& s) noexcept {
  using fn = aggregate_function;
  const double n = s.n();
  if (n < 1 || (f == fn::covar_samp && n < 2)) return {};
  switch (f) {
    case fn::regr_avgx:
      return s.total_x() / n;
    case fn::regr_avgy:
      return s.total_y() / n;
    case fn::regr_sxx:
      return s.sxx();
    case fn::regr_syy:
      return s.syy();
    case fn::regr_sxy:
      return s.sxy();
    case fn::covar_pop:
      return s.sxy() / n;
    case fn::covar_samp:
      return s.sxy() / (n - 1);
    default:
      break;
  }
  const double in_x = s.sxx(), in_y = s.syy(), in_both = s.sxy();
  if (in_x == 0 || (in_y == 0 && f == fn::corr)) return {};
  switch (f) {
    case fn::regr_slope:
      return in_both / in_x;
    case fn::regr_intercept:
      return (s.total_y() - s.total_x() * in_both / in_x) / n;
    case fn::regr_r2:
      return in_y == 0 ? 1 : in_both * in_both / (in_x * in_y);
    default:
      return in_both / std::sqrt(in_x * in_y);
  }
}

}  // namespace weir
