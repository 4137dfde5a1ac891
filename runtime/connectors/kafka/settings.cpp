#include "runtime/connectors/kafka/settings.hpp"

#include <re2/re2.h>

#include <charconv>
#include <mutex>

#include "runtime/base/nearest.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/kafka/client.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/options.hpp"

namespace weir {
namespace {

// What the options of a table say in their own words, or what the guarantees rest on.
struct owned_option {
  std::string_view name, instead;
};
constexpr owned_option owned_options[] = {
    {"bootstrap.servers", "option bootstrap"},
    {"metadata.broker.list", "option bootstrap"},
    {"group.id", "option group"},
    {"isolation.level", "option isolation"},
    {"transactional.id", "option transactional_id"},
    {"enable.idempotence", ""},
    {"enable.auto.commit", ""},
    {"enable.auto.offset.store", ""},
    {"enable.partition.eof", ""},
    {"auto.offset.reset", "option start"},
    {"partitioner", "option partition"},
    {"sticky.partitioning.linger.ms", "option partition"},
    {"acks", ""},
    {"request.required.acks", ""},
    {"delivery.report.only.error", ""},
    {"message.copy.max.bytes", ""},
};

struct hook {
  std::mutex m;
  topic_bootstrap ask;
};
// One per process, as readers and sinks are made from names in plans.
hook& process_hook() {
  static hook h;
  return h;
}

error bad(std::string_view name, std::string_view value, std::string_view expected) {
  return {errc::invalid_argument, "option " + std::string(name) + " = '" + std::string(value) +
                                      "': expected " + std::string(expected)};
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    auto comma = text.find(',');
    auto name = text.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    out.emplace_back(name);
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

template <class T>
bool parse_number(std::string_view text, T& out) {
  auto [end, e] = std::from_chars(text.data(), text.data() + text.size(), out);
  return e == std::errc() && end == text.data() + text.size() && out >= 0;
}

// '0:15,1:20'
std::optional<std::map<int32_t, int64_t>> parse_offsets(std::string_view text) {
  std::map<int32_t, int64_t> out;
  for (const auto& item : split_list(text)) {
    auto colon = item.find(':');
    int32_t partition = 0;
    int64_t offset = 0;
    if (colon == std::string::npos ||
        !parse_number(std::string_view(item).substr(0, colon), partition) ||
        !parse_number(std::string_view(item).substr(colon + 1), offset) ||
        !out.emplace(partition, offset).second)
      return std::nullopt;
  }
  return out;
}

status parse_start(const std::string& text, kafka_source_settings& s) {
  using start = kafka_source_settings::start;
  if (text == "earliest" || text == "latest" || text == "group") {
    s.from = text == "earliest" ? start::earliest : text == "latest" ? start::latest : start::group;
    if (s.from == start::group && s.group.empty())
      return {errc::invalid_argument, "option start = 'group' needs the option group"};
    return {};
  }
  if (auto offsets = parse_offsets(text)) {
    if (s.topics.size() != 1)
      return {errc::invalid_argument, "option start = '" + text + "': offsets are of one topic"};
    s.from = start::offsets;
    s.start_offsets = std::move(*offsets);
    return {};
  }
  if (auto time = parse_timestamp(text); time && *time >= 0) {
    s.from = start::timestamp;
    s.start_us = *time;
    return {};
  }
  return bad("start", text,
             "earliest, latest, group, a timestamp ('2013-01-01 10:00:00') or offsets by partition "
             "('0:15,1:20')");
}

}  // namespace

void set_topic_bootstrap(topic_bootstrap ask) {
  std::lock_guard lock(process_hook().m);
  process_hook().ask = std::move(ask);
}

result<std::string> kafka_bootstrap(const option_map& options) {
  if (auto given = option_text(options, "bootstrap", ""); !given.empty()) return given;
  topic_bootstrap ask;
  {
    std::lock_guard lock(process_hook().m);
    ask = process_hook().ask;
  }
  if (ask && option_text(options, "connector", "") == "topic") return ask(options);
  return {
      errc::invalid_argument,
      "connector " + option_text(options, "connector", "kafka") +
          " needs the option bootstrap (HOST:PORT of a Kafka listener)" +
          (option_text(options, "connector", "") == "topic" ? ": no cluster is known here" : "")};
}

status check_topic_name(std::string_view option, const std::string& name) {
  constexpr size_t length_max = 249;
  bool ok = !name.empty() && name.size() <= length_max && name != "." && name != "..";
  for (char c : name)
    ok = ok && (std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-');
  if (ok) return {};
  return bad(option, name, "names of letters, digits, '.', '_' and '-', at most 249 characters");
}

status check_library_options(const option_map& options, bool as_sink) {
  const auto library = library_options(options);
  for (const auto& [name, value] : library)
    for (const auto& o : owned_options)
      if (o.name == name)
        return {errc::invalid_argument,
                "option kafka." + name + " is Weir's own to set" +
                    (o.instead.empty() ? std::string() : "; use the " + std::string(o.instead))};
  auto configured = check_library_configuration(library, as_sink);
  if (!configured) return configured;
  return {};
}

kafka_columns kafka_columns_of(const option_map& options) {
  kafka_columns c;
  auto take = [&](std::string_view option, std::optional<std::string>& to) {
    if (option_present(options, option)) to = option_text(options, option, "");
  };
  take("key", c.key);
  take("partition", c.partition);
  take("offset", c.offset);
  take("timestamp", c.timestamp);
  take("headers", c.headers);
  take("topic_name", c.topic);
  return c;
}

std::vector<std::pair<std::string, std::string>> library_options(const option_map& options) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, value] : options)
    if (name.starts_with(kafka_option_prefix))
      out.emplace_back(name.substr(kafka_option_prefix.size()), value);
  return out;
}

