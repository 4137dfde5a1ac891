// What a completed epoch says about itself: which job, which operators, how much state, and the
// job's own metadata. Plain values; the store adds the sizes when it commits.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"

namespace weir {

/// Whose epochs these are. Several jobs share a store; and a node may keep a copy of another node's
/// part of a job, under that node's name.
struct snapshot_key {
  std::string job;
  std::string node;  // "" when the job runs on one node
  friend auto operator<=>(const snapshot_key&, const snapshot_key&) = default;
  /// "job" or "job@node"
  std::string text() const { return node.empty() ? job : job + "@" + node; }
};

struct manifest_state {
  std::string name;
  uint64_t chunks = 0, bytes = 0, records = 0;  // written by this epoch
};

struct manifest_operator {
  std::string id;    // stable id
  std::string name;  // for people
  uint32_t parallelism = 1;
  uint64_t state_fingerprint = 0;      // of the form of its state: another one cannot be restored
  std::vector<manifest_state> states;  // filled by the store
};

struct snapshot_manifest {
  snapshot_key key;
  epoch number;
  std::string job_name;
  uint64_t fingerprint = 0;  // of the plan
  std::string plan;          // its bytes, opaque here
  uint32_t key_groups = default_key_groups;
  uint8_t mode = 0;  // delivery_mode
  int64_t started_us = 0, ended_us = 0;
  bool finished = false;  // the job's bounded input was processed to its end
  /// Every operator of the job, also those without state: what is not listed loses its state.
  std::vector<manifest_operator> operators;
  /// Whatever else belongs to the epoch: positions of split enumerators, and the like.
  std::map<std::string, std::string> metadata;
  /// Names of the nodes whose parts the epoch of the whole job consists of; empty: only this one.
  std::vector<std::string> parts;

  const manifest_operator* find(std::string_view operator_id) const;
  uint64_t bytes_written() const;
};

/// Sealed for being stored under `record_key`; the decoder refuses a damaged one (errc::corrupt).
std::string encode_manifest(const snapshot_manifest&, std::string_view record_key);
result<snapshot_manifest> decode_manifest(std::string_view bytes, std::string_view record_key);

/// An operator as a (possibly changed) job has it now.
struct operator_identity {
  std::string id;
  std::string name;
  uint64_t state_fingerprint = 0;
};

enum class state_fate : uint8_t {
  kept,     // same stable id, same form of state
  changed,  // same stable id, but its state has another form: it starts empty
  lost,     // the job has no such operator any more
  added,    // new: it starts empty
};
const char* to_string(state_fate) noexcept;

struct state_change {
  std::string operator_id;
  std::string name;
  state_fate fate = state_fate::kept;
};
/// The dry check of a changed job against a snapshot: every operator of either, in the order of the
/// job and then of the manifest.
std::vector<state_change> compare(const snapshot_manifest&, std::span<const operator_identity> job);

}  // namespace weir
