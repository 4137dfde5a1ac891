#include "runtime/base/nearest.hpp"
#include "runtime/connectors/kafka/dead_letter_topic.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/options.hpp"

namespace weir {
namespace {

using commit = connector_traits::commit;
using k = option_kind;

// What the table's options mean to the planner; every connector's tables may have them.
constexpr option_info common_source[] = {
    {"connector"},        {"event_time"},       {"watermark_delay"},
    {"idle_timeout"},     {"dead_letter_path"}, {"on_error", k::choice, "fail|skip|dead_letter"},
    {"allowed_lateness"}, {"late_table"},       {"dead_letter_topic"},
};
constexpr option_info common_sink[] = {{"connector"}};

constexpr option_info file_source[] = {
    {"path"},
    {"format", k::choice, "csv|json|raw|debezium_json|upsert_json"},
    {"header", k::boolean},
    {"delimiter", k::delimiter},
    {"null_text", k::any},
    {"multiline", k::choice, "auto|true|false"},
    {"follow", k::boolean},
    {"poll_interval", k::duration},
    {"record_size_max", k::size},
    {"compression", k::choice, "auto|none|gzip|zstd"},
    {"split_size", k::size},
    {"rate", k::rate},
    {"lookup", k::boolean},
    {"cache"},
    {"partition_by"},
    {"timestamp_unit", k::choice, "milliseconds|microseconds"},
    {"keyed", k::boolean},
};
constexpr option_info stdin_source[] = {
    {"format", k::choice, "csv|json|raw|debezium_json|upsert_json"},
    {"header", k::boolean},
    {"delimiter", k::delimiter},
    {"null_text", k::any},
    {"record_size_max", k::size},
    {"timestamp_unit", k::choice, "milliseconds|microseconds"},
    {"keyed", k::boolean},
};
constexpr option_info sequence_source[] = {
    {"start", k::integer},
    {"end", k::integer},
    {"rate", k::rate},
    {"splits", k::positive},
};
constexpr option_info memory_source[] = {
    {"name"},
    {"rows", k::positive},
    {"keys", k::positive},
    {"seed", k::integer},
    {"batch_rows", k::positive},
    {"batches", k::positive},
    {"splits", k::positive},
    {"rate", k::rate},
};
constexpr option_info nexmark_source[] = {
    {"table", k::choice, "person|auction|bid"},
    {"events", k::positive},
    {"event_rate", k::positive},
    {"start_time", k::timestamp},
    {"seed", k::integer},
    {"splits", k::positive},
    {"rate", k::rate},
    {"full_events", k::boolean},
};
constexpr option_info file_sink[] = {
    {"path"},
    {"format", k::choice, "csv|json|debezium_json|upsert_json"},
    {"header", k::boolean},
    {"delimiter", k::delimiter},
    {"null_text", k::any},
    {"roll_size", k::size},
    {"roll_interval", k::duration},
    {"existing", k::choice, "replace|keep|fail"},
    {"partition_by"},
    {"partitions_open", k::positive},
};
constexpr option_info stdout_sink[] = {
    {"format", k::choice, "csv|json|table|debezium_json|upsert_json"},
    {"header", k::boolean},
    {"delimiter", k::delimiter},
    {"null_text", k::any},
};

constexpr option_info kafka_source[] = {
    {"bootstrap"},
    {"topic"},
    {"topics"},
    {"pattern"},
    {"format", k::choice, "json|csv|raw|debezium_json|upsert_json"},
    {"delimiter", k::delimiter},
    {"null_text", k::any},
    {"start"},
    {"until", k::choice, "latest"},
    {"group"},
    {"isolation", k::choice, "read_committed|read_uncommitted"},
    {"key"},
    {"partition"},
    {"offset"},
    {"timestamp"},
    {"headers"},
    {"topic_name"},
    {"rate", k::rate},
    {"lookup", k::boolean},
    {"cache"},
    {"timestamp_unit", k::choice, "milliseconds|microseconds"},
    {"keyed", k::boolean},
};
constexpr option_info kafka_sink[] = {
    {"bootstrap"},
    {"topic"},
    {"format", k::choice, "json|csv|raw|debezium_json|upsert_json"},
    {"delimiter", k::delimiter},
    {"null_text", k::any},
    {"delivery", k::choice, "exactly_once|at_least_once"},
    {"transactional_id"},
    {"key"},
    {"key_in_value", k::boolean},
    {"partition"},
    {"timestamp"},
    {"headers"},
};
// The same, and which of Weir's clusters it is.
template <size_t n>
constexpr std::array<option_info, n + 1> with_cluster(const option_info (&options)[n]) {
  std::array<option_info, n + 1> out{};
  out[0] = {"cluster"};
  for (size_t i = 0; i < n; ++i) out[i + 1] = options[i];
  return out;
}
constexpr auto topic_source = with_cluster(kafka_source);
constexpr auto topic_sink = with_cluster(kafka_sink);

constexpr connector_info connectors[] = {
    {"file", true, true, true, commit::rename, false, file_source, file_sink},
    {"stdin", true, false, false, commit::none, false, stdin_source, {}},
    {"stdout", false, true, false, commit::none, true, {}, stdout_sink},
    {"blackhole", false, true, false, commit::idempotent, true, {}, {}},
    {"topic", true, true, true, commit::transactional, false, topic_source, topic_sink,
     kafka_option_prefix},
    {"kafka", true, true, true, commit::transactional, false, kafka_source, kafka_sink,
     kafka_option_prefix},
    {"sequence", true, false, true, commit::none, false, sequence_source, {}},
    {"memory", true, false, true, commit::none, false, memory_source, {}},
    {"nexmark", true, false, true, commit::none, false, nexmark_source, {}},
};

void add_names(std::vector<std::string>& out, std::span<const option_info> options) {
  for (const auto& o : options)
    if (std::find(out.begin(), out.end(), o.name) == out.end()) out.emplace_back(o.name);
}

std::string join(const std::vector<std::string>& names) {
  std::string s;
  for (const auto& n : names) s += (s.empty() ? "" : ", ") + n;
  return s;
}

error unknown_connector(std::string_view name) {
  auto names = connector_names();
  return {errc::unknown_name, "there is no connector \"" + std::string(name) + "\"" +
                                  nearest_hint(name, names) + " (known: " + join(names) + ")"};
}

error bad_value(const option_info& o, std::string_view value, std::string_view expected) {
  return {errc::invalid_argument, "option " + std::string(o.name) + " = '" + std::string(value) +
                                      "': expected " + std::string(expected)};
}

status check_choice(const option_info& o, const std::string& value) {
  std::vector<std::string> choices;
  for (std::string_view rest = o.choices; !rest.empty();) {
    auto bar = rest.find('|');
    choices.emplace_back(rest.substr(0, bar));
    rest = bar == std::string_view::npos ? std::string_view{} : rest.substr(bar + 1);
  }
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return {};
  return bad_value(o, value, "one of " + join(choices) + nearest_hint(value, choices));
}

status check_value(const option_info& o, const std::string& value) {
  const option_map one{{std::string(o.name), value}};
  switch (o.kind) {
    case k::any:
      return {};
    case k::text:
      return value.empty() ? status(bad_value(o, value, "a text that is not empty")) : status();
    case k::boolean:
      WEIR_TRY(option_bool(one, o.name, false));
      return {};
    case k::integer:
      WEIR_TRY(option_int(one, o.name, 0));
      return {};
    case k::positive: {
      WEIR_ASSIGN(int64_t v, option_int(one, o.name, 0));
      return v > 0 ? status() : status(bad_value(o, value, "an integer above 0"));
    }
    case k::rate:
      WEIR_TRY(option_rate(one, o.name, 0));
      return {};
    case k::size:
      WEIR_TRY(option_size(one, o.name, 0));
      return {};
    case k::duration:
      WEIR_TRY(option_duration(one, o.name, 0));
      return {};
    case k::timestamp:
      WEIR_TRY(option_timestamp(one, o.name, 0));
      return {};
    case k::delimiter:
      WEIR_TRY(option_delimiter(one, ','));
      return {};
    case k::choice:
      return check_choice(o, value);
  }
  return {};
}

// Of a table that is read.
status check_lookup(std::string_view connector, const option_map& options) {
  WEIR_ASSIGN(bool lookup, option_bool(options, "lookup", false));
  if (!lookup && option_present(options, "cache"))
    return {errc::invalid_argument, "option cache needs lookup = true"};
  if (!lookup) return {};
  for (auto name :
       {"follow", "rate", "event_time", "late_table", "start", "until", "group", "keyed"})
    if (option_present(options, name))
      return {errc::invalid_argument, "option " + std::string(name) +
                                          " has no meaning for a table that is looked up, which "
                                          "is read whole"};
  if (option_text(options, "on_error", "fail") == "dead_letter")
    return {errc::unsupported, "a table that is looked up has on_error = fail or skip"};
  if (!is_kafka(connector) && option_text(options, "format", "") == "debezium_json")
    return {errc::unsupported,
            "a table that is looked up in files holds rows, or upserts by key (format "
            "upsert_json), not changes of rows"};
  return {};
}

status check_combination(std::string_view connector, const option_map& options, bool as_sink) {
  if (!as_sink) {
    const auto format = option_text(options, "format", is_kafka(connector) ? "json" : "csv");
    if (option_present(options, "timestamp_unit") && !format.ends_with("json"))
      return {errc::invalid_argument,
              "option timestamp_unit belongs to formats of JSON, but the format is " + format};
    WEIR_ASSIGN(const bool keyed, option_bool(options, "keyed", false));
    if (keyed && format != "debezium_json")
      return {errc::invalid_argument,
              "option keyed is of tables of format debezium_json, but the format is " + format};
    WEIR_TRY(check_dead_letter_topic(connector, options));
    WEIR_TRY(check_lookup(connector, options));
  }
  if (is_kafka(connector)) return check_kafka_options(connector, options, as_sink);
  if (connector == "file" && !option_present(options, "path"))
    return {errc::invalid_argument, "connector file needs the option path"};
  if (as_sink || (connector != "file" && connector != "stdin")) return {};
  auto format = option_text(options, "format", "csv");
  for (auto name : {"header", "delimiter", "null_text", "multiline"})
    if (format != "csv" && option_present(options, name))
      return {errc::invalid_argument, "option " + std::string(name) +
                                          " belongs to format csv, but the format is " + format};
  WEIR_ASSIGN(bool follow, option_bool(options, "follow", false));
  if (follow && option_text(options, "compression", "auto") != "auto" &&
      option_text(options, "compression", "auto") != "none")
    return {errc::unsupported, "follow reads plain files only: a compressed file cannot be tailed"};
  if (!follow && option_present(options, "poll_interval"))
    return {errc::invalid_argument, "option poll_interval needs follow = true"};
  return {};
}

}  // namespace

std::span<const connector_info> all_connectors() {
  return connectors;
}

const connector_info* find_connector(std::string_view name) {
  for (const auto& c : connectors)
    if (c.name == name) return &c;
  return nullptr;
}

std::span<const option_info> common_options(bool as_sink) {
  if (as_sink) return common_sink;
  return common_source;
}

std::vector<std::string> connector_names() {
  std::vector<std::string> names;
  for (const auto& c : connectors) names.emplace_back(c.name);
  return names;
}

bool is_change_format(const option_map& options) {
  const auto format = option_text(options, "format", "");
  return format == "debezium_json" || format == "upsert_json";
}

result<connector_traits> traits_of(std::string_view connector) {
  const auto* c = find_connector(connector);
  if (!c) return unknown_connector(connector);
  connector_traits t;
  t.is_source = c->is_source;
  t.is_sink = c->is_sink;
  t.replayable = c->replayable;
  t.commits = c->commits;
  t.takes_changes = c->takes_changes;
  if (c->is_source) add_names(t.options, common_source);
  if (c->is_sink) add_names(t.options, common_sink);
  add_names(t.options, c->source_options);
  add_names(t.options, c->sink_options);
  return t;
}

status check_options(std::string_view connector, const option_map& options, bool as_sink) {
  const auto* c = find_connector(connector);
  if (!c) return unknown_connector(connector);
  std::string who =
      "connector " + std::string(connector) + (as_sink ? " as a sink" : " as a source");
  if (as_sink ? !c->is_sink : !c->is_source)
    return {errc::unsupported, "connector " + std::string(connector) + " cannot be used as a " +
                                   (as_sink ? "sink" : "source")};
  auto own = as_sink ? c->sink_options : c->source_options;
  auto other = as_sink ? c->source_options : c->sink_options;
  for (const auto& [name, value] : options) {
    const option_info* known = nullptr;
    for (auto list : {own, common_options(as_sink)})
      for (const auto& o : list)
        if (o.name == name) known = &o;
    if (!known && !c->passes.empty() && name.starts_with(c->passes)) continue;
    if (!known && !as_sink && is_dead_letter_option(name, options)) continue;
    if (!known) {
      for (auto list : {other, common_options(!as_sink)})
        for (const auto& o : list)
          if (o.name == name)
            return {errc::invalid_argument, "option " + name + " has no meaning for " + who};
      std::vector<std::string> names;
      add_names(names, own);
      add_names(names, common_options(as_sink));
      return {errc::unknown_name, who + " has no option " + name + nearest_hint(name, names) +
                                      " (known: " + join(names) + ")"};
    }
    WEIR_TRY(check_value(*known, value));
  }
  return check_combination(connector, options, as_sink);
}

}  // namespace weir
