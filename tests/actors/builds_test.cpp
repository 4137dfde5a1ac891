// CAF's handshake between processes of different builds: nothing is said between actors that do not
// understand each other.
#include <doctest/doctest.h>

#include <caf/io/all.hpp>

#include "actors/node.hpp"

using namespace weir;

namespace {

std::unique_ptr<node_process> process_of(const wire_version& wire) {
  node_options o;
  o.network = true;
  o.scheduler_threads = 2;
  o.wire = wire;
  auto p = node_process::start(o);
  REQUIRE(p.ok());
  return std::move(*p);
}

}  // namespace

TEST_CASE("actors of builds that do not understand each other are not connected") {
  auto old = process_of({4, 0x11, {}, "old"});
  auto echo = old->system().spawn([]() -> caf::behavior { return {[](int32_t n) { return n; }}; });
  auto port = old->system().middleman().publish(echo, 0, "127.0.0.1");
  REQUIRE(port);
  auto ask = [&port](node_process& from) -> caf::expected<int32_t> {
    auto to = from.system().middleman().remote_actor("127.0.0.1", *port);
    if (!to) return to.error();
    caf::scoped_actor self(from.system());
    caf::expected<int32_t> answer{caf::sec::request_timeout};
    self->request(*to, std::chrono::seconds(10), int32_t{42})
        .receive([&answer](int32_t n) { answer = n; },
                 [&answer](caf::error& e) { answer = std::move(e); });
    return answer;
  };
  auto other = process_of({4, 0x22, {}, "other"});
  auto refused = ask(*other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == caf::sec::incompatible_application_ids);
  auto newer = process_of({4, 0x33, {0x11}, "newer"});
  CHECK(ask(*newer) == int32_t{42});
  auto of_another_format = process_of({5, 0x11, {}, "of another format"});
  CHECK_FALSE(ask(*of_another_format));
  auto same = process_of({4, 0x11, {}, "another day's"});
  CHECK(ask(*same) == int32_t{42});
  caf::anon_send_exit(echo, caf::exit_reason::kill);
}
