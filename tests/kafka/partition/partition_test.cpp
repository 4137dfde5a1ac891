#include "runtime/kafka/partition/partition.hpp"

#include <doctest/doctest.h>

#include "tests/kafka/partition/shelf.hpp"

using namespace weir;
using namespace weir::kafka;
using weir::kafka::test::batch_of;
using weir::kafka::test::by;
using weir::kafka::test::shelf;
using kind = produce_outcome::kind;
using strings = std::vector<std::string>;

TEST_CASE("records are visible once committed, not before") {
  shelf s;
  s.open();
  CHECK(s.p->high_watermark() == 0);
  auto first = s.send({"a", "b"});
  CHECK(first.what == kind::staged);
  CHECK(first.base_offset == 0);
  CHECK(first.end_offset == 2);
  CHECK(first.log_append_time_ms == -1);
  auto second = s.send({"c"});
  CHECK(second.base_offset == 2);
  CHECK(s.read().empty());
  CHECK(s.p->high_watermark() == 0);
  s.commit();
  CHECK(s.p->high_watermark() == 3);
  CHECK(s.p->last_stable_offset() == 3);
  CHECK(s.read() == strings{"0:a", "1:b", "2:c"});
  CHECK(s.read(isolation::read_committed, 1) == strings{"1:b", "2:c"});
}

TEST_CASE("a lost write gives its offsets back") {
  shelf s;
  s.open();
  s.send({"a"}, by(9, 0));
  s.commit();
  s.send({"b"}, by(9, 1));
  s.send({"c"}, by(9, 2));
  s.fail();
  CHECK(s.p->high_watermark() == 1);
  CHECK(s.send({"c"}, by(9, 2)).error == error_code::out_of_order_sequence_number);
  auto again = s.send({"b"}, by(9, 1));
  CHECK(again.what == kind::staged);
  CHECK(again.base_offset == 1);
  s.commit();
  CHECK(s.read() == strings{"0:a", "1:b"});
}

TEST_CASE("a repeated batch is answered with the offset of the first") {
  shelf s;
  s.open();
  s.send({"a", "b"}, by(9, 0));
  auto pending = s.send({"a", "b"}, by(9, 0));
  CHECK(pending.what == kind::pending_duplicate);
  CHECK(pending.base_offset == 0);
  CHECK(pending.end_offset == 2);
  s.commit();
  auto again = s.send({"a", "b"}, by(9, 0));
  CHECK(again.what == kind::duplicate);
  CHECK(again.base_offset == 0);
  s.send({"c"}, by(9, 2));
  s.commit();
  CHECK(s.read() == strings{"0:a", "1:b", "2:c"});
}

TEST_CASE("what clients must not send is refused with Kafka's codes") {
  shelf s;
  s.open();
  auto refused = [&](std::vector<std::byte> batch) { return s.send_batch(std::move(batch)).error; };
  auto batch = batch_of({"x"}, s.now_ms);

  auto damaged = batch;
  damaged.back() ^= std::byte{1};
  CHECK(refused(damaged) == error_code::corrupt_message);
  CHECK(refused(std::vector(batch.begin(), batch.end() - 1)) == error_code::corrupt_message);
  auto magic = batch;
  magic[16] = std::byte{1};
  CHECK(refused(magic) == error_code::unsupported_for_message_format);
  auto codec = batch;
  codec[22] = std::byte{5};
  set_batch_crc(codec);
  CHECK(refused(codec) == error_code::unsupported_compression_type);
  auto two = batch;
  two.insert(two.end(), batch.begin(), batch.end());
  CHECK(refused(two) == error_code::invalid_record);
  auto shifted = batch;
  set_base_offset(shifted, 4);
  CHECK(refused(shifted) == error_code::invalid_record);
  CHECK(refused(build_control_batch({control_type::commit, 0}, 9, 0, s.now_ms)) ==
        error_code::invalid_record);
  record_batch_options append_time;
  append_time.timestamps = timestamp_type::log_append_time;
  CHECK(refused(batch_of({"x"}, s.now_ms, append_time)) == error_code::invalid_timestamp);
  record_batch_options nobody;
  nobody.transactional = true;
  CHECK(refused(batch_of({"x"}, s.now_ms, nobody)) == error_code::invalid_record);
  CHECK(refused(batch_of({"x"}, s.now_ms, by(9, -1))) == error_code::invalid_record);
  CHECK(s.waiting.empty());
}

TEST_CASE("batches are bounded by the topic's limit and by a segment") {
  shelf s;
  s.config.message_bytes_max = 5000;
  s.log_options.segment_bytes = 2000;
  s.open();
  auto large = s.send({std::string(6000, 'x')});
  CHECK(large.error == error_code::message_too_large);
  CHECK(large.message.starts_with("orders-3: "));
  CHECK(s.send({std::string(3000, 'x')}).error == error_code::record_list_too_large);
  CHECK(s.send({std::string(1500, 'x')}).what == kind::staged);
}

