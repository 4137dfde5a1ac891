// Plan -> Cap'n Proto bytes.
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <bit>
#include <unordered_map>

#include "runtime/base/assert.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/plan/wire.hpp"
#include "schema/plan.capnp.h"

namespace weir {
namespace {

kj::StringPtr kj_text(const std::string& s) {
  return {s.c_str(), s.size()};
}
unsigned list_size(size_t n) {
  weir_assert(n < UINT32_MAX, "a plan's lists are small");
  return static_cast<unsigned>(n);
}

void put(wire::Field::Builder b, const field& f);

void put(wire::DataType::Builder b, const data_type& t) {
  b.setId(static_cast<uint8_t>(t.id));
  b.setScale(t.scale);
  if (!t.fields) return;
  auto list = b.initFields(list_size(t.fields->size()));
  for (unsigned i = 0; i < list.size(); ++i) put(list[i], (*t.fields)[i]);
}

void put(wire::Field::Builder b, const field& f) {
  b.setName(kj_text(f.name));
  put(b.initType(), f.type);
  b.setNullable(f.nullable);
}

void put(wire::Schema::Builder b, const schema& s) {
  auto list = b.initFields(list_size(s.size()));
  for (unsigned i = 0; i < list.size(); ++i) put(list[i], s.fields[i]);
  b.setHasEventTime(s.event_time.has_value());
  b.setEventTime(s.event_time.value_or(0));
}

void put(wire::Scalar::Builder b, const scalar& s) {
  put(b.initType(), s.type);
  b.setNull(s.null);
  b.setInt(s.i);
  b.setDoubleBits(std::bit_cast<uint64_t>(s.d));
  auto dec = static_cast<unsigned __int128>(s.dec);
  b.setDecimalLow(static_cast<uint64_t>(dec));
  b.setDecimalHigh(static_cast<uint64_t>(dec >> 64));
  b.setMonths(s.interval.months);
  b.setDays(s.interval.days);
  b.setMicros(s.interval.micros);
  if (!s.s.empty()) b.setBytes({reinterpret_cast<const kj::byte*>(s.s.data()), s.s.size()});
  if (s.items.empty()) return;
  auto items = b.initItems(list_size(s.items.size()));
  for (unsigned i = 0; i < items.size(); ++i) put(items[i], s.items[i]);
}

/// Arguments before calls, each node once. Iterative: a chain of ANDs is as deep as it is long.
std::vector<const expr::node*> post_order(const expr::node* root) {
  std::vector<const expr::node*> out;
  std::unordered_map<const expr::node*, bool> placed;
  std::vector<std::pair<const expr::node*, size_t>> stack{{root, 0}};
  while (!stack.empty()) {
    auto& [n, next] = stack.back();
    if (next == 0 && placed.count(n)) {
      stack.pop_back();
    } else if (next < n->args.size()) {
      stack.emplace_back(n->args[next++].get(), 0);
    } else {
      if (placed.emplace(n, true).second) out.push_back(n);
      stack.pop_back();
    }
  }
  return out;
}

void put(wire::Expr::Builder b, const expr::node_ptr& root) {
  auto order = post_order(root.get());
  std::unordered_map<const expr::node*, uint32_t> index;
  auto nodes = b.initNodes(list_size(order.size()));
  for (unsigned i = 0; i < nodes.size(); ++i) {
    const auto& n = *order[i];
    index[&n] = i;
    auto o = nodes[i];
    o.setKind(static_cast<uint8_t>(n.kind));
    put(o.initType(), n.type);
    o.setColumn(n.column);
    if (n.kind == expr::node_kind::literal) put(o.initLiteral(), n.literal);
    o.setFunction(kj_text(n.function));
    auto args = o.initArgs(list_size(n.args.size()));
    for (unsigned a = 0; a < args.size(); ++a) args.set(a, index.at(n.args[a].get()));
    o.setLocation(n.location);
  }
}

void put(capnp::List<uint32_t>::Builder b, const std::vector<uint32_t>& v) {
  for (unsigned i = 0; i < b.size(); ++i) b.set(i, v[i]);
}

void put(capnp::List<wire::Option>::Builder b, const option_map& m) {
  unsigned i = 0;
  for (const auto& [k, v] : m) {
    b[i].setKey(kj_text(k));
    b[i++].setValue(kj_text(v));
  }
}

void put(capnp::List<wire::OrderTerm>::Builder b, const std::vector<order_term>& v) {
  for (unsigned i = 0; i < b.size(); ++i) {
    b[i].setColumn(v[i].column);
    b[i].setDescending(v[i].descending);
    b[i].setNullsFirst(v[i].nulls_first);
  }
}

void put(capnp::List<wire::Expr>::Builder b, const std::vector<expr::node_ptr>& v) {
  for (unsigned i = 0; i < b.size(); ++i) put(b[i], v[i]);
}

void put(wire::JoinSide::Builder b, const join_side& s) {
  put(b.initKeys(list_size(s.keys.size())), s.keys);
  auto safe = b.initNullSafe(list_size(s.null_safe.size()));
  for (unsigned i = 0; i < safe.size(); ++i) safe.set(i, s.null_safe[i]);
  b.setTimeColumn(s.time_column ? *s.time_column + 1 : 0);
  b.setRetainUs(s.retain_us);
  b.setHasChanges(s.has_changes);
  b.setStays(s.stays);
  b.setEndsByColumn(s.ends_by_column);
  b.setLateColumn(s.late_column ? *s.late_column + 1 : 0);
  b.setOnePartner(s.one_partner);
}

void put(wire::WindowShape::Builder b, const window_shape& s) {
  b.setKind(static_cast<uint8_t>(s.kind));
  b.setSizeUs(s.size_us);
  b.setStepUs(s.step_us);
}

void put(wire::Source::Builder o, const source_spec& s) {
  o.setConnector(kj_text(s.connector));
  put(o.initOptions(list_size(s.options.size())), s.options);
  o.setBaseDir(kj_text(s.base_dir));
  if (s.columns) put(o.initColumns(), *s.columns);
  put(o.initGenerated(list_size(s.generated.size())), s.generated);
  o.setPhysicalColumns(s.physical_columns);
  o.setWatermarkDelayUs(s.watermark_delay_us);
  o.setIdleTimeoutUs(s.idle_timeout_us);
  o.setOnError(static_cast<uint8_t>(s.on_error));
  o.setDeadLetterPath(kj_text(s.dead_letter_path));
  auto names = o.initTableColumns(list_size(s.table_columns.size()));
  for (uint32_t i = 0; i < s.table_columns.size(); ++i) names.set(i, kj_text(s.table_columns[i]));
  if (s.split_filter) put(o.initSplitFilter(), s.split_filter);
}

struct spec_encoder {
  wire::Operator::Spec::Builder b;

