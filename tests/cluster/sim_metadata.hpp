// The metadata of a simulated cluster: ONE log of commands, applied by the real state machine
// (cluster/meta/state) on each node after a delay of its own, behind the real ledger of jobs
// (cluster/node/ledger). Consensus itself is not in here (tests/meta/sim_world has that): a command
// comes into the log late, once, or not at all, and views are as old as the node's delay.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/node/ledger.hpp"
#include "tests/flow/sim_rows.hpp"

namespace weir::sim {

/// Things that are to happen, by simulated time.
class agenda {
 public:
  timestamp_us now() const { return now_; }
  void after(timestamp_us delay, std::function<void()> f) {
    due_.emplace(now_ + delay, std::move(f));
  }
  /// Moves the time and runs what is due.
  void advance(timestamp_us by);

 private:
  timestamp_us now_ = 1'000'000'000'000;
  std::multimap<timestamp_us, std::function<void()>> due_;
};

/// Mistakes that are made on purpose, to see that they are found.
enum class mistake : uint8_t {
  none,
  old_tokens_count,  // a fencing token is not compared
  older_epoch,       // masters go on from the epoch before the newest one
  ledger_not_asked,  // a master takes an epoch for complete without asking
  copies_unwritten,  // a part is acknowledged before its copy is there
};
/// What is wrong with a node at the moment.
struct node_faults {
  std::function<bool()> stalled;  // it gets no turn
  std::function<bool()> cut;      // nothing reaches it of the metadata, and nothing of it those
};

class sim_metadata {
 public:
  sim_metadata(agenda& a, random_source& r, mistake m) : agenda_(a), random_(r), mistake_(m) {}

  class node;
  /// A life of a node's process: it knows nothing yet and registers.
  std::shared_ptr<node> start(int32_t number, node_faults);

  void append(meta::command, std::function<void(const meta::answer&, size_t position)> done);
  void append(meta::request, std::function<void(const meta::answer&, size_t position)> done);
  const meta::cluster_state& state() const { return state_; }
  /// What must never be and was.
  const std::vector<std::string>& violations() const { return violations_; }
  uint64_t epochs() const { return epochs_; }
  uint64_t tenures() const { return tenures_; }
  uint64_t refused() const { return refused_; }

 private:
  friend class node;
  void check(const meta::command&, const meta::answer&, const meta::cluster_state& before);

  agenda& agenda_;
  random_source& random_;
  mistake mistake_;
  meta::cluster_state state_;
  std::vector<meta::request> log_;
  std::map<std::string, std::string> files_;
  std::map<std::string, std::string> manifest_before_;  // by job: of the epoch before the newest
  std::map<std::string, uint64_t> number_before_;
  std::vector<std::string> violations_;
  uint64_t epochs_ = 0, tenures_ = 0, refused_ = 0, lives_ = 0;
};

class sim_metadata::node final : public meta::metadata_access,
                                 public metadata_ledger,
                                 public std::enable_shared_from_this<node> {
 public:
  node(sim_metadata& w, int32_t number, node_faults f)
      : world_(w), number_(number), life_(++w.lives_), faults_(std::move(f)) {}

  /// The process is gone.
  void end() { over_ = true; }
  /// Registers (again), until it is.
  void look_after_place();

  void submit(meta::command, answer_callback, std::chrono::milliseconds) override;
  void ask(std::function<void(const meta::cluster_state*)>) override;
  meta::standing stand() const override;

  std::shared_ptr<const ledger_view> view() const override;
  void store_file(std::string, std::function<void(result<std::string>)>) override;
  void read_file(const std::string&, std::function<void(result<std::string>)>) override;
  void local_file(const std::string&, std::function<void(result<std::string>)>) override;
  void look_after_files() override {}

 private:
  friend class sim_metadata;
  void catch_up();
  void soon(timestamp_us longest, std::function<void()>);
  void send_next();
  void answered(uint64_t number, const result<meta::answer>&);
  kafka::uuid client() const;
  kafka::uuid identity() const;

  sim_metadata& world_;
  int32_t number_;
  uint64_t life_;
  node_faults faults_;
  meta::cluster_state state_;
  size_t applied_ = 0;
  struct asked {
    meta::command what;
    answer_callback done;
  };
  std::deque<asked> requests_;  // the first one is under way
  uint64_t request_ = 0;        // its number
  bool over_ = false, catching_up_ = false, registering_ = false, observed_ = false;
  meta::node_id id_ = meta::no_node;
  meta::node_epoch epoch_;  // of the newest registration that was answered
  std::multimap<size_t, std::function<void()>> waiting_;  // by how much of the log is applied
};

}  // namespace weir::sim
