#include "actors/task.hpp"

#include "runtime/column/codec.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

// Batches per turn on the scheduler: a few hundred microseconds, so that other tasks' messages and
// barriers do not wait long, and the cost of a turn vanishes.
constexpr uint32_t slice_items = 16;
// Its store may be busy with a large copy; every request ends.
constexpr auto state_timeout = std::chrono::seconds(120);
// Chunks on their way to the store, of one task: as much as keeps the store busy while it writes.
constexpr uint64_t under_way_max = 4u << 20;
// Barriers whose stalls are kept for reports: 100 s at the shortest interval.
constexpr size_t stalls_max = 1'000;

/// Puts what comes from other processes into the task's mailbox.
class mailbox final : public data_receiver {
 public:
  explicit mailbox(caf::actor_addr task) : task_(std::move(task)) {}
  void arrived(channel_message m, buffer_ref encoded) override {
    put(stream_message{std::move(m), std::move(encoded)});
  }
  void granted(channel_id id, credit c) override {
    put(credit_message{id.value, c.bytes, c.batches});
  }
  void cut_off(error e) override {
    put(cut_off_message{static_cast<uint8_t>(e.code), std::move(e.message)});
  }

 private:
  template <class M>
  void put(M m) {
    if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(task_))
      caf::anon_send(caf::actor_cast<task_actor>(strong), std::move(m));
  }
  caf::actor_addr task_;
};

}  // namespace

task_state::~task_state() {
  end();
}

task_actor spawn_task(caf::actor_system& system, task_seed seed) {
  return system.spawn(
      [](task_actor::stateful_pointer<task_state> self, task_seed s) -> task_actor::behavior_type {
        return self->state.start(self, std::move(s));
      },
      std::move(seed));
}

task_event task_state::event(task_event::what kind) const {
  task_event e;
  e.task = seed_.id.value;
  e.attempt = seed_.attempt.value;
  e.kind = kind;
  return e;
}

void task_state::tell(task_event::what kind, uint64_t number, int64_t stall) {
  auto e = event(kind);
  e.number = number;
  e.stall_ns = stall;
  self_->send(master_, std::move(e));
}

void task_state::send(channel_message m) {
  auto it = peers_.find(m.channel.value);
  weir_assert(it != peers_.end(), "every channel of a connected task has another end");
  auto& to = it->second;
  if (to.link)
    seed_.exchange->send(to.link, to.number, std::move(m));
  else
    self_->send(to.here, stream_message{std::move(m), {}});
}

void task_state::grant(channel_id id, credit c) {
  auto it = peers_.find(id.value);
  weir_assert(it != peers_.end(), "every channel of a connected task has another end");
  auto& to = it->second;
  if (to.link)
    seed_.exchange->grant(to.link, to.number, self_->id(), id, c);
  else
    self_->send(to.here, credit_message{id.value, c.bytes, c.batches});
}

void task_state::write_chunks(epoch e, std::vector<state_chunk> chunks) {
  if (std::exchange(under_way_of_, e.value) != e.value) under_way_ = 0;
  for (const auto& c : chunks) under_way_ += c.bytes.size();
  self_->send(store_, chunks_message{store_job_, e.value, std::move(chunks), seed_.token, true});
}

bool task_state::takes_chunks(epoch e) const {
  return e.value != under_way_of_ || under_way_ < under_way_max;
}

void task_state::acknowledge(epoch e, int64_t stall) {
  if (stalls_ns_.size() == stalls_max) stalls_ns_.erase(stalls_ns_.begin());
  stalls_ns_.push_back(stall);
  if (cut_off_) return;
  tell(task_event::what::acknowledged, e.value, stall);
}
void task_state::committed(epoch e) {
  tell(task_event::what::committed, e.value);
}
void task_state::need_splits() {
  wants_splits_ = true;
  tell(task_event::what::need_splits);
}
void task_state::ended() {
  ended_ = true;
  tell(task_event::what::ended);
}

void task_state::failed(error e) {
  failure_ = event(task_event::what::failed);
  failure_->code = static_cast<uint8_t>(e.code);
  failure_->text = std::move(e.message);
  self_->send(master_, *failure_);
}

bool task_state::is_from_former(uint64_t token) {
  if (is_over(token)) return true;
  const auto& sender = self_->current_sender();
  if (!sender || !master_ || sender == caf::actor_cast<caf::strong_actor_ptr>(master_))
    return false;
  master_ = caf::actor_cast<job_actor>(sender);
  // What was told meanwhile may be lost. What comes twice does no harm.
  for (const auto* last : {&failure_, &cut_off_})
    if (*last) self_->send(master_, **last);
  if (wants_splits_) tell(task_event::what::need_splits);
  if (ended_) tell(task_event::what::ended);
  return false;
}

void task_state::wake_at(timestamp_us t) {
  if (t >= timer_) return;
  timer_ = t;
  auto wait = std::max<timestamp_us>(0, t - seed_.environment.time->now());
  self_->delayed_send(self_, std::chrono::microseconds(wait), timer_atom::value, int64_t{t});
}

