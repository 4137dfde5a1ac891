// Two exchanges in this process, over real sockets: rows and barriers in order, credit, loss of the
// connection in the middle of bulk data, other builds, silence.
#include "actors/data/exchange.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "actors/data/frame.hpp"
#include "runtime/column/builder.hpp"
#include "runtime/column/codec.hpp"
#include "schema/batch.capnp.h"

using namespace weir;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr auto deadline = 20s;

schema_ptr wide_schema() {
  auto s = std::make_shared<schema>();
  for (int i = 0; i < 30; ++i)
    s->fields.push_back({"n" + std::to_string(i), type_id::int64, false});
  s->fields.push_back({"text", type_id::string, true});
  return s;
}

batch_ptr some_rows(const schema_ptr& type, memory_pool& pool, int64_t first, uint32_t n) {
  batch_builder b(type, pool);
  for (uint32_t i = 0; i < n; ++i) {
    std::vector<scalar> row;
    for (size_t c = 0; c + 1 < type->size(); ++c)
      row.push_back(scalar::of_int(type_id::int64, first + static_cast<int64_t>(i * (c + 1))));
    row.push_back(i % 7 == 0 ? scalar::of_null(type_id::string)
                             : scalar::of_string("row " + std::to_string(first + i)));
    b.append_row(row);
  }
  return b.finish();
}

struct receiver final : data_receiver {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<channel_message, buffer_ref>> got;
  std::deque<std::pair<channel_id, credit>> credits;
  std::vector<error> cuts;
  std::atomic<bool> deaf{false};  // what arrives is dropped

  void arrived(channel_message m, buffer_ref rows) override {
    if (deaf) return;
    std::lock_guard lock(mutex);
    got.emplace_back(std::move(m), std::move(rows));
    changed.notify_all();
  }
  void granted(channel_id id, credit c) override {
    std::lock_guard lock(mutex);
    credits.emplace_back(id, c);
    changed.notify_all();
  }
  void cut_off(error e) override {
    std::lock_guard lock(mutex);
    cuts.push_back(std::move(e));
    changed.notify_all();
  }
  template <class F>
  bool wait(F f) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, deadline, f);
  }
  size_t count() {
    std::lock_guard lock(mutex);
    return got.size();
  }
};

struct process {
  memory_pool pool;
  std::mutex mutex;
  std::string said;
  std::unique_ptr<data_exchange> exchange;

  explicit process(data_options o = {}) {
    o.memory = &pool;
    o.build = "weir test";
    o.log = [this](const std::string& line) {
      std::lock_guard lock(mutex);
      said += line + "\n";
    };
    auto opened = data_exchange::open(std::move(o));
    REQUIRE(opened.ok());
    exchange = std::move(*opened);
  }
  std::string log() {
    std::lock_guard lock(mutex);
    return said;
  }
};

channel_message data(batch_ptr rows, uint64_t sequence, uint32_t channel = 5) {
  channel_message m;
  m.channel = channel_id{channel};
  m.sequence = sequence;
  m.bytes = rows->memory_bytes();
  m.rows = std::move(rows);
  return m;
}

channel_message barrier(int64_t epoch_number, uint64_t sequence) {
  channel_message m;
  m.channel = channel_id{5};
  m.sequence = sequence;
  m.kind = message_kind::barrier;
  m.value = epoch_number;
  m.completed = epoch{1};
  return m;
}

/// Task 1 in `a`, task 2 in `b`, and their link from each side.
struct pair_of_tasks {
  std::shared_ptr<receiver> one = std::make_shared<receiver>();
  std::shared_ptr<receiver> two = std::make_shared<receiver>();
  data_link_ptr a_to_b, b_to_a;

  pair_of_tasks(process& a, process& b) {
    a.exchange->add_task(1, one);
    b.exchange->add_task(2, two);
    auto there = a.exchange->connect(b.exchange->address(), 1);
    auto back = b.exchange->connect(a.exchange->address(), 2);
    REQUIRE(there.ok());
    REQUIRE(back.ok());
    a_to_b = *there;
    b_to_a = *back;
  }
};