TEST_CASE("timestamps have to be near the broker's") {
  shelf s;
  s.config.timestamp_before_max_ms = 1000;
  s.config.timestamp_after_max_ms = 500;
  s.open();
  CHECK(s.send_batch(batch_of({"x"}, s.now_ms + 500)).what == kind::staged);
  CHECK(s.send_batch(batch_of({"x"}, s.now_ms - 1000)).what == kind::staged);
  auto late = s.send_batch(batch_of({"x", "y"}, s.now_ms + 501));
  CHECK(late.error == error_code::invalid_timestamp);
  REQUIRE(late.record_errors.size() == 2);
  CHECK(late.record_errors[1].index == 1);
  CHECK(late.message ==
        "orders-3: timestamp 1700000000501 is more than 500 ms after the broker's time "
        "1700000000000");
  record_batch_builder mixed;
  mixed.add(s.now_ms, std::nullopt, std::nullopt);
  mixed.add(s.now_ms - 1001, std::nullopt, std::nullopt);
  auto early = s.send_batch(*mixed.build());
  CHECK(early.error == error_code::invalid_timestamp);
  REQUIRE(early.record_errors.size() == 1);
  CHECK(early.record_errors[0].index == 1);
}

TEST_CASE("with LogAppendTime the broker's time counts") {
  shelf s;
  s.config.timestamps = timestamp_type::log_append_time;
  s.open();
  auto out = s.send_batch(batch_of({"x"}, 5, by(9, 0)));
  CHECK(out.log_append_time_ms == s.now_ms);
  s.commit();
  auto bytes = shelf::bytes_of(s.fetch({}).read);
  auto batch = verify_batch(bytes, {batch_origin::log});
  REQUIRE(batch.ok());
  CHECK(batch->timestamps() == timestamp_type::log_append_time);
  CHECK(batch->max_timestamp() == s.now_ms);
  s.now_ms += 100;
  auto again = s.send_batch(batch_of({"x"}, 5, by(9, 0)));
  CHECK(again.what == kind::duplicate);
  CHECK(again.log_append_time_ms == s.now_ms - 100);
}

TEST_CASE("a compacted topic wants a key in every record") {
  shelf s;
  s.log_options.cleanup_compact = true;
  s.open();
  for (auto codec : {compression_type::none, compression_type::zstd}) {
    record_batch_options o;
    o.compression = codec;
    auto out = s.send_batch(batch_of({"k=v", "v", "w"}, s.now_ms, o));
    CHECK(out.error == error_code::invalid_record);
    REQUIRE(out.record_errors.size() == 2);
    CHECK(out.record_errors[0].index == 1);
    CHECK(out.message == "orders-3: a compacted topic needs a key in every record");
    CHECK(s.send_batch(batch_of({"k=v"}, s.now_ms, o)).what == kind::staged);
  }
}

TEST_CASE("records that are damaged under a right checksum are refused") {
  shelf s;
  s.open();
  auto batch = batch_of({"abc", "def"}, s.now_ms);
  batch[record_batch_header_bytes] = std::byte{0x7e};  // the first record's length
  set_batch_crc(batch);
  CHECK(s.send_batch(batch).error == error_code::invalid_record);
}

TEST_CASE("transactions: stable up to the first open one, aborted ones are listed") {
  shelf s;
  s.open();
  s.send({"plain"});
  s.send({"a1"}, by(1, 0, 0, true));
  s.send({"b1"}, by(2, 0, 0, true));
  s.send({"more"});
  s.commit();
  CHECK(s.p->high_watermark() == 4);
  CHECK(s.p->last_stable_offset() == 1);
  CHECK(s.read(isolation::read_committed) == strings{"0:plain"});
  CHECK(s.read().size() == 4);

  auto marker = s.mark(1, 0, false);
  CHECK(marker.what == kind::staged);
  CHECK(marker.base_offset == 4);
  CHECK(s.p->last_stable_offset() == 1);
  s.commit();
  CHECK(s.p->last_stable_offset() == 2);
  s.send({"a2"}, by(1, 1, 0, true));
  s.commit();
  s.mark(2, 0, true);
  s.mark(1, 0, true);
  s.commit();
  CHECK(s.p->last_stable_offset() == 8);
  const strings committed{"0:plain", "2:b1", "3:more", "5:a2"};
  CHECK(s.read(isolation::read_committed) == committed);
  CHECK(s.read(isolation::read_committed, -1, 1) == committed);  // a batch at a time
  CHECK(s.read(isolation::read_committed, -1, 1 << 20) == committed);

  fetch_query query;
  query.level = isolation::read_committed;
  const auto whole = s.fetch(query);
  CHECK(whole.aborted == std::vector<aborted_transaction>{{1, 1, 4, 2}});
  query.offset = 5;
  CHECK(s.fetch(query).aborted.empty());
  query.offset = 0;
  query.level = isolation::read_uncommitted;
  CHECK(s.fetch(query).aborted.empty());
}

