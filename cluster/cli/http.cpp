#include "cluster/cli/http.hpp"

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <mutex>
#include <set>
#include <vector>

namespace weir::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

// A client that sends nothing for this long loses its connection.
constexpr auto idle_limit = std::chrono::seconds(30);

result<std::pair<std::string, std::string>> split_address(const std::string& text) {
  auto at = text.rfind(':');
  if (at == std::string::npos || at + 1 == text.size())
    return error{errc::invalid_argument, "'" + text + "' is not HOST:PORT"};
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

/// One client's connection; lives as long as an operation on it is under way.
class session : public std::enable_shared_from_this<session> {
 public:
  session(tcp::socket s, const http_server::handler& h) : stream_(std::move(s)), handler_(h) {}
  void read() {
    parser_.emplace();
    parser_->body_limit(http_body_max);
    stream_.expires_after(idle_limit);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code e, size_t) {
                       if (!e) self->answer();
                     });
  }

 private:
  void answer() {
    const auto& request = parser_->get();
    auto reply = handler_(
        {std::string(request.method_string()), std::string(request.target()), request.body()});
    response_ = {static_cast<http::status>(reply.status), request.version()};
    response_.set(http::field::content_type, reply.type);
    response_.keep_alive(request.keep_alive());
    response_.body() = std::move(reply.body);
    response_.prepare_payload();
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code e, size_t) {
      if (!e && self->response_.keep_alive()) self->read();
    });
  }

  beast::tcp_stream stream_;
  const http_server::handler& handler_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
};

}  // namespace

struct http_server::impl {
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  handler answer;
  std::string address;
  std::thread thread;

  void accept() {
    acceptor.async_accept([this](beast::error_code e, tcp::socket socket) {
      if (!e) std::make_shared<session>(std::move(socket), answer)->read();
      if (acceptor.is_open()) accept();
    });
  }
};

http_server::http_server(std::unique_ptr<impl> i) : impl_(std::move(i)) {}

result<std::unique_ptr<http_server>> http_server::start(const std::string& address, handler h) {
  WEIR_ASSIGN(auto parts, split_address(address));
  auto i = std::make_unique<impl>();
  i->answer = std::move(h);
  beast::error_code e;
  auto host = asio::ip::make_address(parts.first == "localhost" ? "127.0.0.1" : parts.first, e);
  auto port = static_cast<uint16_t>(std::strtoul(parts.second.c_str(), nullptr, 10));
  tcp::endpoint endpoint(host, port);
  if (!e) i->acceptor.open(endpoint.protocol(), e);
  if (!e) i->acceptor.set_option(asio::socket_base::reuse_address(true), e);
  if (!e) i->acceptor.bind(endpoint, e);
  if (!e) i->acceptor.listen(asio::socket_base::max_listen_connections, e);
  if (e) return error{errc::io, "cannot listen on " + address + ": " + e.message()};
  i->address = parts.first + ":" + std::to_string(i->acceptor.local_endpoint().port());
  i->accept();
  i->thread = std::thread([p = i.get()] { p->context.run(); });
  return std::unique_ptr<http_server>(new http_server(std::move(i)));
}

http_server::~http_server() {
  impl_->context.stop();
  impl_->thread.join();
}

const std::string& http_server::address() const {
  return impl_->address;
}

result<http_response> http_call(const std::string& address, const std::string& method,
                                const std::string& target, const std::string& body) {
  WEIR_ASSIGN(auto parts, split_address(address));
  auto failed = [&](const beast::error_code& e) {
    return error{errc::io, "no answer from " + address + ": " + e.message()};
  };
  asio::io_context context;
  beast::error_code e;
  auto found = tcp::resolver(context).resolve(parts.first, parts.second, e);
  if (e) return failed(e);
  beast::tcp_stream stream(context);
  stream.connect(found, e);
  if (e) return failed(e);
  http::request<http::string_body> request{http::string_to_verb(method), target, 11};
  request.set(http::field::host, parts.first);
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  http::write(stream, request, e);
  if (e) return failed(e);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(http_body_max);
  http::read(stream, buffer, parser, e);
  if (e) return failed(e);
  auto& r = parser.get();
  return http_response{static_cast<int>(r.result_int()), std::move(r.body()), ""};
}

}  // namespace weir::cli
