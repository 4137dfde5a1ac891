// Requests between nodes that carry many items: what several transactions have for the same node
// goes in one WriteTxnMarkers or AddPartitionsToTxn, and the answer is given back to each item.
// Pure functions over the protocol's messages.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir::kafka {

/// The end of a transaction in one partition.
struct marker_item {
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  bool commit = false;
  int32_t coordinator_epoch = 0;
  std::string topic;
  int32_t partition = 0;
};
/// The question whether a partition is part of a producer's open transaction (KIP-890).
struct verify_item {
  std::string transactional_id;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  std::string topic;
  int32_t partition = 0;
};

/// Items of the same transaction share an entry. An answer has the same entries in the same order.
write_txn_markers_request markers_request(const std::vector<marker_item>&);
/// One error for each item; REQUEST_TIMED_OUT for those that the answer leaves out.
std::vector<error_code> markers_answer(const std::vector<marker_item>&,
                                       const write_txn_markers_response&);

/// `add`: make them part of it (KIP-890, part 2), instead of asking only.
add_partitions_to_txn_request verify_request(const std::vector<verify_item>&, bool add);
std::vector<error_code> verify_answer(const std::vector<verify_item>&,
                                      const add_partitions_to_txn_response&);

}  // namespace weir::kafka
