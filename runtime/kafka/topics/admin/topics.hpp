// Making, deleting and widening topics: CreateTopics 2-7, DeleteTopics 1-6, CreatePartitions 0-3,
// and the topics that the node makes by itself. Functions as described in admin.hpp. Results stand
// in the request's order, with what is named twice answered once.
#pragma once

#include <span>

#include "runtime/kafka/protocol/messages/topics.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"

namespace weir::kafka {

admin_answer<create_topics_response> answer_create_topics(const create_topics_request&,
                                                          const topic_catalog&, const node_facts&,
                                                          const request_facts&);
admin_answer<delete_topics_response> answer_delete_topics(const delete_topics_request&,
                                                          const topic_catalog&, const node_facts&,
                                                          const request_facts&);
admin_answer<create_partitions_response> answer_create_partitions(const create_partitions_request&,
                                                                  const topic_catalog&,
                                                                  const node_facts&,
                                                                  const request_facts&);

/// The command that makes __consumer_offsets or __transaction_state (compacted, partitions as
/// configured); for the coordinators, which need them before any client asks.
create_topic_command internal_topic(std::string_view name, const node_facts&, const request_facts&);
/// What Metadata makes of a name that does not exist: an internal topic or a plain one with the
/// node's defaults.
create_topic_command auto_created_topic(std::string_view name, const node_facts&,
                                        const request_facts&);

/// The answer when the commands could not be made durable: each result that was a success fails
/// with `why`, the others stay.
void fail_all(create_topics_response&, const api_error& why);
void fail_all(delete_topics_response&, const api_error& why);
void fail_all(create_partitions_response&, const api_error& why);

}  // namespace weir::kafka
