#include "tests/fuzz/decoders_samples.hpp"
#include "actors/data/frame.hpp"

#include <caf/binary_serializer.hpp>

#include "actors/interfaces.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/file_split.hpp"
#include "runtime/connectors/kafka/kafka_split.hpp"
#include "runtime/connectors/kafka/records.hpp"
#include "runtime/connectors/part_files.hpp"
#include "runtime/flow/split_list.hpp"
#include "runtime/flow/split_pool.hpp"
#include "runtime/snapshot/manifest.hpp"
#include "runtime/snapshot/packed.hpp"
#include "tests/plan/sample_plan.hpp"

namespace weir::fuzz {
namespace {

memory_pool& pool() {
  static memory_pool p;
  return p;
}

std::string text_of(const buffer_ref& b) {
  return {b.as<char>(), b.size()};
}
template <class Bytes>
std::string bytes_of(const Bytes& b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

std::vector<source_split> some_splits() {
  return {
      {"a", "f", "payload", 100, 1}, {"b", "f", std::string(40, '\0'), 7, 2}, {"", "", "", 0, 0}};
}

std::string records(record_layout layout) {
  std::string out;
  record_writer w(pool(), layout, [&out](buffer_ref b) { out = text_of(b); });
  auto bytes = [](std::string_view s) { return std::as_bytes(std::span(s)); };
  w.upsert(bytes("key1"), bytes("value001"));
  w.upsert(bytes("key2"), bytes("value002"));
  w.erase(bytes("key3"));
  w.finish();
  return out;
}

std::string packed_records() {
  packed_layout layout;
  layout.key.push_back(packed_kind::text);
  layout.value = {packed_kind::word, packed_kind::word};
  packed_writer w(layout);
  w.set_memory(pool());
  for (uint64_t i = 0; i < 20; ++i) {
    uint64_t* row = w.upsert(i % 2 == 0);
    row[0] = 0;
    row[1] = w.text("key");
    row[2] = i << 20;
    row[3] = uint64_t(-1) - i;
  }
  uint64_t* gone = w.erase();
  gone[0] = 1;
  gone[1] = w.text("gone");
  return text_of(w.take());
}

std::vector<state_chunk> chunks() {
  std::vector<state_chunk> out;
  for (auto kind : {chunk_kind::delta, chunk_kind::full, chunk_kind::blob}) {
    std::string bytes = records(record_layout::fixed(4, 8));
    state_chunk c{"op", "s",  kind == chunk_kind::blob ? no_key_group : 7,
                  1,    kind, buffer::copy(pool(), std::as_bytes(std::span(bytes)))};
    c.written = epoch{12};
    out.push_back(std::move(c));
  }
  return out;
}

std::string manifest() {
  snapshot_manifest m;
  m.key = {"job", "n1"};
  m.number = epoch{9};
  m.job_name = "job";
  m.plan = "plan";
  m.operators = {{"op", "op", 2, 77, {{"s", 1, 100, 3}}}, {"sink", "sink", 1, 0, {}}};
  m.metadata = {{"splits:op", "bytes"}};
  m.parts = {"n1", "n2"};
  std::string sealed = encode_manifest(m, "m/1/2");
  return sealed.substr(0, sealed.size() - 4);  // the target seals what it gets
}

std::string parts() {
  parts_snapshot p;
  p.number = 4;
  p.tag = "0123456789ab";
  p.extension = "csv";
  p.next_part = 3;
  p.closed = {{".part-a.inprogress", 0, 1, 4, 100}, {".part-b.inprogress", 0, 2, 4, 5}};
  p.open = {{".part-c.inprogress", 0, 3, 0, 9, "day=2026-01-01/hm=10%3A00"}};
  return p.encode();
}

std::string split_pool_text() {
  split_pool p(2);
  discovery d;
  d.splits = some_splits();
  p.discovered(std::move(d));
  return p.encode();
}

/// A message's bytes behind the number that the target gives its type.
template <class T>
std::string message(caf::actor_system& system, char number, T x) {
  std::vector<char> bytes;
  caf::binary_serializer sink{system, bytes};
  weir_assert(!sink(x), "a sample can be written");
  return std::string(1, number) + bytes_of(bytes);
}

std::vector<std::string> messages() {
  caf::actor_system_config config;
  config.add_message_types<caf::id_block::weir>();
  caf::actor_system system{config};
  task_report report;
  report.stalls_ns = {1, 2, 3};
  report.operators = {{"op", "op"}};
  job_report job;
  job.tasks = {report};
  cluster_report cluster;
  cluster.nodes = {{"n1", "127.0.0.1:1", "127.0.0.1:2", 1}};
  cluster.jobs = {job};
  job_answer answer;
  answer.report = job;
  answer.lines = {"a line"};
  load_message load;
  load.job = "job";
  load.tasks = {{1, {"op"}, 0, 128}};
  return {message(system, 2, splits_message{encode_splits(some_splits()), true, false}),
          message(system, 3, task_event{1, 2, task_event::what::failed, 3, 4, 5, "why"}),
          message(system, 4, report),
          message(system, 5, job),
          message(system, 6, answer),
          message(system, 8, cluster),
          message(system, 10, load)};
}

}  // namespace

std::vector<std::pair<decoder, std::string>> samples() {
  std::vector<std::pair<decoder, std::string>> out;
  out.emplace_back(decoder::plan, bytes_of(encode_plan(test::full_plan())));
  physical_plan small;
  small.name = "small";
  test::add_blackhole(small, "out", small.operators[test::add_sequence(small, "in")].output);
  test::connect(small, 0, 1);
  out.emplace_back(decoder::plan, bytes_of(encode_plan(small)));
  out.emplace_back(decoder::chunk_list, bytes_of(flatten(chunks())));
  out.emplace_back(decoder::splits, encode_splits(some_splits()));
  out.emplace_back(decoder::split_pool, split_pool_text());
  file_split f;
  f.path = "in.csv";
  f.begin = 10;
  f.end = 20;
  out.emplace_back(decoder::file_split, f.encode());
  out.emplace_back(decoder::sink_parts, parts());
  out.emplace_back(decoder::manifest, manifest());
  out.emplace_back(decoder::records, records(record_layout::fixed(4, 8)));
  out.emplace_back(decoder::records, records(record_layout::variable()));
  out.emplace_back(decoder::records, packed_records());
  for (auto& m : messages()) out.emplace_back(decoder::messages, std::move(m));
  greeting g;
  g.life = 1;
  g.wanted = 2;
  g.address = "10.0.0.1:4711/0000000000000001";
  g.build = "weir 1";
  out.emplace_back(decoder::row_frames, encode_greeting(g));
  frame_head head;
  head.kind = frame_kind::message;
  head.task = 7;
  head.payload_bytes = 64;
  const auto head_bytes = encode_frame_head(head);
  out.emplace_back(
      decoder::row_frames,
      std::string(reinterpret_cast<const char*>(head_bytes.data()), head_bytes.size()));
  out.emplace_back(decoder::row_frames, to_string(data_address{"host", 4711, 12}));
  kafka_split k;
  k.from = {"topic", 3};
  k.next = 10;
  k.end = 20;
  out.emplace_back(decoder::kafka_split, k.encode());
  std::string headers, kafka_records;
  append_header(headers, {"name", "value"});
  append_header(headers, {"none", std::nullopt});
  append_record(kafka_records, {"key", "value", headers, 2, 1356998400000});
  append_record(kafka_records, {std::nullopt, std::nullopt, {}, -1, 0});
  out.emplace_back(decoder::kafka_records, std::move(kafka_records));
  out.emplace_back(decoder::kafka_headers,
                   R"({"a":"x","b":null,"c":["1",2],"d":{"base64":"/w=="}})");
  // Types by their number in decoders_fuzz.cpp: a text, and the same value's stored form.
  const std::pair<const char*, const char*> nested[] = {
      {"int[]", "{1,NULL,-7}"},
      {"text[]", R"~({a,"b c","q\"\\",NULL,""})~"},
      {"boolean[]", "{t,f}"},
      {"struct(a int, b text)", R"~((5,"x ""y"" \\"))~"},
      {"struct(a double precision[], b bytea)[]", R"~({"(\"{1.5,NaN,-0}\",\"\\\\x00ff\")",NULL})~"},
      {"struct(a decimal(38,3), b interval, c timestamp, d struct(e date[]))",
       R"~((1.5,"1 mon 2 days","2024-02-29 10:00:00","({2024-01-01})"))~"}};
  char number = 0;
  for (const auto& [type, text] : nested) {
    out.emplace_back(decoder::nested_values, number + std::string(text));
    auto v = parse_scalar(text, *parse_type(type));
    weir_assert(v.ok(), "samples are values");
    std::string stored(1, number++);
    stored += '\1';
    append_stored(stored, *v);
    out.emplace_back(decoder::nested_values, std::move(stored));
  }
  return out;
}

}  // namespace weir::fuzz
