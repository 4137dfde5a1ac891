// Cap'n Proto bytes -> plan. The bytes come from outside: every list is bounded, every enum is
// checked, depth is limited, and what comes out has passed validate().
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <bit>
#include <cstring>

#include "runtime/plan/plan.hpp"
#include "runtime/plan/wire.hpp"
#include "schema/plan.capnp.h"

namespace weir {
namespace {

error damaged(const std::string& what) {
  return {errc::corrupt, "plan message: " + what};
}

std::string text(capnp::Text::Reader r) {
  return {r.begin(), r.size()};
}

template <class List>
status bounded(const List& list, const char* what) {
  if (list.size() <= plan_list_max) return {};
  return damaged(std::to_string(list.size()) + " " + what + " are over the limit of " +
                 std::to_string(plan_list_max));
}

template <class E>
result<E> enumerator(uint8_t value, E last, const char* what) {
  if (value > static_cast<uint8_t>(last))
    return damaged("unknown " + std::string(what) + " " + std::to_string(value));
  return static_cast<E>(value);
}

result<field> get_field(wire::Field::Reader r, uint32_t depth);

result<data_type> get_type(wire::DataType::Reader r, uint32_t depth = 0) {
  if (depth > plan_nesting_max) return damaged("a type is nested too deeply");
  WEIR_ASSIGN(auto id, enumerator(r.getId(), type_id::struct_, "type"));
  if (r.getScale() > 38) return damaged("decimal scale " + std::to_string(r.getScale()));
  data_type t(id, r.getScale());
  const bool nested = id == type_id::list || id == type_id::struct_;
  if (nested != r.hasFields())
    return damaged("a type has fields that it should not, or lacks them");
  if (!nested) return t;
  auto list = r.getFields();
  WEIR_TRY(bounded(list, "fields"));
  if (id == type_id::list && list.size() != 1) return damaged("a list type without one item type");
  std::vector<field> fields;
  for (auto f : list) {
    WEIR_ASSIGN(auto v, get_field(f, depth + 1));
    fields.push_back(std::move(v));
  }
  t.fields = std::make_shared<const std::vector<field>>(std::move(fields));
  return t;
}

result<field> get_field(wire::Field::Reader r, uint32_t depth) {
  WEIR_ASSIGN(auto type, get_type(r.getType(), depth));
  return field{text(r.getName()), std::move(type), r.getNullable()};
}

result<schema_ptr> get_schema(wire::Schema::Reader r) {
  auto s = std::make_shared<schema>();
  auto list = r.getFields();
  WEIR_TRY(bounded(list, "columns"));
  for (auto f : list) {
    WEIR_ASSIGN(auto v, get_field(f, 0));
    s->fields.push_back(std::move(v));
  }
  if (r.getHasEventTime()) s->event_time = r.getEventTime();
  return schema_ptr(std::move(s));
}

result<scalar> get_scalar(wire::Scalar::Reader r, uint32_t depth = 0) {
  if (depth > plan_nesting_max) return damaged("a literal is nested too deeply");
  scalar s;
  WEIR_ASSIGN(s.type, get_type(r.getType()));
  s.null = r.getNull();
  s.i = r.getInt();
  s.d = std::bit_cast<double>(r.getDoubleBits());
  auto dec = static_cast<unsigned __int128>(r.getDecimalHigh()) << 64 | r.getDecimalLow();
  s.dec = static_cast<int128>(dec);
  s.interval = {r.getMonths(), r.getDays(), r.getMicros()};
  auto bytes = r.getBytes();
  s.s.assign(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  auto items = r.getItems();
  WEIR_TRY(bounded(items, "items of a literal"));
  for (auto i : items) {
    WEIR_ASSIGN(auto v, get_scalar(i, depth + 1));
    s.items.push_back(std::move(v));
  }
  return s;
}

result<expr::node_ptr> get_expr(wire::Expr::Reader r) {
  auto list = r.getNodes();
  WEIR_TRY(bounded(list, "nodes of an expression"));
  if (list.size() == 0) return damaged("an expression without nodes");
  struct measured {
    std::shared_ptr<expr::node> node;
    uint64_t size = 1;
    uint32_t depth = 1;
  };
  std::vector<measured> nodes;
  nodes.reserve(list.size());
  for (auto n : list) {
    measured m;
    m.node = std::make_shared<expr::node>();
    WEIR_ASSIGN(m.node->kind, enumerator(n.getKind(), expr::node_kind::call, "expression"));
    WEIR_ASSIGN(m.node->type, get_type(n.getType()));
    m.node->column = n.getColumn();
    if (m.node->kind == expr::node_kind::literal) {
      if (!n.hasLiteral()) return damaged("a literal without value");
      WEIR_ASSIGN(m.node->literal, get_scalar(n.getLiteral()));
    }
    m.node->function = text(n.getFunction());
    auto args = n.getArgs();
    WEIR_TRY(bounded(args, "arguments"));
    if (args.size() && m.node->kind != expr::node_kind::call)
      return damaged("arguments of an expression that is no call");
    for (auto a : args) {
      if (a >= nodes.size()) return damaged("an argument that follows its call");
      m.node->args.push_back(nodes[a].node);
      m.size += nodes[a].size;
      m.depth = std::max(m.depth, nodes[a].depth + 1);
    }
    if (m.size > plan_expr_size_max || m.depth > plan_expr_depth_max)
      return damaged("an expression of more than " + std::to_string(plan_expr_size_max) +
                     " nodes or " + std::to_string(plan_expr_depth_max) + " levels");
    m.node->location = n.getLocation();
    nodes.push_back(std::move(m));
  }
  return expr::node_ptr(std::move(nodes.back().node));
}

result<std::vector<expr::node_ptr>> get_exprs(capnp::List<wire::Expr>::Reader list) {
  WEIR_TRY(bounded(list, "expressions"));
  std::vector<expr::node_ptr> out;
  for (auto e : list) {
    WEIR_ASSIGN(auto v, get_expr(e));
    out.push_back(std::move(v));
  }
  return out;
}

result<std::vector<uint32_t>> get_numbers(capnp::List<uint32_t>::Reader list) {
  WEIR_TRY(bounded(list, "column numbers"));
  std::vector<uint32_t> out;
  out.reserve(list.size());
  for (auto v : list) out.push_back(v);
  return out;
}

result<std::vector<order_term>> get_order(capnp::List<wire::OrderTerm>::Reader list) {
  WEIR_TRY(bounded(list, "order terms"));
  std::vector<order_term> out;
  for (auto t : list) out.push_back({t.getColumn(), t.getDescending(), t.getNullsFirst()});
  return out;
}

result<option_map> get_options(capnp::List<wire::Option>::Reader list) {
  WEIR_TRY(bounded(list, "options"));
  option_map m;
  for (auto o : list)
    if (!m.emplace(text(o.getKey()), text(o.getValue())).second)
      return damaged("option \"" + text(o.getKey()) + "\" is there twice");
  return m;
}

result<source_spec> get_source(wire::Source::Reader r) {
  source_spec s;
  s.connector = text(r.getConnector());
  WEIR_ASSIGN(s.options, get_options(r.getOptions()));
  s.base_dir = text(r.getBaseDir());
  WEIR_ASSIGN(s.columns, get_schema(r.getColumns()));
  WEIR_ASSIGN(s.generated, get_exprs(r.getGenerated()));
  s.physical_columns = r.getPhysicalColumns();
  s.watermark_delay_us = r.getWatermarkDelayUs();
  s.idle_timeout_us = r.getIdleTimeoutUs();
  WEIR_ASSIGN(s.on_error, enumerator(r.getOnError(), error_policy::dead_letter, "error policy"));
  s.dead_letter_path = text(r.getDeadLetterPath());
  for (auto name : r.getTableColumns()) s.table_columns.push_back(text(name));
  if (r.hasSplitFilter()) {
    WEIR_ASSIGN(s.split_filter, get_expr(r.getSplitFilter()));
  }
  return s;
}

result<operator_spec> get_sink(wire::Sink::Reader r) {
  sink_spec s;
  s.connector = text(r.getConnector());
  WEIR_ASSIGN(s.options, get_options(r.getOptions()));
  s.base_dir = text(r.getBaseDir());
  WEIR_ASSIGN(s.columns, get_schema(r.getColumns()));
  s.final_only = r.getFinalOnly();
  s.with_changes = r.getWithChanges();
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  WEIR_ASSIGN(s.order, get_order(r.getOrder()));
  s.hidden_columns = r.getHiddenColumns();
  return operator_spec(std::move(s));
}

result<operator_spec> get_flat_map(wire::FlatMap::Reader r) {
  flat_map_spec s;
  s.function = text(r.getFunction());
  WEIR_ASSIGN(s.argument, get_expr(r.getArgument()));
  s.delimiter = text(r.getDelimiter());
  WEIR_ASSIGN(s.kept, get_numbers(r.getKept()));
  return operator_spec(std::move(s));
}

result<window_shape> get_shape(wire::WindowShape::Reader r) {
  window_shape s;
  WEIR_ASSIGN(s.kind, enumerator(r.getKind(), window_kind::session, "kind of window"));
  s.size_us = r.getSizeUs();
  s.step_us = r.getStepUs();
  return s;
}

result<operator_spec> get_window(wire::Window::Reader r) {
  window_spec s;
  s.time_column = r.getTimeColumn();
  WEIR_ASSIGN(s.shape, get_shape(r.getShape()));
  s.slices = r.getSlices();
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  return operator_spec(std::move(s));
}

result<operator_spec> get_aggregate(wire::Aggregate::Reader r) {
  aggregate_spec s;
  WEIR_ASSIGN(s.stage, enumerator(r.getStage(), aggregate_spec::phase::merge, "aggregate stage"));
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  auto calls = r.getCalls();
  WEIR_TRY(bounded(calls, "aggregate calls"));
  for (auto c : calls) {
    aggregate_call call;
    WEIR_ASSIGN(call.function,
                enumerator(c.getFunction(), aggregate_function_last, "aggregate function"));
    if (c.hasArgument()) {
      WEIR_ASSIGN(call.argument, get_expr(c.getArgument()));
    }
    if (c.hasFilter()) {
      WEIR_ASSIGN(call.filter, get_expr(c.getFilter()));
    }
    call.separator = text(c.getSeparator());
    WEIR_ASSIGN(call.type, get_type(c.getType()));
    call.name = text(c.getName());
    s.calls.push_back(std::move(call));
  }
  WEIR_ASSIGN(s.emit, enumerator(r.getEmit(), emit_mode::final_only, "emit mode"));
  s.input_has_changes = r.getInputHasChanges();
  if (auto w = r.getWindowEndKey()) s.window_end_key = w - 1;
  if (r.hasCompleteInput()) {
    WEIR_ASSIGN(s.complete_input, get_schema(r.getCompleteInput()));
  }
  if (r.hasWindows()) {
    WEIR_ASSIGN(s.windows, get_shape(r.getWindows()));
  }
  s.window_start_at = r.getWindowStartAt();
  WEIR_ASSIGN(s.late_columns, get_numbers(r.getLateColumns()));
  if (r.hasLateOutput()) {
    WEIR_ASSIGN(s.late_output, get_schema(r.getLateOutput()));
  }
  return operator_spec(std::move(s));
}

result<join_side> get_join_side(wire::JoinSide::Reader r) {
  join_side s;
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  auto safe = r.getNullSafe();
  WEIR_TRY(bounded(safe, "keys of a join"));
  for (bool v : safe) s.null_safe.push_back(v);
  if (auto c = r.getTimeColumn()) s.time_column = c - 1;
  s.retain_us = r.getRetainUs();
  s.has_changes = r.getHasChanges();
  s.stays = r.getStays();
  s.ends_by_column = r.getEndsByColumn();
  if (auto c = r.getLateColumn()) s.late_column = c - 1;
  s.one_partner = r.getOnePartner();
  return s;
}

result<operator_spec> get_join(wire::Join::Reader r) {
  join_spec s;
  WEIR_ASSIGN(s.kind, enumerator(r.getKind(), join_kind::as_of_left, "join"));
  WEIR_ASSIGN(s.left, get_join_side(r.getLeft()));
  WEIR_ASSIGN(s.right, get_join_side(r.getRight()));
  if (r.hasCondition()) {
    WEIR_ASSIGN(s.condition, get_expr(r.getCondition()));
  }
  WEIR_ASSIGN(s.condition_columns, get_numbers(r.getConditionColumns()));
  WEIR_ASSIGN(s.output, get_numbers(r.getOutput()));
  s.delay_us = r.getDelayUs();
  return operator_spec(std::move(s));
}

result<operator_spec> get_lookup(wire::Lookup::Reader r) {
  lookup_spec s;
  WEIR_ASSIGN(s.kind, enumerator(r.getKind(), join_kind::as_of_left, "join"));
  WEIR_ASSIGN(s.table, get_source(r.getTable()));
  if (r.hasFilter()) {
    WEIR_ASSIGN(s.filter, get_expr(r.getFilter()));
  }
  WEIR_ASSIGN(s.columns, get_exprs(r.getColumns()));
  WEIR_ASSIGN(s.rows, get_schema(r.getRows()));
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  WEIR_ASSIGN(s.table_keys, get_numbers(r.getTableKeys()));
  auto safe = r.getNullSafe();
  WEIR_TRY(bounded(safe, "keys of a lookup"));
  for (bool v : safe) s.null_safe.push_back(v);
  if (r.hasCondition()) {
    WEIR_ASSIGN(s.condition, get_expr(r.getCondition()));
  }
  WEIR_ASSIGN(s.condition_columns, get_numbers(r.getConditionColumns()));
  WEIR_ASSIGN(s.output, get_numbers(r.getOutput()));
  s.cache_us = r.getCacheUs();
  return operator_spec(std::move(s));
}

result<operator_spec> get_custom(wire::Custom::Reader r) {
  custom_spec s;
  s.library = text(r.getLibrary());
  s.class_name = text(r.getClassName());
  s.content = text(r.getContent());
  WEIR_ASSIGN(s.parameters, get_options(r.getParameters()));
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  auto sides = r.getSideOutputs();
  if (sides.size() > UINT16_MAX) return damaged("too many side outputs");
  for (auto o : sides) {
    WEIR_ASSIGN(auto v, get_schema(o));
    s.side_outputs.push_back(std::move(v));
  }
  return operator_spec(std::move(s));
}

result<over_frame> get_frame(wire::OverFrame::Reader r) {
  over_frame f;
  using b = over_frame::bound;
  WEIR_ASSIGN(f.in, enumerator(r.getUnit(), over_frame::unit::groups, "unit of a frame"));
  WEIR_ASSIGN(f.start, enumerator(r.getStart(), b::unbounded_following, "bound of a frame"));
  WEIR_ASSIGN(f.end, enumerator(r.getEnd(), b::unbounded_following, "bound of a frame"));
  WEIR_ASSIGN(f.start_offset, get_scalar(r.getStartOffset()));
  WEIR_ASSIGN(f.end_offset, get_scalar(r.getEndOffset()));
  WEIR_ASSIGN(f.without,
              enumerator(r.getExclusion(), over_frame::exclusion::ties, "exclusion of a frame"));
  return f;
}

result<operator_spec> get_over(wire::Over::Reader r) {
  auto one_less = [](uint32_t c) { return c ? std::optional<uint32_t>(c - 1) : std::nullopt; };
  over_spec s;
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  WEIR_ASSIGN(s.order, get_order(r.getOrder()));
  auto calls = r.getCalls();
  WEIR_TRY(bounded(calls, "window functions"));
  for (auto c : calls) {
    over_call call;
    WEIR_ASSIGN(call.function,
                enumerator(c.getFunction(), over_function::aggregate, "window function"));
    WEIR_ASSIGN(call.aggregate,
                enumerator(c.getAggregate(), aggregate_function_last, "aggregate function"));
    call.argument = one_less(c.getArgument());
    call.otherwise = one_less(c.getOtherwise());
    call.filter = one_less(c.getFilter());
    call.count = c.getCount();
    WEIR_ASSIGN(call.frame, get_frame(c.getFrame()));
    WEIR_ASSIGN(call.type, get_type(c.getType()));
    call.name = text(c.getName());
    call.separator = text(c.getSeparator());
    s.calls.push_back(std::move(call));
  }
  s.input_has_changes = r.getInputHasChanges();
  WEIR_ASSIGN(s.emit, enumerator(r.getEmit(), emit_mode::final_only, "emit mode"));
  s.time_column = one_less(r.getTimeColumn());
  s.window_end_key = one_less(r.getWindowEndKey());
  return operator_spec(std::move(s));
}

result<operator_spec> get_top_n(wire::TopN::Reader r) {
  top_n_spec s;
  WEIR_ASSIGN(s.keys, get_numbers(r.getKeys()));
  WEIR_ASSIGN(s.order, get_order(r.getOrder()));
  WEIR_ASSIGN(s.function, enumerator(r.getFunction(), rank_function::dense_rank, "rank function"));
  s.offset = r.getOffset();
  s.limit = r.getLimit();
  s.with_ties = r.getWithTies();
  s.upserts = r.getUpserts();
  s.with_number = r.getWithNumber();
  s.input_has_changes = r.getInputHasChanges();
  WEIR_ASSIGN(s.emit, enumerator(r.getEmit(), emit_mode::final_only, "emit mode"));
  if (auto w = r.getWindowEndKey()) s.window_end_key = w - 1;
  s.last_arrived = r.getLastArrived();
  s.preselect = r.getPreselect();
  if (auto c = r.getTimeColumn()) s.time_column = c - 1;
  s.retain_us = r.getRetainUs();
  return operator_spec(std::move(s));
}

result<operator_spec> get_spec(wire::Operator::Spec::Reader r) {
  switch (r.which()) {
    case wire::Operator::Spec::SOURCE: {
      WEIR_ASSIGN(auto s, get_source(r.getSource()));
      return operator_spec(std::move(s));
    }
    case wire::Operator::Spec::SINK:
      return get_sink(r.getSink());
    case wire::Operator::Spec::FILTER: {
      WEIR_ASSIGN(auto predicate, get_expr(r.getFilter()));
      return operator_spec(filter_spec{std::move(predicate)});
    }
    case wire::Operator::Spec::PROJECT: {
      WEIR_ASSIGN(auto columns, get_exprs(r.getProject()));
      return operator_spec(project_spec{std::move(columns)});
    }
    case wire::Operator::Spec::FLAT_MAP:
      return get_flat_map(r.getFlatMap());
    case wire::Operator::Spec::AGGREGATE:
      return get_aggregate(r.getAggregate());
    case wire::Operator::Spec::UNION:
      return operator_spec(union_spec{});
    case wire::Operator::Spec::DISTINCT:
      return operator_spec(distinct_spec{});
    case wire::Operator::Spec::CUSTOM:
      return get_custom(r.getCustom());
    case wire::Operator::Spec::TUMBLE:
      return operator_spec(window_spec{r.getTumble().getTimeColumn(),
                                       {window_kind::tumble, r.getTumble().getSizeUs(), 0}});
    case wire::Operator::Spec::WINDOW:
      return get_window(r.getWindow());
    case wire::Operator::Spec::JOIN:
      return get_join(r.getJoin());
    case wire::Operator::Spec::SETTLE:
      return operator_spec(settle_spec{});
    case wire::Operator::Spec::REPEAT:
      return operator_spec(repeat_spec{r.getRepeat()});
    case wire::Operator::Spec::TOP_N:
      return get_top_n(r.getTopN());
    case wire::Operator::Spec::OVER:
      return get_over(r.getOver());
    case wire::Operator::Spec::LOOKUP:
      return get_lookup(r.getLookup());
  }
  return damaged("an operator of unknown kind " + std::to_string(static_cast<unsigned>(r.which())));
}

result<operator_node> get_operator(wire::Operator::Reader r) {
  operator_node n;
  n.id = text(r.getId());
  n.name = text(r.getName());
  if (r.hasOutput()) {
    WEIR_ASSIGN(n.output, get_schema(r.getOutput()));
  }
  n.emits_changes = r.getEmitsChanges();
  n.parallelism = r.getParallelism();
  WEIR_ASSIGN(n.on_error, enumerator(r.getOnError(), error_policy::dead_letter, "error policy"));
  n.dead_letter_folder = text(r.getDeadLetterFolder());
  n.state_ttl_us = r.getStateTtlUs();
  WEIR_ASSIGN(n.spec, get_spec(r.getSpec()));
  return n;
}

result<physical_plan> get_plan(wire::Plan::Reader r) {
  if (r.getFormatVersion() != plan_format_version)
    return {errc::version_mismatch,
            "plan message has format version " + std::to_string(r.getFormatVersion()) +
                ", this binary reads " + std::to_string(plan_format_version)};
  physical_plan p;
  p.name = text(r.getName());
  WEIR_ASSIGN(p.mode, enumerator(r.getMode(), delivery_mode::at_most_once, "delivery mode"));
  p.key_groups = r.getKeyGroups();
  p.parallelism = r.getParallelism();
  auto operators = r.getOperators();
  if (operators.size() > plan_operators_max) return damaged("too many operators");
  for (auto o : operators) {
    WEIR_ASSIGN(auto n, get_operator(o));
    p.operators.push_back(std::move(n));
  }
  auto edges = r.getEdges();
  WEIR_TRY(bounded(edges, "edges"));
  for (auto e : edges) {
    plan_edge edge;
    edge.from = operator_index(e.getFrom());
    edge.to = operator_index(e.getTo());
    edge.from_port = e.getFromPort();
    edge.to_port = e.getToPort();
    WEIR_ASSIGN(edge.exchange, enumerator(e.getExchange(), exchange_kind::rebalance, "exchange"));
    WEIR_ASSIGN(edge.keys, get_numbers(e.getKeys()));
    p.edges.push_back(std::move(edge));
  }
  return p;
}

}  // namespace

result<physical_plan> decode_plan(std::span<const std::byte> bytes) {
  if (bytes.size() > plan_bytes_max)
    return damaged(std::to_string(bytes.size()) + " bytes are over the limit of " +
                   std::to_string(plan_bytes_max));
  if (bytes.size() % sizeof(capnp::word) != 0 || bytes.empty())
    return damaged(std::to_string(bytes.size()) + " bytes are not whole words");
  // Copied, since the reader needs word alignment that a span cannot promise.
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), bytes.data(), bytes.size());
  capnp::ReaderOptions options;
  // Every byte may be read a few times, not more: pointers that overlap cannot amplify.
  options.traversalLimitInWords = 4 * words.size() + 1024;
  options.nestingLimit = 64;
  try {
    capnp::FlatArrayMessageReader reader(words, options);
    WEIR_ASSIGN(auto plan, get_plan(reader.getRoot<wire::Plan>()));
    WEIR_TRY(validate(plan));
    return plan;
  } catch (const kj::Exception& e) {
    return damaged(std::string("cannot be read: ") + e.getDescription().cStr());
  } catch (const std::exception& e) {  // out of memory in our own containers
    return damaged(std::string("cannot be read: ") + e.what());
  }
}

}  // namespace weir
