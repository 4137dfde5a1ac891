#include "cluster/meta/state/command_codec.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cluster/meta/state/wire.hpp"
#include "schema/meta.capnp.h"

namespace weir::meta {
namespace {

namespace w = weir::wire::meta;

void put(w::NodeEpoch::Builder b, node_id n, node_epoch e) {
  b.setNode(n.value);
  b.setEpoch(e.value);
}
/// What a partition's leader says of itself.
template <class Builder, class Command>
void put_leader(Builder b, const Command& c) {
  b.setTopic(wire_bytes(c.topic));
  b.setPartition(c.partition);
  put(b.initLeader(), c.leader, c.leader_node_epoch);
  b.setLeaderEpoch(c.leader_epoch);
}
template <class Builder>
void put_configs(Builder list, const kafka::config_map& m) {
  uint32_t i = 0;
  for (const auto& [name, value] : m) {
    list[i].setName(name);
    list[i++].setValue(value);
  }
}
template <class Builder>
void put_nodes(Builder list, const std::vector<node_id>& nodes) {
  for (uint32_t i = 0; i < nodes.size(); ++i) list.set(i, nodes[i].value);
}

// One overload per command: from the value into the union's member.
struct encoder {
  w::Request::Command::Builder out;

  void operator()(const register_node& c) {
    auto b = out.initRegisterNode();
    b.setIdentity(wire_bytes(c.identity));
    b.setName(c.name);
    b.setRack(c.rack);
    auto list = b.initEndpoints(size_of(c.endpoints));
    for (uint32_t i = 0; i < c.endpoints.size(); ++i) {
      list[i].setListener(c.endpoints[i].listener);
      list[i].setHost(c.endpoints[i].host);
      list[i].setPort(c.endpoints[i].port);
    }
  }
  void operator()(const fence_node& c) { put(out.initFenceNode(), c.node, c.epoch); }
  void operator()(const drain_node& c) {
    auto b = out.initDrainNode();
    b.setNode(c.node.value);
    b.setDrain(c.drain);
  }
  void operator()(const remove_node& c) { out.setRemoveNode(c.node.value); }
  void operator()(const create_topic& c) {
    auto b = out.initCreateTopic();
    b.setName(c.name);
    b.setId(wire_bytes(c.id));
    b.setPartitions(c.partitions);
    b.setReplication(c.replication);
    b.setCreatedMs(c.created_ms);
    put_configs(b.initConfigs(size_of(c.configs)), c.configs);
    auto lists = b.initAssignment(size_of(c.assignment));
    for (uint32_t i = 0; i < c.assignment.size(); ++i)
      put_nodes(lists.init(i, size_of(c.assignment[i])), c.assignment[i]);
  }
  void operator()(const delete_topic& c) { out.setDeleteTopic(wire_bytes(c.id)); }
  void operator()(const alter_topic& c) {
    auto b = out.initAlterTopic();
    b.setId(wire_bytes(c.id));
    put_configs(b.initConfigs(size_of(c.configs)), c.configs);
  }
  void operator()(const add_partitions& c) {
    auto b = out.initAddPartitions();
    b.setId(wire_bytes(c.id));
    b.setPartitions(c.partitions);
  }
  void operator()(const alter_in_sync& c) {
    auto b = out.initAlterInSync();
    put_leader(b, c);
    b.setVersion(c.version);
    put_nodes(b.initInSync(size_of(c.in_sync)), c.in_sync);
    auto epochs = b.initEpochs(size_of(c.epochs));
    for (uint32_t i = 0; i < epochs.size(); ++i) epochs.set(i, c.epochs[i].value);
  }
  void operator()(const confirm_leader& c) { put_leader(out.initConfirmLeader(), c); }
  void operator()(const reassign_partition& c) {
    auto b = out.initReassignPartition();
    b.setTopic(wire_bytes(c.topic));
    b.setPartition(c.partition);
    put_nodes(b.initTarget(size_of(c.target)), c.target);
  }
  void operator()(const elect_leader& c) {
    auto b = out.initElectLeader();
    b.setTopic(wire_bytes(c.topic));
    b.setPartition(c.partition);
    b.setLeader(c.leader.value);
  }
  void operator()(const balance_leaders& c) { out.setBalanceLeaders(c.moves_max); }
  void operator()(const balance_replicas& c) { out.setBalanceReplicas(c.moves_max); }
  void operator()(const submit_job& c) {
    auto b = out.initSubmitJob();
    b.setId(wire_bytes(c.id));
    b.setName(c.name);
    b.setPlan(c.plan);
    b.setSnapshotIntervalUs(c.snapshot_interval_us);
    auto libraries = b.initLibraries(size_of(c.libraries));
    for (uint32_t i = 0; i < libraries.size(); ++i) libraries.set(i, c.libraries[i]);
    if (c.origin.is_zero()) return;
    b.setOrigin(wire_bytes(c.origin));
    b.setOriginEpoch(c.origin_epoch.value);
  }
  void operator()(const acquire_master& c) {
    auto b = out.initAcquireMaster();
    b.setJob(wire_bytes(c.job));
    put(b.initNode(), c.node, c.epoch);
  }
  void operator()(const release_master& c) {
    auto b = out.initReleaseMaster();
    b.setJob(wire_bytes(c.job));
    b.setToken(c.token.value);
  }
  void operator()(const complete_epoch& c) {
    auto b = out.initCompleteEpoch();
    b.setJob(wire_bytes(c.job));
    b.setToken(c.token.value);
    b.setNumber(c.number.value);
    b.setManifest(wire_bytes(std::string_view(c.manifest)));
  }
  void operator()(const end_job& c) {
    auto b = out.initEndJob();
    b.setJob(wire_bytes(c.job));
    b.setToken(c.token.value);
    b.setPhase(static_cast<uint8_t>(c.phase));
    b.setError(c.error);
  }
  void operator()(const delete_job& c) { out.setDeleteJob(wire_bytes(c.job)); }
  void operator()(const keep_savepoint& c) {
    auto b = out.initKeepSavepoint();
    b.setJob(wire_bytes(c.job));
    b.setToken(c.token.value);
    b.setNumber(c.number.value);
    b.setManifest(wire_bytes(std::string_view(c.manifest)));
  }
  void operator()(const drop_savepoint& c) {
    auto b = out.initDropSavepoint();
    b.setJob(wire_bytes(c.job));
    b.setNumber(c.number.value);
  }
  void operator()(const find_home& c) {
    auto b = out.initFindHome();
    b.setKind(static_cast<uint8_t>(c.kind));
    b.setKey(c.key);
  }
  void operator()(const drop_home& c) {
    auto b = out.initDropHome();
    b.setKind(static_cast<uint8_t>(c.kind));
    b.setKey(c.key);
    b.setToken(c.token.value);
  }
  void operator()(const allocate_producer_ids& c) {
    auto b = out.initAllocateProducerIds();
    put(b.initNode(), c.node, c.epoch);
    b.setCount(c.count);
  }
  void operator()(const set_cluster_config& c) {
    auto b = out.initSetClusterConfig();
    b.setName(c.name);
    b.setValue(c.value);
  }
  void operator()(const alter_client_quotas& c) {
    out.setAlterClientQuotas({reinterpret_cast<const kj::byte*>(c.change.data()), c.change.size()});
  }
};

std::string text(capnp::Text::Reader t) {
  return std::string(t.begin(), t.size());
}
kafka::config_map configs(capnp::List<w::Config>::Reader list) {
  kafka::config_map m;
  for (auto c : list) m.insert_or_assign(text(c.getName()), text(c.getValue()));
  return m;
}
std::vector<node_id> nodes(capnp::List<int32_t>::Reader list) {
  std::vector<node_id> v;
  v.reserve(list.size());
  for (int32_t n : list) v.push_back(node_id(n));
  return v;
}
register_node read(w::RegisterNode::Reader r) {
  register_node c{wire_uuid(r.getIdentity()), text(r.getName()), text(r.getRack()), {}};
  for (auto e : r.getEndpoints())
    c.endpoints.push_back({text(e.getListener()), text(e.getHost()), e.getPort()});
  return c;
}
create_topic read(w::CreateTopic::Reader r) {
  create_topic c{text(r.getName()),
                 wire_uuid(r.getId()),
                 r.getPartitions(),
                 r.getReplication(),
                 r.getCreatedMs(),
                 configs(r.getConfigs()),
                 {}};
  for (auto list : r.getAssignment()) c.assignment.push_back(nodes(list));
  return c;
}
alter_in_sync read(w::AlterInSync::Reader r) {
  alter_in_sync c{wire_uuid(r.getTopic()),
                  r.getPartition(),
                  node_id(r.getLeader().getNode()),
                  node_epoch(r.getLeader().getEpoch()),
                  r.getLeaderEpoch(),
                  r.getVersion(),
                  nodes(r.getInSync()),
                  {}};
  for (auto e : r.getEpochs()) c.epochs.emplace_back(e);
  return c;
}

result<command> read_command(w::Request::Command::Reader r) {
  using c = w::Request::Command;
  switch (r.which()) {
    case c::UNKNOWN:
      break;
    case c::REGISTER_NODE:
      return command(read(r.getRegisterNode()));
    case c::FENCE_NODE:
      return command(
          fence_node{node_id(r.getFenceNode().getNode()), node_epoch(r.getFenceNode().getEpoch())});
    case c::DRAIN_NODE:
      return command(drain_node{node_id(r.getDrainNode().getNode()), r.getDrainNode().getDrain()});
    case c::REMOVE_NODE:
      return command(remove_node{node_id(r.getRemoveNode())});
    case c::CREATE_TOPIC:
      return command(read(r.getCreateTopic()));
    case c::DELETE_TOPIC:
      return command(delete_topic{wire_uuid(r.getDeleteTopic())});
    case c::ALTER_TOPIC:
      return command(alter_topic{wire_uuid(r.getAlterTopic().getId()),
                                 configs(r.getAlterTopic().getConfigs())});
    case c::ADD_PARTITIONS:
      return command(add_partitions{wire_uuid(r.getAddPartitions().getId()),
                                    r.getAddPartitions().getPartitions()});
    case c::ALTER_IN_SYNC:
      return command(read(r.getAlterInSync()));
    case c::REASSIGN_PARTITION: {
      auto b = r.getReassignPartition();
      return command(
          reassign_partition{wire_uuid(b.getTopic()), b.getPartition(), nodes(b.getTarget())});
    }
    case c::CONFIRM_LEADER: {
      auto b = r.getConfirmLeader();
      return command(confirm_leader{wire_uuid(b.getTopic()), b.getPartition(),
                                    node_id(b.getLeader().getNode()),
                                    node_epoch(b.getLeader().getEpoch()), b.getLeaderEpoch()});
    }
    case c::ELECT_LEADER: {
      auto b = r.getElectLeader();
      return command(
          elect_leader{wire_uuid(b.getTopic()), b.getPartition(), node_id(b.getLeader())});
    }
    case c::BALANCE_LEADERS:
      return command(balance_leaders{r.getBalanceLeaders()});
    case c::BALANCE_REPLICAS:
      return command(balance_replicas{r.getBalanceReplicas()});
    case c::SUBMIT_JOB: {
      auto b = r.getSubmitJob();
      submit_job j{wire_uuid(b.getId()), text(b.getName()), text(b.getPlan()),
                   b.getSnapshotIntervalUs()};
      for (auto l : b.getLibraries()) j.libraries.push_back(text(l));
      if (b.hasOrigin()) j.origin = wire_uuid(b.getOrigin());
      j.origin_epoch = epoch(b.getOriginEpoch());
      return command(std::move(j));
    }
    case c::ACQUIRE_MASTER: {
      auto b = r.getAcquireMaster();
      return command(acquire_master{wire_uuid(b.getJob()), node_id(b.getNode().getNode()),
                                    node_epoch(b.getNode().getEpoch())});
    }
    case c::RELEASE_MASTER:
      return command(release_master{wire_uuid(r.getReleaseMaster().getJob()),
                                    fencing_token(r.getReleaseMaster().getToken())});
    case c::COMPLETE_EPOCH: {
      auto b = r.getCompleteEpoch();
      return command(complete_epoch{wire_uuid(b.getJob()), fencing_token(b.getToken()),
                                    epoch(b.getNumber()), std::string(wire_view(b.getManifest()))});
    }
    case c::END_JOB: {
      auto b = r.getEndJob();
      return command(end_job{wire_uuid(b.getJob()), fencing_token(b.getToken()),
                             static_cast<job_phase>(b.getPhase()), text(b.getError())});
    }
    case c::DELETE_JOB:
      return command(delete_job{wire_uuid(r.getDeleteJob())});
    case c::KEEP_SAVEPOINT: {
      auto b = r.getKeepSavepoint();
      return command(keep_savepoint{wire_uuid(b.getJob()), fencing_token(b.getToken()),
                                    epoch(b.getNumber()), std::string(wire_view(b.getManifest()))});
    }
    case c::DROP_SAVEPOINT:
      return command(drop_savepoint{wire_uuid(r.getDropSavepoint().getJob()),
                                    epoch(r.getDropSavepoint().getNumber())});
    case c::FIND_HOME:
      return command(find_home{static_cast<home_kind>(r.getFindHome().getKind()),
                               text(r.getFindHome().getKey())});
    case c::DROP_HOME:
      return command(drop_home{static_cast<home_kind>(r.getDropHome().getKind()),
                               text(r.getDropHome().getKey()),
                               fencing_token(r.getDropHome().getToken())});
    case c::ALLOCATE_PRODUCER_IDS: {
      auto b = r.getAllocateProducerIds();
      return command(allocate_producer_ids{node_id(b.getNode().getNode()),
                                           node_epoch(b.getNode().getEpoch()), b.getCount()});
    }
    case c::SET_CLUSTER_CONFIG:
      return command(set_cluster_config{text(r.getSetClusterConfig().getName()),
                                        text(r.getSetClusterConfig().getValue())});
    case c::ALTER_CLIENT_QUOTAS: {
      const auto bytes = r.getAlterClientQuotas();
      return command(alter_client_quotas{
          std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size())});
    }
  }
  return {errc::unsupported, "a command of the metadata that this program does not know (number " +
                                 std::to_string(static_cast<unsigned>(r.which())) +
                                 "): start a newer one"};
}

}  // namespace

