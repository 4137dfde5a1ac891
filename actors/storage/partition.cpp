#include "actors/storage/partition.hpp"

#include <deque>
#include <filesystem>

#include "actors/storage/append_codec.hpp"

namespace weir {
namespace {

// A compaction reads and writes this much before others of the executor have their turn.
constexpr uint64_t compaction_step_bytes = 4u << 20;
// Between two steps: background work takes at most about a third of a disk's time.
constexpr auto compaction_pause = std::chrono::milliseconds(20);
// Of a node at the same time: each holds a map of keys.
constexpr uint32_t compactions_max = 1;

struct waiting_append {
  int64_t end_offset;
  std::shared_ptr<append_waiter> waiter;
  uint32_t slot;
  append_reply reply;
  uint64_t bytes = 0;  // of a batch that is staged, not of a repeated one
};

class partition_state {
 public:
  static inline const char* name = "weir.partition";
  using pointer = partition_actor::stateful_pointer<partition_state>;

  void init(pointer self, partition_seed seed) {
    self_ = self;
    seed_ = std::move(seed);
    lane_ = seed_.io->new_lane();
    if (!seed_.gauges) seed_.gauges = std::make_shared<partition_gauges>();
  }

  // ---- Opening. ----

  /// Whether the partition can be used now; else `message` waits until it can.
  template <class Message>
  bool ready(Message& message) {
    if (partition_) return true;
    if (!failure_) {
      waiting_.push_back([this, m = std::move(message)]() mutable { handle(m); });
      if (!opening_) open();
    }
    return false;
  }
  void open() {
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
    options.leader_epoch = seed_.role.leader_epoch;
    options.now_ms = now_ms();
    auto me = caf::actor_cast<partition_actor>(self_);
    seed_.io->submit(lane_, [me, options = std::move(options), files = seed_.files, id = seed_.id,
                             folder = seed_.folder, settings = seed_.settings] {
      auto opened = std::make_shared<result<std::unique_ptr<kafka::partition>>>(
          kafka::partition::open(*files, id, folder, settings.log, settings.partition, options));
      caf::anon_send(me, opened_message{std::move(opened)});
    });
  }
  void handle(opened_message& m) {
    opening_ = false;
    if (*m.opened) {
      partition_ = std::move(**m.opened);
      partition_->set_config(seed_.settings.partition, seed_.settings.log);
      report_recovery();
      show();
    } else {
      failure_ = m.opened->err();
      seed_.log(seed_.settings.partition.name + " cannot be opened: " + failure_->message);
    }
    for (auto& w : std::exchange(waiting_, {})) w();
    if (closing_) finish_close();
  }
  void report_recovery() {
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

  void handle(append_message& m) {
    if (failure_) return refuse(m.waiter, m.slot);
    if (!ready(m)) return;
    if (m.leader_epoch >= 0 && m.leader_epoch != seed_.role.leader_epoch) {
      append_reply reply;
      reply.error = kafka::error_code::not_leader_or_follower;
      reply.message = seed_.settings.partition.name + ": leader epoch " +
                      std::to_string(m.leader_epoch) + " is over";
      if (m.waiter) m.waiter->appended(m.slot, std::move(reply));
      return;
    }
    if (auto s = bring_into_codec(m, seed_.settings); !s) {
      append_reply reply;
      reply.error = kafka::error_code::corrupt_message;
      reply.message = s.err().message;
      seed_.gauges->refused.fetch_add(1, relaxed);
      if (m.waiter) m.waiter->appended(m.slot, std::move(reply));
      return;
    }
    auto outcome = m.from == append_message::source::client
                       ? partition_->produce(m.batch, m.owner, now_ms(), m.verification)
                       : partition_->append(m.batch, m.owner, now_ms());
    settle(std::move(outcome), std::move(m.waiter), m.slot);
  }
  void handle(marker_message& m) {
    if (failure_) return refuse(m.waiter, m.slot);
    if (!ready(m)) return;
    settle(partition_->write_marker(m.producer_id, m.producer_epoch, m.commit, m.coordinator_epoch,
                                    now_ms()),
           std::move(m.waiter), m.slot);
  }
  void settle(kafka::produce_outcome outcome, std::shared_ptr<append_waiter> waiter,
              uint32_t slot) {
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
      if (seed_.queue->push(std::move(outcome.write)))
        caf::anon_send(seed_.committer, wake_atom::value);
    }
    bool waits = outcome.what == kind::staged || outcome.what == kind::pending_duplicate;
    if (waits)
      appends_.push_back({outcome.end_offset, std::move(waiter), slot, std::move(reply), bytes});
    else if (waiter)
      waiter->appended(slot, std::move(reply));
  }
  void refuse(const std::shared_ptr<append_waiter>& waiter, uint32_t slot) {
    if (!waiter) return;
    append_reply reply;
    reply.error = kafka::error_code::kafka_storage_error;
    reply.message = failure_->message;
    waiter->appended(slot, std::move(reply));
  }
  void handle(commit_message_of_log& m) {
    if (!partition_) return;
    if (m.outcome.committed_end) {
      const auto before = partition_->high_watermark();
      auto now = partition_->committed(*m.outcome.committed_end);
      auto& g = *seed_.gauges;
      if (now.high_watermark > before)
        g.records_in.fetch_add(static_cast<uint64_t>(now.high_watermark - before), relaxed);
      while (!appends_.empty() && appends_.front().end_offset <= now.high_watermark) {
        auto& a = appends_.front();
        if (a.bytes > 0) {
          g.bytes_in.fetch_add(a.bytes, relaxed);
          g.batches_in.fetch_add(1, relaxed);
        }
        if (a.waiter) a.waiter->appended(a.slot, std::move(a.reply));
        appends_.pop_front();
      }
      show();
      wake_readers();
    }
    if (m.outcome.failed) {
      partition_->failed();
      seed_.log(seed_.settings.partition.name + ": " + m.outcome.failed->message);
      auto lost = std::exchange(appends_, {});
      for (auto& a : lost) {
        if (!a.waiter) continue;
        append_reply reply;
        reply.error = kafka::error_code::kafka_storage_error;
        reply.message = m.outcome.failed->message;
        a.waiter->appended(a.slot, std::move(reply));
      }
    }
    do_chores();
    if (closing_) finish_close();
  }

