// /libraries: shared libraries of custom operators, named by the SHA-256 of their content. A client
// brings those that its job needs before the job. Handlers block; any thread.
#pragma once

#include "cluster/http/target.hpp"
#include "cluster/node/membership.hpp"

namespace weir::http {

/// GET /libraries/HASH: 200 when the cluster has it, on enough nodes to survive the loss of one;
/// 404 when it has to be brought. POST /libraries/HASH?offset=N&size=N: the next part of it, the
/// first one with offset 0; 200 after the last one means as much as for GET. 400: begin again.
http_response answer_libraries(membership&, const http_request&, const target&);

}  // namespace weir::http
