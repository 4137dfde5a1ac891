#include "runtime/operators/factory.hpp"

#include "runtime/operators/builtin.hpp"
#include "runtime/operators/stored_operator.hpp"
#if __has_include("runtime/custom/custom_operator.hpp")
#include "runtime/custom/custom_operator.hpp"
#define WEIR_HAS_CUSTOM 1
#endif

namespace weir {
namespace {

struct maker {
  const operator_node& node;
  const std::vector<schema_ptr>& inputs;

  const schema_ptr& in() const { return inputs.front(); }

  result<operator_ptr> operator()(const filter_spec& s) const { return make_filter(s, in()); }
  result<operator_ptr> operator()(const project_spec& s) const {
    return make_project(s, in(), node.output);
  }
  result<operator_ptr> operator()(const flat_map_spec& s) const {
    return make_flat_map(s, in(), node.output);
  }
  result<operator_ptr> operator()(const aggregate_spec& s) const {
    return make_aggregate(s, in(), node.output, node.state_ttl_us);
  }
  result<operator_ptr> operator()(const union_spec&) const {
    return make_union(inputs, node.output);
  }
  result<operator_ptr> operator()(const distinct_spec&) const {
    return make_distinct(in(), node.output, node.state_ttl_us);
  }
  result<operator_ptr> operator()(const settle_spec&) const {
    return make_settle(in(), node.output);
  }
  result<operator_ptr> operator()(const join_spec& s) const {
    return make_join(s, in(), inputs.back(), node.output, node.state_ttl_us);
  }
  result<operator_ptr> operator()(const repeat_spec& s) const {
    return make_repeat(s, in(), node.output);
  }
  result<operator_ptr> operator()(const window_spec& s) const {
    return make_window(s, in(), node.output);
  }
  result<operator_ptr> operator()(const over_spec& s) const {
    return make_over(s, in(), node.output, node.state_ttl_us);
  }
  result<operator_ptr> operator()(const top_n_spec& s) const {
    return make_top_n(s, in(), node.output, node.state_ttl_us);
  }
  result<operator_ptr> operator()(const custom_spec& s) const {
#ifdef WEIR_HAS_CUSTOM
    return make_custom_operator(s, inputs, node);
#else
    return error(errc::unsupported, "custom operator \"" + s.class_name + "\" in this build");
#endif
  }
  result<operator_ptr> operator()(const lookup_spec& s) const {
    return connector(s.table.connector);
  }
  result<operator_ptr> operator()(const source_spec& s) const {
    return connector(s.connector);
  }
  result<operator_ptr> operator()(const sink_spec& s) const {
    return connector(s.connector);
  }
  result<operator_ptr> connector(const std::string& name) const {
    return error(errc::internal, "\"" + name + "\" is a connector, not an operator");
  }
};

}  // namespace

result<std::unique_ptr<stream_operator>> make_operator(const operator_node& node,
                                                       const std::vector<schema_ptr>& inputs) {
  if (inputs.empty())
    return error(errc::invalid_argument, "operator \"" + node.name + "\" has no input");
  if (auto stored = with_stored_columns(node, inputs)) {
    auto inner = std::visit(maker{stored->node, stored->inputs}, stored->node.spec);
    if (!inner) return inner.err().at("operator \"" + node.name + "\"");
    return make_stored_operator(std::move(*inner), std::move(*stored),
                                {node.output, output_of(node, 1)});
  }
  auto made = std::visit(maker{node, inputs}, node.spec);
  if (!made) return made.err().at("operator \"" + node.name + "\"");
  return made;
}

}  // namespace weir
