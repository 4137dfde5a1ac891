#include "tests/flow/sim_rows.hpp"

#include "runtime/column/builder.hpp"

namespace weir::sim {

schema_ptr row_schema() {
  static const schema_ptr type = [] {
    auto s = std::make_shared<schema>();
    s->fields = {{"time", type_id::timestamp},
                 {"key", type_id::int64},
                 {"number", type_id::int64},
                 {"count", type_id::int64}};
    s->event_time = 0;
    return s;
  }();
  return type;
}

batch_ptr to_batch(const std::vector<row>& rows, memory_pool& pool) {
  batch_builder b(row_schema(), pool);
  for (const auto& r : rows) {
    b.column(0).append(r.time);
    b.column(1).append(r.key);
    b.column(2).append(r.number);
    b.column(3).append(r.count);
  }
  return b.finish();
}

std::vector<row> to_rows(const batch& b) {
  std::vector<row> rows;
  for (uint32_t i = 0; i < b.rows; ++i) {
    uint32_t p = b.row(i);
    auto at = [&b, p](size_t c) { return b.columns[c]->data<int64_t>()[p]; };
    rows.push_back({at(0), at(1), at(2), at(3)});
  }
  return rows;
}

buffer_ref to_buffer(const std::vector<row>& rows, memory_pool& pool) {
  return buffer::copy(pool, std::as_bytes(std::span(rows)));
}

std::vector<row> from_bytes(std::span<const std::byte> bytes) {
  std::vector<row> rows(bytes.size() / sizeof(row));
  if (!rows.empty()) std::memcpy(rows.data(), bytes.data(), rows.size() * sizeof(row));
  return rows;
}

}  // namespace weir::sim
