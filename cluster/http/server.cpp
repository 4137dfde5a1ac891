#include "cluster/http/server.hpp"

#include <utility>  // Boost.Asio 1.74 needs it and does not say so

#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <thread>

#include "runtime/column/json_text.hpp"
#include "runtime/column/text.hpp"
#include "runtime/io/acceptor.hpp"

namespace weir::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;
using tcp = asio::ip::tcp;

constexpr const char* view_age_header = "Weir-View-Age-Ms";
// A client that sends nothing for this long loses its connection.
constexpr auto connection_idle_limit = std::chrono::seconds(30);
// A node that takes longer to connect to is passed over when there is another one.
constexpr auto next_address_after = std::chrono::seconds(3);

/// What connections share. Lives as long as the server.
struct shared_state {
  http_server::handler later;
  http_server::quick_handler at_once;
  std::atomic<size_t> waiting{0}, connections{0};
  asio::thread_pool* workers = nullptr;
};

/// One client's connection; lives as long as an operation on it is under way. On the listener's
/// thread, but for the handler.
class session : public std::enable_shared_from_this<session> {
 public:
  session(tcp::socket s, shared_state& shared) : stream_(std::move(s)), shared_(shared) {
    ++shared_.connections;
  }
  ~session() { --shared_.connections; }
  void read() {
    parser_.emplace();
    parser_->body_limit(http_body_max);
    stream_.expires_after(connection_idle_limit);
    bhttp::async_read(stream_, buffer_, *parser_,
                      [self = shared_from_this()](beast::error_code e, size_t) {
                        if (!e) return self->begin();
                        if (e == bhttp::error::body_limit)
                          self->write(problem(413,
                                              "a request has at most 16 MiB; more records go "
                                              "by the Kafka listener"),
                                      false);
                      });
  }

 private:
  void begin() {
    auto& message = parser_->get();
    http_request request{std::string(message.method_string()), std::string(message.target()),
                         std::move(message.body()),
                         std::string(message[bhttp::field::content_type])};
    const bool keep_alive = message.keep_alive();
    if (shared_.at_once)
      if (auto reply = shared_.at_once(request)) return write(std::move(*reply), keep_alive);
    if (shared_.waiting.fetch_add(1) >= http_waiting_max) {
      --shared_.waiting;
      return write(problem(503, "too many requests wait; come again in a moment"), keep_alive);
    }
    stream_.expires_never();
    asio::post(*shared_.workers,
               [self = shared_from_this(), keep_alive, request = std::move(request)]() mutable {
                 --self->shared_.waiting;
                 auto reply = self->shared_.later(request);
                 asio::post(self->stream_.get_executor(),
                            [self, keep_alive, reply = std::move(reply)]() mutable {
                              self->write(std::move(reply), keep_alive);
                            });
               });
  }
  void write(http_response reply, bool keep_alive) {
    response_ = {static_cast<bhttp::status>(reply.status), 11};
    response_.set(bhttp::field::content_type, reply.type);
    if (reply.status == 503) response_.set(bhttp::field::retry_after, "1");
    if (reply.view_age_ms) response_.set(view_age_header, std::to_string(*reply.view_age_ms));
    response_.keep_alive(keep_alive);
    response_.body() = std::move(reply.body);
    response_.prepare_payload();
    stream_.expires_after(connection_idle_limit);
    bhttp::async_write(stream_, response_,
                       [self = shared_from_this()](beast::error_code e, size_t) {
                         if (!e && self->response_.keep_alive()) return self->read();
                         beast::error_code ignored;  // the client may be gone already
                         self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                       });
  }

  beast::tcp_stream stream_;
  shared_state& shared_;
  beast::flat_buffer buffer_;
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  bhttp::response<bhttp::string_body> response_;
};

}  // namespace

http_response problem(int status, const std::string& text) {
  return {status, "{\"error\": " + json_string(text) + "}\n", "application/json"};
}

struct http_server::impl {
  // Sessions end with the context at the latest, those that wait for a thread with the threads.
  shared_state shared;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::thread_pool workers{http_threads};
  std::string address;
  std::thread thread;

