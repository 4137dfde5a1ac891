// Expression programs against hand-written loops over the same batches: filter, project and both,
// int64 columns in memory. The rate is rows of input per second on one core.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/expr/expr.hpp"

using namespace weir;

namespace {

constexpr uint32_t rows_per_batch = batch_rows_target;
constexpr size_t batches = 64;  // 8 MiB: past the second-level cache, as batches in flight are

memory_pool& pool() {
  static memory_pool p;
  return p;
}

schema_ptr input() {
  static const auto s = [] {
    auto made = std::make_shared<schema>();
    made->fields = {{"a", type_id::int64}, {"b", type_id::int64}};
    return schema_ptr(made);
  }();
  return s;
}

const std::vector<batch_ptr>& data() {
  static const auto all = [] {
    std::vector<batch_ptr> r;
    uint64_t state = 42;
    for (size_t k = 0; k < batches; ++k) {
      auto b = std::make_shared<batch>();
      b->type = input();
      b->rows = b->physical_rows = rows_per_batch;
      for (int c = 0; c < 2; ++c) {
        auto col = std::make_shared<column>();
        col->type = type_id::int64;
        col->length = rows_per_batch;
        col->values = buffer::allocate(pool(), rows_per_batch * 8);
        for (uint32_t i = 0; i < rows_per_batch; ++i) {
          state = state * 6364136223846793005 + 1442695040888963407;
          col->values.mutable_as<int64_t>()[i] = static_cast<int64_t>((state >> 33) % 1000);
        }
        b->columns.push_back(col);
      }
      r.push_back(b);
    }
    return r;
  }();
  return all;
}

expr::program compiled(const char* sql) {
  auto n = expr::bind(sql, *input());
  weir_assert(n.ok(), "the benchmark's expression binds");
  auto p = expr::program::compile({*n}, input());
  weir_assert(p.ok(), "the benchmark's expression compiles");
  return std::move(*p);
}

void count_rows(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * rows_per_batch * batches);
}

void run_filter(benchmark::State& state, const char* sql) {
  auto p = compiled(sql);
  for (auto _ : state)
    for (const auto& b : data()) {
      buffer_ref selection;
      uint32_t rows = 0;
      if (!p.filter(*b, pool(), selection, rows)) state.SkipWithError("filter");
      benchmark::DoNotOptimize(rows);
    }
  count_rows(state);
}
void run_project(benchmark::State& state, const char* sql) {
  auto p = compiled(sql);
  std::vector<column_ptr> out;
  for (auto _ : state)
    for (const auto& b : data()) {
      if (!p.evaluate(*b, pool(), out)) state.SkipWithError("evaluate");
      benchmark::DoNotOptimize(out);
    }
  count_rows(state);
}
void filter_and_project(benchmark::State& state) {
  auto f = compiled("a > 500");
  auto p = compiled("b * 2 + 1");
  std::vector<column_ptr> out;
  for (auto _ : state)
    for (const auto& b : data()) {
      batch selected(*b);
      if (!f.filter(*b, pool(), selected.selection, selected.rows)) state.SkipWithError("filter");
      if (!p.evaluate(selected, pool(), out)) state.SkipWithError("evaluate");
      benchmark::DoNotOptimize(out);
    }
  count_rows(state);
}

void loop_filter(benchmark::State& state) {
  std::vector<uint32_t> out(rows_per_batch);
  for (auto _ : state)
    for (const auto& b : data()) {
      const auto* a = b->columns[0]->data<int64_t>();
      uint32_t n = 0;
      for (uint32_t i = 0; i < rows_per_batch; ++i) {
        out[n] = i;
        n += a[i] > 500;
      }
      benchmark::DoNotOptimize(n);
      benchmark::ClobberMemory();
    }
  count_rows(state);
}
void loop_project(benchmark::State& state) {
  std::vector<int64_t> out(rows_per_batch);
  for (auto _ : state)
    for (const auto& b : data()) {
      const auto* x = b->columns[1]->data<int64_t>();
      for (uint32_t i = 0; i < rows_per_batch; ++i) out[i] = x[i] * 2 + 1;
      benchmark::ClobberMemory();
    }
  count_rows(state);
}
void loop_filter_and_project(benchmark::State& state) {
  std::vector<int64_t> out(rows_per_batch);
  for (auto _ : state)
    for (const auto& b : data()) {
      const auto* a = b->columns[0]->data<int64_t>();
      const auto* x = b->columns[1]->data<int64_t>();
      uint32_t n = 0;
      for (uint32_t i = 0; i < rows_per_batch; ++i) {
        out[n] = x[i] * 2 + 1;
        n += a[i] > 500;
      }
      benchmark::DoNotOptimize(n);
      benchmark::ClobberMemory();
    }
  count_rows(state);
}

}  // namespace

BENCHMARK(loop_filter);
BENCHMARK_CAPTURE(run_filter, one_compare, "a > 500");
BENCHMARK_CAPTURE(run_filter, conjunction, "a > 500 AND b < 300");
BENCHMARK_CAPTURE(run_filter, general, "a > 500 OR b < 300");
BENCHMARK(loop_project);
BENCHMARK_CAPTURE(run_project, arithmetic, "b * 2 + 1");
BENCHMARK_CAPTURE(run_project, choice, "CASE WHEN a > 500 THEN b ELSE a END");
BENCHMARK_CAPTURE(run_project, division, "a / (b + 1)");
BENCHMARK(loop_filter_and_project);
BENCHMARK(filter_and_project);
BENCHMARK_MAIN();
