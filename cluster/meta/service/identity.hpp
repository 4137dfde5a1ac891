// Who a node is: made once with its data directory, kept in DATA_DIR/node-id and
// DATA_DIR/cluster-id. Blocking; one thread.
#pragma once

#include <optional>
#include <string>

#include "cluster/meta/raft/records.hpp"
#include "runtime/base/result.hpp"
#include "runtime/io/file.hpp"
#include "runtime/kafka/protocol/types.hpp"

namespace weir::meta {

/// The node's own id; made and kept when there is none. errc::corrupt: the file holds something
/// else.
result<kafka::uuid> node_identity(file_system&, const std::string& data_dir);
/// Nothing while the node belongs to no cluster.
result<std::optional<kafka::uuid>> cluster_identity(file_system&, const std::string& data_dir);
status keep_cluster_identity(file_system&, const std::string& data_dir, const kafka::uuid&);
/// The id of a node's server of the consensus follows from its identity, so it is used once, as a
/// server that lost its disk has to be another one.
server_id server_of(const kafka::uuid& identity);

}  // namespace weir::meta
