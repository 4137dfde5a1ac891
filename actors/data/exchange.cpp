#include "actors/data/exchange.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <unordered_map>

#include "actors/data/link.hpp"
#include "runtime/io/acceptor.hpp"
#include "schema/batch.capnp.h"

namespace weir {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using code = boost::system::error_code;

// Between two attempts to reach a process that has just started, or has not noticed yet that the
// last connection is over.
constexpr auto dial_again = std::chrono::milliseconds(100);
constexpr auto accept_pause = std::chrono::milliseconds(100);
// Between two rounds of reading busy links: short against the time that rows gather before they are
// sent (the linger, 5 ms), long against the batches of a busy link. A thread that is woken for each
// of them instead took 6 % of four processes' time.
constexpr auto between_rounds = std::chrono::milliseconds(2);
// For the greetings of somebody who has connected.
constexpr auto greeting_limit = std::chrono::seconds(3);
// A cluster of so many nodes and again as many that come back; who is over is closed at once.
constexpr size_t greeting_now_max = 2'048;

uint64_t random_life() {
  std::random_device device;
  const uint64_t x = (uint64_t{device()} << 32) ^ device();
  return x == 0 ? 1 : x;
}

/// A socket whose two sides greet each other.
struct greeted : std::enable_shared_from_this<greeted> {
  explicit greeted(tcp::socket s) : socket(std::move(s)), timer(socket.get_executor()) {}
  /// It is connected.
  void open(const tls_context_ptr& tls, byte_channel::role r) {
    code ignored;  // of a socket that is over: the first call says so
    socket.non_blocking(true, ignored);
    channel = byte_channel(socket.native_handle(), tls, r);
  }
  /// All of `into` or `from`, then why not; empty: done.
  void read_all(std::span<std::byte> into, std::function<void(std::string)> then) {
    transfer(
        into, [this](std::span<std::byte> b) { return channel.read(b); }, std::move(then));
  }
  void write_all(std::span<std::byte> from, std::function<void(std::string)> then) {
    transfer(
        from, [this](std::span<std::byte> b) { return channel.write(b); }, std::move(then));
  }
  template <class Call>
  void transfer(std::span<std::byte> bytes, Call call, std::function<void(std::string)> then) {
    while (!bytes.empty()) {
      const auto n = call(bytes);
      if (n > 0) {
        bytes = bytes.subspan(static_cast<size_t>(n));
      } else if (n == 0) {
        return then("it has closed the connection");
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return socket.async_wait(
            channel.waits_for() == POLLOUT ? tcp::socket::wait_write : tcp::socket::wait_read,
            [self = shared_from_this(), bytes, call, then = std::move(then)](code e) mutable {
              if (e) return then(e.message());
              self->transfer(bytes, call, std::move(then));
            });
      } else if (errno != EINTR) {
        return then(errno == EPROTO ? channel.problem() : std::strerror(errno));
      }
    }
    then({});
  }
  tcp::socket socket;
  byte_channel channel;
  asio::steady_timer timer;
  std::array<std::byte, greeting_head_bytes> head{};
  std::vector<std::byte> rest;
  std::string mine;
};
using greeted_ptr = std::shared_ptr<greeted>;

}  // namespace

struct data_exchange::impl final : data_link::owner {
  explicit impl(data_options o) : options(std::move(o)), budget(options.limits) {}

  struct entry {
    data_link_ptr link;
    std::chrono::steady_clock::time_point deadline;  // to be up by
    bool up = false;
  };

  data_options options;
  data_address self;
  std::string address;
  memory_pool own_pool;  // of what is copied to be sent: small buffers of batches
  link_counters counted;
  std::unique_ptr<receive_buffers> buffers;
  asio::io_context context{1};  // its handlers hold links, which know all of the above
  tcp::acceptor acceptor{context};
  asio::steady_timer ticker{context}, pause{context}, round_timer{context};
  std::vector<data_link_ptr> busy_links;  // that are read in rounds
  tcp::resolver resolver{context};
  size_t greeting_now = 0;

  mutable std::mutex mutex;  // what follows
  std::unordered_map<uint64_t, std::shared_ptr<data_receiver>> tasks;
  std::unordered_map<uint64_t, entry> links;  // by the other's life
  /// Tasks, by the number of their link: they are told of its end, also when the next one to the
  /// same process has taken its place already.
  std::unordered_map<uint64_t, std::set<uint64_t>> users;
  credit_budget budget;
  uint64_t next_link = 1;
  bool stopped = false;
  std::thread thread;

