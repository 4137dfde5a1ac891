// Operators and keyed state, one core. Each number beside a plain loop over the same data or the
// machine's limit where there is one. Rows per batch: 8192, seed 1.
//   bench_operators --benchmark_min_time=0.5
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <optional>
#include <random>

#include "runtime/column/builder.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/exchange.hpp"
#include "runtime/operators/factory.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/state/row_table.hpp"

using namespace weir;
using fn = aggregate_function;

namespace {

constexpr uint32_t rows = batch_rows_target;

memory_pool& pool() {
  static memory_pool p;
  return p;
}

struct sink final : collector {
  uint64_t seen = 0;
  std::vector<batch_ptr>* keep = nullptr;
  void emit(batch_ptr b, uint16_t) override {
    seen += b->rows;
    if (keep) keep->push_back(std::move(b));
  }
};

schema_ptr key_value() {
  static const schema_ptr s = [] {
    auto made = std::make_shared<schema>();
    made->fields = {{"k", type_id::int64}, {"v", type_id::int64}};
    return made;
  }();
  return s;
}

/// Enough batches that keys are visited at random: `keys` different ones.
std::vector<batch_ptr> batches(uint64_t keys, size_t n) {
  std::mt19937_64 g(1);
  std::vector<batch_ptr> out;
  for (size_t b = 0; b < n; ++b) {
    column_builder k(type_id::int64, pool()), v(type_id::int64, pool());
    for (uint32_t i = 0; i < rows; ++i) {
      k.append(static_cast<int64_t>(g() % keys));
      v.append(int64_t{i});
    }
    out.push_back(make_batch(key_value(), {k.finish(), v.finish()}));
  }
  return out;
}

expr::node_ptr column_node(uint32_t i, type_id t) {
  auto n = std::make_shared<expr::node>();
  n->kind = expr::node_kind::column;
  n->column = i;
  n->type = t;
  return n;
}

aggregate_spec count_sum(emit_mode emit) {
  aggregate_spec s;
  s.keys = {0};
  s.emit = emit;
  s.calls.push_back({fn::count_star, nullptr, nullptr, "", type_id::int64, "n"});
  s.calls.push_back(
      {fn::sum, column_node(1, type_id::int64), nullptr, "", data_type(type_id::decimal, 0), "s"});
  return s;
}

std::unique_ptr<stream_operator> open(const operator_node& node, const schema_ptr& in) {
  auto op = make_operator(node, {in});
  if (!op) std::abort();
  operator_context c;
  c.memory = &pool();
  if (!(*op)->open(c)) std::abort();
  return std::move(*op);
}

std::unique_ptr<stream_operator> aggregate(const aggregate_spec& s, const schema_ptr& in) {
  auto out = s.stage == aggregate_spec::phase::partial ? partial_output_schema(s, *in)
                                                       : aggregate_output_schema(s, *in);
  return open({"op", "aggregate", s, *out, false, 0}, in);
}

void count_rows(benchmark::State& state, uint64_t per_iteration = rows) {
  const auto n = static_cast<double>(state.iterations() * per_iteration);
  state.counters["rows/s"] = benchmark::Counter(n, benchmark::Counter::kIsRate);
  state.counters["ns/row"] =
      benchmark::Counter(n / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// ---- keyed count and sum ----

void keyed_count_sum(benchmark::State& state) {
  const auto keys = static_cast<uint64_t>(state.range(0));
  auto in = batches(keys, std::clamp<size_t>(2 * keys / rows, 64, 4096));
  auto op = aggregate(count_sum(emit_mode::final_only), key_value());
  sink out;
  for (auto& b : in) (void)op->process_batch(0, b, out);
  size_t at = 0;
  for (auto _ : state) {
    (void)op->process_batch(0, in[at], out);
    at = at + 1 == in.size() ? 0 : at + 1;
  }
  count_rows(state);
}
BENCHMARK(keyed_count_sum)->Arg(100)->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);

void keyed_count_sum_changes(benchmark::State& state) {
  const auto keys = static_cast<uint64_t>(state.range(0));
  auto in = batches(keys, 64);
  auto op = aggregate(count_sum(emit_mode::changes), key_value());
  sink out;
  size_t at = 0;
  for (auto _ : state) {
    (void)op->process_batch(0, in[at], out);
    at = (at + 1) % in.size();
  }
  count_rows(state);
}
BENCHMARK(keyed_count_sum_changes)->Arg(100)->Arg(100'000);

/// Dense array as the plain loop: what a hand-written program does when it knows its keys.
void plain_count_sum(benchmark::State& state) {
  const auto keys = static_cast<uint64_t>(state.range(0));
  auto in = batches(keys, std::clamp<size_t>(2 * keys / rows, 64, 4096));
  struct acc {
    int64_t n;
    int128 sum;
  };
  std::vector<acc> table(keys);
  size_t at = 0;
  for (auto _ : state) {
    const auto* k = in[at]->columns[0]->data<int64_t>();
    const auto* v = in[at]->columns[1]->data<int64_t>();
    for (uint32_t i = 0; i < rows; ++i) {
      ++table[static_cast<size_t>(k[i])].n;
      table[static_cast<size_t>(k[i])].sum += v[i];
    }
    at = at + 1 == in.size() ? 0 : at + 1;
  }
  count_rows(state);
}
BENCHMARK(plain_count_sum)->Arg(100'000)->Arg(10'000'000);

/// Partial, hash exchange to two targets, merge: as two cores do it, on one.
void partial_exchange_merge(benchmark::State& state) {
  const auto keys = static_cast<uint64_t>(state.range(0));
  auto in = batches(keys, std::clamp<size_t>(2 * keys / rows, 64, 4096));
  auto p = count_sum(emit_mode::final_only), m = p;
  p.stage = aggregate_spec::phase::partial;
  m.stage = aggregate_spec::phase::merge;
  m.complete_input = key_value();
  auto middle = *partial_output_schema(p, *key_value());
  auto partial = aggregate(p, key_value());
  std::unique_ptr<stream_operator> merge[] = {aggregate(m, middle), aggregate(m, middle)};
  exchange_partitioner split(exchange_kind::hash, {0}, middle, 2, 0, 128, pool());
  std::vector<batch_ptr> sums;
  sink out, end;
  out.keep = &sums;
  auto to = [&](uint32_t t, batch_ptr b) { (void)merge[t]->process_batch(0, b, end); };
  auto step = [&](const batch_ptr& b) {
    (void)partial->process_batch(0, b, out);
    for (auto& s : sums) (void)split.add(s, to);
    sums.clear();
  };
  for (auto& b : in) step(b);
  size_t at = 0;
  for (auto _ : state) {
    step(in[at]);
    at = at + 1 == in.size() ? 0 : at + 1;
  }
  count_rows(state);
}
BENCHMARK(partial_exchange_merge)->Arg(100'000)->Arg(10'000'000);

/// How long a barrier keeps a task from rows that has 100,000 groups pre-aggregated: emptying the
/// table at once (0), or the longest of the parts that leave between batches (1). Split over two
/// targets, which is where the parts go.
void partial_barrier(benchmark::State& state) {
  auto in = batches(100'000, 64);
  auto p = count_sum(emit_mode::final_only);
  p.stage = aggregate_spec::phase::partial;
  auto middle = *partial_output_schema(p, *key_value());
  auto partial = aggregate(p, key_value());
  exchange_partitioner split(exchange_kind::hash, {0}, middle, 2, 0, 128, pool());
  struct split_sink final : collector {
    exchange_partitioner* to;
    void emit(batch_ptr b, uint16_t) override {
      (void)to->add(b, [](uint32_t, batch_ptr) {});
    }
  } out;
  out.to = &split;
  double longest = 0;
  auto timed = [&](auto step) {
    const auto begin = std::clock();
    step();
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  for (auto _ : state) {
    for (auto& b : in) (void)partial->process_batch(0, b, out);
    double stall = 0;
    if (state.range(0) == 0) {
      stall = timed([&] { (void)partial->before_barrier(out); });
    } else {
      for (bool more = true; more; (void)partial->process_batch(0, in[0], out))
        stall = std::max(stall, timed([&] { more = *partial->approach_barrier(out); }));
      stall = std::max(stall, timed([&] { (void)partial->before_barrier(out); }));
    }
    longest = std::max(longest, stall);
    state.SetIterationTime(stall);
  }
  state.counters["longest_ms"] = longest * 1e3;
}
BENCHMARK(partial_barrier)
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(200);

void exchange_hash(benchmark::State& state) {
  auto in = batches(100'000, 64);
  exchange_partitioner split(exchange_kind::hash, {0}, key_value(),
                             static_cast<uint32_t>(state.range(0)), 0, 128, pool());
  uint64_t n = 0;
  size_t at = 0;
  for (auto _ : state) {
    (void)split.add(in[at], [&](uint32_t, batch_ptr b) { n += b->rows; });
    at = (at + 1) % in.size();
  }
  benchmark::DoNotOptimize(n);
  count_rows(state);
}
BENCHMARK(exchange_hash)->Arg(2)->Arg(8);

// ---- first rows of partitions ----

/// Bids in the manner of Nexmark: half of them on the hottest auction of the last hundred, three
/// quarters by the hottest bidder, prices over six orders of magnitude, texts of 40 to 140 bytes.
std::vector<batch_ptr> bids(size_t n) {
  auto s = std::make_shared<schema>();
  s->fields = {{"auction", type_id::int64}, {"bidder", type_id::int64},
               {"price", type_id::int64},   {"channel", type_id::string},
               {"url", type_id::string},    {"date_time", type_id::timestamp},
               {"extra", type_id::string}};
  schema_ptr type = s;
  std::mt19937_64 g(1);
  const std::string text(200, 'x');
  int64_t event = 0;
  std::vector<batch_ptr> out;
  for (size_t b = 0; b < n; ++b) {
    std::vector<column_builder> c;
    for (const auto& f : type->fields) c.emplace_back(f.type, pool());
    for (uint32_t i = 0; i < rows; ++i) {
      event += event % 50 == 49 ? 5 : 1;
      const int64_t auctions = event / 50 * 3, people = event / 50;
      c[0].append(1000 +
                  (g() % 2 ? auctions / 100 * 100 : auctions - static_cast<int64_t>(g() % 100)));
      c[1].append(1000 +
                  (g() % 4 ? people / 100 * 100 + 1 : people - static_cast<int64_t>(g() % 1000)));
      c[2].append(
          static_cast<int64_t>(std::pow(10.0, static_cast<double>(g() % 6'000'000) / 1e6) * 100));
      c[3].append(std::string_view(text).substr(0, 5 + g() % 8));
      c[4].append(std::string_view(text).substr(0, 40 + g() % 20));
      c[5].append(event * 10);
      c[6].append(std::string_view(text).substr(0, 40 + g() % 100));
    }
    std::vector<column_ptr> columns;
    for (auto& k : c) columns.push_back(k.finish());
    out.push_back(make_batch(type, std::move(columns)));
  }
  return out;
}

void first_rows(benchmark::State& state, const top_n_spec& spec) {
  static const auto in = bids(100);
  auto type = std::make_shared<schema>(*in[0]->type);
  if (spec.with_number) type->fields.push_back({"number", type_id::int64});
  const operator_node node{"op", "top", spec, type, true, 0};
  operator_context c;
  c.memory = &pool();
  sink out;
  size_t at = in.size();
  std::unique_ptr<stream_operator> op;
  for (auto _ : state) {
    if (at == in.size()) {
      state.PauseTiming();
      op = *make_operator(node, {in[0]->type});
      (void)op->open(c);
      at = 0;
      state.ResumeTiming();
    }
    (void)op->process_batch(0, in[at++], out);
  }
  count_rows(state);
  state.counters["rows out"] =
      static_cast<double>(out.seen) / static_cast<double>(state.iterations());
}
/// Nexmark q18: the last bid of each bidder on each auction.
void last_bids(benchmark::State& state) {
  top_n_spec s;
  s.keys = {1, 0};
  s.order = {{5, true, true}};
  first_rows(state, s);
}
BENCHMARK(last_bids);
/// Nexmark q19: the ten highest bids on each auction, numbered.
void highest_bids(benchmark::State& state) {
  top_n_spec s;
  s.keys = {0};
  s.order = {{2, true, true}};
  s.limit = 10;
  s.with_number = true;
  first_rows(state, s);
}
BENCHMARK(highest_bids);
/// The ten highest bids of all.
void highest_of_all(benchmark::State& state) {
  top_n_spec s;
  s.order = {{2, true, true}};
  s.limit = 10;
  first_rows(state, s);
}
BENCHMARK(highest_of_all);

// ---- hops: a window of 60 slices moves on by one ----

schema_ptr sliced() {
  static const schema_ptr s = [] {
    auto made = std::make_shared<schema>(*key_value());
    made->fields.push_back({"slice", type_id::timestamp});
    return made;
  }();
  return s;
}

/// Per iteration a slice's 49,152 rows of `keys` random keys, and the result of its window. Made of
/// slices, or (copies) each row in the state of all windows that it is in.
void hop_of_60(benchmark::State& state, fn function, bool copies) {
  constexpr int64_t slices = 60;
  constexpr size_t batches_per_slice = 6;
  const auto in = batches(static_cast<uint64_t>(state.range(0)), 64);
  aggregate_spec s;
  s.keys = {0, 2};
  s.emit = emit_mode::final_only;
  s.window_end_key = 1;
  if (!copies) s.windows = window_shape{window_kind::hop, slices, 1};
  s.window_start_at = 1;
  if (function == fn::count_star)
    s.calls.push_back({function, nullptr, nullptr, "", type_id::int64, "n"});
  else
    s.calls.push_back({function, column_node(1, type_id::int64), nullptr, "", type_id::int64, "m"});
  auto op = aggregate(s, sliced());
  sink out;
  size_t at = 0;
  int64_t now = 0;
  auto add = [&](const batch& b, int64_t slice) {
    auto columns = b.columns;
    columns.push_back(
        constant_column(scalar::of_int(type_id::timestamp, slice), b.physical_rows, pool()));
    if (!op->process_batch(0, make_batch(sliced(), std::move(columns)), out)) std::abort();
  };
  auto step = [&] {
    ++now;
    for (size_t k = 0; k < batches_per_slice; ++k, at = (at + 1) % in.size())
      for (int64_t copy = 0; copy < (copies ? slices : 1); ++copy) add(*in[at], now + copy);
    if (!op->on_watermark(now, out)) std::abort();
    while (*op->drain(out)) {
    }
  };
  for (int64_t k = 0; k < 2 * slices; ++k) step();
  const uint64_t before = out.seen;
  for (auto _ : state) step();
  count_rows(state, batches_per_slice * rows);
  state.counters["results/s"] =
      benchmark::Counter(static_cast<double>(out.seen - before), benchmark::Counter::kIsRate);
  state.counters["state MiB"] = static_cast<double>(op->state_bytes()) / (1 << 20);
}
void hop_count(benchmark::State& state) {
  hop_of_60(state, fn::count_star, false);
}
void hop_max(benchmark::State& state) {
  hop_of_60(state, fn::max, false);
}
void hop_count_copies(benchmark::State& state) {
  hop_of_60(state, fn::count_star, true);
}
BENCHMARK(hop_count)->Arg(1000)->Arg(1'000'000);
BENCHMARK(hop_max)->Arg(1000)->Arg(1'000'000);
BENCHMARK(hop_count_copies)->Arg(1000);

// ---- word count ----

void word_count(benchmark::State& state) {
  // A vocabulary with Zipf-like frequencies, in lines of some ten words.
  std::mt19937_64 g(1);
  std::vector<std::string> words(20'000);
  for (auto& w : words)
    for (uint64_t n = 2 + g() % 9; n > 0; --n) w += static_cast<char>('a' + g() % 26);
  auto lines = std::make_shared<schema>();
  lines->fields = {{"line", type_id::string}};
  std::vector<batch_ptr> in;
  uint64_t count = 0;
  for (int b = 0; b < 16; ++b) {
    column_builder c(type_id::string, pool());
    for (int l = 0; l < 4096; ++l) {
      std::string line;
      for (int i = 0; i < 10; ++i, ++count) {
        const auto u = static_cast<double>(g() % 1'000'000) / 1e6;
        line += words[static_cast<size_t>(std::pow(20'000.0, u)) % words.size()];
        line += i % 4 == 3 ? ", " : " ";
      }
      c.append(line);
    }
    in.push_back(make_batch(lines, {c.finish()}));
  }
  auto element = std::make_shared<schema>();
  element->fields = {{"word", type_id::string}};
  auto split = open({"w", "words", flat_map_spec{"words", column_node(0, type_id::string), "", {}},
                     element, false, 0},
                    lines);
  aggregate_spec s;
  s.keys = {0};
  s.emit = emit_mode::final_only;
  s.calls.push_back({fn::count_star, nullptr, nullptr, "", type_id::int64, "n"});
  auto op = aggregate(s, element);
  std::vector<batch_ptr> out;
  sink middle, end;
  middle.keep = &out;
  const bool only_split = state.range(0) == 0;
  size_t at = 0;
  for (auto _ : state) {
    (void)split->process_batch(0, in[at], middle);
    if (!only_split)
      for (auto& b : out) (void)op->process_batch(0, b, end);
    out.clear();
    at = (at + 1) % in.size();
  }
  count_rows(state, count / in.size());
}
BENCHMARK(word_count)->Arg(0)->Arg(1);

// ---- snapshots and restore ----

/// The steps of a barrier with a delta of some 20 MB: begin and slices of 256 KiB; and batches of
/// rows between them, which write the rows that they change first.
void barrier_stall(benchmark::State& state) {
  auto in = batches(1'000'000, 128);
  auto op = aggregate(count_sum(emit_mode::final_only), key_value());
  sink out;
  for (auto& b : in) (void)op->process_batch(0, b, out);
  std::vector<double> steps, rows_between;
  uint64_t number = 0, bytes = 0;
  // CPU time of this thread: what other processes take away is no stall of ours.
  auto now_us = [] {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
  };
  auto timed = [&](auto f) {
    const double from = now_us();
    f();
    steps.push_back(now_us() - from);
  };
  size_t at = 0;
  for (auto _ : state) {
    for (int i = 0; i < 40; ++i) (void)op->process_batch(0, in[at++ % in.size()], out);
    chunk_list_writer w(pool(), epoch(++number), "op");
    timed([&] { (void)op->snapshot_begin(w); });
    for (bool done = false; !done;) {
      timed([&] { done = *op->snapshot_continue(w, 256 * 1024); });
      const double from = now_us();
      (void)op->process_batch(0, in[at++ % in.size()], out);
      rows_between.push_back(now_us() - from);
    }
    (void)op->on_epoch_complete(epoch(number));
    bytes += w.bytes();
  }
  std::sort(steps.begin(), steps.end());
  std::sort(rows_between.begin(), rows_between.end());
  state.counters["batch_p50_us"] = rows_between[rows_between.size() / 2];
  state.counters["batch_p99_us"] = rows_between[rows_between.size() * 99 / 100];
  state.counters["p50_us"] = steps[steps.size() / 2];
  state.counters["p99_us"] = steps[steps.size() * 99 / 100];
  state.counters["max_us"] = steps.back();
  state.counters["delta_MB"] = static_cast<double>(bytes) / static_cast<double>(number) / 1e6;
}
BENCHMARK(barrier_stall)->Unit(benchmark::kMillisecond);

/// Snapshots every `range` batches over 1 M keys against none (0): their cost in throughput.
void snapshot_cost(benchmark::State& state) {
  auto in = batches(1'000'000, 512);
  auto op = aggregate(count_sum(emit_mode::final_only), key_value());
  sink out;
  for (auto& b : in) (void)op->process_batch(0, b, out);
  const auto every = static_cast<uint64_t>(state.range(0));
  uint64_t number = 0, n = 0;
  std::optional<chunk_list_writer> w;
  for (auto _ : state) {
    (void)op->process_batch(0, in[n % in.size()], out);
    ++n;
    if (every == 0) continue;
    if (!w && n % every == 0) {
      w.emplace(pool(), epoch(++number), "op");
      (void)op->snapshot_begin(*w);
    }
    if (w && *op->snapshot_continue(*w, 256 * 1024)) {
      (void)op->on_epoch_complete(epoch(number));
      w.reset();
    }
  }
  count_rows(state);
}
// About one second of rows between barriers.
BENCHMARK(snapshot_cost)->Arg(0)->Arg(3500);

void restore(benchmark::State& state) {
  constexpr uint64_t keys = 8'000'000;
  chunk_list_writer w(pool(), epoch(1), "op");
  {
    std::vector<batch_ptr> none;
    auto op = aggregate(count_sum(emit_mode::final_only), key_value());
    sink out;
    for (uint64_t at = 0; at < keys; at += rows) {
      column_builder k(type_id::int64, pool()), v(type_id::int64, pool());
      for (uint32_t i = 0; i < rows; ++i) {
        k.append(static_cast<int64_t>(at + i) * 7919);
        v.append(int64_t{i});
      }
      (void)op->process_batch(0, make_batch(key_value(), {k.finish(), v.finish()}), out);
    }
    (void)op->snapshot_begin(w);
    while (!*op->snapshot_continue(w, 1 << 20)) {
    }
  }
  const size_t bytes = w.bytes();
  chunk_list_reader reader(w.take(), "op");
  for (auto _ : state) {
    auto op = aggregate(count_sum(emit_mode::final_only), key_value());
    (void)op->restore(reader);
    benchmark::DoNotOptimize(op->state_bytes());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
  count_rows(state, keys);
}
BENCHMARK(restore)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace

BENCHMARK_MAIN();
