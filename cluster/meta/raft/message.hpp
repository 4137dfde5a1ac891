// What servers of the consensus say to each other, and its byte form (schema/meta.capnp). The
// decoder treats its input as hostile. Pure functions, safe on any thread.
#pragma once

#include <string_view>

#include "cluster/meta/raft/records.hpp"
#include "runtime/base/result.hpp"
#include "runtime/kafka/protocol/types.hpp"

namespace weir::meta {

inline constexpr uint16_t message_format = 1;

struct append_entries {
  log_index previous_index = 0;
  log_term previous_term = 0;
  log_index commit_index = 0;
  std::vector<log_entry> entries;
};
struct append_result {
  log_index rejected = 0;  // 0: accepted
  log_index last_index = 0;
};
struct request_vote {
  server_id candidate = 0;
  log_index last_index = 0;
  log_term last_term = 0;
  bool disrupt_leader = false;
  bool pre_vote = false;
};
struct vote_result {
  bool granted = false;
  bool pre_vote = false;
};
struct install_snapshot {
  snapshot_record snapshot;
};
struct timeout_now {
  log_index last_index = 0;
  log_term last_term = 0;
};

struct peer_message {
  kafka::uuid cluster;
  server_id from = 0, to = 0;
  std::string address;  // of the sender
  log_term term = 0;
  std::variant<append_entries, append_result, request_vote, vote_result, install_snapshot,
               timeout_now>
      body;
};

std::string encode_message(const peer_message&);
/// errc::corrupt, errc::version_mismatch, errc::unsupported.
result<peer_message> decode_message(std::string_view bytes);

/// The data of an entry of type change: libraft's own form, which is in the logs.
std::string encode_configuration(const configuration&);
result<configuration> decode_configuration(std::string_view bytes);

}  // namespace weir::meta