  void log(const std::string& text) const {
    if (options.log) options.log(text);
  }
  greeting mine(uint64_t wanted) const {
    greeting g;
    g.batch_format = wire::BATCH_FORMAT_VERSION;
    g.life = self.life;
    g.wanted = wanted;
    g.address = address;
    g.build = options.build;
    return g;
  }
  bool i_dial(const data_address& other) const { return address > to_string(other); }

  status listen();
  void run();
  void stop();
  void tick();

  // -- connections ------------------------------------------------------------------------------
  void accept();
  void take(tcp::socket);
  void dial(const data_link_ptr&);
  void dial_to(const data_link_ptr&, tcp::endpoint);
  void dial_failed(const data_link_ptr&, const std::string& why);
  void read_greeting(const greeted_ptr&, std::function<void(result<greeting>)>);
  void say(const greeted_ptr&, const greeting&, std::function<void(std::string)>);
  void welcome(const greeted_ptr&, const greeting&);
  void up(const data_link_ptr&, const greeted_ptr&);
  error foreign(const greeting&, const std::string& who) const;

  // -- of links ---------------------------------------------------------------------------------
  void arrived(data_link&, const frame_head&, buffer_ref) override;
  void over(const data_link_ptr&, const error&) override;
  void busy(const data_link_ptr&) override;
  void read_busy_links();
  /// `likely`: the link of most of them.
  void pay(const std::vector<credit_budget::grant>&, const data_link_ptr& likely = nullptr);
  data_link_ptr link_of(uint64_t number) const;
  data_link_ptr find_or_make(const data_address&);
};

data_exchange::data_exchange(std::unique_ptr<impl> i) : impl_(std::move(i)) {}

result<std::unique_ptr<data_exchange>> data_exchange::open(data_options o) {
  weir_assert(o.memory, "rows that arrive are charged to a budget");
  auto i = std::make_unique<impl>(std::move(o));
  WEIR_TRY(i->listen());
  i->run();
  return std::unique_ptr<data_exchange>(new data_exchange(std::move(i)));
}

data_exchange::~data_exchange() {
  impl_->stop();
}

status data_exchange::impl::listen() {
  buffers = std::make_unique<receive_buffers>(*options.memory);
  self = {options.host, 0, random_life()};
  const auto& host = options.listen_host.empty() ? options.host : options.listen_host;
  const auto port = listen_with(acceptor, {host, options.port});
  if (!port) return error{port.err().code, "for other nodes' rows: " + port.err().message};
  self.port = *port;
  address = to_string(self);
  return {};
}

void data_exchange::impl::run() {
  accept();
  tick();
  thread = std::thread([this] { context.run(); });
}

void data_exchange::impl::stop() {
  {
    std::lock_guard lock(mutex);
    if (std::exchange(stopped, true)) return;
  }
  asio::post(context, [this] { context.stop(); });
  thread.join();
  // Handlers that are left hold links, whose sockets are the context's.
  std::vector<data_link_ptr> all;
  {
    std::lock_guard lock(mutex);
    for (auto& [life, e] : links) all.push_back(e.link);
    tasks.clear();
  }
  for (const auto& l : all) l->fail({errc::cancelled, "this process ends"});
  busy_links.clear();
  links.clear();
}

void data_exchange::impl::tick() {
  ticker.expires_after(options.silence_limit / 6);
  ticker.async_wait([this](code e) {
    if (e) return;
    const auto now = std::chrono::steady_clock::now();
    std::vector<data_link_ptr> alive, late;
    {
      std::lock_guard lock(mutex);
      for (auto& [life, x] : links) {
        if (x.up)
          alive.push_back(x.link);
        else if (now > x.deadline && !i_dial(x.link->peer()))
          late.push_back(x.link);
      }
    }
    for (const auto& l : alive) l->tick(now, options.silence_limit);
    for (const auto& l : late) l->fail({errc::io, "it has not connected in time"});
    tick();
  });
}

// -- connections --------------------------------------------------------------------------------

void data_exchange::impl::accept() {
  acceptor.async_accept([this](code e, tcp::socket socket) {
    if (e) {
      pause.expires_after(accept_pause);
      pause.async_wait([this](code stopped_waiting) {
        if (!stopped_waiting) accept();
      });
      return;
    }
    if (greeting_now < greeting_now_max) take(std::move(socket));
    accept();
  });
}

