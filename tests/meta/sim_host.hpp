// One simulated server: what outlives a crash (disk, clock) and what does not. Internal to the
// simulation.
#pragma once

#include "tests/meta/sim_world.hpp"

namespace weir::meta {

// The real machine, watched.
struct sim_world::machine final : replicated_machine {
  machine(sim_world& w, server_id id) : world(w), who(id) {}
  sim_world& world;
  server_id who;
  metadata_replica inner;
  log_index last = 0;

  result<std::string> apply(log_index index, std::string_view bytes) override {
    if (index <= last)
      world.check_.fail("server " + std::to_string(who) + " applies entry " +
                        std::to_string(index) + " after entry " + std::to_string(last));
    last = index;
    auto reply = inner.apply(index, bytes);
    if (reply) world.check_.applied(who, index, bytes, *reply, inner.state());
    return reply;
  }
  std::string snapshot() override {
    ++world.out_.snapshots;
    return inner.snapshot();
  }
  status restore(std::string_view bytes) override { return inner.restore(bytes); }
};

struct sim_world::host {
  host(server_id n, bool lies) : id(n), disk(lies) {}
  server_id id;
  sim_disk disk;
  double clock_rate = 1;
  uint64_t clock_offset = 0;
  uint64_t disk_ms = 1;
  uint64_t incarnation = 0;
  uint64_t starts = 0;
  bool writing = false;
  bool disk_failed = false;  // on purpose
  std::unique_ptr<machine> state;
  std::unique_ptr<consensus_node> node;  // null: down
  struct asking {
    size_t client = 0;
    uint64_t attempt = 0;
  };
  std::map<ticket, asking> asked;
};

}  // namespace weir::meta
