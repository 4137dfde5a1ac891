// Sums of float64 from which values can be taken again as if they had never been there: what one
// float64 has no digits for is kept in further parts (Shewchuk, "Adaptive Precision Floating-Point
// Arithmetic and Fast Robust Geometric Predicates", 1997). A sum is exact as long as its digits fit
// into its parts, wherever these lie. Parts are in order of their size, the largest first, which is
// the sum's nearest float64. Stateless.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::float_parts {

/// Of a sum of values: those of three orders of magnitude, or 159 digits of two.
inline constexpr size_t of_values = 3;
/// Of a sum of their products, which have twice their digits.
inline constexpr size_t of_products = 4;
/// Products are kept times this, so that sums of all that are finite are.
inline constexpr double product_scale = 0x1p-64;

/// Adds `v` to the sum of `n` parts, 2 to 4 of them. What is returned is how much of it is lost at
/// most: 0 as long as the sum is exact. Beyond the largest float64, n times, a sum stays infinite.
double add(double* parts, size_t n, double v) noexcept;
/// `weight` times `v`.
double add_times(double* parts, size_t n, double v, int64_t weight) noexcept;
/// `weight` times the product of two values of which `multiplies` is true, times product_scale.
double add_product(double* parts, size_t n, double a, double b, int64_t weight) noexcept;
/// `weight` times another sum of as many parts.
double add_parts(double* parts, size_t n, const double* more, int64_t weight) noexcept;

/// Whether the square of a value is in range of a float64.
bool multiplies(double v) noexcept;
/// The sum as a float64.
double value(const double* parts, size_t n) noexcept;

/// sum(a * b) - sum(a) * sum(b) / n over n pairs: that is sum((a - mean(a)) * (b - mean(b))). Sums
/// of products have of_products parts, of values of_values. `aa` and `bb` say how large values are.
/// `lost`: how much of each sum may be wrong (of ab, a and b); a result that this may have made is
/// 0.
double around_means(const double* ab, const double* a, const double* b, double n, double aa,
                    double bb, const double (&lost)[3]) noexcept;

}  // namespace weir::float_parts
