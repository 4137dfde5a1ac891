// /topics and /topics/NAME: list, make, describe, change, trim, delete. Handlers block; any thread.
#pragma once

#include "cluster/http/broker_pool.hpp"

namespace weir {
class stream_storage;
}

namespace weir::http {

/// `storage`: the node's own, for what the Kafka protocol does not say (segments); may be null.
/// `t.path` begins with "topics".
http_response answer_topics(broker_pool&, stream_storage* storage, const http_request&,
                            const target& t);

}  // namespace weir::http
