// Connectors stdout and blackhole. Rows show at once, before their epoch is complete: within a run
// every row is printed exactly once, a run that continues after a crash may print some again.
#include <unistd.h>

#include <cerrno>

#include "runtime/connectors/change_encoder.hpp"
#include "runtime/connectors/io_lane.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/row_encoder.hpp"
#include "runtime/connectors/sinks.hpp"
#include "runtime/connectors/sort_key.hpp"
#include "runtime/connectors/split_codec.hpp"
#include "runtime/operators/owed_rows.hpp"

namespace weir {
namespace {

constexpr size_t queued_bytes_max = 4u << 20;  // behind which the sink takes no input
constexpr size_t flush_bytes = 64 * 1024;
constexpr std::string_view state_name = "table";
constexpr uint64_t blob_version = 2;

status write_stdout(std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(1, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {errc::io, std::string("standard output: ") + std::strerror(errno)};
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

size_t display_width(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

using cells = std::vector<std::string>;

// A table for people: columns as wide as the widest cell of the first rows, numbers not aligned
// apart, so that the text can be cut by eye and by awk.
class table_printer {
 public:
  void print(std::string& out, const cells& names, const std::vector<cells>& rows) {
    if (widths_.empty()) {
      widths_.resize(names.size());
      fit(names);
      for (const auto& r : rows) fit(r);
      line(out, names);
      for (size_t i = 0; i < widths_.size(); ++i)
        out.append(widths_[i], '-').append(i + 1 < widths_.size() ? "  " : "\n");
    }
    for (const auto& r : rows) line(out, r);
  }

 private:
  void fit(const cells& row) {
    for (size_t i = 0; i < row.size(); ++i)
      widths_[i] = std::max(widths_[i], display_width(row[i]));
  }
  void line(std::string& out, const cells& row) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 == row.size()) break;
      size_t width = display_width(row[i]);
      out.append(width < widths_[i] ? widths_[i] - width + 2 : 2, ' ');
    }
    out += '\n';
  }
  std::vector<size_t> widths_;
};

class stdout_sink final : public stream_operator {
 public:
  stdout_sink(const sink_spec& spec, row_encoder encoder, std::optional<change_encoder> changes,
              bool header, std::function<status(std::string_view)> write)
      : spec_(spec),
        encoder_(std::move(encoder)),
        changes_(std::move(changes)),
        header_(header),
        write_(std::move(write)) {}

  status open(const operator_context& context) override {
    weir_assert(context.io, "a sink needs its context");
    context_ = context;
    lane_ = std::make_unique<io_lane>(*context.io, context.wake);
    header_ = header_ && context.subtask == 0 && encoder_.format == row_encoder::kind::csv;
    return {};
  }

