// Connector file as a sink: exactly once by renaming parts when their epoch completes. The task's
// thread encodes rows; everything that blocks goes to one io_lane, whose order is the protocol:
// what a barrier's ticket covers is durable before the snapshot names it. With partition_by every
// partition has a part of its own; those used longest ago are closed when too many are open.
#include <absl/container/node_hash_map.h>

#include <algorithm>

#include "runtime/column/text.hpp"
#include "runtime/connectors/change_encoder.hpp"
#include "runtime/connectors/file_partitions.hpp"
#include "runtime/connectors/io_lane.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/part_files.hpp"
#include "runtime/connectors/row_encoder.hpp"
#include "runtime/connectors/sinks.hpp"

namespace weir {
namespace {

constexpr size_t flush_bytes = 256 * 1024;     // rows are handed to the lane in such pieces
constexpr size_t queued_bytes_max = 8u << 20;  // behind which the sink takes no input
constexpr std::string_view state_name = "parts";
// Parts that a task keeps open at once.
constexpr int64_t partitions_open_default = 100;

struct file_sink_options {
  std::string folder, extension;
  bool header = false;
  uint64_t roll_bytes = 0;    // 0 = not by size
  int64_t roll_interval = 0;  // 0 = not by time
  existing_parts existing = existing_parts::replace;
  std::vector<uint32_t> partition_by;  // columns, in the order of the folders
  std::vector<uint32_t> kept;          // the others: what the files hold
  size_t open_max = 0;                 // parts of a task
};

/// Where rows go that lie in one partition.
struct partition_writer {
  std::string partition;          // its folder; empty: the sink's own
  std::string text;               // encoded, not yet handed to the lane
  std::optional<part_file> part;  // the open one
  uint64_t bytes = 0;             // in it
  timestamp_us since = 0;         // it is open
  bool new_name = false;          // its name is not durable yet
  uint64_t last_use = 0;
  std::shared_ptr<std::unique_ptr<append_file>> file;  // used on the lane only
};

class file_sink final : public stream_operator {
 public:
  file_sink(file_sink_options options, row_encoder encoder, std::optional<change_encoder> changes,
            std::vector<std::string> partition_columns)
      : options_(std::move(options)),
        encoder_(std::move(encoder)),
        partition_columns_(std::move(partition_columns)),
        changes_(std::move(changes)) {}

  status open(const operator_context& context) override {
    weir_assert(context.io && context.files, "a sink needs its context");
    context_ = context;
    for (auto& c : context_.attempt)
      if (c == '/' || c == '.') c = '_';
    lane_ = std::make_unique<io_lane>(*context.io, context.wake);
    parts_.tag = part_tag(context.operator_id, context.attempt);
    parts_.extension = options_.extension;
    parts_.subtask = context.subtask;
    return {};
  }

  status restore(const snapshot_reader& reader) override {
    std::vector<parts_snapshot> all;
    for (const auto& [subtask, bytes] : reader.blobs(state_name)) {
      WEIR_ASSIGN(auto s, parts_snapshot::decode({bytes.as<char>(), bytes.size()}));
      all.push_back(std::move(s));
    }
    if (all.empty()) {  // the sink is new in a job that continues: what is there stays
      options_.existing = existing_parts::keep;
      return {};
    }
    ready_ = true;
    for (const auto& s : all) parts_.number = std::max(parts_.number, s.number);
    // Blobs of subtasks that a smaller parallelism ended earlier: their parts are long published.
    std::erase_if(all, [&](const parts_snapshot& s) { return s.number != parts_.number; });
    parts_.tag = all[0].tag;
    for (const auto& s : all)
      if (s.subtask == context_.subtask) parts_.next_part = s.next_part;
    auto* files = context_.files;
    auto folder = options_.folder;
    lane_->submit([files, folder] { return files->create_directories(folder); });
    for (const auto& s : all) {
      if (s.subtask % context_.parallelism != context_.subtask) continue;
      lane_->submit([files, folder, s] { return remove_outdated(*files, folder, s.outdated); });
      lane_->submit([files, folder, s] { return publish_parts(*files, folder, s); });
      for (auto p : s.open) {  // they are published with the next epoch
        if (p.bytes == 0) continue;
        const auto to = hidden_name(p);
        lane_->submit([files, folder, s, p, to] { return recover_open(*files, folder, s, p, to); });
        p.hidden = to;
        parts_.closed.push_back(std::move(p));
      }
    }
    restored_ = parts_.number;
    look_for_outdated(parts_.tag);
    // What the restored epoch has published is part of what this sink has committed: a job that had
    // finished must not end before its last parts have their names.
    commit_ = lane_->last_ticket();
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& b, collector&) override {
    WEIR_TRY(begin());
    uint64_t written = 0;
    if (changes_) {
      auto& w = writer_of("");
      const auto before = w.text.size();
      written = changes_->encode(w.text, *b);
      buffered_ += w.text.size() - before;
      if (w.text.size() >= flush_bytes) WEIR_TRY(flush(w));
    } else {
      WEIR_ASSIGN(written, append(*b));
    }
    if (context_.metrics) context_.metrics->rows_out.fetch_add(written, std::memory_order_relaxed);
    return lane_->failed();
  }

