#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "actors/cluster.hpp"
#include "actors/gateway/endpoint.hpp"
#include "cluster/cli/cluster.hpp"
#include "cluster/cli/node_file.hpp"
#include "cluster/cli/node_log.hpp"
#include "cluster/cli/signals.hpp"
#include "cluster/cli/topic_cluster.hpp"
#include "cluster/http/api.hpp"
#include "cluster/node/membership.hpp"
#include "cluster/node/wire.hpp"
#include "runtime/io/address.hpp"

namespace weir::cli {
namespace {

constexpr int64_t watch_interval_ms = 500;
constexpr int64_t start_interval_ms = 10;
// Topics and jobs have threads of their own for what blocks. Of the jobs some wait for other
// machines (sinks' transactions, looks for partitions, connections), for many seconds where one is
// cut off.
constexpr unsigned topic_io_threads = 2, job_io_threads = 8;
// For the others to lead what this node led; what takes longer they notice by themselves.
constexpr auto leave_limit = std::chrono::seconds(2);
// Opening what the metadata name: a node with many topics after a crash takes its time.
constexpr auto attach_limit = std::chrono::minutes(5);

meta::endpoint endpoint_of(std::string listener, host_port told) {
  return {std::move(listener), std::move(told.host), told.port};
}

/// One node, put together and taken apart in order.
class running_node {
 public:
  explicit running_node(const cluster_verb_options& o) : options_(o) {}

  /// Listens everywhere; nothing is answered but health.
  status bind() {
    std::error_code made;
    std::filesystem::create_directories(options_.data_dir, made);
    if (made) return error{errc::io, "cannot make " + options_.data_dir + ": " + made.message()};
    if (std::filesystem::exists(options_.data_dir + "/streams/catalog"))
      return error{
          errc::version_mismatch,
          options_.data_dir +
              " was written by an earlier build, which kept its topics in streams/catalog; "
              "this one would not see them: use another folder, and copy the topics over by "
              "`weir topic consume` and `produce` with the old build"};
    membership_options m;
    m.data_dir = options_.data_dir;
    m.name = options_.name;
    m.rack = options_.rack;
    m.listen = options_.peers;
    m.advertised = options_.advertised_peers;
    m.seeds = options_.join;
    const auto wire = this_wire_version("weir " WEIR_VERSION);
    m.wire = wire;
    WEIR_ASSIGN(const auto tls, tls_context::load(options_.peers_tls));
    m.tls = tls;
    m.log = node_log;
    WEIR_ASSIGN(const auto settings,
                kafka::broker_config::make({options_.settings.begin(), options_.settings.end()}));
    m.watch.rebuild_delay_ms = static_cast<uint64_t>(settings.number("replica.rebuild.delay.ms"));
    m.watch.replicas_wanted = {
        {"__consumer_offsets",
         static_cast<uint16_t>(settings.number("offsets.topic.replication.factor"))},
        {"__transaction_state",
         static_cast<uint16_t>(settings.number("transaction.state.log.replication.factor"))}};
    WEIR_ASSIGN(members_, membership::bind(std::move(m)));
    WEIR_ASSIGN(const auto told_peers, split_address(members_->address()));
    cluster_options c;
    c.node.name = options_.name;
    c.node.data_dir = options_.data_dir;
    c.node.memory_bytes = options_.memory_bytes;
    c.node.io_threads = job_io_threads;
    c.node.peers_tls = options_.peers_tls;
    c.node.wire = wire;
    c.host = told_peers.host;
    // An address that is told may be another machine's, which passes on what comes there.
    WEIR_ASSIGN(const auto listening, split_listener(options_.peers));
    c.listen_host = listening.host;
    c.port = options_.actors_port;
    c.node.rows_port = options_.rows_port;
    // The members outlive the actors.
    c.ledger = std::shared_ptr<job_ledger>(std::shared_ptr<void>(), &members_->ledger());
    c.log = node_log;
    WEIR_ASSIGN(actors_, cluster_node::start(c));
    endpoint_options e;
    e.folder = options_.data_dir + "/streams";
    e.address = options_.kafka;
    e.advertised = options_.advertised;
    e.rack = options_.rack;
    e.peers_tls = tls;
    e.config.insert(options_.settings.begin(), options_.settings.end());
    e.log = node_log;
    WEIR_ASSIGN(kafka_, kafka_endpoint::bind(topics_environment(), std::move(e)));
    use_topic_cluster(kafka_->address());
    answers_ = std::make_unique<http::api>(
        *actors_, *kafka_, *members_,
        http::api_options{options_.metrics_partitions, options_.metrics_groups});
    WEIR_ASSIGN(http_, http::http_server::start(
                           options_.http, [this](const auto& r) { return answers_->answer(r); },
                           [this](const auto& r) { return answers_->at_once(r); }));
    WEIR_ASSIGN(const auto told_kafka, split_address(kafka_->address()));
    WEIR_ASSIGN(auto told_http, split_address(http_->address()));
    // Nobody connects to "all addresses"; where the nodes reach this one is one of them.
    if (is_any_host(told_http.host)) told_http.host = told_peers.host;
    auto environment = topics_environment();
    return members_->join(
        *environment.files, *environment.io,
        {endpoint_of("kafka", told_kafka), endpoint_of("http", told_http),
         endpoint_of("actors", {c.host, static_cast<uint16_t>(actors_->port())})});
  }
  bool is_member() { return members_->wait_registered(std::chrono::milliseconds(0)); }
  /// Why it will never be one, as it was started; empty: it may.
  std::string refused() const { return members_->stand().refused; }

