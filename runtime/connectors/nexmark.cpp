#include "runtime/connectors/nexmark.hpp"

#include "runtime/connectors/generated_columns.hpp"
#include "runtime/connectors/nexmark_columns.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/rate_pacer.hpp"
#include "runtime/connectors/split_codec.hpp"
#include "runtime/connectors/stream_lead.hpp"

namespace weir {
namespace {

using nexmark::column_maker;
using nexmark::event_of;
using nexmark::rows_before;

// Events are dealt to the splits in blocks of this many, in turn: as many groups as give the bids
// of one full batch, at most. Part of the position's meaning, so it travels in it.
constexpr uint64_t block_events = 178 * nexmark::group_events;
// With a rate, blocks are what comes in this time, so that splits stay together.
constexpr double block_seconds = 0.01;
// Splits per task: some, so that a restart with more or fewer tasks can share them out anew.
constexpr uint64_t splits_per_task = 4;
// How far readers of a job may be apart in the stream.
constexpr uint64_t lead_events_max = 32 * block_events;
// A reader that waits for others looks again after this time.
constexpr timestamp_us lead_look_us = 200;

struct nexmark_split {
  std::string id;
  uint64_t events = 0;  // of the whole stream; 0 = without end
  uint64_t block = block_events;
  uint64_t index = 0, splits = 1;
  uint64_t next = 0;  // the next event, in one of this split's blocks unless the split has ended

  std::string encode() const {
    return payload_writer().u64(events).u64(block).u64(index).u64(splits).u64(next).take();
  }
  bool ended() const { return events && next >= events; }
  uint64_t block_end() const {
    uint64_t end = (next / block + 1) * block;
    return events ? std::min(end, events) : end;
  }
  // Goes on to the split's next block when there is no further row in this one.
  void settle(nexmark::table kind) {
    if (next / block % splits != index) next += (splits - 1) * block;  // just behind its block
    while (!ended() && rows_before(kind, next) == rows_before(kind, block_end()))
      next = (next / block + splits) * block;
  }
  uint64_t rows_left(nexmark::table kind) const {
    if (!events || ended()) return 0;
    uint64_t rows = rows_before(kind, block_end()) - rows_before(kind, next);
    const uint64_t mine = next / block + splits, blocks = events / block;
    if (mine < blocks) {
      const uint64_t whole = (blocks - mine + splits - 1) / splits;
      rows += whole * rows_before(kind, block);
    }
    if (blocks % splits == index && mine <= blocks)
      rows += rows_before(kind, events) - rows_before(kind, blocks * block);
    return rows;
  }
};

result<nexmark_split> decode_split(const source_split& s) {
  payload_reader r(s.payload);
  nexmark_split out;
  out.id = s.id;
  out.events = r.u64();
  out.block = r.u64();
  out.index = r.u64();
  out.splits = r.u64();
  out.next = r.u64();
  if (!r.at_end() || out.splits == 0 || out.index >= out.splits || out.block == 0 ||
      out.block % nexmark::group_events != 0 ||
      (!out.ended() && out.next / out.block % out.splits != out.index))
    return {errc::corrupt, "a nexmark table's position in the snapshot is damaged"};
  return out;
}

source_split encode_split(const nexmark_split& s, nexmark::table kind) {
  return {s.id, s.id, s.encode(), s.rows_left(kind)};
}

uint64_t block_of(double rate) {
  if (rate <= 0) return block_events;
  const double groups = rate * block_seconds / static_cast<double>(nexmark::group_events);
  return groups * nexmark::group_events >= block_events
             ? block_events
             : std::max<uint64_t>(static_cast<uint64_t>(groups), 1) * nexmark::group_events;
}

class nexmark_enumerator final : public split_enumerator {
 public:
  nexmark_enumerator(const nexmark::settings& s, uint64_t splits, uint64_t block)
      : settings_(s), splits_(splits), block_(block) {}
  result<discovery> discover() override {
    discovery d;
    d.side_by_side = true;
    for (uint64_t i = 0; i < splits_; ++i) {
      nexmark_split s;
      s.id = "nexmark:" + std::string(name_of(settings_.kind)) + ":" + std::to_string(i) + "/" +
             std::to_string(splits_);
      s.events = settings_.events;
      s.block = block_;
      s.index = i;
      s.splits = splits_;
      s.next = i * s.block;
      s.settle(settings_.kind);
      if (i > 0 && s.ended()) continue;
      d.splits.push_back(encode_split(s, settings_.kind));
    }
    return d;
  }