void task_state::pump() {
  if (!started_ || over_ || run_posted_) return;
  switch (task_->run(slice_items)) {
    case stream_task::next::again:
      run_posted_ = true;
      self_->send(self_, run_atom::value);
      break;
    case stream_task::next::waiting:
    case stream_task::next::stopped:
      break;
  }
}

status task_state::build() {
  auto woken = woken_;
  auto weak = caf::actor_cast<caf::actor_addr>(self_);
  auto wake = [woken, weak] {
    if (woken->exchange(true)) return;
    if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(weak))
      caf::anon_send(caf::actor_cast<caf::actor>(strong), wake_atom::value);
  };
  std::string attempt = seed_.job + "-" + seed_.run + "-" + std::to_string(seed_.attempt.value);
  WEIR_ASSIGN(auto built,
              build_task(*seed_.plan, *seed_.graph, seed_.id, seed_.environment, attempt, wake));
  built.options.window = seed_.window;
  built.options.alignment_limit_us = stays_aligned(*seed_.plan) ? -1 : seed_.alignment_limit_us;
  for (const auto& out : built.parts.outputs)
    for (auto id : out.channels)
      if (auto it = peers_.find(id.value); it != peers_.end() && it->second.link)
        ++built.options.remote_targets;
  metrics_ = built.metrics;
  for (const auto& in : built.parts.inputs)
    incoming_[in.id.value] = edge_schema(*seed_.plan, seed_.plan->edges[in.edge]);
  task_ = std::make_unique<stream_task>(std::move(built.parts), std::move(built.options), *this,
                                        *seed_.environment.memory, *seed_.environment.time,
                                        metrics_->times);
  return {};
}

bool task_state::is_over(uint64_t token) {
  if (token < seed_.token) return true;
  seed_.token = token;
  return false;
}

status task_state::meet(uint32_t channel, task_actor other, const std::string& place) {
  other_end end{std::move(other), nullptr, 0};
  if (!place.empty() && (!seed_.exchange || place != seed_.exchange->address())) {
    if (!seed_.exchange)
      return error{errc::internal, "a task of another process, and no way to send it rows"};
    WEIR_ASSIGN(end.link, seed_.exchange->connect(place, self_->id()));
    end.number = end.here->id();
    end.here = task_actor();
  }
  peers_[channel] = std::move(end);
  return {};
}

void task_state::connect(connect_message& m) {
  if (is_over(m.token)) return;
  master_ = m.master;
  store_ = m.store;
  store_job_ = m.store_job;
  for (size_t i = 0; i < m.channels.size(); ++i)
    if (auto s = meet(m.channels[i], m.receivers[i], m.places[i]); !s)
      return failed(std::move(s).err());
  if (auto s = build(); !s) return failed(std::move(s).err());
  opened_from_ = m.from;
  if (m.keyed.operator_ids.empty()) return open(std::move(m.restored));
  load_message load;
  load.job = store_job_;
  load.number = m.from;
  load.tasks.push_back(std::move(m.keyed));
  auto restored = std::make_shared<std::vector<state_chunk>>(std::move(m.restored));
  self_->request(store_, state_timeout, std::move(load))
      .then(
          [this, restored](load_reply& r) {
            if (over_ || !task_) return;
            if (!r.error.empty()) return failed({static_cast<errc>(r.code), r.error});
            // Of no key group: the master has collected it from all parts.
            for (auto& c : r.chunks.front())
              if (c.key_group != no_key_group) restored->push_back(std::move(c));
            open(std::move(*restored));
          },
          [this](const caf::error& e) {
            if (!over_)
              failed({errc::timeout, "the snapshot store does not answer: " + caf::to_string(e)});
          });
}

void task_state::open(std::vector<state_chunk> restored) {
  task_->open(std::move(restored), opened_from_ != 0);
  tell(task_event::what::opened);  // a failure to open was told before, and wins
}

adopted_task task_state::adopt(const adopt_message& m) {
  adopted_task a;
  a.task = seed_.id.value;
  a.attempt = seed_.attempt.value;
  a.handle = caf::actor_cast<task_actor>(self_);
  if (is_over(m.token) || !started_ || failure_ || cut_off_ || over_ || !task_) return a;
  master_ = m.master;
  auto stands = task_->take_over(epoch{m.completed});
  a.runs = !failure_;
  a.store_job = store_job_;
  a.opened_from = opened_from_;
  a.newest = stands.newest.value;
  a.ended = stands.ended;
  if (auto& s = stands.source) {
    a.handed = std::move(s->handed);
    a.given = encode_splits(s->given);
    a.newest_order = s->newest_order;
    a.stream = std::move(s->stream);
    a.reads = s->reads;
    a.waiting = s->waiting;
    a.told_last = s->told_last;
    a.held = s->held;
  }
  return a;
}

void task_state::receive(stream_message& m) {
  if (m.body.kind == message_kind::data && !m.body.rows) {
    auto it = incoming_.find(m.body.channel.value);
    if (it == incoming_.end()) return;
    auto rows = decode_batch(std::move(m.encoded), it->second, *seed_.environment.memory);
    // Damaged on their way: another attempt may get them whole.
    if (!rows) return failed(error(errc::io, rows.err().message).at("rows from another node"));
    m.body.rows = std::move(*rows);
  }
  task_->receive(std::move(m.body));
}

