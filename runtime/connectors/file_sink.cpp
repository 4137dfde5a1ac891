// Connector file as a sink: exactly once by renaming parts when their epoch completes. The task's
// thread encodes rows; everything that blocks goes to one io_lane, whose order is the protocol:
// what a barrier's ticket covers is durable before the snapshot names it.
#include "runtime/connectors/change_encoder.hpp"
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

struct file_sink_options {
  std::string folder, extension;
  bool header = false;
  uint64_t roll_bytes = 0;    // 0 = not by size
  int64_t roll_interval = 0;  // 0 = not by time
  existing_parts existing = existing_parts::replace;
};

class file_sink final : public stream_operator {
 public:
  file_sink(file_sink_options options, row_encoder encoder, std::optional<change_encoder> changes)
      : options_(std::move(options)), encoder_(std::move(encoder)), changes_(std::move(changes)) {}

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
      lane_->submit([files, folder, s] { return publish_parts(*files, folder, s); });
      if (!s.open) continue;
      lane_->submit([files, folder, s]() -> status { return recover_open(*files, folder, s); });
      if (s.open->bytes) parts_.closed.push_back(*s.open);  // it is published with the next epoch
    }
    part_cleanup c{parts_.tag,
                   parts_.tag.substr(0, part_tag_operator_chars),
                   context_.attempt,
                   parts_.number,
                   all,
                   context_.subtask,
                   context_.parallelism};
    lane_->submit([files, folder, c] { return remove_leftovers(*files, folder, c); });
    // What the restored epoch has published is part of what this sink has committed: a job that had
    // finished must not end before its last parts have their names.
    commit_ = lane_->last_ticket();
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& b, collector&) override {
    WEIR_TRY(begin());
    uint64_t written = 0;
    if (changes_) {
      written = changes_->encode(text_, *b);
      if (text_.size() >= flush_bytes) WEIR_TRY(flush());
    }
    for (uint32_t i = changes_ ? b->rows : 0; i < b->rows; ++i) {
      uint32_t r = b->row(i);
      int32_t weight = b->weight(r);
      if (weight < 0)
        return {errc::unsupported,
                "the file sink " + options_.folder +
                    " can only append, but a row was taken back (change weight " +
                    std::to_string(weight) + ")"};
      for (int32_t n = 0; n < weight; ++n) encoder_.row(text_, *b, r, 0);
      written += static_cast<uint64_t>(weight);
      const bool full =
          options_.roll_bytes && (part_ ? part_bytes_ : 0) + text_.size() >= options_.roll_bytes;
      if (text_.size() >= flush_bytes || full) WEIR_TRY(flush());
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
    WEIR_TRY(flush());
    parts_.number = w.number().value;
    if (part_ && rolls_at_barrier()) close_part();
    for (auto& p : parts_.closed)
      if (p.epoch == 0) p.epoch = parts_.number;
    auto frozen = parts_;
    if (part_) {
      part_->bytes = part_bytes_;
      frozen.open = *part_;
      sync_part();
    }
    frozen_ = frozen.encode();
    barrier_ = lane_->last_ticket();
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t) override {
    WEIR_ASSIGN(bool durable, lane_->done(barrier_));
    if (!durable) return false;
    w.put(state_name, no_key_group, chunk_kind::blob,
          buffer::copy(w.memory(), std::as_bytes(std::span(frozen_))));
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
  status flush();
  void close_part();
  void sync_part();
  void publish(uint64_t up_to);
  bool rolls_at_barrier() const;

  file_sink_options options_;
  row_encoder encoder_;
  std::optional<change_encoder> changes_;
  operator_context context_;
  std::unique_ptr<io_lane> lane_;
  bool ended_ = false;  // no row will follow
  bool ready_ = false;  // the folder is prepared
  std::string text_;    // encoded, not yet handed to the lane

  parts_snapshot parts_;           // number: of the last barrier; closed: not yet committed
  std::optional<part_file> part_;  // the open one
  uint64_t part_bytes_ = 0;
  timestamp_us part_since_ = 0;
  bool new_names_ = false;  // files were made since the folder was synced
  std::shared_ptr<std::unique_ptr<append_file>> file_ =
      std::make_shared<std::unique_ptr<append_file>>();  // used on the lane only
  std::string frozen_;
  uint64_t barrier_ = 0, commit_ = 0;
};

// Before the first row or barrier of a fresh start.
status file_sink::begin() {
  if (ready_) return {};
  ready_ = true;
  auto* files = context_.files;
  auto folder = options_.folder;
  lane_->submit([files, folder, policy = options_.existing] {
    return prepare_folder(*files, folder, policy);
  });
  part_cleanup c;
  c.operator_chars = parts_.tag.substr(0, part_tag_operator_chars);
  c.attempt = context_.attempt;
  c.subtask = context_.subtask;
  c.parallelism = context_.parallelism;
  lane_->submit([files, folder, c] { return remove_leftovers(*files, folder, c); });
  return {};
}

// Hands the encoded rows to the lane; begins a part when none is open.
status file_sink::flush() {
  if (text_.empty()) return {};
  if (!part_) {
    part_.emplace();
    part_->subtask = parts_.subtask;
    part_->number = parts_.next_part++;
    part_->hidden = ".part-" + parts_.tag + "-" + std::to_string(part_->subtask) + "-" +
                    std::to_string(part_->number) + "." + context_.attempt + ".inprogress";
    part_bytes_ = 0;
    part_since_ = context_.time ? context_.time->now() : 0;
    new_names_ = true;
    lane_->submit([files = context_.files, file = file_,
                   path = options_.folder + "/" + part_->hidden]() -> status {
      WEIR_ASSIGN(*file, files->open_append(path));
      return (*file)->size() ? (*file)->truncate(0) : status();
    });
    if (options_.header) {
      std::string header;
      encoder_.header(header, false);
      text_.insert(0, header);
    }
  }
  part_bytes_ += text_.size();
  if (context_.metrics)
    context_.metrics->bytes_out.fetch_add(text_.size(), std::memory_order_relaxed);
  size_t bytes = text_.size();
  auto text = std::make_shared<std::string>(std::move(text_));
  text_.clear();
  text_.reserve(flush_bytes + flush_bytes / 8);
  lane_->submit([file = file_, text] { return (*file)->append(std::as_bytes(std::span(*text))); },
                bytes);
  if (options_.roll_bytes && part_bytes_ >= options_.roll_bytes) close_part();
  return lane_->failed();
}

void file_sink::sync_part() {
  lane_->submit([files = context_.files, file = file_, folder = options_.folder,
                 names = std::exchange(new_names_, false)]() -> status {
    WEIR_TRY((*file)->sync());
    return names ? files->sync_directory(folder) : status();
  });
}

void file_sink::close_part() {
  if (!part_) return;
  sync_part();
  lane_->submit([file = file_]() -> status {
    auto closed = (*file)->close();
    file->reset();
    return closed;
  });
  part_->bytes = part_bytes_;
  parts_.closed.push_back(std::move(*part_));
  part_.reset();
}

bool file_sink::rolls_at_barrier() const {
  if (ended_ || (!options_.roll_bytes && !options_.roll_interval)) return true;
  if (options_.roll_bytes && part_bytes_ >= options_.roll_bytes) return true;
  auto age = context_.time ? context_.time->now() - part_since_ : 0;
  return options_.roll_interval && age >= options_.roll_interval;
}

// Renames what epochs up to `up_to` closed. Later barriers stand behind it on the lane, so that
// their snapshots need not name these parts again.
void file_sink::publish(uint64_t up_to) {
  parts_snapshot due = parts_;
  std::erase_if(due.closed, [&](const part_file& p) { return p.epoch == 0 || p.epoch > up_to; });
  if (due.closed.empty()) return;
  std::erase_if(parts_.closed,
                [&](const part_file& p) { return p.epoch != 0 && p.epoch <= up_to; });
  commit_ = lane_->submit([files = context_.files, folder = options_.folder, due] {
    return publish_parts(*files, folder, due);
  });
}

}  // namespace

result<std::unique_ptr<stream_operator>> make_file_sink(const sink_spec& spec) {
  WEIR_ASSIGN(auto encoder, row_encoder::of(spec));
  WEIR_ASSIGN(auto changes, change_encoder::of(spec));
  file_sink_options o;
  o.folder = resolve_path(spec.base_dir, option_text(spec.options, "path", ""));
  while (o.folder.size() > 1 && o.folder.back() == '/') o.folder.pop_back();
  o.extension = encoder.format == row_encoder::kind::json ? "json" : "csv";
  WEIR_ASSIGN(o.header, option_bool(spec.options, "header", false));
  WEIR_ASSIGN(o.roll_bytes, option_size(spec.options, "roll_size", 0));
  WEIR_ASSIGN(o.roll_interval, option_duration(spec.options, "roll_interval", 0));
  auto existing = option_text(spec.options, "existing", "replace");
  o.existing = existing == "keep"   ? existing_parts::keep
               : existing == "fail" ? existing_parts::fail
                                    : existing_parts::replace;
  return std::unique_ptr<stream_operator>(
      std::make_unique<file_sink>(std::move(o), std::move(encoder), std::move(changes)));
}

}  // namespace weir
