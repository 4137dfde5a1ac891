// Tables that take the rows which come too late for the windows over another one.
#include <algorithm>

#include "jobs/plan/builder.hpp"
#include "runtime/base/nearest.hpp"

namespace weir::planner {
namespace {

using kind = logical_node::kind;

bool passes_rows(kind k) {
  return k == kind::filter || k == kind::project || k == kind::flat_map;
}

}  // namespace

/// The tables whose rows reach a node without being grouped or joined on the way.
void plan_builder::tables_of(uint32_t node, std::vector<uint32_t>& scans) const {
  const auto& n = nodes_[node];
  if (n.what == kind::scan) {
    if (std::find(scans.begin(), scans.end(), node) == scans.end()) scans.push_back(node);
  } else if (passes_rows(n.what) || n.what == kind::window || n.what == kind::unite) {
    for (auto r : n.inputs) tables_of(r.node, scans);
  }
}

/// Whether a node drops rows that are late for windows over rows of tables.
bool plan_builder::drops_late_rows(const logical_node& n) const {
  if (n.what != kind::aggregate || !n.window_end || n.inputs[0].port != 0) return false;
  auto in = n.inputs[0].node;
  while (passes_rows(nodes_[in].what)) in = nodes_[in].inputs[0].node;
  return nodes_[in].what == kind::window;
}

/// Opens the output for late rows of one aggregate: the columns `names` of its input.
result<relation> plan_builder::late_output(uint32_t node, const std::string& table,
                                           const std::vector<std::string>& names) {
  auto& n = nodes_[node];
  const auto& in = *schema_of(n.inputs[0]);
  if (nodes_[n.inputs[0].node].emits_changes)
    return {errc::unsupported,
            "late_table of \"" + table + "\": the rows that \"" + n.step.id +
                "\" groups may be taken back, and late ones would have to be, too"};
  std::vector<std::string> there;
  for (const auto& f : in.fields) there.push_back(f.name);
  auto late = std::make_shared<schema>();
  for (const auto& name : names) {
    const auto i = in.find(name);
    if (!i)
      return {errc::unknown_name, "late_table of \"" + table + "\" has a column \"" + name +
                                      "\" that the rows which \"" + n.step.id +
                                      "\" groups do not have" + nearest_hint(name, there)};
    n.late.push_back(*i);
    late->fields.push_back(in.fields[*i]);
  }
  n.info.side_outputs = {{"late", late}};
  return relation{node, 1};
}

status plan_builder::add_late_tables(
    const std::function<result<table_def>(const std::string& name)>& find) {
  // What goes to each late table, in the order of the script.
  std::vector<std::pair<std::string, std::vector<relation>>> late;
  std::vector<bool> windowed(nodes_.size());
  const auto count = static_cast<uint32_t>(nodes_.size());
  for (uint32_t i = 0; i < count; ++i) {
    if (!drops_late_rows(nodes_[i])) continue;
    std::vector<uint32_t> scans;
    tables_of(nodes_[i].inputs[0].node, scans);
    for (auto s : scans) {
      windowed[s] = true;
      const auto& table = nodes_[s].table;
      auto option = table.options.find("late_table");
      if (option == table.options.end()) continue;
      if (scans.size() > 1)
        return {errc::unsupported,
                "late_table of \"" + table.name + "\": \"" + nodes_[i].step.id +
                    "\" groups rows of several tables, whose late rows could not be told apart"};
      WEIR_ASSIGN(auto to, find(option->second));
      std::vector<std::string> names;
      for (const auto& c : to.columns.empty() ? table.columns : to.columns) names.push_back(c.name);
      WEIR_ASSIGN(auto rows, late_output(i, table.name, names));
      auto known = std::find_if(late.begin(), late.end(),
                                [&](const auto& l) { return l.first == option->second; });
      if (known == late.end()) known = late.insert(late.end(), {option->second, {}});
      known->second.push_back(rows);
    }
  }
  for (uint32_t i = 0; i < count; ++i)
    if (nodes_[i].what == kind::scan && nodes_[i].table.options.count("late_table") && !windowed[i])
      return {errc::invalid_argument,
              "late_table of \"" + nodes_[i].table.name +
                  "\": late rows are those that an aggregate over windows of the table's rows "
                  "leaves out, and there is none (joins count what comes too late for them, but "
                  "do not give it away)"};
  for (const auto& [name, from] : late) {
    WEIR_ASSIGN(auto to, find(name));
    auto rows = from[0];
    if (from.size() > 1) {
      WEIR_ASSIGN(rows, unite(from, {"sink/" + name + "/union"}));
    }
    if (auto made = sink(rows, to); !made)
      return {made.err().code, "option late_table names \"" + name + "\": " + made.err().message};
  }
  return {};
}

}  // namespace weir::planner
