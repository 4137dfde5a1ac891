// Spawns the actor of one consumer group in one tenure of its home.
#pragma once

#include "actors/coordination/groups.hpp"

namespace weir {

struct group_seed {
  std::shared_ptr<kafka::group> group;  // restored, or new; the actor's from now on
  std::shared_ptr<state_topic> offsets;
  kafka::tenure tenure;  // of its partition of __consumer_offsets
};
group_actor spawn_group(caf::actor_system&, group_seed);

}  // namespace weir
