#include "jobs/plan/split_filters.hpp"

#include <algorithm>

#include "jobs/plan/joins.hpp"
#include "runtime/connectors/file_partitions.hpp"
#include "runtime/expr/expr.hpp"

namespace weir::planner {

result<expr::node_ptr> split_filter_of(const std::vector<logical_node>& nodes, uint32_t scan) {
  const auto& table = nodes[scan];
  if (!table.table.options.contains("partition_by")) return expr::node_ptr();
  WEIR_ASSIGN(auto from_folders, partition_columns(*table.output, table.table.options));
  std::sort(from_folders.begin(), from_folders.end());
  const logical_node* filter = nullptr;
  for (const auto& n : nodes)
    for (auto r : n.inputs) {
      if (r.node != scan) continue;
      if (filter || n.what != logical_node::kind::filter) return expr::node_ptr();
      filter = &n;
    }
  if (!filter) return expr::node_ptr();
  std::vector<expr::node_ptr> all, of_files;
  split_and(filter->predicate, all);
  for (const auto& condition : all) {
    const auto columns = expr::columns_of(*condition);
    if (!columns.empty() &&
        std::includes(from_folders.begin(), from_folders.end(), columns.begin(), columns.end()))
      of_files.push_back(condition);
  }
  return of_files.empty() ? expr::node_ptr() : join_and(std::move(of_files));
}

}  // namespace weir::planner
