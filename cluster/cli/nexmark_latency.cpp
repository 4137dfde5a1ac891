// Latency of Nexmark's queries: event time passes as fast as processing time, so a row's event time
// tells when it was due.
#include <algorithm>

#include "cluster/cli/nexmark_engine.hpp"
#include "runtime/connectors/extra_connectors.hpp"
#include "runtime/connectors/nexmark.hpp"
#include "runtime/connectors/nexmark_model.hpp"

namespace weir::cli {
namespace {

constexpr const char* connector = "bench_nexmark";

/// The result's column that tells when a row was due: at that time, or when its window ended.
struct due_column {
  std::string_view query, column;
  int64_t window_us = 0;  // the time is rounded up to the end of its window
};
constexpr due_column due_columns[] = {
    {"q0", "date_time"},         {"q1", "date_time"},
    {"q5", "endtime"},           {"q7", "date_time", 10'000'000},
    {"q8", "stime", 10'000'000}, {"q9", "bid_date_time"},
    {"q10", "date_time"},        {"q11", "endtime"},
    {"q12", "endtime"},          {"q13", "date_time"},
    {"q14", "date_time"},        {"q18", "date_time"},
    {"q20", "bid_date_time"},
};

/// Notes when the reader behind it begins: at its first poll with a split its rate starts to count.
class noting_reader final : public source_reader {
 public:
  noting_reader(std::unique_ptr<source_reader> inner, timestamp_us start_us,
                std::shared_ptr<nexmark_latencies> to)
      : inner_(std::move(inner)), start_us_(start_us), to_(std::move(to)) {}
  status open(const operator_context& c) override {
    time_ = c.time;
    return inner_->open(c);
  }
  status add_split(source_split s) override {
    has_split_ = true;
    return inner_->add_split(std::move(s));
  }
  result<polled> poll(uint32_t max_rows) override {
    if (std::exchange(has_split_, false)) to_->began(time_->now(), start_us_);
    return inner_->poll(max_rows);
  }
  std::vector<source_split> snapshot() const override { return inner_->snapshot(); }
  std::string position() const override { return inner_->position(); }
  std::optional<source_record> locate(uint32_t physical_rows, uint32_t row) override {
    return inner_->locate(physical_rows, row);
  }

 private:
  std::unique_ptr<source_reader> inner_;
  timestamp_us start_us_;
  std::shared_ptr<nexmark_latencies> to_;
  const clock* time_ = nullptr;
  bool has_split_ = false;
};

class noting_sink final : public stream_operator {
 public:
  noting_sink(uint32_t column, int64_t window_us, std::shared_ptr<nexmark_latencies> to)
      : column_(column), window_us_(window_us), to_(std::move(to)) {}
  status open(const operator_context& c) override {
    time_ = c.time;
    return {};
  }
  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    const auto now = time_->now();
    const auto& c = *in->columns[column_];
    const auto* times = c.data<int64_t>();
    std::vector<timestamp_us> due;
    for (uint32_t i = 0; i < in->rows; ++i) {
      const uint32_t r = in->row(i);
      if (in->weight(r) < 0 || !c.is_valid(r)) continue;
      due.push_back(window_us_ ? (times[r] / window_us_ + 1) * window_us_ : times[r]);
    }
    to_->arrived(now, due);
    return {};
  }

 private:
  uint32_t column_;
  int64_t window_us_;
  std::shared_ptr<nexmark_latencies> to_;
  const clock* time_ = nullptr;
};

}  // namespace

void nexmark_latencies::began(timestamp_us now, timestamp_us start_us) {
  std::lock_guard lock(m_);
  start_us_ = start_us;
  origin_ = std::min(origin_.value_or(now), now);
}

void nexmark_latencies::arrived(timestamp_us now, const std::vector<timestamp_us>& due) {
  std::lock_guard lock(m_);
  for (auto t : due) seen_.emplace_back(t, now);
}

std::vector<double> nexmark_latencies::milliseconds(int64_t from_us, int64_t until_us) const {
  std::lock_guard lock(m_);
  std::vector<double> out;
  for (auto [due, arrived] : seen_)
    if (origin_ && due - start_us_ >= from_us && due - start_us_ <= until_us)
      out.push_back(static_cast<double>(arrived - *origin_ - (due - start_us_)) / 1000);
  return out;
}

double latency_probe::seconds_min(std::string_view query) {
  // Two windows of 10 seconds, or what the last two of the sliding ones need.
  constexpr double windows = 20.5, slides = 6.5;
  for (auto q : {"q7", "q8", "q11", "q12"})
    if (query == q) return windows;
  return query == "q5" ? slides : 0;
}

latency_probe::latency_probe(physical_plan& plan, std::string_view query,
                             std::shared_ptr<nexmark_latencies> to) {
  auto known = std::find_if(std::begin(due_columns), std::end(due_columns),
                            [query](const due_column& d) { return d.query == query; });
  if (known == std::end(due_columns)) return;
  uint32_t column = 0;
  for (auto& node : plan.operators) {
    if (auto* source = std::get_if<source_spec>(&node.spec);
        source && source->connector == "nexmark")
      source->connector = connector;
    if (auto* sink = std::get_if<sink_spec>(&node.spec)) {
      auto at = sink->columns->find(known->column);
      if (!at || sink->columns->fields[*at].type.id != type_id::timestamp) continue;
      sink->connector = connector;
      column = *at;
      measures_ = true;
    }
  }
  add_extra_connector(
      connector,
      {[](const source_spec& s) { return make_nexmark_enumerator(s, 1); },
       [to](const source_spec& s) -> result<std::unique_ptr<source_reader>> {
         WEIR_ASSIGN(auto settings, nexmark::settings_of(s.options));
         WEIR_ASSIGN(auto inner, make_nexmark_reader(s));
         return std::unique_ptr<source_reader>(
             std::make_unique<noting_reader>(std::move(inner), settings.start_us, to));
       },
       [to, column,
        window = known->window_us](const sink_spec&) -> result<std::unique_ptr<stream_operator>> {
         return std::unique_ptr<stream_operator>(std::make_unique<noting_sink>(column, window, to));
       }});
}

latency_probe::~latency_probe() {
  remove_extra_connector(connector);
}

}  // namespace weir::cli
