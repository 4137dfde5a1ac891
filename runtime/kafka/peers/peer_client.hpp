// Requests of this node to others, by the Kafka protocol, without blocking: one thread, one
// connection an address, made when first needed and again after it broke. Requests are pipelined;
// what happens to each is told once. Any thread may call; callbacks run on the client's thread and
// must hand on and return.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "runtime/io/tls.hpp"
#include "runtime/kafka/protocol/protocol.hpp"

namespace weir::kafka {

struct peer_client_options {
  std::string client_id = "weir-node";
  std::chrono::milliseconds connect_timeout{1'000};
  /// After a connection failed, requests to the address are refused for this long.
  std::chrono::milliseconds backoff{100};
  /// What was sent and is not acknowledged by the other machine for so long is lost, and with it
  /// the connection: a link that was cut says nothing.
  std::chrono::milliseconds silence_max{3'000};
  /// Of requests to one address that are not yet answered; more are refused.
  size_t waiting_bytes_max = size_t{256} << 20;
  size_t response_bytes_max = size_t{256} << 20;
  tls_context_ptr tls;  // null: in the clear
};

class peer_client {
 public:
  explicit peer_client(peer_client_options = {});
  /// What is under way ends with errc::cancelled.
  ~peer_client();
  peer_client(const peer_client&) = delete;
  peer_client& operator=(const peer_client&) = delete;

  /// `address` is HOST:PORT. Errors: errc::io (no connection, or it broke: the request may have
  /// been carried out), errc::timeout (the same), errc::corrupt (an answer that cannot be read),
  /// errc::cancelled.
  template <class Request>
  void call(const std::string& address, const Request& body, int16_t version,
            std::chrono::milliseconds timeout,
            std::function<void(result<typename Request::response_type>)> done) {
    writer w;
    encode_request(
        w, {static_cast<int16_t>(Request::info.key), version, next_id(), options_.client_id}, body);
    send(address, w.take(), timeout, [version, done = std::move(done)](result<bytes_view> frame) {
      if (!frame) return done(frame.err());
      done(decode_answer<typename Request::response_type>(*frame, version));
    });
  }

 private:
  struct impl;
  using frame_callback = std::function<void(result<bytes_view>)>;

  template <class Response>
  static result<Response> decode_answer(bytes_view frame, int16_t version) {
    reader r(frame);
    const auto* api = find_api(static_cast<int16_t>(Response::info.key));
    WEIR_ASSIGN([[maybe_unused]] auto id, decode_response_header(r, *api, version));
    Response out;
    WEIR_TRY(decode(r, out, version));
    WEIR_TRY(r.expect_end());
    return out;
  }
  int32_t next_id();
  void send(const std::string& address, std::vector<std::byte> frame,
            std::chrono::milliseconds timeout, frame_callback);

  peer_client_options options_;
  std::unique_ptr<impl> impl_;
};

}  // namespace weir::kafka
