#include "runtime/flow/stream_task.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/base/units.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/flow/linger.hpp"

namespace weir {
namespace {

// Under memory pressure a source looks again after this long: short against a batch's life.
constexpr timestamp_us pressure_retry_us = 1'000;
// How long sources may pause before the state that leaves them no room fails the job, and how often
// its owners look. The longer limit leaves time to write a snapshot, whose chunks are memory too.
constexpr timestamp_us crowded_limit_us = 2'000'000, pressure_limit_us = 30'000'000;
constexpr timestamp_us pressure_check_us = 250'000;
// What snapshot_continue() may write between two batches: 50 us of copying.
constexpr size_t snapshot_step_bytes = 256 * 1024;
// From this many held rows on (a batch) they leave in parts before a barrier; and how long the
// barrier waits for that at most: a full table takes some 10 ms, more only behind back-pressure.
constexpr size_t approach_rows_min = batch_rows_target;
// What a pass over a batch of input should take at most: a barrier that overtakes waits for its
// end. A batch whose rows have very many partners in a join takes seconds; it is taken in parts
// then, each of which is still long against what it costs to begin one.
constexpr int64_t input_pass_ns = 50'000'000;
constexpr timestamp_us approach_limit_us = 50'000;

}  // namespace

stream_task::stream_task(parts p, stream_task_options o, task_port& port, memory_pool& pool,
                         const clock& c, task_times& times)
    : options_(std::move(o)),
      port_(port),
      pool_(pool),
      clock_(c),
      times_(times),
      edge_keys_(std::move(p.edge_keys)),
      task_key_(std::move(p.task_key)),
      outputs_(std::move(p.outputs), options_.subtask, options_.key_groups, options_.window, pool,
               [this](channel_message m) { port_.send(std::move(m)); }),
      inputs_(std::move(p.inputs), {options_.mode != delivery_mode::at_least_once, options_.window},
              [this](channel_id id, credit n) { port_.grant(id, n); }),
      chain_(
          [this, &p] {
            for (auto& m : p.operators)
              m.context.set_processing_timer = [this](timestamp_us t) {
                processing_timer_ = std::min(processing_timer_, t);
                wake(t);
              };
            return std::move(p.operators);
          }(),
          c,
          [this](const batch_ptr& b, uint16_t port_index) {
            return outputs_.emit(b, port_index);
          }) {
  if (p.reader) {
    source_ = std::make_unique<source_driver>(std::move(p.reader), p.source_options);
    source_context_ = std::move(p.source_context);
  }
  options_.linger_us = linger_us(options_.linger_us, options_.remote_targets);
  options_.watermark_interval_us =
      linger_us(options_.watermark_interval_us, options_.remote_targets);
  hold_us_ = hold_us(options_.remote_targets);
  input_rows_max_ = options_.input_rows_max;
  flushed_at_us_ = clock_.now() - hold_us_;
  left_run_ns_ = clock_.monotonic_ns();
}

stream_task::~stream_task() = default;

void stream_task::fail(error e) {
  if (stopped_) return;
  stopped_ = true;
  std::string where = source_ && opened_ ? source_->position() : "";
  if (!where.empty() && e.message.find(where) == std::string::npos)
    e.message += " (input position " + where + ")";
  port_.failed(std::move(e));
}

error stream_task::blame_source(const error& e) const {
  return e.at("operator '" + source_context_.operator_id + "' (subtask " +
              std::to_string(options_.subtask) + ")");
}

void stream_task::wake(timestamp_us t) {
  if (t == watermark_end || t >= wake_requested_) return;
  wake_requested_ = t;
  port_.wake_at(t);
}

void stream_task::open(std::vector<state_chunk> restored, bool continues) {
  if (source_) {
    if (auto s = source_->open(source_context_); !s) return fail(blame_source(s.err()));
  }
  if (auto s = chain_.open(); !s) return fail(std::move(s).err());
  opened_ = true;
  if (auto s = restore(std::move(restored)); !s) return fail(std::move(s).err());
  if (continues) {
    inputs_.await_restored();
    tell_restored_ = restoring_outputs_ = true;
  }
  chain_.begin();
}

status stream_task::restore(std::vector<state_chunk> chunks) {
  if (chunks.empty()) return {};
  task_restore r(std::move(chunks));
  if (source_)
    if (const auto* reader = r.reader(source_context_.operator_id))
      if (auto s = source_->restore(*reader); !s) return blame_source(s.err());
  WEIR_TRY(chain_.restore([&r](const std::string& id) { return r.reader(id); }));
  timestamp_us floor = r.watermark(task_key_);
  // At most once: what was on its way may have had its effect already.
  if (options_.mode != delivery_mode::at_most_once) {
    WEIR_ASSIGN(restored_, r.in_flight_rows(outputs_.specs(), edge_keys_, options_.subtask, pool_));
  }
  if (floor == watermark_end) {
    // The end has passed through these operators before the snapshot; only say so again.
    ended_ = true;
    inputs_.raise_floor(watermark_end);
    watermark_ = watermark_end;
    forward_end_ = true;
  } else if (floor != watermark_none) {
    inputs_.raise_floor(floor);
    restored_watermark_ = floor;
  }
  return {};
}

void stream_task::receive(channel_message m) {
  if (stopped_) return;
  const bool barrier = m.kind == message_kind::barrier;
  inputs_.enqueue(std::move(m));
  // Its limit runs from now, whatever is under way.
  if (barrier) time_alignment(clock_.now());
}

void stream_task::receive_credit(channel_id id, credit more) {
  if (!stopped_) outputs_.grant(id, more);
}

void stream_task::add_splits(std::vector<source_split> splits, bool last, bool hold) {
  weir_assert(source_ != nullptr, "splits are for source tasks");
  if (stopped_) return;
  approach_until_ = 0;  // what was handed out behind the trigger is not read before the barrier
  if (auto s = source_->add_splits(std::move(splits), last, hold, clock_.now()); !s)
    fail(blame_source(s.err()));
}

void stream_task::hold_watermark(bool on) {
  if (source_) source_->hold(on);
}

void stream_task::trigger(epoch e, epoch completed) {
  weir_assert(source_ != nullptr, "barriers start at source tasks");
  triggered_ = barrier_state{e, completed, false, 0};
  newest_ = std::max(newest_, e);
  const bool approach = opened_ && !stopped_ && chain_.held_rows() >= approach_rows_min;
  approach_until_ = approach ? clock_.now() + approach_limit_us : 0;
  approach_rests_ = false;
  approach_ns_max_ = 0;
}

bool stream_task::barrier_due(timestamp_us now) const {
  return triggered_ && now >= approach_until_;
}

/// A barrier at a source: in turns a part of what operators hold and a batch of rows, until little
/// is held and the barrier costs no more than it does elsewhere. False: a batch's turn.
bool stream_task::start_triggered(timestamp_us now) {
  if (barrier_due(now)) {
    auto t = *std::exchange(triggered_, std::nullopt);
    begin_barrier(t.number, t.completed, false);
    return true;
  }
  wake(approach_until_);
  if (std::exchange(approach_rests_, false) || outputs_.blocked()) return false;
  approach_began_ns_ = clock_.monotonic_ns();
  chain_.begin_approach();
  begin_pass(after_pass::approach);
  return true;
}

void stream_task::resolve_pending(epoch completed, epoch before) {
  if (pending_ == epoch{} || pending_ >= before) return;
  if (pending_ <= completed)
    epoch_complete(pending_);
  else
    epoch_aborted(pending_);
}

void stream_task::epoch_complete(epoch e) {
  // Right after a restore it is the restored epoch, of which commits may be left.
  bool restored = pending_ == epoch{} && !snapshotted_;
  if (stopped_ || (pending_ != e && !restored)) return;
  pending_ = {};
  if (source_)
    if (auto s = source_->epoch_complete(e); !s) return fail(blame_source(s.err()));
  if (auto s = chain_.epoch_complete(e); !s) return fail(std::move(s).err());
  committing_ = e;
}

void stream_task::epoch_aborted(epoch e) {
  if (stopped_) return;
  inputs_.abort(e);
  if (triggered_ && triggered_->number <= e) triggered_.reset();
  if (barrier_ && barrier_->number <= e) barrier_.reset();  // its pass ends as any other
  if (pending_ != e) return;
  pending_ = {};
  snapshot_.reset();
  if (source_) source_->epoch_aborted(e);
  if (auto s = chain_.epoch_aborted(e); !s) fail(std::move(s).err());
}

task_standing stream_task::take_over(epoch completed) {
  task_standing s;
  s.newest = std::max({newest_, inputs_.seen(), inputs_.completed()});
  resolve_pending(completed, epoch{UINT64_MAX});
  if (s.newest > completed) epoch_aborted(s.newest);
  s.ended = ended_reported_;
  if (source_) s.source = source_->standing();
  return s;
}

void stream_task::begin_pass(after_pass what) {
  pass_active_ = true;
  after_ = what;
}

/// As many rows of a batch as one pass should have; the others go back into their channel, where a
/// barrier finds them.
void stream_task::begin_input(input_gate::item item) {
  auto rows = std::move(item.rows);
  if (rows->rows > input_rows_max_) {
    inputs_.give_back(item, slice(rows, input_rows_max_, rows->rows - input_rows_max_, pool_));
    rows = slice(rows, 0, input_rows_max_, pool_);
  }
  input_rows_ = rows->rows;
  begin_pass(after_pass::nothing);
  const int64_t began = clock_.monotonic_ns();
  if (auto s = chain_.begin_batch(item.port, rows); !s) fail(std::move(s).err());
  input_busy_ns_ = clock_.monotonic_ns() - began;
}

/// From how long the rows of a pass took to how many the next one has.
void stream_task::fit_input() {
  const uint32_t rows = std::exchange(input_rows_, 0);
  if (rows == 0) return;
  if (input_busy_ns_ > input_pass_ns) {
    const double part = static_cast<double>(input_pass_ns) / static_cast<double>(input_busy_ns_);
    input_rows_max_ = std::max<uint32_t>(1, static_cast<uint32_t>(rows * part));
  } else if (input_rows_max_ != UINT32_MAX && rows == input_rows_max_ &&
             input_busy_ns_ < input_pass_ns / 2) {
    input_rows_max_ = rows < batch_rows_target ? rows * 2 : UINT32_MAX;
  }
}

void stream_task::start_watermark(timestamp_us t) {
  pass_watermark_ = t;
  chain_.begin_watermark(t);
  begin_pass(after_pass::watermark);
}

void stream_task::begin_barrier(epoch e, epoch completed, bool overtake) {
  resolve_pending(completed, e);
  if (stopped_) return;
  barrier_ = barrier_state{e, completed, overtake, clock_.monotonic_ns()};
  newest_ = std::max(newest_, e);
  chain_.begin_before_barrier();
  begin_pass(after_pass::barrier);
}

status stream_task::finish_pass() {
  pass_active_ = false;
  fit_input();
  switch (std::exchange(after_, after_pass::nothing)) {
    case after_pass::nothing:
      return {};
    case after_pass::quiet:
      WEIR_TRY(flush_outputs());
      quiet_ = true;
      return {};
    case after_pass::watermark:
      WEIR_TRY(flush_outputs());
      watermark_ = pass_watermark_;
      outputs_.watermark(chain_.output_watermark());
      source_idle_sent_ = false;
      if (watermark_ == watermark_end) ended_ = true;
      return {};
    case after_pass::approach:
      approach_ns_max_ = std::max(approach_ns_max_, clock_.monotonic_ns() - approach_began_ns_);
      if (!chain_.approach_more()) approach_until_ = 0;
      approach_rests_ = true;
      return {};
    case after_pass::barrier:
      return barrier_ ? complete_barrier() : status();
    case after_pass::idle:
      WEIR_TRY(flush_outputs());
      quiet_ = true;
      outputs_.idle();
      return {};
  }
  return {};
}

status stream_task::flush_outputs() {
  flushed_at_us_ = clock_.now();
  return outputs_.flush();
}

status stream_task::complete_barrier() {
  barrier_state b = *barrier_;
  barrier_.reset();
  WEIR_TRY(flush_outputs());
  pending_ = b.number;
  snapshotted_ = true;
  snapshot_ = std::make_unique<task_snapshot>(b.number, pool_, options_.subtask, clock_.now());
  auto writer_of = [this](const std::string& id) -> snapshot_writer& {
    return snapshot_->writer(id);
  };
  if (source_) WEIR_TRY(source_->snapshot(snapshot_->writer(source_context_.operator_id)));
  WEIR_TRY(chain_.snapshot_begin(writer_of));
  snapshot_->put_watermark(task_key_, watermark_);
  if (b.overtakes) {
    if (!inputs_.empty()) inputs_.overtake(b.number);
    snapshot_->add_outgoing(outputs_.overtake(b.number, b.completed));
  } else {
    outputs_.barrier(b.number, b.completed);
  }
  // Its parts count as the barrier does: each of them kept rows waiting.
  snapshot_->stall_ns = std::max(clock_.monotonic_ns() - b.began_ns, approach_ns_max_);
  return {};
}

bool stream_task::advance_snapshot() {
  if (!snapshot_) return false;
  bool progress = false;
  if (!snapshot_->chain_done) {
    if (!port_.takes_chunks(snapshot_->number())) return false;
    size_t before = snapshot_->bytes();
    if (source_ && !snapshot_->source_done) {
      auto done = source_->snapshot_continue(snapshot_->writer(source_context_.operator_id));
      if (!done) {
        fail(blame_source(done.err()));
        return false;
      }
      snapshot_->source_done = *done;
      if (!*done) return false;
    }
    auto done = chain_.snapshot_continue(
        [this](const std::string& id) -> snapshot_writer& { return snapshot_->writer(id); },
        snapshot_step_bytes);
    if (!done) {
      fail(std::move(done).err());
      return false;
    }
    snapshot_->chain_done = *done;
    progress = *done || snapshot_->bytes() != before;
    if (snapshot_->large()) port_.write_chunks(snapshot_->number(), snapshot_->take_chunks());
  }
  if (!snapshot_->chain_done || outputs_.barrier_waits()) return progress;
  if (inputs_.recording() == snapshot_->number()) {
    if (!inputs_.recording_complete()) return progress;
    snapshot_->add_incoming(inputs_.take_recorded());
  }
  auto s = snapshot_->write_in_flight(edge_keys_);
  if (!s) {
    fail(std::move(s).err());
    return false;
  }
  epoch e = snapshot_->number();
  if (auto chunks = snapshot_->take_chunks(); !chunks.empty())
    port_.write_chunks(e, std::move(chunks));
  int64_t stall = snapshot_->stall_ns;
  snapshot_.reset();
  port_.acknowledge(e, stall);
  return true;
}

/// The limit of a barrier that has arrived.
void stream_task::time_alignment(timestamp_us now) {
  if (options_.alignment_limit_us < 0 || options_.mode == delivery_mode::at_least_once ||
      restoring() || inputs_.seen() <= inputs_.completed() || alignment_epoch_ == inputs_.seen())
    return;
  alignment_epoch_ = inputs_.seen();
  alignment_deadline_ = now + options_.alignment_limit_us;
}

void stream_task::escalate(timestamp_us now) {
  if (triggered_) wake(approach_until_);
  if (options_.alignment_limit_us < 0 || options_.mode == delivery_mode::at_least_once) return;
  if (restoring_outputs_) restoring_outputs_ = tell_restored_ || outputs_.restored_waits();
  if (restoring()) {
    // What is in flight now would be mixed with what the restored epoch had in flight.
    alignment_epoch_ = {};
    alignment_deadline_ = watermark_end;
    return;
  }
  if (inputs_.seen() > inputs_.completed()) {
    time_alignment(now);
    wake(alignment_deadline_);
  } else {
    alignment_deadline_ = watermark_end;
  }
  if (snapshot_ && outputs_.barrier_waits()) {
    timestamp_us deadline = snapshot_->began_us + options_.alignment_limit_us;
    if (now >= deadline)
      snapshot_->add_outgoing(outputs_.overtake_waiting());
    else
      wake(deadline);
  }
}

bool stream_task::must_hurry(timestamp_us now) const {
  return barrier_due(now) || barrier_ || (inputs_.must_overtake() && !restoring()) ||
         now >= alignment_deadline_;
}

/// Rows of the restored epoch are still on their way, from here or to here.
bool stream_task::restoring() const {
  return restoring_outputs_ || inputs_.awaits_restored();
}

bool stream_task::maintain(timestamp_us now) {
  escalate(now);
  if (!restored_.empty()) {
    auto rows = std::move(restored_.back());
    restored_.pop_back();
    if (auto s = outputs_.emit_edge(rows.rows, rows.edge); !s) fail(std::move(s).err());
    quiet_ = false;
    return true;
  }
  if (std::exchange(tell_restored_, false)) {
    if (auto s = outputs_.flush(); !s) fail(std::move(s).err());
    outputs_.restored();
    return true;
  }
  if (restored_watermark_ != watermark_none) {
    start_watermark(std::exchange(restored_watermark_, watermark_none));
    return true;
  }
  if (std::exchange(forward_end_, false)) {
    if (auto s = outputs_.flush(); !s) fail(std::move(s).err());
    outputs_.watermark(watermark_end);
    return true;
  }
  if (auto e = inputs_.must_overtake(); e && !restoring()) {
    begin_barrier(*e, inputs_.seen_completed(), true);
    return true;
  }
  if (now >= alignment_deadline_ && inputs_.seen() > inputs_.completed()) {
    begin_barrier(inputs_.seen(), inputs_.seen_completed(), true);
    return true;
  }
  if (triggered_ && start_triggered(now)) return true;
  if (now >= processing_timer_) {
    processing_timer_ = watermark_end;
    chain_.begin_processing_time(now);
    begin_pass(after_pass::nothing);
    quiet_ = false;
    return true;
  }
  return false;
}

bool stream_task::step_source(timestamp_us now) {
  if (ended_) return false;
  if (now >= next_watermark_at_) {
    next_watermark_at_ = now + options_.watermark_interval_us;
    auto r = source_->watermark(now);
    if (r.watermark > watermark_) {
      start_watermark(r.watermark);
      return true;
    }
  }
  if (pool_.under_pressure() && !source_->releasable()) {
    wake(now + pressure_retry_us);
    return false;
  }
  auto t = source_->take(now);
  if (!t) {
    fail(blame_source(t.err()));
    return false;
  }
  switch (t->what) {
    case source_driver::taken::kind::rows:
      source_idle_sent_ = false;  // the rows end the silence for those behind
      if (std::exchange(quiet_, false)) gathered_since_us_ = now;
      begin_pass(after_pass::nothing);
      if (auto s = chain_.begin_batch(0, t->rows); !s) fail(std::move(s).err());
      return true;
    case source_driver::taken::kind::need_splits:
      port_.need_splits();
      return false;
    case source_driver::taken::kind::ended:
      start_watermark(watermark_end);
      return true;
    case source_driver::taken::kind::nothing:
      if (t->wake_at <= now) return true;
      wake(t->wake_at);
      return false;
  }
  return false;
}

bool stream_task::step_input(timestamp_us now) {
  auto item = inputs_.next();
  switch (item.kind) {
    case input_gate::item_kind::none:
      return false;
    case input_gate::item_kind::data:
      if (std::exchange(quiet_, false)) gathered_since_us_ = now;
      begin_input(std::move(item));
      return true;
    case input_gate::item_kind::watermark:
      start_watermark(item.watermark);
      return true;
    case input_gate::item_kind::input_end:
      chain_.begin_input_end(item.port);
      begin_pass(after_pass::nothing);
      return true;
    case input_gate::item_kind::idle:
      // What was gathered goes first: behind the message it would end the silence again.
      chain_.begin_idle();
      begin_pass(after_pass::idle);
      return true;
    case input_gate::item_kind::barrier:
      begin_barrier(item.number, item.completed, false);
      return true;
  }
  return false;
}

bool stream_task::quiesce(timestamp_us now) {
  if (!quiet_) {
    // Towards many targets a flush of little is dear: more may come until the next one is due.
    if (now >= flushed_at_us_ && now < flushed_at_us_ + hold_us_) {
      wake(flushed_at_us_ + hold_us_);
      return false;
    }
    chain_.begin_idle();
    begin_pass(after_pass::quiet);
    return true;
  }
  if (!source_ || ended_) return false;
  auto r = source_->watermark(now);
  if (r.watermark > watermark_) {
    start_watermark(r.watermark);
    return true;
  }
  if (r.idle && !source_idle_sent_) {
    source_idle_sent_ = true;
    outputs_.idle();
  }
  wake(source_->next_idle(now));
  return false;
}

void stream_task::report_end() {
  if (committing_) {
    auto done = source_ ? source_->committed() : result<bool>(true);
    if (!done) return fail(blame_source(done.err()));
    if (*done) done = chain_.committed();
    if (!done) return fail(std::move(done).err());
    if (*done) port_.committed(*std::exchange(committing_, std::nullopt));
  }
  if (ended_ && !ended_reported_ && !pass_active_ && restored_.empty() && !outputs_.blocked()) {
    ended_reported_ = true;
    port_.ended();
  }
}

stream_task::next stream_task::work(uint32_t slice) {
  // What a barrier needs is finished within the slice: behind its end other tasks have their turns.
  auto at_barrier = [this] {
    return pass_active_ && (after_ == after_pass::approach || after_ == after_pass::barrier);
  };
  for (uint32_t i = 0; i < slice || at_barrier(); ++i) {
    if (stopped_) return next::stopped;
    timestamp_us now = clock_.now();
    left_backpressured_ = false;
    if (pass_active_) {
      if (outputs_.blocked()) {
        escalate(now);
        if (!must_hurry(now)) {
          // Back-pressure holds rows back, not the epoch: its snapshot is written all the same.
          bool copied = advance_snapshot();
          if (stopped_) return next::stopped;
          report_end();
          if (copied) continue;
          left_backpressured_ = true;
          return next::waiting;
        }
      }
      const int64_t began = input_rows_ != 0 ? clock_.monotonic_ns() : 0;
      auto more = chain_.step();
      if (input_rows_ != 0) input_busy_ns_ += clock_.monotonic_ns() - began;
      if (!more) {
        fail(std::move(more).err());
      } else if (!*more) {
        if (auto s = finish_pass(); !s) fail(std::move(s).err());
      }
      continue;
    }
    if (maintain(now)) continue;
    bool copied = advance_snapshot();
    if (stopped_) return next::stopped;
    report_end();
    if (outputs_.blocked() || chain_.blocked() || (source_ && source_->blocked())) {
      if (copied) continue;
      left_backpressured_ = true;
      return next::waiting;
    }
    if (!quiet_ && now - gathered_since_us_ > options_.linger_us) {
      if (auto s = flush_outputs(); !s) fail(std::move(s).err());
      gathered_since_us_ = now;
    }
    if (source_ ? step_source(now) : step_input(now)) continue;
    if (!stopped_ && !quiesce(now) && !copied) return next::waiting;
  }
  return stopped_ ? next::stopped : next::again;
}

bool stream_task::state_too_large() {
  if (pool_.state_over_limit()) return true;
  // Sources pause before state alone reaches the limit. When what was under way is gone and they
  // still pause, it is the state that keeps them: waiting longer would be waiting for ever.
  size_t state = pool_.used(memory_kind::state);
  if (!pool_.under_pressure() || state < pool_.limit() / 2) {
    pressure_since_ = watermark_end;
    return false;
  }
  timestamp_us now = clock_.now();
  pressure_since_ = std::min(pressure_since_, now);
  // Channels may hold a quarter of the budget; state beyond the rest takes their room.
  bool crowded = state > pool_.limit() - pool_.limit() / 4;
  timestamp_us patience = crowded ? crowded_limit_us : pressure_limit_us;
  // Those with much of it fail first, because the error names the operators of one task.
  if (state_bytes() < pool_.limit() / 32) patience += crowded_limit_us;
  if (now - pressure_since_ > patience) return true;
  if (left_as_ == next::waiting) wake(now + pressure_check_us);
  return false;
}

stream_task::next stream_task::run(uint32_t slice) {
  if (stopped_ || !opened_) return next::stopped;
  int64_t begin = clock_.monotonic_ns();
  auto gap = static_cast<uint64_t>(std::max<int64_t>(0, begin - left_run_ns_));
  if (left_as_ == next::waiting)
    (left_backpressured_ ? times_.backpressured_ns : times_.idle_ns)
        .fetch_add(gap, std::memory_order_relaxed);
  wake_requested_ = watermark_end;
  left_as_ = work(slice);
  // A port remembers only its earliest timer.
  if (left_as_ == next::waiting) wake(processing_timer_);
  if (left_as_ != next::stopped && state_bytes() != 0 && state_too_large()) {
    fail({errc::budget_exceeded,
          "state of " + format_size(pool_.used(memory_kind::state)) +
              " leaves no room in the memory budget of " + format_size(pool_.limit()) +
              "; here: " + chain_.describe_state() +
              "; raise --memory or bound the state (window, TTL, fewer keys)"});
    left_as_ = next::stopped;
  }
  left_run_ns_ = clock_.monotonic_ns();
  times_.busy_ns.fetch_add(static_cast<uint64_t>(std::max<int64_t>(0, left_run_ns_ - begin)),
                           std::memory_order_relaxed);
  return left_as_;
}

void stream_task::close() {
  stopped_ = true;
  // The task is over; what close() has to say can no longer change the outcome.
  if (source_ && opened_) (void)source_->close();
  if (opened_) (void)chain_.close();
}

}  // namespace weir