std::string encode_request(const request& r) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<w::Request>();
  root.setFormatVersion(request_format);
  root.setClient(wire_bytes(r.client));
  root.setNumber(r.number);
  std::visit(encoder{root.initCommand()}, r.what);
  return wire_flat(message);
}

result<request> decode_request(std::string_view bytes) {
  return wire_read<w::Request, request>(
      bytes, "request of the metadata", request_format,
      [](w::Request::Reader r) -> result<request> {
        if (r.getClient().size() != sizeof(uuid::bytes))
          return {errc::corrupt, "a request of the metadata names no client"};
        WEIR_ASSIGN(command what, read_command(r.getCommand()));
        return request{wire_uuid(r.getClient()), r.getNumber(), std::move(what)};
      });
}

std::string encode_answer(const answer& a) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<w::Answer>();
  root.setFormatVersion(request_format);
  root.setCode(static_cast<uint8_t>(a.code));
  root.setText(a.text);
  root.setNumber(a.number);
  root.setSecond(a.second);
  return wire_flat(message);
}

result<answer> decode_answer(std::string_view bytes) {
  return wire_read<w::Answer, answer>(
      bytes, "answer of the metadata", request_format, [](w::Answer::Reader r) -> result<answer> {
        return answer{static_cast<verdict>(r.getCode()), text(r.getText()), r.getNumber(),
                      r.getSecond()};
      });
}

}  // namespace weir::meta
