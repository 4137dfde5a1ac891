#include "cluster/node/peers_endpoint.hpp"

#include "runtime/io/address.hpp"

namespace weir {
namespace {

constexpr size_t request_bytes_max = size_t{256} << 20;
constexpr size_t overlapping_max = 1'024;

/// Sends an answer to a request of a node.
template <class Response>
std::function<void(Response)> reply_to(const request_ticket& t, const kafka::request_header& h) {
  return [from = t.from, number = t.number, id = h.correlation_id,
          version = h.version](const Response& r) {
    kafka::writer w;
    kafka::encode_response(w, id, r, version);
    answer a;
    a.memory = w.take();
    from->complete(number, std::move(a));
  };
}

/// Decodes a request and has it handled; what cannot be read ends the connection.
template <class Request, class Handler>
void take(const request_ticket& t, const kafka::request_header& h, kafka::reader& r,
          Handler&& handler) {
  Request body;
  if (!kafka::decode(r, body, h.version)) return t.from->complete(t.number, answer::hang_up());
  handler(std::move(body), reply_to<typename Request::response_type>(t, h));
}

}  // namespace

result<std::unique_ptr<peers_endpoint>> peers_endpoint::bind(const std::string& address,
                                                             const std::string& advertised,
                                                             const tls_context_ptr& tls) {
  std::unique_ptr<peers_endpoint> p(new peers_endpoint);
  listener_options l;
  l.address = address;
  l.tls = tls;
  l.limits.request_bytes_max = l.limits.other_bytes_max = request_bytes_max;
  l.limits.overlapping_max = overlapping_max;
  l.request_memory_bytes = 2 * request_bytes_max;
  WEIR_ASSIGN(p->listener_, listener::open(std::move(l)));
  p->address_ = advertised;
  if (advertised.empty())
    p->address_ = join_address(p->listener_->reachable_host(), p->listener_->port());
  return p;
}

peers_endpoint::~peers_endpoint() {
  stop();
}

void peers_endpoint::start(meta::metadata_service& metadata, file_store& files) {
  metadata_ = &metadata;
  files_ = &files;
  listener_->start(*this);
}

void peers_endpoint::stop() {
  if (listener_) listener_->stop();
}

void peers_endpoint::handle(request_ticket t) {
  kafka::reader r(t.frame->bytes());
  kafka::request_header h;
  const auto readable = kafka::decode(r, h);
  const auto* api = readable ? kafka::find_api(h.key) : nullptr;
  if (!api || !api->has(h.version)) return t.from->complete(t.number, answer::hang_up());
  switch (api->key) {
    case kafka::api_key::node_message:
      return take<kafka::node_message_request>(t, h, r, [&](auto body, auto reply) {
        metadata_->handle(std::move(body), std::move(reply));
      });
    case kafka::api_key::node_command:
      return take<kafka::node_command_request>(t, h, r, [&](auto body, auto reply) {
        metadata_->handle(std::move(body), std::move(reply));
      });
    case kafka::api_key::node_join:
      return take<kafka::node_join_request>(t, h, r, [&](auto body, auto reply) {
        metadata_->handle(std::move(body), std::move(reply));
      });
    case kafka::api_key::node_heartbeat:
      return take<kafka::node_heartbeat_request>(t, h, r, [&](auto body, auto reply) {
        metadata_->handle(std::move(body), std::move(reply));
      });
    case kafka::api_key::node_file:
      return take<kafka::node_file_request>(
          t, h, r, [&](auto body, auto reply) { files_->serve(body, std::move(reply)); });
    case kafka::api_key::node_store_file:
      return take<kafka::node_store_file_request>(
          t, h, r, [&](auto body, auto reply) { files_->take(std::move(body), std::move(reply)); });
    default:
      break;
  }
  if (auto* b = broker_.load()) return b->handle(std::move(t), true);
  t.from->complete(t.number, answer::hang_up());
}

}  // namespace weir
