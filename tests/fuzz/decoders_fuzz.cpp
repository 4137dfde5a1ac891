// Fuzz target of the small decoders: plans, lists of chunks and splits, positions and parts in
// snapshots, manifests, keyed records, actors' messages. Any bytes are refused with an error or
// accepted; what is accepted encodes again to something that decodes to the same. Nothing is read
// out of bounds, nothing asserts. Checksums are made to fit, so that damage gets behind them.
#include <algorithm>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <cstdint>
#include <cstring>
#include <memory>

#include "actors/data/frame.hpp"
#include "actors/interfaces.hpp"
#include "runtime/column/codec.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/file_split.hpp"
#include "runtime/connectors/kafka/kafka_split.hpp"
#include "runtime/connectors/kafka/records.hpp"
#include "runtime/connectors/part_files.hpp"
#include "runtime/flow/split_list.hpp"
#include "runtime/flow/split_pool.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/plan/task_graph.hpp"
#include "runtime/snapshot/codec.hpp"
#include "runtime/snapshot/manifest.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/snapshot/packed.hpp"
#include "tests/fuzz/decoders_samples.hpp"

using namespace weir;

namespace {

constexpr const char* record_key = "m/1/2";

std::vector<char> chars_of(std::string_view s) {
  return {s.begin(), s.end()};
}

void plan(std::string_view in) {
  auto p = decode_plan(std::as_bytes(std::span(in.data(), in.size())));
  if (!p) return;
  auto again = encode_plan(*p);
  auto twice = decode_plan(std::as_bytes(std::span(again)));
  weir_assert(twice.ok(), "a decoded plan encodes to one that decodes");
  weir_assert(fingerprint(*twice) == fingerprint(*p), "and is the same");
  (void)build_task_graph(*p);
}

void chunk_list(std::string_view in) {
  std::vector<state_chunk> chunks;
  if (!unflatten(chars_of(in), chunks)) return;
  std::vector<state_chunk> twice;
  weir_assert(unflatten(flatten(chunks), twice) && twice.size() == chunks.size(),
              "accepted chunks come through again");
  chunk_list_reader reader(std::move(chunks), "op");
  for (const auto& state : reader.states()) {
    (void)reader.keyed(state, {0, 128}, [](uint32_t, chunk_kind, auto bytes) -> status {
      auto r = record_reader::open(bytes);
      return r ? status() : status(r.err());
    });
    (void)reader.blobs(state);
  }
}

void splits(std::string_view in) {
  auto s = decode_splits(in);
  if (!s) return;
  auto twice = decode_splits(encode_splits(*s));
  weir_assert(twice.ok() && twice->size() == s->size(), "accepted splits come through again");
}

void pool(std::string_view in) {
  auto p = split_pool::decode(in, {{"begun", "", "x", 3, 1}}, 3);
  if (!p) return;
  for (uint32_t i = 0; i < 3; ++i) p->request(i);
  (void)p->assign();
  weir_assert(split_pool::decode(p->encode(), {}, 2).ok(), "an accepted pool comes through again");
}

void position(std::string_view in) {
  auto s = file_split::decode(in);
  if (!s) return;
  weir_assert(s->encode() == in, "a position has one form");
  (void)s->bytes_left();
}

void kafka_position(std::string_view in) {
  auto s = kafka_split::decode(in);
  if (!s) return;
  weir_assert(s->encode() == in, "a position has one form");
  (void)s->records_left();
}

bool headers_end(std::string_view in) {
  header_cursor cursor(in);
  header_view h;
  while (true) {
    auto more = cursor.next(h);
    if (!more) return false;
    if (!*more) return true;
  }
}

void kafka_rows(std::string_view in) {
  record_cursor cursor(in);
  record_view r;
  std::string again;
  while (true) {
    auto more = cursor.next(r);
    if (!more) return;
    if (!*more) break;
    (void)headers_end(r.headers);
    append_record(again, r);
  }
  weir_assert(again == in, "records have one form");
}

/// Lists and structs: their stored form in state, and their texts in files. The first byte names
/// the type.
void nested_values(std::string_view in) {
  static const std::vector<data_type> types = [] {
    std::vector<data_type> out;
    for (const char* name :
         {"int[]", "text[]", "boolean[]", "struct(a int, b text)",
          "struct(a double precision[], b bytea)[]",
          "struct(a decimal(38,3), b interval, c timestamp, d struct(e date[]))", "bigint[][]"})
      out.push_back(*parse_type(name));
    return out;
  }();
  if (in.empty()) return;
  const auto& type = types[static_cast<unsigned char>(in[0]) % types.size()];
  in.remove_prefix(1);
  memory_pool pool;
  auto rest = in;
  column_builder read(type, pool);
  if (read_stored_part(rest, read)) {
    auto c = read.finish();
    weir_assert(validate_column(*c).ok(), "what is read is a valid column");
    std::string again;
    append_stored_part(again, *c, 0);
    std::string_view bytes = again;
    column_builder second(type, pool);
    weir_assert(read_stored_part(bytes, second) && bytes.empty(), "and reads again");
    weir_assert(compare_values(*c, 0, *second.finish(), 0) == 0, "as the same value");
  }
  if (auto v = parse_scalar(in, type)) {
    auto again = parse_scalar(to_text(*v), type);
    weir_assert(again.ok() && identical(*v, *again), "a list's or struct's text reads back");
  }
}

void kafka_headers(std::string_view in) {
  std::string headers;
  if (headers_from_json(in, headers)) weir_assert(headers_end(headers), "headers are whole");
}

void parts(std::string_view in) {
  auto p = parts_snapshot::decode(in);
  if (!p) return;
  for (const auto& part : p->closed)
    weir_assert(p->final_name(part).find('/') == std::string::npos, "parts stay in their folder");
  weir_assert(parts_snapshot::decode(p->encode()).ok(), "accepted parts come through again");
}

void manifest(std::string_view in) {
  std::string sealed(in);
  uint32_t crc = crc32c(crc32c(snapshot_codec::bytes_of(record_key)), snapshot_codec::bytes_of(in));
  sealed.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  auto m = decode_manifest(sealed, record_key);
  if (!m) return;
  (void)m->bytes_written();
  weir_assert(decode_manifest(encode_manifest(*m, record_key), record_key).ok(),
              "an accepted manifest comes through again");
}

void records(std::string_view in) {
  // A copy of its own size, so that a sanitizer sees each byte too many.
  std::vector<char> heap(in.begin(), in.end());
  size_t bytes = 0;
  auto add = [&bytes](auto span) {
    for (auto b : span) bytes += static_cast<size_t>(b);
  };
  if (auto p = packed_reader::open(std::as_bytes(std::span(heap)))) {
    std::vector<std::vector<std::byte>> keep;
    (void)p->visit_records(
        keep,
        [&](auto k, auto v) {
          add(k);
          add(v);
        },
        add);
    return;
  }
  auto r = record_reader::open(std::as_bytes(std::span(heap)));
  if (!r) return;
  (void)r->visit(
      [&](auto k, auto v) {
        add(k);
        add(v);
      },
      [&](auto k) { add(k); });
  volatile size_t keep = bytes;
  (void)keep;
}

template <class T>
void message(caf::actor_system& system, const std::vector<char>& bytes) {
  T x;
  caf::binary_deserializer source{system, bytes};
  if (source(x)) return;
  std::vector<char> again;
  caf::binary_serializer sink{system, again};
  weir_assert(!sink(x), "a message that was read can be written");
}

/// What comes over a connection for rows: each of its three forms; what is accepted is written as
/// it was read.
void row_frames(std::string_view in) {
  const auto bytes = std::as_bytes(std::span(in));
  if (bytes.size() >= greeting_head_bytes)
    if (auto g =
            decode_greeting(bytes.first(greeting_head_bytes), bytes.subspan(greeting_head_bytes));
        g && g->protocol == data_protocol && encode_greeting(*g).size() != in.size())
      std::abort();
  if (bytes.size() == frame_head_bytes)
    if (auto f = decode_frame_head(bytes.first<frame_head_bytes>());
        f && encode_frame_head(*f).size() != in.size())
      std::abort();
  if (auto a = parse_data_address(std::string(in)); a && !parse_data_address(to_string(*a)))
    std::abort();
}

// Not here: messages with actor handles, which need a live peer, and those with lists of bytes, for
// which CAF allocates what their length says before it looks at the input (peers are trusted). What
// those lists hold has targets of its own: rows, plans, chunks.
void messages(std::string_view in) {
  // Never destroyed: CAF's own statics would be gone before them.
  static auto& config = *new caf::actor_system_config;
  static const bool once = (config.add_message_types<caf::id_block::weir>(), true);
  static auto& system = *new caf::actor_system{config};
  (void)once;
  if (in.empty()) return;
  auto which = static_cast<uint8_t>(in[0]);
  auto bytes = chars_of(in.substr(1));
  using reader = void (*)(caf::actor_system&, const std::vector<char>&);
  static constexpr reader all[] = {
      message<trigger_message>, message<epoch_outcome>, message<splits_message>,
      message<task_event>,      message<task_report>,   message<job_report>,
      message<job_answer>,      message<submit_reply>,  message<cluster_report>,
      message<operation_reply>, message<load_message>};
  all[which % std::size(all)](system, bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view in(reinterpret_cast<const char*>(data + 1), size - 1);
  using fuzz::decoder;
  switch (static_cast<decoder>(data[0] % static_cast<uint8_t>(decoder::count_))) {
    case decoder::plan:
      plan(in);
      break;
    case decoder::chunk_list:
      chunk_list(in);
      break;
    case decoder::splits:
      splits(in);
      break;
    case decoder::split_pool:
      pool(in);
      break;
    case decoder::file_split:
      position(in);
      break;
    case decoder::kafka_split:
      kafka_position(in);
      break;
    case decoder::kafka_records:
      kafka_rows(in);
      break;
    case decoder::nested_values:
      nested_values(in);
      break;
    case decoder::kafka_headers:
      kafka_headers(in);
      break;
    case decoder::sink_parts:
      parts(in);
      break;
    case decoder::manifest:
      manifest(in);
      break;
    case decoder::records:
      records(in);
      break;
    case decoder::messages:
      messages(in);
      break;
    case decoder::row_frames:
      row_frames(in);
      break;
    case decoder::count_:
      break;
  }
  return 0;
}