void data_exchange::impl::read_greeting(const greeted_ptr& g,
                                        std::function<void(result<greeting>)> then) {
  auto broken = [](const std::string& why) {
    return error{errc::io, "cannot read a greeting: " + why};
  };
  g->read_all(g->head, [g, then, broken](const std::string& why) {
    if (!why.empty()) return then(broken(why));
    auto more = greeting_rest(g->head);
    if (!more) return then(more.err());
    g->rest.resize(*more);
    g->read_all(g->rest, [g, then, broken](const std::string& why2) {
      if (!why2.empty()) return then(broken(why2));
      then(decode_greeting(g->head, g->rest));
    });
  });
}

void data_exchange::impl::say(const greeted_ptr& g, const greeting& what,
                              std::function<void(std::string)> then) {
  g->mine = encode_greeting(what);
  g->write_all(std::as_writable_bytes(std::span(g->mine)), std::move(then));
}

error data_exchange::impl::foreign(const greeting& g, const std::string& who) const {
  return {
      errc::version_mismatch,
      who + (g.build.empty() ? "" : " runs " + g.build + ", which") + " speaks version " +
          std::to_string(g.protocol) +
          (g.protocol == data_protocol ? " with batches of format " + std::to_string(g.batch_format)
                                       : "") +
          " of the connection for rows, and this node (" + options.build + ") version " +
          std::to_string(data_protocol) + " with batches of format " +
          std::to_string(wire::BATCH_FORMAT_VERSION) + ": run the same version on all nodes"};
}

void data_exchange::impl::take(tcp::socket socket) {
  auto g = std::make_shared<greeted>(std::move(socket));
  g->open(options.tls, byte_channel::role::server);
  ++greeting_now;
  g->timer.expires_after(greeting_limit);
  g->timer.async_wait([g](code e) {
    code ignored;
    if (!e) g->socket.close(ignored);
  });
  read_greeting(g, [this, g](result<greeting> r) {
    g->timer.cancel();
    --greeting_now;
    code ignored;
    const auto from = g->socket.remote_endpoint(ignored);
    if (!r)
      return log("a connection for rows from " + from.address().to_string() +
                 " is refused: " + r.err().message);
    welcome(g, *r);
  });
}

/// Of one who has connected: its link is up, or it is told why not.
void data_exchange::impl::welcome(const greeted_ptr& g, const greeting& said) {
  auto refuse = [&](const error& why) {
    log("a connection for rows is refused: " + why.message);
    auto answer = mine(said.life);
    answer.refusal = why.message;
    say(g, answer, [g](const std::string&) { /* it is closed either way */ });
  };
  const bool same = said.protocol == data_protocol;
  const auto who = same ? parse_data_address(said.address) : result<data_address>(data_address{});
  if (!who) return refuse(who.err());
  if (!same || said.batch_format != wire::BATCH_FORMAT_VERSION) {
    const auto why = foreign(said, same ? "node at " + said.address : "a node");
    refuse(why);
    if (!same) return;
    data_link_ptr waiting;
    {
      std::lock_guard lock(mutex);
      if (auto it = links.find(said.life); it != links.end()) waiting = it->second.link;
    }
    if (waiting) waiting->fail(why);
    return;
  }
  if (said.wanted != self.life || who->life != said.life)
    return refuse({errc::io, "node at " + address + " has been started anew"});
  data_link_ptr link, before;
  {
    std::lock_guard lock(mutex);
    if (auto it = links.find(said.life); it != links.end() && it->second.up)
      before = it->second.link;
  }
  // The other side knows that the last one is over, this one not yet.
  if (before) before->fail({errc::io, "it has connected anew"});
  link = find_or_make(*who);
  say(g, mine(said.life), [this, g, link](const std::string& why) {
    if (!why.empty()) return link->fail({errc::io, "cannot greet: " + why});
    up(link, g);
  });
}

void data_exchange::impl::up(const data_link_ptr& link, const greeted_ptr& g) {
  {
    std::lock_guard lock(mutex);
    auto it = links.find(link->peer().life);
    if (it == links.end() || it->second.link != link || it->second.up || stopped) return;
    it->second.up = true;
  }
  link->establish(std::move(g->socket), std::move(g->channel), options.tls != nullptr);
}

