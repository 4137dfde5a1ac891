// weir sql: statements of files, of a pipe or typed at a prompt, one after the other.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/cli/execute.hpp"
#include "cluster/cli/prompt/statement_reader.hpp"
#include "jobs/sql/session.hpp"

namespace weir::cli {

struct sql_options {
  std::vector<std::string> files;
  std::vector<std::string> commands;  // -c
  std::map<std::string, std::string> set;
  std::optional<uint32_t> parallelism;
  size_t memory_bytes = size_t{2} << 30;
  std::string output;  // table, csv, json; empty: table on a terminal, else csv
  bool final_only = false, quiet = false, no_history = false;
};

/// Returns the process's exit code.
int run_sql(const sql_options&);

class line_editor;

class shell {
 public:
  shell(const sql_options&, signal_waiter&, bool interactive);

  /// All statements of a file. False: one failed, or it is time to end.
  bool run_file(const std::string& path);
  /// Of a text with the name `label` in messages.
  bool run_text(const std::string& text, const sql::session::place&);
  /// Statements from standard input.
  bool run_input();
  void prompt();

  int exit_code() const { return exit_code_; }

 private:
  using piece = statement_reader::piece;
  /// False: it failed.
  bool run(const piece&, const sql::session::place&);
  bool run_pieces(const std::vector<piece>&, const sql::session::place&);
  bool statement(const piece&, const sql::session::place&);
  bool command(const piece&, const sql::session::place&);
  bool job(jobs::job, const std::string& tag);
  bool describe(const std::string& name);
  void help() const;
  bool fail(const std::string& message);

  const sql_options& options_;
  signal_waiter& signals_;
  const bool interactive_;
  sql::session session_;
  bool timing_ = false, done_ = false, from_input_ = false;
  int depth_ = 0;  // of \i
  int exit_code_ = 0;
};

}  // namespace weir::cli
