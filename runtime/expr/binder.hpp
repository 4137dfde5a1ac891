// Gives a syntax tree its types: names to columns, overloads to functions, casts where PostgreSQL
// would insert them. expr::bind() uses one per text; front ends that read whole statements use one
// with a scope of their own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/scope.hpp"
#include "runtime/expr/syntax.hpp"

namespace weir::expr {

/// When PostgreSQL applies a cast by itself.
enum class cast_context : uint8_t { implicit, assignment, on_request, never };
cast_context context_of(type_id from, type_id to);
/// The same of whole types: of lists and structs the worst of their parts'.
cast_context context_of(const data_type& from, const data_type& to);

class binder {
 public:
  /// `sql` is what the locations of syntax trees count in.
  binder(std::string_view sql, scope& names) : sql_(sql), scope_(names) {}

  result<bound> bind(const syntax&);
  /// With casts up to `context`; errors name both types.
  result<bound> coerce(bound, const data_type& target, cast_context context);
  /// A literal without a type becomes text.
  bound settle(bound) const;
  /// The type that set operations, CASE, VALUES and the like give to several expressions.
  result<data_type> common_type(const std::vector<bound>&, std::string_view what,
                                uint32_t location) const;
  error fail(errc code, std::string_view what, uint32_t location) const {
    return error_at(code, what, sql_, location);
  }

 private:
  node_ptr call(std::string name, const data_type& type, std::vector<node_ptr> args,
                uint32_t location) const;
  node_ptr literal(scalar, uint32_t location) const;

  result<bound> bind_number(const syntax&);
  result<bound> bind_cast(const syntax&);
  result<bound> bind_special(const syntax&);
  result<bound> bind_logic(const syntax&);
  result<bound> bind_test(const syntax&);
  node_ptr test_fields(const node& row, const std::string& test, uint32_t location) const;
  result<bound> bind_case(const syntax&);
  result<bound> bind_choice(const syntax&);
  result<bound> bind_nullif(const syntax&);
  result<bound> bind_in(const syntax&);
  result<bound> bind_between(const syntax&);
  result<bound> bind_distinct(const syntax&);
  result<bound> bind_operator(const syntax&);
  result<bound> operators_behind(bound made, const std::vector<const syntax*>& chain);
  result<bound> bind_operation(const syntax&, std::vector<bound> args);
  result<bound> bind_function(const syntax&);
  result<bound> bind_extract(const syntax&, std::vector<bound>);
  result<bound> bind_concat(const syntax&, std::vector<bound>);
  result<bound> bind_textual(const syntax&, std::vector<bound>);
  result<std::vector<bound>> bind_args(const syntax&);

  // bind_nested.cpp
  result<bound> make_array(std::vector<bound> items, const data_type& item, cast_context,
                           uint32_t location);
  result<bound> bind_array(const syntax&);
  result<bound> bind_row(const syntax&);
  result<bound> bind_part(const syntax&);
  result<bound> bind_quantified(const syntax&);
  result<bound> compare_rows(const std::string& name, const syntax&, const syntax&,
                             uint32_t location);
  std::optional<result<bound>> over_rows(const syntax&);
  std::optional<result<bound>> operate_nested(std::string_view name, std::vector<bound>& args,
                                              uint32_t location);
  result<bound> array_call(const std::string& name, std::vector<bound> args, uint32_t location);
  result<bound> bind_json_object(const syntax&, std::vector<bound>& args);
  std::optional<result<bound>> bind_array_function(const syntax&, std::vector<bound>& args);
  result<data_type> common_of(const data_type&, const data_type&, std::string_view what,
                              uint32_t location) const;
  result<bound> cast_to_fields(const syntax&, const bound& value);
  result<bound> cast_array(const syntax&);
  result<bound> convert_nested_literal(const bound&, const data_type& target) const;
  error no_function(const syntax&, const std::vector<bound>& args) const;
  error no_operator(std::string_view name, const std::vector<bound>& args, uint32_t location) const;

  /// The overload that PostgreSQL's rules pick; nullptr when none or several fit.
  const function_entry* resolve(const std::vector<function_entry>& overloads,
                                const std::vector<bound>& args, bool is_operator) const;
  result<bound> apply(const function_entry&, std::vector<bound> args, uint32_t location);
  result<bound> operate(std::string_view name, std::vector<bound> args, uint32_t location);
  result<bound> convert_literal(const bound&, const data_type& target) const;
  result<data_type> named_type(const syntax&, const bound& value, int& precision) const;

  std::string_view sql_;
  scope& scope_;
};

/// "integer", or "unknown" for a literal without a type.
std::string name_of(const bound&);
bool has_text(const bound&);  // a literal of quotes

}  // namespace weir::expr
