// /groups and /transactions: list, describe with lag, set offsets, delete; list and abort. Handlers
// block; any thread.
#pragma once

#include "cluster/http/broker_pool.hpp"

namespace weir::http {

/// `t.path` begins with "groups".
http_response answer_groups(broker_pool&, const http_request&, const target& t);
/// `t.path` begins with "transactions".
http_response answer_transactions(broker_pool&, const http_request&, const target& t);

}  // namespace weir::http