/// Somebody who speaks the protocol by hand.
struct stranger {
  asio::io_context context;
  asio::ip::tcp::socket socket{context};

  void connect(const data_address& to) {
    socket.connect({asio::ip::make_address(to.host), to.port});
  }
  void say(const std::string& text) { asio::write(socket, asio::buffer(text)); }
  greeting hear() {
    std::string head(greeting_head_bytes, 0);
    asio::read(socket, asio::buffer(head));
    std::string rest(*greeting_rest(std::as_bytes(std::span(head))), 0);
    asio::read(socket, asio::buffer(rest));
    return *decode_greeting(std::as_bytes(std::span(head)), std::as_bytes(std::span(rest)));
  }
  bool closed() {
    char c;
    boost::system::error_code e;
    while (socket.read_some(asio::buffer(&c, 1), e) != 0 && !e) {
    }
    return bool(e);
  }
};

}  // namespace

TEST_CASE("rows and barriers arrive in order and whole, whatever is in front of whom") {
  process a, b;
  pair_of_tasks t(a, b);
  auto type = wide_schema();
  memory_pool pool;
  constexpr int n = 60;
  std::vector<batch_ptr> sent;
  uint64_t sequence = 0;
  // Small and large ones in turn: heads, parts of rows and whole batches meet in one read.
  for (int i = 0; i < n; ++i) {
    sent.push_back(some_rows(type, pool, i * 100'000, i % 3 == 0 ? 3 : 2'000));
    a.exchange->send(t.a_to_b, 2, data(sent.back(), sequence++));
    a.exchange->send(t.a_to_b, 2, barrier(i + 2, sequence++));
  }
  REQUIRE(t.two->wait([&] { return t.two->got.size() == 2 * n; }));
  for (int i = 0; i < n; ++i) {
    auto& [m, bytes] = t.two->got[static_cast<size_t>(2 * i)];
    CHECK(m.sequence == static_cast<uint64_t>(2 * i));
    CHECK(m.bytes == sent[static_cast<size_t>(i)]->memory_bytes());
    auto rows = decode_batch(std::move(bytes), type, b.pool);
    REQUIRE(rows.ok());
    CHECK((format_rows(**rows) == format_rows(*sent[static_cast<size_t>(i)])));
    const auto& then = t.two->got[static_cast<size_t>(2 * i + 1)].first;
    CHECK(then.kind == message_kind::barrier);
    CHECK(then.value == i + 2);
    CHECK(then.completed == epoch{1});
  }
  auto c = a.exchange->counters();
  CHECK(c.links == 1);
  CHECK(c.messages_out >= 2 * n);
  CHECK(c.bytes_out == b.exchange->counters().bytes_in);
  CHECK(c.queued_bytes == 0);
  // One connection for both directions.
  b.exchange->send(t.b_to_a, 1, barrier(7, 0));
  REQUIRE(t.one->wait([&] { return t.one->got.size() == 1; }));
  CHECK(b.exchange->counters().links == 1);
  t.two->got.clear();
  CHECK(t.one->cuts.empty());
}

TEST_CASE("credit goes back on the link, and is held back over the node's limit") {
  data_options small;
  small.limits.node_bytes = 1;
  process a, b(std::move(small));
  pair_of_tasks t(a, b);
  memory_pool pool;
  auto type = wide_schema();
  auto rows = some_rows(type, pool, 0, 100);
  const auto bytes = rows->memory_bytes();
  for (uint64_t i = 0; i < 3; ++i) a.exchange->send(t.a_to_b, 2, data(rows, i));
  REQUIRE(t.two->wait([&] { return t.two->got.size() == 3; }));
  CHECK(b.exchange->counters().in_flight_bytes == 3 * bytes);
  b.exchange->grant(t.b_to_a, 1, 2, channel_id{5}, {bytes, 1});
  b.exchange->grant(t.b_to_a, 1, 2, channel_id{5}, {bytes, 1});
  CHECK(b.exchange->counters().channels_held_back == 1);
  b.exchange->grant(t.b_to_a, 1, 2, channel_id{5}, {bytes, 1});
  REQUIRE(t.one->wait([&] { return t.one->credits.size() == 1; }));
  CHECK(t.one->credits[0].first == channel_id{5});
  CHECK(t.one->credits[0].second.bytes == 3 * bytes);
  CHECK(t.one->credits[0].second.batches == 3);
  CHECK(b.exchange->counters().in_flight_bytes == 0);
}

