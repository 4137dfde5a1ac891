#include "runtime/flow/error_policy.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/connectors/row_encoder.hpp"
#include "runtime/expr/expr.hpp"

namespace weir {
namespace {

constexpr std::string_view lengths_state = "dead letters";
// Letters that wait for the disk before the task takes no more input: a few batches of bad rows.
constexpr size_t waiting_bytes_max = 4u << 20;
// Longest row that the message of a failure quotes.
constexpr size_t quoted_bytes_max = 240;

struct length_record {
  uint32_t number = 0, unused = 0;
  uint64_t bytes = 0;
};

std::string json_of(const batch& in, uint32_t row) {
  row_encoder encoder(in.type);
  encoder.format = row_encoder::kind::json;
  std::string out;
  encoder.row(out, in, row, 0);
  out.pop_back();
  return out;
}

}  // namespace

operator_error_policy::operator_error_policy(options o) : options_(std::move(o)) {}
operator_error_policy::~operator_error_policy() = default;

status operator_error_policy::open(const operator_context& c) {
  context_ = c;
  if (options_.on_error != error_policy::dead_letter) return {};
  if (options_.topic_of) {
    WEIR_ASSIGN(topic_, dead_letter_topic::of(*options_.topic_of));
    topic_->open(c);
    return {};
  }
  name_ = c.operator_id;
  std::replace(name_.begin(), name_.end(), '/', '.');
  std::replace(name_.begin(), name_.end(), '@', '.');
  letters_ = std::make_unique<dead_letters>(options_.folder, *c.files, *c.io, c.wake);
  lengths_[c.subtask] = 0;
  return {};
}

std::string operator_error_policy::file_id(uint32_t number) const {
  return context_.job + "/" + name_ + "." + std::to_string(number);
}

status operator_error_policy::restore(const snapshot_reader& in) {
  if (topic_) return topic_->restore(in);
  if (!letters_) return {};
  for (const auto& [subtask, bytes] : in.blobs(lengths_state)) {
    if (bytes.size() % sizeof(length_record) != 0)
      return {errc::corrupt, "state \"dead letters\" of subtask " + std::to_string(subtask) +
                                 " has " + std::to_string(bytes.size()) + " bytes"};
    for (size_t at = 0; at < bytes.size(); at += sizeof(length_record)) {
      length_record r;
      std::memcpy(&r, bytes.data() + at, sizeof r);
      if (r.number % context_.parallelism != context_.subtask) continue;
      // Files only grow; an older blob of a subtask that was gone for a while says less.
      auto& length = lengths_[r.number];
      length = std::max(length, r.bytes);
    }
  }
  return {};
}

void operator_error_policy::begin() {
  if (!letters_) return;
  for (const auto& [number, bytes] : lengths_) letters_->restore(file_id(number), bytes);
  letters_->remove_others(
      context_.job + "/" + name_,
      [known = lengths_, parallelism = context_.parallelism, subtask = context_.subtask](
          uint32_t number) { return number % parallelism == subtask && !known.contains(number); });
}

std::optional<source_record> operator_error_policy::located(const batch& in, uint32_t row) {
  return options_.reader ? options_.reader->locate(in.physical_rows, row) : std::nullopt;
}

void operator_error_policy::for_each_letter(
    const batch& in, const std::vector<expr::row_error>& errors,
    const std::function<void(const dead_letters::letter&)>& take) {
  for (const auto& e : errors) {
    auto record = located(in, e.row);
    auto row = json_of(in, e.row);
    dead_letters::letter l;
    if (record) {
      l.position = record->position;
      l.raw = record->bytes;
      l.key = record->key;
      l.headers = record->headers;
    }
    l.operator_id = context_.operator_id;
    l.cause = e.cause.message;
    l.row = row;
    l.weight = in.weight(e.row);
    take(l);
  }
}

status operator_error_policy::reject(const batch& in, const std::vector<expr::row_error>& errors) {
  if (options_.on_error == error_policy::fail) {
    const auto& first = errors.front();
    if (auto record = located(in, first.row)) return first.cause.at(record->position);
    auto row = json_of(in, first.row);
    if (row.size() > quoted_bytes_max) {
      row.resize(quoted_bytes_max - 3);
      row += "...";
    }
    auto e = first.cause;
    e.message += ", row " + row;
    return e;
  }
  auto& counter =
      letters_ || topic_ ? context_.metrics->dead_letters : context_.metrics->errors_skipped;
  counter.fetch_add(errors.size(), std::memory_order_relaxed);
  std::string text;
  if (topic_) {
    for_each_letter(in, errors, [&](const auto& l) { topic_->append(text, l); });
    return topic_->add(text);
  }
  if (!letters_) return {};
  for_each_letter(in, errors, [&](const auto& l) { dead_letters::append_line(text, l); });
  auto& length = lengths_[context_.subtask];
  const uint64_t before = length;
  length += text.size();
  letters_->write(file_id(context_.subtask), before, std::move(text));
  return {};
}

void operator_error_policy::snapshot_begin(snapshot_writer& w) {
  if (topic_) topic_->snapshot_begin(w);
  if (!letters_) return;
  std::vector<length_record> records;
  for (const auto& [number, bytes] : lengths_) records.push_back({number, 0, bytes});
  w.put(lengths_state, no_key_group, chunk_kind::blob,
        buffer::copy(w.memory(), std::as_bytes(std::span(records))));
}

result<bool> operator_error_policy::snapshot_continue(snapshot_writer& w) {
  if (topic_) return topic_->snapshot_continue(w);
  if (!letters_) return true;
  return letters_->done();
}

status operator_error_policy::on_epoch_complete(epoch e) {
  return topic_ ? topic_->on_epoch_complete(e) : status();
}

void operator_error_policy::on_epoch_aborted() {
  if (topic_) topic_->on_epoch_aborted();
}

result<bool> operator_error_policy::committed() const {
  if (!topic_) return true;
  return topic_->committed();
}

void operator_error_policy::close() {
  if (topic_) topic_->close();
}

bool operator_error_policy::blocked() const {
  if (topic_) return topic_->blocked();
  return letters_ && letters_->holds_more_than(waiting_bytes_max);
}

}  // namespace weir
