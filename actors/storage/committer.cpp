#include "actors/storage/committer.hpp"

namespace weir {

uint64_t partition_registry::add() {
  std::lock_guard lock(mutex_);
  return next_++;
}

void partition_registry::bind(uint64_t owner, partition_actor a) {
  std::lock_guard lock(mutex_);
  actors_[owner] = std::move(a);
}

void partition_registry::remove(uint64_t owner) {
  std::lock_guard lock(mutex_);
  actors_.erase(owner);
}

partition_actor partition_registry::find(uint64_t owner) const {
  std::lock_guard lock(mutex_);
  auto it = actors_.find(owner);
  return it == actors_.end() ? partition_actor() : it->second;
}

namespace {

struct committer_state {
  static inline const char* name = "weir.committer";
  committer_seed seed;
  std::vector<commit_outcome> outcomes;

  void round() {
    auto writes = seed.queue->take();
    if (writes.empty()) return;
    outcomes.clear();
    seed.commits->commit(std::move(writes), outcomes);
    for (auto& o : outcomes)
      if (auto who = seed.partitions->find(o.lane->owner))
        caf::anon_send(who, commit_message_of_log{std::move(o)});
  }
};

committer_actor::behavior_type committer(committer_actor::stateful_pointer<committer_state> self,
                                         committer_seed seed) {
  self->state.seed = std::move(seed);
  return {
      [self](wake_atom) { self->state.round(); },
      [self](drop_atom, const forget_message& m) -> bool {
        self->state.round();  // nothing of it may be written after it is forgotten
        auto s = self->state.seed.commits->forget(m.id, m.left);
        if (!s) self->state.seed.log(s.err().message);
        return s.ok();
      },
      [self](close_atom) -> std::string {
        self->state.round();
        auto s = self->state.seed.commits->close();
        return s ? std::string() : s.err().message;
      },
  };
}

}  // namespace

committer_actor spawn_committer(caf::actor_system& system, committer_seed seed) {
  return system.spawn<caf::detached>(committer, std::move(seed));
}

}  // namespace weir
