// What becomes of rows that an operator's expressions cannot compute: they fail the task, are
// counted and left out, or become dead letters: in a file per operator and subtask, whose length
// belongs to the snapshot (a restart cuts it), or in a topic, by records that belong to it. So each
// such row is there exactly once. Owned by the chain, beside its operator; the task's thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "runtime/connectors/kafka/dead_letter_topic.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

class operator_error_policy final : public row_error_handler {
 public:
  struct options {
    error_policy on_error = error_policy::fail;
    std::string folder;  // of dead letters, or
    /// the options of the table that has a topic for them.
    const option_map* topic_of = nullptr;
    /// Set when the operator's input rows are, one to one, those of the reader's last batch: then
    /// it knows where in the input each of them stands.
    source_reader* reader = nullptr;
  };
  explicit operator_error_policy(options);
  ~operator_error_policy() override;

  status open(const operator_context&);
  status restore(const snapshot_reader&);
  /// After open and restore: removes what an earlier attempt wrote behind the snapshot.
  void begin();
  status reject(const batch& in, const std::vector<expr::row_error>&) override;

  void snapshot_begin(snapshot_writer&);
  /// Whether every dead letter is durable or in the snapshot; false = the task is woken when it may
  /// be.
  result<bool> snapshot_continue(snapshot_writer&);
  status on_epoch_complete(epoch);
  void on_epoch_aborted();
  /// False while dead letters of complete epochs are on their way to the topic.
  result<bool> committed() const;
  /// Too many dead letters are on their way.
  bool blocked() const;
  void close();

 private:
  std::string file_id(uint32_t number) const;
  /// A letter for each row that failed; valid during the call.
  void for_each_letter(const batch&, const std::vector<expr::row_error>&,
                       const std::function<void(const dead_letters::letter&)>& take);
  std::optional<source_record> located(const batch&, uint32_t row);

  options options_;
  operator_context context_;
  std::string name_;  // the stable id as a part of a file's name: "by_carrier.partial"
  std::unique_ptr<dead_letters> letters_;
  std::unique_ptr<dead_letter_topic> topic_;
  /// Lengths of the files that this subtask answers for, by the subtask that wrote them: its own,
  /// and those of subtasks that are no more since the parallelism dropped.
  std::map<uint32_t, uint64_t> lengths_;
};

}  // namespace weir
