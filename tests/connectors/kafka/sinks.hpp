// What the tests of the Kafka sink share: batches, and sinks driven as a task does.
#pragma once

#include "clusters.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "tests/connectors/support.hpp"

namespace weir::test {

using rows = std::vector<std::string>;
using namespace std::chrono_literals;

inline const auto two = schema_of({{"n", type_id::int64}, {"s", type_id::string}});

inline column_ptr texts(memory_pool& pool, const std::vector<std::optional<std::string>>& values,
                        type_id type = type_id::string) {
  auto c = std::make_shared<column>();
  c->type = type;
  c->length = static_cast<uint32_t>(values.size());
  c->offsets = buffer::allocate(pool, (values.size() + 1) * 4);
  c->validity = buffer::allocate_zero(pool, values.size() / 8 + 1);
  std::string all;
  c->offsets.mutable_as<uint32_t>()[0] = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    all += values[i].value_or("");
    if (values[i]) c->validity.mutable_as<uint8_t>()[i / 8] |= static_cast<uint8_t>(1 << (i % 8));
    c->offsets.mutable_as<uint32_t>()[i + 1] = static_cast<uint32_t>(all.size());
  }
  c->values = buffer::copy(pool, std::as_bytes(std::span(all)));
  return c;
}
template <class T>
column_ptr fixed(memory_pool& pool, type_id type, const std::vector<T>& values) {
  auto c = std::make_shared<column>();
  c->type = type;
  c->length = static_cast<uint32_t>(values.size());
  c->values = buffer::copy(pool, std::as_bytes(std::span(values)));
  return c;
}
inline batch_ptr batch_of(memory_pool& pool, schema_ptr type, std::vector<column_ptr> columns,
                          const std::vector<int32_t>& weights = {}) {
  auto b = std::make_shared<batch>();
  b->type = std::move(type);
  b->rows = b->physical_rows = columns[0]->length;
  b->columns = std::move(columns);
  if (!weights.empty()) b->weights = buffer::copy(pool, std::as_bytes(std::span(weights)));
  return b;
}
// Rows n = first ... with s = "r<n>".
inline batch_ptr numbers(memory_pool& pool, int64_t first, int64_t count) {
  std::vector<int64_t> n;
  std::vector<std::optional<std::string>> s;
  for (int64_t i = first; i < first + count; ++i) {
    n.push_back(i);
    s.push_back("r" + std::to_string(i));
  }
  return batch_of(pool, two, {fixed(pool, type_id::int64, n), texts(pool, s)});
}
inline rows values_of(const std::map<int32_t, std::vector<kafka_record>>& all) {
  rows out;
  for (const auto& [p, records] : all)
    for (const auto& r : records) out.push_back(r.value.value_or("-"));
  std::sort(out.begin(), out.end());
  return out;
}
inline rows expected(int64_t from, int64_t to) {
  rows out;
  for (int64_t i = from; i < to; ++i)
    out.push_back("{\"n\":" + std::to_string(i) + ",\"s\":\"r" + std::to_string(i) + "\"}");
  std::sort(out.begin(), out.end());
  return out;
}

inline sink_spec kafka_sink_spec(const kafka_tools& cluster, option_map options,
                                 schema_ptr columns) {
  sink_spec s;
  s.connector = "kafka";
  s.options = std::move(options);
  s.options["connector"] = "kafka";
  s.options["bootstrap"] = cluster.bootstrap();
  s.options.try_emplace("topic", "out");
  s.columns = std::move(columns);
  return s;
}

// Sinks of one operator, as a task would drive them: what waits is waited for.
struct running {
  environment env;
  std::vector<std::unique_ptr<stream_operator>> sinks;
  no_output out;
  uint64_t number = 0;

  status start(const sink_spec& spec, uint32_t parallelism, const std::string& attempt,
               const memory_snapshot* from = nullptr, bool exactly_once = true) {
    for (uint32_t i = 0; i < parallelism; ++i) {
      WEIR_ASSIGN(auto sink, make_sink(spec));
      auto c = env.context(i, parallelism);
      c.attempt = attempt;
      c.job = "job";
      c.operator_id = "sink/out";
      c.exactly_once = exactly_once;
      c.wake = [] {};
      WEIR_TRY(sink->open(c));
      if (from) WEIR_TRY(sink->restore(*from));
      sinks.push_back(std::move(sink));
    }
    return {};
  }
  status rows_to(size_t i, int64_t first, int64_t count) {
    return sinks[i]->process_batch(0, numbers(env.pool, first, count), out);
  }
  status finish_snapshot(size_t i, memory_snapshot& s) {
    s.subtask = static_cast<uint32_t>(i);
    for (auto until = std::chrono::steady_clock::now() + 120s;
         std::chrono::steady_clock::now() < until;) {
      WEIR_ASSIGN(bool done, sinks[i]->snapshot_continue(s, 1 << 20));
      if (done) return {};
      std::this_thread::sleep_for(1ms);
    }
    return {errc::timeout, "the snapshot is never done"};
  }
  result<std::shared_ptr<memory_snapshot>> barrier(uint64_t at = 0) {
    auto s = std::make_shared<memory_snapshot>();
    s->at = epoch{number = at ? at : number + 1};
    for (size_t i = 0; i < sinks.size(); ++i) {
      s->subtask = static_cast<uint32_t>(i);
      WEIR_TRY(sinks[i]->snapshot_begin(*s));
      WEIR_TRY(finish_snapshot(i, *s));
    }
    // It outlives this attempt, whose memory pieces are.
    for (auto& [state, who, bytes] : s->kept) bytes = buffer::copy(s->pool, bytes.bytes());
    return s;
  }
  status settle() {
    for (auto& s : sinks) {
      auto until = std::chrono::steady_clock::now() + 120s;
      while (!s->committed()) {
        if (std::chrono::steady_clock::now() > until) return {errc::timeout, "never committed"};
        WEIR_TRY(s->on_processing_time(0, out));
        std::this_thread::sleep_for(1ms);
      }
      WEIR_TRY(s->on_processing_time(0, out));
    }
    return {};
  }
  status complete() {
    for (auto& s : sinks) WEIR_TRY(s->on_epoch_complete(epoch{number}));
    return settle();
  }
  void stop() {
    for (auto& s : sinks) (void)s->close();
    sinks.clear();
  }
  ~running() { stop(); }
};

}  // namespace weir::test
