// One node: what the actors do with a partition, without actors.
#include <algorithm>

#include "sim.hpp"

namespace weir::kafka::sim {

namespace {

constexpr int64_t produce_timeout_ms = 400;
const std::string folder = "/data";

log_id the_log() {
  log_id id;
  id.topic[0] = 7;
  return id;
}

}  // namespace

node::node(cluster& world, int32_t id, uint64_t seed)
    : files(seed), world_(world), id_(id), random_(seed ^ 0x5bd1e995) {}

int64_t node::now_ms() const {
  return 1'700'000'000'000 + world_.now_us() / 1000 + skew_ms;
}

void node::start() {
  ++incarnation_;
  cache_ = std::make_unique<file_cache>(files);
  auto committer = group_commit::open(*cache_, {.folder = folder + "/commits"});
  SIM_CHECK(committer.ok(), "the committer does not open: " + committer.err().message);
  committer_ = std::move(*committer);
  partition_open_options o;
  o.log.committed = committer_->point(the_log());
  // Nothing is led or followed before the metadata has said so to this process.
  o.role.self = id_;
  if (world_.may_lose()) {
    o.role = world_.registered(id_);
    o.log.end_at_damage = o.role.refetches();
    o.log.verify_bytes = UINT64_MAX;
  }
  o.now_ms = now_ms();
  log_config log;
  log.segment_bytes = 3000;
  log.retention_ms = -1;
  log.sync = world_.kind() != life::unsynced;
  partition_config config;
  config.name = "sim-0@" + std::to_string(id_);
  config.replica_lag_ms_max = 300;
  auto opened = partition::open(*cache_, the_log(), folder + "/sim-0", log, config, std::move(o));
  SIM_CHECK(opened.ok(), "the partition does not open: " + opened.err().message);
  p_ = std::move(*opened);
  role_ = p_->role();
  const auto& lost = p_->log().recovery().lost;
  SIM_CHECK(lost.empty() || world_.may_lose(),
            "acknowledged bytes are lost: " + (lost.empty() ? "" : lost[0].reason));
  if (!lost.empty()) ++world_.losses;
  fetch_plan_options plan;
  plan.self = id_;
  plan.incarnation = static_cast<int64_t>(incarnation_);
  plan.partition_bytes_max = 400 + static_cast<int32_t>(random_() % 4000);
  plan.backoff_ms_max = 100;
  plan_ = std::make_unique<fetch_plan>(plan);
  asked_ = commit_due_ = false;
  judged_ = 0;  // all that is below its high watermark is compared again
  if (!lost.empty()) {
    SIM_CHECK(p_->role().refetches(), "the last one in sync has lost something");
    cut({p_->log_end_offset(), false});
  }
  follow(false);
}

void node::damage_disk() {
  auto listed = files.list(folder + "/sim-0");
  SIM_CHECK(listed.ok(), "the folder cannot be listed");
  std::vector<std::pair<std::string, uint64_t>> bits;  // within what a checksum covers
  for (const auto& f : *listed) {
    if (!f.path.ends_with(".log")) continue;
    auto bytes = read_whole_file(files, f.path, 1 << 20);
    SIM_CHECK(bytes.ok(), "a segment cannot be read");
    for (auto rest = std::as_bytes(std::span(*bytes)); !rest.empty();) {
      auto b = verify_batch(rest, {batch_origin::log, segment_bytes_max});
      if (!b) break;
      bits.emplace_back(f.path,
                        bytes->size() - rest.size() + 21 + random_() % (b->size_bytes() - 21));
      rest = rest.subspan(b->size_bytes());
    }
  }
  if (bits.empty()) return;
  const auto& [path, position] = bits[random_() % bits.size()];
  files.flip(path, position, static_cast<uint8_t>(1u << random_() % 8));
}

void node::crash() {
  waiting_.clear();
  deleting_.clear();
  writes_.clear();
  plan_.reset();
  p_.reset();
  committer_.reset();
  cache_.reset();
  files.fault = nullptr;
  files.crash();
}

void node::take_role(const partition_role& role) {
  if (!up() || (role_.leader != no_node && role.version <= role_.version)) return;
  const bool led = p_->leads();
  role_ = role;
  p_->set_role(role, now_ms());
  if (led && !p_->leads()) {
    refuse_all(error_code::not_leader_or_follower);
    deleting_.clear();
  }
  SIM_CHECK(!p_->leads() || p_->log_start_offset() >= world_.deleted(),
            "a leader has what was deleted");
  moved();
  propose();
  if (p_->role().follows())
    follow(false);
  else
    plan_->forget(the_log());
}

void node::delete_records(int64_t offset) {
  if (!up() || !p_->leads()) return;
  if (p_->delete_records(offset).error != error_code::none) return;
  do_chores();
  deleting_.push_back(offset);
  moved();
}

void node::do_chores() {
  for (auto& chore : p_->take_chores()) SIM_CHECK(chore().ok(), "a chore fails");
}

void node::refuse_all(error_code e) {
  for (waiter& w : std::exchange(waiting_, {}))
    if (w.to) w.to({e, -1});
}

void node::settle(produce_outcome out, int8_t acks, answer_to to) {
  using kind = produce_outcome::kind;
  if (out.what == kind::staged) {
    writes_.push_back(std::move(out.write));
    commit_soon();
  }
  if (out.what == kind::staged || out.what == kind::pending_duplicate)
    waiting_.push_back(
        {out.end_offset, out.base_offset, acks, now_ms() + produce_timeout_ms, std::move(to)});
  else
    to({out.error, out.base_offset});
  if (out.what == kind::pending_duplicate) moved();
}

void node::produce(std::vector<std::byte> batch, int8_t acks, answer_to to) {
  if (!up()) return;
  if (acks == -1 && p_->leads() && !p_->enough_in_sync())
    return to({error_code::not_enough_replicas, -1});
  auto bytes = std::make_shared<std::vector<std::byte>>(std::move(batch));
  settle(p_->produce(*bytes, bytes, now_ms()), acks, std::move(to));
}

void node::mark(int64_t pid, int16_t epoch, bool commit, answer_to to) {
  if (!up()) return;
  settle(p_->write_marker(pid, epoch, commit, 0, now_ms()), -1, std::move(to));
}

void node::commit_soon() {
  if (std::exchange(commit_due_, true)) return;
  world_.after(static_cast<int64_t>(random_() % 3000), [this, life = incarnation_] {
    if (up() && incarnation_ == life) commit();
  });
}

void node::commit() {
  commit_due_ = false;
  // Now and then the disk refuses.
  if (!world_.quiet() && random_() % 60 == 0) {
    ++world_.failed_disks;
    files.fault = [this](file_op op, const std::string& path) {
      const bool hit = (op == file_op::write || op == file_op::sync) &&
                       path.find("/sim-0/") != std::string::npos && random_() % 2 == 0;
      return hit ? file_fault::eio : file_fault::none;
    };
  }
  std::vector<commit_outcome> outcomes;
  committer_->commit(std::exchange(writes_, {}), outcomes);
  files.fault = nullptr;
  bool failed = false;
  for (commit_outcome& o : outcomes) {
    if (o.committed_end) p_->committed(*o.committed_end);
    if (!o.failed) continue;
    failed = true;
    p_->failed();
    // Those behind the log's end.
    std::deque<waiter> left;
    for (waiter& w : waiting_) {
      if (w.end_offset <= p_->log_end_offset())
        left.push_back(std::move(w));
      else if (w.to)
        w.to({error_code::kafka_storage_error, -1});
    }
    waiting_ = std::move(left);
  }
  moved();
  propose();
  do_chores();
  follow(failed);
}

/// Answers what waited, and compares what is committed by now.
void node::moved() {
  const int64_t hw = p_->high_watermark();
  SIM_CHECK(hw <= p_->log_end_offset() && p_->last_stable_offset() <= hw,
            "the high watermark is beyond the log's end");
  std::deque<waiter> left;
  for (waiter& w : std::exchange(waiting_, {})) {
    const bool done = w.end_offset <= (w.acks == -1 ? hw : p_->log_end_offset());
    if (!done) {
      left.push_back(std::move(w));
      continue;
    }
    const bool enough = w.acks != -1 || p_->enough_in_sync();
    if (w.to)
      w.to({enough ? error_code::none : error_code::not_enough_replicas_after_append,
            w.base_offset});
  }
  for (waiter& w : waiting_) left.push_back(std::move(w));
  waiting_ = std::move(left);
  if (!up()) return;
  std::erase_if(deleting_, [this](int64_t offset) {
    if (p_->low_watermark() < offset) return false;
    world_.deleted(offset);
    return true;
  });
  SIM_CHECK(hw >= judged_, "the high watermark fell");
  // By the reader's way, as the committed part of the log is read.
  while (judged_ < hw) {
    fetch_query q;
    q.offset = std::max(judged_, p_->log_start_offset());
    q.bytes_max = 1 << 20;
    auto a = p_->fetch(q);
    if (a.job) a = p_->complete_fetch(q, a.last_stable_offset, a.job());
    SIM_CHECK(a.error == error_code::none, "what is committed cannot be read");
    if (a.read.next_offset <= q.offset) break;
    for (const log_slice& s : a.read.slices) {
      std::vector<std::byte> bytes(s.bytes);
      auto file = s.file->open();
      SIM_CHECK(file.ok() && *(*file)->read(s.position, bytes) == bytes.size(),
                "what is committed is not in its file");
      for (std::span<const std::byte> rest(bytes); !rest.empty();) {
        auto b = verify_batch(rest, {batch_origin::log, segment_bytes_max});
        SIM_CHECK(b.ok(), "a committed batch is damaged");
        world_.judge(id_, *b);
        rest = rest.subspan(b->size_bytes());
      }
    }
    judged_ = a.read.next_offset;
  }
  judged_ = std::max(judged_, hw);
}

void node::propose() {
  auto p = p_->propose(now_ms());
  if (!p) return;
  world_.alter(id_, incarnation_, *std::move(p));
}

void node::alter_answered(uint64_t proposal, error_code e) {
  p_->answered(proposal, e, now_ms());
  moved();
}

void node::tick() {
  if (!up()) return;
  p_->look(now_ms());
  moved();
  std::deque<waiter> left;
  for (waiter& w : std::exchange(waiting_, {})) {
    if (w.deadline_ms > now_ms())
      left.push_back(std::move(w));
    else if (w.to)
      w.to({error_code::request_timed_out, -1});
  }
  for (waiter& w : waiting_) left.push_back(std::move(w));
  waiting_ = std::move(left);
  propose();
  fetch();
}

// ---- Following. ----

void node::follow(bool later) {
  if (!p_->role().follows() || under_way()) return;
  const auto at = p_->position();
  told_start_ = at.log_start;
  const fetch_position position{
      the_log(), p_->role().leader_epoch, at.offset, at.last_epoch, at.log_start, true};
  if (later)
    plan_->follow_later(position, now_ms());
  else
    plan_->follow(position);
  fetch();
}

void node::fetch() {
  if (asked_ || !p_->role().follows()) return;
  auto next = plan_->next_request(now_ms());
  if (!next) return;
  asked_ = true;
  auto sent = std::make_shared<fetch_plan::planned>(std::move(*next));
  const auto number = ++ask_;
  const auto leader = p_->role().leader;
  const auto life = incarnation_;
  world_.send(id_, leader, [this, sent, number, leader, life] {
    node& to = world_.at(leader);
    if (!to.up()) return;
    auto bytes = std::make_shared<std::vector<std::byte>>();
    auto answer = std::make_shared<fetch_response>(to.serve(sent->request, *bytes));
    // An empty answer comes late, as one that waited.
    bool empty = true;
    for (const auto& t : answer->responses)
      for (const auto& p : t.partitions)
        empty = empty && p.records.bytes.empty() && p.error_code == error_code::none &&
                p.diverging_epoch.epoch < 0;
    world_.after(empty ? 4000 : 0, [this, sent, number, leader, life, bytes, answer] {
      world_.send(leader, id_, [this, sent, number, life, bytes, answer] {
        if (!up() || incarnation_ != life || ask_ != number) return;
        ++ask_;
        asked_ = false;
        take_answer(*sent, *answer);
      });
    });
  });
  world_.after(100'000, [this, number, life] {  // nobody answered
    if (!up() || incarnation_ != life || ask_ != number) return;
    ++ask_;
    asked_ = false;
    fetch();
  });
}