void data_exchange::impl::dial(const data_link_ptr& link) {
  if (link->is_over()) return;
  code e;
  const auto& to = link->peer();
  const auto numeric = asio::ip::make_address(to.host, e);
  if (!e) return dial_to(link, {numeric, to.port});
  resolver.async_resolve(to.host, std::to_string(to.port),
                         [this, link](code f, const tcp::resolver::results_type& found) {
                           if (f || found.empty()) return dial_failed(link, f.message());
                           dial_to(link, found.begin()->endpoint());
                         });
}

void data_exchange::impl::dial_to(const data_link_ptr& link, tcp::endpoint where) {
  auto g = std::make_shared<greeted>(tcp::socket(context));
  g->timer.expires_after(greeting_limit);
  g->timer.async_wait([g](code e) {
    code ignored;
    if (!e) g->socket.close(ignored);
  });
  auto failed = [this, g, link](const std::string& why) {
    g->timer.cancel();
    dial_failed(link, why);
  };
  g->socket.async_connect(where, [this, g, link, failed](code e) {
    if (e) return failed(e.message());
    g->open(options.tls, byte_channel::role::client);
    say(g, mine(link->peer().life), [this, g, link, failed](const std::string& why) {
      if (!why.empty()) return failed(why);
      read_greeting(g, [this, g, link, failed](result<greeting> r) {
        if (!r) return failed(r.err().message);
        g->timer.cancel();
        if (r->protocol != data_protocol || r->batch_format != wire::BATCH_FORMAT_VERSION)
          return link->fail(foreign(*r, "node at " + to_string(link->peer())));
        if (!r->refusal.empty()) return link->fail({errc::io, "it refuses: " + r->refusal});
        if (r->life != link->peer().life)
          return link->fail({errc::io, "somebody else is at its address"});
        up(link, g);
      });
    });
  });
}

void data_exchange::impl::dial_failed(const data_link_ptr& link, const std::string& why) {
  std::chrono::steady_clock::time_point deadline;
  {
    std::lock_guard lock(mutex);
    auto it = links.find(link->peer().life);
    if (it == links.end() || it->second.link != link || stopped) return;
    deadline = it->second.deadline;
  }
  if (std::chrono::steady_clock::now() >= deadline)
    return link->fail({errc::io, "cannot connect: " + why});
  auto timer = std::make_shared<asio::steady_timer>(context, dial_again);
  timer->async_wait([this, timer, link](code e) {
    if (!e) dial(link);
  });
}

/// The link to that life of that process, in whatever state.
data_link_ptr data_exchange::impl::find_or_make(const data_address& other) {
  std::lock_guard lock(mutex);
  auto& e = links[other.life];
  if (!e.link || e.link->is_over()) {
    e = {std::make_shared<data_link>(context, *this, *buffers, counted, other, next_link++),
         std::chrono::steady_clock::now() + options.connect_limit, false};
    if (i_dial(other)) asio::post(context, [this, link = e.link] { dial(link); });
  }
  return e.link;
}

// -- of links -----------------------------------------------------------------------------------

void data_exchange::impl::arrived(data_link& from, const frame_head& head, buffer_ref rows) {
  std::shared_ptr<data_receiver> to;
  {
    std::lock_guard lock(mutex);
    auto it = tasks.find(head.task);
    if (it == tasks.end()) return;  // it is over: what it does not get is of no use
    to = it->second;
    if (head.kind == frame_kind::message && head.body.kind == message_kind::data)
      budget.arrived(from.number(), {head.task, head.body.channel.value}, head.body.bytes);
  }
  if (head.kind == frame_kind::credit)
    to->granted(head.body.channel, {head.body.bytes, static_cast<uint32_t>(head.body.value)});
  else
    to->arrived(head.body, std::move(rows));
}

void data_exchange::impl::over(const data_link_ptr& link, const error& why) {
  std::vector<std::shared_ptr<data_receiver>> told;
  std::vector<credit_budget::grant> freed;
  {
    std::lock_guard lock(mutex);
    auto it = links.find(link->peer().life);
    if (it != links.end() && it->second.link == link) links.erase(it);
    if (auto u = users.find(link->number()); u != users.end()) {
      for (auto id : u->second)
        if (auto t = tasks.find(id); t != tasks.end()) told.push_back(t->second);
      users.erase(u);
    }
    freed = budget.forget_connection(link->number());
    if (stopped) return;
  }
  error e{why.code, "the connection for rows with node at " + to_string(link->peer()) +
                        " is over: " + why.message};
  log(e.message);
  for (const auto& t : told) t->cut_off(e);
  pay(freed);
}

