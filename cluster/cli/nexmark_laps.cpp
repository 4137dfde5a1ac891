// Nexmark's events from memory: a first lap is generated before the clock runs and replayed, so
// that what is measured is the engine alone. Later laps of what has state have columns of their
// own, which are made ahead, too, where memory allows.
#include <algorithm>
#include <cstdio>

#include "cluster/cli/nexmark_engine.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/connectors/extra_connectors.hpp"
#include "runtime/connectors/nexmark.hpp"
#include "runtime/connectors/nexmark_model.hpp"
#include "runtime/connectors/split_codec.hpp"
#include "runtime/connectors/stream_lead.hpp"

namespace weir::cli {
namespace {

constexpr const char* connector = "bench_nexmark_laps";
// A lap: larger than caches, a fraction of a second of work. A multiple of 300, so that hot ids
// begin anew where the generator's would.
constexpr uint64_t lap_events_max = 3'000'000;
constexpr uint64_t lap_events_unit = 15'000;
constexpr uint64_t lead_events_max = 300'000;
// What laps made ahead take at most: 200 M bids with three columns that move on. And of the memory
// that is free, so that the job has its own.
constexpr size_t ahead_bytes_max = size_t{6} << 30;
constexpr size_t ahead_share = 3;

/// One source's first lap.
struct lap {
  uint64_t events = 0;                   // of a lap
  uint64_t batches = 0;                  // in all, over all laps
  uint64_t length = 0;                   // batches of one lap
  uint32_t last_rows = 0;                // of the last batch of all: events may end within it
  std::vector<batch_ptr> rows;           // of one lap, or of all
  std::vector<timestamp_us> first_time;  // of a lap's batches; empty when event time is not read
  int64_t span_us = 0;
  std::vector<int64_t> shifts;  // by column: what a value grows by from lap to lap
  bool shifted = false;
};
using lap_ptr = std::shared_ptr<const lap>;

int64_t shift_of(nexmark::table kind, nexmark::field f, const lap& l) {
  const auto groups = static_cast<int64_t>(l.events / nexmark::group_events);
  switch (f) {
    case nexmark::field::date_time:
    case nexmark::field::expires:
      return l.span_us;
    case nexmark::field::auction:
      return 3 * groups;
    case nexmark::field::bidder:
    case nexmark::field::seller:
      return groups;
    case nexmark::field::id:
      return kind == nexmark::table::auction ? 3 * groups : groups;
    default:
      return 0;
  }
}

column_ptr shifted(const column_ptr& c, int64_t by, memory_pool& pool) {
  auto out = std::make_shared<column>(*c);
  out->values = buffer::allocate(pool, c->length * sizeof(int64_t));
  auto* to = out->values.mutable_as<int64_t>();
  const auto* from = c->data<int64_t>();
  for (uint32_t i = 0; i < c->length; ++i) to[i] = from[i] + by;
  return out;
}

/// Batch `number`, counted over all laps, made of the first lap's.
batch_ptr moved_on(const lap& l, uint64_t number, memory_pool& pool) {
  const auto& first = l.rows[number % l.length];
  const auto laps = static_cast<int64_t>(number / l.length);
  if (laps == 0 || !l.shifted) return first;
  auto columns = first->columns;
  for (size_t c = 0; c < columns.size(); ++c)
    if (l.shifts[c] != 0) columns[c] = shifted(columns[c], laps * l.shifts[c], pool);
  return with_columns(*first, first->type, std::move(columns));
}

size_t available_bytes() {
  size_t kib = 0;
  if (auto* f = std::fopen("/proc/meminfo", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, f) != nullptr)
      if (std::sscanf(line, "MemAvailable: %zu kB", &kib) == 1) break;
    std::fclose(f);
  }
  return kib << 10;
}

/// What the columns take that all laps but the first have of their own.
size_t ahead_bytes(const lap& l) {
  size_t n = 0;
  for (const auto& b : l.rows)
    for (size_t c = 0; c < b->columns.size(); ++c)
      if (l.shifts[c] != 0) n += b->columns[c]->values.size();
  return n / l.length * (l.batches - std::min(l.batches, l.length));
}

struct lap_split {
  std::string id;
  uint64_t next = 0, step = 1;  // batches, counted over all laps
  std::string encode() const { return payload_writer().u64(next).u64(step).take(); }
};

class lap_enumerator final : public split_enumerator {
 public:
  lap_enumerator(lap_ptr l, uint64_t splits) : lap_(std::move(l)), splits_(splits) {}
  result<discovery> discover() override {
    discovery d;
    d.side_by_side = true;
    for (uint64_t i = 0; i < std::min(splits_, std::max<uint64_t>(lap_->batches, 1)); ++i) {
      lap_split s{"lap:" + std::to_string(i), i, splits_};
      d.splits.push_back({s.id, s.id, s.encode(), 0, 0});
    }
    return d;
  }