fetch_response node::serve(const fetch_request& r, std::vector<std::byte>& bytes) {
  fetch_response out;
  for (const auto& t : r.topics) {
    auto& topic = out.responses.emplace_back();
    topic.topic_id = t.topic_id;
    for (const auto& p : t.partitions) {
      fetch_query q;
      q.offset = p.fetch_offset;
      q.bytes_max = static_cast<uint64_t>(p.partition_max_bytes);
      q.current_leader_epoch = p.current_leader_epoch;
      q.last_fetched_epoch = p.last_fetched_epoch;
      q.replica = r.replica_state.replica_id;
      q.incarnation = r.replica_state.replica_epoch;
      q.replica_log_start = p.log_start_offset;
      q.note_position = true;
      q.now_ms = now_ms();
      auto a = p_->fetch(q);
      if (a.job) a = p_->complete_fetch(q, a.last_stable_offset, a.job());
      auto& o = topic.partitions.emplace_back();
      o.partition_index = p.partition;
      o.error_code = a.error;
      o.high_watermark = a.high_watermark;
      o.log_start_offset = a.log_start_offset;
      if (a.diverging) o.diverging_epoch = {a.diverging->epoch, a.diverging->end_offset};
      for (const log_slice& s : a.read.slices) {
        const size_t at = bytes.size();
        bytes.resize(at + s.bytes);
        auto file = s.file->open();
        SIM_CHECK(file.ok() && *(*file)->read(s.position, std::span(bytes).subspan(at)) == s.bytes,
                  "a leader's batches are not in its file");
      }
      o.records = record_bytes(bytes_view(bytes));
    }
  }
  moved();
  propose();
  return out;
}

