// Who is the first replica of a partition, and so leads it when it can: orders of replicas that
// give each node about as many, of all partitions and of each topic's. Pure.
#pragma once

#include <vector>

#include "cluster/meta/state/state.hpp"

namespace weir::meta {

/// Other orders (reassign_partition) of at most `moves_max` partitions, of those that do not move
/// anyway, among nodes that live and stay. None when nothing gets more even by one swap or two.
std::vector<command> even_out_leaders(const cluster_state&, uint32_t moves_max);

}  // namespace weir::meta
