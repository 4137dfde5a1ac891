// Where other nodes connect: a listener of its own, so that what nodes have to say to each other
// does not wait behind clients. Speaks the Kafka protocol's frames: messages of nodes
// (runtime/kafka/protocol/messages/nodes.table), and Kafka's own requests, which the broker answers
// as those of a node. Made and ended by the process's main thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "actors/gateway/broker.hpp"
#include "cluster/meta/service/service.hpp"
#include "cluster/node/file_store.hpp"

namespace weir {

class peers_endpoint final : public request_handler {
 public:
  /// Listens on HOST:PORT (port 0: a free one). `advertised`: what other nodes are told; empty: as
  /// it listens; `tls`: null: in the clear. Nothing is answered before start().
  static result<std::unique_ptr<peers_endpoint>> bind(const std::string& address,
                                                      const std::string& advertised,
                                                      const tls_context_ptr&);
  ~peers_endpoint() override;
  const std::string& address() const noexcept { return address_; }

  void start(meta::metadata_service&, file_store&);
  /// Kafka's requests of nodes go there from now on; null: they are refused.
  void serve(broker* b) noexcept { broker_.store(b); }
  void stop();

  bool may_overlap(std::span<const std::byte>) const override { return true; }
  void handle(request_ticket) override;

 private:
  peers_endpoint() = default;

  std::string address_;
  std::unique_ptr<listener> listener_;
  meta::metadata_service* metadata_ = nullptr;
  file_store* files_ = nullptr;
  std::atomic<broker*> broker_{nullptr};
};

}  // namespace weir
