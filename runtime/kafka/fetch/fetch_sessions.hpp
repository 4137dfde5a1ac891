// Fetch sessions (KIP-227): what clients read, kept here, so that requests name only what changed
// and answers only partitions with news. A bounded cache; a session that is gone costs its client
// one whole request. Owned by a node's gateway, under its lock; transport-free.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/kafka/protocol/messages/data.hpp"

namespace weir::kafka {

struct fetch_session_options {
  size_t sessions_max = 1000;
  /// Of all sessions together: some 300 bytes each, more with long names. Ten thousand partitions
  /// for twenty clients.
  size_t partitions_max = 200'000;
  /// A session that was not used for so long makes room for any other; one that exists for so long
  /// makes room for a larger one.
  int64_t eviction_ms = 120'000;
  uint64_t seed = 1;  // of the ids: hard to guess
};

/// One partition to be read.
struct fetch_target {
  std::string topic;  // of requests without topic ids
  uuid topic_id;
  fetch_request::partition_data want;
};
/// What a read has found, as far as it decides whether the partition is in the answer.
struct fetch_news {
  error_code error = error_code::none;
  int64_t high_watermark = -1, log_start_offset = -1;
  bool records = false, diverging = false;
};

class fetch_sessions {
 public:
  explicit fetch_sessions(fetch_session_options o = {});
  ~fetch_sessions();

  struct begun {
    error_code error = error_code::none;  // the answer then has nothing else
    int32_t session_id = 0;               // of the answer; 0 = there is no session
    /// Only partitions with news are in the answer: ask report() for each.
    bool incremental = false;
    std::vector<fetch_target> targets;  // in the order to read them
  };
  /// A request has come. `by_id`: its topics are named by ids.
  begun begin(fetch_request&, bool by_id, int64_t now_ms);
  /// What reading `target` has found; true = it belongs into the answer. Call it for each target in
  /// order, once the answer is made. Records are given last to who got some first next time.
  bool report(const begun&, const fetch_target&, const fetch_news&);

  size_t sessions() const { return sessions_.size(); }
  size_t partitions() const { return partitions_; }
  uint64_t evictions() const { return evictions_; }

 private:
  struct key {
    std::string topic;
    uuid id;
    int32_t partition = 0;
    bool operator==(const key&) const = default;
    template <class H>
    friend H AbslHashValue(H h, const key& k) {
      return H::combine(std::move(h), k.topic, k.id.bytes, k.partition);
    }
  };
  struct entry {
    fetch_target target;
    int64_t high_watermark = -1, log_start_offset = -1;
    bool told = false;  // an answer had it
  };
  struct session {
    bool by_id = false;
    int32_t epoch = 0;  // of the next request
    int64_t created_ms = 0, used_ms = 0;
    std::list<entry> entries;  // in the order of reading
    absl::flat_hash_map<key, std::list<entry>::iterator> places;
  };
  static key key_of(const fetch_target&);
  begun begin_new(fetch_request&, bool by_id, int64_t now_ms);
  begun begin_next(fetch_request&, bool by_id, int64_t now_ms);
  void put(session&, fetch_target);
  void drop(session&, const key&);
  bool make_room(size_t partitions, int64_t now_ms);
  void remove(int32_t id);
  int32_t new_id();

  fetch_session_options options_;
  absl::flat_hash_map<int32_t, std::unique_ptr<session>> sessions_;
  size_t partitions_ = 0;
  uint64_t evictions_ = 0;
  uint64_t random_;
};

}  // namespace weir::kafka
