#include "cluster/cli/live/live_sink.hpp"

#include "runtime/connectors/extra_connectors.hpp"
#include "runtime/connectors/sinks.hpp"
#include "runtime/connectors/split_codec.hpp"

namespace weir::cli {
namespace {

constexpr std::string_view state_name = "live";
constexpr uint64_t blob_version = 1;

/// The table that stands is state: rows that are taken back after a restart were shown before it.
class live_sink final : public stream_operator {
 public:
  explicit live_sink(std::shared_ptr<live_rows> rows) : rows_(std::move(rows)) {}
  ~live_sink() override { rows_->end(); }

  status open(const operator_context& context) override {
    context_ = context;
    rows_->begin(context.wake);
    return {};
  }
  status restore(const snapshot_reader& reader) override {
    for (const auto& [subtask, bytes] : reader.blobs(state_name)) {
      payload_reader r({bytes.as<char>(), bytes.size()});
      const uint64_t version = r.u64();
      const auto order_then = r.text();
      const uint64_t columns = r.u64();
      // Another ORDER BY: what stands comes in it as it changes.
      if (version == blob_version && r.ok() && order_then != rows_->order_text()) continue;
      const bool same = version == blob_version && columns == rows_->names().size();
      for (uint64_t n = r.u64(); same && n > 0 && r.ok(); --n) {
        auto order = r.text();
        const auto count = static_cast<int64_t>(r.u64());
        cells row(columns);
        for (auto& c : row) c = r.text();
        rows_->restore(std::move(order), std::move(row), count);
      }
      if (!same || !r.at_end())
        return {errc::corrupt, "the table of connector stdout in the snapshot is damaged"};
    }
    return {};
  }
  status process_batch(uint16_t, const batch_ptr& b, collector&) override {
    rows_->add(*b);
    if (context_.metrics) context_.metrics->rows_out.fetch_add(b->rows, std::memory_order_relaxed);
    return {};
  }
  bool blocked() const override { return rows_->full(); }
  status snapshot_begin(snapshot_writer& w) override {
    if (!rows_->is_table()) return {};
    payload_writer body;
    uint64_t n = 0;
    rows_->visit([&](const std::string& order, const cells& row, int64_t count) {
      ++n;
      body.text(order).u64(static_cast<uint64_t>(count));
      for (const auto& c : row) body.text(c);
    });
    payload_writer head;
    head.u64(blob_version).text(rows_->order_text()).u64(rows_->names().size()).u64(n);
    const auto bytes = head.take() + body.take();
    w.put(state_name, no_key_group, chunk_kind::blob,
          buffer::copy(w.memory(), std::as_bytes(std::span(bytes))));
    return {};
  }
  size_t state_bytes() const override { return rows_->bytes(); }

 private:
  std::shared_ptr<live_rows> rows_;
  operator_context context_;
};

bool has_format(const sink_spec& s) {
  return s.options.count("format") > 0;
}

}  // namespace

const sink_spec* live_sink_of(const physical_plan& plan) {
  const sink_spec* found = nullptr;
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    const auto* s = std::get_if<sink_spec>(&plan.operators[i].spec);
    if (!s || s->connector != "stdout") continue;
    if (found || has_format(*s) || s->final_only || plan.parallelism_of(operator_index(i)) != 1)
      return nullptr;
    found = s;
  }
  return found;
}

live_connector::live_connector(std::shared_ptr<live_rows> rows) {
  extra_connector c;
  c.sink = [rows](const sink_spec&) -> result<std::unique_ptr<stream_operator>> {
    return std::unique_ptr<stream_operator>(std::make_unique<live_sink>(rows));
  };
  add_extra_connector("stdout", std::move(c));
}

live_connector::~live_connector() {
  remove_extra_connector("stdout");
}

}  // namespace weir::cli