std::vector<std::pair<std::string, std::string>> connection_options(const option_map& options) {
  auto out = library_options(options);
  std::erase_if(out, [](const auto& option) {
    for (std::string_view shared : {"ssl.", "sasl.", "security.", "enable.ssl.", "broker.address",
                                    "socket.", "client.", "reconnect.", "enable.sasl."})
      if (option.first.starts_with(shared)) return false;
    return true;
  });
  return out;
}

result<kafka_source_settings> kafka_source_settings_of(const option_map& options) {
  kafka_source_settings s;
  int ways = 0;
  for (std::string_view name : {"topic", "topics", "pattern"})
    ways += option_present(options, name);
  if (ways != 1)
    return {errc::invalid_argument,
            "a topic is read by exactly one of the options topic, topics ('a,b') and pattern (a "
            "regular expression)"};
  s.pattern = option_text(options, "pattern", "");
  if (auto topic = option_text(options, "topic", ""); !topic.empty()) s.topics = {topic};
  if (auto topics = option_text(options, "topics", ""); !topics.empty())
    s.topics = split_list(topics);
  for (const auto& t : s.topics)
    WEIR_TRY(check_topic_name(s.topics.size() > 1 ? "topics" : "topic", t));
  if (!s.pattern.empty()) {
    RE2 expression(s.pattern, RE2::Quiet);
    if (!expression.ok())
      return bad("pattern", s.pattern, "a regular expression: " + expression.error());
  }
  s.group = option_text(options, "group", "");
  s.read_committed = option_text(options, "isolation", "read_committed") == "read_committed";
  WEIR_ASSIGN(s.looked_up, option_bool(options, "lookup", false));
  s.bounded = s.looked_up || option_present(options, "until");
  WEIR_TRY(parse_start(option_text(options, "start", "earliest"), s));
  return s;
}

