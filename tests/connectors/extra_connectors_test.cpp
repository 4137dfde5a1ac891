#include <doctest/doctest.h>

#include "runtime/connectors/extra_connectors.hpp"

using namespace weir;

TEST_CASE("a program's own connector is found by tasks, not by planners, until it is removed") {
  int made = 0;
  add_extra_connector(
      "own", {nullptr, nullptr, [&made](const sink_spec&) {
                ++made;
                return result<std::unique_ptr<stream_operator>>(error{errc::unsupported, "made"});
              }});
  sink_spec s;
  s.connector = "own";
  auto sink = make_sink(s);
  REQUIRE_FALSE(sink);
  CHECK(sink.err().message == "made");
  CHECK(made == 1);
  CHECK_FALSE(traits_of("own"));
  remove_extra_connector("own");
  sink = make_sink(s);
  REQUIRE_FALSE(sink);
  CHECK(sink.err().message.find("there is no connector \"own\"") != std::string::npos);
}
