// What has to hold in a simulated cluster, whatever happens:
// - no two servers apply different commands at an index, or give different answers;
// - a repeated request is answered as the first time and changes nothing;
// - who was acknowledged is in the log, behind all that was acknowledged before it began;
// - a confirmed read sees all that was acknowledged before it began;
// - a term has one leader; equal indexes mean equal states; the state's invariants hold.
// The first violation is kept. Not thread-safe.
#pragma once

#include <map>
#include <string>

#include "cluster/meta/raft/records.hpp"
#include "cluster/meta/state/command_codec.hpp"
#include "cluster/meta/state/state.hpp"
#include "runtime/base/crc32c.hpp"

namespace weir::meta {

class sim_check {
 public:
  const std::string& failure() const noexcept { return failure_; }
  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }
  size_t entries() const noexcept { return log_.size(); }
  size_t leaders() const noexcept { return leader_of_.size(); }
  log_index acknowledged() const noexcept { return acknowledged_; }

  void applied(server_id who, log_index index, std::string_view bytes, const std::string& reply,
               const cluster_state& state) {
    auto [it, fresh] = log_.try_emplace(index, entry{std::string(bytes), reply});
    if (!fresh) {
      if (it->second.bytes != bytes)
        fail(where(who, index) + "another command than the others");
      else if (it->second.reply != reply)
        fail(where(who, index) + "another answer than the others");
    } else {
      first_time(index, bytes, reply);
    }
    constexpr log_index compared_every = 16;  // to compare whole states is what costs most
    if (index % compared_every == 0) {
      compare(who, index, state.snapshot());
      if (status sound = state.check(); !sound) fail(where(who, index) + sound.err().message);
    }
  }
  /// The state of `who` after `index`.
  void compare(server_id who, log_index index, const std::string& bytes) {
    uint32_t crc = crc32c(std::as_bytes(std::span(bytes)));
    auto [it, fresh] = state_at_.try_emplace(index, crc);
    if (!fresh && it->second != crc) fail(where(who, index) + "another state than the others");
  }
  void leads(server_id who, log_term term) {
    auto [it, fresh] = leader_of_.try_emplace(term, who);
    if (!fresh && it->second != who)
      fail("term " + std::to_string(term) + " has two leaders: " + std::to_string(it->second) +
           " and " + std::to_string(who));
  }
  void acknowledge(const uuid& client, uint64_t number, const std::string& reply,
                   log_index before) {
    auto it = index_of_.find({client, number});
    if (it == index_of_.end()) return fail("an acknowledged request is not in the log");
    if (log_.at(it->second).reply != reply) fail("a client got another answer than the log's");
    if (it->second <= before)
      fail("entry " + std::to_string(it->second) + " was begun after entry " +
           std::to_string(before) + " was acknowledged");
    acknowledged_ = std::max(acknowledged_, it->second);
  }
  void read(server_id who, log_index applied, log_index before) {
    if (applied < before)
      fail("server " + std::to_string(who) + " confirmed a read at entry " +
           std::to_string(applied) + " after entry " + std::to_string(before) +
           " was acknowledged");
  }

 private:
  struct entry {
    std::string bytes, reply;
  };
  static std::string where(server_id who, log_index index) {
    return "server " + std::to_string(who) + " at entry " + std::to_string(index) + ": ";
  }
  void first_time(log_index index, std::string_view bytes, const std::string& reply) {
    auto r = decode_request(bytes);
    if (!r) return fail("entry " + std::to_string(index) + " is no request: " + r.err().message);
    auto [it, fresh] = index_of_.try_emplace({r->client, r->number}, index);
    if (fresh || log_.at(it->second).reply == reply) return;
    // A copy that comes after the client went on is refused.
    if (decode_answer(reply)->code != verdict::stale)
      fail("entry " + std::to_string(index) + " repeats entry " + std::to_string(it->second) +
           " and was applied again");
  }

  std::string failure_;
  std::map<log_index, entry> log_;
  std::map<std::pair<uuid, uint64_t>, log_index> index_of_;
  std::map<log_index, uint32_t> state_at_;
  std::map<log_term, server_id> leader_of_;
  log_index acknowledged_ = 0;
};

}  // namespace weir::meta
