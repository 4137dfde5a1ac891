// One blocking TCP connection to a Kafka broker, for tests and the command line. Owned and used by
// one thread; never by an actor. Requests may be pipelined: answers come in the order of requests.
// Every wait has a time limit; after an error other than a refused version the connection is
// closed.
#pragma once

#include "runtime/io/tls.hpp"
#include "runtime/kafka/protocol/protocol.hpp"

namespace weir::kafka {

struct client_options {
  std::string client_id = "weir";
  int connect_timeout_ms = 10'000;
  int timeout_ms = 30'000;  ///< Of one send or receive; above the longest poll that is asked for.
  /// An answer that claims more is refused.
  size_t response_bytes_max = 256 << 20;
  /// A descriptor that ends every wait with an error once it can be read (an eventfd); -1: none.
  int cancel_fd = -1;
  tls_context_ptr tls;  ///< null: in the clear
};

class client {
 public:
  /// errc::io or errc::timeout, with the address in the message.
  static result<client> connect(const std::string& host, uint16_t port, client_options = {});
  client(client&&) noexcept;
  client& operator=(client&&) noexcept;
  ~client();

  /// Sends and waits for the answer; the body has no holes. record_bytes in it point into the
  /// client's buffer and are valid until the next call.
  template <class Request>
  result<typename Request::response_type> request(const Request& body, int16_t version) {
    WEIR_ASSIGN(const int32_t id, send(body, version));
    return receive<typename Request::response_type>(id, version);
  }
  /// In the highest version that both sides know; asks the broker for its versions first if need
  /// be.
  template <class Request>
  result<typename Request::response_type> request(const Request& body) {
    WEIR_ASSIGN(const int16_t version, version_of(Request::info.key));
    return request(body, version);
  }

  /// Sends without waiting (pipelining; Produce with acks = 0 has no answer at all). Returns the
  /// correlation id.
  template <class Request>
  result<int32_t> send(const Request& body, int16_t version) {
    if (!Request::info.has(version)) return no_such_version(Request::info, version);
    out_.clear();
    const request_header header{static_cast<int16_t>(Request::info.key), version, ++last_id_,
                                options_.client_id};
    encode_request(out_, header, body);
    weir_assert(out_.holes().empty(), "the client sends no bytes from elsewhere");
    WEIR_TRY(send_bytes(out_.view()));
    return last_id_;
  }
  /// The next answer, which must be the one to `correlation_id`.
  template <class Response>
  result<Response> receive(int32_t correlation_id, int16_t version) {
    WEIR_TRY(receive_frame());
    reader r(in_);
    Response out;
    WEIR_TRY(read_header(r, static_cast<int16_t>(Response::info.key), version, correlation_id));
    WEIR_TRY(decode(r, out, version));
    WEIR_TRY(r.expect_end());
    return out;
  }

  /// The highest version of an API that both sides know; errc::unsupported if there is none.
  result<int16_t> version_of(api_key);

  /// The bytes of the last answer, for who keeps record_bytes longer than until the next call.
  std::vector<std::byte> take_bytes() noexcept { return std::exchange(in_, {}); }

  /// As it is, without a length in front: what tests of a broker's bounds need.
  status send_bytes(bytes_view);
  /// The next frame without its length; valid until the next call.
  result<bytes_view> receive_bytes();

 private:
  client(int socket, std::string address, client_options options)
      : socket_(socket),
        channel_(socket, options.tls, byte_channel::role::client),
        address_(std::move(address)),
        options_(std::move(options)) {}
  void close() noexcept;
  status receive_frame();
  status receive_exactly(std::byte* to, size_t size);
  status read_header(reader&, int16_t key, int16_t version, int32_t correlation_id);
  status shake_hands();
  error failed(const char* what, int error_number);

  struct range {
    int16_t key, min, max;
  };

  int socket_ = -1;
  byte_channel channel_;
  std::string address_;
  client_options options_;
  int32_t last_id_ = 0;
  writer out_;
  std::vector<std::byte> in_;
  std::optional<std::vector<range>> broker_;  // what ApiVersions answered
};

}  // namespace weir::kafka
