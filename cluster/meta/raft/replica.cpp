#include "cluster/meta/raft/replica.hpp"

#include "cluster/meta/state/command_codec.hpp"

namespace weir::meta {

result<std::string> metadata_replica::apply(log_index, std::string_view bytes) {
  WEIR_ASSIGN(request r, decode_request(bytes));
  return encode_answer(state_.apply(r).reply);
}

status metadata_replica::restore(std::string_view bytes) {
  WEIR_ASSIGN(state_, cluster_state::restore(bytes, limits_));
  return {};
}

}  // namespace weir::meta
