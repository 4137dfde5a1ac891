#include "runtime/kafka/replication/leader_view.hpp"

#include <algorithm>

namespace weir::kafka {

namespace {

bool contains(const std::vector<int32_t>& v, int32_t n) {
  return std::find(v.begin(), v.end(), n) != v.end();
}

}  // namespace

leader_view::leader_view(const partition_role& role, int64_t epoch_start, int64_t lag_ms_max,
                         int64_t now_ms)
    : epoch_start_(epoch_start), lag_ms_max_(lag_ms_max) {
  role_.leader_epoch = -1;  // whatever comes is new
  set_role(role, epoch_start, now_ms);
}

const leader_view::follower* leader_view::find(int32_t node) const noexcept {
  for (const follower& f : followers_)
    if (f.node == node) return &f;
  return nullptr;
}

leader_view::follower* leader_view::find(int32_t node) noexcept {
  return const_cast<follower*>(static_cast<const leader_view*>(this)->find(node));
}

void leader_view::set_role(const partition_role& role, int64_t epoch_start, int64_t now_ms) {
  const bool new_epoch = role.leader_epoch != role_.leader_epoch;
  if (new_epoch) epoch_start_ = epoch_start;
  std::vector<follower> next;
  for (int32_t node : role.replicas) {
    if (node == role.self) continue;
    follower f;
    const follower* known = find(node);
    if (known && !new_epoch) f = *known;
    if (known) f.incarnation = known->incarnation;
    f.node = node;
    f.in_sync = contains(role.in_sync, node);
    // Who is in sync has its time to fetch in the new epoch. Who was taken out (it may be dead)
    // holds up nothing before it fetches again.
    if (f.in_sync && (new_epoch || !known || !known->in_sync))
      f.caught_up_ms = std::max(f.caught_up_ms, now_ms);
    if (!f.in_sync && (new_epoch || !known || known->in_sync))
      f.caught_up_ms = f.fetched_ms = never;
    next.push_back(f);
  }
  followers_ = std::move(next);
  if (role.version > role_.version || new_epoch) pending_.reset();
  role_ = role;
}

error_code leader_view::fetched(const replica_fetch& fetch, int64_t leader_end) {
  follower* f = find(fetch.node);
  if (!f) return error_code::unknown_leader_epoch;
  if (fetch.incarnation < f->incarnation) return error_code::stale_broker_epoch;
  f->incarnation = fetch.incarnation;
  // Kafka's rule: caught up is who has all that there is, or all that there was at its last fetch.
  if (fetch.offset >= leader_end)
    f->caught_up_ms = std::max(f->caught_up_ms, fetch.now_ms);
  else if (f->end_at_fetch >= 0 && fetch.offset >= f->end_at_fetch)
    f->caught_up_ms = std::max(f->caught_up_ms, f->fetched_ms);
  f->offset = fetch.offset;
  f->log_start = fetch.log_start;
  f->fetched_ms = fetch.now_ms;
  f->end_at_fetch = leader_end;
  return error_code::none;
}

bool leader_view::tell(int32_t node, int64_t high_watermark, int64_t log_start) {
  follower* f = find(node);
  if (!f || (f->told == high_watermark && f->told_start == log_start)) return false;
  f->told = high_watermark;
  f->told_start = log_start;
  return true;
}

bool leader_view::caught_up(const follower& f, int64_t leader_end, int64_t now_ms) const noexcept {
  return f.offset >= leader_end || now_ms - f.caught_up_ms <= lag_ms_max_;
}

bool leader_view::may_join(const follower& f, int64_t high_watermark, int64_t leader_end,
                           int64_t log_start, int64_t now_ms) const noexcept {
  return f.offset >= 0 && f.fetched_ms != never && f.offset >= high_watermark &&
         f.offset >= epoch_start_ && f.log_start >= log_start &&
         now_ms - f.fetched_ms <= lag_ms_max_ && caught_up(f, leader_end, now_ms);
}

bool leader_view::counts(const follower& f) const {
  return f.in_sync || (pending_ && contains(pending_->counted, f.node));
}

int64_t leader_view::low_watermark(int64_t own) const {
  for (const follower& f : followers_)
    if (counts(f)) own = std::min(own, f.log_start);
  return own;
}

int64_t leader_view::committed_end(int64_t leader_end, int64_t now_ms) const {
  int64_t end = leader_end;
  for (const follower& f : followers_) {
    const bool joins = f.offset >= 0 && now_ms - f.fetched_ms <= join_wait_ms &&
                       now_ms - f.caught_up_ms <= lag_ms_max_;
    if (counts(f) || joins) end = std::min(end, f.offset);
  }
  return end;
}

std::optional<in_sync_proposal> leader_view::propose(int64_t high_watermark, int64_t leader_end,
                                                     int64_t log_start, int64_t now_ms) {
  if (pending_) {
    if (now_ms < pending_->again_ms) return std::nullopt;
    pending_->again_ms = now_ms + role_wait_ms;
    return pending_->proposal;
  }
  if (now_ms < not_before_ms_) return std::nullopt;
  std::vector<int32_t> target;
  for (int32_t node : role_.replicas) {
    const follower* f = find(node);
    if (!f           ? node == role_.self
        : f->in_sync ? caught_up(*f, leader_end, now_ms)
                     : may_join(*f, high_watermark, leader_end, log_start, now_ms))
      target.push_back(node);
  }
  if (target.size() == role_.in_sync.size() &&
      std::all_of(target.begin(), target.end(),
                  [this](int32_t n) { return contains(role_.in_sync, n); }))
    return std::nullopt;
  pending_.emplace();
  pending_->counted = target;
  pending_->proposal = proposal_of(std::move(target));
  pending_->again_ms = now_ms + role_wait_ms;
  return pending_->proposal;
}

in_sync_proposal leader_view::proposal_of(std::vector<int32_t> in_sync) {
  in_sync_proposal p{next_number_++, role_.leader_epoch, role_.version, std::move(in_sync), {}};
  for (int32_t node : p.in_sync) {
    const follower* f = find(node);
    p.incarnations.push_back(f ? f->incarnation : -1);
  }
  return p;
}

void leader_view::answered(uint64_t proposal, error_code answer, int64_t now_ms) {
  if (!pending_ || pending_->proposal.number != proposal) return;
  switch (answer) {
    case error_code::request_timed_out:
      pending_->lost = true;
      pending_->again_ms = now_ms + proposal_retry_ms;
      return;
    case error_code::none:
    case error_code::invalid_update_version:
    case error_code::fenced_leader_epoch:
    case error_code::not_leader_or_follower:
      // The newer role ends it. Until then it counts: an earlier attempt may be what made the
      // version newer.
      return;
    default:
      break;
  }
  // Who was refused counts again when it fetches again: it may be dead.
  for (follower& f : followers_)
    if (!f.in_sync && contains(pending_->proposal.in_sync, f.node))
      f.caught_up_ms = f.fetched_ms = never;
  if (pending_->lost) {
    // An earlier attempt may still be on its way and be taken when whoever was refused is back.
    // All that it names counts until the metadata has another version: what holds now is asked
    // for, which makes one.
    pending_->proposal = proposal_of(role_.in_sync);
    pending_->again_ms = now_ms + proposal_retry_ms;
    return;
  }
  pending_.reset();
  not_before_ms_ = now_ms + refusal_pause_ms;
}

bool leader_view::waits_for_time(int64_t leader_end, int64_t now_ms) const {
  return pending_ || std::any_of(followers_.begin(), followers_.end(), [&](const follower& f) {
           // A new leader waits for followers that have everything, too: they have to say so.
           return f.in_sync ? f.offset < leader_end : now_ms - f.fetched_ms <= lag_ms_max_;
         });
}

int32_t leader_view::preferred_of(const std::vector<int32_t>& near, int64_t offset) const {
  const follower* best = nullptr;
  for (const follower& f : followers_) {
    if (!f.in_sync || !contains(near, f.node) || f.offset < offset || f.log_start > offset)
      continue;
    if (!best || f.offset > best->offset) best = &f;
  }
  return best ? best->node : no_node;
}

std::vector<leader_view::follower_facts> leader_view::describe() const {
  std::vector<follower_facts> out;
  for (const follower& f : followers_)
    out.push_back(
        {f.node, f.offset, f.log_start, f.caught_up_ms == never ? -1 : f.caught_up_ms, f.in_sync});
  return out;
}

}  // namespace weir::kafka