  status restore(const snapshot_reader& reader) override {
    for (const auto& [subtask, bytes] : reader.blobs(state_name)) {
      if (subtask % context_.parallelism != context_.subtask) continue;
      payload_reader r({bytes.as<char>(), bytes.size()});
      uint64_t version = r.u64();
      for (uint64_t n = r.u64(); n > 0 && r.ok(); --n) {
        std::pair<std::string, std::string> key;
        key.first = r.text();
        key.second = r.text();
        auto count = static_cast<int64_t>(r.u64());
        cells row(r.u64() <= spec_.columns->size() ? spec_.columns->size() : 0);
        for (auto& c : row) c = r.text();
        auto& entry = table_[key];
        entry.count += count;
        entry.row = std::move(row);
      }
      if (!r.at_end() || version != blob_version)
        return {errc::corrupt, "the table of connector stdout in the snapshot is damaged"};
    }
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& b, collector&) override {
    uint64_t written = 0;
    std::vector<cells> rows;
    if (changes_ && !spec_.final_only) {
      written = changes_->encode(text_, *b);
      if (context_.metrics)
        context_.metrics->rows_out.fetch_add(written, std::memory_order_relaxed);
      flush();
      return lane_->failed();
    }
    batch shown = *b;
    shown.columns.resize(spec_.columns->size() - spec_.hidden_columns);
    for (uint32_t i = 0; i < b->rows; ++i) {
      uint32_t r = b->row(i);
      int32_t weight = b->weight(r);
      if (spec_.final_only) {
        WEIR_TRY(keep(*b, shown, r, weight));
        continue;
      }
      if (weight < 0 && !spec_.with_changes)
        return {errc::unsupported, "rows are taken back, but the plan prints none of the changes"};
      char op = spec_.with_changes ? (weight < 0 ? '-' : '+') : '\0';
      for (int32_t n = std::abs(weight); n > 0; --n, ++written) {
        if (encoder_.format == row_encoder::kind::table)
          rows.push_back(cells_of(*b, r, op));
        else
          add_text(*b, r, op);
      }
      if (text_.size() >= flush_bytes) flush();
    }
    if (!rows.empty()) table_printer_.print(text_, names(spec_.with_changes), rows);
    if (context_.metrics) context_.metrics->rows_out.fetch_add(written, std::memory_order_relaxed);
    flush();
    return lane_->failed();
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (t != watermark_end) return {};
    if (spec_.final_only) WEIR_TRY(print_final());
    if (encoder_.format == row_encoder::kind::table && !spec_.final_only)
      table_printer_.print(text_, names(spec_.with_changes), {});
    add_header();  // an empty result has its header too
    flush();
    return lane_->failed();
  }
  result<bool> drain(collector&) override {
    WEIR_TRY(lane_->failed());
    return false;
  }
  bool blocked() const override { return lane_->holds_more_than(queued_bytes_max); }
  bool committed() const override {
    auto done = lane_->done(lane_->last_ticket());
    // A task that only waits for this hears of the failure by a timer.
    if (!done && context_.set_processing_timer && context_.time)
      context_.set_processing_timer(context_.time->now());
    return done && *done;
  }
  status on_processing_time(timestamp_us, collector&) override { return lane_->failed(); }

  // The consolidated table is state; what was printed is not.
  status snapshot_begin(snapshot_writer& w) override {
    if (!spec_.final_only) return {};
    payload_writer p;
    p.u64(blob_version).u64(table_.size());
    for (const auto& [key, e] : table_) {
      p.text(key.first).text(key.second).u64(static_cast<uint64_t>(e.count)).u64(e.row.size());
      for (const auto& c : e.row) p.text(c);
      for (size_t i = e.row.size(); i < spec_.columns->size(); ++i) p.text("");
    }
    auto bytes = p.take();
    w.put(state_name, no_key_group, chunk_kind::blob,
          buffer::copy(w.memory(), std::as_bytes(std::span(bytes))));
    return {};
  }
  size_t state_bytes() const override { return table_bytes_; }
  status close() override {
    lane_.reset();
    return {};
  }

 private:
  struct table_entry {
    int64_t count = 0;
    cells row;  // format table only
  };