 private:
  lap_ptr lap_;
  uint64_t splits_;
};

class lap_reader final : public source_reader {
 public:
  explicit lap_reader(lap_ptr l) : lap_(std::move(l)) {}
  status open(const operator_context& c) override {
    context_ = c;
    lead_ = stream_lead::join(c.job + "\nlaps", lead_events_max);
    return {};
  }
  status add_split(source_split s) override {
    payload_reader r(s.payload);
    lap_split m;
    m.id = s.id;
    m.next = r.u64();
    m.step = r.u64();
    if (!r.at_end() || m.step == 0) return {errc::corrupt, "a lap's position is damaged"};
    splits_.push_back(std::move(m));
    return {};
  }
  result<polled> poll(uint32_t) override {
    polled out;
    out.what = polled::state::finished;
    auto s = std::min_element(splits_.begin(), splits_.end(),
                              [](const auto& a, const auto& b) { return a.next < b.next; });
    if (s == splits_.end()) return out;
    const auto now = context_.time->now();
    const uint64_t n = lap_->length;
    if (!lead_->may_read(s->next * lap_->events / std::max<uint64_t>(n, 1), now)) {
      out.what = polled::state::pending;
      out.wake_at = now + 200;
      return out;
    }
    id_ = s->id;
    out.split_id = id_;
    if (s->next < lap_->batches) {
      out.rows = rows_of(s->next);
      s->next += s->step;
    }
    out.split_ended = s->next >= lap_->batches;
    if (out.split_ended)
      splits_.erase(s);
    else if (!lap_->first_time.empty())
      out.split_time =
          lap_->first_time[s->next % n] + static_cast<int64_t>(s->next / n) * lap_->span_us;
    if (splits_.empty()) lead_->leave();
    if (out.rows) {
      out.what = polled::state::batch;
    } else if (!splits_.empty()) {
      out.what = polled::state::pending;
      out.wake_at = watermark_none + 1;
    }
    return out;
  }
  std::vector<source_split> snapshot() const override {
    std::vector<source_split> out;
    for (const auto& s : splits_) out.push_back({s.id, s.id, s.encode(), 0, 0});
    return out;
  }
  std::string position() const override { return id_; }

 private:
  batch_ptr rows_of(uint64_t number) const {
    auto rows =
        number < lap_->rows.size() ? lap_->rows[number] : moved_on(*lap_, number, *context_.memory);
    if (number + 1 < lap_->batches || rows->rows == lap_->last_rows) return rows;
    return slice(rows, 0, lap_->last_rows, *context_.memory);
  }

