// Stateless throughput: filter and project, and what the engine adds per operator and row.
#include <atomic>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::cli {
namespace {

constexpr uint32_t tax_pairs = 8;  // a filter and a projection each

/// The same kernels, called one after the other without an engine around them.
class kernel_loop {
 public:
  static result<kernel_loop> make(const physical_plan& plan) {
    kernel_loop l;
    schema_ptr in = plan.operators.front().output;
    for (const auto& node : plan.operators) {
      if (const auto* f = std::get_if<filter_spec>(&node.spec)) {
        WEIR_ASSIGN(auto p, expr::program::compile({f->predicate}, in));
        l.steps_.push_back({true, std::move(p), node.output});
      } else if (const auto* s = std::get_if<project_spec>(&node.spec)) {
        WEIR_ASSIGN(auto p, expr::program::compile(s->columns, in));
        l.steps_.push_back({false, std::move(p), node.output});
      }
      if (node.output) in = node.output;
    }
    return l;
  }
  size_t operators() const { return steps_.size(); }
  uint64_t run(batch_ptr rows) {
    uint64_t n = rows->rows;
    for (auto& s : steps_) {
      if (s.filter) {
        buffer_ref selection;
        uint32_t kept = 0;
        if (!s.program.filter(*rows, *pool_, selection, kept)) return n;
        if (kept != rows->rows) rows = with_selection(*rows, std::move(selection), kept);
      } else {
        std::vector<column_ptr> columns;
        if (!s.program.evaluate(*rows, *pool_, columns)) return n;
        rows = with_columns(*rows, s.output, std::move(columns));
      }
    }
    return n;
  }

 private:
  struct step {
    bool filter;
    expr::program program;
    schema_ptr output;
  };
  std::unique_ptr<memory_pool> pool_ = std::make_unique<memory_pool>();
  std::vector<step> steps_;
};

}  // namespace

result<std::vector<bench_line>> bench_filter_project(const bench_setup& s) {
  bench_table table("bench_filter_project", s.rows, 1'000'000);
  WEIR_ASSIGN(auto plan, bench_plan("name: filter_project\ntables:\n  rows: " + table.yaml() +
                                        "\n  out: {with: {connector: blackhole}}\nsteps:\n"
                                        "  - {name: kept, from: rows, where: k < 500000, "
                                        "select: {s: k + v}}\n"
                                        "sinks:\n  - {from: kept, into: out}\n",
                                    s.threads));
  engine_settings e;
  e.threads = s.threads;
  WEIR_ASSIGN(auto t, measure_throughput(plan, e, 0.2, 0, s.seconds));

  // By hand: one pass, without branches, into an array that stays in the cache.
  std::vector<std::vector<int64_t>> out(s.threads, std::vector<int64_t>(batch_rows_target + 1));
  std::vector<size_t> at(s.threads);
  const auto& batches = table.batches();
  std::atomic<uint64_t> keep{0};
  double plain = plain_loop(s.threads, std::min(1.0, s.seconds), [&](uint32_t thread) {
    const auto& b = *batches[at[thread]++ % batches.size()];
    const auto* k = b.columns[0]->data<int64_t>();
    const auto* v = b.columns[1]->data<int64_t>();
    auto* to = out[thread].data();
    size_t n = 0;
    for (uint32_t i = 0; i < b.rows; ++i) {
      to[n] = k[i] + v[i];
      n += k[i] < 500'000;
    }
    keep.store(static_cast<uint64_t>(to[n / 2]), std::memory_order_relaxed);
    return uint64_t{b.rows};
  });
  return std::vector<bench_line>{{"throughput", t.rows_per_second, "rows/s", "plain loop", plain,
                                  t.rows_per_second / plain, 1e9, t.rows, t.seconds}};
}

result<std::vector<bench_line>> bench_operator_tax(const bench_setup& s) {
  bench_table table("bench_operator_tax", s.rows, 1'000'000);
  std::string steps;
  for (uint32_t i = 0; i < tax_pairs; ++i) {
    std::string from = i == 0 ? "rows" : "step" + std::to_string(i - 1);
    steps += "  - {name: step" + std::to_string(i) + ", from: " + from +
             ", where: k >= 0, select: {k: k + 1, v: v}}\n";
  }
  WEIR_ASSIGN(auto plan, bench_plan("name: operator_tax\ntables:\n  rows: " + table.yaml() +
                                        "\n  out: {with: {connector: blackhole}}\nsteps:\n" +
                                        steps + "sinks:\n  - {from: step" +
                                        std::to_string(tax_pairs - 1) + ", into: out}\n",
                                    1));
  WEIR_ASSIGN(auto loop, kernel_loop::make(plan));
  engine_settings e;
  WEIR_ASSIGN(auto t, measure_throughput(plan, e, 0.2, 0, s.seconds));
  size_t at = 0;
  const auto& batches = table.batches();
  const double cpu_before = cpu_seconds();
  uint64_t rows = 0;
  (void)plain_loop(1, s.seconds, [&](uint32_t) {
    auto n = loop.run(batches[at++ % batches.size()]);
    rows += n;
    return n;
  });
  const double plain = (cpu_seconds() - cpu_before) / static_cast<double>(rows);
  const double ops = static_cast<double>(loop.operators());
  // CPU time: what else runs on the machine is not the engine's tax.
  return std::vector<bench_line>{{"tax", (t.cpu_per_row - plain) * 1e9 / ops,
                                  "ns per operator and row", "kernels in a loop", plain * 1e9 / ops,
                                  t.cpu_per_row / plain, 1, t.rows, t.seconds}};
}

}  // namespace weir::cli
