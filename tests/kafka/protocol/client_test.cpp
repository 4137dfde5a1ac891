// The blocking client against a scripted broker on a loopback socket.
#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "runtime/kafka/protocol/client.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"

namespace weir::kafka::test {
namespace {

// Takes one connection and answers each request with what `answer` writes; an empty answer closes.
class scripted_broker {
 public:
  using answer_function = std::function<void(const request_header&, reader&, writer&)>;

  explicit scripted_broker(answer_function answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&a), size) == 0);
    REQUIRE(::listen(listener_, 1) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &size) == 0);
    port_ = ntohs(a.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~scripted_broker() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  uint16_t port() const { return port_; }

 private:
  static bool read_all(int s, std::byte* to, size_t size) {
    while (size > 0) {
      const ssize_t n = ::recv(s, to, size, 0);
      if (n <= 0) return false;
      to += n, size -= static_cast<size_t>(n);
    }
    return true;
  }
  void serve() {
    const int s = ::accept(listener_, nullptr, nullptr);
    if (s < 0) return;
    std::byte head[4];
    while (read_all(s, head, 4)) {
      reader length(head);
      std::vector<std::byte> frame(static_cast<size_t>(length.int32("length")));
      if (!read_all(s, frame.data(), frame.size())) break;
      reader r(frame);
      request_header h;
      writer w;
      if (!decode(r, h)) break;
      answer_(h, r, w);
      if (w.size() == 0) break;
      if (::send(s, w.view().data(), w.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::close(s);
  }

  answer_function answer_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

void answer_versions(const request_header& h, writer& w) {
  api_versions_response a;
  a.api_keys.push_back({static_cast<int16_t>(api_key::metadata), 2, 8});
  a.api_keys.push_back({static_cast<int16_t>(api_key::fetch), 40, 50});
  encode_response(w, h.correlation_id, a, h.version);
}

}  // namespace

TEST_CASE("kafka client: asks for the versions once and uses the highest common one") {
  int versions_asked = 0;
  scripted_broker broker([&](const request_header& h, reader& r, writer& w) {
    if (h.key == 18) return ++versions_asked, answer_versions(h, w);
    metadata_request m;
    if (!decode(r, m, h.version)) return;
    metadata_response a;
    a.cluster_id = "v" + std::to_string(h.version) + " for " + h.client_id.value_or("nobody");
    for (const auto& t : *m.topics) a.topics.emplace_back().name = t.name;
    encode_response(w, h.correlation_id, a, h.version);
  });
  auto c = client::connect("127.0.0.1", broker.port(), {.client_id = "test"});
  REQUIRE(c.ok());
  for (int i = 0; i < 2; ++i) {
    metadata_request m;
    m.topics.emplace().emplace_back().name = "t";
    const auto a = c->request(m);
    REQUIRE_MESSAGE(a.ok(), a.err().text());
    CHECK(a->cluster_id == "v8 for test");
    CHECK(a->topics.at(0).name == "t");
  }
  CHECK(versions_asked == 1);
  const std::string at = "127.0.0.1:" + std::to_string(broker.port());
  CHECK(c->request(fetch_request{}).err().message ==
        at + ": Fetch: the broker has versions 40 to 50, we have 4 to 18");
  CHECK(c->request(heartbeat_request{}).err().message ==
        at + ": the broker does not have Heartbeat");
  CHECK(c->request(heartbeat_request{}, 17).err().code == errc::unsupported);
}

TEST_CASE("kafka client: pipelined requests are answered in order") {
  scripted_broker broker([&](const request_header& h, reader&, writer& w) {
    heartbeat_response a;
    a.error_code = static_cast<error_code>(h.correlation_id);
    encode_response(w, h.correlation_id, a, h.version);
  });
  auto c = client::connect("127.0.0.1", broker.port());
  REQUIRE(c.ok());
  std::vector<int32_t> ids;
  for (int i = 0; i < 10; ++i) {
    const auto id = c->send(heartbeat_request{}, 4);
    REQUIRE(id.ok());
    ids.push_back(*id);
  }
  for (const int32_t id : ids) {
    const auto a = c->receive<heartbeat_response>(id, 4);
    REQUIRE(a.ok());
    CHECK(static_cast<int32_t>(a->error_code) == id);
  }
}

TEST_CASE("kafka client: wrong, oversized and missing answers are errors") {
  scripted_broker broker([&](const request_header& h, reader&, writer& w) {
    if (h.version == 0) encode_response(w, h.correlation_id + 1, heartbeat_response{}, 0);
    if (h.version == 1) w.int32(1 << 20);
    // version 2: closes
  });
  const char* expected[] = {"an answer to request 2 where the one to 1 was expected",
                            "an answer of 1048576 bytes is refused"};
  for (const int16_t v : {0, 1}) {
    scripted_broker other([&](const request_header& h, reader&, writer& w) {
      if (h.version == 0) return encode_response(w, h.correlation_id + 1, heartbeat_response{}, 0);
      w.int32(1 << 20);
    });
    auto c = client::connect("127.0.0.1", other.port(), {.response_bytes_max = 1000});
    REQUIRE(c.ok());
    const auto a = c->request(heartbeat_request{}, v);
    REQUIRE(!a.ok());
    CHECK(a.err().code == errc::parse);
    CHECK(a.err().message.ends_with(expected[v]));
    // The connection is closed then, and says so.
    CHECK(c->request(heartbeat_request{}, v).err().code == errc::io);
  }
  auto c = client::connect("127.0.0.1", broker.port());
  REQUIRE(c.ok());
  CHECK(c->request(heartbeat_request{}, 2)
            .err()
            .message.ends_with("the broker closed the connection"));
}

TEST_CASE(
    "kafka client: a broker that does not answer is a timeout, one that is not there an error") {
  // The listener takes the connection into its backlog and nobody reads.
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  REQUIRE(::bind(s, reinterpret_cast<sockaddr*>(&a), size) == 0);
  REQUIRE(::getsockname(s, reinterpret_cast<sockaddr*>(&a), &size) == 0);
  const uint16_t port = ntohs(a.sin_port);
  const auto refused = client::connect("127.0.0.1", port);  // bound, but nobody listens
  REQUIRE(!refused.ok());
  CHECK(refused.err().code == errc::io);
  CHECK(
      refused.err().message.starts_with("127.0.0.1:" + std::to_string(port) + ": cannot connect"));
  REQUIRE(::listen(s, 1) == 0);
  auto c = client::connect("127.0.0.1", port, {.timeout_ms = 20});
  REQUIRE(c.ok());
  CHECK(c->request(heartbeat_request{}, 0).err().code == errc::timeout);
  ::close(s);
}

}  // namespace weir::kafka::test
