// Filter: a selection over the same columns; rows are gathered once few of them are left.
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/row_errors.hpp"

namespace weir {
namespace {

// Below one selected row in this many the columns are mostly ballast: later operators compute over
// physical rows, and the batch keeps all of them in memory.
constexpr uint32_t sparse_factor = 8;

class filter_operator final : public stream_operator {
 public:
  explicit filter_operator(expr::program p) : program_(std::move(p)) {}

  status open(const operator_context& c) override {
    context_ = c;
    return {};
  }
  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    buffer_ref selection;
    uint32_t rows = 0;
    WEIR_TRY(program_.filter(*in, *context_.memory, selection, rows, &errors_));
    WEIR_TRY(reject_rows(context_, *in, errors_));
    if (rows == 0) return {};
    if (rows == in->rows) {
      out.emit(in);
      return {};
    }
    auto kept = with_selection(*in, std::move(selection), rows);
    if (rows < in->physical_rows / sparse_factor) kept = compact(kept, *context_.memory);
    out.emit(std::move(kept));
    return {};
  }

 private:
  expr::program program_;
  operator_context context_;
  std::vector<expr::row_error> errors_;
};

}  // namespace

result<operator_ptr> make_filter(const filter_spec& s, const schema_ptr& input) {
  if (!s.predicate || s.predicate->type.id != type_id::boolean)
    return error(errc::type_mismatch, "a filter needs a boolean expression");
  WEIR_ASSIGN(auto program, expr::program::compile({s.predicate}, input));
  return operator_ptr(new filter_operator(std::move(program)));
}

}  // namespace weir
