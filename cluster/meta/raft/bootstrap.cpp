#include "cluster/meta/raft/node.hpp"

namespace weir::meta {

status consensus_node::bootstrap(log_store& store, const configuration& servers) {
  WEIR_ASSIGN(stored_log present, store.load());
  if (present.term != 0 || present.snapshot || !present.entries.empty())
    return {errc::already_exists,
            "the log of the metadata is not empty: this server has a cluster"};
  if (servers.empty()) return {errc::invalid_argument, "a cluster begins with a server"};
  WEIR_TRY(decode_configuration(encode_configuration(servers)));
  return store.write(
      {put_vote{1, 0}, put_entries{1, {{1, entry_type::change, encode_configuration(servers)}}}});
}

}  // namespace weir::meta
