#include "runtime/kafka/transactions/transaction.hpp"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::kafka;

namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    constexpr const char* digits = "0123456789abcdef";
    out += digits[static_cast<uint8_t>(c) >> 4];
    out += digits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

transaction_values example() {
  transaction_values v;
  v.producer_id = 7;
  v.epoch = 2;
  v.timeout_ms = 60'000;
  v.state = transaction_state::prepare_commit;
  v.partitions = {{"b", 1}, {"b", 5}, {"a", 0}};
  v.update_ms = 258;
  v.start_ms = 257;
  return v;
}

}  // namespace

TEST_CASE("keys and values have Kafka's layout") {
  CHECK(hex(encode_transaction_key("pay")) ==
        "0000"  // version
        "0003706179");
  CHECK(hex(encode_transaction_value(example(), 0)) ==
        "0000"              // version
        "0000000000000007"  // producer id
        "0002"              // epoch
        "0000ea60"          // timeout
        "02"                // PrepareCommit
        "00000002"          // topics
        "000161"
        "00000001"
        "00000000"
        "000162"
        "00000002"
        "00000001"
        "00000005"
        "0000000000000102"    // last update
        "0000000000000101");  // start
  CHECK(hex(encode_transaction_value(example(), 1)) ==
        "0001"
        "0000000000000007"
        "0002"
        "0000ea60"
        "02"
        "03"
        "0261"
        "02"
        "00000000"
        "00"
        "0262"
        "03"
        "00000001"
        "00000005"
        "00"
        "0000000000000102"
        "0000000000000101"
        "00");
}

TEST_CASE("values come back as they went") {
  for (int16_t version : {0, 1}) {
    transaction_values v = example();
    if (version == 1) {
      v.previous_producer_id = 5;
      v.next_producer_id = 9;
      v.client_version = 2;
    }
    auto back = decode_transaction_value(encode_transaction_value(v, version));
    REQUIRE(back.ok());
    CHECK(back->producer_id == 7);
    CHECK(back->previous_producer_id == v.previous_producer_id);
    CHECK(back->next_producer_id == v.next_producer_id);
    CHECK(back->epoch == 2);
    CHECK(back->last_epoch == -1);
    CHECK(back->state == transaction_state::prepare_commit);
    CHECK(back->partitions == v.partitions);
    CHECK(back->start_ms == 257);
    CHECK(back->update_ms == 258);
    CHECK(back->client_version == v.client_version);
  }
  CHECK(*decode_producer_ids_value(encode_producer_ids_value(3000)) == 3000);
  CHECK(decode_transaction_key(encode_producer_ids_key())->producer_ids);
  CHECK(*decode_transaction_key(encode_transaction_key("ä"))->transactional_id == "ä");
}

TEST_CASE("damaged records are refused, unknown kinds are not") {
  const std::string value = encode_transaction_value(example(), 1);
  for (size_t n = 0; n < value.size(); ++n)
    CHECK_FALSE(decode_transaction_value(value.substr(0, n)).ok());
  CHECK_FALSE(decode_transaction_value(value + "x").ok());
  std::string state = value;
  state[16] = 6;  // Dead
  CHECK_FALSE(decode_transaction_value(state).ok());
  std::string newer = value;
  newer[1] = 2;
  CHECK_FALSE(decode_transaction_value(newer).ok());
  CHECK_FALSE(decode_producer_ids_value("").ok());
  CHECK_FALSE(decode_transaction_key("\x01").ok());
  auto unknown = decode_transaction_key(std::string("\x00\x05xyz", 5));
  REQUIRE(unknown.ok());
  CHECK_FALSE(unknown->transactional_id.has_value());
  CHECK_FALSE(unknown->producer_ids);
}

TEST_CASE("ids lie where Java's hash code puts them") {
  // "".hashCode() = 0, "a" = 97, "pay" = 110760, "test-transactional-id" = 2101085290 (by hand)
  CHECK(partition_of_key("", 50) == 0);
  CHECK(partition_of_key("a", 50) == 47);
  CHECK(partition_of_key("pay", 50) == 110760 % 50);
  CHECK(partition_of_key("ä", 50) == 228 % 50);            // one UTF-16 unit
  CHECK(partition_of_key("😀", 1000) == 1772899 % 1000);    // d83d de00: 55357 * 31 + 56832
  CHECK(partition_of_key("polygenelubricants", 50) == 0);  // the hash code -2^31
}
