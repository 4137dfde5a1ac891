@0xc1d6e09a52b74f38;
# The replicated metadata: requests to its state machine, answers, and the messages and records of
# its consensus. See cluster/meta/state/command.hpp and cluster/meta/raft for their meaning. Fields
# and commands are only ever added at the end; what an old reader would misunderstand raises the
# root's formatVersion.
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::wire::meta");

# --- values

struct Endpoint {
  listener @0 :Text;
  host @1 :Text;
  port @2 :UInt16;
}

struct Config {
  name @0 :Text;
  value @1 :Text;
}

struct Request {
  formatVersion @0 :UInt16;
  client @1 :Data;          # 16 bytes
  number @2 :UInt64;
  command :union {
    unknown @3 :Void;
    registerNode @4 :RegisterNode;
    fenceNode @5 :NodeEpoch;
    drainNode @6 :DrainNode;
    removeNode @7 :Int32;
    createTopic @8 :CreateTopic;
    deleteTopic @9 :Data;
    alterTopic @10 :AlterTopic;
    addPartitions @11 :AddPartitions;
    alterInSync @12 :AlterInSync;
    reassignPartition @13 :ReassignPartition;
    electLeader @14 :ElectLeader;
    balanceLeaders @15 :UInt32;
    balanceReplicas @16 :UInt32;
    submitJob @17 :SubmitJob;
    acquireMaster @18 :AcquireMaster;
    releaseMaster @19 :ReleaseMaster;
    completeEpoch @20 :CompleteEpoch;
    endJob @21 :EndJob;
    deleteJob @22 :Data;
    findHome @23 :Home;
    dropHome @24 :Home;
    allocateProducerIds @25 :AllocateProducerIds;
    setClusterConfig @26 :Config;
    alterClientQuotas @27 :Data;  # runtime/kafka/quotas: encode_alteration
    keepSavepoint @28 :CompleteEpoch;
    dropSavepoint @29 :CompleteEpoch;  # job and number
    confirmLeader @30 :ConfirmLeader;
  }
}

struct RegisterNode {
  identity @0 :Data;
  name @1 :Text;
  rack @2 :Text;
  endpoints @3 :List(Endpoint);
}

struct NodeEpoch {
  node @0 :Int32;
  epoch @1 :UInt64;
}

struct DrainNode {
  node @0 :Int32;
  drain @1 :Bool;
}

struct CreateTopic {
  name @0 :Text;
  id @1 :Data;
  partitions @2 :Int32;
  replication @3 :UInt16;
  createdMs @4 :Int64;
  configs @5 :List(Config);
  assignment @6 :List(List(Int32));
}

struct AlterTopic {
  id @0 :Data;
  configs @1 :List(Config);
}

struct AddPartitions {
  id @0 :Data;
  partitions @1 :Int32;
}

struct AlterInSync {
  topic @0 :Data;
  partition @1 :Int32;
  leader @2 :NodeEpoch;
  leaderEpoch @3 :Int32;
  version @4 :Int32;
  inSync @5 :List(Int32);
  epochs @6 :List(UInt64);  # of the nodes in inSync, as the leader knows them; 0: unknown
}

struct ReassignPartition {
  topic @0 :Data;
  partition @1 :Int32;
  target @2 :List(Int32);
}

struct ConfirmLeader {
  topic @0 :Data;
  partition @1 :Int32;
  leader @2 :NodeEpoch;
  leaderEpoch @3 :Int32;
}

struct ElectLeader {
  topic @0 :Data;
  partition @1 :Int32;
  leader @2 :Int32;
}

struct SubmitJob {
  id @0 :Data;
  name @1 :Text;
  plan @2 :Text;
  snapshotIntervalUs @3 :Int64;
  libraries @4 :List(Text);
  origin @5 :Data;          # zero or absent: it starts afresh
  originEpoch @6 :UInt64;
}

struct AcquireMaster {
  job @0 :Data;
  node @1 :NodeEpoch;
}

struct ReleaseMaster {
  job @0 :Data;
  token @1 :UInt64;
}

struct CompleteEpoch {
  job @0 :Data;
  token @1 :UInt64;
  number @2 :UInt64;
  manifest @3 :Data;
}

struct EndJob {
  job @0 :Data;
  token @1 :UInt64;
  phase @2 :UInt8;
  error @3 :Text;
}

struct Home {
  kind @0 :UInt8;
  key @1 :Text;
  token @2 :UInt64;         # dropHome only
}

struct AllocateProducerIds {
  node @0 :NodeEpoch;
  count @1 :UInt32;
}

struct Answer {
  formatVersion @0 :UInt16;
  code @1 :UInt8;
  text @2 :Text;
  number @3 :UInt64;
  second @4 :UInt64;
}

# --- consensus: messages between its servers (cluster/meta/raft)

struct Server {
  id @0 :UInt64;
  address @1 :Text;
  role @2 :UInt8;           # server_role
}

struct LogEntry {
  term @0 :UInt64;
  type @1 :UInt8;           # entry_type
  data @2 :Data;
}

struct PeerMessage {
  formatVersion @0 :UInt16;
  cluster @1 :Data;         # 16 bytes
  from @2 :UInt64;
  to @3 :UInt64;
  address @4 :Text;         # of the sender
  term @5 :UInt64;
  body :union {
    unknown @6 :Void;
    appendEntries @7 :AppendEntries;
    appendResult @8 :AppendResult;
    requestVote @9 :RequestVote;
    voteResult @10 :VoteResult;
    installSnapshot @11 :InstallSnapshot;
    timeoutNow @12 :TimeoutNow;
  }
}

struct AppendEntries {
  previousIndex @0 :UInt64;
  previousTerm @1 :UInt64;
  commitIndex @2 :UInt64;
  entries @3 :List(LogEntry);
}

struct AppendResult {
  rejected @0 :UInt64;      # 0: accepted
  lastIndex @1 :UInt64;
}

struct RequestVote {
  candidate @0 :UInt64;
  lastIndex @1 :UInt64;
  lastTerm @2 :UInt64;
  disruptLeader @3 :Bool;
  preVote @4 :Bool;
}

struct VoteResult {
  granted @0 :Bool;
  preVote @1 :Bool;
}

struct InstallSnapshot {
  index @0 :UInt64;
  indexTerm @1 :UInt64;
  configuration @2 :List(Server);
  configurationIndex @3 :UInt64;
  data @4 :Data;
}

struct TimeoutNow {
  lastIndex @0 :UInt64;
  lastTerm @1 :UInt64;
}
