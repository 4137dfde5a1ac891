// weir topic consume: records to stdout, over the Kafka protocol; from any position, to the end or
// for ever, filtered by a SQL condition.
#include <algorithm>
#include <chrono>
#include <thread>

#include "cluster/cli/topics/interrupt.hpp"
#include "cluster/cli/topics/node_call.hpp"
#include "cluster/cli/topics/rate_display.hpp"
#include "cluster/cli/topics/record_filter.hpp"
#include "cluster/cli/topics/record_printer.hpp"
#include "cluster/streams/groups.hpp"
#include "cluster/streams/start_position.hpp"
#include "cluster/streams/topic_reader.hpp"

namespace weir::cli {
namespace {

using steady = std::chrono::steady_clock;

// How long one fetch waits for records; Ctrl-C takes at most this long.
constexpr int32_t wait_ms = 250;
// Records that wait for the filter together.
constexpr size_t filter_rows = 4096;
// New partitions are looked for, and a group's offsets are committed, this often.
constexpr auto refresh_interval = std::chrono::seconds(2);
// Leaders that are away for longer end a following reader.
constexpr int32_t away_limit_ms = 60'000;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::optional<byte_view> bytes_of(const std::optional<std::string>& s) {
  return s ? std::optional(std::as_bytes(std::span(*s))) : std::nullopt;
}

class consumer {
 public:
  consumer(const stream_options& o, streams::brokers b, streams::topic_facts t,
           streams::start_position from, std::optional<record_filter> filter)
      : options_(o),
        brokers_(std::move(b)),
        topic_(std::move(t)),
        from_(from),
        filter_(std::move(filter)),
        printer_(o.output, o.embed_json),
        display_(o.quiet || o.follow) {}

  int run() {
    auto outcome = read();
    if (outcome && filter_) outcome = print_held();
    printer_.flush();
    if (auto s = commit(); outcome && !s) outcome = s;
    display_.finish("consumed", "of " + options_.name, printed_, bytes_);
    if (filter_ && filter_->failed() > 0 && !options_.quiet)
      std::fprintf(stderr,
                   "weir: the filter could not be computed for %llu records, which were left out; "
                   "the first: %s\n",
                   static_cast<unsigned long long>(filter_->failed()),
                   filter_->first_failure().c_str());
    if (!outcome) return fail(outcome.err());
    return interrupt_.asked() == SIGINT ? exit_interrupted : exit_ok;
  }

 private:
  status read() {
    WEIR_TRY(begin());
    while (!interrupt_.asked() && !done_ && (options_.follow || !reader_->finished())) {
      WEIR_TRY(reader_->poll(options_.follow ? wait_ms : wait_ms * 4,
                             [this](int32_t p, const record& r) { return take(p, r); }));
      if (filter_) WEIR_TRY(print_held());
      if (!printer_.flush()) return {};  // nobody reads any more
      display_.show(printed_, bytes_);
      if (steady::now() - refreshed_ >= refresh_interval) WEIR_TRY(refresh());
    }
    return {};
  }