void node::take_answer(const fetch_plan::planned& sent, const fetch_response& answer) {
  for (const auto& news : plan_->take(sent, answer, now_ms())) take_news(news);
  fetch();
}

void node::take_news(const fetched_partition& news) {
  if (!p_->role().follows() || news.leader_epoch != p_->role().leader_epoch || under_way()) return;
  if (news.offset != p_->log_end_offset()) return follow(false);
  if (news.error == error_code::offset_out_of_range) {
    if (news.diverging && news.diverging->end_offset < news.offset)
      return cut({news.diverging->end_offset, false});
    if (news.log_start > news.offset) return cut({news.log_start, true});
    return follow(true);
  }
  if (news.error != error_code::none) return;
  if (news.diverging) return cut(p_->truncation_for(*news.diverging));
  auto held = std::make_shared<std::vector<std::byte>>(news.batches.begin(), news.batches.end());
  auto copied = p_->copy(*held, held, news.leader_epoch, now_ms());
  // The leader's first batch begins in front of this log, which has none.
  if (copied.error == error_code::offset_out_of_range && copied.writes.empty() &&
      p_->log().size_bytes() == 0)
    return cut({p_->log_end_offset(), true});
  SIM_CHECK(copied.error == error_code::none, "copying fails: " + copied.message);
  p_->followed(news.leader_epoch, news.high_watermark, news.log_start);
  do_chores();
  moved();
  for (auto& w : copied.writes) writes_.push_back(std::move(w));
  if (!copied.writes.empty())
    commit_soon();
  else if (!news.batches.empty() || p_->log().durable_start_offset() != told_start_)
    follow(false);
}

void node::cut(const truncation& how) {
  world_.say("node " + std::to_string(id_) + " is cut at " + std::to_string(how.offset) + " of " +
             std::to_string(p_->log_end_offset()));
  SIM_CHECK(how.offset >= p_->high_watermark(), "a log is cut below its high watermark");
  ++world_.cuts_of_logs;
  do_chores();
  auto left = p_->point_for(how);
  SIM_CHECK(left.ok(), "where a log is to be cut cannot be read");
  SIM_CHECK(committer_->forget(the_log(), *left).ok(), "the committer does not forget");
  SIM_CHECK(p_->truncate(how, now_ms()).ok(), "the log cannot be cut");
  follow(false);
}

}  // namespace weir::kafka::sim