TEST_CASE("markers of zombies are refused") {
  shelf s;
  s.open();
  s.send({"a"}, by(1, 0, 3, true));
  CHECK(s.mark(1, 2, true).error == error_code::invalid_producer_epoch);
  CHECK(s.mark(1, 4, false, 6).what == kind::staged);
  CHECK(s.mark(1, 4, false, 5).error == error_code::transaction_coordinator_fenced);
  CHECK(s.send({"b"}, by(1, 1, 3, true)).error == error_code::invalid_producer_epoch);
}

TEST_CASE("the first batch of a transaction waits for the coordinator's word") {
  shelf s;
  s.config.verify_transactions = true;
  s.open();
  auto first = s.send({"a"}, by(1, 0, 0, true));
  REQUIRE(first.what == kind::needs_verification);
  CHECK(first.producer_id == 1);
  CHECK(first.producer_epoch == 0);
  auto second = s.send({"b"}, by(1, 1, 0, true));
  REQUIRE(second.what == kind::needs_verification);
  CHECK(second.verification == first.verification);
  // Verified out of order: only the one with the lowest sequence may begin.
  CHECK(s.send_batch(batch_of({"b"}, s.now_ms, by(1, 1, 0, true)), second.verification).error ==
        error_code::out_of_order_sequence_number);
  CHECK(s.send_batch(batch_of({"a"}, s.now_ms, by(1, 0, 0, true)), first.verification).what ==
        kind::staged);
  CHECK(s.send({"b"}, by(1, 1, 0, true)).what == kind::staged);  // it is open now
  s.mark(1, 0, true);
  auto next = s.send({"c"}, by(1, 2, 0, true));
  REQUIRE(next.what == kind::needs_verification);
  s.mark(1, 0, false);  // ended by its coordinator before the answer came: that is asked again
  const auto again = s.send_batch(batch_of({"c"}, s.now_ms, by(1, 2, 0, true)), next.verification);
  REQUIRE(again.what == kind::needs_verification);
  CHECK(again.verification != next.verification);
  CHECK(s.send({"d"}, by(1, 2)).what == kind::staged);  // without a transaction nothing to verify
}

TEST_CASE("offsets are found by time and by name") {
  shelf s;
  s.leader_epoch = 2;
  s.open();
  for (int i = 0; i < 3; ++i) {
    s.send_batch(batch_of({"x", "y"}, s.now_ms + i * 10));
    s.commit();
  }
  s.send({"t"}, by(1, 0, 0, true));
  s.commit();
  auto find = [&](int64_t t, isolation level = isolation::read_uncommitted) {
    auto a = s.p->list_offset(t, level);
    if (a.job) a = s.p->complete_offset(a.job());
    return a;
  };
  CHECK(find(offset_latest).offset == 7);
  CHECK(find(offset_latest).leader_epoch == 2);
  CHECK(find(offset_latest, isolation::read_committed).offset == 6);
  CHECK(find(offset_earliest).offset == 0);
  CHECK(find(offset_earliest_local).offset == 0);
  CHECK(find(offset_latest_tiered).offset == -1);
  CHECK(find(offset_max_timestamp).offset == 4);
  CHECK(find(offset_max_timestamp).timestamp_ms == s.now_ms + 20);
  CHECK(find(s.now_ms + 5).offset == 2);
  CHECK(find(s.now_ms + 5).timestamp_ms == s.now_ms + 10);
  CHECK(find(s.now_ms + 21).offset == -1);
  CHECK(find(-9).error == error_code::unsupported_version);
  CHECK(s.p->list_offset(offset_latest, isolation::read_uncommitted, 1).error ==
        error_code::fenced_leader_epoch);
  CHECK(s.p->list_offset(offset_latest, isolation::read_uncommitted, 3).error ==
        error_code::unknown_leader_epoch);
}

TEST_CASE("leader epochs tell where a log departs") {
  shelf s;
  s.leader_epoch = 1;
  s.open();
  s.send({"a", "b"});
  s.commit();
  s.p->set_leader_epoch(4);
  s.send({"c"});
  s.commit();
  CHECK(s.p->offset_for_leader_epoch(-1, 1) == std::pair(error_code::none, epoch_end{1, 2}));
  CHECK(s.p->offset_for_leader_epoch(4, 4) == std::pair(error_code::none, epoch_end{4, 3}));
  CHECK(s.p->offset_for_leader_epoch(4, 3).second == epoch_end{1, 2});
  CHECK(s.p->offset_for_leader_epoch(1, 1).first == error_code::fenced_leader_epoch);
  fetch_query query;
  query.offset = 3;
  query.last_fetched_epoch = 1;
  CHECK(s.fetch(query).diverging == epoch_end{1, 2});
  query.last_fetched_epoch = 4;
  CHECK_FALSE(s.fetch(query).diverging.has_value());
  query.current_leader_epoch = 1;
  CHECK(s.fetch(query).error == error_code::fenced_leader_epoch);
}

