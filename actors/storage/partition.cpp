#include "actors/storage/partition.hpp"

#include <filesystem>

#include "actors/storage/append_codec.hpp"
#include "actors/storage/partition_state.hpp"

namespace weir {

using kafka::error_code;

namespace {

// A compaction reads and writes this much before others of the executor have their turn.
constexpr uint64_t compaction_step_bytes = 4u << 20;
// Between two steps: background work takes at most about a third of a disk's time.
constexpr auto compaction_pause = std::chrono::milliseconds(20);
// So long after a change of leaders clients may still find out about it, and send anew in order.
constexpr int64_t new_leader_ms = 10'000;
// Of a node at the same time: each holds a map of keys.
constexpr uint32_t compactions_max = 1;

/// What a client's batch says of its producer, before anything of it is checked.
std::optional<kafka::refused_batches::batch> idempotent_batch_of(const append_message& m) {
  if (m.from != append_message::source::client) return std::nullopt;
  return kafka::idempotent_batch(m.batch);
}

}  // namespace

// ---- Opening. ----

void partition_state::init(pointer self, partition_seed seed) {
  self_ = self;
  seed_ = std::move(seed);
  lane_ = seed_.io->new_lane();
  if (seed_.registry) seed_.registry->bind(seed_.owner, caf::actor_cast<partition_actor>(self_));
  if (!seed_.gauges) seed_.gauges = std::make_shared<partition_gauges>();
  if (has_to_open()) open();
}

void partition_state::open() {
  opening_ = true;
  kafka::partition_open_options options;
  options.log.owner = seed_.owner;
  options.log.committed = seed_.committed;
  if (seed_.verify) {
    options.log.verify_bytes = UINT64_MAX;
  } else {
    options.log.clean_summary = seed_.clean.summary;
    options.clean_state = seed_.clean.extra;
  }
  options.log.end_at_damage = ends_at_damage_ = seed_.role.refetches();
  options.leader_epoch = seed_.role.leader_epoch;
  options.role = seed_.role;
  options.now_ms = now_ms();
  auto me = caf::actor_cast<partition_actor>(self_);
  seed_.io->submit(lane_, [me, options = std::move(options), files = seed_.files, id = seed_.id,
                           folder = seed_.folder, settings = seed_.settings] {
    auto opened = std::make_shared<result<std::unique_ptr<kafka::partition>>>(
        kafka::partition::open(*files, id, folder, settings.log, settings.partition, options));
    caf::anon_send(me, opened_message{std::move(opened)});
  });
}

void partition_state::handle(opened_message& m) {
  opening_ = false;
  led_since_ms_ = now_ms();
  if (removing_) return;
  const bool was_cut = cut_.has_value();
  cut_.reset();
  if (*m.opened) {
    partition_ = std::move(**m.opened);
    partition_->set_config(seed_.settings.partition, seed_.settings.log);
    if (seed_.role.self != kafka::no_node) partition_->set_role(seed_.role, now_ms());
    if (!was_cut) report_recovery();
    show();
  } else {
    failure_ = m.opened->err();
    seed_.log(seed_.settings.partition.name + " cannot be opened: " + failure_->message);
  }
  if (partition_ && !failure_) {
    const auto& lost = partition_->log().recovery().lost;
    if (!was_cut && !lost.empty() && ends_at_damage_)
      // The log has ended there already; its commit point has not.
      cut({partition_->log_end_offset(), false});
    else if (!was_cut && !lost.empty() && partition_->role().follows())
      // It was to lead when it was opened. What is lost here the leader has.
      cut({lost.front().first_offset,
           partition_->log().segment_count() == 0 ||
               lost.front().first_offset < partition_->log_start_offset()});
    else
      look_after_followers();
    follow();
  }
  if (!opening_)
    for (auto& w : std::exchange(waiting_, {})) w();
  if (closing_ && !opening_) finish_close();
}

void partition_state::report_recovery() {
  const auto& r = partition_->log().recovery();
  const auto& name_of = seed_.settings.partition.name;
  for (const auto& lost : r.lost)
    seed_.log(name_of + ": damaged, offsets " + std::to_string(lost.first_offset) + " to " +
              std::to_string(lost.last_offset) + " are lost (" + lost.reason + ")" +
              (lost.quarantine_path.empty() ? "" : "; their bytes: " + lost.quarantine_path));
  if (r.cut_bytes)
    seed_.log(name_of + ": cut a torn end of " + std::to_string(r.cut_bytes) +
              " bytes that were never acknowledged");
  for (const auto& problem : partition_->recovery().problems) seed_.log(name_of + ": " + problem);
}

// ---- Appending. ----

void partition_state::handle(append_message& m) {
  if (failure_) return refuse(m.waiter, m.slot);
  if (!ready(m)) return;
  append_reply refused;
  for (const auto& b : m.refused_before)
    refused_.note(b, error_code::not_leader_or_follower, now_ms());
  m.refused_before.clear();
  const auto batch = idempotent_batch_of(m);
  if (batch && m.verification == 0)
    if (auto held = held_.find(batch->producer_id); held != held_.end()) {
      held->second.push_back(std::move(m));
      return;
    }
  const auto behind =
      batch ? refused_.behind(*batch,
                              partition_->last_sequence(batch->producer_id, batch->producer_epoch),
                              now_ms())
            : kafka::error_code::none;
  if (behind != kafka::error_code::none) {
    refused.error = behind;
    refused.message = seed_.settings.partition.name + ": a batch before this one was refused";
  } else if (m.verified != kafka::error_code::none) {
    refused.error = m.verified;
    refused.message = seed_.settings.partition.name +
                      " takes part in no open transaction of producer " +
                      std::to_string(batch ? batch->producer_id : -1);
  } else if (m.leader_epoch >= 0 && m.leader_epoch != seed_.role.leader_epoch) {
    refused.error = kafka::error_code::not_leader_or_follower;
    refused.message = seed_.settings.partition.name + ": leader epoch " +
                      std::to_string(m.leader_epoch) + " is over";
  } else if (m.acks == -1 && partition_->leads() && !partition_->enough_in_sync()) {
    refused.error = kafka::error_code::not_enough_replicas;
    refused.message =
        seed_.settings.partition.name + ": " + std::to_string(partition_->role().in_sync.size()) +
        " replicas are in sync, acks=all needs " + std::to_string(partition_->role().min_in_sync);
  } else if (auto s = bring_into_codec(m, seed_.settings); !s) {
    refused.error = kafka::error_code::corrupt_message;
    refused.message = s.err().message;
  }
  if (refused.error != kafka::error_code::none) {
    if (batch && behind == kafka::error_code::none) refused_.note(*batch, refused.error, now_ms());
    seed_.gauges->refused.fetch_add(1, relaxed);
    if (m.waiter) m.waiter->appended(m.slot, std::move(refused));
    if (batch && m.verification != 0) release_held(batch->producer_id);
    return;
  }
  const auto verification = m.verification;
  auto outcome = m.from == append_message::source::client
                     ? partition_->produce(m.batch, m.owner, now_ms(), m.verification)
                     : partition_->append(m.batch, m.owner, now_ms());
  if (batch && comes_early(m, outcome.error)) outcome.error = error_code::not_enough_replicas;
  const bool asks = outcome.what == kafka::produce_outcome::kind::needs_verification;
  if (asks)
    held_.try_emplace(outcome.producer_id);
  else if (batch)
    refused_.note(*batch, outcome.error, now_ms());
  settle(std::move(outcome), batch, std::move(m.waiter), m.slot, m.acks, m.timeout_ms);
  if (batch && verification != 0 && !asks) release_held(batch->producer_id);
}

bool partition_state::comes_early(const append_message& m, error_code e) const {
  return e == error_code::out_of_order_sequence_number && partition_->replicated() &&
         m.from == append_message::source::client && now_ms() - led_since_ms_ < new_leader_ms;
}

void partition_state::release_held(int64_t producer_id) {
  auto held = held_.extract(producer_id);
  if (held.empty()) return;
  for (auto& m : held.mapped()) handle(m);
}

void partition_state::release_held() {
  for (auto& [producer, held] : std::exchange(held_, {}))
    for (auto& m : held) handle(m);
}

void partition_state::handle(marker_message& m) {
  if (failure_) return refuse(m.waiter, m.slot);
  if (!ready(m)) return;
  // Without a time-out: a transaction ends when its marker is everywhere.
  settle(partition_->write_marker(m.producer_id, m.producer_epoch, m.commit, m.coordinator_epoch,
                                  now_ms()),
         std::nullopt, std::move(m.waiter), m.slot, -1, INT32_MAX);
}

void partition_state::push(log_write w) {
  if (seed_.queue->push(std::move(w))) caf::anon_send(seed_.committer, wake_atom::value);
}

void partition_state::settle(kafka::produce_outcome outcome,
                             const std::optional<kafka::refused_batches::batch>& batch,
                             std::shared_ptr<append_waiter> waiter, uint32_t slot, int8_t acks,
                             int32_t timeout_ms) {
  using kind = kafka::produce_outcome::kind;
  append_reply reply;
  reply.error = outcome.error;
  reply.message = std::move(outcome.message);
  reply.record_errors = std::move(outcome.record_errors);
  reply.base_offset = outcome.base_offset;
  reply.log_append_time_ms = outcome.log_append_time_ms;
  reply.log_start_offset = partition_->log_start_offset();
  if (outcome.what == kind::needs_verification) {
    reply.verification = outcome.verification;
    reply.producer_id = outcome.producer_id;
    reply.producer_epoch = outcome.producer_epoch;
  }
  uint64_t bytes = 0;
  if (outcome.what == kind::rejected) seed_.gauges->refused.fetch_add(1, relaxed);
  if (outcome.what == kind::staged) {
    bytes = outcome.write.bytes.size();
    push(std::move(outcome.write));
  }
  const bool waits = outcome.what == kind::staged || outcome.what == kind::pending_duplicate;
  if (!waits) {
    if (waiter) waiter->appended(slot, std::move(reply));
    return;
  }
  waiting_append a{outcome.end_offset, std::move(waiter), slot, std::move(reply), bytes, acks,
                   timeout_ms};
  a.batch = batch;
  if (a.end_offset > partition_->log_end_offset())
    appends_.push_back(std::move(a));
  else
    wait_for_replicas(std::move(a));  // a repetition of what is durable here
}

void partition_state::refuse(const std::shared_ptr<append_waiter>& waiter, uint32_t slot) {
  if (!waiter) return;
  append_reply reply;
  reply.error = kafka::error_code::kafka_storage_error;
  reply.message = failure_->message;
  waiter->appended(slot, std::move(reply));
}

/// Answers those that wait for what is durable by now.
void partition_state::durable() {
  const auto end = partition_->log_end_offset();
  auto& g = *seed_.gauges;
  while (!appends_.empty() && appends_.front().end_offset <= end) {
    auto& a = appends_.front();
    if (a.bytes > 0) {
      g.bytes_in.fetch_add(a.bytes, relaxed);
      g.batches_in.fetch_add(1, relaxed);
    }
    if (a.acks != -1 || !partition_->replicated())
      answer(a);
    else
      wait_for_replicas(std::move(a));
    appends_.pop_front();
  }
}

void partition_state::handle(commit_message_of_log& m) {
  if (!partition_) return;
  if (m.outcome.committed_end) {
    failing_since_ms_ = 0;
    const auto before = partition_->now();
    partition_->committed(*m.outcome.committed_end);
    const auto end = partition_->log_end_offset();
    if (end > before.log_end && partition_->leads())
      seed_.gauges->records_in.fetch_add(static_cast<uint64_t>(end - before.log_end), relaxed);
    durable();
    if (partition_->replicated()) moved_from(before.high_watermark);
    show();
    wake_readers();
  }
  if (m.outcome.failed) {
    partition_->failed();
    seed_.log(seed_.settings.partition.name + ": " + m.outcome.failed->message);
    copy_failed_ = true;
    auto lost = std::exchange(appends_, {});
    for (auto& a : lost) {
      if (a.batch) refused_.note(*a.batch, kafka::error_code::kafka_storage_error, now_ms());
      if (!a.waiter) continue;
      append_reply reply;
      reply.error = kafka::error_code::kafka_storage_error;
      reply.message = m.outcome.failed->message;
      a.waiter->appended(a.slot, std::move(reply));
    }
    hand_over();
  }
  if (partition_->replicated()) {
    look_after_followers();
    if (cut_)
      begin_cut();
    else
      follow(copy_failed_);
  }
  do_chores();
  if (closing_) finish_close();
}

// ---- Reading. ----

void partition_state::handle(fetch_message& m) {
  if (failure_) {
    kafka::fetch_answer a;
    a.error = kafka::error_code::kafka_storage_error;
    return m.waiter->fetched(m.slot, std::move(a));
  }
  if (!ready(m) || m.waiter->gone()) return;
  const auto before = partition_->high_watermark();
  const bool position = std::exchange(m.query.note_position, false);
  kafka::fetch_answer answer;
  if (position) {
    m.query.now_ms = now_ms();
    auto noting = m.query;
    noting.note_position = true;
    answer = partition_->fetch(noting);
  } else {
    answer = partition_->fetch(m.query);
  }
  if (answer.job) {
    read_later(m, std::move(answer));
  } else if (doubts(m, answer)) {
    fetch_surely(std::move(m));
  } else {
    bool nothing = answer.error == kafka::error_code::none && answer.read.bytes == 0 &&
                   !answer.diverging && answer.preferred_replica == kafka::no_node && !answer.news;
    if (m.wait && nothing) {
      if (readers_.size() >= prune_at_) prune_readers();
      readers_.push_back(std::move(m));
    } else {
      deliver(m, std::move(answer));
    }
  }
  if (position) {
    moved_from(before);
    settle_deletions();
    look_after_followers();
  }
}

void partition_state::deliver(const fetch_message& m, kafka::fetch_answer answer) {
  if (m.query.replica < 0) seed_.gauges->bytes_out.fetch_add(answer.read.bytes, relaxed);
  m.waiter->fetched(m.slot, std::move(answer));
}

void partition_state::read_later(fetch_message& m, kafka::fetch_answer answer) {
  auto me = caf::actor_cast<partition_actor>(self_);
  auto lso = answer.last_stable_offset;
  seed_.io->submit(seed_.io->new_lane(), [me, m, lso, job = std::move(answer.job)] {
    caf::anon_send(me, read_done_message{m, lso, std::make_shared<result<log_read>>(job())});
  });
}

void partition_state::handle(read_done_message& m) {
  if (failure_) {
    kafka::fetch_answer a;
    a.error = kafka::error_code::kafka_storage_error;
    return m.request.waiter->fetched(m.request.slot, std::move(a));
  }
  if (!ready(m)) return;
  deliver(m.request,
          partition_->complete_fetch(m.request.query, m.last_stable_offset, std::move(*m.read)));
}

void partition_state::wake_readers() {
  if (readers_.empty()) return;
  auto readers = std::exchange(readers_, {});
  for (auto& r : readers) handle(r);
  prune_at_ = prune_min;
}

/// Requests that have timed out meanwhile; amortised over those that come.
void partition_state::prune_readers() {
  std::erase_if(readers_, [](const fetch_message& m) { return m.waiter->gone(); });
  prune_at_ = std::max(prune_min, readers_.size() * 2);
}

void partition_state::handle(offset_message& m) {
  kafka::offset_answer a;
  a.error = kafka::error_code::kafka_storage_error;
  if (failure_) return m.waiter->found(m.slot, std::move(a));
  if (!ready(m)) return;
  a = partition_->list_offset(m.timestamp_ms, m.level, m.current_leader_epoch);
  if (!a.job) return m.waiter->found(m.slot, std::move(a));
  auto me = caf::actor_cast<partition_actor>(self_);
  seed_.io->submit(seed_.io->new_lane(), [me, m, job = std::move(a.job)] {
    caf::anon_send(me, looked_up_message{m, std::make_shared<result<timestamp_offset>>(job())});
  });
}

void partition_state::handle(looked_up_message& m) {
  if (failure_) {
    kafka::offset_answer a;
    a.error = kafka::error_code::kafka_storage_error;
    return m.request.waiter->found(m.request.slot, std::move(a));
  }
  if (!ready(m)) return;
  m.request.waiter->found(m.request.slot, partition_->complete_offset(std::move(*m.found)));
}

void partition_state::handle(visit_message& m) {
  if (failure_) return m.visit(nullptr, &*failure_);
  if (!ready(m)) return;
  m.visit(partition_.get(), nullptr);
  wake_readers();  // a visit may have moved the log's start
  do_chores();
  show();
}

// ---- Keeping. ----

void partition_state::configure(const partition_settings& s) {
  seed_.settings = s;
  next_retention_ms_ = 0;  // what is asked for now is not to wait
  if (partition_ && !opening_) partition_->set_config(s.partition, s.log);
}

void partition_state::tick() {
  if (failure_ || closing_ || opening_) return;
  if (!partition_) return open();  // what nobody asks for keeps to its retention as well
  if (now_ms() >= next_retention_ms_) {
    next_retention_ms_ = now_ms() + seed_.settings.retention_check_ms;
    partition_->apply_retention(now_ms());
  }
  do_chores();
  show();
  begin_compaction();
}

void partition_state::do_chores() {
  auto chores = partition_->take_chores();
  if (chores.empty()) return;
  for (auto& chore : chores)
    seed_.io->submit(lane_, [chore = std::move(chore), log = seed_.log,
                             name_of = seed_.settings.partition.name] {
      if (auto s = chore(); !s) log(name_of + ": " + s.err().message);
    });
  auto me = caf::actor_cast<partition_actor>(self_);
  seed_.io->submit(lane_,
                   [me, number = ++chores_] { caf::anon_send(me, chores_done_message{number}); });
}

void partition_state::handle(const chores_done_message& m) {
  chores_done_ = m.number;
  if (failure_ || !partition_ || opening_) return;
  settle_deletions();
  // Its leader waits for that.
  if (following_ && partition_->log().durable_start_offset() != told_start_) follow();
}

void partition_state::handle(delete_records_message& m) {
  kafka::delete_records_answer refused;
  if (failure_) {
    refused.error = error_code::kafka_storage_error;
    refused.message = failure_->message;
    return m.done(std::move(refused));
  }
  if (!ready(m)) return;
  if (!partition_->leads()) {
    refused.error = error_code::not_leader_or_follower;
    return m.done(std::move(refused));
  }
  auto a = partition_->delete_records(m.offset);
  if (a.error != error_code::none) return m.done(std::move(a));
  do_chores();
  show();
  wake_readers();  // followers are told the log's start
  const auto deadline = m.timeout_ms == INT32_MAX ? INT64_MAX : now_ms() + m.timeout_ms;
  const auto offset = m.offset == -1 ? a.low_watermark : m.offset;
  deletions_.push_back({offset, chores_, deadline, std::move(m.done)});
  settle_deletions();
  look_after_followers();
}

void partition_state::settle_deletions() {
  if (deletions_.empty()) return;
  const auto low = partition_->low_watermark();
  const auto own = partition_->log().durable_start_offset();
  const auto now = now_ms();
  std::erase_if(deletions_, [&](waiting_deletion& d) {
    kafka::delete_records_answer a;
    a.low_watermark = low;
    if (low < d.offset) {
      if (own < d.offset && chores_done_ >= d.chores) {
        a.error = error_code::kafka_storage_error;
        a.message = seed_.settings.partition.name + ": the log's start could not be written";
      } else if (d.deadline_ms <= now) {
        a.error = error_code::request_timed_out;
        a.message = seed_.settings.partition.name + ": not all in-sync replicas have deleted yet";
      } else {
        return false;
      }
      a.low_watermark = -1;
    }
    d.done(std::move(a));
    return true;
  });
}

void partition_state::refuse_deletions(error_code e, const std::string& message) {
  for (auto& d : std::exchange(deletions_, {})) {
    kafka::delete_records_answer a;
    a.error = e;
    a.message = message;
    d.done(std::move(a));
  }
}

void partition_state::begin_compaction() {
  if (compacting_ || cut_ || !seed_.settings.log.cleanup_compact) return;
  if (seed_.compactions->fetch_add(1) >= compactions_max) {
    seed_.compactions->fetch_sub(1);  // its turn comes at a later tick
    return;
  }
  std::shared_ptr<compaction_job> job =
      partition_->log().begin_compaction(partition_->make_compaction_options(), now_ms());
  if (!job) {
    seed_.compactions->fetch_sub(1);
    return;
  }
  compacting_ = true;
  step(std::move(job));
}

void partition_state::step(std::shared_ptr<compaction_job> job) {
  auto me = caf::actor_cast<partition_actor>(self_);
  seed_.io->submit(lane_, [me, job = std::move(job)] {
    auto finished = std::make_shared<result<bool>>(job->step(compaction_step_bytes));
    caf::anon_send(me, compaction_message{job, std::move(finished)});
  });
}

void partition_state::handle(compaction_message& m) {
  const bool ends = closing_ || cut_;
  if (!m.finished && !ends) return step(std::move(m.job));  // the pause is over
  if (m.finished && *m.finished && !**m.finished && !ends) {
    self_->delayed_send(self_, compaction_pause, compaction_message{std::move(m.job), nullptr});
    return;
  }
  compacting_ = false;
  seed_.compactions->fetch_sub(1);
  if (!partition_) return;
  status outcome;
  if (m.finished && *m.finished && **m.finished) {
    outcome = partition_->log().finish_compaction(*m.job);
  } else {
    partition_->log().abandon_compaction();
    if (m.finished && !*m.finished) outcome = m.finished->err();
  }
  if (!outcome) seed_.log(seed_.settings.partition.name + ": compaction: " + outcome.err().message);
  do_chores();
  if (cut_) begin_cut();
  if (closing_ && !opening_) finish_close();
}

// ---- Ending. ----

caf::result<clean_partition> partition_state::close() {
  closing_ = self_->make_response_promise<clean_partition>();
  if (removing_) {  // nothing of it is there to be kept
    closing_->deliver(clean_partition());
    self_->quit();
    return *closing_;
  }
  if (!opening_) finish_close();
  return *closing_;
}

void partition_state::finish_close() {
  // Their ends call again.
  if (opening_ || compacting_ || (partition_ && under_way())) return;
  if (seed_.replicas) seed_.replicas->forget(seed_.id);
  clean_partition record = seed_.clean;
  record.id = seed_.id;
  if (partition_) {
    record.summary = partition_->log().summary();
    record.extra = partition_->clean_state();
  }
  fail({errc::cancelled, "the node stops"});
  closing_->deliver(std::move(record));
  self_->quit();
}

caf::result<bool> partition_state::remove() {
  removing_ = self_->make_response_promise<bool>();
  if (seed_.replicas) seed_.replicas->forget(seed_.id);
  // After this round of the committer nothing of the log is under way.
  caf::anon_send(seed_.committer, drop_atom::value, forget_message{seed_.id, std::nullopt});
  std::shared_ptr<kafka::partition> gone = std::move(partition_);
  fail({errc::not_found, seed_.settings.partition.name + " was deleted"});
  auto me = caf::actor_cast<partition_actor>(self_);
  seed_.io->submit(lane_,
                   [me, gone = std::move(gone), folder = seed_.folder, log = seed_.log]() mutable {
                     status s;
                     if (gone) s = gone->log().remove_all();
                     gone.reset();
                     std::error_code e;
                     std::filesystem::remove_all(folder, e);
                     if (s && e)
                       s = error{errc::io, "cannot remove " + folder + ": " + e.message()};
                     if (!s) log(s.err().message);
                     caf::anon_send(me, removed_atom::value, s.ok());
                   });
  return *removing_;
}

// It stays until it is closed: who has found it in an older directory is answered.
void partition_state::removed(bool ok) {
  removing_->deliver(ok);
  if (seed_.registry) seed_.registry->remove(seed_.owner);
}

/// From now on everything is refused; what waits is answered.
void partition_state::fail(error why) {
  failure_ = std::move(why);
  for (auto& a : std::exchange(appends_, {})) refuse(a.waiter, a.slot);
  for (auto& a : std::exchange(replicating_, {})) refuse(a.waiter, a.slot);
  refuse_deletions(error_code::kafka_storage_error, failure_->message);
  release_held();
  for (auto& w : std::exchange(waiting_, {})) w();
  for (auto& r : std::exchange(readers_, {})) handle(r);
}

/// For metrics: how the log stands.
void partition_state::show() {
  auto& g = *seed_.gauges;
  g.start.store(partition_->log_start_offset(), relaxed);
  g.end.store(partition_->high_watermark(), relaxed);
  g.stable.store(partition_->last_stable_offset(), relaxed);
  g.bytes.store(static_cast<int64_t>(partition_->log().size_bytes()), relaxed);
  g.segments.store(static_cast<int64_t>(partition_->log().segment_count()), relaxed);
}

namespace {

partition_actor::behavior_type partition(partition_actor::stateful_pointer<partition_state> self,
                                         partition_seed seed) {
  self->state.init(self, std::move(seed));
  auto& s = self->state;
  return {
      [&s](append_message& m) { s.handle(m); },
      [&s](marker_message& m) { s.handle(m); },
      [&s](fetch_message& m) { s.handle(m); },
      [&s](offset_message& m) { s.handle(m); },
      [&s](visit_message& m) { s.handle(m); },
      [&s](leadership_message& m) { s.handle(m); },
      [&s](delete_records_message& m) { s.handle(m); },
      [&s](const chores_done_message& m) { s.handle(m); },
      [&s](commit_message_of_log& m) { s.handle(m); },
      [&s](opened_message& m) { s.handle(m); },
      [&s](cut_point_message& m) { s.handle(m); },
      [&s](read_done_message& m) { s.handle(m); },
      [&s](looked_up_message& m) { s.handle(m); },
      [&s](compaction_message& m) { s.handle(m); },
      [&s](const kafka::partition_role& r) { s.handle(r); },
      [&s](copied_message& m) { s.handle(m); },
      [&s](const in_sync_answer_message& m) { s.handle(m); },
      [&s](const still_leader_message& m) { s.handle(m); },
      [&s](replica_tick_atom) { s.replica_tick(); },
      [&s](config_atom, const partition_settings& p) { s.configure(p); },
      [&s](tick_atom) { s.tick(); },
      [&s](remove_atom) { return s.remove(); },
      [&s](removed_atom, bool ok) { s.removed(ok); },
      [&s](close_atom) { return s.close(); },
  };
}

}  // namespace

partition_actor spawn_partition(caf::actor_system& system, partition_seed seed) {
  return system.spawn(partition, std::move(seed));
}

}  // namespace weir