  void operator()(const source_spec& s) { put(b.initSource(), s); }
  void operator()(const sink_spec& s) {
    auto o = b.initSink();
    o.setConnector(kj_text(s.connector));
    put(o.initOptions(list_size(s.options.size())), s.options);
    o.setBaseDir(kj_text(s.base_dir));
    if (s.columns) put(o.initColumns(), *s.columns);
    o.setFinalOnly(s.final_only);
    o.setWithChanges(s.with_changes);
    put(o.initKeys(list_size(s.keys.size())), s.keys);
    put(o.initOrder(list_size(s.order.size())), s.order);
    o.setHiddenColumns(s.hidden_columns);
  }
  void operator()(const filter_spec& s) { put(b.initFilter(), s.predicate); }
  void operator()(const project_spec& s) {
    put(b.initProject(list_size(s.columns.size())), s.columns);
  }
  void operator()(const flat_map_spec& s) {
    auto o = b.initFlatMap();
    o.setFunction(kj_text(s.function));
    put(o.initArgument(), s.argument);
    o.setDelimiter(kj_text(s.delimiter));
    put(o.initKept(list_size(s.kept.size())), s.kept);
  }
  void operator()(const aggregate_spec& s) {
    auto o = b.initAggregate();
    o.setStage(static_cast<uint8_t>(s.stage));
    put(o.initKeys(list_size(s.keys.size())), s.keys);
    auto calls = o.initCalls(list_size(s.calls.size()));
    for (unsigned i = 0; i < calls.size(); ++i) {
      const auto& c = s.calls[i];
      calls[i].setFunction(static_cast<uint8_t>(c.function));
      if (c.argument) put(calls[i].initArgument(), c.argument);
      if (c.filter) put(calls[i].initFilter(), c.filter);
      calls[i].setSeparator(kj_text(c.separator));
      put(calls[i].initType(), c.type);
      calls[i].setName(kj_text(c.name));
    }
    o.setEmit(static_cast<uint8_t>(s.emit));
    o.setInputHasChanges(s.input_has_changes);
    o.setWindowEndKey(s.window_end_key ? *s.window_end_key + 1 : 0);
    if (s.complete_input) put(o.initCompleteInput(), *s.complete_input);
    if (s.windows) put(o.initWindows(), *s.windows);
    o.setWindowStartAt(s.window_start_at);
    put(o.initLateColumns(list_size(s.late_columns.size())), s.late_columns);
    if (s.late_output) put(o.initLateOutput(), *s.late_output);
  }
  void operator()(const union_spec&) { b.setUnion(); }
  void operator()(const distinct_spec&) { b.setDistinct(); }
  void operator()(const custom_spec& s) {
    auto o = b.initCustom();
    o.setLibrary(kj_text(s.library));
    o.setClassName(kj_text(s.class_name));
    if (!s.content.empty()) o.setContent(kj_text(s.content));
    put(o.initParameters(list_size(s.parameters.size())), s.parameters);
    put(o.initKeys(list_size(s.keys.size())), s.keys);
    auto sides = o.initSideOutputs(list_size(s.side_outputs.size()));
    for (unsigned i = 0; i < sides.size(); ++i) put(sides[i], *s.side_outputs[i]);
  }
  void operator()(const window_spec& s) {
    auto o = b.initWindow();
    o.setTimeColumn(s.time_column);
    put(o.initShape(), s.shape);
    o.setSlices(s.slices);
    put(o.initKeys(list_size(s.keys.size())), s.keys);
  }
  void operator()(const join_spec& s) {
    auto o = b.initJoin();
    o.setKind(static_cast<uint8_t>(s.kind));
    put(o.initLeft(), s.left);
    put(o.initRight(), s.right);
    if (s.condition) put(o.initCondition(), s.condition);
    put(o.initConditionColumns(list_size(s.condition_columns.size())), s.condition_columns);
    put(o.initOutput(list_size(s.output.size())), s.output);
    o.setDelayUs(s.delay_us);
  }
  void operator()(const settle_spec&) { b.setSettle(); }
  void operator()(const lookup_spec& s) {
    auto o = b.initLookup();
    o.setKind(static_cast<uint8_t>(s.kind));
    put(o.initTable(), s.table);
    if (s.filter) put(o.initFilter(), s.filter);
    put(o.initColumns(list_size(s.columns.size())), s.columns);
    put(o.initRows(), *s.rows);
    put(o.initKeys(list_size(s.keys.size())), s.keys);
    put(o.initTableKeys(list_size(s.table_keys.size())), s.table_keys);
    auto safe = o.initNullSafe(list_size(s.null_safe.size()));
    for (unsigned i = 0; i < safe.size(); ++i) safe.set(i, s.null_safe[i]);
    if (s.condition) put(o.initCondition(), s.condition);
    put(o.initConditionColumns(list_size(s.condition_columns.size())), s.condition_columns);
    put(o.initOutput(list_size(s.output.size())), s.output);
    o.setCacheUs(s.cache_us);
  }
  void operator()(const repeat_spec& s) { b.setRepeat(s.count_column); }
  static uint32_t one_more(std::optional<uint32_t> c) { return c ? *c + 1 : 0; }
  void operator()(const over_spec& s) {
    auto o = b.initOver();
    put(o.initKeys(list_size(s.keys.size())), s.keys);
    put(o.initOrder(list_size(s.order.size())), s.order);
    auto calls = o.initCalls(list_size(s.calls.size()));
    for (unsigned i = 0; i < calls.size(); ++i) {
      const auto& c = s.calls[i];
      calls[i].setFunction(static_cast<uint8_t>(c.function));
      calls[i].setAggregate(static_cast<uint8_t>(c.aggregate));
      calls[i].setArgument(one_more(c.argument));
      calls[i].setOtherwise(one_more(c.otherwise));
      calls[i].setFilter(one_more(c.filter));
      calls[i].setCount(c.count);
      auto f = calls[i].initFrame();
      f.setUnit(static_cast<uint8_t>(c.frame.in));
      f.setStart(static_cast<uint8_t>(c.frame.start));
      f.setEnd(static_cast<uint8_t>(c.frame.end));
      put(f.initStartOffset(), c.frame.start_offset);
      put(f.initEndOffset(), c.frame.end_offset);
      f.setExclusion(static_cast<uint8_t>(c.frame.without));
      put(calls[i].initType(), c.type);
      calls[i].setName(kj_text(c.name));
      calls[i].setSeparator(kj_text(c.separator));
    }
    o.setInputHasChanges(s.input_has_changes);
    o.setEmit(static_cast<uint8_t>(s.emit));
    o.setTimeColumn(one_more(s.time_column));
    o.setWindowEndKey(one_more(s.window_end_key));
  }
  void operator()(const top_n_spec& s) {
    auto o = b.initTopN();
    put(o.initKeys(list_size(s.keys.size())), s.keys);
    put(o.initOrder(list_size(s.order.size())), s.order);
    o.setFunction(static_cast<uint8_t>(s.function));
    o.setOffset(s.offset);
    o.setLimit(s.limit);
    o.setWithTies(s.with_ties);
    o.setUpserts(s.upserts);
    o.setWithNumber(s.with_number);
    o.setInputHasChanges(s.input_has_changes);
    o.setEmit(static_cast<uint8_t>(s.emit));
    o.setWindowEndKey(s.window_end_key ? *s.window_end_key + 1 : 0);
    o.setLastArrived(s.last_arrived);
    o.setPreselect(s.preselect);
    o.setTimeColumn(one_more(s.time_column));
    o.setRetainUs(s.retain_us);
  }
};

}  // namespace

std::vector<std::byte> encode_plan(const physical_plan& plan) {
  // A plan that does not hold together has null pointers where the encoder looks.
  auto valid = validate(plan);
  weir_assert(valid.ok(), valid.ok() ? "" : valid.err().message.c_str());
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<wire::Plan>();
  root.setFormatVersion(plan_format_version);
  root.setName(kj_text(plan.name));
  root.setMode(static_cast<uint8_t>(plan.mode));
  root.setKeyGroups(plan.key_groups);
  root.setParallelism(plan.parallelism);
  auto ops = root.initOperators(list_size(plan.operators.size()));
  for (unsigned i = 0; i < ops.size(); ++i) {
    const auto& n = plan.operators[i];
    ops[i].setId(kj_text(n.id));
    ops[i].setName(kj_text(n.name));
    if (n.output) put(ops[i].initOutput(), *n.output);
    ops[i].setEmitsChanges(n.emits_changes);
    ops[i].setParallelism(n.parallelism);
    ops[i].setOnError(static_cast<uint8_t>(n.on_error));
    ops[i].setDeadLetterFolder(kj_text(n.dead_letter_folder));
    ops[i].setStateTtlUs(n.state_ttl_us);
    std::visit(spec_encoder{ops[i].getSpec()}, n.spec);
  }
  auto edges = root.initEdges(list_size(plan.edges.size()));
  for (unsigned i = 0; i < edges.size(); ++i) {
    const auto& e = plan.edges[i];
    edges[i].setFrom(e.from.value);
    edges[i].setTo(e.to.value);
    edges[i].setFromPort(e.from_port);
    edges[i].setToPort(e.to_port);
    edges[i].setExchange(static_cast<uint8_t>(e.exchange));
    put(edges[i].initKeys(list_size(e.keys.size())), e.keys);
  }
  auto words = capnp::messageToFlatArray(message);
  auto bytes = words.asBytes();
  const auto* p = reinterpret_cast<const std::byte*>(bytes.begin());
  return {p, p + bytes.size()};
}

}  // namespace weir
