// Fuzz target of the Kafka codec. The first two bytes pick the message, the third its version, the
// rest is the message; index 0 is a request's header. What is accepted is encoded, decoded again
// and has to be equal.
#include <cstdio>
#include <cstdlib>

#include "tests/kafka/protocol/all_messages.hpp"

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "kafka_protocol_fuzz: %s\n", what);
  std::abort();
}

void header(weir::kafka::bytes_view bytes) {
  using namespace weir::kafka;
  reader r(bytes);
  request_header h, back;
  if (!decode(r, h)) return;
  writer w;
  encode(w, h);
  reader again(w.view());
  require(decode(again, back).ok() && back == h, "another header came back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::kafka;
  if (size < 3) return 0;
  const bytes_view bytes(reinterpret_cast<const std::byte*>(data) + 3, size - 3);
  const auto all = test::all_messages();
  const size_t index = (data[0] | data[1] << 8) % (all.size() + 1);
  if (index == 0) return header(bytes), 0;
  const auto& c = all[index - 1];
  const int versions = c.info.max_version - c.info.min_version + 1;
  const auto version = static_cast<int16_t>(c.info.min_version + data[2] % versions);
  writer w;
  if (!c.again(bytes, version, w)) return 0;
  const auto same = c.same(bytes, w.view(), version);
  require(same.ok() && *same, c.info.name);
  return 0;
}
