// Connectors kafka and topic as sinks: rows are encoded, the outbox writes the records, exactly
// once or at least once.
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/kafka/outbox.hpp"
#include "runtime/connectors/kafka/record_encoder.hpp"
#include "runtime/connectors/options.hpp"

namespace weir {
namespace {

class kafka_sink final : public stream_operator {
 public:
  kafka_sink(option_map options, kafka_sink_settings settings, record_encoder encoder)
      : options_(std::move(options)),
        settings_(std::move(settings)),
        encoder_(std::move(encoder)) {}

  status open(const operator_context& context) override {
    weir_assert(context.io && context.memory, "a sink needs its context");
    context_ = context;
    record_outbox::options o;
    o.table = options_;
    o.settings = settings_;
    outbox_ = std::make_unique<record_outbox>(std::move(o));
    outbox_->open(context, settings_.transactional_id.empty()
                               ? "weir-" + context.job + "-" + context.operator_id
                               : settings_.transactional_id);
    return {};
  }

  status restore(const snapshot_reader& reader) override { return outbox_->restore(reader); }
  status process_batch(uint16_t, const batch_ptr&, collector&) override;
  result<bool> drain(collector&) override {
    WEIR_TRY(outbox_->failed());
    return false;
  }
  bool blocked() const override { return outbox_->blocked(); }
  status snapshot_begin(snapshot_writer& w) override {
    outbox_->snapshot_begin(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t) override {
    return outbox_->snapshot_continue(w);
  }
  status on_epoch_complete(epoch e) override { return outbox_->on_epoch_complete(e); }
  status on_epoch_aborted(epoch) override {
    outbox_->on_epoch_aborted();
    return {};
  }
  bool committed() const override {
    auto done = outbox_->committed();
    // A task that only waits for this hears of the failure by a timer.
    if (!done && context_.set_processing_timer && context_.time)
      context_.set_processing_timer(context_.time->now());
    return done && *done;
  }
  status on_processing_time(timestamp_us, collector&) override { return outbox_->failed(); }
  status close() override {
    if (outbox_) outbox_->close();
    return {};
  }

 private:
  option_map options_;
  kafka_sink_settings settings_;
  record_encoder encoder_;
  operator_context context_;
  std::unique_ptr<record_outbox> outbox_;
};

status kafka_sink::process_batch(uint16_t, const batch_ptr& b, collector&) {
  auto& text = outbox_->text();
  const size_t before = text.size();
  WEIR_ASSIGN(uint64_t written, encoder_.encode(text, *b));
  if (context_.metrics) {
    context_.metrics->rows_out.fetch_add(written, std::memory_order_relaxed);
    context_.metrics->bytes_out.fetch_add(text.size() - before, std::memory_order_relaxed);
  }
  return outbox_->filled();
}

}  // namespace

result<std::unique_ptr<stream_operator>> make_kafka_sink(const sink_spec& spec) {
  WEIR_ASSIGN(auto settings, kafka_sink_settings_of(spec.options));
  WEIR_ASSIGN(auto encoder, record_encoder::of(spec, settings));
  return std::unique_ptr<stream_operator>(
      std::make_unique<kafka_sink>(spec.options, std::move(settings), std::move(encoder)));
}

}  // namespace weir
