#include "cluster/meta/raft/core.hpp"

#include "runtime/base/assert.hpp"

namespace weir::meta {
namespace {

constexpr size_t proposals_max = 4096;               // waiting; the owner is told to slow down
constexpr size_t batch_bytes_max = size_t{1} << 20;  // proposed together, in one write and message

}  // namespace

struct consensus_node::core::change_request {
  raft_change request{};
  core* owner = nullptr;
  ticket which = 0;
};

consensus_node::core::core(const node_options& o, log_store& store, replicated_machine& machine,
                           uint64_t now_ms)
    : options_(o), store_(store), machine_(machine), now_(now_ms), random_(o.seed) {
  install_hooks();
}

status consensus_node::core::start() {
  WEIR_ASSIGN(loaded_, store_.load());
  configurations_.emplace(0, configuration());
  if (const auto& s = loaded_.snapshot) {
    configurations_.clear();
    configurations_.emplace(s->servers_index, s->servers);
  }
  for (size_t i = 0; i < loaded_.entries.size(); ++i) {
    if (loaded_.entries[i].type != entry_type::change) continue;
    const log_index at = loaded_.first + i;
    if (at <= configurations_.begin()->first) continue;
    WEIR_ASSIGN(auto c, decode_configuration(loaded_.entries[i].data));
    configurations_.insert_or_assign(at, std::move(c));
  }
  if (only_voter()) {  // as in do_tick()
    WEIR_TRY(store_.write({put_vote{loaded_.term + 1, options_.id}}));
    ++loaded_.term;
    loaded_.voted_for = options_.id;
  }
  int rc = raft_init(&raft_, &io_, &fsm_, options_.id, options_.address.c_str());
  if (rc != 0) return {errc::internal, std::string("consensus: ") + raft_strerror(rc)};
  started_ = true;
  raft_set_election_timeout(&raft_, options_.election_timeout_ms);
  raft_set_heartbeat_timeout(&raft_, options_.heartbeat_ms);
  raft_set_install_snapshot_timeout(&raft_, options_.snapshot_timeout_ms);
  raft_set_snapshot_threshold(&raft_, options_.snapshot_threshold);
  raft_set_snapshot_trailing(&raft_, std::max(1u, options_.snapshot_trailing));
  raft_set_pre_vote(&raft_, true);
  next_tick_ = now_ + options_.heartbeat_ms;
  rc = raft_start(&raft_);
  loaded_ = {};
  if (failed_) return *failed_;
  if (rc != 0) return {errc::internal, std::string("consensus: ") + raft_strerror(rc)};
  advance();
  return {};
}

consensus_node::core::~core() {
  if (!started_) return;
  // As at a crash: nothing is written or sent any more, libraft only gets its memory back, for
  // which it wants its callbacks between its end and that of its log.
  failed_ = error(errc::cancelled, "closed");
  raft_.transfer = nullptr;
  raft_close(&raft_, nullptr);
  for (auto& f : std::exchange(on_durable_, {})) f(RAFT_CANCELED);
  for (auto& f : std::exchange(on_sent_, {})) f(RAFT_CANCELED);
  if (close_cb_) close_cb_(&io_);
}

void consensus_node::core::fail(error e) {
  if (!failed_) failed_ = std::move(e);
}

bool consensus_node::core::leads() const noexcept {
  return !failed_ && led_term_ != 0 && raft_.state == RAFT_LEADER && confirmed_;
}

void consensus_node::core::fail_pending(proposal_outcome in_flight) {
  for (const auto& [index, which] : in_flight_) replies_.push_back({which, in_flight, {}});
  in_flight_.clear();
  for (const auto& p : proposals_) replies_.push_back({p.which, proposal_outcome::refused, {}});
  proposals_.clear();
}

void consensus_node::core::advance() {
  for (;;) {
    step_aside();
    if (failed_) {
      // Whoever waits is told; no message of the event leaves.
      messages_.clear();
      fail_pending(proposal_outcome::lost);
      break;
    }
    if (!on_sent_.empty()) {
      auto f = std::move(on_sent_.front());
      on_sent_.pop_front();
      f(0);
      continue;
    }
    if (!batch_.empty()) {
      writing_ = true;
      return;
    }
    begin_leading();
    if (!batch_.empty()) continue;
    if (submit()) continue;
    std::move(messages_.begin(), messages_.end(), std::back_inserter(messages_ready_));
    messages_.clear();
    if (tick_due_) {
      do_tick();
      continue;
    }
    if (inbox_.empty()) break;
    std::string next = std::move(inbox_.front());
    inbox_.pop_front();
    receive(next);
  }
  std::move(replies_.begin(), replies_.end(), std::back_inserter(replies_ready_));
  replies_.clear();
}

// What has to follow when the role changed, or libraft left something behind.
void consensus_node::core::step_aside() {
  if (raft_.state == RAFT_UNAVAILABLE)
    fail({errc::internal, std::string("consensus stopped: ") + raft_errmsg(&raft_)});
  // Whether a configuration is committed is seen from configurations_; libraft's mark leads it into
  // its own way back (see adopt_configuration).
  raft_.configuration_uncommitted_index = 0;
  if (raft_.state == RAFT_LEADER && raft_.current_term == led_term_) return;
  // A transfer that outlives the leadership would give its target a second vote in one term, and
  // keep a later leader from beginning.
  raft_.transfer = nullptr;
  if (led_term_ == 0) return;
  led_term_ = 0;
  confirmed_ = false;
  fail_pending(proposal_outcome::lost);
}

// A leader's first entry is a barrier: libraft counts replicas for whatever its last entry is, and
// only an entry of its own term may be committed by counting (Raft, section 5.4.2). No message
// reaches it before the barrier is in the log.
void consensus_node::core::begin_leading() {
  if (raft_.state != RAFT_LEADER || led_term_ == raft_.current_term) return;
  led_term_ = raft_.current_term;
  confirmed_ = false;
  auto* b = new raft_barrier_request{};
  b->data = this;
  int rc = raft_barrier(&raft_, b, [](raft_barrier_request* req, int status) {
    auto* self = static_cast<core*>(req->data);
    if (status == 0) self->confirmed_ = true;
    delete req;
  });
  if (rc != 0) {
    delete b;
    fail({errc::internal, std::string("consensus: ") + raft_strerror(rc)});
  }
}

// One batch is under way at a time: libraft commits when the last entry that it wrote is
// replicated, which under a steady stream would never be.
bool consensus_node::core::submit() {
  if (!leads() || raft_.transfer || proposals_.empty() || !in_flight_.empty() || barrier_in_flight_)
    return false;
  if (!proposals_.front().command) {
    struct confirm_request {
      raft_barrier_request request;
      core* owner;
      std::vector<ticket> which;
    };
    auto* c = new confirm_request{{}, this, {}};
    while (!proposals_.empty() && !proposals_.front().command) {
      c->which.push_back(proposals_.front().which);
      proposals_.pop_front();
    }
    c->request.data = c;
    barrier_in_flight_ = true;
    int rc = raft_barrier(&raft_, &c->request, [](raft_barrier_request* req, int status) {
      std::unique_ptr<confirm_request> mine(static_cast<confirm_request*>(req->data));
      mine->owner->barrier_in_flight_ = false;
      for (ticket t : mine->which)
        mine->owner->replies_.push_back(
            {t, status == 0 ? proposal_outcome::done : proposal_outcome::lost, {}});
    });
    weir_assert(rc == 0, "a leader takes a barrier");
    return true;
  }
  std::vector<raft_buffer> buffers;
  size_t bytes = 0;
  const log_index first = raft_last_index(&raft_) + 1;
  while (!proposals_.empty() && proposals_.front().command && bytes < batch_bytes_max) {
    auto& p = proposals_.front();
    buffers.push_back({raft_copy(*p.command), p.command->size()});
    bytes += p.command->size();
    in_flight_.emplace(first + buffers.size() - 1, p.which);
    proposals_.pop_front();
  }
  auto* req = new raft_apply_request{};
  int rc = raft_apply(&raft_, req, buffers.data(), static_cast<unsigned>(buffers.size()),
                      [](raft_apply_request* done, int, void*) { delete done; });
  weir_assert(rc == 0, "a leader takes commands");
  return true;
}

void consensus_node::core::completed(const status& s) {
  weir_assert(writing_, "there is a write to complete");
  writing_ = false;
  if (failed_) return;
  if (!s) {
    fail(s.err());
  } else {
    batch_.clear();
    auto durable = std::move(on_durable_);
    on_durable_.clear();
    for (auto& f : durable) f(0);
  }
  advance();
}

admission consensus_node::core::propose(ticket which, std::optional<std::string> command) {
  if (!leads()) return admission::not_leader;
  if (command && (command->empty() || command->size() > batch_bytes_max)) return admission::invalid;
  if (proposals_.size() >= proposals_max) return admission::overloaded;
  proposals_.push_back({which, std::move(command)});
  if (!busy()) advance();
  return admission::accepted;
}

void consensus_node::core::changed(raft_change* req, int code) {
  std::unique_ptr<change_request> mine(static_cast<change_request*>(req->data));
  mine->owner->changing_ = false;
  if (code == 0)
    mine->owner->replies_.push_back({mine->which, proposal_outcome::done, {}});
  else if (code == RAFT_NOCONNECTION)  // the server to be promoted did not catch up
    mine->owner->replies_.push_back(
        {mine->which, proposal_outcome::refused, "the server does not keep up with the log"});
  else
    mine->owner->replies_.push_back({mine->which, proposal_outcome::lost, {}});
}

admission consensus_node::core::change(
    ticket which, const std::function<int(raft_change*, raft_change_cb)>& begin) {
  if (!leads()) return admission::not_leader;
  // One at a time, and only on top of a configuration that is committed (Raft, section 4.1).
  if (busy() || changing_ || raft_.transfer || configurations_.rbegin()->first > raft_.commit_index)
    return admission::overloaded;
  auto* c = new change_request{{}, this, which};
  c->request.data = c;
  changing_ = true;
  input_ = {};
  int rc = begin(&c->request, changed);
  if (rc != 0) {
    changing_ = false;
    delete c;
    return admission::invalid;
  }
  advance();
  return admission::accepted;
}

admission consensus_node::core::transfer(server_id to) {
  if (!leads()) return admission::not_leader;
  if (busy() || raft_.transfer) return admission::overloaded;
  transfer_ = {};
  input_ = {};
  int rc = raft_transfer(&raft_, &transfer_, to, nullptr);
  advance();
  return rc == 0 ? admission::accepted : admission::invalid;
}

}  // namespace weir::meta
