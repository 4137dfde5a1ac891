// Requests that ask many partitions the same thing and answer when all have: the walk over topics
// and partitions of request and response, which have the same shape in all of them.
#pragma once

#include "actors/gateway/client_request.hpp"
#include "actors/storage/directory.hpp"

namespace weir {

/// Response under way; parts of it are filled on partitions' threads, each its own.
template <class Response>
struct partition_answer {
  request_ptr request;
  Response response;
  std::shared_ptr<gather> parts;

  static std::shared_ptr<partition_answer> make(request_ptr r, size_t partitions) {
    auto a = std::make_shared<partition_answer>();
    a->request = std::move(r);
    std::weak_ptr<partition_answer> weak = a;
    // Whoever fills the last part holds it.
    a->parts = std::make_shared<gather>(partitions, [weak] {
      if (auto self = weak.lock()) self->request->answer(self->response);
    });
    return a;
  }
};

/// Runs `visit` over the open partition and lets `refused` say that there is none; `missing`: why
/// there is no actor.
inline void visit_partition(const partition_actor& to, kafka::error_code missing,
                            std::function<void(kafka::partition&)> visit,
                            std::function<void(kafka::error_code)> refused) {
  if (!to) return refused(missing);
  caf::anon_send(to, visit_message{[visit = std::move(visit), refused = std::move(refused)](
                                       kafka::partition* p, const error*) {
                   if (p)
                     visit(*p);
                   else
                     refused(kafka::error_code::kafka_storage_error);
                 }});
}

/// Where a null actor is a partition that does not exist.
inline void visit_partition(const partition_actor& to, std::function<void(kafka::partition&)> visit,
                            std::function<void(kafka::error_code)> refused) {
  visit_partition(to, kafka::error_code::unknown_topic_or_partition, std::move(visit),
                  std::move(refused));
}

}  // namespace weir
