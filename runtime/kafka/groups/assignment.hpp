// Sets of partitions by topic id, as members own them. Plain values; partitions are sorted and
// unique, and a topic without partitions has no entry, so that equal sets compare equal.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "runtime/kafka/protocol/types.hpp"

namespace weir::kafka::membership {

using assignment = std::map<uuid, std::vector<int32_t>>;

/// Sorts, drops duplicates and topics without partitions.
void normalize(assignment&);
bool contains(const assignment&, const uuid& topic, int32_t partition);
/// Whether every partition of `inner` is in `outer`.
bool is_subset(const assignment& inner, const assignment& outer);
bool intersects(const assignment&, const assignment&);
/// What both have / what only the first has / what either has.
assignment intersection(const assignment&, const assignment&);
assignment difference(const assignment&, const assignment&);
assignment united(const assignment&, const assignment&);
size_t count_partitions(const assignment&);

}  // namespace weir::kafka::membership