  void add_header() {
    if (!std::exchange(header_, false)) return;
    encoder_.header(text_, spec_.with_changes && !spec_.final_only);
  }
  void add_text(const batch& b, uint32_t r, char op) {
    add_header();
    encoder_.row(text_, b, r, op);
  }
  cells names(bool op) const {
    cells out;
    if (op) out.push_back("op");
    for (const auto& f : spec_.columns->fields) out.push_back(f.name);
    out.resize(out.size() - spec_.hidden_columns);
    return out;
  }
  cells cells_of(const batch& b, uint32_t r, char op) const {
    cells out;
    if (op) out.emplace_back(1, op);
    for (const auto& c : b.columns) encoder_.cell(out.emplace_back(), *c, r);
    return out;
  }
  status keep(const batch& b, const batch& shown, uint32_t r, int32_t weight) {
    std::pair<std::string, std::string> key;
    append_sort_key(key.first, b, r, spec_.order);
    encoder_.row(key.second, shown, r, 0);
    const size_t bytes = key.first.size() + key.second.size() + sizeof(table_entry) + 128;
    auto [it, fresh] = table_.try_emplace(std::move(key));
    if (fresh) {
      if (encoder_.format == row_encoder::kind::table) it->second.row = cells_of(shown, r, 0);
      table_bytes_ += bytes;
    }
    it->second.count += weight;
    if (it->second.count == 0) {
      table_bytes_ -= bytes;
      table_.erase(it);
    }
    return {};
  }
  status print_final() {
    std::vector<cells> rows;
    for (const auto& [key, e] : table_) {
      const auto& text = key.second;
      if (e.count < 0)
        return taken_back_too_often("the row " + text.substr(0, text.find_last_not_of('\n') + 1));
      for (int64_t n = 0; n < e.count; ++n) {
        if (encoder_.format == row_encoder::kind::table) {
          rows.push_back(e.row);
        } else {
          add_header();
          text_ += text;
          if (text_.size() >= flush_bytes) flush();
        }
      }
      if (context_.metrics)
        context_.metrics->rows_out.fetch_add(static_cast<uint64_t>(e.count),
                                             std::memory_order_relaxed);
    }
    if (encoder_.format == row_encoder::kind::table)
      table_printer_.print(text_, names(false), rows);
    return {};
  }
  void flush() {
    if (text_.empty()) return;
    if (context_.metrics)
      context_.metrics->bytes_out.fetch_add(text_.size(), std::memory_order_relaxed);
    auto text = std::make_shared<std::string>(std::move(text_));
    text_.clear();
    lane_->submit([write = write_, text] { return write(*text); }, text->size());
  }

  sink_spec spec_;
  row_encoder encoder_;
  std::optional<change_encoder> changes_;
  bool header_;
  std::function<status(std::string_view)> write_;
  operator_context context_;
  std::unique_ptr<io_lane> lane_;
  std::string text_;
  table_printer table_printer_;
  /// By what orders the row and its text, which is also the order of printing.
  std::map<std::pair<std::string, std::string>, table_entry> table_;
  size_t table_bytes_ = 0;
};

class blackhole_sink final : public stream_operator {
 public:
  status open(const operator_context& context) override {
    metrics_ = context.metrics;
    return {};
  }
  status process_batch(uint16_t, const batch_ptr& b, collector&) override {
    if (metrics_) metrics_->rows_out.fetch_add(b->rows, std::memory_order_relaxed);
    return {};
  }

 private:
  operator_metrics* metrics_ = nullptr;
};

/// Columns as they are called beside the change, which is `op`: another of that name has a number,
/// as columns of a result that have the same name.
schema_ptr beside_op(const schema_ptr& columns) {
  if (!columns->find("op")) return columns;
  auto out = std::make_shared<schema>(*columns);
  int n = 2;
  while (columns->find("op_" + std::to_string(n))) ++n;
  out->fields[*columns->find("op")].name = "op_" + std::to_string(n);
  return out;
}

}  // namespace

result<std::unique_ptr<stream_operator>> make_stdout_sink(
    const sink_spec& as_planned, std::function<status(std::string_view)> write) {
  auto spec = as_planned;
  if (spec.with_changes && !spec.final_only && !is_change_format(spec.options))
    spec.columns = beside_op(spec.columns);
  auto shown = spec;
  auto visible = std::make_shared<schema>(*spec.columns);
  visible->fields.resize(spec.columns->size() - spec.hidden_columns);
  shown.columns = std::move(visible);
  WEIR_ASSIGN(auto encoder, row_encoder::of(shown));
  WEIR_ASSIGN(auto changes, change_encoder::of(spec));
  WEIR_ASSIGN(bool header, option_bool(spec.options, "header", true));
  return std::unique_ptr<stream_operator>(
      std::make_unique<stdout_sink>(spec, std::move(encoder), std::move(changes), header,
                                    write ? std::move(write) : write_stdout));
}

result<std::unique_ptr<stream_operator>> make_blackhole_sink(const sink_spec&) {
  return std::unique_ptr<stream_operator>(std::make_unique<blackhole_sink>());
}

}  // namespace weir
