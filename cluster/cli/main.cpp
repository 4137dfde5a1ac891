// The weir binary: verbs, options, exit codes (FACES). Everything it does is elsewhere.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_nexmark.hpp"
#include "cluster/cli/cluster.hpp"
#include "cluster/cli/cluster_option.hpp"
#include "cluster/cli/config/node_config.hpp"
#include "cluster/cli/inspect.hpp"
#include "cluster/cli/number_checks.hpp"
#include "cluster/cli/prompt/shell.hpp"
#include "cluster/cli/run.hpp"
#include "cluster/cli/topic_cluster.hpp"
#include "cluster/cli/topics/stream_verbs.hpp"
#include "runtime/base/units.hpp"
#include "runtime/plan/plan.hpp"

namespace {

using namespace weir;
using namespace weir::cli;

/// "KEY=VALUE" into a map.
bool add_setting(std::map<std::string, std::string>& to, const std::string& text) {
  auto at = text.find('=');
  if (at == std::string::npos || at == 0) return false;
  to[text.substr(0, at)] = text.substr(at + 1);
  return true;
}

CLI::Validator setting_check() {
  return CLI::Validator(
      [](std::string& s) {
        auto at = s.find('=');
        return at == std::string::npos || at == 0 ? "'" + s + "' is not KEY=VALUE" : "";
      },
      "KEY=VALUE");
}

CLI::Validator duration_check(int64_t least_us) {
  return CLI::Validator(
      [least_us](std::string& s) -> std::string {
        auto d = parse_duration_us(s);
        if (!d) return d.err().message;
        if (*d < least_us) return "'" + s + "' is below " + format_duration_us(least_us);
        return "";
      },
      "DURATION");
}

CLI::Validator memory_check() {
  return CLI::Validator(
      [](std::string& s) -> std::string {
        auto ok = check_memory(s);
        return ok ? "" : ok.err().message;
      },
      "SIZE");
}

struct raw_options {
  std::vector<std::string> set;
  std::string mode, interval, memory = "2GiB", log_level = "warn";
  uint32_t parallelism = 0;
  run_options run;
  inspect_options inspect;
  bench_options bench;
  nexmark_options nexmark;
  sql_options sql;
};

void add_job_options(CLI::App& verb, raw_options& o) {
  verb.add_option("FILE", o.inspect.file, "job file (.sql or .yaml)")->required();
  verb.add_option("-p,--parallelism", o.parallelism, "parallel tasks per operator (default: cores)")
      ->check(CLI::Range(1, static_cast<int>(plan_parallelism_max)));
  verb.add_option("--set", o.set, "KEY=VALUE for ${KEY} in the job file")->check(setting_check());
}

CLI::App* add_run(CLI::App& app, raw_options& o) {
  auto* verb = app.add_subcommand("run", "run a job file in this process, no server needed");
  add_job_options(*verb, o);
  verb->add_option("--data-dir", o.run.data_dir,
                   "where snapshots live: a rerun continues from the last one");
  verb->add_flag("--fresh", o.run.fresh, "forget the job's snapshots and start over");
  verb->add_option("--mode", o.mode, "delivery guarantee")
      ->check(CLI::IsMember({"exactly-once", "at-least-once", "at-most-once"}));
  verb->add_option("--snapshot-interval", o.interval,
                   "between snapshots, at least 100ms; else the job's, else 1s")
      ->check(duration_check(100'000));
  verb->add_option("--memory", o.memory, "what the job may hold")->check(memory_check());
  verb->add_flag("--final", o.run.final_only,
                 "stdout: only the table that stands when the input ends");
  verb->add_flag("--quiet", o.run.quiet, "no progress, no summary");
  verb->add_option("-o", o.run.output, "format on stdout")
      ->check(CLI::IsMember({"table", "csv", "json"}));
  verb->add_option("--log-level", o.log_level, "debug, info, warn, error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  return verb;
}

CLI::App* add_sql(CLI::App& app, raw_options& o) {
  auto* verb = app.add_subcommand("sql", "a prompt for SQL; or statements of files and pipes");
  verb->add_option("FILE", o.sql.files, "statements that run first; without a terminal, instead");
  // One -c, one text: a list would swallow the FILE behind it.
  verb->add_option("-c", o.sql.commands, "statements to run, then leave")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  verb->add_option("-p,--parallelism", o.parallelism,
                   "parallel tasks per operator (default: cores)")
      ->check(CLI::Range(1, static_cast<int>(plan_parallelism_max)));
  verb->add_option("--set", o.set, "KEY=VALUE for ${KEY} in the statements")
      ->check(setting_check());
  verb->add_option("--memory", o.memory, "what a statement's job may hold")->check(memory_check());
  verb->add_flag("--final", o.sql.final_only,
                 "stdout: only the table that stands when the input ends");
  verb->add_option("-o", o.sql.output, "format on stdout")
      ->check(CLI::IsMember({"table", "csv", "json"}));
  verb->add_flag("--quiet", o.sql.quiet, "nothing but results");
  verb->add_flag("--no-history", o.sql.no_history, "neither read nor keep what is typed");
  return verb;
}

CLI::App* add_bench(CLI::App& app, raw_options& o) {
  auto* verb = app.add_subcommand("bench", "measure the engine on this machine");
  verb->add_option("NAME", o.bench.name, "one of " + bench_names() + "; none: all, briefly");
  verb->add_option("-p,--parallelism", o.bench.parallelism, "threads (default: cores)")
      ->check(CLI::Range(1, 128));
  verb->add_option("--rows", o.bench.rows, "size of the input or the state")->check(above_zero());
  verb->add_option("--seconds", o.bench.seconds, "to measure")->check(above_zero());
  verb->add_option("--peer", o.bench.peer, "HOST:PORT of another broker, measured beside kafka");
  verb->add_option("--peer-pid", o.bench.peer_pid, "its process, for its CPU time and memory");
  verb->add_option("--runs", o.bench.runs, "repetitions; the medians follow them")
      ->check(CLI::Range(1, 1000));
  return verb;
}

CLI::App* add_nexmark(CLI::App& bench, raw_options& o) {
  auto& n = o.nexmark;
  auto* verb = bench.add_subcommand("nexmark", "Nexmark's queries, or its events as files");
  verb->add_option("QUERY", n.queries, "q0 to q22; none: all");
  verb->add_option("--events", n.events, "of all three kinds (default: 100000000, files 200000)")
      ->check(above_zero());
  verb->add_option("--event-rate", n.event_rate,
                   "events per second of event time (default: 100000, files 10000)")
      ->check(above_zero());
  verb->add_option("--seed", n.seed, "another seed, other events");
  verb->add_option("--dump", n.dump, "write the events as CSV and JSON lines into this folder")
      ->excludes(verb->get_option("QUERY"));
  verb->add_option("-p,--parallelism", n.parallelism, "tasks per operator (default: cores)")
      ->check(CLI::Range(1, 128));
  verb->add_option("--snapshot-interval", o.interval, "between snapshots (default: 1s)")
      ->check(duration_check(100'000));
  verb->add_flag("--full-events", n.full_events, "generate every column, read or not");
  verb->add_flag("--in-memory", n.in_memory, "from batches that are generated before");
  verb->add_option("--rate", n.rate, "events/s offered while latency is measured")
      ->check(above_zero());
  verb->add_option("--seconds", n.seconds, "to measure latency; 0: not at all")
      ->check(zero_or_more());
  verb->add_option("--runs", n.runs, "repetitions")->check(CLI::Range(1, 1000));
  verb->add_flag("--csv", n.csv, "one CSV line a run");
  return verb;
}

int do_nexmark(raw_options& o) {
  if (!o.interval.empty()) o.nexmark.snapshot_interval_us = *parse_duration_us(o.interval);
  return bench_nexmark(o.nexmark);
}

int do_run(raw_options& o) {
  o.run.file = o.inspect.file;
  for (const auto& s : o.set) add_setting(o.run.set, s);
  if (o.parallelism) o.run.parallelism = o.parallelism;
  if (o.mode == "exactly-once") o.run.mode = delivery_mode::exactly_once;
  if (o.mode == "at-least-once") o.run.mode = delivery_mode::at_least_once;
  if (o.mode == "at-most-once") o.run.mode = delivery_mode::at_most_once;
  if (!o.interval.empty()) o.run.snapshot_interval_us = *parse_duration_us(o.interval);
  o.run.memory_bytes = *parse_size(o.memory);
  o.run.log_level = o.log_level;
  return run_job(o.run);
}

int do_sql(raw_options& o) {
  for (const auto& s : o.set) add_setting(o.sql.set, s);
  if (o.parallelism) o.sql.parallelism = o.parallelism;
  o.sql.memory_bytes = *parse_size(o.memory);
  return run_sql(o.sql);
}

/// Verbs of a cluster; the chosen one's function, once the command line is parsed.
struct cluster_verbs {
  cluster_verb_options options;
  node_config node_settings{false}, one_settings{true};
  std::vector<std::pair<CLI::App*, node_config*>> configured;
  std::vector<std::string> set;
  std::string interval, memory = "2GiB";
  uint32_t parallelism = 0;
  std::vector<std::pair<CLI::App*, int (*)(const cluster_verb_options&)>> verbs;

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help,
                int (*function)(const cluster_verb_options&)) {
    auto* verb = parent.add_subcommand(name, help);
    verbs.emplace_back(verb, function);
    return verb;
  }
  void format(CLI::App* verb) {
    verb->add_option("-o", options.output, "format")
        ->check(CLI::IsMember({"table", "csv", "json"}));
  }
  void client(CLI::App* verb) {
    add_cluster_option(*verb, options.cluster);
    format(verb);
  }

  void add_all(CLI::App& app) {
    auto* node = add(app, "node", "one node of a cluster, in the foreground", run_node);
    auto* one = add(app, "up", "one node: topics, jobs, Kafka and HTTP listeners", run_node);
    node_settings.add_options(*node);
    one_settings.add_options(*one);
    node->add_flag("--print-wire", options.print_wire,
                   "show what this build says to other nodes, and the hash that they compare");
    configured = {{node, &node_settings}, {one, &one_settings}};

    auto* cluster = app.add_subcommand("cluster", "local nodes as background processes");
    cluster->require_subcommand(1);
    auto* up = add(*cluster, "up", "start the nodes of DIR that are not running", cluster_up);
    up->add_option("-n", options.nodes, "nodes")->check(CLI::Range(1, 64));
    up->add_option("--memory", memory, "what each node's tasks may hold")->check(memory_check());
    auto* down = add(*cluster, "down", "stop them", cluster_down);
    for (auto* verb : {up, down})
      verb->add_option("--data-dir", options.data_dir, "the nodes' folders are below it")
          ->required();
    format(up);
    client(add(*cluster, "status", "nodes and jobs", cluster_status));
    auto* drain =
        add(*cluster, "drain", "move everything off a node before it is stopped", cluster_drain);
    drain->add_flag("--undo", options.undo, "it takes part again");
    drain->add_flag("!--no-wait", options.wait, "do not wait until nothing is left on it");
    auto* forget = add(*cluster, "forget", "forget a node that is gone for good", cluster_forget);
    for (auto* verb : {drain, forget}) {
      verb->add_option("NODE", options.id, "the node's name or number")
          ->required()
          ->check(not_empty());
      client(verb);
    }

    auto* job = app.add_subcommand("job", "jobs of a cluster");
    job->require_subcommand(1);
    auto* submit = add(*job, "submit", "run a job file on the cluster; prints its id", job_submit);
    submit->add_option("FILE", options.file, "job file (.sql or .yaml)")->required();
    submit->add_option("--set", set, "KEY=VALUE for ${KEY} in the job file")
        ->check(setting_check());
    submit->add_option("-p,--parallelism", parallelism, "tasks per operator (default: nodes)")
        ->check(CLI::Range(1, static_cast<int>(plan_parallelism_max)));
    submit
        ->add_option("--snapshot-interval", interval,
                     "between snapshots, at least 100ms; else the job's, else 1s")
        ->check(duration_check(100'000));
    submit->add_option("--from-savepoint", options.from_savepoint,
                       "JOB[:EPOCH]: start with the state of that job's savepoint, or of its end");
    submit->add_flag("--drop-state", options.drop_state,
                     "also when this job cannot use all of the savepoint");
    client(submit);
    client(add(*job, "ls", "all jobs", job_ls));
    auto* describe = add(*job, "describe", "state, epochs, tasks of a job", job_describe);
    auto* stop = add(*job, "stop", "a last snapshot, commits, the end", job_stop);
    auto* cancel = add(*job, "cancel", "the end at once, without a snapshot", job_cancel);
    auto* savepoint =
        add(*job, "savepoint", "a snapshot now, which is kept; prints its epoch", job_savepoint);
    auto* logs = add(*job, "logs", "what the job's master has said last", job_logs);
    auto* remove =
        add(*job, "delete", "forget a job that has ended, with its savepoints", job_delete);
    stop->add_flag("--savepoint", options.savepoint,
                   "wait for the end; prints the epoch that submit --from-savepoint starts from");
    savepoint->add_option("--remove", options.remove, "remove the savepoint of this epoch instead");
    for (auto* verb : {describe, stop, cancel, savepoint, logs, remove}) {
      verb->add_option("ID", options.id, "the job's id or name")->required()->check(not_empty());
      client(verb);
    }
  }
  /// The exit code of the verb that was chosen; nothing when it is none of these.
  std::optional<int> run() {
    for (const auto& s : set) add_setting(options.set, s);
    if (parallelism) options.parallelism = parallelism;
    if (!interval.empty()) options.snapshot_interval_us = *parse_duration_us(interval);
    options.memory_bytes = *parse_size(memory);
    if (options.print_wire) return print_wire();
    for (auto [verb, config] : configured)
      if (*verb)
        if (auto code = config->prepare(*verb, options)) return code;
    for (auto [verb, function] : verbs)
      if (*verb) return function(options);
    return std::nullopt;
  }
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Weir: a streaming platform in one binary"};
  app.set_version_flag("--version", "weir " WEIR_VERSION);
  app.require_subcommand(1);
  raw_options o;

  auto* run = add_run(app, o);
  auto* sql = add_sql(app, o);
  auto* lint = app.add_subcommand("lint", "check a job file");
  lint->add_option("FILE", o.inspect.file, "job file (.sql or .yaml)");
  lint->add_option("--set", o.set, "KEY=VALUE for ${KEY} in the job file")->check(setting_check());
  lint->add_flag("--schema", o.inspect.schema, "print the JSON schema of job files");
  auto* plan = app.add_subcommand("plan", "print a job's plan");
  add_job_options(*plan, o);
  plan->add_option("--data-dir", o.inspect.directory,
                   "also say what the job would keep of the snapshots there");
  auto* plan_format = plan->add_option("-o", o.inspect.output, "format")
                          ->check(CLI::IsMember({"table", "csv", "json"}));
  plan->add_flag("--dot", o.inspect.dot,
                 "as a graph for Graphviz (weir plan FILE --dot | dot -Tsvg)")
      ->excludes(plan_format);

  cluster_verbs cluster;
  cluster.add_all(app);
  stream_verbs streams;
  streams.add_all(app);

  auto* snapshot = app.add_subcommand("snapshot", "look at the snapshots of a data directory");
  snapshot->require_subcommand(1);
  auto* ls = snapshot->add_subcommand("ls", "epochs, sizes, durations, state per operator");
  auto* verify = snapshot->add_subcommand("verify", "read and check every byte");
  for (auto* verb : {ls, verify}) {
    verb->add_option("DIR", o.inspect.directory, "data directory")->required();
    verb->add_option("-o", o.inspect.output, "format")
        ->check(CLI::IsMember({"table", "csv", "json"}));
  }

  auto* bench = add_bench(app, o);
  auto* nexmark = add_nexmark(*bench, o);

  try {
    app.parse(argc, argv);
    if (*lint && !o.inspect.schema && o.inspect.file.empty())
      throw CLI::RequiredError("FILE (or --schema)");
  } catch (const CLI::ParseError& e) {
    int code = app.exit(e);
    return code == 0 ? exit_ok : exit_usage;
  }
  use_topic_cluster();
  for (const auto& s : o.set) add_setting(o.inspect.set, s);
  if (o.parallelism) o.inspect.parallelism = o.parallelism;
  if (*run) return do_run(o);
  if (*sql) return do_sql(o);
  if (auto code = cluster.run()) return *code;
  if (auto code = streams.run()) return *code;
  if (*nexmark) return do_nexmark(o);
  if (*bench) return run_bench(o.bench);
  if (*lint) return lint_job(o.inspect);
  if (*plan) return plan_job(o.inspect);
  if (*ls) return snapshot_ls(o.inspect);
  if (*verify) return snapshot_verify(o.inspect);
  return exit_usage;
}
