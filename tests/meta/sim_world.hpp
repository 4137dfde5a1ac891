// A whole cluster of the metadata in one thread: the real consensus and state machine over a
// simulated network (loss, delay, reordering, duplicates, cuts in one or both directions), disks
// (slow, failing, losing what was not durable), clocks that drift, crashes, restarts, changes of
// membership; and clients that repeat requests until they are answered. Everything follows from the
// seed. What is checked is said in sim_check.hpp.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "cluster/meta/raft/replica.hpp"
#include "tests/meta/random_commands.hpp"
#include "tests/meta/sim_check.hpp"
#include "tests/meta/sim_disk.hpp"

namespace weir::meta {

struct sim_options {
  uint64_t seed = 1;
  bool verbose = false;
  bool lying_disks = false;
};

struct sim_outcome {
  std::string failure;  // empty: all held
  uint64_t trace = 0;   // of everything that happened: equal runs have equal ones
  uint64_t acknowledged = 0, entries = 0, crashes = 0, leaders = 0, snapshots = 0, changes = 0;
};

class sim_world {
 public:
  explicit sim_world(const sim_options&);
  ~sim_world();
  sim_outcome run();

 private:
  struct host;
  struct machine;
  struct client {
    uuid id;
    uint64_t number = 0;
    uint64_t attempt = 0;
    std::string bytes;  // of the request
    bool reads = false;
    bool waits = false;
    log_index acknowledged_before = 0;  // when it began
    server_id hint = 0;
    uint64_t done = 0;
  };

  // time
  void at(uint64_t delay_ms, std::function<void()> what);
  bool run_until(uint64_t end, const std::function<bool()>& done);
  uint64_t below(uint64_t n) { return n == 0 ? 0 : random_() % n; }
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  void note(const std::string& what);

  // hosts (sim_hosts.cpp)
  void make_hosts();
  void start(host&);
  void crash(host&);
  void pump(host&);
  void write_done(host&, uint64_t incarnation);
  void keep_ticking(host&);
  uint64_t clock_of(const host&) const;
  void send(server_id from, const outgoing_message&);
  uint64_t latency();
  host* random_host(bool up);
  host* leader();

  // what goes wrong
  void keep_disturbing();
  void disturb();
  void cut_links();
  void change_members();
  void heal();

  // clients
  void begin(client&);
  void ask(client&);
  void asked(host&, size_t client, uint64_t attempt);
  void answered(size_t client, uint64_t attempt, proposal_reply, log_index applied);
  bool converged();
  void print_hosts();

  sim_options options_;
  std::mt19937_64 random_;
  command_maker maker_;
  sim_check check_;
  sim_outcome out_;
  uint64_t now_ = 0, order_ = 0;
  std::map<std::pair<uint64_t, uint64_t>, std::function<void()>> events_;
  std::map<server_id, std::unique_ptr<host>> hosts_;
  std::set<std::pair<server_id, server_id>> cut_;
  std::vector<client> clients_;
  double loss_ = 0, doubled_ = 0, late_ = 0, disk_errors_ = 0;
  bool disturbing_ = true;
  bool clients_go_on_ = true;
  ticket last_ticket_ = 0;
};

}  // namespace weir::meta
