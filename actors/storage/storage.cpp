#include "actors/storage/storage.hpp"

#include "actors/storage/committer.hpp"

namespace weir {
namespace {

constexpr auto close_timeout = std::chrono::seconds(30);

}  // namespace

result<std::unique_ptr<stream_storage>> stream_storage::start(caf::actor_system& system,
                                                              file_system& files, io_executor& io,
                                                              const clock& time,
                                                              storage_options o) {
  std::unique_ptr<stream_storage> s(new stream_storage(system, std::move(o)));
  WEIR_TRY(s->open(files, io, time));
  return s;
}

status stream_storage::open(file_system& files, io_executor& io, const clock& time) {
  const auto& dir = options_.folder;
  for (const auto* sub : {"/topics", "/commits"}) WEIR_TRY(files.create_directories(dir + sub));
  files_ = std::make_unique<file_cache>(files);
  WEIR_ASSIGN(auto commits, group_commit::open(*files_, {dir + "/commits", nullptr, syncs_}));
  commits_ = std::move(commits);
  topics_seed seed;
  WEIR_ASSIGN(seed.clean, take_clean_stop(files, dir + "/clean-stop"));
  board_ = std::make_shared<directory_board>();
  auto registry = std::make_shared<partition_registry>();
  auto queue = std::make_shared<commit_queue>();
  committer_ = spawn_committer(system_, {queue, registry, commits_, options_.log});
  seed.folder = dir + "/topics";
  seed.metadata = options_.metadata;
  seed.config = options_.config;
  seed.commits = commits_;
  seed.registry = std::move(registry);
  seed.board = board_;
  seed.gauges = gauges_;
  auto& p = seed.partition;
  p.queue = std::move(queue);
  p.committer = committer_;
  p.files = files_.get();
  auto copying = replica_options_of(*options_.config, time, options_.log);
  copying.tls = options_.peers_tls;
  replicas_ = std::make_unique<replica_fetchers>(std::move(copying));
  p.replicas = replicas_.get();
  p.io = &io;
  p.verify = options_.config->flag("log.verify.on.start");
  p.time = &time;
  p.compactions = std::make_shared<std::atomic<uint32_t>>(0);
  p.log = options_.log;
  topics_ = spawn_topics(system_, std::move(seed));
  return {};
}

status stream_storage::close() {
  if (!topics_) return {};
  replicas_->stop();
  caf::scoped_actor self(system_);
  auto no_answer = [](const caf::error& e) {
    return error{errc::timeout, "stream storage does not end: " + caf::to_string(e)};
  };
  result<clean_partitions> stopped = clean_partitions();
  self->request(topics_, close_timeout, close_atom::value)
      .receive([&](const clean_partitions& c) { stopped = c; },
               [&](const caf::error& e) { stopped = no_answer(e); });
  status durable;
  self->request(committer_, close_timeout, close_atom::value)
      .receive(
          [&](const std::string& problem) {
            if (!problem.empty()) durable = error{errc::io, problem};
          },
          [&](const caf::error& e) { durable = no_answer(e); });
  caf::anon_send_exit(committer_, caf::exit_reason::kill);
  topics_ = topics_actor();
  committer_ = committer_actor();
  WEIR_TRY(stopped);
  WEIR_TRY(durable);
  if (!*stopped)
    return error{errc::timeout,
                 "partitions do not end: the next start checks them, as after a crash"};
  return write_clean_stop(files_->files(), options_.folder + "/clean-stop", **stopped);
}

stream_storage::~stream_storage() {
  if (auto s = close(); !s) options_.log(s.err().message);
}

}  // namespace weir