 private:
  nexmark::settings settings_;
  uint64_t splits_, block_;
};

class nexmark_reader final : public source_reader {
 public:
  nexmark_reader(const source_spec& spec, const nexmark::settings& s,
                 std::vector<nexmark::field> fields, double rate, generated_columns g)
      : spec_(spec),
        settings_(s),
        fields_(std::move(fields)),
        generated_(std::move(g)),
        rate_(rate) {
    timed_ = spec_.columns->event_time && *spec_.columns->event_time < fields_.size() &&
             fields_[*spec_.columns->event_time] == nexmark::field::date_time;
  }

  status open(const operator_context& context) override {
    weir_assert(context.memory && context.time, "a reader needs its context");
    context_ = context;
    maker_.emplace(settings_, *context.memory);
    size_t bytes = 1;
    for (auto f : generated_fields()) bytes += maker_->bytes_per_row(f);
    rows_max_ = std::max<uint64_t>(batch_bytes_target / bytes, 1);
    // The three tables of a job's stream and their tasks; without a job there is nobody to meet.
    if (!context.job.empty())
      lead_ = stream_lead::join(context.job + '\n' + std::to_string(settings_.seed) + ' ' +
                                    std::to_string(settings_.event_rate) + ' ' +
                                    std::to_string(settings_.start_us),
                                lead_events_max);
    return {};
  }
  status add_split(source_split s) override {
    WEIR_ASSIGN(auto split, decode_split(s));
    split.settle(settings_.kind);
    splits_.push_back(std::move(split));
    pace();
    return {};
  }

  result<polled> poll(uint32_t max_rows) override {
    polled out;
    if (splits_.empty()) {
      out.what = polled::state::finished;
      return out;
    }
    // In the order of events over all splits of this reader.
    auto s = std::min_element(splits_.begin(), splits_.end(),
                              [](const auto& a, const auto& b) { return a.next < b.next; });
    const auto kind = settings_.kind;
    const uint64_t first = rows_before(kind, s->next);
    uint64_t rows = 0;
    if (!s->ended()) {
      uint64_t end = s->block_end();
      const auto now = context_.time->now();
      if (lead_ && !lead_->may_read(s->next, now)) {
        out.wake_at = now + lead_look_us;
        return out;
      }
      if (pacer_) {
        end = std::min(end, s->next + pacer_->due(now));
        if (rows_before(kind, end) == first) {
          out.wake_at = pacer_->due_at(event_of(kind, first) - s->next + 1, now);
          return out;
        }
      }
      rows = rows_before(kind, end) - first;
      // A block in batches of about the same size, none too large in bytes.
      const uint64_t parts = std::max<uint64_t>((rows + rows_max_ / 2) / rows_max_, 1);
      rows = std::min(
          {(rows + parts - 1) / parts, uint64_t{std::max(max_rows, 1u)}, maker_->run(first)});
      WEIR_ASSIGN(out.rows, make_rows(first, static_cast<uint32_t>(rows)));
      const uint64_t from = s->next, block_end = s->block_end();
      s->next = event_of(kind, first + rows - 1) + 1;
      s->settle(kind);
      if (pacer_) pacer_->pay(std::min(s->next, block_end) - from);
    }
    id_ = s->id;
    out.split_id = id_;
    out.split_ended = s->ended();
    if (!out.split_ended && timed_)
      out.split_time = time_of(settings_, event_of(kind, rows_before(kind, s->next)));
    if (out.split_ended) splits_.erase(s);
    if (out.split_ended) pace();
    if (splits_.empty() && lead_) lead_->leave();
    out.wake_at = watermark_none + 1;
    out.what = out.rows          ? polled::state::batch
               : splits_.empty() ? polled::state::finished
                                 : polled::state::pending;
    return out;
  }

