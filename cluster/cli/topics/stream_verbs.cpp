#include "cluster/cli/topics/stream_verbs.hpp"

#include "cluster/cli/cluster_option.hpp"
#include "cluster/cli/number_checks.hpp"
#include "runtime/base/units.hpp"

namespace weir::cli {
namespace {

constexpr const char* position_help =
    "earliest, latest, offset:N, after:N or time:T (as "
    "'2026-01-31 10:00:00', milliseconds, or -5m)";

CLI::Validator name_value_check() {
  return CLI::Validator(
      [](std::string& s) {
        const auto at = s.find('=');
        return at == std::string::npos || at == 0 ? "'" + s + "' is not NAME=VALUE" : "";
      },
      "NAME=VALUE");
}
CLI::Validator duration_check() {
  return CLI::Validator(
      [](std::string& s) {
        auto d = parse_duration_us(s);
        return d ? std::string() : d.err().message;
      },
      "DURATION");
}

}  // namespace

CLI::App* stream_verbs::add(CLI::App& parent, const char* name, const char* help, function f,
                            bool table) {
  auto* verb = parent.add_subcommand(name, help);
  verbs_.emplace_back(verb, f);
  add_cluster_option(*verb, options_.cluster);
  if (table)
    verb->add_option("-o", options_.output, "format (default: table on a terminal, else csv)")
        ->check(CLI::IsMember({"table", "csv", "json"}));
  verb->add_flag("--quiet", options_.quiet, "nothing but results and errors");
  return verb;
}

void stream_verbs::add_all(CLI::App& app) {
  add_topic(app);
  add_group(app);
  add_txn(app);
}

void stream_verbs::add_topic(CLI::App& app) {
  auto* topic = app.add_subcommand("topic", "topics of a cluster, and their records");
  topic->require_subcommand(1);
  auto* create = add(*topic, "create", "make a topic", topic_create);
  auto* ls = add(*topic, "ls", "all topics", topic_ls);
  auto* describe = add(*topic, "describe",
                       "offsets, sizes, leaders, producers and open transactions of each partition",
                       topic_describe);
  auto* alter = add(*topic, "alter", "change settings, or add partitions", topic_alter);
  auto* remove = add(*topic, "delete", "remove a topic and its records", topic_delete);
  auto* trim = add(*topic, "trim", "remove the records before a position", topic_trim);
  for (auto* verb : {create, describe, alter, remove, trim})
    verb->add_option("TOPIC", options_.name, "the topic's name")->required();

  create->add_option("--partitions", options_.partitions, "(default: the broker's)")
      ->check(above_zero());
  create->add_option("--replication", options_.replication, "copies of each partition")
      ->check(above_zero());
  create
      ->add_option("--set", set_,
                   "NAME=VALUE of a setting, by Kafka's names (retention.ms=3600000)")
      ->check(name_value_check());
  ls->add_flag("--sizes", options_.sizes, "also records and bytes");
  ls->add_flag("--internal", options_.internal, "also the system's own topics");
  describe->add_flag("--configs", options_.configs, "all settings, not only those that were set");
  alter->add_option("--set", set_, "NAME=VALUE of a setting")->check(name_value_check());
  alter->add_option("--unset", options_.unset, "a setting that goes back to its default");
  alter->add_option("--partitions", options_.partitions, "as many in all; never fewer than now")
      ->check(above_zero());
  trim->add_option("--before", options_.position, position_help)->required();
  trim->add_option("--partition", partition_, "only this one")->check(zero_or_more());
  add_produce(*topic);
  add_consume(*topic);
}

void stream_verbs::add_produce(CLI::App& topic) {
  auto* verb =
      add(topic, "produce", "append lines of files or stdin as records", topic_produce, false);
  verb->add_option("TOPIC", options_.name, "the topic's name")->required();
  verb->add_option("FILE", options_.files, "input; none or -: stdin");
  verb->add_option("--format", options_.format,
                   "lines: a value each; json: a JSON value each; records: what consume -o json "
                   "prints (default: lines)")
      ->check(CLI::IsMember({"lines", "json", "records"}));
  auto* key = verb->add_option("--key", options_.key, "field of the JSON values: id, or user.id");
  verb->add_option("--key-separator", options_.key_separator,
                   "text between key and value in a line")
      ->excludes(key);
  verb->add_option("--partition", partition_,
                   "all into this one (default: by the key, else in turn)")
      ->check(zero_or_more());
  verb->add_option("--compression", options_.compression, "of batches (default: none)")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}));
  verb->add_option("--rate", options_.rate, "records per second (default: as fast as it goes)")
      ->check(above_zero());
}

void stream_verbs::add_consume(CLI::App& topic) {
  auto* verb = add(topic, "consume", "print records", topic_consume, false);
  verb->add_option("TOPIC", options_.name, "the topic's name")->required();
  verb->add_option("--from", options_.from,
                   std::string(position_help) + " (default: earliest, with --follow latest)");
  verb->add_option("--partition", partition_, "only this one")->check(zero_or_more());
  verb->add_flag("--follow,-f", options_.follow, "wait for more at the end, until Ctrl-C");
  verb->add_option("--max", options_.max, "end after so many records")->check(above_zero());
  verb->add_option("--filter", options_.filter,
                   "SQL condition over key, value, \"offset\" (in quotes: it is a word of SQL), "
                   "partition, timestamp; other names are "
                   "fields of JSON values, as text");
  verb->add_option("--group", options_.group,
                   "go on where this group is, and commit what was printed");
  verb->add_option("--isolation", options_.isolation, "(default: read_committed)")
      ->check(CLI::IsMember({"read_committed", "read_uncommitted"}));
  verb->add_flag("--json-values", options_.embed_json,
                 "with -o json: values that are JSON stand as they are, not as text");
  verb->add_option("-o", options_.output, "format (default: table on a terminal, else csv)")
      ->check(CLI::IsMember({"table", "csv", "json", "raw"}));
}

void stream_verbs::add_group(CLI::App& app) {
  auto* group = app.add_subcommand("group", "consumer groups of a cluster");
  group->require_subcommand(1);
  add(*group, "ls", "all groups", group_ls);
  auto* describe = add(*group, "describe", "members, committed offsets, lag in records and time",
                       group_describe);
  auto* seek = add(*group, "seek", "set committed offsets while nobody consumes", group_seek);
  auto* remove = add(*group, "delete", "forget a group without members", group_delete);
  for (auto* verb : {describe, seek, remove})
    verb->add_option("GROUP", options_.name, "the group's id")->required();
  seek->add_option("--topic", options_.topic, "whose offsets")->required();
  seek->add_option("--to", options_.position, position_help)->required();
  seek->add_option("--partition", partition_, "only this one")->check(zero_or_more());
}

void stream_verbs::add_txn(CLI::App& app) {
  auto* txn = app.add_subcommand("txn", "transactions of producers");
  txn->require_subcommand(1);
  auto* ls = add(*txn, "ls", "transactional ids, their state and partitions", txn_ls);
  ls->add_option("--longer", options_.longer, "only transactions that are open for longer")
      ->check(duration_check());
  auto* abort = add(*txn, "abort", "end an open transaction and shut its producer out", txn_abort);
  abort->add_option("ID", options_.name, "the transactional id")->required();
}

std::optional<int> stream_verbs::run() {
  for (const auto& s : set_) {
    const auto at = s.find('=');
    options_.set[s.substr(0, at)] = s.substr(at + 1);
  }
  if (partition_ >= 0) options_.partition = partition_;
  for (auto [verb, f] : verbs_)
    if (*verb) return f(options_);
  return std::nullopt;
}

}  // namespace weir::cli
