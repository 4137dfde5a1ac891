// The inside of a partition's actor, shared by its source files only: partition.cpp (opening,
// appending, reading, keeping, ending) and partition_cluster.cpp (its place in the cluster). Lives
// on whatever thread the actor runs.
#pragma once

#include <deque>

#include "actors/storage/partition.hpp"
#include "runtime/kafka/partition/refused_batches.hpp"

namespace weir {

struct waiting_append {
  int64_t end_offset;
  std::shared_ptr<append_waiter> waiter;
  uint32_t slot;
  append_reply reply;
  uint64_t bytes = 0;  // of a batch that is staged, not of a repeated one
  int8_t acks = -1;
  int32_t timeout_ms = 0;
  int64_t deadline_ms = 0;                                  // once it waits for other replicas
  std::optional<kafka::refused_batches::batch> batch = {};  // of an idempotent producer
};

/// A deletion that is not yet everywhere.
struct waiting_deletion {
  int64_t offset;
  uint64_t chores;  // it is on this disk when so many are done
  int64_t deadline_ms;
  std::function<void(kafka::delete_records_answer)> done;
};

class partition_state {
 public:
  static inline const char* name = "weir.partition";
  using pointer = partition_actor::stateful_pointer<partition_state>;

  void init(pointer self, partition_seed seed);

  void handle(append_message&);
  void handle(marker_message&);
  void handle(fetch_message&);
  void handle(offset_message&);
  void handle(visit_message&);
  void handle(leadership_message&);
  void handle(delete_records_message&);
  void handle(const chores_done_message&);
  void handle(commit_message_of_log&);
  void handle(opened_message&);
  void handle(cut_point_message&);
  void handle(read_done_message&);
  void handle(looked_up_message&);
  void handle(compaction_message&);
  void configure(const partition_settings&);
  void tick();
  caf::result<clean_partition> close();
  caf::result<bool> remove();
  void removed(bool ok);

  // partition_cluster.cpp
  void handle(const kafka::partition_role&);
  void handle(copied_message&);
  void handle(const in_sync_answer_message&);
  void handle(const still_leader_message&);
  void replica_tick();

 private:
  static constexpr size_t prune_min = 64;
  static constexpr auto relaxed = std::memory_order_relaxed;

  /// Whether the partition can be used now; else `message` waits until it can.
  template <class Message>
  bool ready(Message& message) {
    if (partition_ && !opening_) return true;
    if (!failure_) {
      waiting_.push_back([this, m = std::move(message)]() mutable { handle(m); });
      if (!opening_) open();
    }
    return false;
  }
  void open();
  void report_recovery();
  void settle(kafka::produce_outcome, const std::optional<kafka::refused_batches::batch>&,
              std::shared_ptr<append_waiter>, uint32_t slot, int8_t acks, int32_t timeout_ms);
  void push(log_write);
  /// A batch that is out of order soon after this node has begun to lead: the one in front of it
  /// was refused by the leader before, and is still on its way here. Clients that are told so give
  /// up, or begin a new epoch (librdkafka), upon which they may write twice what others have and
  /// have not acknowledged.
  bool comes_early(const append_message&, kafka::error_code) const;
  /// Batches of a producer behind one whose transaction the coordinator is asked about.
  void release_held(int64_t producer_id);
  void release_held();  // all; when nothing is appended here any more
  void refuse(const std::shared_ptr<append_waiter>&, uint32_t slot);
  void durable();
  void deliver(const fetch_message&, kafka::fetch_answer);
  void read_later(fetch_message&, kafka::fetch_answer);
  void wake_readers();
  void prune_readers();
  void do_chores();
  /// Answers deletions that are everywhere, or that are late.
  void settle_deletions();
  void refuse_deletions(kafka::error_code, const std::string& message);
  void begin_compaction();
  void step(std::shared_ptr<compaction_job>);
  void finish_close();
  void fail(error why);
  void show();
  int64_t now_ms() const { return seed_.time->now() / 1000; }
  /// Something is staged that the committer has not reported on.
  bool under_way() const {
    return partition_->log().staged_end_offset() > partition_->log_end_offset();
  }

  // partition_cluster.cpp
  bool has_to_open() const;
  void refuse_all(kafka::error_code);
  void answer(waiting_append&);
  void wait_for_replicas(waiting_append);
  /// A leader that cannot write, as on a full disk, has another one lead.
  void hand_over();
  /// What a follower's fetch, a role or time has moved, if it is more than `before`.
  void moved_from(int64_t before);
  void look_after_followers();
  /// A consumer is beyond the end of this log: either its position is wrong, or a newer leader has
  /// more and this node does not know of it yet. Told OFFSET_OUT_OF_RANGE by the latter, clients
  /// begin at the start of the log again.
  bool doubts(const fetch_message&, const kafka::fetch_answer&) const;
  void fetch_surely(fetch_message);
  /// `then` gets NONE if this node still leads, whatever it believes; soon, or at once.
  void confirm_leadership(std::function<void(kafka::error_code)> then);
  void ask_whether_it_leads();
  void follow(bool later = false);
  void cut(const kafka::truncation&);
  void begin_cut();
  void finish_cut(status moved);

  pointer self_ = nullptr;
  partition_seed seed_;
  uint64_t lane_ = 0;
  std::unique_ptr<kafka::partition> partition_;
  bool opening_ = false;  // or its log is being cut: messages wait
  std::optional<error> failure_;
  std::vector<std::function<void()>> waiting_;  // messages that came before it was open
  std::deque<waiting_append> appends_;          // by end_offset
  kafka::refused_batches refused_;
  int64_t led_since_ms_ = 0;
  int64_t failing_since_ms_ = 0;  // writes; 0: the last one did not fail
  int64_t handed_over_ms_ = 0;
  size_t hand_overs_ = 0;
  std::map<int64_t, std::deque<append_message>> held_;  // by producer; see release_held()
  std::vector<fetch_message> readers_;                  // at the end of the log
  size_t prune_at_ = prune_min;
  std::vector<waiting_deletion> deletions_;
  uint64_t chores_ = 0, chores_done_ = 0;  // rounds of them
  int64_t told_start_ = 0;                 // the log's start that its leader is told
  bool compacting_ = false;
  int64_t next_retention_ms_ = 0;
  std::optional<caf::typed_response_promise<clean_partition>> closing_;
  std::optional<caf::typed_response_promise<bool>> removing_;
  // Its place in the cluster.
  std::deque<waiting_append> replicating_;  // durable here, wait for the high watermark
  // Who wants to know whether this node leads: since before the metadata was asked, and after it.
  std::vector<std::function<void(kafka::error_code)>> asked_for_, to_ask_for_;
  std::optional<kafka::truncation> cut_;  // to be done, or being done
  bool ends_at_damage_ = false;           // it was opened so
  bool following_ = false;                // the fetchers know it
  bool copy_failed_ = false;
  bool ticking_ = false;
};

}  // namespace weir
