#include "runtime/connectors/kafka/dead_letter_topic.hpp"

#include "runtime/column/text.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/kafka/records.hpp"
#include "runtime/connectors/options.hpp"

namespace weir {
namespace {

constexpr std::string_view topic_option = "dead_letter_topic";
// What a letter's record may have in all: below the million bytes that producers and brokers take
// by default, whatever was read. A larger one is cut and says so.
constexpr size_t letter_bytes_max = 900 * 1024;
// Of that, what else may take: the value is what people look for.
constexpr size_t key_bytes_max = 64 * 1024, own_headers_bytes_max = 256 * 1024;
constexpr size_t cause_bytes_max = 4 * 1024, row_bytes_max = 64 * 1024;

void header(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) append_header(out, {name, value});
}

std::string time_text(timestamp_us t) {
  char text[timestamp_chars_max];
  return {text, format_timestamp(text, t)};
}

// The options of the topic as a table that is written.
option_map table_of(const option_map& from) {
  option_map to;
  const auto connector = option_text(from, "connector", "");
  const bool own = is_kafka(connector);
  to["connector"] = own ? connector : option_present(from, "bootstrap") ? "kafka" : "topic";
  to["topic"] = option_text(from, topic_option, "");
  for (auto name : {"bootstrap", "cluster"})
    if (option_present(from, name)) to[name] = option_text(from, name, "");
  // A source's other options are a consumer's.
  for (const auto& [name, value] : own ? connection_options(from) : library_options(from))
    to[std::string(kafka_option_prefix) + name] = value;
  return to;
}

}  // namespace

result<std::unique_ptr<dead_letter_topic>> dead_letter_topic::of(const option_map& options) {
  record_outbox::options o;
  o.table = table_of(options);
  WEIR_ASSIGN(o.settings, kafka_sink_settings_of(o.table));
  o.state = "dead letter records";
  o.lazy = true;
  return std::unique_ptr<dead_letter_topic>(new dead_letter_topic(std::move(o)));
}

void dead_letter_topic::open(const operator_context& c) {
  context_ = c;
  outbox_.open(c, "weir-" + c.job + "-" + c.operator_id + "-dead-letters");
}

void dead_letter_topic::append(std::string& out, const dead_letters::letter& l) const {
  std::string headers;
  std::string cut;
  auto left_out = [&cut](std::string_view what) {
    cut += (cut.empty() ? "" : ", ") + std::string(what);
  };
  if (l.headers.size() <= own_headers_bytes_max)
    headers = l.headers;
  else
    left_out("headers");
  record_view r;
  if (l.key && l.key->size() > key_bytes_max)
    left_out("key");
  else
    r.key = l.key;
  header(headers, "weir.cause", l.cause.substr(0, cause_bytes_max));
  header(headers, "weir.position", l.position);
  header(headers, "weir.operator", context_.operator_id);
  header(headers, "weir.job", context_.job);
  const timestamp_us now = context_.time ? context_.time->now() : 0;
  if (now) header(headers, "weir.time", time_text(now));
  if (l.weight != 1) header(headers, "weir.weight", std::to_string(l.weight));
  // Without the record, the row is what there is of it.
  const bool row_only = l.position.empty();
  if (row_only)
    r.value = l.row;
  else
    r.value = l.raw;
  if (!row_only && l.row.size() <= row_bytes_max) header(headers, "weir.row", l.row);
  if (!row_only && l.row.size() > row_bytes_max) left_out("row");
  const size_t room = letter_bytes_max - headers.size() - (r.key ? r.key->size() : 0);
  if (r.value && r.value->size() > room) {
    left_out("value of " + std::to_string(r.value->size()) + " bytes");
    r.value = r.value->substr(0, room);
  }
  header(headers, "weir.cut", cut);
  r.headers = headers;
  r.timestamp_ms = now > 0 ? now / 1000 : 0;
  append_record(out, r);
}

status dead_letter_topic::add(std::string_view records) {
  outbox_.text() += records;
  if (auto s = outbox_.filled(); !s) return s.err().at("dead letters");
  return {};
}

result<bool> dead_letter_topic::snapshot_continue(snapshot_writer& w) {
  auto done = outbox_.snapshot_continue(w);
  if (!done) return done.err().at("dead letters");
  return done;
}

status dead_letter_topic::on_epoch_complete(epoch e) {
  if (auto s = outbox_.on_epoch_complete(e); !s) return s.err().at("dead letters");
  return {};
}

result<bool> dead_letter_topic::committed() const {
  auto done = outbox_.committed();
  if (!done) return done.err().at("dead letters");
  return done;
}

result<letter_outlet> letter_outlet::of(const source_spec& spec, const operator_context& context) {
  letter_outlet out;
  if (spec.on_error != error_policy::dead_letter) return out;
  if (option_present(spec.options, topic_option)) {
    WEIR_ASSIGN(out.topic, dead_letter_topic::of(spec.options));
    out.topic->open(context);
    return out;
  }
  if (spec.dead_letter_path.empty())
    return {errc::invalid_argument,
            "on_error = dead_letter needs a dead_letter_path or a dead_letter_topic"};
  out.files = std::make_unique<dead_letters>(resolve_path(spec.base_dir, spec.dead_letter_path),
                                             *context.files, *context.io, context.wake);
  return out;
}

void letter_outlet::append(std::string& out, const dead_letters::letter& l) const {
  if (topic)
    topic->append(out, l);
  else if (files)
    dead_letters::append_line(out, l);
}

bool is_dead_letter_option(std::string_view name, const option_map& options) {
  return option_present(options, topic_option) &&
         (name == "bootstrap" || name == "cluster" || name.starts_with(kafka_option_prefix));
}

status check_dead_letter_topic(std::string_view connector, const option_map& options) {
  if (!option_present(options, topic_option)) return {};
  if (option_present(options, "dead_letter_path"))
    return {errc::invalid_argument,
            "dead letters go to a file (dead_letter_path) or to a topic (dead_letter_topic), not "
            "to both"};
  WEIR_TRY(check_topic_name(topic_option, option_text(options, topic_option, "")));
  if (is_kafka(connector)) return {};
  return check_library_options(options, true);
}

}  // namespace weir