result<kafka_sink_settings> kafka_sink_settings_of(const option_map& options) {
  kafka_sink_settings s;
  s.topic = option_text(options, "topic", "");
  if (s.topic.empty())
    return {errc::invalid_argument, "a topic is written by the option topic, which is missing"};
  WEIR_TRY(check_topic_name("topic", s.topic));
  s.exactly_once = option_text(options, "delivery", "exactly_once") == "exactly_once";
  s.transactional_id = option_text(options, "transactional_id", "");
  if (!s.exactly_once && !s.transactional_id.empty())
    return {errc::invalid_argument,
            "option transactional_id has no meaning with delivery = 'at_least_once'"};
  WEIR_ASSIGN(s.key_in_value, option_bool(options, "key_in_value", false));
  if (s.key_in_value && !option_present(options, "key"))
    return {errc::invalid_argument, "option key_in_value needs the option key"};
  return s;
}

status check_kafka_options(std::string_view connector, const option_map& options, bool as_sink) {
  if (connector == "kafka" && !option_present(options, "bootstrap"))
    return {errc::invalid_argument,
            "connector kafka needs the option bootstrap (HOST:PORT of a broker, or several)"};
  if (as_sink) {
    WEIR_TRY(kafka_sink_settings_of(options));
  } else {
    WEIR_TRY(kafka_source_settings_of(options));
  }
  const auto format = option_text(options, "format", "json");
  if (!as_sink && format == "upsert_json") {
    if (option_present(options, "key"))
      return {errc::invalid_argument,
              "option key: records of format upsert_json have the PRIMARY KEY as their key, and "
              "its columns in their value"};
  }
  for (auto name : {"delimiter", "null_text"})
    if (format != "csv" && option_present(options, name))
      return {errc::invalid_argument, "option " + std::string(name) +
                                          " belongs to format csv, but the format is " + format};
  return check_library_options(options, as_sink);
}

status check_kafka_table(const std::string& table, const schema& physical,
                         const option_map& options, bool as_sink) {
  std::vector<std::string> names;
  for (const auto& f : physical.fields) names.push_back(f.name);
  std::map<std::string, std::string_view> used;
  auto check = [&](std::string_view option, const std::optional<std::string>& column,
                   std::initializer_list<type_id> types, std::string_view expected) -> status {
    if (!column) return {};
    auto i = physical.find(*column);
    if (!i)
      return {errc::unknown_name, "option " + std::string(option) + " of table \"" + table +
                                      "\" names \"" + *column + "\", which is no column of it" +
                                      nearest_hint(*column, names)};
    if (auto [at, fresh] = used.emplace(*column, option); !fresh)
      return {errc::invalid_argument, "options " + std::string(at->second) + " and " +
                                          std::string(option) + " of table \"" + table +
                                          "\" name the same column \"" + *column + "\""};
    const auto& type = physical.fields[*i].type;
    if (std::find(types.begin(), types.end(), type.id) != types.end()) return {};
    return {errc::type_mismatch, "option " + std::string(option) + ": column \"" + *column +
                                     "\" is " + to_string(type) + ", but " + std::string(expected) +
                                     " is needed"};
  };
  const auto c = kafka_columns_of(options);
  WEIR_TRY(check("key", c.key, {type_id::string, type_id::bytes}, "text or bytea"));
  WEIR_TRY(check("partition", c.partition, {type_id::int32}, "int"));
  WEIR_TRY(check("offset", c.offset, {type_id::int64}, "bigint"));
  WEIR_TRY(check("timestamp", c.timestamp, {type_id::timestamp}, "timestamp"));
  WEIR_TRY(check("headers", c.headers, {type_id::string, type_id::json}, "text or json"));
  WEIR_TRY(check("topic_name", c.topic, {type_id::string}, "text"));
  const bool changes = option_text(options, "format", "") == "upsert_json" ||
                       option_text(options, "format", "") == "debezium_json";
  if (as_sink && changes && !used.empty())
    return {errc::unsupported, "option " + std::string(used.begin()->second) +
                                   ": records of format " + option_text(options, "format", "") +
                                   " have the PRIMARY KEY as their key, and no other parts"};
  const bool raw = option_text(options, "format", "json") == "raw";
  const size_t values = physical.size() - used.size();
  if (raw && values != 1)
    return {errc::invalid_argument,
            "format raw needs a table of one column besides those that "
            "options name, but \"" +
                table + "\" has " + std::to_string(values)};
  return {};
}

}  // namespace weir