  void accept() {
    acceptor.async_accept([this](beast::error_code e, tcp::socket socket) {
      if (!e && shared.connections < http_connections_max)
        std::make_shared<session>(std::move(socket), shared)->read();
      if (acceptor.is_open()) accept();
    });
  }
};

http_server::http_server(std::unique_ptr<impl> i) : impl_(std::move(i)) {}

result<std::unique_ptr<http_server>> http_server::start(const std::string& address, handler later,
                                                        quick_handler at_once) {
  WEIR_ASSIGN(const auto where, split_listener(address));
  auto i = std::make_unique<impl>();
  i->shared.workers = &i->workers;
  i->shared.later = std::move(later);
  i->shared.at_once = std::move(at_once);
  WEIR_ASSIGN(const auto port, listen_with(i->acceptor, where));
  i->address = join_address(where.host, port);
  i->accept();
  i->thread = std::thread([p = i.get()] { p->context.run(); });
  return std::unique_ptr<http_server>(new http_server(std::move(i)));
}

http_server::~http_server() {
  impl_->context.stop();
  impl_->thread.join();
  // Those that wait for a thread are dropped, those that run end first; their answers go nowhere.
  impl_->workers.stop();
  impl_->workers.join();
}

const std::string& http_server::address() const {
  return impl_->address;
}

namespace {

/// At least one, separated by commas.
result<std::vector<host_port>> split_addresses(const std::string& text) {
  std::vector<host_port> nodes;
  for (std::string_view rest = text; nodes.empty() || !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    WEIR_ASSIGN(auto node, split_address(std::string(rest.substr(0, end))));
    nodes.push_back(std::move(node));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return nodes;
}

}  // namespace

result<http_response> http_call(const std::string& addresses, const std::string& method,
                                const std::string& target, const std::string& body,
                                std::chrono::seconds limit) {
  WEIR_ASSIGN(const auto nodes, split_addresses(addresses));
  // Asynchronous within, for only that has a time limit.
  asio::io_context context;
  beast::error_code e;
  beast::tcp_stream stream(context);
  auto run = [&context, &e](auto begin) {
    begin([&e](beast::error_code outcome, auto&&...) { e = outcome; });
    context.restart();
    context.run();
  };
  const auto until = std::chrono::steady_clock::now() + limit;
  std::string missed;  // why those before did not answer
  // Another node is asked only while nothing has been asked for: what a lost answer was about may
  // have been done.
  const host_port* where = nullptr;
  for (size_t i = 0; i < nodes.size() && !where; ++i) {
    const auto& n = nodes[i];
    auto found = tcp::resolver(context).resolve(n.host, std::to_string(n.port), e);
    if (!e) {
      stream.close();
      const auto now = std::chrono::steady_clock::now();
      stream.expires_at(i + 1 == nodes.size() ? until : std::min(until, now + next_address_after));
      run([&](auto done) { stream.async_connect(found, done); });
    }
    if (e)
      missed += (i == 0 ? "" : "; ") + join_address(n.host, n.port) + ": " + e.message();
    else
      where = &n;
  }
  if (!where) return error{errc::io, "no answer from " + missed};
  stream.expires_at(until);
  auto failed = [&](const beast::error_code& why) {
    return error{errc::io,
                 "no answer from " + join_address(where->host, where->port) + ": " + why.message()};
  };
  bhttp::request<bhttp::string_body> request{bhttp::string_to_verb(method), target, 11};
  request.set(bhttp::field::host, join_address(where->host, where->port));
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  run([&](auto done) { bhttp::async_write(stream, request, done); });
  if (e) return failed(e);
  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(boost::none);
  run([&](auto done) { bhttp::async_read(stream, buffer, parser, done); });
  if (e) return failed(e);
  auto& r = parser.get();
  http_response out{static_cast<int>(r.result_int()), std::move(r.body()), ""};
  if (auto age = parse_int64(std::string(r[view_age_header])); age && *age >= 0)
    out.view_age_ms = static_cast<uint64_t>(*age);
  return out;
}

}  // namespace weir::http
