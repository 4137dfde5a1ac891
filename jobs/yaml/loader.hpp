// Reads a checked document into a plan builder, step by step, and goes on after mistakes: what
// depends on a failed part is skipped silently, so that every message is about a mistake of its
// own. One use.
#pragma once

#include <set>

#include "jobs/plan/builder.hpp"
#include "jobs/yaml/document.hpp"

namespace weir::jobs {

class loader {
 public:
  loader(document&, const std::string& base_dir, const job_settings&);
  /// The plan; nothing when the document has errors (all are reported there).
  std::optional<physical_plan> run();

 private:
  using relation = planner::relation;
  struct named {
    std::optional<relation> value;  // none: it failed, or is a table that was not read yet
    YAML::Node table;               // a table's definition
    YAML::Node where;               // its name in the file
    bool is_table = false;
    bool broken = false;  // reported already
    bool used = false;
  };

  planner::plan_settings plan_settings(const YAML::Node& root);
  void read_tables(const YAML::Node&);
  void read_steps(const YAML::Node&);
  void read_sinks(const YAML::Node&);
  void add_late_tables();
  std::optional<planner::table_def> table_of(const std::string& name, const YAML::Node&);
  /// What a step or sink reads; reports unknown names. Nothing: skip quietly.
  std::optional<relation> find(const YAML::Node& name);
  std::vector<std::string> readable_names() const;

  std::optional<relation> read_step(const YAML::Node&, const std::string& name,
                                    const std::string& previous);
  /// A state_ttl, 0 where its mistake is reported.
  int64_t state_ttl(const YAML::Node&);
  std::optional<std::vector<relation>> inputs_of(const YAML::Node& step,
                                                 const std::string& previous);
  bool check_combination(const YAML::Node& step);
  // Each takes the step's rows so far; nothing when it reported an error.
  /// `left_name`: what the condition calls the step's own rows.
  std::optional<relation> join(relation left, const std::string& left_name, const YAML::Node&,
                               planner::step_options);
  std::optional<relation> where(relation, const YAML::Node& text, planner::step_options);
  std::optional<relation> flat_map(relation, const YAML::Node&, planner::step_options);
  std::optional<relation> window(relation, const YAML::Node&, planner::step_options);
  std::optional<planner::window_def> window_shape_of(const YAML::Node&);
  std::optional<relation> aggregate(relation, const YAML::Node& step, planner::step_options);
  std::optional<relation> custom(const std::vector<relation>&, const YAML::Node& step,
                                 planner::step_options);
  std::optional<relation> select(relation, const YAML::Node&, planner::step_options);
  std::optional<std::vector<planner::named_expr>> keys(relation, const YAML::Node&);

  /// Binds an expression of the file; errors are reported at their place in it.
  expr::node_ptr bind(const YAML::Node& text, const schema&);
  expr::node_ptr bind(const YAML::Node& where, const std::string& text, const schema&);
  expr::node_ptr column(const YAML::Node& name, const schema&);
  std::optional<relation> take(const YAML::Node& where, result<relation>);

  document& doc_;
  std::string base_dir_;
  const job_settings& settings_;
  std::unique_ptr<planner::plan_builder> builder_;
  int64_t state_ttl_us_ = 0;  // the job's
  std::map<std::string, named> names_;
  std::set<std::string> written_;   // tables that sinks write
  std::vector<std::string> order_;  // of names_, as the file has them
};

}  // namespace weir::jobs
