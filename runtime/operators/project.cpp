// Project and union: other columns, or another schema, over the same rows, weights and selection.
#include "runtime/column/builder.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/row_errors.hpp"

namespace weir {
namespace {

class project_operator final : public stream_operator {
 public:
  project_operator(expr::program p, schema_ptr output)
      : program_(std::move(p)), output_(std::move(output)) {}

  status open(const operator_context& c) override {
    context_ = c;
    return {};
  }
  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    std::vector<column_ptr> columns;
    WEIR_TRY(program_.evaluate(*in, *context_.memory, columns, &errors_));
    WEIR_ASSIGN(auto rows, without_rejected(context_, in, errors_));
    if (rows->rows) out.emit(with_columns(*rows, output_, std::move(columns)));
    return {};
  }

 private:
  expr::program program_;
  schema_ptr output_;
  operator_context context_;
  std::vector<expr::row_error> errors_;
};

class union_operator final : public stream_operator {
 public:
  explicit union_operator(schema_ptr output) : output_(std::move(output)) {}
  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    out.emit(in->type == output_ ? in : with_columns(*in, output_, in->columns));
    return {};
  }

 private:
  schema_ptr output_;
};

}  // namespace

result<operator_ptr> make_project(const project_spec& s, const schema_ptr& input,
                                  schema_ptr output) {
  if (s.columns.size() != output->size())
    return error(errc::type_mismatch, "a projection has " + std::to_string(s.columns.size()) +
                                          " expressions for " + std::to_string(output->size()) +
                                          " columns");
  for (size_t i = 0; i < s.columns.size(); ++i)
    if (!(s.columns[i]->type == output->fields[i].type))
      return error(errc::type_mismatch, "column \"" + output->fields[i].name + "\" is " +
                                            to_string(output->fields[i].type) +
                                            ", its expression " + to_string(s.columns[i]->type));
  WEIR_ASSIGN(auto program, expr::program::compile(s.columns, input));
  return operator_ptr(new project_operator(std::move(program), std::move(output)));
}

result<operator_ptr> make_union(const std::vector<schema_ptr>& inputs, schema_ptr output) {
  for (const auto& in : inputs) {
    if (in->size() != output->size())
      return error(errc::type_mismatch, "inputs of a union differ in their number of columns");
    for (size_t i = 0; i < in->size(); ++i)
      if (!(in->fields[i].type == output->fields[i].type))
        return error(errc::type_mismatch, "column " + std::to_string(i + 1) + " of a union is " +
                                              to_string(in->fields[i].type) + " and " +
                                              to_string(output->fields[i].type));
  }
  return operator_ptr(new union_operator(std::move(output)));
}

}  // namespace weir
