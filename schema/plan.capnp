@0x9f3c55d07b12e6a1;
# The physical plan of a job. See runtime/plan/plan.hpp for its meaning. Fields are only ever added
# at the end; a change that an old reader would misunderstand raises Plan.formatVersion.
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::wire");

struct Plan {
  formatVersion @0 :UInt16;
  name @1 :Text;
  mode @2 :UInt8;          # delivery_mode
  keyGroups @3 :UInt32;
  parallelism @4 :UInt32;
  operators @5 :List(Operator);
  edges @6 :List(Edge);
}

struct Edge {
  from @0 :UInt32;
  to @1 :UInt32;
  fromPort @2 :UInt16;
  toPort @3 :UInt16;
  exchange @4 :UInt8;      # exchange_kind
  keys @5 :List(UInt32);
}

struct Operator {
  id @0 :Text;
  name @1 :Text;
  output @2 :Schema;       # absent for sinks
  emitsChanges @3 :Bool;
  parallelism @4 :UInt32;  # 0 = the job's
  spec :union {
    source @5 :Source;
    sink @6 :Sink;
    filter @7 :Expr;
    project @8 :List(Expr);
    flatMap @9 :FlatMap;
    aggregate @10 :Aggregate;
    union @11 :Void;
    distinct @12 :Void;
    custom @13 :Custom;
    tumble @14 :Tumble;    # as window writes it since there are others
    join @17 :Join;
    repeat @18 :UInt32;    # the count's column
    settle @19 :Void;
    topN @20 :TopN;
    over @21 :Over;
    window @22 :Window;
    lookup @24 :Lookup;
  }
  onError @15 :UInt8;      # error_policy
  deadLetterFolder @16 :Text;
  stateTtlUs @23 :Int64;
}

struct JoinSide {
  keys @0 :List(UInt32);
  nullSafe @1 :List(Bool);
  timeColumn @2 :UInt32;   # 1 + the column; 0 = none
  retainUs @3 :Int64;
  hasChanges @4 :Bool;
  stays @5 :Bool;
  endsByColumn @6 :Bool;
  lateColumn @7 :UInt32;   # 1 + the column; 0 = none
  onePartner @8 :Bool;
}

struct Join {
  kind @0 :UInt8;          # join_kind
  left @1 :JoinSide;
  right @2 :JoinSide;
  condition @3 :Expr;      # absent: none
  conditionColumns @4 :List(UInt32);
  output @5 :List(UInt32);
  delayUs @6 :Int64;
}

struct Lookup {
  kind @0 :UInt8;          # join_kind
  table @1 :Source;
  filter @2 :Expr;         # absent: none
  columns @3 :List(Expr);
  rows @4 :Schema;
  keys @5 :List(UInt32);
  tableKeys @6 :List(UInt32);
  nullSafe @7 :List(Bool);
  condition @8 :Expr;      # absent: none
  conditionColumns @9 :List(UInt32);
  output @10 :List(UInt32);
  cacheUs @11 :Int64;
}

struct Option {
  key @0 :Text;
  value @1 :Text;
}

struct Source {
  connector @0 :Text;
  options @1 :List(Option);
  baseDir @2 :Text;
  columns @3 :Schema;
  generated @4 :List(Expr);
  physicalColumns @5 :UInt32;
  watermarkDelayUs @6 :Int64;
  idleTimeoutUs @7 :Int64;
  onError @8 :UInt8;       # error_policy
  deadLetterPath @9 :Text;
  tableColumns @10 :List(Text);
  splitFilter @11 :Expr;     # null: none
}

struct Sink {
  connector @0 :Text;
  options @1 :List(Option);
  baseDir @2 :Text;
  columns @3 :Schema;
  finalOnly @4 :Bool;
  withChanges @5 :Bool;
  keys @6 :List(UInt32);
  order @7 :List(OrderTerm);
  hiddenColumns @8 :UInt32;
}

struct OrderTerm {
  column @0 :UInt32;
  descending @1 :Bool;
  nullsFirst @2 :Bool;
}

struct OverFrame {
  unit @0 :UInt8;
  start @1 :UInt8;
  end @2 :UInt8;
  startOffset @3 :Scalar;
  endOffset @4 :Scalar;
  exclusion @5 :UInt8;
}