  std::vector<int32_t> wanted() const {
    return options_.partition ? std::vector{*options_.partition} : all_partitions(topic_);
  }
  streams::topic_reader_options reading() const {
    streams::topic_reader_options r;
    r.read_committed = options_.isolation == "read_committed";
    if (options_.follow) r.retry_ms = away_limit_ms;
    return r;
  }
  status begin() {
    const auto partitions = wanted();
    WEIR_ASSIGN(auto offsets, resolve(brokers_, topic_, partitions, from_, !options_.partition));
    if (!options_.group.empty()) WEIR_TRY(take_up_group(offsets));
    std::map<int32_t, int64_t> ends;
    if (!options_.follow) {
      WEIR_ASSIGN(auto found, offsets_at(brokers_, topic_, partitions, streams::at_latest,
                                         reading().read_committed));
      for (const auto& e : found) {
        ends[e.partition] = e.offset;
        // Nothing would be read, which is not what somebody means who names an offset.
        if (options_.partition && offsets[e.partition] > e.offset)
          return error{errc::invalid_argument,
                       "topic " + options_.name + ", partition " + std::to_string(e.partition) +
                           ": there is no offset " + std::to_string(offsets[e.partition]) +
                           " yet; what can be read ends at " + std::to_string(e.offset)};
      }
    }
    reader_.emplace(brokers_, topic_, reading());
    for (auto [p, offset] : offsets) {
      if (options_.follow)
        reader_->add(p, offset);
      else
        reader_->add(p, offset, ends[p]);
    }
    committed_ = offsets;
    return {};
  }
  /// Goes on where the group is, if it has been anywhere.
  status take_up_group(std::map<int32_t, int64_t>& offsets) {
    auto g = streams::describe_group(brokers_, options_.group);
    if (!g && g.err().code == errc::not_found) return {};
    if (!g) return g.err();
    if (!g->members.empty())
      return error{errc::locked, "group " + options_.group + " has " +
                                     std::to_string(g->members.size()) +
                                     " members: this reader would disturb them; weir group "
                                     "describe shows them"};
    for (const auto& p : g->positions)
      if (p.topic == options_.name && p.committed >= 0 && offsets.contains(p.partition))
        offsets[p.partition] = std::max(p.committed, p.start);
    return {};
  }
  /// What was printed is committed, no more.
  status commit() {
    if (options_.group.empty() || !reader_) return {};
    auto now = reader_->positions();
    if (now == committed_) return {};
    WEIR_TRY(streams::seek_group(brokers_, options_.group, options_.name, now));
    committed_ = std::move(now);
    return {};
  }
  status refresh() {
    refreshed_ = steady::now();
    // What isn't committed or found out now is the next time: a coordinator or leader may be away.
    if (auto s = commit(); !s && !streams::is_of_transport(s.err())) return s;
    if (!options_.follow || options_.partition) return {};
    auto now = brokers_.topic(options_.name);
    if (!now) return streams::is_of_transport(now.err()) ? status() : status(now.err());
    if (now->id != topic_.id)
      return error{errc::not_found, "topic " + options_.name + " was deleted and made anew"};
    const auto before = topic_.partitions.size();
    topic_ = std::move(*now);
    auto positions = reader_->positions();
    // Those that were added are read from their beginning.
    for (size_t i = before; i < topic_.partitions.size(); ++i)
      positions[static_cast<int32_t>(i)] = 0;
    reader_.emplace(brokers_, topic_, reading());
    for (auto [p, offset] : positions) reader_->add(p, offset);
    return {};
  }
  bool take(int32_t partition, const record& r) {
    if (interrupt_.asked()) return false;
    if (!filter_) return print(partition, r);
    held_.emplace_back(partition, r);
    if (held_.size() < filter_rows) return true;
    failed_ = print_held();
    return failed_.ok() && !done_;
  }
  bool print(int32_t partition, const record& r) {
    printer_.print(partition, r);
    ++printed_;
    bytes_ += (r.key ? r.key->size() : 0) + (r.value ? r.value->size() : 0);
    done_ = options_.max > 0 && printed_ >= options_.max;
    return !done_;
  }
  status print_held() {
    WEIR_TRY(failed_);
    auto held = std::exchange(held_, {});
    if (done_) return {};
    WEIR_ASSIGN(const auto rows, filter_->matching(held));
    for (auto i : rows) {
      const auto& h = held[i];
      std::vector<record_header> headers;
      for (const auto& [key, value] : h.headers) headers.push_back({key, bytes_of(value)});
      record r;
      r.offset = h.offset;
      r.timestamp_ms = h.timestamp_ms;
      r.key = bytes_of(h.key);
      r.value = bytes_of(h.value);
      r.headers = headers;
      if (!print(h.partition, r)) break;
    }
    return {};
  }

  const stream_options& options_;
  interrupt_watch interrupt_;
  streams::brokers brokers_;
  streams::topic_facts topic_;
  streams::start_position from_;
  std::optional<record_filter> filter_;
  record_printer printer_;
  rate_display display_;
  std::optional<streams::topic_reader> reader_;
  std::vector<held_record> held_;
  std::map<int32_t, int64_t> committed_;
  steady::time_point refreshed_ = steady::now();
  status failed_;
  uint64_t printed_ = 0, bytes_ = 0;
  bool done_ = false;
};

}  // namespace

int topic_consume(const stream_options& o) {
  const std::string text = !o.from.empty() ? o.from : o.follow ? "latest" : "earliest";
  auto from = streams::parse_start_position(text, now_ms());
  if (!from) return wrong_usage("--from: " + from.err().message);
  std::optional<record_filter> filter;
  if (!o.filter.empty()) {
    auto made = record_filter::make(o.filter);
    if (!made) return wrong_usage("--filter: " + made.err().message);
    filter.emplace(std::move(*made));
  }
  std::string address;
  int code = exit_ok;
  if (!find_kafka(o, address, code)) return code;
  auto b = streams::brokers::connect(address);
  if (!b) return fail(b.err());
  auto topic = b->topic(o.name);
  if (!topic) return fail(topic.err());
  if (o.partition &&
      (*o.partition < 0 || static_cast<size_t>(*o.partition) >= topic->partitions.size()))
    return fail("topic " + o.name + " has no partition " + std::to_string(*o.partition) +
                "; it has " + std::to_string(topic->partitions.size()));
  return consumer(o, std::move(*b), std::move(*topic), *from, std::move(filter)).run();
}

}  // namespace weir::cli
