// Files that jobs need (plans, operator libraries), named by the hash of their content: kept under
// DATA_DIR/files, given to and fetched from other nodes. Thread-safe; disk work runs on the I/O
// executor.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/io/executor.hpp"
#include "runtime/io/file.hpp"
#include "runtime/kafka/peers/peer_client.hpp"
#include "runtime/kafka/protocol/messages/nodes.hpp"

namespace weir {

/// Longest file that jobs may bring.
inline constexpr size_t job_file_bytes_max = size_t{256} << 20;

/// SHA-256 of the content, in hexadecimal.
std::string content_hash(std::string_view content);

class file_store {
 public:
  file_store(file_system&, io_executor&, kafka::peer_client&, std::string folder);

  /// Which cluster's nodes are served.
  void set_cluster(const kafka::uuid& c);
  /// Durable here and on those of `nodes` (addresses) that answer; at least `copies` in all, else
  /// an error that says who did not. `done` is called once, on any thread.
  void store(std::string content, std::vector<std::string> nodes, size_t copies,
             std::function<void(result<std::string>)> done);
  /// From this disk, else from the first of `nodes` that has it. errc::not_found.
  void read(const std::string& hash, std::vector<std::string> nodes,
            std::function<void(result<std::string>)> done);

  // What other nodes ask.
  void serve(const kafka::node_file_request&, std::function<void(kafka::node_file_response)>);
  void take(kafka::node_store_file_request, std::function<void(kafka::node_store_file_response)>);

 private:
  using read_callback = std::function<void(result<std::string>)>;
  bool is_ours(const kafka::uuid& cluster) const;
  result<std::string> load(const std::string& hash) const;
  status keep(const std::string& hash, const std::string& content) const;
  void give(const std::string& address, std::shared_ptr<const std::string> content,
            const std::string& hash, size_t offset, std::function<void(status)> done);
  void fetch(std::shared_ptr<std::string> so_far, const std::string& hash,
             std::vector<std::string> nodes, size_t node, read_callback done);

  file_system& files_;
  io_executor& io_;
  kafka::peer_client& peers_;
  std::string folder_;
  mutable std::mutex mutex_;
  kafka::uuid cluster_;
  std::map<std::string, std::string> coming_;  // files that are being given, by hash
};

}  // namespace weir