void data_exchange::impl::busy(const data_link_ptr& link) {
  busy_links.push_back(link);
  if (busy_links.size() == 1) read_busy_links();
}

void data_exchange::impl::read_busy_links() {
  round_timer.expires_after(between_rounds);
  round_timer.async_wait([this](code e) {
    if (e) return;
    std::erase_if(busy_links, [](const data_link_ptr& l) { return !l->read_round(); });
    if (!busy_links.empty()) read_busy_links();
  });
}

data_link_ptr data_exchange::impl::link_of(uint64_t number) const {
  std::lock_guard lock(mutex);
  for (const auto& [life, e] : links)
    if (e.link->number() == number) return e.link;
  return nullptr;
}

void data_exchange::impl::pay(const std::vector<credit_budget::grant>& grants,
                              const data_link_ptr& likely) {
  for (const auto& g : grants) {
    auto link = likely && likely->number() == g.connection ? likely : link_of(g.connection);
    if (!link) continue;
    frame_head h;
    h.kind = frame_kind::credit;
    h.task = g.sender;
    h.body.channel = channel_id{g.of.channel};
    h.body.bytes = g.amount.bytes;
    h.body.value = g.amount.batches;
    link->send(h, {}, true);
  }
}

// -- for tasks ----------------------------------------------------------------------------------

const std::string& data_exchange::address() const noexcept {
  return impl_->address;
}

void data_exchange::add_task(uint64_t id, std::shared_ptr<data_receiver> r) {
  std::lock_guard lock(impl_->mutex);
  impl_->tasks[id] = std::move(r);
}

void data_exchange::remove_task(uint64_t id) {
  std::vector<credit_budget::grant> freed;
  std::shared_ptr<data_receiver> gone;
  {
    std::lock_guard lock(impl_->mutex);
    if (auto it = impl_->tasks.find(id); it != impl_->tasks.end()) {
      gone = std::move(it->second);
      impl_->tasks.erase(it);
    }
    for (auto& [link, of] : impl_->users) of.erase(id);
    freed = impl_->budget.forget_task(id);
  }
  impl_->pay(freed);
}

result<data_link_ptr> data_exchange::connect(const std::string& address, uint64_t task) {
  WEIR_ASSIGN(const auto other, parse_data_address(address));
  auto link = impl_->find_or_make(other);
  std::lock_guard lock(impl_->mutex);
  auto it = impl_->links.find(other.life);
  if (it == impl_->links.end() || it->second.link != link)
    return error{errc::io, "the connection for rows with node at " + address + " is over"};
  impl_->users[link->number()].insert(task);
  return link;
}

void data_exchange::send(const data_link_ptr& link, uint64_t to, channel_message m) {
  frame_head h;
  h.kind = frame_kind::message;
  h.task = to;
  wire_message rows;
  if (m.rows) {
    auto encoded =
        encode_batch(m.rows, impl_->own_pool,
                     {.checksum = impl_->options.checksum, .narrow = impl_->options.narrow});
    weir_assert(encoded.ok(), "batches of the engine are far below the format's limits");
    rows = std::move(*encoded);
    m.rows.reset();
  }
  h.body = std::move(m);
  link->send(h, std::move(rows));
}

void data_exchange::grant(const data_link_ptr& link, uint64_t to, uint64_t from, channel_id c,
                          credit amount) {
  std::vector<credit_budget::grant> now;
  {
    std::lock_guard lock(impl_->mutex);
    now = impl_->budget.consumed(link->number(), {from, c.value}, to, amount);
  }
  impl_->pay(now, link);
}

data_counters data_exchange::counters() const {
  const auto& c = impl_->counted;
  data_counters d;
  d.links = c.links;
  d.bytes_out = c.bytes_out;
  d.bytes_in = c.bytes_in;
  d.messages_out = c.messages_out;
  d.messages_in = c.messages_in;
  d.writes = c.writes;
  d.reads = c.reads;
  d.queued_bytes = c.queued_bytes;
  d.links_lost = c.links_lost;
  std::lock_guard lock(impl_->mutex);
  d.in_flight_bytes = impl_->budget.in_flight();
  d.channels_held_back = impl_->budget.held_back();
  return d;
}

}  // namespace weir
