// What coordinators ask of other nodes: to write markers into partitions that they lead, and
// whether a transaction has a partition. Items for one node travel together. Thread-safe; closed
// before the node ends.
#pragma once

#include "actors/coordination/guard.hpp"
#include "actors/coordination/outbox.hpp"
#include "actors/storage/directory.hpp"
#include "runtime/kafka/coordination/batches.hpp"
#include "runtime/kafka/peers/peer_client.hpp"

namespace weir {

class remote_coordination {
 public:
  using done = std::function<void(kafka::error_code)>;

  remote_coordination(std::shared_ptr<directory_board>, tls_context_ptr);
  ~remote_coordination() { close(); }
  /// What is under way and what still comes ends with NETWORK_EXCEPTION.
  void close();

  /// The node's answer, or NETWORK_EXCEPTION: it was not reached, or it may have done it.
  void write_marker(int32_t node, kafka::marker_item, done);
  void verify(int32_t node, kafka::verify_item, done);

 private:
  template <class Request>
  void call(int32_t node, const Request&, int16_t version,
            std::function<void(result<typename Request::response_type>)>);

  std::shared_ptr<directory_board> board_;
  const tls_context_ptr tls_;
  std::shared_ptr<guard<remote_coordination>> guard_;
  std::shared_ptr<outbox<kafka::marker_item>> markers_;
  std::shared_ptr<outbox<kafka::verify_item>> questions_;
  std::mutex mutex_;
  std::unique_ptr<kafka::peer_client> client_;  // made when it is first needed
};

}  // namespace weir
