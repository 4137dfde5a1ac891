#include "runtime/operators/row_errors.hpp"

#include "runtime/column/builder.hpp"

namespace weir {

status reject_rows(const operator_context& c, const batch& in,
                   const std::vector<expr::row_error>& errors) {
  if (errors.empty()) return {};
  if (!c.row_errors) return errors.front().cause;
  return c.row_errors->reject(in, errors);
}

result<batch_ptr> without_rejected(const operator_context& c, const batch_ptr& in,
                                   const std::vector<expr::row_error>& errors) {
  if (errors.empty()) return in;
  WEIR_TRY(reject_rows(c, *in, errors));
  auto selection = buffer::allocate(*c.memory, size_t{in->rows} * sizeof(uint32_t));
  auto* out = selection.mutable_as<uint32_t>();
  uint32_t kept = 0;
  size_t next = 0;
  for (uint32_t i = 0; i < in->rows; ++i) {
    const uint32_t row = in->row(i);
    while (next < errors.size() && errors[next].row < row) ++next;
    if (next == errors.size() || errors[next].row != row) out[kept++] = row;
  }
  selection.truncate(size_t{kept} * sizeof(uint32_t));
  return with_selection(*in, std::move(selection), kept);
}

}  // namespace weir