  /// The cluster knows this node: it opens what is its.
  status open() {
    const auto who = members_->stand();
    WEIR_TRY(kafka_->open(actors_->system(), topics_environment(), members_->port(),
                          who.cluster.to_string(), who.node.value));
    if (!members_->attach(kafka_->storage(), kafka_->requests(), attach_limit))
      return error{errc::timeout, "the topics are not open in time"};
    kafka_->serve();
    watch();
    answers_->set_ready();
    answers_ready_ = true;
    return {};
  }
  void watch() { kafka_->storage().set_controller(members_->stand().leader_node.value); }
  node_file about() const {
    return {options_.name, static_cast<uint32_t>(::getpid()), http_->address(), kafka_->address(),
            members_->address()};
  }
  /// In the order in which one needs the other.
  void close() {
    http_.reset();
    if (actors_ && answers_ready_) actors_->hand_off();
    if (members_ && answers_ready_) members_->leave(leave_limit);
    if (members_) members_->detach();
    if (kafka_)
      if (auto s = kafka_->close(); !s) node_log(s.err().message);
    if (actors_) actors_->close();
    if (members_) members_->stop();
  }

 private:
  task_environment topics_environment() {
    auto e = actors_->environment();
    e.io = topic_io_.get();
    return e;
  }

  const cluster_verb_options& options_;
  std::unique_ptr<io_executor> topic_io_ = make_thread_executor(topic_io_threads);
  std::unique_ptr<membership> members_;
  std::unique_ptr<cluster_node> actors_;
  std::unique_ptr<kafka_endpoint> kafka_;
  std::unique_ptr<http::api> answers_;
  std::unique_ptr<http::http_server> http_;
  bool answers_ready_ = false;
};

}  // namespace

int print_wire() {
  const auto wire = this_wire_version("weir " WEIR_VERSION);
  std::printf("%s\n%s", to_string(wire).c_str(), wire_description().c_str());
  return exit_ok;
}

int run_node(const cluster_verb_options& o) {
  signal_waiter signals;
  running_node node(o);
  auto fail = [](const error& e) {
    std::fprintf(stderr, "weir node: %s\n", e.message.c_str());
    std::fflush(nullptr);
    ::_exit(exit_failed);  // threads of what was begun may run: see cluster_node::close()
  };
  if (auto s = node.bind(); !s) return fail(s.err()), exit_failed;
  int signal = 0;
  while (signal == 0 && !node.is_member()) {
    if (const auto why = node.refused(); !why.empty()) {
      std::fprintf(stderr, "weir node: %s\n", why.c_str());
      std::fflush(nullptr);
      ::_exit(exit_usage);
    }
    signal = signals.wait(start_interval_ms);
  }
  if (signal == 0) {
    if (auto s = node.open(); !s) return fail(s.err()), exit_failed;
    node_log("data in " + o.data_dir +
             "; records are acknowledged when they are on disk (fsync), topics with durability=os "
             "when the system has them");
    const auto about = node.about();
    // On a full disk records can still be read: that is no reason not to start.
    if (auto s = write_node_file(o.data_dir, about); !s)
      node_log(s.err().message + "; commands that are given this folder do not find the node");
    std::printf("ready kafka=%s http=%s\n", about.kafka.c_str(), about.http.c_str());
    std::fflush(stdout);
  }
  while (signal == 0) {
    signal = signals.wait(watch_interval_ms);
    if (signal == 0) node.watch();
  }
  node.close();
  remove_node_file(o.data_dir);
  std::fflush(nullptr);
  ::_exit(signal == SIGINT ? exit_interrupted : exit_ok);
}

}  // namespace weir::cli
