// How rows reach tasks of other processes: one connection per pair of processes, on which the
// messages of all channels between them travel in order, rows as the buffers that they are in
// (writev; no copy is made in this process). Credit of channels goes back on the same connection.
// Made and ended by the process; tasks use it from the scheduler's threads, receivers are called on
// its own thread. Always holds: a link is one TCP connection, never a later one in its place, so
// nothing that was lost with a connection is followed by anything newer.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/data/credit_budget.hpp"
#include "runtime/base/result.hpp"
#include "runtime/column/memory.hpp"
#include "runtime/flow/message.hpp"
#include "runtime/io/tls.hpp"

namespace weir {

struct data_options {
  std::string host = "127.0.0.1";  // where others are told to connect
  std::string listen_host;         // where it listens; empty: `host`
  uint16_t port = 0;               // 0: a free one
  std::string build;               // what others are told when they cannot talk to this one
  memory_pool* memory = nullptr;   // that rows which arrive are charged to; outlives the exchange
  /// Over them, what tasks have taken is granted back window by window.
  credit_budget::limits limits;
  /// Rows carry a checksum of their own (one pass over the bytes on each side). TCP's finds what
  /// wires do to bits, not what a faulty device between them may.
  bool checksum = false;
  /// Integers of a small range go in fewer bytes.
  bool narrow = true;
  tls_context_ptr tls;  // null: in the clear
  /// For a connection to be there, from the first task that wants it.
  std::chrono::milliseconds connect_limit{5'000};
  /// Nothing was heard of the other side, which says something at least every third part of it.
  std::chrono::milliseconds silence_limit{3'000};
  std::function<void(std::string)> log;  // its own thread
};

/// The receiving side of a task, called on the exchange's thread: must hand on and return.
class data_receiver {
 public:
  virtual ~data_receiver() = default;
  /// `encoded`: the rows of a data message, for decode_batch.
  virtual void arrived(channel_message, buffer_ref encoded) = 0;
  virtual void granted(channel_id, credit) = 0;
  /// A link that the task uses is over; once per link. errc::version_mismatch: the other build
  /// does not understand this one.
  virtual void cut_off(error) = 0;
};

struct data_counters {
  uint64_t links = 0;                          // that are up
  uint64_t bytes_out = 0, bytes_in = 0;        // frames and rows
  uint64_t messages_out = 0, messages_in = 0;  // frames
  uint64_t writes = 0, reads = 0;              // system calls
  uint64_t queued_bytes = 0;                   // under credit, for want of room in sockets
  uint64_t in_flight_bytes = 0;                // arrived, and not yet taken by tasks
  uint64_t channels_held_back = 0;             // whose credit waits for the limits
  uint64_t links_lost = 0;
};

class data_link;
using data_link_ptr = std::shared_ptr<data_link>;

class data_exchange {
 public:
  static result<std::unique_ptr<data_exchange>> open(data_options);
  /// Every task that uses it has ended.
  ~data_exchange();

  /// HOST:PORT/LIFE, for other processes.
  const std::string& address() const noexcept;

  /// From now on what comes for task `id` (unique in this process for ever) is handed on.
  void add_task(uint64_t id, std::shared_ptr<data_receiver>);
  void remove_task(uint64_t id);
  /// The link to the process at `address`; made if there is none. `task` is told when it is over.
  result<data_link_ptr> connect(const std::string& address, uint64_t task);

  /// To task `to` of the other process. Waits for nothing; what is sent over a link that is over
  /// is gone, as its users know. In the order of the calls.
  void send(const data_link_ptr&, uint64_t to, channel_message);
  /// Task `from` of this process has taken so much that task `to` there had sent.
  void grant(const data_link_ptr&, uint64_t to, uint64_t from, channel_id, credit);

  data_counters counters() const;

 private:
  struct impl;
  explicit data_exchange(std::unique_ptr<impl>);
  std::unique_ptr<impl> impl_;
};

}  // namespace weir