TEST_CASE("offsets outside the log are out of range") {
  shelf s;
  s.open();
  s.send({"a"});
  s.commit();
  fetch_query query;
  query.offset = 1;
  CHECK(s.fetch(query).error == error_code::none);
  query.offset = 2;
  CHECK(s.fetch(query).error == error_code::offset_out_of_range);
  query.offset = -1;
  CHECK(s.fetch(query).error == error_code::offset_out_of_range);
  CHECK(s.fetch(query).log_start_offset == 0);
}

TEST_CASE("deleted records are gone, with the aborted transactions among them") {
  shelf s;
  s.open();
  s.send({"a"}, by(1, 0, 0, true));
  s.mark(1, 0, false);
  s.send({"b"});
  s.commit();
  CHECK(s.p->delete_records(5).error == error_code::offset_out_of_range);
  auto done = s.p->delete_records(2);
  CHECK(done.error == error_code::none);
  CHECK(done.low_watermark == 2);
  CHECK(s.read() == strings{"2:b"});
  CHECK(s.p->delete_records(1).low_watermark == 2);
  CHECK(s.p->delete_records(-1).low_watermark == 3);
  fetch_query query;
  CHECK(s.fetch(query).error == error_code::offset_out_of_range);
  CHECK(s.p->describe_producers().size() == 1);
}

TEST_CASE("the log's own batches: internal records, offsets of a transaction") {
  shelf s;
  s.open();
  auto put = [&](record_batch_options o) {
    auto bytes = std::make_shared<std::vector<std::byte>>(batch_of({"k=v"}, s.now_ms, o));
    return s.keep(s.p->append(*bytes, bytes, s.now_ms));
  };
  CHECK(put({}).what == kind::staged);
  CHECK(put(by(5, -1, 1, true)).what == kind::staged);
  CHECK(put(by(5, -1, 0, true)).error == error_code::invalid_producer_epoch);
  s.commit();
  CHECK(s.p->last_stable_offset() == 1);
  s.mark(5, 1, true);
  s.commit();
  CHECK(s.p->last_stable_offset() == 3);
}

TEST_CASE("compaction is told what was aborted and what producers still need") {
  shelf s;
  s.open();
  s.send({"k=gone"}, by(1, 0, 0, true));                                     // 0
  s.send({"k=other"}, by(2, 0, 0, true));                                    // 1
  s.mark(1, 0, false);                                                       // 2
  s.send({"k=kept"}, by(1, 1, 0, true));                                     // 3
  s.mark(1, 0, true);                                                        // 4
  s.mark(2, 0, true);                                                        // 5
  for (int i = 0; i < 7; ++i) s.send({"k=" + std::to_string(i)}, by(3, i));  // 6 to 12
  s.send({"k=open"}, by(4, 0, 0, true));                                     // 13
  s.commit();
  const auto options = s.p->make_compaction_options();
  CHECK(options.limit == 13);
  std::string aborted, needed;
  const auto bytes = shelf::bytes_of(s.fetch({}).read);
  for (std::span<const std::byte> rest(bytes); !rest.empty();) {
    const auto batch = verify_batch(rest, {batch_origin::log, segment_bytes_max});
    REQUIRE(batch.ok());
    if (options.is_aborted(*batch)) aborted += std::to_string(batch->base_offset()) + " ";
    if (options.is_last_of_producer(*batch)) needed += std::to_string(batch->base_offset()) + " ";
    rest = rest.subspan(batch->size_bytes());
  }
  CHECK(aborted == "0 ");
  // The last five batches of each: a retry is recognised also after a rebuild from the log.
  CHECK(needed == "0 1 3 8 9 10 11 12 13 ");
}

TEST_CASE("retention forgets silent producers") {
  shelf s;
  s.config.producer_expiration_ms = 5000;
  s.open();
  s.send({"a"}, by(1, 0));
  s.send({"b"}, by(2, 0, 0, true));
  s.commit();
  CHECK(s.p->has_late_transaction(s.now_ms + 4000, 3000));
  s.p->apply_retention(s.now_ms + 5000);
  const auto left = s.p->describe_producers();
  REQUIRE(left.size() == 1);
  CHECK(left[0].producer_id == 2);
  CHECK(left[0].last_sequence == 0);
  CHECK(left[0].last_timestamp_ms == s.now_ms);
}