  std::vector<source_split> snapshot() const override {
    std::vector<source_split> out;
    for (const auto& s : splits_) out.push_back(encode_split(s, settings_.kind));
    return out;
  }
  std::string position() const override { return position_of(last_); }
  std::optional<source_record> locate(uint32_t physical_rows, uint32_t row) override {
    if (physical_rows != last_rows_) return std::nullopt;
    last_ = first_ + row;
    return source_record{position(), std::nullopt};
  }

 private:
  std::string position_of(uint64_t row) const {
    return "nexmark " + std::string(name_of(settings_.kind)) + ", event " +
           std::to_string(event_of(settings_.kind, row));
  }
  // With full_events those that nobody reads are made too.
  std::vector<nexmark::field> generated_fields() const {
    auto all = fields_;
    if (settings_.full_events)
      for (const auto& f : fields_of(settings_.kind))
        if (std::find(all.begin(), all.end(), f.what) == all.end()) all.push_back(f.what);
    return all;
  }

  // Every split gives its share of the rate.
  void pace() {
    if (rate_ > 0 && !splits_.empty())
      pacer_.emplace(rate_ * static_cast<double>(splits_.size()) /
                     static_cast<double>(splits_[0].splits));
  }

  result<batch_ptr> make_rows(uint64_t first, uint32_t rows) {
    first_ = first;
    last_rows_ = rows;
    last_ = first + rows - 1;
    std::vector<column_ptr> columns;
    for (auto f : generated_fields()) columns.push_back(maker_->make(f, first, rows));
    columns.resize(fields_.size());
    WEIR_ASSIGN(auto made, generated_.finish_or_skip(
                               std::move(columns), rows, context_, spec_.on_error,
                               [this, first](uint32_t r) { return position_of(first + r); }));
    return made->rows ? made : batch_ptr();
  }

  source_spec spec_;
  nexmark::settings settings_;
  std::vector<nexmark::field> fields_;  // of the physical columns
  generated_columns generated_;
  double rate_;                      // events/s of the stream; 0 = as fast as it is read
  std::optional<rate_pacer> pacer_;  // of this reader's splits
  bool timed_ = false;               // event time is date_time, which never goes back
  operator_context context_;
  std::optional<column_maker> maker_;
  std::unique_ptr<stream_lead::member> lead_;
  uint64_t rows_max_ = 1;
  std::vector<nexmark_split> splits_;
  std::string id_;
  uint64_t first_ = 0, last_ = 0;  // rows of the last batch
  uint32_t last_rows_ = 0;
};

}  // namespace

result<std::unique_ptr<split_enumerator>> make_nexmark_enumerator(const source_spec& spec,
                                                                  uint32_t parallelism) {
  WEIR_ASSIGN(auto s, nexmark::settings_of(spec.options));
  WEIR_ASSIGN(double rate, option_rate(spec.options, "rate", 0));
  const auto fallback = static_cast<int64_t>(splits_per_task * std::max(parallelism, 1u));
  WEIR_ASSIGN(int64_t splits, option_int(spec.options, "splits", rate > 0 ? 1 : fallback));
  if (splits > 65536) return {errc::invalid_argument, "option splits: at most 65536"};
  return std::unique_ptr<split_enumerator>(
      std::make_unique<nexmark_enumerator>(s, static_cast<uint64_t>(splits), block_of(rate)));
}

result<std::unique_ptr<source_reader>> make_nexmark_reader(const source_spec& spec) {
  WEIR_ASSIGN(auto s, nexmark::settings_of(spec.options));
  std::vector<nexmark::field> fields;
  for (uint32_t i = 0; i < spec.physical_columns; ++i) {
    WEIR_ASSIGN(auto f, field_of(s.kind, spec.columns->fields[i]));
    fields.push_back(f);
  }
  if (spec.on_error == error_policy::dead_letter)
    return {errc::unsupported, "connector nexmark has no bytes for dead letters; use skip or fail"};
  WEIR_ASSIGN(double rate, option_rate(spec.options, "rate", 0));
  WEIR_ASSIGN(auto generated, generated_columns::open(spec));
  return std::unique_ptr<source_reader>(
      std::make_unique<nexmark_reader>(spec, s, std::move(fields), rate, std::move(generated)));
}

}  // namespace weir
