// Predicates that become selections: the terms of a conjunction narrow one bitmap from left to
// right. Comparisons of columns with constants or columns go straight to bits; other terms run as
// instructions under the rows that are left. Asking whether columns without NULLs are NULL costs
// nothing. Owned by a program, as code is.
#pragma once

#include <memory>

#include "runtime/expr/code.hpp"

namespace weir::expr {

enum class fused_compare : uint8_t { eq, ne, lt, le, gt, ge };

/// Narrows `bits` to the rows where `a OP b`; b is a column or, with `constant`, one value.
using fused_kernel = void (*)(const std::byte* a, const std::byte* b, bool constant, size_t rows,
                              uint64_t* bits);
fused_kernel find_fused(type_id, fused_compare);

struct filter_term {
  // IS [NOT] NULL of column a: decided by its validity alone
  bool null_test = false, wants_null = false;
  // fused: registers of both sides
  fused_kernel fused = nullptr;
  uint32_t a = 0, b = 0;
  // otherwise: instructions [begin, end) under `slot`, then this boolean register
  size_t begin = 0, end = 0;
  int slot = 0;
  uint32_t value = 0;
};

struct filter_code {
  code all;
  std::vector<filter_term> terms;
  std::vector<uint64_t> bits;
};

result<std::unique_ptr<filter_code>> build_filter(const node_ptr& root, const schema& input,
                                                  memory_pool& constants);
/// `rows` = number selected; `selection` stays empty when all physical rows are.
void run_filter(filter_code&, run&, const batch& in, buffer_ref& selection, uint32_t& rows);

}  // namespace weir::expr
