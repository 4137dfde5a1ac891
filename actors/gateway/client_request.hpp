// One request of a client while it is being answered: its header, its body's bytes, and the way
// back. Shared by all who work on it; answer() may be called on any thread, once.
#pragma once

#include <memory>

#include "actors/gateway/connection.hpp"
#include "runtime/kafka/protocol/protocol.hpp"

namespace weir {

class client_request {
 public:
  client_request(request_ticket t, kafka::request_header h, const kafka::api_info& api,
                 kafka::bytes_view body, bool from_node = false)
      : ticket_(std::move(t)),
        header_(std::move(h)),
        api_(api),
        body_(body),
        from_node_(from_node) {}

  const kafka::request_header& header() const noexcept { return header_; }
  int16_t version() const noexcept { return header_.version; }
  kafka::api_key key() const noexcept { return api_.key; }
  kafka::bytes_view body() const noexcept { return body_; }
  /// Whether it came by the listener for nodes: only such a request may speak as a replica.
  bool from_node() const noexcept { return from_node_; }
  /// Keeps the body's bytes alive, for those who point into it.
  const frame_ptr& frame() const noexcept { return ticket_.frame; }
  std::string_view client_id() const noexcept {
    return header_.client_id ? std::string_view(*header_.client_id) : std::string_view();
  }
  connection& from() const noexcept { return *ticket_.from; }
  const connection_ptr& from_ptr() const noexcept { return ticket_.from; }

  template <class Response>
  void answer(const Response& r) const {
    kafka::writer w;
    kafka::encode_response(w, header_.correlation_id, r, header_.version);
    weir::answer a;
    a.memory = w.take();
    send(std::move(a));
  }
  /// An answer with file parts: `parts[i]` belongs to hole i of what `r` encodes to.
  template <class Response>
  void answer(const Response& r, std::vector<std::vector<log_slice>> parts) const {
    kafka::writer w;
    kafka::encode_response(w, header_.correlation_id, r, header_.version);
    weir::answer a;
    a.holes = w.holes();
    a.memory = w.take();
    a.parts = std::move(parts);
    send(std::move(a));
  }
  void send(weir::answer a) const { ticket_.from->complete(ticket_.number, std::move(a)); }
  /// The body was decoded, and nobody points into it.
  void forget_bytes() noexcept {
    body_ = {};
    ticket_.frame.reset();
  }
  /// The request makes no sense: the connection ends, as Kafka does with requests it cannot read.
  void hang_up() const { send(weir::answer::hang_up()); }

 private:
  request_ticket ticket_;
  kafka::request_header header_;
  const kafka::api_info& api_;
  kafka::bytes_view body_;
  bool from_node_;
};
using request_ptr = std::shared_ptr<client_request>;

/// What one request may name in all of its arrays: ten times the partitions that a node is made
/// for. A few bytes each would otherwise keep the listener's thread busy for seconds.
constexpr size_t request_elements_max = 100'000;

/// Decodes a request's body; an error ends the connection. Null then. Only a Produce request's
/// records still point into the request's bytes: those of others are given back at once, however
/// long the answer takes.
template <class Request>
std::shared_ptr<Request> decode_body(client_request& request) {
  auto body = std::make_shared<Request>();
  kafka::reader r(request.body());
  r.limit_elements(request_elements_max);
  if (auto s = decode(r, *body, request.version()); !s) {
    request.hang_up();
    return nullptr;
  }
  if (Request::info.key != kafka::api_key::produce) request.forget_bytes();
  return body;
}

/// Runs `finish` once all of `n` parts of an answer are there; parts may come on any thread.
class gather {
 public:
  gather(size_t n, std::function<void()> finish) : left_(n + 1), finish_(std::move(finish)) {}
  void done() {
    if (left_.fetch_sub(1) == 1) finish_();
  }
  /// All parts were asked for. Call it once; with nothing to wait for it finishes at once.
  void begun() { done(); }

 private:
  std::atomic<size_t> left_;
  std::function<void()> finish_;
};

}  // namespace weir
