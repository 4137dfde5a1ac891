// The connections between the nodes of a simulated cluster. Actors of all nodes live in one actor
// system; here is what a network does to what they send each other: links are slow, or cut in one
// or both directions; what was sent then waits, as TCP does, and comes in order when the link is
// there again. When a side has heard nothing for too long its end of the connection is over: what
// was on its way is lost, who watches actors of the other node is told, and tasks that exchange
// rows with it are cut off. Each side notices on its own.
#pragma once

#include <array>
#include <caf/all.hpp>
#include <caf/default_attachable.hpp>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "tests/cluster/sim_metadata.hpp"

namespace caf::scheduler {
class test_coordinator;
}

namespace weir::sim {

class sim_network {
 public:
  struct access {
    std::function<size_t(const caf::abstract_actor*)> owner_of;  // node; SIZE_MAX: none
    std::function<std::reference_wrapper<const std::vector<caf::actor_addr>>(size_t)> actors_of;
    std::function<void(const std::string&)> log;
  };
  sim_network(agenda& a, random_source& r, size_t nodes, access);

  /// The node's process is there, and has no connections.
  void started(size_t node);
  /// Its process is gone: those on links that are not cut have noticed.
  void ended(size_t node);
  /// The node is about to send something.
  void sends(size_t from, const caf::scheduler::test_coordinator&);
  /// Has done so: what is for others is taken on the way if their link is not as it should be.
  void sent(size_t from, const caf::scheduler::test_coordinator&);
  /// Learns with which nodes a task exchanges rows.
  void look_at(caf::scheduled_actor&);

  /// Nothing gets from `a` to `b`, or, `both`, either way.
  void cut(size_t a, size_t b, bool both, timestamp_us length);
  /// What goes from `a` to `b` takes up to `delay` more.
  void slow(size_t a, size_t b, timestamp_us delay, timestamp_us length);
  /// The process gets no turns: it says nothing for so long.
  void stalled(size_t node, timestamp_us length);

  /// The node with the larger number makes the connection, once it knows that there is none.
  /// Whether there is one now.
  bool connect(size_t a, size_t b);
  /// Of the connection between them; another one after each loss.
  uint64_t connection(size_t a, size_t b) const { return link(a, b).connection; }

  uint64_t lost() const { return lost_; }  // messages

 private:
  struct message {
    caf::strong_actor_ptr to;
    caf::mailbox_element_ptr what;
  };
  /// From one node to another.
  struct way {
    uint64_t cuts = 0;         // that are in force
    timestamp_us delay = 0;    // at most, of each message
    std::deque<message> held;  // in order
    bool flushing = false;
    bool over = true;  // the receiver's end of the connection is
  };
  struct connection_state {
    way ways[2];  // from the smaller one, to it
    uint64_t connection = 0;
  };
  using watchers = std::vector<std::pair<caf::actor_addr, caf::actor_addr>>;  // observed, observer

  const connection_state& link(size_t a, size_t b) const {
    return links_.at({std::min(a, b), std::max(a, b)});
  }
  connection_state& link(size_t a, size_t b) { return links_[{std::min(a, b), std::max(a, b)}]; }
  way& from(size_t a, size_t b) { return link(a, b).ways[a < b ? 0 : 1]; }
  bool is_clean(size_t a, size_t b);
  template <class F>
  void each_addressee(size_t from, const caf::scheduler::test_coordinator&, F);
  void take(size_t a, size_t b, const caf::strong_actor_ptr& to, caf::mailbox_element_ptr);
  void lose(message);
  void drop(size_t a, size_t b);
  void flush(size_t a, size_t b);
  void silent(size_t who, size_t of, std::function<bool()> still);
  void notice(size_t who, size_t of);
  watchers watchers_of(size_t observed, size_t observer) const;
  void tell(const watchers&);
  void cut_off_tasks(size_t of, size_t lost);
  void cut_off(const caf::strong_actor_ptr& task, size_t from, timestamp_us delay);
  bool is_cut_off(const caf::strong_actor_ptr& task, size_t from) const;

  agenda& agenda_;
  random_source& random_;
  access access_;
  std::map<std::pair<size_t, size_t>, connection_state> links_;
  std::vector<uint64_t> lives_, stalls_;  // of each node
  std::vector<bool> is_stalled_;
  std::map<caf::actor_id, std::array<size_t, 2>> were_there_;  // messages, before a node sends
  std::map<caf::actor_id, std::vector<size_t>> rows_with_;     // by task: the nodes of others
  /// Whose connection for rows is over. There is never a later one in its place.
  std::set<std::pair<caf::actor_id, size_t>> without_rows_;
  uint64_t lost_ = 0;
};

}  // namespace weir::sim
