// Files that jobs need (plans, operator libraries), named by the hash of their content: kept under
// DATA_DIR/files, given to and fetched from other nodes. Thread-safe; disk work runs on the I/O
// executor.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/node/incoming_files.hpp"
#include "runtime/io/executor.hpp"
#include "runtime/io/file.hpp"
#include "runtime/kafka/peers/peer_client.hpp"
#include "runtime/kafka/protocol/messages/nodes.hpp"

namespace weir {

/// How long a file is kept that no job names.
inline constexpr int64_t unused_file_age_us = 600'000'000;
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

  /// As read(), but gives the path here: a file with the hash's content lies there, which is
  /// replaced or removed as a whole only.
  void locate(const std::string& hash, std::vector<std::string> nodes,
              std::function<void(result<std::string> path)> done);
  /// A part of a file that a client brings: incoming_files::take().
  result<std::optional<std::string>> collect(const std::string& hash, size_t offset, size_t size,
                                             std::string_view part);
  /// Removes all files but these, and those younger than unused_file_age_us: of a job that is being
  /// submitted, they come before it.
  /// Those of `here_too` that are not here are fetched from `nodes`.
  void look_after(std::set<std::string> needed, std::vector<std::string> here_too,
                  std::vector<std::string> nodes);

  // What other nodes ask.
  void serve(const kafka::node_file_request&, std::function<void(kafka::node_file_response)>);
  void take(kafka::node_store_file_request, std::function<void(kafka::node_store_file_response)>);

 private:
  /// Room for two of the largest at the same time.
  static constexpr incoming_files::limits incoming{job_file_bytes_max, 8, 2 * job_file_bytes_max};
  using read_callback = std::function<void(result<std::string>)>;
  bool is_ours(const kafka::uuid& cluster) const;
  result<std::string> load(const std::string& hash) const;
  result<kafka::node_file_response> read_part(const kafka::node_file_request&) const;
  status keep(const std::string& hash, const std::string& content) const;
  void touch(const std::string& hash) const;
  void drop_unused(const std::set<std::string>& needed);
  void offer(const std::string& address, std::shared_ptr<const std::string> content,
             const std::string& hash, std::function<void(status)> done);
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
  incoming_files coming_{incoming};   // from other nodes
  incoming_files uploads_{incoming};  // from clients
};

}  // namespace weir
