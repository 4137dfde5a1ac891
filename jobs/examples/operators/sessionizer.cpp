// Joins the events of a key into sessions: runs of events with less than `gap` between them. A
// session is emitted when event time has passed its last event by the gap, so events may come out
// of order as far as the source's watermark allows. Shows keyed state, event-time timers, a side
// output and a counter.
//
// Output: the key columns, session_start, session_end (last event + gap), events.
// Side output "late": input rows whose session can only have been emitted already.
#include <weir/operator.hpp>

namespace {

struct session {
  int64_t last = 0;    // time of the last event
  int64_t events = 0;  // sum of their change weights
};

class sessionizer : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    auto gap =
        d.parameter<weir::duration>("gap", std::chrono::minutes(30), "silence that ends a session");
    if (gap.count() <= 0) throw weir::error("parameter 'gap' must be positive");
    if (!d.input().event_time()) throw weir::error("the input needs an event time");
    d.needs_key();
    weir::schema out;
    for (uint32_t k : d.key()) out.add(d.input()[k]);
    out.add("session_start", weir::type_id::timestamp);
    out.add("session_end", weir::type_id::timestamp);
    out.add("events", weir::type_id::int64);
    d.output(out).event_time("session_start");
    d.side_output("late", d.input());
  }

  void open(weir::context& ctx) override {
    gap_ = ctx.parameter<weir::duration>("gap").count();
    late_ = &ctx.side_output("late");
    late_rows_ = ctx.counter("late_rows");
  }

  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter&) override {
    auto time = in.event_time();
    for (auto row : ctx.rows(in)) {
      if (time.is_null(row)) continue;
      if (ctx.watermark() != weir::watermark_none && time[row] + gap_ <= ctx.watermark()) {
        auto late = late_->row();
        for (uint32_t c = 0; c < in.schema().size(); ++c) late.copy(c, in, c, row);
        late.weight(in.weight(row));
        late_rows_.add();
        continue;
      }
      add(ctx, time[row], in.weight(row));
    }
  }

  /// Fires at the end of a session, or at what was its end before more events came.
  void on_timer(weir::context& ctx, const weir::timer& t, weir::emitter& out) override {
    for (const auto& [start, s] : sessions_.entries()) {
      if (s.last + gap_ > t.time) continue;
      sessions_.remove(start);
      if (s.events <= 0) continue;
      auto row = out.row();
      uint32_t c = 0;
      for (; c < ctx.key_columns().size(); ++c) row.set(c, ctx.key_cell(c));
      row.set(c, start).set(c + 1, s.last + gap_).set(c + 2, s.events);
    }
  }

 private:
  /// Adds an event: it may begin a session, extend one, or join two.
  void add(weir::context& ctx, int64_t t, int32_t weight) {
    int64_t start = t;
    session merged{t, weight};
    for (const auto& [other_start, other] : sessions_.entries()) {
      if (other_start >= t + gap_ || other.last + gap_ <= t) continue;
      sessions_.remove(other_start);
      start = std::min(start, other_start);
      merged.last = std::max(merged.last, other.last);
      merged.events += other.events;
    }
    sessions_.put(start, merged);
    ctx.set_event_timer(merged.last + gap_);
  }

  weir::map_state<int64_t, session> sessions_{*this, "sessions"};  // by start
  int64_t gap_ = 0;
  weir::emitter* late_ = nullptr;
  weir::counter late_rows_;
};

}  // namespace

WEIR_EXPORT_OPERATOR(sessionizer, "sessionizer")
