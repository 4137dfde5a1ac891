// One Kafka broker in memory with what librdkafka's mock cluster lacks: transactions that are
// isolated, fenced and aborted as in Kafka, with offsets of groups in them. Just enough of the
// protocol (the versions before compact encodings) for one node. A thread per connection.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {

class wire_reader;
class wire_writer;

class small_broker {
 public:
  explicit small_broker(uint16_t port = 0);
  ~small_broker();
  small_broker(const small_broker&) = delete;
  small_broker& operator=(const small_broker&) = delete;

  std::string bootstrap() const { return "127.0.0.1:" + std::to_string(port_); }
  void create(const std::string& topic, int partitions);
  /// The next request of this kind is answered with this error (for each of its partitions), or,
  /// with `drop`, carried out and not answered: the connection closes.
  void fail_next(int16_t api, int16_t error);
  void drop_next(int16_t api);
  void forget_failures();
  /// How many requests of this kind have come.
  int requests(int16_t api) const;
  /// Transactions that are neither committed nor aborted.
  int open_transactions() const;

  static constexpr int16_t produce = 0, fetch = 1, list_offsets = 2, metadata = 3,
                           offset_commit = 8, offset_fetch = 9, find_coordinator = 10,
                           api_versions = 18, init_producer_id = 22, add_partitions = 24,
                           add_offsets = 25, end_transaction = 26, txn_offset_commit = 28;

 private:
  using partition_id = std::pair<std::string, int32_t>;
  struct stored_batch {
    int64_t base = 0, last = 0, max_time = 0;
    std::string bytes;
  };
  struct aborted {
    int64_t producer, first, last;
  };
  struct sequence {
    int16_t epoch = -1;
    int32_t last = -1;
  };
  struct partition {
    std::deque<stored_batch> batches;
    int64_t next = 0;
    std::map<int64_t, int64_t> open;  // producer -> first offset of its transaction
    std::vector<aborted> aborts;
    std::map<int64_t, sequence> sequences;
    int64_t stable() const;
  };
  struct commitment {
    int64_t offset = -1;
    std::string metadata;
  };
  struct transaction {
    int64_t producer = 0;
    int16_t epoch = 0;
    bool ongoing = false;
    std::set<partition_id> partitions;
    std::map<std::string, std::map<partition_id, commitment>> offsets;  // by group
  };

  void accept_connections();
  void serve(int socket);
  bool answer(int16_t api, int16_t version, wire_reader& in, wire_writer& out);
  void on_versions(int16_t version, wire_writer&);
  void on_metadata(wire_reader&, wire_writer&);
  void on_produce(wire_reader&, wire_writer&);
  int16_t append(partition&, const std::string& topic, int32_t index, std::string records,
                 const std::string& transactional_id, int64_t& base);
  void on_fetch(wire_reader&, wire_writer&);
  void on_list_offsets(wire_reader&, wire_writer&);
  void on_offset_commit(wire_reader&, wire_writer&);
  void on_offset_fetch(wire_reader&, wire_writer&);
  void on_init_producer(wire_reader&, wire_writer&);
  void on_add_partitions(wire_reader&, wire_writer&);
  void on_add_offsets(wire_reader&, wire_writer&);
  void on_txn_offset_commit(wire_reader&, wire_writer&);
  void on_end_transaction(wire_reader&, wire_writer&);
  void finish(transaction&, bool commit);
  int16_t check(const std::string& transactional_id, int64_t producer, int16_t epoch);
  partition* find(const std::string& topic, int32_t index);

  uint16_t port_ = 0;
  int listener_ = -1;
  std::thread acceptor_;
  mutable std::mutex m_;
  std::condition_variable grown_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::set<int> sockets_;
  std::map<std::string, std::vector<std::unique_ptr<partition>>> topics_;
  std::map<std::string, std::map<partition_id, commitment>> groups_;
  std::map<std::string, transaction> transactions_;
  int64_t next_producer_ = 1000;
  std::map<int16_t, std::deque<int16_t>> failures_;
  std::map<int16_t, int> drops_, requests_;
  int16_t failure_ = 0;  // of the request that is being answered
};

}  // namespace weir::test