task_report task_state::report() const {
  task_report r;
  r.task = seed_.id.value;
  r.attempt = seed_.attempt.value;
  const auto& t = seed_.graph->tasks[seed_.id.value];
  r.chain = t.chain;
  r.subtask = t.subtask;
  r.node = seed_.node;
  r.at_ns = seed_.environment.time->monotonic_ns();
  r.stalls_ns = stalls_ns_;
  if (!metrics_) return r;
  constexpr auto relaxed = std::memory_order_relaxed;
  r.busy_ns = metrics_->times.busy_ns.load(relaxed);
  r.backpressured_ns = metrics_->times.backpressured_ns.load(relaxed);
  r.idle_ns = metrics_->times.idle_ns.load(relaxed);
  if (task_) r.watermark = task_->watermark();
  const auto& ops = seed_.graph->chains[t.chain].operators;
  for (size_t i = 0; i < ops.size(); ++i) {
    const auto& m = *metrics_->operators[i];
    const auto& node = seed_.plan->operators[ops[i].value];
    operator_report o;
    o.operator_id = node.id;
    o.name = node.name;
    o.rows_in = m.rows_in.load(relaxed);
    o.rows_out = m.rows_out.load(relaxed);
    o.bytes_in = m.bytes_in.load(relaxed);
    o.bytes_out = m.bytes_out.load(relaxed);
    o.busy_ns = m.busy_ns.load(relaxed);
    o.errors_skipped = m.errors_skipped.load(relaxed);
    o.dead_letters = m.dead_letters.load(relaxed);
    o.late_rows = m.late_rows.load(relaxed);
    o.state_bytes = m.state_bytes.load(relaxed);
    r.operators.push_back(std::move(o));
  }
  return r;
}

void task_state::end() {
  over_ = true;
  if (task_) task_->close();
  task_.reset();  // its operators hold this actor's wake-up
  if (seed_.exchange) seed_.exchange->remove_task(self_->id());
  peers_.clear();  // tasks hold each other
}

task_actor::behavior_type task_state::start(task_actor::stateful_pointer<task_state> self,
                                            task_seed seed) {
  self_ = self;
  seed_ = std::move(seed);
  if (seed_.exchange)
    seed_.exchange->add_task(self_->id(),
                             std::make_shared<mailbox>(caf::actor_cast<caf::actor_addr>(self_)));
  return {
      [this](stream_message& m) {
        if (over_ || !task_) return;
        receive(m);
        pump();
      },
      [this](const credit_message& m) {
        if (over_ || !task_) return;
        task_->receive_credit(channel_id{m.channel}, {m.bytes, m.batches});
        pump();
      },
      [this](const cut_off_message& m) {
        if (over_) return;
        // Another build stays another build: that is no loss that a new start heals.
        const bool foreign = m.code == static_cast<uint8_t>(errc::version_mismatch);
        cut_off_ = event(foreign ? task_event::what::failed : task_event::what::cut_off);
        cut_off_->code = m.code;
        cut_off_->text = m.text;
        self_->send(master_, *cut_off_);
      },
      [this](connect_message& m) { connect(m); },
      [this](start_atom, uint64_t token) {
        if (is_from_former(token)) return;
        started_ = true;
        if (task_) pump();
      },
      [this](const adopt_message& m) {
        auto a = adopt(m);
        if (a.runs) pump();
        return a;
      },
      [this](const trigger_message& m) {
        if (over_ || !task_ || is_from_former(m.token)) return;
        task_->trigger(epoch{m.number}, epoch{m.completed});
        pump();
      },
      [this](const epoch_outcome& m) {
        if (over_ || !task_ || is_from_former(m.token)) return;
        if (m.complete)
          task_->epoch_complete(epoch{m.number});
        else
          task_->epoch_aborted(epoch{m.number});
        pump();
      },
      [this](stored_atom, uint64_t number, uint64_t bytes) {
        if (over_ || !task_ || number != under_way_of_) return;
        under_way_ -= bytes;
        pump();
      },
      [this](const splits_message& m) {
        if (over_ || !task_ || is_from_former(m.token)) return;
        wants_splits_ = false;
        auto splits = decode_splits(m.splits);
        if (!splits) return failed(splits.err());
        task_->add_splits(std::move(*splits), m.last, m.hold);
        pump();
      },
      [this](const release_watermark_message& m) {
        if (over_ || !task_ || is_from_former(m.token)) return;
        task_->hold_watermark(false);
        pump();
      },
      [this](run_atom) {
        run_posted_ = false;
        if (task_) pump();
      },
      [this](wake_atom) {
        woken_->store(false);
        if (task_) pump();
      },
      [this](timer_atom, int64_t t) {
        if (t == timer_) timer_ = watermark_end;
        if (task_) pump();
      },
      [this](report_atom) { return report(); },
      [this](stop_atom, uint64_t token) {
        auto r = report();
        if (is_over(token)) return r;
        end();
        self_->quit();
        return r;
      },
  };
}

}  // namespace weir
