// What the tests of the Kafka source share: tables, and a reader driven as a task does.
#pragma once

#include "clusters.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "tests/connectors/support.hpp"

namespace weir::test {

using rows = std::vector<std::string>;
using namespace std::chrono_literals;

inline const auto pair = schema_of({{"n", type_id::int64}, {"s", type_id::string}});

inline source_spec kafka_source(const kafka_tools& cluster, option_map options,
                                schema_ptr columns) {
  source_spec s;
  s.connector = "kafka";
  s.options = std::move(options);
  s.options["connector"] = "kafka";
  s.options["bootstrap"] = cluster.bootstrap();
  // The mock answers a fetch without records only after its whole wait.
  s.options["kafka.fetch.wait.max.ms"] = "10";
  s.columns = std::move(columns);
  s.physical_columns = static_cast<uint32_t>(s.columns->size());
  return s;
}

inline result<discovery> discover(environment& env, const source_spec& spec,
                                  const std::vector<std::string>& seen = {}) {
  WEIR_ASSIGN(auto enumerator, make_enumerator(spec, *env.files, 1));
  if (!seen.empty()) enumerator->restore(seen);
  return enumerator->discover();
}

// Waking comes from librdkafka's threads.
struct reading {
  environment env;
  std::shared_ptr<std::atomic<int>> wakes = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<source_reader> reader;

  status start(const source_spec& spec, const std::vector<source_split>& splits) {
    auto made = make_reader(spec);
    if (!made) return made.err();
    reader = std::move(*made);
    auto c = env.context();
    c.wake = [w = wakes] { w->fetch_add(1); };
    WEIR_TRY(reader->open(c));
    for (const auto& s : splits) WEIR_TRY(reader->add_split(s));
    return {};
  }
  status start(const source_spec& spec) {
    WEIR_ASSIGN(auto found, discover(env, spec));
    return start(spec, found.splits);
  }
  /// Until it is finished, or `out` has `count` rows: no more are asked for.
  status take(rows& out, size_t count = SIZE_MAX, uint32_t max_rows = 8192) {
    for (auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
         std::chrono::steady_clock::now() < until;) {
      auto p = reader->poll(static_cast<uint32_t>(std::min<size_t>(max_rows, count - out.size())));
      if (!p) return p.err();
      if (p->rows) append_rows(out, *p->rows);
      if (p->what == polled::state::finished || out.size() >= count) return {};
      if (p->what == polled::state::pending)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {errc::timeout, "no more rows come"};
  }
  ~reading() {
    if (reader) (void)reader->close();
  }
};

inline result<rows> read_bounded(const source_spec& spec, uint32_t max_rows = 8192) {
  reading r;
  WEIR_TRY(r.start(spec));
  rows out;
  WEIR_TRY(r.take(out, SIZE_MAX, max_rows));
  return out;
}

inline rows sorted(rows r) {
  std::sort(r.begin(), r.end());
  return r;
}

}  // namespace weir::test
