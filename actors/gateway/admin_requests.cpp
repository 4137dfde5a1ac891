// Requests that describe or change topics and the node: answers are made from the catalog; what
// changes it goes to the topics' actor first.
#include "actors/gateway/broker.hpp"
#include "actors/gateway/partition_questions.hpp"
#include "runtime/kafka/topics/admin/api_versions.hpp"
#include "runtime/kafka/topics/admin/configs.hpp"
#include "runtime/kafka/topics/admin/metadata.hpp"
#include "runtime/kafka/topics/admin/replicas.hpp"
#include "runtime/kafka/topics/admin/topics.hpp"

#include <sys/statvfs.h>

#include <filesystem>

namespace weir {
namespace {

using kafka::api_error;
using kafka::error_code;

/// The folder of all partitions, as clients are told of it: absolute, whatever the node was given.
std::string log_dir_of(const stream_storage& s) {
  std::error_code e;
  auto path = std::filesystem::absolute(s.folder(), e);
  return e ? s.folder() : path.lexically_normal().string();
}

/// Answers at once, or after the commands are durable.
template <class Response>
void settle(const topics_actor& topics, const request_ptr& request,
            kafka::admin_answer<Response> a) {
  if (a.commands.empty()) return request->answer(a.response);
  auto response = std::make_shared<Response>(std::move(a.response));
  topic_change_message m;
  m.commands = std::move(a.commands);
  m.done = [request, response](const api_error& e) {
    if (!e.ok()) kafka::fail_all(*response, e);
    request->answer(*response);
  };
  caf::anon_send(topics, std::move(m));
}

}  // namespace

kafka::request_facts broker::facts_of(const request_ptr& request) const {
  const auto directory = storage_.directory();
  return {request->version(), time_.now() / 1000, kafka::random_uuid, directory->nodes(),
          storage_.controller()};
}

void broker::api_versions(const request_ptr& request) {
  auto body = decode_body<kafka::api_versions_request>(*request);
  if (!body) return;
  request->answer(kafka::answer_api_versions(*body, request->version(), node_, served_));
}

void broker::metadata(const request_ptr& request) {
  auto body = decode_body<kafka::metadata_request>(*request);
  if (!body) return;
  auto facts = facts_of(request);
  auto a = kafka::answer_metadata(*body, storage_.directory()->catalog(), node_, facts);
  if (a.commands.empty()) return request->answer(a.response);
  // Topics that it makes: the client gets them in this answer.
  topic_change_message m;
  m.commands = std::move(a.commands);
  auto board = storage_.board();
  m.done = [request, body, facts, board, node = node_](const api_error&) {
    auto now = facts;
    const auto directory = board->get();
    now.nodes = directory->nodes();
    request->answer(kafka::answer_metadata(*body, directory->catalog(), node, now).response);
  };
  caf::anon_send(storage_.topics(), std::move(m));
}

void broker::find_coordinator(const request_ptr& request) {
  auto body = decode_body<kafka::find_coordinator_request>(*request);
  if (!body) return;
  const auto facts = facts_of(request);
  if (body->key_type < 0 || body->key_type > 1)
    return request->answer(kafka::answer_find_coordinator(*body, {}, facts));
  auto& homes = coordinators_.homes_of(body->key_type == 1);
  const auto answer = [this, request, body, facts, &homes](error_code e) {
    const auto place = [&](std::string_view key) {
      if (e == error_code::coordinator_not_available)
        return kafka::coordinator_place{{e, ""}, -1, "", -1};
      return place_of_leader(homes.topic().name(), homes.partition_of(key));
    };
    request->answer(kafka::answer_find_coordinator(*body, place, facts));
  };
  // The topic first: without it nothing has a home. That a home is being read does not matter here.
  homes.reach_all([answer, body, &homes](error_code e) {
    if (e == error_code::coordinator_not_available) return answer(e);
    // While a home changes hands the answer waits for the next one: librdkafka asks three times in
    // a row for the coordinator of a group whose offsets are part of a transaction, and never
    // again.
    constexpr auto leader_wait = std::chrono::milliseconds(3'000);
    std::vector<int32_t> partitions;
    for (const auto& key : body->coordinator_keys) partitions.push_back(homes.partition_of(key));
    if (partitions.empty()) partitions.push_back(homes.partition_of(body->key));  // below version 4
    homes.when_led(std::move(partitions), leader_wait, [answer, e] { answer(e); });
  });
}

/// Where clients find the leader of a partition.
kafka::coordinator_place broker::place_of_leader(const std::string& topic,
                                                 int32_t partition) const {
  auto directory = storage_.directory();
  const auto leader = directory->leader(topic, partition);
  if (leader == directory->self()) return {{}, node_.node_id, node_.host, node_.port};
  const auto* node = directory->node(leader);
  if (!node || !node->alive) return {{error_code::coordinator_not_available, ""}, -1, "", -1};
  return {{}, node->id, node->host, node->port};
}

void broker::create_topics(const request_ptr& request) {
  auto body = decode_body<kafka::create_topics_request>(*request);
  if (!body) return;
  settle(storage_.topics(), request,
         kafka::answer_create_topics(*body, storage_.directory()->catalog(), node_,
                                     facts_of(request)));
}

void broker::delete_topics(const request_ptr& request) {
  auto body = decode_body<kafka::delete_topics_request>(*request);
  if (!body) return;
  settle(storage_.topics(), request,
         kafka::answer_delete_topics(*body, storage_.directory()->catalog(), node_,
                                     facts_of(request)));
}

void broker::create_partitions(const request_ptr& request) {
  auto body = decode_body<kafka::create_partitions_request>(*request);
  if (!body) return;
  settle(storage_.topics(), request,
         kafka::answer_create_partitions(*body, storage_.directory()->catalog(), node_,
                                         facts_of(request)));
}

void broker::describe_configs(const request_ptr& request) {
  auto body = decode_body<kafka::describe_configs_request>(*request);
  if (!body) return;
  request->answer(kafka::answer_describe_configs(*body, storage_.directory()->catalog(), node_,
                                                 facts_of(request)));
}

void broker::alter_configs(const request_ptr& request) {
  auto body = decode_body<kafka::alter_configs_request>(*request);
  if (!body) return;
  settle(storage_.topics(), request,
         kafka::answer_alter_configs(*body, storage_.directory()->catalog(), node_,
                                     facts_of(request)));
}

void broker::incremental_alter_configs(const request_ptr& request) {
  auto body = decode_body<kafka::incremental_alter_configs_request>(*request);
  if (!body) return;
  settle(storage_.topics(), request,
         kafka::answer_incremental_alter_configs(*body, storage_.directory()->catalog(), node_,
                                                 facts_of(request)));
}

void broker::describe_cluster(const request_ptr& request) {
  auto body = decode_body<kafka::describe_cluster_request>(*request);
  if (!body) return;
  request->answer(kafka::answer_describe_cluster(*body, node_, facts_of(request)));
}

void broker::describe_topic_partitions(const request_ptr& request) {
  auto body = decode_body<kafka::describe_topic_partitions_request>(*request);
  if (!body) return;
  request->answer(kafka::answer_describe_topic_partitions(*body, storage_.directory()->catalog(),
                                                          node_, facts_of(request)));
}

void broker::list_config_resources(const request_ptr& request) {
  auto body = decode_body<kafka::list_config_resources_request>(*request);
  if (!body) return;
  request->answer(kafka::answer_list_config_resources(*body, storage_.directory()->catalog(), node_,
                                                      facts_of(request)));
}

void broker::describe_quorum(const request_ptr& request) {
  auto body = decode_body<kafka::describe_quorum_request>(*request);
  if (!body) return;
  request->answer(kafka::answer_describe_quorum(*body, node_, facts_of(request)));
}

void broker::alter_replica_log_dirs(const request_ptr& request) {
  auto body = decode_body<kafka::alter_replica_log_dirs_request>(*request);
  if (!body) return;
  request->answer(kafka::answer_alter_replica_log_dirs(*body, storage_.directory()->catalog(),
                                                       log_dir_of(storage_)));
}

void broker::elect_leaders(const request_ptr& request) {
  auto body = decode_body<kafka::elect_leaders_request>(*request);
  if (!body) return;
  settle(storage_.topics(), request,
         kafka::answer_elect_leaders(*body, storage_.directory()->catalog(), facts_of(request)));
}

void broker::alter_partition_reassignments(const request_ptr& request) {
  auto body = decode_body<kafka::alter_partition_reassignments_request>(*request);
  if (!body) return;
  settle(storage_.topics(), request,
         kafka::answer_alter_partition_reassignments(*body, storage_.directory()->catalog(), node_,
                                                     facts_of(request)));
}

void broker::list_partition_reassignments(const request_ptr& request) {
  auto body = decode_body<kafka::list_partition_reassignments_request>(*request);
  if (!body) return;
  request->answer(
      kafka::answer_list_partition_reassignments(*body, storage_.directory()->catalog()));
}

void broker::describe_log_dirs(const request_ptr& request) {
  auto body = decode_body<kafka::describe_log_dirs_request>(*request);
  if (!body) return;
  auto directory = storage_.directory();
  // Of all topics or those asked for: the sizes first, each from its partition.
  struct sizes {
    std::map<std::pair<std::string, int32_t>, std::atomic<int64_t>> of;
    std::shared_ptr<gather> all;
  };
  auto found = std::make_shared<sizes>();
  std::vector<std::pair<partition_actor, std::atomic<int64_t>*>> questions;
  for (const auto& t : directory->catalog().sorted()) {
    bool asked = !body->topics || std::any_of(body->topics->begin(), body->topics->end(),
                                              [&](const auto& q) { return q.topic == t->name; });
    if (!asked) continue;
    for (int32_t i = 0; i < static_cast<int32_t>(t->partitions.size()); ++i) {
      auto& slot = found->of[{t->name, i}];
      slot = 0;
      questions.emplace_back(directory->partition(t->id, i), &slot);
    }
  }
  auto* raw = found.get();
  found->all = std::make_shared<gather>(
      questions.size(), [raw, request, body, directory, path = log_dir_of(storage_)] {
        kafka::log_dir_facts facts;
        facts.path = path;
        struct statvfs disk {};
        if (::statvfs(path.c_str(), &disk) == 0) {
          facts.total_bytes = static_cast<int64_t>(disk.f_blocks * disk.f_frsize);
          facts.usable_bytes = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
        }
        facts.bytes_of = [raw](const kafka::topic_info& t,
                               int32_t partition) -> std::optional<int64_t> {
          auto it = raw->of.find({t.name, partition});
          if (it == raw->of.end()) return std::nullopt;
          return it->second.load();
        };
        request->answer(kafka::answer_describe_log_dirs(*body, directory->catalog(), facts));
      });
  for (auto& [actor, slot] : questions)
    visit_partition(
        actor,
        [found, slot = slot](kafka::partition& p) {
          *slot = static_cast<int64_t>(p.log().size_bytes());
          found->all->done();
        },
        [found](error_code) { found->all->done(); });
  found->all->begun();
}

}  // namespace weir
