#include "actors/coordination/remote.hpp"

namespace weir {
namespace {

using kafka::error_code;

constexpr int16_t markers_version = 1;
constexpr int16_t add_partitions_version = 5;
// A marker is answered when it is durable on enough replicas.
constexpr auto markers_timeout = std::chrono::milliseconds(10'000);
// A producer waits for this one.
constexpr auto verify_timeout = std::chrono::milliseconds(3'000);

}  // namespace

remote_coordination::remote_coordination(std::shared_ptr<directory_board> board,
                                         tls_context_ptr tls)
    : board_(std::move(board)),
      tls_(std::move(tls)),
      guard_(std::make_shared<guard<remote_coordination>>(this)) {
  using kafka::marker_item, kafka::verify_item;
  const auto lost = [](size_t n) {
    return std::vector<error_code>(n, error_code::network_exception);
  };
  markers_ = std::make_shared<outbox<marker_item>>(
      [g = guard_, lost](int32_t node, const std::vector<marker_item>& items, auto answered) {
        auto kept = std::make_shared<std::vector<marker_item>>(items);
        const bool sent = g->enter([&](remote_coordination& r) {
          r.call(node, kafka::markers_request(items), markers_version,
                 [kept, lost, answered](result<kafka::write_txn_markers_response> a) {
                   answered(a ? kafka::markers_answer(*kept, *a) : lost(kept->size()));
                 });
        });
        if (!sent) answered(lost(items.size()));
      });
  questions_ = std::make_shared<outbox<verify_item>>(
      [g = guard_, lost](int32_t node, const std::vector<verify_item>& items, auto answered) {
        auto kept = std::make_shared<std::vector<verify_item>>(items);
        const bool sent = g->enter([&](remote_coordination& r) {
          r.call(node, kafka::verify_request(items, false), add_partitions_version,
                 [kept, lost, answered](result<kafka::add_partitions_to_txn_response> a) {
                   answered(a ? kafka::verify_answer(*kept, *a) : lost(kept->size()));
                 });
        });
        if (!sent) answered(lost(items.size()));
      });
}

void remote_coordination::close() {
  guard_->close();
  client_.reset();  // its callbacks come here for the last time, and find the guard closed
}

template <class Request>
void remote_coordination::call(
    int32_t node, const Request& body, int16_t version,
    std::function<void(result<typename Request::response_type>)> finish) {
  auto directory = board_->get();
  const auto* to = directory->node(node);
  if (!to || to->peers.empty())
    return finish(error{errc::not_found, "node " + std::to_string(node) + " is not known"});
  kafka::peer_client* client = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (!client_) {
      kafka::peer_client_options o;
      o.tls = tls_;
      client_ = std::make_unique<kafka::peer_client>(std::move(o));
    }
    client = client_.get();
  }
  const auto timeout =
      std::is_same_v<Request, kafka::write_txn_markers_request> ? markers_timeout : verify_timeout;
  client->call(to->peers, body, version, timeout, std::move(finish));
}

void remote_coordination::write_marker(int32_t node, kafka::marker_item item, done d) {
  markers_->send(node, std::move(item), std::move(d));
}

void remote_coordination::verify(int32_t node, kafka::verify_item item, done d) {
  questions_->send(node, std::move(item), std::move(d));
}

}  // namespace weir
