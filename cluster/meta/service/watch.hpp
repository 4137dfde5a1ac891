// What the leader of the metadata does by its own clock: notices nodes that are silent, chooses
// voters, evens out leaders and replicas. Pure: times come with the calls, and what is to be done
// is given back as commands. Used on the service's thread.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "cluster/meta/raft/records.hpp"
#include "cluster/meta/state/state.hpp"

namespace weir::meta {

struct watch_options {
  uint64_t silence_max_ms = 2'500;         // then a node is given up
  unsigned voters_max = 5;                 // odd
  uint64_t voter_silence_max_ms = 10'000;  // then another one takes its vote
  uint64_t balance_interval_ms = 5'000;
  /// After a node has come back it leads nothing for this long: clients that lost their connection
  /// to it try again at growing intervals, librdkafka up to 10 s.
  uint64_t leaders_back_after_ms = 12'000;
  uint32_t moves_max = 8;               // partitions that move at the same time
  uint64_t rebuild_delay_ms = 600'000;  // then the replicas of a node that is gone are made anew
  /// Replicas of topics, by name, that may be made before there are as many nodes: they get more as
  /// nodes come.
  std::map<std::string, uint16_t> replicas_wanted;
};

/// How many of `alive` nodes vote: all, up to voters_max, but an odd number.
size_t voters_wanted(size_t alive, size_t voters_max);

struct membership_change {
  server_id which = 0;
  server_role role = server_role::voter;
  bool remove = false;
};

class leader_watch {
 public:
  explicit leader_watch(watch_options o = {}) : options_(o) {}

  /// This server leads from now on: everybody counts as just heard, but for the leader before it
  /// (0: none), whose silence began when it spoke last.
  void begin(uint64_t now_ms, server_id former = 0, uint64_t former_spoke_ms = 0);
  void heard(server_id, uint64_t now_ms);

  /// Nodes to be given up.
  std::vector<command> due(uint64_t now_ms, const cluster_state&);
  /// Moves that even out what nodes carry; looked for now and then, on a copy of the state.
  std::vector<command> balance(uint64_t now_ms, const cluster_state&);
  /// The next change of who votes. One at a time: ask again when it is done.
  std::optional<membership_change> membership(uint64_t now_ms, const configuration&, server_id self,
                                              const cluster_state&) const;
  /// Who may lead the metadata instead of `self`: a voter that was heard and whose node stays. 0:
  /// nobody.
  server_id successor(uint64_t now_ms, const configuration&, server_id self,
                      const cluster_state&) const;

 private:
  uint64_t silent_for(server_id, uint64_t now_ms) const;
  /// It was heard, and just now.
  bool answers(server_id, uint64_t now_ms) const;
  /// Moves of replicas off nodes that are gone for long; at most `room` of them.
  std::vector<command> rebuild(uint64_t now_ms, const cluster_state&, uint32_t room) const;
  /// Replicas of options_.replicas_wanted that nodes have come for; at most `room` of them.
  std::vector<command> widen(const cluster_state&, uint32_t room) const;

  watch_options options_;
  uint64_t began_ms_ = 0;
  uint64_t balanced_ms_ = 0;
  uint64_t balanced_at_ = UINT64_MAX;  // applied() then: without news there is nothing to do
  std::map<server_id, uint64_t> heard_;
  std::map<node_id, uint64_t> gone_since_;  // nodes that are given up, as this leader saw it
  std::optional<uint64_t> returned_ms_;     // the last of them that came back
};

}  // namespace weir::meta
