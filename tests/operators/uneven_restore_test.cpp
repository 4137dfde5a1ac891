// Subtasks whose barriers overtook their input come to different watermarks in one epoch. What is
// restored from it at another parallelism goes on as they would have: rows are late by the
// watermark of their own key group, and what has not left leaves.
#include <algorithm>
#include <random>

#include "harness.hpp"
#include "runtime/column/text.hpp"

using namespace weir;
using namespace weir::test;
using fn = aggregate_function;

namespace {

constexpr int64_t second = 1'000'000;
constexpr int64_t size = 10 * second;  // of windows
constexpr uint32_t key = 0, value = 1, time_at = 2, end_at = 3;

/// `e`: the end of the row's tumbling window.
schema_ptr input() {
  return columns({{"k", "text"}, {"v", "bigint"}, {"t", "timestamp"}, {"e", "timestamp"}});
}

schema_ptr with(const schema_ptr& in, const std::vector<std::string>& times) {
  auto out = std::make_shared<schema>(*in);
  for (const auto& name : times) out->fields.push_back({name, type_id::timestamp});
  return out;
}

struct subject {
  operator_node node;
  schema_ptr in;
  std::vector<uint32_t> keys;  // of the exchange in front
  std::optional<operator_node> slicer = {};
};

subject by_end() {
  const auto in = input();
  auto s =
      aggregate(in, {key, end_at}, {{fn::count_star, ""}, {fn::sum, "v"}}, emit_mode::final_only);
  s.window_end_key = 1;
  return {node_of(s, in), in, {key, end_at}};
}

subject sliced(const window_shape& shape, std::vector<call> calls) {
  const auto in = with(input(), {"slice"});
  auto s = aggregate(in, {key, 4}, calls, emit_mode::final_only);
  s.windows = shape;
  s.window_end_key = 1;
  s.window_start_at = 1;
  return {node_of(s, in),
          in,
          {key},
          operator_node{"w", "window", window_spec{time_at, shape, true}, in, false, 0}};
}

subject rows_of_sessions() {
  const auto in = input();
  const window_spec w{time_at, {window_kind::session, 3 * second, 0}, false, {key}};
  return {{"op", "window", w, with(in, {"from", "to"}), false, 0}, in, {key}};
}

over_call sum_of_values() {
  over_call c;
  c.function = over_function::aggregate;
  c.aggregate = fn::sum;
  c.argument = value;
  c.type = data_type(type_id::decimal, 0);
  c.name = "s";
  return c;
}

subject over(bool by_time) {
  const auto in = input();
  over_spec s;
  s.keys = by_time ? std::vector<uint32_t>{key} : std::vector<uint32_t>{key, end_at};
  s.order = {{by_time ? time_at : value, false, false}};
  s.emit = emit_mode::final_only;
  if (by_time)
    s.time_column = time_at;
  else
    s.window_end_key = 1;
  s.calls = {sum_of_values()};
  auto out = std::make_shared<schema>(*in);
  out->fields.push_back({"s", s.calls[0].type});
  return {{"op", "over", s, out, false, 0}, in, s.keys};
}

subject first_rows(uint64_t limit, bool by_window) {
  const auto in = input();
  top_n_spec s;
  s.keys = {key, end_at};
  s.order = {{value, true, false}};
  s.limit = limit;
  if (by_window) {
    s.emit = emit_mode::final_only;
    s.window_end_key = 1;
  } else {
    s.time_column = end_at;
    s.retain_us = 2 * second;
  }
  return {{"op", "top", s, in, !by_window, 0}, in, s.keys};
}

/// Subtasks that all get what one would get.
class subtasks {
 public:
  subtasks(const subject& s, uint32_t n) : subject_(s) {
    for (uint32_t i = 0; i < n; ++i)
      ops_.push_back(std::make_unique<instance>(s.node, std::vector{s.in},
                                                range_of_subtask(128, n, i), nullptr, 0, i, n));
    watermarks_.resize(n, watermark_none);
  }
  void push(const batch_ptr& b) {
    const auto n = static_cast<uint32_t>(ops_.size());
    auto parts = partition(b, hash_keys(*b, subject_.keys, pool()), n, 128, pool());
    for (uint32_t i = 0; i < n; ++i)
      if (parts[i]) ops_[i]->push(parts[i]);
  }
  /// A task's own never goes back.
  void watermark(timestamp_us t) {
    for (uint32_t i = 0; i < ops_.size(); ++i) watermark(i, t);
  }
  void watermark(uint32_t i, timestamp_us t) {
    if (t > watermarks_[i]) ops_[i]->watermark(watermarks_[i] = t);
  }
  std::vector<state_chunk> snapshot() {
    std::vector<state_chunk> out;
    for (uint32_t i = 0; i < ops_.size(); ++i) {
      chunk_list_writer w(pool(), epoch(1), "op", i);
      ops_[i]->snapshot(w);
      REQUIRE(ops_[i]->op->on_epoch_complete(epoch(1)).ok());
      for (auto& c : w.take()) out.push_back(std::move(c));
      ops_[i]->out.clear();
    }
    return out;
  }
  void restore(const std::vector<state_chunk>& chunks) {
    for (auto& o : ops_) o->restore(chunks);
  }
  /// What came out since the snapshot, and how many rows were late since the beginning.
  lines rows() const {
    output all;
    for (const auto& o : ops_)
      for (const auto& b : o->out.batches) all.batches.push_back(b);
    auto out = all.net();
    std::sort(out.begin(), out.end());
    return out;
  }
  uint64_t late() const {
    uint64_t n = 0;
    for (const auto& o : ops_) n += o->metrics.late_rows;
    return n;
  }