  // ---- Reading. ----

  void handle(fetch_message& m) {
    if (failure_) {
      kafka::fetch_answer a;
      a.error = kafka::error_code::kafka_storage_error;
      return m.waiter->fetched(m.slot, std::move(a));
    }
    if (!ready(m) || m.waiter->gone()) return;
    auto answer = partition_->fetch(m.query);
    if (answer.job) return read_later(m, std::move(answer));
    bool nothing =
        answer.error == kafka::error_code::none && answer.read.bytes == 0 && !answer.diverging;
    if (m.wait && nothing) {
      if (readers_.size() >= prune_at_) prune_readers();
      readers_.push_back(std::move(m));
      return;
    }
    deliver(m, std::move(answer));
  }
  void deliver(const fetch_message& m, kafka::fetch_answer answer) {
    seed_.gauges->bytes_out.fetch_add(answer.read.bytes, relaxed);
    m.waiter->fetched(m.slot, std::move(answer));
  }
  void read_later(fetch_message& m, kafka::fetch_answer answer) {
    auto me = caf::actor_cast<partition_actor>(self_);
    auto lso = answer.last_stable_offset;
    seed_.io->submit(seed_.io->new_lane(), [me, m, lso, job = std::move(answer.job)] {
      caf::anon_send(me, read_done_message{m, lso, std::make_shared<result<log_read>>(job())});
    });
  }
  void handle(read_done_message& m) {
    if (!partition_) return;
    deliver(m.request,
            partition_->complete_fetch(m.request.query, m.last_stable_offset, std::move(*m.read)));
  }
  void wake_readers() {
    if (readers_.empty()) return;
    auto readers = std::exchange(readers_, {});
    for (auto& r : readers) handle(r);
    prune_at_ = prune_min;
  }
  /// Requests that have timed out meanwhile; amortised over those that come.
  void prune_readers() {
    std::erase_if(readers_, [](const fetch_message& m) { return m.waiter->gone(); });
    prune_at_ = std::max(prune_min, readers_.size() * 2);
  }
  void handle(offset_message& m) {
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
  void handle(looked_up_message& m) {
    if (!partition_) return;
    m.request.waiter->found(m.request.slot, partition_->complete_offset(std::move(*m.found)));
  }
  void handle(visit_message& m) {
    if (failure_) return m.visit(nullptr, &*failure_);
    if (!ready(m)) return;
    m.visit(partition_.get(), nullptr);
    wake_readers();  // a visit may have moved the log's start
    do_chores();
    show();
  }

  // ---- Keeping. ----

  void handle(const kafka::partition_role& r) {
    if (r.version < seed_.role.version) return;
    seed_.role = r;
    if (partition_) partition_->set_leader_epoch(r.leader_epoch);
  }
  void configure(const partition_settings& s) {
    seed_.settings = s;
    next_retention_ms_ = 0;  // what is asked for now is not to wait
    if (partition_) partition_->set_config(s.partition, s.log);
  }
  void tick() {
    if (failure_ || closing_) return;
    if (!partition_) {  // what nobody asks for keeps to its retention as well
      if (!opening_) open();
      return;
    }
    if (now_ms() >= next_retention_ms_) {
      next_retention_ms_ = now_ms() + seed_.settings.retention_check_ms;
      partition_->apply_retention(now_ms());
    }
    do_chores();
    show();
    begin_compaction();
  }
  void do_chores() {
    for (auto& chore : partition_->take_chores())
      seed_.io->submit(lane_, [chore = std::move(chore), log = seed_.log,
                               name_of = seed_.settings.partition.name] {
        if (auto s = chore(); !s) log(name_of + ": " + s.err().message);
      });
  }
  void begin_compaction() {
    if (compacting_ || !seed_.settings.log.cleanup_compact) return;
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
  void step(std::shared_ptr<compaction_job> job) {
    auto me = caf::actor_cast<partition_actor>(self_);
    seed_.io->submit(lane_, [me, job = std::move(job)] {
      auto finished = std::make_shared<result<bool>>(job->step(compaction_step_bytes));
      caf::anon_send(me, compaction_message{job, std::move(finished)});
    });
  }
  void handle(compaction_message& m) {
    if (!m.finished && !closing_) return step(std::move(m.job));  // the pause is over
    if (m.finished && *m.finished && !**m.finished && !closing_) {
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
    if (!outcome)
      seed_.log(seed_.settings.partition.name + ": compaction: " + outcome.err().message);
    do_chores();
    if (closing_) finish_close();
  }

  // ---- Ending. ----

  caf::result<clean_partition> close() {
    closing_ = self_->make_response_promise<clean_partition>();
    if (!opening_) finish_close();
    return *closing_;
  }
  void finish_close() {
    if (!appends_.empty() || compacting_) return;  // their ends call again
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
  caf::result<bool> remove() {
    removing_ = self_->make_response_promise<bool>();
    // After this round of the committer nothing of the log is under way.
    caf::anon_send(seed_.committer, drop_atom::value, std::make_shared<log_id>(seed_.id));
    std::shared_ptr<kafka::partition> gone = std::move(partition_);
    fail({errc::not_found, seed_.settings.partition.name + " was deleted"});
    auto me = caf::actor_cast<partition_actor>(self_);
    seed_.io->submit(
        lane_, [me, gone = std::move(gone), folder = seed_.folder, log = seed_.log]() mutable {
          status s;
          if (gone) s = gone->log().remove_all();
          gone.reset();
          std::error_code e;
          std::filesystem::remove_all(folder, e);
          if (s && e) s = error{errc::io, "cannot remove " + folder + ": " + e.message()};
          if (!s) log(s.err().message);
          caf::anon_send(me, removed_atom::value, s.ok());
        });
    return *removing_;
  }
  void removed(bool ok) {
    removing_->deliver(ok);
    self_->quit();
  }
  /// From now on everything is refused; what waits is answered.
  void fail(error why) {
    failure_ = std::move(why);
    for (auto& a : std::exchange(appends_, {})) refuse(a.waiter, a.slot);
    for (auto& w : std::exchange(waiting_, {})) w();
    for (auto& r : std::exchange(readers_, {})) handle(r);
  }

 private:
  static constexpr size_t prune_min = 64;
  static constexpr auto relaxed = std::memory_order_relaxed;

  /// For metrics: how the log stands.
  void show() {
    auto& g = *seed_.gauges;
    g.start.store(partition_->log_start_offset(), relaxed);
    g.end.store(partition_->high_watermark(), relaxed);
    g.stable.store(partition_->last_stable_offset(), relaxed);
    g.bytes.store(static_cast<int64_t>(partition_->log().size_bytes()), relaxed);
    g.segments.store(static_cast<int64_t>(partition_->log().segment_count()), relaxed);
  }
  int64_t now_ms() const { return seed_.time->now() / 1000; }

  pointer self_ = nullptr;
  partition_seed seed_;
  uint64_t lane_ = 0;
  std::unique_ptr<kafka::partition> partition_;
  bool opening_ = false;
  std::optional<error> failure_;
  std::vector<std::function<void()>> waiting_;  // messages that came before it was open
  std::deque<waiting_append> appends_;          // by end_offset
  std::vector<fetch_message> readers_;          // at the end of the log
  size_t prune_at_ = prune_min;
  bool compacting_ = false;
  int64_t next_retention_ms_ = 0;
  std::optional<caf::typed_response_promise<clean_partition>> closing_;
  std::optional<caf::typed_response_promise<bool>> removing_;
};

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
      [&s](commit_message_of_log& m) { s.handle(m); },
      [&s](opened_message& m) { s.handle(m); },
      [&s](read_done_message& m) { s.handle(m); },
      [&s](looked_up_message& m) { s.handle(m); },
      [&s](compaction_message& m) { s.handle(m); },
      [&s](const kafka::partition_role& r) { s.handle(r); },
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
