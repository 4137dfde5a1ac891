// The engine's side of custom operators: finds and loads their libraries, checks the version of the
// binary interface (<weir/abi.hpp>), asks a class what it emits (planner, linter) and adapts it to
// stream_operator (tasks). Errors name library, class and operator; exceptions of user code end in
// the library and arrive here as errc::user_code.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/operators/operator.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

/// Where a library named in a job file is: `library` as it is when absolute, else relative to the
/// job file's folder, to the folders of WEIR_OPERATOR_PATH (separated by ':'), to `operators`
/// beside the running binary and to `../lib/weir/operators`. "NAME", "NAME.so" and "libNAME.so" are
/// tried. The error lists all places.
result<std::string> find_operator_library(std::string_view library, const std::string& job_dir);

/// Names of the classes that a library exports.
result<std::vector<std::string>> operator_classes(const std::string& library);

struct custom_description {
  struct side_output {
    std::string name;
    schema_ptr columns;
  };
  struct parameter {
    std::string name, default_value, help;
    bool required = false;
  };
  schema_ptr output;
  std::vector<side_output> side_outputs;  // ports 1... in order
  bool needs_key = false;                 // refuse the job when the step has no key
  std::vector<std::string> states;        // names of keyed states
  std::vector<parameter> parameters;      // those that it declares
};

/// What a class emits for these inputs and parameters. Checks library, class (nearest names), and
/// as far as the class declares them, columns and parameters; also the spec's keys, when the class
/// needs some. `spec.side_outputs` need not be filled yet.
result<custom_description> describe_custom_operator(const custom_spec&,
                                                    const std::vector<schema_ptr>& inputs);

/// An instance, not yet open. `node.output` and the spec's side outputs must be what the class
/// describes: they were planned against the same library.
result<std::unique_ptr<stream_operator>> make_custom_operator(const custom_spec&,
                                                              const std::vector<schema_ptr>& inputs,
                                                              const operator_node&);

/// A counter or gauge that user code made.
struct custom_metric {
  std::string name;
  bool is_gauge = false;
  int64_t value = 0;
};
/// Of an operator that make_custom_operator made; empty for others. Safe while the operator runs.
std::vector<custom_metric> custom_metrics(const stream_operator&);

}  // namespace weir