TEST_CASE("a busy link is read in rounds, and nobody polls it when it is quiet again") {
  process a, b;
  pair_of_tasks t(a, b);
  memory_pool pool;
  auto type = wide_schema();
  auto rows = some_rows(type, pool, 0, 4'000);
  uint64_t sequence = 0;
  for (size_t phase = 1; phase <= 3; ++phase) {
    CAPTURE(phase);
    for (int i = 0; i < 50; ++i) {
      a.exchange->send(t.a_to_b, 2, data(rows, sequence++));
      a.exchange->send(t.a_to_b, 2, barrier(i + 2, sequence++));
    }
    REQUIRE(t.two->wait([&] { return t.two->got.size() == sequence; }));
    // What is small and alone arrives while the link is read in rounds, too.
    for (int i = 0; i < 5; ++i) {
      a.exchange->send(t.a_to_b, 2, barrier(100 + i, sequence++));
      REQUIRE(t.two->wait([&] { return t.two->got.size() == sequence; }));
    }
    // Until no round is left: a ping now and then is all that is read.
    const auto end = std::chrono::steady_clock::now() + deadline;
    uint64_t before = 0, now = b.exchange->counters().reads;
    do {
      REQUIRE(std::chrono::steady_clock::now() < end);
      before = now;
      std::this_thread::sleep_for(50ms);  // 25 rounds
      now = b.exchange->counters().reads;
    } while (now - before > 4);
    a.exchange->send(t.a_to_b, 2, barrier(200, sequence++));
    REQUIRE(t.two->wait([&] { return t.two->got.size() == sequence; }));
  }
  std::lock_guard lock(t.two->mutex);
  for (uint64_t i = 0; i < sequence; ++i) CHECK(t.two->got[i].first.sequence == i);
  CHECK(t.two->cuts.empty());
}

TEST_CASE("what several tasks send at once over one link keeps its order, each") {
  process a, b;
  pair_of_tasks t(a, b);
  memory_pool pool;
  auto type = wide_schema();
  auto rows = some_rows(type, pool, 0, 500);
  constexpr uint64_t each = 200;
  std::vector<std::thread> senders;
  for (uint32_t channel = 0; channel < 4; ++channel)
    senders.emplace_back([&, channel] {
      for (uint64_t i = 0; i < each; ++i) a.exchange->send(t.a_to_b, 2, data(rows, i, channel));
    });
  for (auto& s : senders) s.join();
  REQUIRE(t.two->wait([&] { return t.two->got.size() == 4 * each; }));
  std::vector<uint64_t> next(4, 0);
  for (const auto& [m, bytes] : t.two->got) CHECK(m.sequence == next[m.channel.value]++);
}

TEST_CASE("a process that goes in the middle of bulk data is told once, and nothing comes after") {
  process a;
  auto b = std::make_unique<process>();
  pair_of_tasks t(a, *b);
  memory_pool pool;
  auto type = wide_schema();
  auto rows = some_rows(type, pool, 0, 2'000);
  a.exchange->send(t.a_to_b, 2, data(rows, 0));
  REQUIRE(t.two->wait([&] { return !t.two->got.empty(); }));
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    for (uint64_t i = 1; !stop; ++i) {
      if (a.exchange->counters().queued_bytes < 64 << 20)
        a.exchange->send(t.a_to_b, 2, data(rows, i));
    }
  });
  std::this_thread::sleep_for(50ms);
  t.b_to_a.reset();
  t.two->deaf = true;
  {
    std::lock_guard lock(t.two->mutex);
    t.two->got.clear();
  }
  b.reset();
  REQUIRE(t.one->wait([&] { return !t.one->cuts.empty(); }));
  stop = true;
  sender.join();
  CHECK(t.one->cuts.size() == 1);
  CHECK(t.one->cuts[0].code == errc::io);
  CHECK(a.exchange->counters().links == 0);
  CHECK(a.exchange->counters().queued_bytes == 0);
  // A link that is over stays over, also for those who send again.
  a.exchange->send(t.a_to_b, 2, barrier(9, 0));
  CHECK(a.exchange->counters().queued_bytes == 0);
}

