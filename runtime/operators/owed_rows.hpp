// Rows that changes took back and never gave: when the input has ended they are a mistake of the
// input, which results must not hide. While it goes on their rows may still come.
#pragma once

#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/operator.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

/// errc::invalid_argument: the same input fails so again. `what`: "the row (1,a)".
error taken_back_too_often(const std::string& what);
/// "the row (1,a)", or a group of such a key.
std::string described(const key_codec&, const uint64_t* row, std::string_view what, memory_pool&);

/// At the end of the input: an error that names one of the entries whose weight is below 0, if
/// there is any. Not of a job that may count rows twice.
template <class Weight>
status check_none_owed(const operator_context& c, const row_table& entries, const key_codec& codec,
                       std::string_view what, Weight weight_of) {
  if (!c.exactly_once) return {};
  const uint64_t* owed = nullptr;
  for (uint32_t id = 0; id < entries.rows_end() && !owed; ++id)
    if (entries.alive(id) && weight_of(entries.row(id)) < 0) owed = entries.row(id);
  if (!owed) return {};
  return taken_back_too_often(described(codec, owed, what, *c.memory));
}

}  // namespace weir
