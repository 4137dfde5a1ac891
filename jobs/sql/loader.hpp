// Reads a script statement by statement into a plan builder and goes on after mistakes, so that
// every statement's are reported. One use, one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jobs/job/job.hpp"
#include "jobs/sql/query_binder.hpp"
#include "jobs/sql/reader.hpp"

namespace weir::sql {

/// A table or view as people see it.
struct relation_info {
  struct column {
    std::string name, type, note;  // note: "generated", "event time", "key", or empty
  };
  std::string name;
  bool is_table = true;
  std::vector<column> columns;
  option_map options;  // of a table
};

class loader {
 public:
  loader(script&, const std::string& base_dir, const jobs::job_settings&);
  /// Nothing when the script has errors (all are reported there).
  std::optional<jobs::job> run();

  /// The script is a part of a conversation: names that it does not use are none of its concern.
  void expect_more() { whole_ = false; }
  /// The folder that relative paths of the statement at a byte of the script count from; empty: the
  /// job's.
  void set_folders(std::function<std::string(uint32_t)> f) { folder_of_ = std::move(f); }
  /// Instead of run(): what the script defines, in order of names. Nothing: errors.
  std::optional<std::vector<relation_info>> relations();

 private:
  void read();
  void run_statements();
  std::optional<jobs::job> load();
  void warn_growth(const physical_plan&);
  bool settings();
  void apply(const set_statement&, planner::plan_settings&);
  void run(const set_statement&);
  void run(const create_table&);
  void run(const create_view&);
  void run(const create_type&) {}  // read() has noted it
  void run(const insert&);
  void run(const select_statement&, uint32_t location);
  void run(const explain_statement&, const statement& at);

  std::optional<planner::table_def> table_of(const create_table&, definition&);
  bool generated_columns(const create_table&, planner::table_def&);
  /// DEFAULT, NOT NULL, CHECK and lengths.
  bool constraints(const create_table&, definition&);
  bool define(const name&, definition);
  /// What INSERTs of one table write; one sink takes all of it.
  struct written {
    planner::table_def table;
    std::vector<planner::relation> from;
    uint32_t location = 0;
  };
  void add_sinks();
  void add_late_tables();
  /// Notes a query's rows for a table; `columns`: those that INSERT names, else all.
  void write(definition&, const name& into, const std::vector<name>& columns, const query&);
  /// The rows in the order of the table's columns, with NULL where INSERT gives nothing.
  std::optional<rows> arranged(rows, const definition&, const std::vector<uint32_t>& targets);
  std::optional<rows> assigned(rows, const definition&, std::vector<uint32_t> targets,
                               const name& into, bool named);
  std::optional<std::vector<uint32_t>> insert_targets(const definition&, const std::vector<name>&);
  /// Refuses rows that change where the sink only appends, at the clause that makes them change.
  bool takes(const rows&, const planner::table_def&, uint32_t location);
  void warn_unused();
  void fail_step(const std::string& id, const error&);
  void check_unread();
  bool fail(errc code, const std::string& what, uint32_t location) {
    script_.report(expr::error_at(code, what, script_.text(), location), location);
    return false;
  }

  script& script_;
  std::string base_dir_;
  const jobs::job_settings& settings_;
  std::vector<statement> statements_;
  std::set<std::string> unreadable_;
  made_types types_;
  std::unique_ptr<planner::plan_builder> builder_;
  std::unique_ptr<query_binder> queries_;
  std::vector<written> written_;
  std::vector<std::string> explained_;
  std::function<std::string(uint32_t)> folder_of_;
  bool whole_ = true;
  bool bare_select_ = false;
  std::optional<int64_t> snapshot_interval_us_;
};

}  // namespace weir::sql
