// Custom operators of a job, as their libraries describe them.
#include "jobs/plan/builder.hpp"
#include "runtime/custom/custom_operator.hpp"

namespace weir::planner {

custom_resolver library_resolver() {
  return [](const custom_def& c, const std::vector<schema_ptr>& inputs,
            const std::string& job_dir) -> result<custom_info> {
    custom_spec spec;
    WEIR_ASSIGN(spec.library, find_operator_library(c.library, job_dir));
    spec.class_name = c.class_name;
    spec.parameters = c.parameters;
    for (const auto& k : c.keys)
      if (auto i = inputs[0]->find(k)) spec.keys.push_back(*i);
    WEIR_ASSIGN(auto described, describe_custom_operator(spec, inputs));
    custom_info info;
    info.library = spec.library;
    info.output = described.output;
    for (auto& side : described.side_outputs)
      info.side_outputs.emplace_back(side.name, side.columns);
    return info;
  };
}

}  // namespace weir::planner
