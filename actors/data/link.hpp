// One connection to one other process: the queue of what goes out, written by whoever has something
// to send while the socket takes it and by the exchange's thread when it does not; and what comes
// in, put together on the exchange's thread. Internal to the exchange.
#pragma once

#include <sys/uio.h>

#include <utility>

#include <atomic>
#include <boost/asio.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "actors/data/frame.hpp"
#include "runtime/column/codec.hpp"
#include "runtime/io/tls.hpp"

namespace weir {

/// Over all links of a process; any thread.
struct link_counters {
  std::atomic<uint64_t> bytes_out{0}, bytes_in{0}, messages_out{0}, messages_in{0};
  std::atomic<uint64_t> writes{0}, reads{0}, queued_bytes{0}, links{0}, links_lost{0};
};

/// Buffers for rows that arrive, filled again when nobody holds them any more: memory that was
/// touched before costs no page faults. Used by the exchange's thread.
class receive_buffers {
 public:
  explicit receive_buffers(memory_pool& pool) : pool_(pool) {}
  buffer_ref take(size_t bytes);

 private:
  memory_pool& pool_;
  std::vector<buffer_ref> kept_;
  size_t kept_bytes_ = 0, next_ = 0;
};

class data_link : public std::enable_shared_from_this<data_link> {
 public:
  using clock = std::chrono::steady_clock;
  using socket = boost::asio::ip::tcp::socket;
  /// What the exchange does with it, on its thread; must outlive the link.
  class owner {
   public:
    virtual ~owner() = default;
    virtual void arrived(data_link&, const frame_head&, buffer_ref rows) = 0;
    /// Once, and nothing arrives afterwards. No lock of the link is held. Any thread.
    virtual void over(const std::shared_ptr<data_link>&, const error&) = 0;
    /// Much has arrived by itself: from now on the link wants to be read in rounds.
    virtual void busy(const std::shared_ptr<data_link>&) = 0;
  };

  data_link(boost::asio::io_context&, owner&, receive_buffers&, link_counters&, data_address to,
            uint64_t number);
  ~data_link();

  const data_address& peer() const noexcept { return peer_; }
  uint64_t number() const noexcept { return number_; }

  /// Any thread. `may_wait`: on a link that is read in rounds it goes with what is sent next, or at
  /// the end of a round.
  void send(const frame_head&, wire_message rows, bool may_wait = false);
  bool is_over() const noexcept { return over_.load(std::memory_order_acquire); }
  void fail(error);

  // The exchange's thread.
  /// Both sides have greeted each other: what waits goes out.
  void establish(socket, byte_channel of_it, bool secure);
  /// Has something said when nothing was, and looks whether the other side still speaks.
  void tick(clock::time_point now, clock::duration silence_limit);
  /// Reads what has arrived since the last round. False: it is not read in rounds any more, but
  /// whenever something arrives.
  bool read_round();

 private:
  struct outgoing {
    frame_head_text head;
    wire_message rows;
    size_t bytes() const noexcept { return head.size() + rows.bytes; }
  };
  void write(std::unique_lock<std::mutex>&);
  /// As sendmsg and readv, with their errno; what EAGAIN waits for.
  ssize_t send_pieces(const iovec*, size_t n, short& waits_for);
  ssize_t receive(const iovec*, size_t n);
  void drop_queue(std::deque<outgoing>& to);
  void wait_ready_to_write(short waits_for);
  void wait_readable();
  size_t read();
  void say_when(size_t bytes);
  /// False: damaged, and the link is over.
  bool parse();
  bool deliver();

  boost::asio::io_context& context_;
  owner& owner_;
  receive_buffers& buffers_;
  link_counters& counters_;
  const data_address peer_;
  const uint64_t number_;

  std::mutex mutex_;
  std::optional<socket> socket_;  // set once, with what follows
  // Under TLS reading and writing share its state; in the clear they go past it.
  bool secure_ = false;
  std::mutex channel_mutex_;
  byte_channel channel_;
  std::deque<outgoing> queue_;
  size_t front_sent_ = 0;  // bytes of the first in the queue that are out
  bool writing_ = false;   // somebody is
  std::atomic<bool> over_{false};
  std::atomic<clock::rep> wrote_at_{0};

  // What is being read.
  std::vector<std::byte> scratch_;
  size_t have_ = 0;  // bytes in scratch_
  frame_head head_;
  buffer_ref rows_;
  size_t rows_left_ = 0;  // bytes of rows_ that are still to come
  short read_waits_for_ = 0;
  bool waits_readable_ = false;  // go_on is still to be called
  bool in_rounds_ = false;       // changed by this thread, under mutex_
  uint32_t empty_rounds_ = 0;    // in a row
  clock::time_point heard_at_;
};

}  // namespace weir