struct OverCall {
  function @0 :UInt8;      # over_function
  aggregate @1 :UInt8;     # aggregate_function
  argument @2 :UInt32;     # 1 + column; 0 = none
  otherwise @3 :UInt32;    # likewise
  filter @4 :UInt32;       # likewise
  count @5 :Int64;
  frame @6 :OverFrame;
  type @7 :DataType;
  name @8 :Text;
  separator @9 :Text;
}

struct Over {
  keys @0 :List(UInt32);
  order @1 :List(OrderTerm);
  calls @2 :List(OverCall);
  inputHasChanges @3 :Bool;
  emit @4 :UInt8;
  timeColumn @5 :UInt32;   # 1 + column; 0 = none
  windowEndKey @6 :UInt32; # 1 + index in keys; 0 = none
}

struct TopN {
  keys @0 :List(UInt32);
  order @1 :List(OrderTerm);
  function @2 :UInt8;      # rank_function
  offset @3 :UInt64;
  limit @4 :UInt64;
  withTies @5 :Bool;
  withNumber @6 :Bool;
  inputHasChanges @7 :Bool;
  emit @8 :UInt8;
  windowEndKey @9 :UInt32;  # 1 + index in keys; 0 = none
  lastArrived @10 :Bool;
  preselect @11 :Bool;
  timeColumn @12 :UInt32;  # 1 + the column; 0 = none
  retainUs @13 :Int64;
  upserts @14 :Bool;
}

struct FlatMap {
  function @0 :Text;
  argument @1 :Expr;
  delimiter @2 :Text;
  kept @3 :List(UInt32);
}

struct AggregateCall {
  function @0 :UInt8;      # aggregate_function
  argument @1 :Expr;       # absent for count(*)
  filter @2 :Expr;         # absent: none
  separator @3 :Text;
  type @4 :DataType;
  name @5 :Text;
}

struct Aggregate {
  stage @0 :UInt8;
  keys @1 :List(UInt32);
  calls @2 :List(AggregateCall);
  emit @3 :UInt8;
  inputHasChanges @4 :Bool;
  completeInput @5 :Schema;
  windowEndKey @6 :UInt32;   # 1 + index in keys; 0 = none
  windows @7 :WindowShape;   # absent: none
  windowStartAt @8 :UInt32;
  lateColumns @9 :List(UInt32);
  lateOutput @10 :Schema;    # absent: none
}

struct Custom {
  library @0 :Text;
  className @1 :Text;
  parameters @2 :List(Option);
  keys @3 :List(UInt32);
  sideOutputs @4 :List(Schema);
  content @5 :Text;        # SHA-256 of the library, hexadecimal; empty: it is found by its path
}

struct Tumble {
  timeColumn @0 :UInt32;
  sizeUs @1 :Int64;
}

struct WindowShape {
  kind @0 :UInt8;          # window_kind
  sizeUs @1 :Int64;
  stepUs @2 :Int64;
}

struct Window {
  timeColumn @0 :UInt32;
  shape @1 :WindowShape;
  slices @2 :Bool;
  keys @3 :List(UInt32);
}

# An expression as its nodes, arguments before the calls that use them; the last one is the root.
# Flat, so that depth costs no nesting and shared subtrees are written once.
struct Expr {
  nodes @0 :List(ExprNode);
}

struct ExprNode {
  kind @0 :UInt8;          # expr::node_kind
  type @1 :DataType;
  column @2 :UInt32;
  literal @3 :Scalar;      # absent unless kind is literal
  function @4 :Text;
  args @5 :List(UInt32);   # indices of earlier nodes
  location @6 :UInt32;
}

struct Scalar {
  type @0 :DataType;
  null @1 :Bool;
  int @2 :Int64;
  doubleBits @3 :UInt64;   # IEEE 754 bits: NaN payloads and infinities survive
  decimalLow @4 :UInt64;
  decimalHigh @5 :UInt64;
  months @6 :Int32;
  days @7 :Int32;
  micros @8 :Int64;
  bytes @9 :Data;
  items @10 :List(Scalar);
}

struct DataType {
  id @0 :UInt8;            # type_id
  scale @1 :UInt8;
  fields @2 :List(Field);  # absent: none
}

struct Field {
  name @0 :Text;
  type @1 :DataType;
  nullable @2 :Bool;
}

struct Schema {
  fields @0 :List(Field);
  hasEventTime @1 :Bool;
  eventTime @2 :UInt32;
}
