// consensus_node without a consensus library: one server that is its own majority. Built where
// libraft 0.15 is not to be had; the log is the same, so a node that is started later with the
// library goes on with it. A log with other voters is refused.
// GCC 12 with sanitizers takes the moves of a variant's other alternatives for uses of what is not
// there.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cluster/meta/raft/node.hpp"

#include <deque>

#include "runtime/base/assert.hpp"

namespace weir::meta {
namespace {

constexpr size_t proposals_max = 4096;
constexpr size_t batch_bytes_max = size_t{1} << 20;

}  // namespace

class consensus_node::core {
 public:
  struct proposal {
    ticket which = 0;
    std::optional<std::string> command;  // none: a confirmation
  };
  core(const node_options& o, log_store& s, replicated_machine& m)
      : options_(o), store_(s), machine_(m) {}

  status start() {
    WEIR_ASSIGN(auto log, store_.load());
    if (log.snapshot) {
      WEIR_TRY(machine_.restore(log.snapshot->data));
      members_ = log.snapshot->servers;
      members_index_ = log.snapshot->servers_index;
      applied_ = snapshot_ = log.snapshot->index;
    }
    for (size_t i = 0; i < log.entries.size(); ++i) {
      const auto& e = log.entries[i];
      const log_index at = log.first + i;
      if (at <= applied_) continue;
      if (e.type == entry_type::change) {
        WEIR_ASSIGN(members_, decode_configuration(e.data));
        members_index_ = at;
      } else if (e.type == entry_type::command) {
        WEIR_ASSIGN([[maybe_unused]] auto reply, machine_.apply(at, e.data));
      }
      applied_ = at;
      last_term_ = e.term;
    }
    size_t voters = 0;
    for (const auto& m : members_) voters += m.role == server_role::voter ? 1 : 0;
    if (voters > 1)
      return {errc::unsupported,
              "this node is one of " + std::to_string(voters) +
                  " that decide together, and this program was built without the library for that "
                  "(libraft 0.15)"};
    leads_ = voters == 1;
    if (!leads_) return {};
    term_ = log.term + 1;
    return store_.write({put_vote{term_, options_.id}});
  }

  admission propose(ticket t, std::optional<std::string> command) {
    if (failed_ || !leads_) return admission::not_leader;
    if (command && command->size() > wire_command_max) return admission::invalid;
    if (waiting_.size() >= proposals_max) return admission::overloaded;
    waiting_.push_back({t, std::move(command)});
    advance();
    return admission::accepted;
  }
  const write_batch* pending() const noexcept { return batch_.empty() ? nullptr : &batch_; }
  void completed(const status& s) {
    weir_assert(!batch_.empty(), "a write was pending");
    auto written = std::exchange(batch_, {});
    auto under_way = std::exchange(under_way_, {});
    if (!s) return fail(s.err(), under_way);
    if (!under_way.empty()) last_term_ = term_;
    for (auto& p : under_way) {
      if (!p.command) {
        replies_.push_back({p.which, proposal_outcome::done, {}});
        continue;
      }
      auto reply = machine_.apply(applied_ + 1, *p.command);
      if (!reply) return fail(reply.err(), {});
      ++applied_;
      replies_.push_back({p.which, proposal_outcome::done, std::move(*reply)});
    }
    advance();
  }
  void fail(error e, std::deque<proposal> under_way) {
    failed_ = std::move(e);
    for (auto& p : under_way) replies_.push_back({p.which, proposal_outcome::lost, {}});
    for (auto& p : std::exchange(waiting_, {}))
      replies_.push_back({p.which, proposal_outcome::refused, {}});
  }
  /// The next write: a snapshot when enough was applied since the last, else what waits.
  void advance() {
    if (failed_ || !batch_.empty()) return;
    if (applied_ >= snapshot_ + options_.snapshot_threshold) {
      snapshot_record s;
      s.index = applied_;
      s.term = last_term_;
      s.servers = members_;
      s.servers_index = members_index_;
      s.data = machine_.snapshot();
      snapshot_ = applied_;
      const auto trailing = std::max<log_index>(1, options_.snapshot_trailing);
      batch_.emplace_back(
          std::in_place_type<put_snapshot>,
          put_snapshot{std::move(s), applied_ > trailing ? applied_ - trailing : 1});
      return;
    }
    if (waiting_.empty()) return;
    put_entries entries{applied_ + 1, {}};
    size_t bytes = 0;
    while (!waiting_.empty() && bytes < batch_bytes_max) {
      auto& p = waiting_.front();
      if (p.command) {
        bytes += p.command->size();
        entries.entries.push_back({term_, entry_type::command, *p.command});
      }
      under_way_.push_back(std::move(p));
      waiting_.pop_front();
    }
    if (!entries.entries.empty()) {
      batch_.emplace_back(std::in_place_type<put_entries>, std::move(entries));
      return;
    }
    // Confirmations alone: this server is its own majority.
    for (auto& p : std::exchange(under_way_, {}))
      replies_.push_back({p.which, proposal_outcome::done, {}});
  }

