// The functions and operators that expressions know: name, argument types, result, kernel. Filled
// once, read by the binder (overloads) and the compiler (kernels); immutable afterwards.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/column/types.hpp"
#include "runtime/expr/row.hpp"
#include "runtime/expr/run.hpp"

namespace weir::expr {

/// Scale of a decimal result. The binder brings decimal arguments to one scale for `common`.
enum class scale_rule : uint8_t {
  none,
  common,        // the largest of the arguments; arguments are cast to it
  product,       // sum of both, see multiply_scale()
  quotient,      // see divide_scale()
  first,         // the first argument's
  zero,          //
  second_value,  // value of the literal second argument; the first's when it is no literal
};

struct function_entry {
  std::string name;
  std::vector<type_id> args;
  type_id result = type_id::int64;
  kernel fn = nullptr;
  uint32_t flags = 0;
  scale_rule rule = scale_rule::none;
};

/// What programs call a decimal times an integer that was cast to decimal(38, 0). Nobody can write
/// it.
inline constexpr std::string_view decimal_times_integer = "* integer";

class catalog {
 public:
  static const catalog& get();

  /// All overloads of a name; none when unknown.
  const std::vector<function_entry>* overloads(std::string_view name) const;
  /// The one with exactly these types (variadic: the last repeats); nullptr when there is none.
  const function_entry* find(std::string_view name, const std::vector<type_id>& args,
                             type_id result) const;
  /// Names that people may write, for "did you mean".
  std::vector<std::string_view> names() const;

  void add(std::string_view name, std::initializer_list<type_id> args, type_id result, kernel fn,
           uint32_t flags = 0, scale_rule rule = scale_rule::none);
  /// A function over rows (row.hpp): strict, by value alone.
  template <class F>
  void row(std::string_view name, std::initializer_list<type_id> args, type_id result, F,
           scale_rule rule = scale_rule::none, uint32_t flags = 0) {
    add(name, args, result, &row_kernel<F>, flag_dictionary | flags, rule);
  }

 private:
  std::map<std::string, std::vector<function_entry>, std::less<>> entries_;
};

void register_arithmetic(catalog&);
void register_division(catalog&);
void register_decimal(catalog&);
void register_compare(catalog&);
void register_logic(catalog&);
void register_casts(catalog&);
void register_choice(catalog&);
void register_string(catalog&);
void register_string_build(catalog&);
void register_pattern(catalog&);
void register_math(catalog&);
void register_datetime(catalog&);
void register_zone(catalog&);
void register_json(catalog&);
void register_format(catalog&);

/// Scales of decimal results; 38 digits bound what PostgreSQL leaves open.
constexpr uint8_t decimal_digits_max = 38;
constexpr uint8_t multiply_scale(uint8_t a, uint8_t b) noexcept {
  // Exact up to 20 fraction digits; beyond, digits left of the point are worth more.
  int exact = a + b;
  int widest = a > b ? a : b;
  int bound = widest > 20 ? widest : 20;
  return static_cast<uint8_t>(exact < bound ? exact : bound);
}
constexpr uint8_t divide_scale(uint8_t a, uint8_t b) noexcept {
  // PostgreSQL keeps 16 significant digits and at least both scales; with a fixed scale: 16 digits
  // of fraction.
  uint8_t widest = a > b ? a : b;
  return widest > 16 ? widest : 16;
}

}  // namespace weir::expr
