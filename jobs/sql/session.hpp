// A conversation in SQL, for `weir sql`: what is defined is kept, and every other statement is a
// job of its own over it. Knows no terminal and runs nothing. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/job/job.hpp"
#include "jobs/sql/loader.hpp"

namespace weir::sql {

class session {
 public:
  /// Relative paths count from `base_dir` unless a statement comes from a file elsewhere.
  session(std::string base_dir, jobs::job_settings);

  struct place {
    std::string file = "statement";  // for messages
    uint32_t line = 1;               // of the statement's first byte in it
    std::string folder = {};         // that its relative paths count from; empty: base_dir
  };
  /// What came of a statement.
  struct answer {
    std::string tag;               // "CREATE TABLE", "SET", "SELECT", ...
    std::optional<jobs::job> job;  // what is to be run now
    std::string text;              // EXPLAIN's
    std::string keep = {};         // CREATE TABLE ... AS: see ran()
    std::string folder = {};
  };
  /// One statement. Nothing: `out` says why, at places of the file.
  std::optional<answer> take(const std::string& statement, const place&,
                             std::vector<jobs::diagnostic>& out);
  /// The answer's job has run to its end: a table that it made is there from now on.
  void ran(const answer&);

  /// All tables and views, in order of names.
  const std::vector<relation_info>& relations() const { return relations_; }

 private:
  struct kept {
    std::string text, folder;
    std::string defines;  // a table's or view's name; empty: SET
    bool is_table = false;
  };
  struct attempt;
  struct dropped;
  /// Nothing: the message says why.
  result<answer> drop(const dropped&);
  /// The tables and views of these statements; nothing: `out` says why.
  std::optional<std::vector<relation_info>> relations_of(const std::vector<kept>&,
                                                         std::vector<jobs::diagnostic>& out) const;

  std::string base_dir_;
  jobs::job_settings settings_;
  std::vector<kept> kept_;
  std::vector<relation_info> relations_;
};

/// All functions that may be called by their names: scalar ones, aggregates, those with OVER and
/// those of FROM, each once, in their order.
std::vector<std::string> function_names();

}  // namespace weir::sql
