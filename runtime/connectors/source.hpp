// Sources: an enumerator, of which the job master owns one per source operator, finds splits (a
// byte range of a file, a partition of a topic); readers, one per task, read the splits that they
// are handed. A split's position travels inside it, so a snapshot is the list of unfinished splits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/operators/operator.hpp"
#include "runtime/plan/plan.hpp"

namespace weir {

struct source_split {
  std::string id;          // unique and stable: a split that was seen before is not read again
  std::string ordered_by;  // splits with the same value are parts of one time-ordered stream
  std::string payload;     // the connector's own: where to read and, once begun, how far it got
  uint64_t weight = 0;     // bytes or rows left, for balance and progress; 0 = unknown
  uint64_t order = 0;  // place in the order of discovery; the coordinator's, not the connector's
};

struct discovery {
  std::vector<source_split> splits;  // all that exist now, in the order to hand them out
  bool bounded = true;               // false: call again later, more may appear
  /// The splits cover the same time and are to be read at once: all are handed out at the start,
  /// evenly. Bounded sources only; others' are handed out at once anyway.
  bool side_by_side = false;
};

class dead_letter_topic;

class split_enumerator {
 public:
  virtual ~split_enumerator() = default;
  /// Once before the first discover() of a job that continues: the ids of all splits that were
  /// found before, so that a file that has grown since is still cut at the same places.
  virtual void restore(const std::vector<std::string>& /*seen_ids*/) {}
  /// May block (runs on the io_executor). Called at the start and, while unbounded, every second.
  virtual result<discovery> discover() = 0;
};

/// Where a row came from.
struct source_record {
  std::string position;                   // as in source_reader::position()
  std::optional<std::string_view> bytes;  // valid until the next poll()
  std::optional<std::string_view> key;    // as long; of a topic's record
  std::string headers;                    // kafka/records.hpp
};

struct polled {
  enum class state : uint8_t {
    batch,     // `rows` has data of split `split_id`
    pending,   // nothing now; wake() will be called, or call again at `wake_at`
    finished,  // every split it had is read to its end: hand out more, or it is done
  };
  state what = state::pending;
  batch_ptr rows;
  std::string_view split_id;  // valid until the next call
  /// `split_id` is read to its end, with a batch or without: then `what` is finished when it was
  /// the last split, else pending with a `wake_at` that has passed.
  bool split_ended = false;
  /// No row of `split_id` that is still to come is older, where the reader knows; in event time.
  timestamp_us split_time = watermark_none;
  timestamp_us wake_at = watermark_end;  // pending: processing time to call again
};

/// One per source task; not thread-safe. Blocking reads go to context.io.
class source_reader {
 public:
  virtual ~source_reader() = default;
  virtual status open(const operator_context&) = 0;
  virtual status add_split(source_split) = 0;
  /// At most about `max_rows` rows. Generated columns are included.
  virtual result<polled> poll(uint32_t max_rows) = 0;
  /// The unfinished splits with their positions: what lies before was emitted by poll().
  virtual std::vector<source_split> snapshot() const = 0;
  /// For messages: split and position of the row that was emitted or tried last ("a.csv:1234").
  virtual std::string position() const = 0;
  /// Where physical row `row` of the batch that poll() gave last came from, if the reader knows;
  /// position() then names it. `physical_rows`: those of that batch, for a check.
  virtual std::optional<source_record> locate(uint32_t /*physical_rows*/, uint32_t /*row*/) {
    return std::nullopt;
  }
  /// Bad records that belong to the epoch as the positions do: whoever calls snapshot() asks them
  /// for their share of it, too. Null: there are none.
  virtual dead_letter_topic* letters() { return nullptr; }
  /// Everything up to this epoch is safely processed (for sources that acknowledge).
  virtual status on_epoch_complete(epoch) { return {}; }
  virtual status close() { return {}; }
};

result<std::unique_ptr<split_enumerator>> make_enumerator(const source_spec&, file_system&,
                                                          uint32_t parallelism);
result<std::unique_ptr<source_reader>> make_reader(const source_spec&);
/// Sinks are operators without output.
result<std::unique_ptr<stream_operator>> make_sink(const sink_spec&);

/// Reads a table whole, and again, and joins rows with it (runtime/connectors/lookup.cpp).
result<std::unique_ptr<stream_operator>> make_lookup(const lookup_spec&, const schema_ptr& input,
                                                     schema_ptr output);

/// What a connector can promise; the planner prints it and refuses what does not fit.
struct connector_traits {
  bool is_source = false, is_sink = false;
  bool replayable = false;  // source: positions survive a restart
  enum class commit : uint8_t { none, transactional, idempotent, rename } commits = commit::none;
  bool takes_changes = false;        // sink: weights other than +1
  std::vector<std::string> options;  // names that it knows, for the nearest-name hint
};
result<connector_traits> traits_of(std::string_view connector);
/// Whether the format of a table says of each row if it comes or goes.
bool is_change_format(const option_map&);
/// All connectors' names.
std::vector<std::string> connector_names();
/// Checks option names and values of a table before anything runs.
status check_options(std::string_view connector, const option_map&, bool as_sink);
/// Checks a table that is read, whose options have passed check_options(), against what only its
/// connector knows: columns that it does not have. Options that the table's name implies are added.
status check_source_table(std::string_view connector, const std::string& table,
                          const schema& physical, option_map&);
/// The same of a table that is written.
status check_sink_table(std::string_view connector, const std::string& table, const schema& columns,
                        const option_map&);

}  // namespace weir
