// Kernels of runtime/column against a plain loop or memcpy in the same run. Rows per batch: 8192.
// WEIR_NO_AVX512=1 measures the baseline kernels.
//   bench_column --benchmark_min_time=0.2 --benchmark_repetitions=5
#include <benchmark/benchmark.h>

#include <charconv>
#include <random>

#include "runtime/base/ids.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/codec.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/column/text.hpp"

using namespace weir;

namespace {

constexpr uint32_t rows = batch_rows_target;
constexpr uint32_t key[] = {0};

memory_pool& pool() {
  static memory_pool p;
  return p;
}

void per_row(benchmark::State& state, uint64_t n = rows) {
  state.counters["ns/row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * n) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// Two bigint columns (a random key and a value), or a key of another kind.
batch_ptr ints() {
  std::mt19937_64 g(1);
  column_builder k(type_id::int64, pool()), v(type_id::int64, pool());
  for (uint32_t i = 0; i < rows; ++i) {
    k.append(static_cast<int64_t>(g() % 100000));
    v.append(int64_t{i});
  }
  auto s = std::make_shared<schema>();
  s->fields = {{"k", type_id::int64}, {"v", type_id::int64}};
  return make_batch(s, {k.finish(), v.finish()});
}
batch_ptr strings(size_t length) {
  std::mt19937_64 g(1);
  column_builder k(type_id::string, pool());
  for (uint32_t i = 0; i < rows; ++i) {
    std::string t;
    for (size_t n = length / 2 + g() % (length + 1); n > 0; --n)
      t += static_cast<char>('a' + g() % 26);
    k.append(t);
  }
  auto s = std::make_shared<schema>();
  s->fields = {{"k", type_id::string}};
  return make_batch(s, {k.finish()});
}

// ---- limits of the machine and plain loops ----

void copy_two_columns(benchmark::State& state) {
  auto b = ints();
  std::vector<int64_t> out(rows * 2);
  for (auto _ : state) {
    std::memcpy(out.data(), b->columns[0]->values.data(), rows * 8);
    std::memcpy(out.data() + rows, b->columns[1]->values.data(), rows * 8);
    benchmark::ClobberMemory();
  }
  per_row(state);
}
BENCHMARK(copy_two_columns);

void plain_split(benchmark::State& state) {
  auto b = ints();
  const auto p = static_cast<uint32_t>(state.range(0));
  auto h = hash_keys(*b, key, pool());
  std::vector<std::vector<int64_t>> k(p, std::vector<int64_t>(rows)), v = k;
  for (auto _ : state) {
    std::vector<size_t> n(p);
    for (uint32_t i = 0; i < rows; ++i) {
      const auto t = subtask_of_group(128, p, group_of_hash(h.as<uint64_t>()[i], 128));
      k[t][n[t]] = b->columns[0]->data<int64_t>()[i];
      v[t][n[t]++] = b->columns[1]->data<int64_t>()[i];
    }
    benchmark::ClobberMemory();
  }
  per_row(state);
}
BENCHMARK(plain_split)->Arg(2)->Arg(8);

void plain_hash(benchmark::State& state) {
  auto b = ints();
  std::vector<uint64_t> out(rows);
  for (auto _ : state) {
    for (uint32_t i = 0; i < rows; ++i)
      out[i] = hash_step(hash_seed, b->columns[0]->data<uint64_t>()[i]);
    benchmark::ClobberMemory();
  }
  per_row(state);
}
BENCHMARK(plain_hash);

// ---- kernels ----

void hash_bigint(benchmark::State& state) {
  auto b = ints();
  for (auto _ : state) benchmark::DoNotOptimize(hash_keys(*b, key, pool()));
  per_row(state);
}
BENCHMARK(hash_bigint);

void hash_text(benchmark::State& state) {
  auto b = strings(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(hash_keys(*b, key, pool()));
  per_row(state);
}
BENCHMARK(hash_text)->Arg(4)->Arg(8)->Arg(16)->Arg(40);

void partition_two_bigints(benchmark::State& state) {
  auto b = ints();
  auto h = hash_keys(*b, key, pool());
  for (auto _ : state)
    benchmark::DoNotOptimize(partition(b, h, static_cast<uint32_t>(state.range(0)), 128, pool()));
  per_row(state);
}
BENCHMARK(partition_two_bigints)->Arg(2)->Arg(4)->Arg(8)->Arg(32);

void partition_text(benchmark::State& state) {
  auto b = strings(8);
  auto h = hash_keys(*b, key, pool());
  for (auto _ : state) benchmark::DoNotOptimize(partition(b, h, 2, 128, pool()));
  per_row(state);
}
BENCHMARK(partition_text);

void compact_half(benchmark::State& state) {
  auto b = ints();
  std::mt19937_64 g(2);
  auto sel = buffer::allocate(pool(), rows * 4);
  uint32_t n = 0;
  for (uint32_t i = 0; i < rows; ++i)
    if (g() % 2) sel.mutable_as<uint32_t>()[n++] = i;
  b = with_selection(*b, sel, n);
  for (auto _ : state) benchmark::DoNotOptimize(compact(b, pool()));
  per_row(state, n);
}
BENCHMARK(compact_half);

void range_of_timestamps(benchmark::State& state) {
  auto b = ints();
  for (auto _ : state) benchmark::DoNotOptimize(range_of(*b, 1));
  per_row(state);
}
BENCHMARK(range_of_timestamps);

// ---- codec ----

void encode(benchmark::State& state) {
  auto b = state.range(1) ? strings(8) : ints();
  const encode_options o{.checksum = state.range(0) != 0};
  for (auto _ : state) benchmark::DoNotOptimize(encode_batch(b, pool(), o));
  per_row(state);
}
BENCHMARK(encode)->Args({0, 0})->Args({1, 0})->Args({0, 1});

void decode(benchmark::State& state) {
  auto b = state.range(1) ? strings(8) : ints();
  auto flat = encode_batch(b, pool(), {.checksum = state.range(0) != 0})->flat();
  for (auto _ : state) benchmark::DoNotOptimize(decode_batch(flat, nullptr, b->type, pool()));
  per_row(state);
}
BENCHMARK(decode)->Args({0, 0})->Args({1, 0})->Args({0, 1});

// ---- text ----

template <class Parse>
void parse_each(benchmark::State& state, const std::vector<std::string>& texts, Parse parse) {
  size_t bytes = 0;
  for (const auto& t : texts) bytes += t.size();
  for (auto _ : state)
    for (const auto& t : texts) benchmark::DoNotOptimize(parse(std::string_view(t)));
  per_row(state, texts.size());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
}

std::vector<std::string> texts(const char* kind) {
  std::mt19937_64 g(4);
  std::vector<std::string> out;
  char p[fixed_chars_max];
  const std::string_view k = kind;
  for (int i = 0; i < 4096; ++i) {
    char* end = p;
    if (k == "short") end = format_int64(p, static_cast<int64_t>(g() % 3000) - 500);
    if (k == "long") end = format_int64(p, static_cast<int64_t>(g() >> (g() % 40)));
    if (k == "float") end = format_float64(p, static_cast<double>(g() % 1000000) / 100);
    if (k == "decimal") end = format_decimal(p, static_cast<int64_t>(g() % 1000000), 2);
    if (k == "time") end = format_timestamp(p, static_cast<int64_t>(g() % 1700000000) * 1000000);
    out.emplace_back(p, end);
  }
  return out;
}

void parse_short_int(benchmark::State& s) {
  parse_each(s, texts("short"), parse_int64);
}
void parse_long_int(benchmark::State& s) {
  parse_each(s, texts("long"), parse_int64);
}
void parse_long_int_std(benchmark::State& s) {
  parse_each(s, texts("long"), [](std::string_view t) {
    int64_t v = 0;
    std::from_chars(t.data(), t.data() + t.size(), v);
    return v;
  });
}
void parse_float(benchmark::State& s) {
  parse_each(s, texts("float"), parse_float64);
}
void parse_decimal2(benchmark::State& s) {
  parse_each(s, texts("decimal"), [](std::string_view t) { return parse_decimal(t, 2); });
}
void parse_time(benchmark::State& s) {
  parse_each(s, texts("time"), parse_timestamp);
}
BENCHMARK(parse_short_int);
BENCHMARK(parse_long_int);
BENCHMARK(parse_long_int_std);
BENCHMARK(parse_float);
BENCHMARK(parse_decimal2);
BENCHMARK(parse_time);

template <class T, class Format>
void format_each(benchmark::State& state, const std::vector<T>& values, Format format) {
  char p[fixed_chars_max];
  for (auto _ : state)
    for (const auto& v : values) {
      benchmark::DoNotOptimize(format(p, v));
      benchmark::ClobberMemory();
    }
  per_row(state, values.size());
}

template <class T>
std::vector<T> values(T (*make)(uint64_t)) {
  std::mt19937_64 g(4);
  std::vector<T> out;
  for (int i = 0; i < 4096; ++i) out.push_back(make(g()));
  return out;
}

void format_short_int(benchmark::State& s) {
  format_each(s, values<int64_t>([](uint64_t r) { return static_cast<int64_t>(r % 3000) - 500; }),
              format_int64);
}
void format_long_int(benchmark::State& s) {
  format_each(s, values<int64_t>([](uint64_t r) { return static_cast<int64_t>(r >> (r % 40)); }),
              format_int64);
}
void format_float(benchmark::State& s) {
  format_each(s, values<double>([](uint64_t r) { return static_cast<double>(r % 1000000) / 100; }),
              format_float64);
}
void format_time(benchmark::State& s) {
  format_each(
      s, values<int64_t>([](uint64_t r) { return static_cast<int64_t>(r % 1700000000) * 1000000; }),
      format_timestamp);
}
BENCHMARK(format_short_int);
BENCHMARK(format_long_int);
BENCHMARK(format_float);
BENCHMARK(format_time);

void build_text(benchmark::State& state) {
  auto t = texts("short");
  column_builder b(type_id::string, pool());
  for (auto _ : state) {
    for (const auto& s : t) b.append(std::string_view(s));
    benchmark::DoNotOptimize(b.finish());
  }
  per_row(state, t.size());
}
BENCHMARK(build_text);

}  // namespace

BENCHMARK_MAIN();
