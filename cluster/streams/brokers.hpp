// Connections to the brokers of a cluster, for those who use topics from outside: one to the
// address that was given, others to leaders on other nodes when they are first needed. Blocking;
// owned and used by one thread. Every error says what was asked for, what the broker said and,
// where there is something, what to do.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kafka/protocol/client.hpp"

namespace weir::kafka {
struct metadata_response;
}

namespace weir::streams {

struct partition_facts {
  int32_t index = 0;
  int32_t leader = -1;
  std::vector<int32_t> replicas, in_sync;
  kafka::error_code error = kafka::error_code::none;
};
struct topic_facts {
  std::string name;
  kafka::uuid id;
  bool internal = false;
  std::vector<partition_facts> partitions;  // by index
};

/// A broker's refusal: errc by what a caller can do about it, and the text
/// "WHAT: MESSAGE (CODE_NAME)". `detail` replaces the code's general message.
error refused(kafka::error_code, const std::string& what,
              const std::optional<std::string>& detail = {});
inline status check(kafka::error_code e, const std::string& what,
                    const std::optional<std::string>& detail = {}) {
  if (e == kafka::error_code::none) return {};
  return refused(e, what, detail);
}

/// The connection failed, or what was asked for may be there in a moment: worth another try, with
/// new connections and newer metadata.
inline bool is_of_transport(const error& e) noexcept {
  return e.code == errc::io || e.code == errc::timeout;
}
inline constexpr auto retry_pause = std::chrono::milliseconds(50);

/// "HOST:PORT", also "[::1]:PORT". errc::invalid_argument.
result<std::pair<std::string, uint16_t>> parse_address(const std::string& text);

class brokers {
 public:
  static result<brokers> connect(const std::string& address, kafka::client_options = {});

  /// Asks the node that was connected to. In the highest version that both sides know.
  template <class Request>
  result<typename Request::response_type> ask(const Request& body) {
    return first_->request(body);
  }
  template <class Request>
  result<typename Request::response_type> ask(const Request& body, int16_t version) {
    return first_->request(body, version);
  }
  kafka::client& first() noexcept { return *first_; }
  /// The connection to a node that a topic's facts name. A cluster of one node is reached by the
  /// address that was given, whatever it says of itself (tunnels, containers).
  result<kafka::client*> node(int32_t id);
  /// That to the leader of one of the topic's partitions; errc::timeout if nobody leads it,
  /// errc::not_found if there is none of that number.
  result<kafka::client*> leader(const topic_facts&, int32_t partition);
  /// Connections to all nodes that live.
  result<std::vector<kafka::client*>> all_nodes();
  enum class keeps : int8_t { group = 0, transactions = 1 };  // as FindCoordinator counts
  /// The connection to the node that keeps the group, or a transactional id's transactions.
  result<kafka::client*> coordinator_of(keeps, const std::string& id);
  const std::string& address() const noexcept { return address_; }
  /// After the transport failed: all connections are made anew. When the address that was given
  /// doesn't answer, another node takes its place.
  status reconnect();

  /// All topics by name; internal ones too.
  result<std::vector<topic_facts>> topics();
  /// errc::not_found.
  result<topic_facts> topic(const std::string& name);

 private:
  void learn_nodes(const kafka::metadata_response&);

  brokers(std::string address, kafka::client_options o, kafka::client c)
      : address_(std::move(address)),
        options_(std::move(o)),
        first_(std::make_unique<kafka::client>(std::move(c))) {}

  std::string address_;
  kafka::client_options options_;
  std::unique_ptr<kafka::client> first_;
  std::map<int32_t, std::pair<std::string, uint16_t>> nodes_;  // as the last metadata said
  std::map<int32_t, std::unique_ptr<kafka::client>> others_;
};

}  // namespace weir::streams
