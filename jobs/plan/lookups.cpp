#include "jobs/plan/lookups.hpp"

#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "jobs/plan/tree.hpp"
#include "runtime/connectors/options.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

bool has_option(const logical_node& scan) {
  const auto lookup = option_bool(scan.table.options, "lookup", false);
  return lookup && *lookup;
}

}  // namespace

bool is_upserted(const table_def& t) {
  return option_text(t.options, "format", "") == "upsert_json";
}

bool is_keyed(const table_def& t) {
  const auto keyed = option_bool(t.options, "keyed", false);
  return keyed && *keyed;
}

bool gives_upserts(const table_def& t) {
  const auto lookup = option_bool(t.options, "lookup", false);
  return (is_upserted(t) || is_keyed(t)) && lookup && !*lookup;
}

std::optional<lookup_table> lookup_of(const std::vector<logical_node>& nodes, relation r) {
  // Mostly there is none: look before anything is built.
  auto at = r;
  while (at.port == 0 &&
         (nodes[at.node].what == kind::filter || nodes[at.node].what == kind::project) &&
         !nodes[at.node].inputs.empty())
    at = nodes[at.node].inputs[0];
  if (at.port != 0 || nodes[at.node].what != kind::scan || !has_option(nodes[at.node])) return {};
  lookup_table out;
  out.scan = at.node;
  const auto& type = *nodes[r.node].output;
  for (uint32_t c = 0; c < type.size(); ++c)
    out.columns.push_back({type.fields[c].name, column_ref(type, c)});
  for (auto k = r; k.node != at.node; k = nodes[k.node].inputs[0]) {
    const auto& n = nodes[k.node];
    if (n.what == kind::filter) {
      split_and(n.predicate, out.filters);
      continue;
    }
    for (auto& f : out.filters) f = substitute(f, n.columns);
    for (auto& c : out.columns) c.value = substitute(c.value, n.columns);
  }
  // Those below were found last and may guard the others.
  std::reverse(out.filters.begin(), out.filters.end());
  return out;
}

std::vector<uint32_t> latest_by(const logical_node& scan) {
  std::vector<uint32_t> out;
  if (scan.table.options.at("connector") == "file" && !is_upserted(scan.table)) return out;
  for (const auto& key : scan.table.primary_key)
    if (auto c = scan.output->find(key)) out.push_back(static_cast<uint32_t>(*c));
  return out;
}

bool looks_up(const std::vector<logical_node>& nodes, const logical_node& j) {
  return (j.join == join_kind::inner || j.join == join_kind::left || one_sided(j.join)) &&
         lookup_of(nodes, j.inputs[1]).has_value();
}

std::vector<bool> only_looked_up(const std::vector<logical_node>& nodes) {
  std::vector<bool> read(nodes.size());
  std::vector<bool> out(nodes.size());
  for (auto i = static_cast<uint32_t>(nodes.size()); i-- > 0;) {
    const auto& n = nodes[i];
    out[i] =
        !read[i] && (n.what == kind::scan || n.what == kind::filter || n.what == kind::project);
    if (out[i]) continue;
    const bool lookup = n.what == kind::join && looks_up(nodes, n);
    for (size_t port = 0; port < n.inputs.size(); ++port)
      if (!lookup || port == 0) read[n.inputs[port].node] = true;
  }
  return out;
}

}  // namespace weir::planner
