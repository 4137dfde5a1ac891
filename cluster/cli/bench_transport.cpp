// Two ways for rows from one process to another: as messages between actors over CAF's BASP, and by
// the connection of their own that nodes use (actors/data). The same batches, encoded for each
// message, decoded on arrival, as many under way; over loopback. What it costs is the processor
// time of both processes.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <cstring>
#include <functional>
#include <thread>

#include "actors/data/exchange.hpp"
#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/codec.hpp"

namespace weir::cli {
namespace {

// Batches under way at once: the window of one channel, and of as many as two jobs of some tasks
// have between two nodes. A busy connection is read in rounds, so one channel waits for them.
constexpr uint64_t windows[] = {16, 128};
constexpr uint64_t task_here = 1, task_there = 2;
constexpr uint64_t warm_up = 200;
constexpr auto connect_wait = std::chrono::seconds(5);

schema_ptr pair_type() {
  auto type = std::make_shared<schema>();
  type->fields = {{"k", type_id::int64}, {"v", type_id::int64}};
  return type;
}

/// `small`: integers that fit 4 bytes, as keys and counts do; else any.
batch_ptr pairs(const schema_ptr& type, memory_pool& pool, uint32_t rows, bool small) {
  column_builder k(type_id::int64, pool), v(type_id::int64, pool);
  uint64_t x = bench_seed;
  for (uint32_t i = 0; i < rows; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    k.append(small ? int64_t{i} * 7919 % 1'000'000 : static_cast<int64_t>(x));
    v.append(small ? int64_t{i} : static_cast<int64_t>(x * 31));
  }
  return make_batch(type, {k.finish(), v.finish()});
}

/// As a node's (actors/node.cpp).
struct actor_process {
  actor_process() {
    config.set("scheduler.policy", caf::atom("sharing"));
    config.load<caf::io::middleman>();
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

/// Fixed texts between the two processes, besides what is measured.
struct told {
  double cpu_seconds = 0;
  uint64_t batches = 0, failures = 0;
};
bool write_all(int fd, const void* data, size_t n) {
  return ::write(fd, data, n) == static_cast<ssize_t>(n);
}
bool read_all(int fd, void* data, size_t n) {
  auto* p = static_cast<char*>(data);
  while (n > 0) {
    const auto got = ::read(fd, p, n);
    if (got <= 0) return false;
    p += got;
    n -= static_cast<size_t>(got);
  }
  return true;
}
struct addresses {
  char rows[200] = {};
  uint16_t actors = 0;
};

/// Decodes what comes and gives the credit back.
class taking_receiver final : public data_receiver {
 public:
  taking_receiver(data_exchange& x, memory_pool& pool) : exchange_(x), pool_(pool) {}
  void arrived(channel_message m, buffer_ref rows) override {
    if (!decode_batch(std::move(rows), type_, pool_)) ++failures;
    ++batches;
    exchange_.grant(link, task_here, task_there, m.channel, {m.bytes, 1});
  }
  void granted(channel_id, credit) override {}
  void cut_off(error) override {}

  data_link_ptr link;
  std::atomic<uint64_t> batches{0}, failures{0};

 private:
  data_exchange& exchange_;
  memory_pool& pool_;
  const schema_ptr type_ = pair_type();
};

/// The process that rows go to: serves until the pipe closes.
[[noreturn]] void serve(int commands, int answers) {
  memory_pool pool;
  data_options o;
  o.memory = &pool;
  auto exchange = data_exchange::open(o);
  if (!exchange) ::_exit(1);
  auto receiver = std::make_shared<taking_receiver>(**exchange, pool);
  (*exchange)->add_task(task_there, receiver);
  actor_process actors;
  std::atomic<uint64_t> batches{0}, failures{0};
  const auto type = pair_type();
  auto taker = actors.system->spawn([&batches, &failures, &type, &pool]() -> caf::behavior {
    return {[&batches, &failures, &type, &pool](std::string& bytes) -> uint32_t {
      auto owner = std::make_shared<std::string>(std::move(bytes));
      const auto view = std::as_bytes(std::span(*owner));
      if (!decode_batch(view, owner, type, pool)) ++failures;
      ++batches;
      return 1;
    }};
  });
  auto port = actors.system->middleman().publish(taker, 0, "127.0.0.1");
  addresses mine, theirs;
  if (!port || (*exchange)->address().size() >= sizeof mine.rows) ::_exit(1);
  std::strcpy(mine.rows, (*exchange)->address().c_str());
  mine.actors = *port;
  if (!write_all(answers, &mine, sizeof mine) || !read_all(commands, &theirs, sizeof theirs))
    ::_exit(1);
  auto link = (*exchange)->connect(theirs.rows, task_there);
  if (!link) ::_exit(1);
  receiver->link = *link;
  char command = 0;
  if (!write_all(answers, &command, 1)) ::_exit(1);
  while (read_all(commands, &command, 1)) {
    told t{cpu_seconds(), batches + receiver->batches, failures + receiver->failures};
    if (!write_all(answers, &t, sizeof t)) break;
  }
  ::_exit(0);
}

/// The other process, and what it says.
class peer {
 public:
  static result<std::unique_ptr<peer>> start() {
    int to[2], from[2];
    if (::pipe(to) != 0 || ::pipe(from) != 0) return error{errc::io, "no pipe"};
    std::unique_ptr<peer> p(new peer);
    p->pid_ = ::fork();
    if (p->pid_ < 0) return error{errc::io, "no process"};
    if (p->pid_ == 0) {
      ::close(to[1]);
      ::close(from[0]);
      serve(to[0], from[1]);
    }
    ::close(to[0]);
    ::close(from[1]);
    p->commands_ = to[1];
    p->answers_ = from[0];
    if (!read_all(p->answers_, &p->where, sizeof p->where))
      return error{errc::io, "the process that receives does not start"};
    return p;
  }
  ~peer() {
    ::close(commands_);
    ::close(answers_);
    ::waitpid(pid_, nullptr, 0);
  }
  bool greet(const std::string& rows) {
    addresses mine;
    std::strncpy(mine.rows, rows.c_str(), sizeof mine.rows - 1);
    char ready = 0;
    return write_all(commands_, &mine, sizeof mine) && read_all(answers_, &ready, 1);
  }
  result<told> ask() {
    told t;
    const char c = 0;
    if (!write_all(commands_, &c, 1) || !read_all(answers_, &t, sizeof t))
      return error{errc::io, "the process that receives has ended"};
    if (t.failures != 0) return error{errc::corrupt, "batches arrived damaged"};
    return t;
  }
  addresses where;

 private:
  peer() = default;
  pid_t pid_ = -1;
  int commands_ = -1, answers_ = -1;
};

class granted_sender final : public data_receiver {
 public:
  void arrived(channel_message, buffer_ref) override {}
  void granted(channel_id, credit c) override {
    taken.fetch_add(c.batches);
    taken.notify_one();
  }
  void cut_off(error) override {
    over = true;
    taken.fetch_add(1'000'000);
    taken.notify_one();
  }
  std::atomic<uint64_t> taken{0};
  std::atomic<bool> over{false};
};

struct transport_cost {
  double seconds = 0, cpu_seconds = 0;
  uint64_t messages = 0;
};

/// `send` sends one batch when there is room; `settle` waits until all are taken.
result<transport_cost> measure(peer& p, double seconds, const std::function<bool()>& send,
                               const std::function<bool()>& settle) {
  const error lost{errc::io, "the connection was lost"};
  for (uint64_t i = 0; i < warm_up; ++i)
    if (!send()) return lost;
  if (!settle()) return lost;
  WEIR_ASSIGN(const auto before, p.ask());
  const double mine = cpu_seconds(), began = wall_seconds();
  transport_cost c;
  while (c.seconds < seconds) {
    for (int i = 0; i < 16; ++i, ++c.messages)
      if (!send()) return lost;
    c.seconds = wall_seconds() - began;
  }
  if (!settle()) return lost;
  c.seconds = wall_seconds() - began;
  const double used = cpu_seconds() - mine;
  WEIR_ASSIGN(const auto after, p.ask());
  if (after.batches - before.batches != c.messages)
    return error{errc::internal, "another number of batches arrived than was sent"};
  c.cpu_seconds = used + after.cpu_seconds - before.cpu_seconds;
  return c;
}

result<transport_cost> over_connection(peer& p, data_exchange& exchange, const data_link_ptr& link,
                                       granted_sender& own, const batch_ptr& batch, uint64_t window,
                                       double seconds) {
  channel_message m;
  m.channel = channel_id{0};
  m.bytes = batch->memory_bytes();
  uint64_t sent = own.taken;
  auto wait_until = [&own](uint64_t least) {
    for (uint64_t t = own.taken; t < least; t = own.taken) own.taken.wait(t);
    return !own.over;
  };
  return measure(
      p, seconds,
      [&] {
        if (sent >= window && !wait_until(sent - window + 1)) return false;
        m.rows = batch;
        m.sequence = ++sent;
        exchange.send(link, task_there, m);
        return true;
      },
      [&] { return wait_until(sent); });
}

result<transport_cost> over_basp(peer& p, caf::actor_system& system, memory_pool& pool,
                                 const batch_ptr& batch, uint64_t window, double seconds) {
  auto to = system.middleman().remote_actor("127.0.0.1", p.where.actors);
  if (!to) return error{errc::io, "no connection between actors: " + caf::to_string(to.error())};
  caf::scoped_actor self(system);
  uint64_t under_way = 0;
  bool lost = false;
  auto take_one = [&] {
    self->receive([&](uint32_t) { --under_way; }, caf::after(connect_wait) >> [&] { lost = true; });
    return !lost;
  };
  return measure(
      p, seconds,
      [&] {
        if (under_way >= window && !take_one()) return false;
        auto encoded = encode_batch(batch, pool, {.checksum = false, .narrow = true});
        if (!encoded) return false;
        std::string bytes(encoded->bytes, '\0');
        encoded->copy_to(reinterpret_cast<std::byte*>(bytes.data()));
        self->send(*to, std::move(bytes));
        ++under_way;
        return true;
      },
      [&] {
        while (under_way > 0)
          if (!take_one()) return false;
        return true;
      });
}

}  // namespace

result<std::vector<bench_line>> bench_cluster_transport(const bench_setup& s) {
  WEIR_ASSIGN(auto p, peer::start());  // before this process has threads
  memory_pool pool;
  data_options o;
  o.memory = &pool;
  WEIR_ASSIGN(auto exchange, data_exchange::open(o));
  auto own = std::make_shared<granted_sender>();
  exchange->add_task(task_here, own);
  if (!p->greet(exchange->address())) return error{errc::io, "the receiver has ended"};
  WEIR_ASSIGN(auto link, exchange->connect(p->where.rows, task_here));
  actor_process actors;
  const auto type = pair_type();
  struct shape {
    const char* name;
    uint32_t rows;
    bool small;
  };
  constexpr shape shapes[] = {{"full", batch_rows_target, false},
                              {"narrow", batch_rows_target, true},
                              {"little", 64, true}};
  std::vector<bench_line> lines;
  for (const auto& shape : shapes) {
    const auto batch = pairs(type, pool, shape.rows, shape.small);
    WEIR_ASSIGN(const auto encoded, encode_batch(batch, pool, {.checksum = false, .narrow = true}));
    const auto bytes = static_cast<double>(encoded.bytes);
    for (const auto window : windows) {
      WEIR_ASSIGN(const auto connection,
                  over_connection(*p, *exchange, link, *own, batch, window, s.seconds));
      WEIR_ASSIGN(const auto basp, over_basp(*p, *actors.system, pool, batch, window, s.seconds));
      auto add = [&](const char* what, const char* unit, auto value_of) {
        const double x = value_of(connection), y = value_of(basp);
        lines.push_back({std::string(shape.name) + "_" + std::to_string(window) + "_" + what, x,
                         unit, "BASP", y, y > 0 ? x / y : 0, 0, shape.rows, connection.seconds});
      };
      auto messages = [](const transport_cost& c) { return static_cast<double>(c.messages); };
      add("bytes", "GB/s", [&](auto& c) { return messages(c) * bytes / c.seconds * 1e-9; });
      add("rows", "rows/s", [&](auto& c) { return messages(c) * shape.rows / c.seconds; });
      add("messages", "messages/s", [&](auto& c) { return messages(c) / c.seconds; });
      add("cpu_per_gb", "CPU s per GB",
          [&](auto& c) { return c.cpu_seconds / (messages(c) * bytes * 1e-9); });
      add("cpu_per_message", "us per message",
          [&](auto& c) { return c.cpu_seconds / messages(c) * 1e6; });
    }
  }
  exchange->remove_task(task_here);
  link.reset();
  return lines;
}

}  // namespace weir::cli