 private:
  const subject& subject_;
  std::vector<std::unique_ptr<instance>> ops_;
  std::vector<timestamp_us> watermarks_;
};

class trial {
 public:
  trial(const subject& s, uint64_t seed) : subject_(s), g_(seed) {
    if (s.slicer) slicer_.emplace(*s.slicer, std::vector{input()});
  }

  void run() {
    subtasks twins(subject_, 2);
    int64_t now = 1'000'000 * second;
    for (int i = 0; i < 3; ++i) {
      twins.push(some(now));
      twins.watermark(now += span(8));
    }
    twins.push(some(now));
    const auto ahead = static_cast<uint32_t>(g_() % 2);
    const auto far = now + second + span(20);
    twins.watermark(ahead, far);
    const auto late_before = twins.late();
    const auto chunks = twins.snapshot();
    const uint32_t counts[] = {1, 3, 4};
    subtasks others(subject_, counts[g_() % 3]);
    others.restore(chunks);
    for (int i = 0; i < 8; ++i) {
      const auto b = some(now);
      twins.push(b);
      others.push(b);
      if (g_() % 2 == 0) continue;
      now += span(6);
      twins.watermark(now);
      others.watermark(now);
    }
    const auto end = std::max(now, far) + span(10);
    for (auto t : {end, watermark_end}) {
      twins.watermark(t);
      others.watermark(t);
    }
    CHECK(others.rows() == twins.rows());
    CHECK(others.late() == twins.late() - late_before);
  }

 private:
  int64_t span(int64_t seconds) { return static_cast<int64_t>(g_() % 1'000) * seconds * 1'000; }
  batch_ptr some(int64_t now) {
    std::vector<std::vector<std::string>> cells;
    for (uint64_t n = 1 + g_() % 12; n > 0; --n) {
      const auto t = now - 3 * second + span(20);
      cells.push_back({std::string(1, static_cast<char>('a' + g_() % 7)), std::to_string(++values_),
                       text(t), text((t / size + 1) * size)});
    }
    const auto b = test::rows(input(), cells);
    if (!slicer_) return b;
    slicer_->out.clear();
    slicer_->push(b);
    return concat(slicer_->out.batches, pool());
  }
  static std::string text(int64_t t) {
    char out[40];
    *format_timestamp(out, t) = 0;
    return out;
  }

  const subject& subject_;
  std::mt19937_64 g_;
  std::optional<instance> slicer_;
  int64_t values_ = 0;
};

void run(const subject& s) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    trial(s, seed).run();
  }
}

}  // namespace

TEST_CASE("groups that are restored at different watermarks go on from their own") {
  const std::vector<call> sums = {{fn::count_star, ""}, {fn::sum, "v"}};
  SUBCASE("aggregates by the end of a window") {
    run(by_end());
  }
  SUBCASE("hops") {
    run(sliced({window_kind::hop, 2 * size, size / 2}, sums));
  }
  SUBCASE("cumulating windows") {
    run(sliced({window_kind::cumulate, 2 * size, size / 2}, sums));
  }
  SUBCASE("sessions") {
    auto calls = sums;
    calls.push_back({fn::min, "t"});
    calls.push_back({fn::max, "t"});
    run(sliced({window_kind::session, 3 * second, 0}, calls));
  }
  SUBCASE("rows of sessions") {
    run(rows_of_sessions());
  }
  SUBCASE("window functions over event time") {
    run(over(true));
  }
  SUBCASE("window functions over windows") {
    run(over(false));
  }
  SUBCASE("first rows of windows") {
    run(first_rows(2, true));
  }
  SUBCASE("the first row while its key lasts") {
    run(first_rows(1, false));
  }
  SUBCASE("first rows while their key lasts") {
    run(first_rows(2, false));
  }
}
