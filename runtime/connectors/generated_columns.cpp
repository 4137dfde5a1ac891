#include "runtime/connectors/generated_columns.hpp"

namespace weir {

result<generated_columns> generated_columns::open(const source_spec& spec) {
  generated_columns g;
  g.columns_ = spec.columns;
  if (spec.physical_columns + spec.generated.size() != spec.columns->size())
    return {errc::invalid_argument, "the source has " + std::to_string(spec.columns->size()) +
                                        " columns, but " + std::to_string(spec.physical_columns) +
                                        " physical and " + std::to_string(spec.generated.size()) +
                                        " generated ones"};
  if (spec.generated.empty()) return g;
  auto physical = std::make_shared<schema>();
  physical->fields.assign(spec.columns->fields.begin(),
                          spec.columns->fields.begin() + spec.physical_columns);
  g.physical_ = physical;
  WEIR_ASSIGN(g.program_, expr::program::compile(spec.generated, physical));
  return g;
}

result<batch_ptr> generated_columns::finish(std::vector<column_ptr> physical, uint32_t rows,
                                            memory_pool& pool,
                                            std::vector<expr::row_error>& errors) {
  auto out = std::make_shared<batch>();
  out->type = columns_;
  out->rows = out->physical_rows = rows;
  out->columns = std::move(physical);
  if (!program_) return batch_ptr(std::move(out));
  out->type = physical_;
  std::vector<column_ptr> computed;
  WEIR_TRY(program_->evaluate(*out, pool, computed, &errors));
  out->type = columns_;
  for (auto& c : computed) out->columns.push_back(std::move(c));
  if (errors.empty()) return batch_ptr(std::move(out));
  auto selection = buffer::allocate(pool, rows * sizeof(uint32_t));
  uint32_t kept = 0;
  size_t next = 0;
  for (uint32_t r = 0; r < rows; ++r) {
    if (next < errors.size() && errors[next].row == r) {
      ++next;
      continue;
    }
    selection.mutable_as<uint32_t>()[kept++] = r;
  }
  selection.truncate(kept * sizeof(uint32_t));
  out->selection = std::move(selection);
  out->rows = kept;
  return batch_ptr(std::move(out));
}

result<batch_ptr> generated_columns::finish_or_skip(
    std::vector<column_ptr> physical, uint32_t rows, const operator_context& context,
    error_policy policy, const std::function<std::string(uint32_t)>& position) {
  std::vector<expr::row_error> errors;
  WEIR_ASSIGN(auto out, finish(std::move(physical), rows, *context.memory, errors));
  if (errors.empty()) return out;
  if (policy == error_policy::fail) return errors[0].cause.at(position(errors[0].row));
  if (context.metrics) context.metrics->errors_skipped += errors.size();
  return out;
}

}  // namespace weir
