// One client's connection: cuts its bytes into requests, sends answers in the order of the
// requests. Owned by shared pointers of the operations under way; lives on its listener's thread,
// except complete(), which any thread may call. What always holds: a request has its memory before
// its bytes are read; answers leave in order; a client that does not read its answers, or sends
// faster than it is served, is not read from, and costs nobody else anything.
#pragma once

#include <utility>  // Boost.Asio 1.74 needs it and does not say so

#include <boost/asio.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "actors/gateway/answer.hpp"
#include "actors/gateway/request_memory.hpp"
#include "runtime/base/result.hpp"
#include "runtime/io/tls.hpp"

namespace weir {

class connection;
using connection_ptr = std::shared_ptr<connection>;

/// A request that came in, and the place of its answer among the connection's.
struct request_ticket {
  connection_ptr from;
  uint64_t number = 0;
  frame_ptr frame;
};

/// What is made of a connection's requests; called on the listener's thread.
class request_handler {
 public:
  virtual ~request_handler() = default;
  /// Whether this request may begin while others of the connection are not yet answered: only
  /// appends among themselves may, everything else happens one after the other, as clients expect.
  virtual bool may_overlap(std::span<const std::byte> frame) const = 0;
  /// Answers through ticket.from->complete(ticket.number, answer), now or later, exactly once.
  virtual void handle(request_ticket ticket) = 0;
  /// The connection is gone; nobody waits for its answers.
  virtual void closed(connection&) {}
};

/// Bounds of one gateway.
struct connection_limits {
  size_t request_bytes_max = 100u << 20;  // Kafka's socket.request.max.bytes
  size_t other_bytes_max = 8u << 20;      // of requests that append nothing; real ones have < 1 MiB
  size_t overlapping_max = 32;            // appends of one connection under way
  size_t waiting_max = 16;                // requests read and not yet begun
  std::chrono::seconds idle_max{600};     // Kafka's connections.max.idle.ms
};

class connection : public std::enable_shared_from_this<connection> {
 public:
  using socket = boost::asio::ip::tcp::socket;
  connection(socket, const tls_context_ptr&, request_handler&, std::shared_ptr<request_memory>,
             const connection_limits&, uint64_t id);

  /// Begins to read. On the listener's thread, once.
  void start();
  /// The answer to request `number`; from any thread, once for each request.
  void complete(uint64_t number, answer);
  /// Ends it; answers that are not sent are lost.
  void close();
  /// Memory was given back: a request that waits for it may go on.
  void memory_released();
  bool waits_for_memory() const noexcept { return open_ && wants_memory_; }
  /// What a request that is not complete since `before` holds.
  size_t incomplete_bytes(std::chrono::steady_clock::time_point before) const noexcept {
    return open_ && frame_ && frame_began_ < before ? frame_->granted() + carry_.size() : 0;
  }
  /// Closes when nothing was read or sent for the limit's time and no request is under way.
  void close_if_idle(std::chrono::steady_clock::time_point now);
  /// Until `t` no more requests are begun or read: a quota was exceeded (throttle_time_ms). On the
  /// listener's thread.
  void mute_until(std::chrono::steady_clock::time_point t);

  uint64_t id() const noexcept { return id_; }
  /// "/127.0.0.1", as Kafka shows it.
  const std::string& host() const noexcept { return host_; }
  static std::string host_text(const boost::asio::ip::tcp::endpoint& remote) {
    return "/" + remote.address().to_string();
  }
  const std::string& local_host() const noexcept { return local_host_; }
  auto executor() { return socket_.get_executor(); }
  bool open() const noexcept { return open_; }

 private:
  struct pending {
    uint64_t number;
    bool overlaps;
    std::optional<answer> done;
  };
  void wait_readable();
  void read();
  bool parse(std::span<const std::byte>);
  bool begin_frame();
  bool grow_frame();
  void frame_complete();
  void begin_requests();
  void deliver(uint64_t number, answer);
  void write();
  bool write_memory(const answer&);
  bool write_file(const answer&);
  void finish_write();
  bool may_read() const;
  bool muted() const;

  socket socket_;
  byte_channel channel_;
  request_handler& handler_;
  std::shared_ptr<request_memory> memory_;
  const connection_limits& limits_;
  const uint64_t id_;
  std::string host_, local_host_;
  bool open_ = true;
  std::chrono::steady_clock::time_point last_use_, muted_until_;
  std::optional<boost::asio::steady_timer> mute_timer_;

  // Reading.
  bool reading_ = false;  // a wait for readability is under way
  bool read_waits_for_write_ = false;
  std::array<std::byte, 4> size_bytes_{};
  size_t size_have_ = 0;
  frame_ptr frame_;  // under way
  size_t frame_have_ = 0;
  std::chrono::steady_clock::time_point frame_began_;
  bool wants_memory_ = false;
  connection_ptr waiting_self_;   // while it waits for memory
  std::vector<std::byte> carry_;  // read, but not parsed: behind a request that waits for memory

  // Requests in their order: begun ones first, then (frames) those that wait for their turn.
  uint64_t next_number_ = 0;
  std::deque<pending> begun_;
  std::deque<frame_ptr> waiting_;

  // Writing the front of begun_.
  bool writing_ = false;  // a wait for writability is under way
  size_t memory_sent_ = 0, hole_ = 0, slice_ = 0;
  uint64_t slice_sent_ = 0;
  std::shared_ptr<positional_file> sending_;
};

}  // namespace weir