  status on_watermark(timestamp_us t, collector&) override {
    ended_ = ended_ || t == watermark_end;  // the last barrier closes what is open
    return {};
  }
  result<bool> drain(collector&) override {
    WEIR_TRY(lane_->failed());
    return false;
  }
  bool blocked() const override { return lane_->holds_more_than(queued_bytes_max); }

  status snapshot_begin(snapshot_writer& w) override {
    WEIR_TRY(begin());
    WEIR_TRY(flush_all());
    parts_.number = w.number().value;
    for (auto& [partition, writer] : writers_)
      if (writer.part && rolls_at_barrier(writer)) close_part(writer);
    for (auto& p : parts_.closed)
      if (p.epoch == 0) p.epoch = parts_.number;
    absl::erase_if(writers_, [](const auto& named) { return !named.second.part; });
    auto frozen = parts_;
    for (auto& [partition, writer] : writers_) {
      writer.part->bytes = writer.bytes;
      frozen.open.push_back(*writer.part);
      sync_part(writer);
    }
    frozen_ = std::move(frozen);
    barrier_ = lane_->last_ticket();
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t) override {
    WEIR_ASSIGN(bool durable, lane_->done(barrier_));
    if (!durable) return false;
    if (outdated_) frozen_.outdated = but_own(*outdated_, frozen_);
    const auto blob = frozen_.encode();
    w.put(state_name, no_key_group, chunk_kind::blob,
          buffer::copy(w.memory(), std::as_bytes(std::span(blob))));
    return true;
  }
  status on_epoch_complete(epoch e) override {
    publish(e.value);
    return lane_->failed();
  }
  bool committed() const override {
    auto done = lane_->done(commit_);
    // A task that only waits for this hears of the failure by a timer.
    if (!done && context_.set_processing_timer && context_.time)
      context_.set_processing_timer(context_.time->now());
    return done && *done;
  }
  status on_processing_time(timestamp_us, collector&) override { return lane_->failed(); }
  status close() override {
    lane_.reset();
    return {};
  }

 private:
  status begin();
  void look_for_outdated(const std::string& tag);
  static std::vector<std::string> but_own(const std::vector<std::string>& outdated,
                                          const parts_snapshot& own);
  std::string hidden_name(const part_file&) const;
  result<uint64_t> append(const batch&);
  void name_partition(const batch&, uint32_t row);
  partition_writer& writer_of(const std::string& partition);
  status flush(partition_writer&);
  status flush_all();
  void open_part(partition_writer&);
  void close_part(partition_writer&);
  void close_oldest();
  void sync_part(partition_writer&);
  void publish(uint64_t up_to);
  bool rolls_at_barrier(const partition_writer&) const;

  file_sink_options options_;
  row_encoder encoder_;  // of the kept columns
  std::vector<std::string> partition_columns_;
  std::optional<change_encoder> changes_;
  operator_context context_;
  std::unique_ptr<io_lane> lane_;
  bool ended_ = false;  // no row will follow
  bool ready_ = false;  // the folder is prepared

  /// What goes with this attempt's first complete epoch; written on the lane. None: it is gone.
  std::shared_ptr<std::vector<std::string>> outdated_;
  uint64_t restored_ = 0;  // epoch

