// What nodes say to each other, as text: a change of any of it is another hash.
#include <doctest/doctest.h>

#include "cluster/meta/service/service.hpp"
#include "cluster/node/wire.hpp"

using namespace weir;

namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("wire: messages of actors with their ids, names, fields and interfaces") {
  const auto text = wire_description();
  CHECK(has_line(text, "200 weir::trigger_message u64,u64,u64"));
  CHECK(has_line(text, "201 weir::epoch_outcome u64,bool,u64"));
  CHECK(has_line(text, "204 weir::task_event u32,u32,u8,u64,i64,u8,string"));
  // Lists, other messages, actors by their names, chunks.
  CHECK(has_line(text, "211 weir::deploy_reply string,u8,[weir::task_actor]"));
  CHECK(has_line(text, "220 weir::seed_message string,u64,[weir::store_actor],bool,chunks"));
  CHECK(text.find("weir::latest_reply string,u8,bool,u64,bool,u64,[i8],{string:string}") !=
        text.npos);
  // What an actor takes and answers; what never leaves its process has no form.
  CHECK(text.find(" weir::node_actor ; weir::deploy_message->weir::deploy_reply; ") != text.npos);
  CHECK(text.find("; 'load',string->u32,u64,u32") != text.npos);
  CHECK(text.find(" weir::task_actor ; local->; local->") != text.npos);
}

TEST_CASE("wire: schemas, requests and numbered formats") {
  const auto text = wire_description();
  CHECK(has_line(text, "nodes " + std::to_string(meta::peers_format)));
  CHECK(has_line(text, "batches 2"));
  CHECK(has_line(text, "request 20002 0-0"));
  // The first fields of a batch in batch.capnp: format (uint16, first in its word), rows and
  // physicalRows (uint32), the schema's fingerprint (uint64).
  CHECK_MESSAGE(text.find(" union 0@0; 65535 0:7; 65535 1:8; 65535 2:8; 65535 2:9; ") != text.npos,
                text.substr(0, 4'000));
}

TEST_CASE("wire: every start makes the same hash") {
  const auto a = this_wire_version("one"), b = this_wire_version("two");
  CHECK(a.hash != 0);
  CHECK(a.hash == b.hash);
  CHECK(a.format == meta::peers_format);
  CHECK(understand_each_other(a, b));
}
