// What becomes of rows that an operator's expressions cannot compute: they fail the task, are
// counted and left out, or go to a file of dead letters. One file per operator and subtask, whose
// length belongs to the snapshot: a restart cuts it, so each such row is there exactly once. Owned
// by the chain, beside its operator; the task's thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "runtime/connectors/dead_letters.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

class operator_error_policy final : public row_error_handler {
 public:
  struct options {
    error_policy on_error = error_policy::fail;
    std::string folder;  // of dead letters
    /// Set when the operator's input rows are, one to one, those of the reader's last batch: then
    /// it knows where in the input each of them stands.
    source_reader* reader = nullptr;
  };
  explicit operator_error_policy(options);
  ~operator_error_policy() override;

  void open(const operator_context&);
  status restore(const snapshot_reader&);
  /// After open and restore: removes what an earlier attempt wrote behind the snapshot.
  void begin();
  status reject(const batch& in, const std::vector<expr::row_error>&) override;

  void snapshot_begin(snapshot_writer&);
  /// Whether every dead letter is durable; false = the task is woken when it may be.
  result<bool> durable();
  /// Too many dead letters are on their way to the file.
  bool blocked() const;

 private:
  std::string file_id(uint32_t number) const;

  options options_;
  operator_context context_;
  std::string name_;  // the stable id as a part of a file's name: "by_carrier.partial"
  std::unique_ptr<dead_letters> letters_;
  /// Lengths of the files that this subtask answers for, by the subtask that wrote them: its own,
  /// and those of subtasks that are no more since the parallelism dropped.
  std::map<uint32_t, uint64_t> lengths_;
};

}  // namespace weir