TEST_CASE("nobody there, or another life: cut off when the time is over") {
  data_options quick;
  quick.connect_limit = 300ms;
  quick.silence_limit = 600ms;
  process a(quick);
  auto b = std::make_unique<process>();
  auto where = *parse_data_address(b->exchange->address());
  // Its address, a life that it does not have.
  ++where.life;
  auto one = std::make_shared<receiver>();
  a.exchange->add_task(1, one);
  // Whoever has the larger address dials, so both cases come up over some runs.
  REQUIRE(a.exchange->connect(to_string(where), 1).ok());
  REQUIRE(one->wait([&] { return one->cuts.size() == 1; }));
  b.reset();
  where.life += 10;
  REQUIRE(a.exchange->connect(to_string(where), 1).ok());
  REQUIRE(one->wait([&] { return one->cuts.size() == 2; }));
  CHECK(one->cuts[1].code == errc::io);
  CHECK(one->cuts[1].message.find(to_string(where)) != std::string::npos);
}

TEST_CASE("another build is told what to do, and is not talked to") {
  process a;
  const auto here = *parse_data_address(a.exchange->address());
  stranger s;
  s.connect(here);
  greeting g;
  g.protocol = data_protocol + 1;
  s.say(encode_greeting(g));
  auto answer = s.hear();
  CHECK(answer.build == "weir test");
  CHECK(answer.refusal.find("run the same version on all nodes") != std::string::npos);
  CHECK(s.closed());

  // The same protocol, batches of another format, newer or older: the task that waits for it is
  // told as well.
  uint16_t format = 0;
  SUBCASE("newer") {
    format = wire::BATCH_FORMAT_VERSION + 1;
  }
  SUBCASE("older") {
    format = wire::BATCH_FORMAT_VERSION - 1;
  }
  data_address other{"127.0.0.1", 1, ~uint64_t{0}};
  // An address that is larger than any of this host's dials.
  other.host = "zzz";
  auto one = std::make_shared<receiver>();
  a.exchange->add_task(1, one);
  REQUIRE(a.exchange->connect(to_string(other), 1).ok());
  stranger again;
  again.connect(here);
  greeting h;
  h.batch_format = format;
  h.life = other.life;
  h.wanted = here.life;
  h.address = to_string(other);
  h.build = "weir 99";
  again.say(encode_greeting(h));
  CHECK(again.hear().refusal.find("weir 99") != std::string::npos);
  REQUIRE(one->wait([&] { return one->cuts.size() == 1; }));
  CHECK(one->cuts[0].code == errc::version_mismatch);
  CHECK(a.log().find("run the same version on all nodes") != std::string::npos);
}

TEST_CASE("a link whose other side is silent, or says what is none of it, is over") {
  data_options quick;
  quick.silence_limit = 600ms;
  process a(quick);
  const auto here = *parse_data_address(a.exchange->address());
  auto one = std::make_shared<receiver>();
  a.exchange->add_task(1, one);
  data_address other{"zzz", 1, 4711};
  auto greet = [&](stranger& s) {
    s.connect(here);
    greeting g;
    g.batch_format = wire::BATCH_FORMAT_VERSION;
    g.life = other.life;
    g.wanted = here.life;
    g.address = to_string(other);
    s.say(encode_greeting(g));
    CHECK(s.hear().refusal.empty());
  };
  REQUIRE(a.exchange->connect(to_string(other), 1).ok());
  stranger silent;
  greet(silent);
  REQUIRE(one->wait([&] { return one->cuts.size() == 1; }));
  CHECK(one->cuts[0].message.find("nothing was heard of it") != std::string::npos);

  REQUIRE(a.exchange->connect(to_string(other), 1).ok());
  stranger wrong;
  greet(wrong);
  wrong.say(std::string(frame_head_bytes, 'x'));
  REQUIRE(one->wait([&] { return one->cuts.size() == 2; }));
  CHECK(one->cuts[1].code == errc::corrupt);
}