  lap_ptr lap_;
  operator_context context_;
  std::unique_ptr<stream_lead::member> lead_;
  std::vector<lap_split> splits_;
  std::string id_;
};

bool has_state(const physical_plan& plan) {
  return std::any_of(plan.operators.begin(), plan.operators.end(), [](const operator_node& n) {
    return !std::holds_alternative<source_spec>(n.spec) &&
           !std::holds_alternative<sink_spec>(n.spec) &&
           !std::holds_alternative<filter_spec>(n.spec) &&
           !std::holds_alternative<project_spec>(n.spec);
  });
}

result<std::shared_ptr<lap>> first_lap(const source_spec& given, bool stateful, memory_pool& pool) {
  auto l = std::make_shared<lap>();
  WEIR_ASSIGN(auto settings, nexmark::settings_of(given.options));
  if (!given.generated.empty())
    return error{errc::unsupported, "generated columns cannot be replayed from memory"};
  l->events = settings.events >= lap_events_max
                  ? lap_events_max
                  : std::max(settings.events / lap_events_unit, uint64_t{1}) * lap_events_unit;
  l->span_us = time_of(settings, l->events) - settings.start_us;
  l->shifted = stateful;
  for (const auto& f : given.columns->fields) {
    WEIR_ASSIGN(auto field, field_of(settings.kind, f));
    l->shifts.push_back(shift_of(settings.kind, field, *l));
  }
  auto spec = given;
  spec.options["events"] = std::to_string(l->events);
  spec.options["splits"] = "1";
  system_clock clock;
  operator_context context;
  context.memory = &pool;
  context.time = &clock;
  WEIR_ASSIGN(auto enumerator, make_nexmark_enumerator(spec, 1));
  WEIR_ASSIGN(auto found, enumerator->discover());
  WEIR_ASSIGN(auto reader, make_nexmark_reader(spec));
  WEIR_TRY(reader->open(context));
  for (auto& s : found.splits) WEIR_TRY(reader->add_split(std::move(s)));
  timestamp_us time = time_of(settings, event_of(settings.kind, 0));
  for (;;) {
    WEIR_ASSIGN(auto p, reader->poll(batch_rows_target));
    if (p.rows) {
      l->rows.push_back(p.rows);
      if (spec.columns->event_time) l->first_time.push_back(std::exchange(time, p.split_time));
    }
    if (p.what == polled::state::finished || (p.split_ended && p.rows)) break;
  }
  l->length = l->rows.size();
  const uint64_t a_lap = rows_before(settings.kind, l->events);
  uint64_t rest = rows_before(settings.kind, settings.events);
  l->batches = rest / a_lap * l->length;
  rest %= a_lap;
  l->last_rows = rest == 0 ? l->rows.back()->rows : 0;
  for (size_t i = 0; rest > 0; ++i, ++l->batches) {
    l->last_rows = static_cast<uint32_t>(std::min<uint64_t>(rest, l->rows[i]->rows));
    rest -= l->last_rows;
  }
  return l;
}

}  // namespace

result<std::unique_ptr<memory_laps>> memory_laps::make(physical_plan& plan, uint32_t parallelism) {
  std::unique_ptr<memory_laps> out(new memory_laps());
  auto laps = std::make_shared<std::map<std::string, std::shared_ptr<lap>>>();
  const bool stateful = has_state(plan);
  for (auto& node : plan.operators) {
    auto* source = std::get_if<source_spec>(&node.spec);
    if (!source || source->connector != "nexmark") continue;
    WEIR_ASSIGN((*laps)[node.id], first_lap(*source, stateful, out->pool_));
    source->connector = connector;
    source->options["lap"] = node.id;
  }
  size_t bytes = 0;
  if (stateful)
    for (const auto& [_, l] : *laps) bytes += ahead_bytes(*l);
  if (bytes > 0 && bytes <= std::min(ahead_bytes_max, available_bytes() / ahead_share))
    for (auto& [_, l] : *laps)
      while (l->rows.size() < l->batches)
        l->rows.push_back(moved_on(*l, l->rows.size(), out->pool_));
  auto lap_of = [laps](const source_spec& s) -> lap_ptr { return laps->at(s.options.at("lap")); };
  add_extra_connector(
      connector,
      {[lap_of, parallelism](const source_spec& s) -> result<std::unique_ptr<split_enumerator>> {
         return std::unique_ptr<split_enumerator>(
             std::make_unique<lap_enumerator>(lap_of(s), 4 * parallelism));
       },
       [lap_of](const source_spec& s) -> result<std::unique_ptr<source_reader>> {
         return std::unique_ptr<source_reader>(std::make_unique<lap_reader>(lap_of(s)));
       },
       {}});
  return out;
}

memory_laps::~memory_laps() {
  remove_extra_connector(connector);
}

}  // namespace weir::cli
