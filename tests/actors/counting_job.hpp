// The job of tests that look whether each row comes out once: the numbers from 1 on as they are,
// and their count and sum by key when all have been read.
#pragma once

#include <cstdint>
#include <string>

namespace weir::test {

/// As YAML; its sinks are OUT/every and OUT/sums. `rate`: numbers per second.
inline std::string counting_job_text(const std::string& name, const std::string& out, int64_t rows,
                                     int64_t keys, int64_t rate) {
  return "name: " + name + R"(
tables:
  numbers:
    columns: {n: bigint}
    with: {connector: sequence, start: 1, end: )" +
         std::to_string(rows) + ", rate: " + std::to_string(rate) + R"(}
  every: {columns: {n: bigint}, with: {connector: file, path: )" +
         out + R"(/every, format: csv}}
  sums:
    columns: {g: bigint, c: bigint, total: 'decimal(38,0)'}
    with: {connector: file, path: )" +
         out + R"(/sums, format: csv}
steps:
  - {name: by_key, from: numbers, key: {g: "n % )" +
         std::to_string(keys) +
         R"("}, aggregate: {c: count(*), total: sum(n)}, emit: final}
sinks:
  - {from: numbers, into: every}
  - {from: by_key, into: sums}
)";
}

}  // namespace weir::test