  parts_snapshot parts_;  // number: of the last barrier; closed: not yet committed
  absl::node_hash_map<std::string, partition_writer> writers_;
  std::string partition_, value_;  // of the row under way
  uint64_t uses_ = 0;
  size_t buffered_ = 0;  // bytes in all writers' texts
  size_t open_ = 0;      // parts
  parts_snapshot frozen_;
  uint64_t barrier_ = 0, commit_ = 0;
};

// Before the first row or barrier of a fresh start.
status file_sink::begin() {
  if (ready_) return {};
  ready_ = true;
  auto* files = context_.files;
  auto folder = options_.folder;
  lane_->submit([files, folder, policy = options_.existing, levels = options_.partition_by.size()] {
    return prepare_folder(*files, folder, policy, levels);
  });
  look_for_outdated("");
  return {};
}

/// `tag`: of the run that goes on; empty: a fresh start.
void file_sink::look_for_outdated(const std::string& tag) {
  part_cleanup c;
  c.tag = tag;
  c.operator_chars = parts_.tag.substr(0, part_tag_operator_chars);
  c.attempt = context_.attempt;
  c.restored = restored_;
  c.subtask = context_.subtask;
  c.parallelism = context_.parallelism;
  c.levels = options_.partition_by.size();
  c.existing = options_.existing;
  outdated_ = std::make_shared<std::vector<std::string>>();
  lane_->submit(
      [files = context_.files, folder = options_.folder, c, found = outdated_]() -> status {
        WEIR_ASSIGN(*found, find_outdated(*files, folder, c));
        return {};
      });
}

/// Without names that parts of this run come under: they take the place of what is there.
std::vector<std::string> file_sink::but_own(const std::vector<std::string>& outdated,
                                            const parts_snapshot& own) {
  auto left = outdated;
  for (const auto& p : own.closed) {
    const auto name = own.final_name(p);
    std::erase(left, p.partition.empty() ? name : p.partition + "/" + name);
  }
  return left;
}

std::string file_sink::hidden_name(const part_file& p) const {
  return ".part-" + parts_.tag + "-" + std::to_string(p.subtask) + "-" + std::to_string(p.number) +
         "." + context_.attempt + ".inprogress";
}

/// partition_: the folder of a row.
void file_sink::name_partition(const batch& b, uint32_t row) {
  partition_.clear();
  for (size_t i = 0; i < options_.partition_by.size(); ++i) {
    const auto& column = *b.columns[options_.partition_by[i]];
    std::optional<std::string_view> value;
    if (column.is_valid(row)) {
      value_.clear();
      append_text(value_, column, row);
      value = value_;
    }
    if (i) partition_.push_back('/');
    partition_ += partition_name(partition_columns_[i], value);
  }
}

/// Returns how many rows were appended.
result<uint64_t> file_sink::append(const batch& b) {
  uint64_t written = 0;
  const bool split = !options_.partition_by.empty();
  batch kept;
  if (split) {
    kept = b;
    kept.columns.clear();
    for (auto c : options_.kept) kept.columns.push_back(b.columns[c]);
  }
  auto* w = split ? nullptr : &writer_of("");
  for (uint32_t i = 0; i < b.rows; ++i) {
    uint32_t r = b.row(i);
    int32_t weight = b.weight(r);
    if (weight < 0)
      return error{errc::unsupported,
                   "the file sink " + options_.folder +
                       " can only append, but a row was taken back (change weight " +
                       std::to_string(weight) + ")"};
    if (split) {
      name_partition(b, r);
      if (!w || w->partition != partition_) w = &writer_of(partition_);
    }
    const auto before = w->text.size();
    for (int32_t n = 0; n < weight; ++n) encoder_.row(w->text, split ? kept : b, r, 0);
    buffered_ += w->text.size() - before;
    written += static_cast<uint64_t>(weight);
    const bool full =
        options_.roll_bytes && (w->part ? w->bytes : 0) + w->text.size() >= options_.roll_bytes;
    if (w->text.size() >= flush_bytes || full) WEIR_TRY(flush(*w));
    // Many partitions with little each.
    if (buffered_ >= queued_bytes_max) WEIR_TRY(flush_all());
  }
  return written;
}

partition_writer& file_sink::writer_of(const std::string& partition) {
  auto& w = writers_[partition];
  if (w.last_use == 0) w.partition = partition;
  w.last_use = ++uses_;
  return w;
}

status file_sink::flush_all() {
  for (auto& [partition, w] : writers_) WEIR_TRY(flush(w));
  return lane_->failed();
}

// Hands the encoded rows to the lane; begins a part when none is open.
status file_sink::flush(partition_writer& w) {
  if (w.text.empty()) return {};
  buffered_ -= w.text.size();
  if (!w.part) {
    open_part(w);
    if (options_.header) {
      std::string header;
      encoder_.header(header, false);
      w.text.insert(0, header);
    }
  }
  const auto bytes = w.text.size();
  w.bytes += bytes;
  if (context_.metrics) context_.metrics->bytes_out.fetch_add(bytes, std::memory_order_relaxed);
  auto text = std::make_shared<std::string>(std::move(w.text));
  w.text.clear();
  if (options_.partition_by.empty()) w.text.reserve(flush_bytes + flush_bytes / 8);
  lane_->submit([file = w.file, text] { return (*file)->append(std::as_bytes(std::span(*text))); },
                bytes);
  if (options_.roll_bytes && w.bytes >= options_.roll_bytes) close_part(w);
  return lane_->failed();
}

void file_sink::open_part(partition_writer& w) {
  if (open_ >= options_.open_max) close_oldest();
  ++open_;
  w.part.emplace();
  w.part->partition = w.partition;
  w.part->subtask = parts_.subtask;
  w.part->number = parts_.next_part++;
  w.part->hidden = hidden_name(*w.part);
  w.bytes = 0;
  w.since = context_.time ? context_.time->now() : 0;
  w.new_name = true;
  w.file = std::make_shared<std::unique_ptr<append_file>>();
  lane_->submit([files = context_.files, file = w.file, folder = options_.folder,
                 partition = w.partition, name = w.part->hidden]() -> status {
    if (!partition.empty()) WEIR_TRY(make_partition(*files, folder, partition));
    WEIR_ASSIGN(*file, files->open_append(folder_of(folder, partition) + "/" + name));
    return (*file)->size() ? (*file)->truncate(0) : status();
  });
}

/// Of the open parts that which was written to longest ago.
void file_sink::close_oldest() {
  partition_writer* oldest = nullptr;
  for (auto& [partition, w] : writers_)
    if (w.part && (!oldest || w.last_use < oldest->last_use)) oldest = &w;
  if (oldest) close_part(*oldest);
}

void file_sink::sync_part(partition_writer& w) {
  lane_->submit([files = context_.files, file = w.file,
                 folder = folder_of(options_.folder, w.partition),
                 name = std::exchange(w.new_name, false)]() -> status {
    WEIR_TRY((*file)->sync());
    return name ? files->sync_directory(folder) : status();
  });
}

void file_sink::close_part(partition_writer& w) {
  sync_part(w);
  lane_->submit([file = std::move(w.file)]() -> status { return (*file)->close(); });
  w.file.reset();
  w.part->bytes = w.bytes;
  parts_.closed.push_back(std::move(*w.part));
  w.part.reset();
  --open_;
}

bool file_sink::rolls_at_barrier(const partition_writer& w) const {
  if (ended_ || (!options_.roll_bytes && !options_.roll_interval)) return true;
  if (options_.roll_bytes && w.bytes >= options_.roll_bytes) return true;
  auto age = context_.time ? context_.time->now() - w.since : 0;
  return options_.roll_interval && age >= options_.roll_interval;
}

// Renames what epochs up to `up_to` closed. Later barriers stand behind it on the lane, so that
// their snapshots need not name these parts again.
void file_sink::publish(uint64_t up_to) {
  parts_snapshot due = parts_;
  std::erase_if(due.closed, [&](const part_file& p) { return p.epoch == 0 || p.epoch > up_to; });
  // The restored epoch was complete before this attempt began.
  if (outdated_ && up_to > restored_) {
    commit_ = lane_->submit([files = context_.files, folder = options_.folder, due,
                             found = std::exchange(outdated_, nullptr)] {
      return remove_outdated(*files, folder, but_own(*found, due));
    });
  }
  if (due.closed.empty()) return;
  std::erase_if(parts_.closed,
                [&](const part_file& p) { return p.epoch != 0 && p.epoch <= up_to; });
  commit_ = lane_->submit([files = context_.files, folder = options_.folder, due] {
    return publish_parts(*files, folder, due);
  });
}

}  // namespace

result<std::unique_ptr<stream_operator>> make_file_sink(const sink_spec& spec) {
  WEIR_ASSIGN(auto changes, change_encoder::of(spec));
  file_sink_options o;
  o.folder = resolve_path(spec.base_dir, option_text(spec.options, "path", ""));
  while (o.folder.size() > 1 && o.folder.back() == '/') o.folder.pop_back();
  WEIR_ASSIGN(o.header, option_bool(spec.options, "header", false));
  WEIR_ASSIGN(o.roll_bytes, option_size(spec.options, "roll_size", 0));
  WEIR_ASSIGN(o.roll_interval, option_duration(spec.options, "roll_interval", 0));
  WEIR_ASSIGN(auto open_max, option_int(spec.options, "partitions_open", partitions_open_default));
  o.open_max = static_cast<size_t>(open_max);
  auto existing = option_text(spec.options, "existing", "replace");
  o.existing = existing == "keep"   ? existing_parts::keep
               : existing == "fail" ? existing_parts::fail
                                    : existing_parts::replace;
  WEIR_ASSIGN(o.partition_by, partition_columns(*spec.columns, spec.options));
  auto files_hold = spec;
  std::vector<std::string> names;
  if (!o.partition_by.empty()) {
    auto kept = std::make_shared<schema>();
    for (uint32_t i = 0; i < spec.columns->size(); ++i) {
      if (std::find(o.partition_by.begin(), o.partition_by.end(), i) != o.partition_by.end())
        continue;
      o.kept.push_back(i);
      kept->fields.push_back(spec.columns->fields[i]);
    }
    files_hold.columns = std::move(kept);
    for (auto c : o.partition_by) names.push_back(spec.columns->fields[c].name);
  }
  WEIR_ASSIGN(auto encoder, row_encoder::of(files_hold));
  o.extension = encoder.format == row_encoder::kind::json ? "json" : "csv";
  return std::unique_ptr<stream_operator>(std::make_unique<file_sink>(
      std::move(o), std::move(encoder), std::move(changes), std::move(names)));
}

}  // namespace weir