  static constexpr size_t wire_command_max = size_t{16} << 20;
  node_options options_;
  log_store& store_;
  replicated_machine& machine_;
  std::optional<error> failed_;
  configuration members_;
  log_index members_index_ = 0, applied_ = 0, snapshot_ = 0;
  log_term term_ = 0, last_term_ = 0;
  bool leads_ = false;
  std::deque<proposal> waiting_, under_way_;
  write_batch batch_;
  std::vector<proposal_reply> replies_;
};

consensus_node::consensus_node(std::unique_ptr<core> c) : core_(std::move(c)) {}
consensus_node::~consensus_node() = default;

result<std::unique_ptr<consensus_node>> consensus_node::start(const node_options& options,
                                                              log_store& store,
                                                              replicated_machine& machine,
                                                              uint64_t) {
  if (options.id == 0 || options.address.empty())
    return {errc::invalid_argument, "a server of the metadata needs an id and an address"};
  auto c = std::make_unique<core>(options, store, machine);
  WEIR_TRY(c->start());
  return std::unique_ptr<consensus_node>(new consensus_node(std::move(c)));
}

void consensus_node::tick(uint64_t) {}
void consensus_node::deliver(std::string_view) {}
admission consensus_node::propose(ticket t, std::string command) {
  return core_->propose(t, std::move(command));
}
admission consensus_node::confirm(ticket t) {
  return core_->propose(t, std::nullopt);
}
admission consensus_node::add(ticket, server_id, const std::string&) {
  return admission::invalid;
}
admission consensus_node::assign(ticket, server_id, server_role) {
  return admission::invalid;
}
admission consensus_node::remove(ticket, server_id) {
  return admission::invalid;
}
admission consensus_node::transfer(server_id) {
  return admission::invalid;
}

const write_batch* consensus_node::pending_write() const noexcept {
  return core_->pending();
}
void consensus_node::completed(const status& s) {
  core_->completed(s);
}
void consensus_node::settle() {
  while (const write_batch* b = pending_write()) completed(core_->store_.write(*b));
}
std::vector<outgoing_message> consensus_node::take_messages() {
  return {};
}
std::vector<proposal_reply> consensus_node::take_replies() {
  return std::exchange(core_->replies_, {});
}

node_role consensus_node::role() const noexcept {
  if (core_->failed_) return node_role::stopped;
  return core_->leads_ ? node_role::leader : node_role::follower;
}
bool consensus_node::leads() const noexcept {
  return !core_->failed_ && core_->leads_;
}
log_term consensus_node::term() const noexcept {
  return core_->term_;
}
server_id consensus_node::leader() const noexcept {
  return leads() ? core_->options_.id : 0;
}
leader_contact consensus_node::last_leader() const noexcept {
  return {};
}
log_index consensus_node::commit_index() const noexcept {
  return core_->applied_;
}
log_index consensus_node::applied_index() const noexcept {
  return core_->applied_;
}
log_index consensus_node::last_index() const noexcept {
  return core_->applied_;
}
const configuration& consensus_node::members() const noexcept {
  return core_->members_;
}
const error* consensus_node::failure() const noexcept {
  return core_->failed_ ? &*core_->failed_ : nullptr;
}

}  // namespace weir::meta
