// The inside of consensus_node: libraft, its raft_io and raft_fsm as this object implements them,
// and the event under way. Internal to cluster/meta/raft.
//
// An event: input -> libraft, which calls io_*() back; they collect messages, callbacks and writes
// -> advance() fires callbacks that need no disk -> if writes came up, the event rests until
// completed() -> their callbacks, and so on until nothing is left -> messages and replies leave.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <random>

#include "cluster/meta/raft/library.hpp"
#include "cluster/meta/raft/node.hpp"

namespace weir::meta {

class consensus_node::core {
 public:
  core(const node_options&, log_store&, replicated_machine&, uint64_t now_ms);
  ~core();
  core(const core&) = delete;
  core& operator=(const core&) = delete;
  status start();

  void tick(uint64_t now_ms);
  void deliver(std::string_view bytes);
  void completed(const status&);
  const write_batch* pending() const noexcept { return writing_ && !failed_ ? &batch_ : nullptr; }

  admission propose(ticket, std::optional<std::string> command);
  admission change(ticket, const std::function<int(raft_change*, raft_change_cb)>& begin);
  static void changed(raft_change*, int code);
  admission transfer(server_id to);

  bool leads() const noexcept;
  const configuration& members() const noexcept { return configurations_.rbegin()->second; }

  raft raft_{};
  node_options options_;
  log_store& store_;
  replicated_machine& machine_;
  leader_contact last_leader_;
  std::optional<error> failed_;
  std::vector<outgoing_message> messages_ready_;
  std::vector<proposal_reply> replies_ready_;

 private:
  struct change_request;
  friend struct hooks;  // libraft's function pointers

  // libraft's raft_io and raft_fsm (core_io.cpp)
  void install_hooks();
  int io_load(raft_term*, raft_id*, raft_snapshot**, raft_index*, raft_entry**, size_t*);
  int io_send(raft_io_send*, const raft_message*, raft_io_send_cb);
  int io_append(raft_io_append*, const raft_entry*, unsigned n, raft_io_append_cb);
  int io_truncate(raft_index);
  int io_snapshot_put(unsigned trailing, raft_io_snapshot_put*, const raft_snapshot*,
                      raft_io_snapshot_put_cb);
  int io_random(int low, int high);
  int fsm_apply(const raft_buffer*);
  int fsm_snapshot(raft_buffer**, unsigned* n);
  int fsm_restore(raft_buffer*);
  write_batch& steps();
  put_vote& vote_step();
  void send_snapshot(raft_io_snapshot_get*, raft_io_snapshot_get_cb);
  void adopt_configuration();
  const configuration& configuration_at(log_index, log_index* at) const;

  // input (core_input.cpp)
  void receive(std::string_view bytes);
  bool admit(peer_message&) const;
  bool fit(append_entries&, log_term);
  log_term term_of(log_index) const;
  void hand_over(const peer_message&);
  void do_tick();
  bool only_voter() const;
  raft_server* nonvoting_self();  // null: this server is a voter, or unknown

  // the event under way (core.cpp)
  void advance();
  void step_aside();
  void begin_leading();
  bool submit();
  void fail(error);
  void fail_pending(proposal_outcome);
  bool busy() const noexcept { return writing_; }

  raft_io io_{};
  raft_fsm fsm_{};
  bool started_ = false;
  uint64_t now_ = 0, next_tick_ = 0;
  bool tick_due_ = false;
  std::mt19937_64 random_;
  raft_io_tick_cb tick_cb_ = nullptr;
  raft_io_recv_cb recv_cb_ = nullptr;
  raft_io_close_cb close_cb_ = nullptr;
  stored_log loaded_;

  // the event under way
  write_batch batch_;
  bool writing_ = false;  // batch_ was shown to the owner
  std::vector<std::function<void(int status)>> on_durable_;
  std::deque<std::function<void(int status)>> on_sent_;
  std::vector<outgoing_message> messages_;
  std::vector<proposal_reply> replies_;
  std::deque<std::string> inbox_;
  struct {
    bool appending = false;
    log_index last = 0;  // the last entry that the message tells about
    log_term term = 0;
  } input_;

  // configurations by the index of the entry that made each; the first is the snapshot's or 0's
  std::map<log_index, configuration> configurations_;
  // leading
  log_term led_term_ = 0;   // 0: not leading
  bool confirmed_ = false;  // the first entry of the term is committed
  struct proposal {
    ticket which = 0;
    std::optional<std::string> command;  // none: only to be confirmed
  };
  std::deque<proposal> proposals_;
  std::map<log_index, ticket> in_flight_;
  bool barrier_in_flight_ = false;
  bool changing_ = false;
  raft_transfer_request transfer_{};
};

}  // namespace weir::meta
