// What the consensus keeps and sends, as plain values: servers, log entries, snapshots, and one
// event's writes. Nothing of libraft is seen here. Safe on any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weir::meta {

using server_id = uint64_t;  // 0 = none. A server that lost its disk is another server: a new id.
using log_index = uint64_t;  // the first entry is 1
using log_term = uint64_t;

/// The numbers are libraft's and part of the formats.
enum class server_role : uint8_t {
  learner = 0,  // gets the log, has no vote
  voter = 1,    //
  spare = 2,    // is known, gets nothing
};

struct server {
  server_id id = 0;
  std::string address;  // of the owner's making; the consensus hands it on as it is
  server_role role = server_role::voter;
  friend bool operator==(const server&, const server&) = default;
};
using configuration = std::vector<server>;

/// The numbers are libraft's and part of the formats.
enum class entry_type : uint8_t { command = 1, barrier = 2, change = 3 };

struct log_entry {
  log_term term = 0;
  entry_type type = entry_type::command;
  std::string data;
  friend bool operator==(const log_entry&, const log_entry&) = default;
};

struct snapshot_record {
  log_index index = 0;  // the last entry that it covers
  log_term term = 0;
  configuration servers;
  log_index servers_index = 0;
  std::string data;
  friend bool operator==(const snapshot_record&, const snapshot_record&) = default;
};

/// All that one event wants to be durable before anybody hears of it: done in this order, and all
/// of it or nothing.
struct put_vote {
  log_term term = 0;
  server_id voted_for = 0;
};
struct put_entries {
  log_index first = 0;  // follows the last entry (or snapshot)
  std::vector<log_entry> entries;
};
struct drop_from {
  log_index first = 0;  // this entry and all that follow it
};
struct put_snapshot {
  snapshot_record snapshot;
  log_index keep_from = 0;  // entries before it are dropped; with 0 all of them are
};
using write_step = std::variant<put_vote, put_entries, drop_from, put_snapshot>;
using write_batch = std::vector<write_step>;

/// What a server knows when it starts.
struct stored_log {
  log_term term = 0;
  server_id voted_for = 0;
  std::optional<snapshot_record> snapshot;
  log_index first = 1;  // of entries
  std::vector<log_entry> entries;
};

}  // namespace weir::meta
