// A partition's place in the cluster: changes of role, what waits for other replicas, the in-sync
// set, copying from the leader. Nothing of this runs for a partition without followers.
#include "actors/storage/partition_state.hpp"

namespace weir {
namespace {

using kafka::error_code;

// How often a leader looks for followers that are silent and for answers that are late, while there
// may be some.
constexpr auto look_interval = std::chrono::milliseconds(250);
// Writes have failed for so long: another one is to lead; asked again as often.
constexpr int64_t hand_over_after_ms = 1'000;
// For the committer to finish its round and a checkpoint of its journal.
constexpr auto forget_timeout = std::chrono::seconds(60);

}  // namespace

/// Others rely on it, whether somebody asks or not.
bool partition_state::has_to_open() const {
  return seed_.role.self != kafka::no_node && seed_.role.replicas.size() > 1;
}

void partition_state::handle(const kafka::partition_role& r) {
  if (r.version < seed_.role.version || r.leader_epoch < seed_.role.leader_epoch) return;
  seed_.role = r;
  if (failure_ || closing_) return;
  if (!partition_ || opening_) {
    if (!opening_ && has_to_open()) open();
    return;  // it is told when it is open
  }
  const bool led = partition_->leads();
  const auto before = partition_->high_watermark();
  const auto in_sync = [](const kafka::partition_role& x) {
    return std::find(x.in_sync.begin(), x.in_sync.end(), x.self) != x.in_sync.end();
  };
  const auto& known = partition_->role();
  const bool same_leader = known.leader_epoch == r.leader_epoch &&
                           known.leader_address == r.leader_address && in_sync(known) == in_sync(r);
  if (r.leader_epoch != known.leader_epoch) led_since_ms_ = now_ms();
  partition_->set_role(r, now_ms());
  if (led && !partition_->leads()) {
    refuse_all(error_code::not_leader_or_follower);
    release_held();
    refuse_deletions(error_code::not_leader_or_follower,
                     seed_.settings.partition.name + " is led by another node");
  }
  moved_from(before);
  settle_deletions();
  wake_readers();
  show();
  look_after_followers();
  if (!(same_leader && following_ && r.follows())) follow();
}

/// Those whose fate the new leader decides.
void partition_state::refuse_all(error_code e) {
  auto refused = std::exchange(appends_, {});
  for (auto& a : std::exchange(replicating_, {})) refused.push_back(std::move(a));
  for (auto& a : refused) {
    // The log may be cut in front of it before this node leads again.
    if (a.batch) refused_.note(*a.batch, e, now_ms());
    if (!a.waiter) continue;
    append_reply reply;
    reply.error = e;
    reply.message = seed_.settings.partition.name + " is led by another node";
    a.waiter->appended(a.slot, std::move(reply));
  }
}

void partition_state::answer(waiting_append& a) {
  if (a.waiter) a.waiter->appended(a.slot, std::move(a.reply));
}

void partition_state::wait_for_replicas(waiting_append a) {
  if (a.acks != -1) return answer(a);
  a.deadline_ms = a.timeout_ms == INT32_MAX ? INT64_MAX : now_ms() + a.timeout_ms;
  replicating_.push_back(std::move(a));
}

void partition_state::hand_over() {
  const auto now = now_ms();
  if (failing_since_ms_ == 0) failing_since_ms_ = now;
  if (!seed_.cluster || !partition_->replicated() || !partition_->leads() ||
      now < failing_since_ms_ + hand_over_after_ms || now < handed_over_ms_ + hand_over_after_ms)
    return;
  // Another one each time: its disk may be full, too.
  const auto& role = partition_->role();
  std::vector<int32_t> others;
  for (auto n : role.in_sync)
    if (n != role.self) others.push_back(n);
  if (others.empty()) return;
  const auto to = others[hand_overs_++ % others.size()];
  handed_over_ms_ = now;
  seed_.log(seed_.settings.partition.name + ": cannot be written here: node " + std::to_string(to) +
            " is to lead it");
  seed_.cluster->hand_over(seed_.id, to);
}

void partition_state::moved_from(int64_t before) {
  const auto end = partition_->high_watermark();
  while (!replicating_.empty() && replicating_.front().end_offset <= end) {
    auto a = std::move(replicating_.front());
    replicating_.pop_front();
    // Kafka's: it is on all that are in sync, but those have become too few meanwhile.
    if (!partition_->enough_in_sync()) {
      a.reply.error = error_code::not_enough_replicas_after_append;
      a.reply.message = seed_.settings.partition.name + ": too few replicas are in sync";
    }
    answer(a);
  }
  if (end <= before) return;
  wake_readers();
  show();
}

void partition_state::look_after_followers() {
  if (!partition_->replicated() || !partition_->leads()) return;
  if (seed_.cluster) {
    if (auto p = partition_->propose(now_ms())) {
      auto me = caf::actor_cast<partition_actor>(self_);
      seed_.cluster->alter_in_sync(seed_.id, *p, [me, number = p->number](error_code e) {
        caf::anon_send(me, in_sync_answer_message{number, e});
      });
    }
  }
  if (ticking_ ||
      (replicating_.empty() && deletions_.empty() && !partition_->waits_for_time(now_ms())))
    return;
  ticking_ = true;
  self_->delayed_send(self_, look_interval, replica_tick_atom::value);
}

void partition_state::replica_tick() {
  ticking_ = false;
  if (failure_ || !partition_ || opening_) return;
  const auto before = partition_->high_watermark();
  const auto now = now_ms();
  partition_->look(now);
  moved_from(before);
  std::deque<waiting_append> left;
  for (auto& a : replicating_) {
    if (a.deadline_ms > now) {
      left.push_back(std::move(a));
      continue;
    }
    a.reply.error = error_code::request_timed_out;
    a.reply.message = seed_.settings.partition.name + ": not all in-sync replicas have it yet";
    answer(a);
  }
  replicating_ = std::move(left);
  settle_deletions();
  look_after_followers();
}

void partition_state::handle(const in_sync_answer_message& m) {
  if (failure_ || !partition_ || opening_) return;  // then the next role or tick goes on
  const auto before = partition_->high_watermark();
  partition_->answered(m.proposal, m.answer, now_ms());
  moved_from(before);
  settle_deletions();
  look_after_followers();
}

// ---- Whether it still leads. ----

bool partition_state::doubts(const fetch_message& m, const kafka::fetch_answer& a) const {
  return a.error == error_code::offset_out_of_range && m.query.replica < 0 && seed_.cluster &&
         partition_->leads() && partition_->replicated() &&
         m.query.offset > partition_->log_end_offset();
}

void partition_state::fetch_surely(fetch_message m) {
  confirm_leadership([this, m = std::move(m)](error_code e) mutable {
    kafka::fetch_answer a;
    // Clients look for the leader, and come again.
    if (e != error_code::none)
      a.error = error_code::not_leader_or_follower;
    else
      a = partition_->fetch(m.query);
    if (a.job)
      read_later(m, std::move(a));
    else
      deliver(m, std::move(a));
  });
}

void partition_state::handle(leadership_message& m) {
  if (failure_) return m.done(error_code::kafka_storage_error);
  if (!ready(m)) return;
  if (!partition_->leads() || partition_->leader_epoch() != m.leader_epoch)
    return m.done(error_code::not_leader_or_follower);
  confirm_leadership(std::move(m.done));
}

void partition_state::confirm_leadership(std::function<void(error_code)> then) {
  // Nobody else can be elected.
  if (!seed_.cluster || !partition_->replicated()) return then(error_code::none);
  to_ask_for_.push_back(std::move(then));
  ask_whether_it_leads();
}

void partition_state::ask_whether_it_leads() {
  if (!asked_for_.empty() || to_ask_for_.empty()) return;
  asked_for_ = std::exchange(to_ask_for_, {});
  auto me = caf::actor_cast<partition_actor>(self_);
  seed_.cluster->confirm_leader(seed_.id, partition_->leader_epoch(),
                                [me, epoch = partition_->leader_epoch()](error_code e) {
                                  caf::anon_send(me, still_leader_message{epoch, e});
                                });
}

void partition_state::handle(const still_leader_message& m) {
  const auto leads = [this] { return !failure_ && partition_ && !opening_ && partition_->leads(); };
  const bool same = leads() && partition_->leader_epoch() == m.leader_epoch;
  const auto answer = same ? m.answer : error_code::not_leader_or_follower;
  for (auto& then : std::exchange(asked_for_, {})) then(answer);
  if (leads()) return ask_whether_it_leads();
  for (auto& then : std::exchange(to_ask_for_, {})) then(error_code::not_leader_or_follower);
}

// ---- Copying. ----

/// Tells the fetchers where it reads on; not while what is here may still change.
void partition_state::follow(bool later) {
  if (!seed_.replicas || closing_ || opening_ || cut_) return;
  const auto& role = partition_->role();
  if (!role.follows() || role.leader_address.empty()) {
    if (std::exchange(following_, false)) seed_.replicas->forget(seed_.id);
    return;
  }
  if (under_way()) return;
  const auto at = partition_->position();
  const bool in_sync =
      std::find(role.in_sync.begin(), role.in_sync.end(), role.self) != role.in_sync.end();
  seed_.replicas->follow(
      {seed_.id, role.leader_epoch, at.offset, at.last_epoch, at.log_start, in_sync}, role.self,
      role.leader, role.leader_address, caf::actor_cast<partition_actor>(self_), later);
  following_ = true;
  told_start_ = at.log_start;
  copy_failed_ = false;
}

void partition_state::handle(copied_message& m) {
  if (failure_ || closing_) return;
  if (!ready(m)) return;
  const auto& news = m.news;
  // With a newer role the fetchers were told anew, or are when nothing is under way.
  if (!partition_->role().follows() || news.leader_epoch != partition_->role().leader_epoch) return;
  if (under_way()) return;
  if (news.offset != partition_->log_end_offset()) return follow();
  const auto before = partition_->high_watermark();
  if (news.error == error_code::offset_out_of_range) {
    // Kafka's: longer than the leader's, it is cut there; behind its start, it begins there.
    if (news.diverging && news.diverging->end_offset < news.offset)
      return cut({news.diverging->end_offset,
                  news.diverging->end_offset < partition_->log_start_offset()});
    if (news.log_start > news.offset) return cut({news.log_start, true});
    return follow(true);
  }
  if (news.error != error_code::none) return;
  if (news.diverging) return cut(partition_->truncation_for(*news.diverging));
  auto copied = partition_->copy(news.batches, m.owner, news.leader_epoch, now_ms());
  partition_->followed(news.leader_epoch, news.high_watermark, news.log_start);
  const bool staged = !copied.writes.empty();
  for (auto& w : copied.writes) push(std::move(w));
  do_chores();  // its log may start where the leader's does
  moved_from(before);
  if (copied.error != error_code::none) {
    seed_.log(copied.message);
    copy_failed_ = true;
    // The leader's first batch begins in front of this log, which has none.
    if (copied.error == error_code::offset_out_of_range && !staged &&
        partition_->log().size_bytes() == 0)
      return cut({partition_->log_end_offset(), true});
  }
  if (!staged && (!news.batches.empty() || copy_failed_)) follow(copy_failed_);
}

/// Cuts the log when nothing else is under way; until then and meanwhile messages wait.
void partition_state::cut(const kafka::truncation& how) {
  if (cut_) return;
  cut_ = how;
  if (!how.restart && how.offset < partition_->high_watermark())
    seed_.log(seed_.settings.partition.name + ": is cut at offset " + std::to_string(how.offset) +
              " below its high watermark " + std::to_string(partition_->high_watermark()));
  begin_cut();
}

void partition_state::begin_cut() {
  if (opening_ || compacting_ || under_way()) return;  // their ends call again
  opening_ = true;
  do_chores();
  auto me = caf::actor_cast<partition_actor>(self_);
  seed_.io->submit(lane_, [me, how = *cut_, p = partition_.get()] {
    caf::anon_send(me, cut_point_message{std::make_shared<result<std::optional<commit_point>>>(
                           p->point_for(how))});
  });
}

void partition_state::handle(cut_point_message& m) {
  if (failure_) return;
  if (!*m.left) return finish_cut(m.left->err());
  self_
      ->request(seed_.committer, forget_timeout, drop_atom::value,
                forget_message{seed_.id, **m.left})
      .then(
          [this](bool forgotten) {
            finish_cut(forgotten ? status() : status(errc::io, "the commit point cannot be moved"));
          },
          [this](const caf::error&) {
            finish_cut(status(errc::timeout, "the committer does not answer"));
          });
}

/// Its commit point is where it will end, unless that failed.
void partition_state::finish_cut(status moved) {
  if (failure_) return;
  auto me = caf::actor_cast<partition_actor>(self_);
  kafka::partition_open_options again;
  again.log.owner = seed_.owner;
  again.log.end_at_damage = seed_.role.refetches();
  again.role = seed_.role;
  again.leader_epoch = seed_.role.leader_epoch;
  again.now_ms = now_ms();
  seed_.io->submit(
      lane_, [me, moved = std::move(moved), how = *cut_, again = std::move(again),
              p = std::make_shared<std::unique_ptr<kafka::partition>>(std::move(partition_)),
              files = seed_.files, id = seed_.id, folder = seed_.folder, settings = seed_.settings,
              log = seed_.log]() mutable {
        status s = moved ? (*p)->truncate(how, again.now_ms) : moved;
        auto opened = std::make_shared<result<std::unique_ptr<kafka::partition>>>(std::move(*p));
        if (!s) {
          // What is in memory may not be what is in the files any more.
          log(settings.partition.name + ": cannot be cut: " + s.err().message);
          opened->value().reset();
          *opened =
              kafka::partition::open(*files, id, folder, settings.log, settings.partition, again);
        }
        caf::anon_send(me, opened_message{std::move(opened)});
      });
}

}  // namespace weir
