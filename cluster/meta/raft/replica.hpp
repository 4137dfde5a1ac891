// The cluster's metadata as the machine of the consensus: commands of the log in, answers out. Same
// owner and thread as the node's.
#pragma once

#include "cluster/meta/raft/node.hpp"
#include "cluster/meta/state/state.hpp"

namespace weir::meta {

class metadata_replica final : public replicated_machine {
 public:
  explicit metadata_replica(state_limits limits = {}) : limits_(limits), state_(limits) {}

  const cluster_state& state() const noexcept { return state_; }

  /// Of an encoded request, the encoded answer. An error for what this program does not know: a
  /// leader of a newer one proposed it, and to go on would mean to go another way than the others.
  result<std::string> apply(log_index, std::string_view bytes) override;
  std::string snapshot() override { return state_.snapshot(); }
  status restore(std::string_view bytes) override;

 private:
  state_limits limits_;
  cluster_state state_;
};

}  // namespace weir::meta
