// Finds partitions. The first time they begin where the option `start` says; those that appear
// later begin with their first record, or what was written before they were found would be lost.
#include <re2/re2.h>

#include <chrono>
#include <mutex>
#include <set>

#include "runtime/connectors/growing_source.hpp"
#include "runtime/connectors/kafka/kafka.hpp"
#include "runtime/connectors/kafka/kafka_split.hpp"
#include "runtime/connectors/kafka/settings.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using start = kafka_source_settings::start;

// How long a question to the cluster may take; a job that starts shows its error after that.
constexpr int ask_timeout_ms = 10'000;
// Later looks fail this long before they fail the job: the readers go on meanwhile.
constexpr auto look_failures_max = 60s;
// Connections that wait for the next look (each second), and how long. More jobs than this connect
// anew each time.
constexpr size_t parked_max = 16;
constexpr auto parked_for = 10s;

using steady = std::chrono::steady_clock;

// Enumerators live for one discover(); connections are kept between a source's looks.
class client_park {
 public:
  struct place {
    std::unique_ptr<kafka_client> client;
    std::optional<steady::time_point> failing_since;
    steady::time_point since;
  };
  std::optional<place> take(const std::string& key) {
    std::lock_guard lock(m_);
    drop_old();
    auto it = places_.find(key);
    if (it == places_.end()) return std::nullopt;
    auto p = std::move(it->second);
    places_.erase(it);
    return p;
  }
  void put(const std::string& key, place p) {
    std::lock_guard lock(m_);
    drop_old();
    if (places_.size() >= parked_max) return;
    p.since = steady::now();
    places_[key] = std::move(p);
  }

 private:
  void drop_old() {
    std::erase_if(places_,
                  [](const auto& p) { return steady::now() - p.second.since > parked_for; });
  }
  std::mutex m_;
  std::map<std::string, place> places_;
};
// One per process. Never destroyed: at the process's end nobody waits for goodbyes to brokers.
client_park& park() {
  static auto* p = new client_park;
  return *p;
}

class kafka_enumerator final : public growing_enumerator {
 public:
  kafka_enumerator(source_spec spec, kafka_source_settings settings)
      : spec_(std::move(spec)), settings_(std::move(settings)) {
    for (const auto& [name, value] : spec_.options) key_ += name + '=' + value + '\n';
  }

  void restore(const std::vector<std::string>& seen) override {
    seen_.insert(seen.begin(), seen.end());
  }

  result<discovery> discover() override {
    auto place = park().take(key_);
    if (!place) {
      place.emplace();
      WEIR_ASSIGN(place->client, connect());
    }
    auto found = look(*place->client);
    const bool first_look = seen_.empty();
    if (found) {
      place->failing_since.reset();
    } else if (first_look || settings_.bounded) {
      return found;
    } else {
      auto now = steady::now();
      if (!place->failing_since) place->failing_since = now;
      if (now - *place->failing_since > look_failures_max) return found;
      found = discovery{{}, false, false};  // the readers wait for the cluster, too
    }
    if (!settings_.bounded) park().put(key_, std::move(*place));
    return found;
  }

  result<added> discover_behind(const std::vector<source_split>& read) override {
    auto place = park().take(key_);
    if (!place) {
      place.emplace();
      WEIR_ASSIGN(place->client, connect());
    }
    WEIR_ASSIGN(auto found, look_behind(*place->client, read));
    park().put(key_, std::move(*place));
    return found;
  }

 private:
  result<std::unique_ptr<kafka_client>> connect() const {
    kafka_client::options o;
    WEIR_ASSIGN(o.bootstrap, kafka_bootstrap(spec_.options));
    o.library = library_options(spec_.options);
    o.fixed = {
        {"isolation.level", settings_.read_committed ? "read_committed" : "read_uncommitted"},
        {"enable.auto.commit", "false"}};
    if (!settings_.group.empty()) o.fixed.emplace_back("group.id", settings_.group);
    return kafka_client::open(std::move(o));
  }

  result<std::vector<kafka_partition>> partitions(const kafka_client& client) const {
    std::vector<kafka_partition> out;
    auto add = [&](const std::string& topic, int32_t count) {
      for (int32_t p = 0; p < count; ++p) out.push_back({topic, p});
    };
    for (const auto& topic : settings_.topics) {
      WEIR_ASSIGN(int32_t count, client.partitions(topic, ask_timeout_ms));
      add(topic, count);
    }
    if (settings_.pattern.empty()) return out;
    RE2 expression(settings_.pattern, RE2::Quiet);
    WEIR_ASSIGN(auto all, client.topics(ask_timeout_ms));
    std::sort(all.begin(), all.end());
    for (const auto& [topic, count] : all)
      // Kafka's internal topics are not meant, whatever the pattern.
      if (!topic.starts_with("__") && RE2::FullMatch(topic, expression)) add(topic, count);
    if (out.empty() && settings_.bounded)
      return error(errc::not_found, "kafka " + client.bootstrap() + ": no topic matches pattern '" +
                                        settings_.pattern + "'");
    return out;
  }

  result<discovery> look(const kafka_client& client) const {
    WEIR_ASSIGN(auto all, partitions(client));
    discovery d;
    d.bounded = d.side_by_side = settings_.bounded;
    for (const auto& [partition, offset] : settings_.start_offsets)
      if (std::none_of(all.begin(), all.end(), [partition = partition](const kafka_partition& p) {
            return p.partition == partition;
          }))
        return {errc::not_found, "option start names partition " + std::to_string(partition) +
                                     ", but topic \"" + settings_.topics[0] + "\" has " +
                                     std::to_string(all.size()) + " partitions"};
    for (const auto& p : all) {
      auto id = to_string(p);
      if (seen_.contains(id)) continue;
      WEIR_ASSIGN(auto s, begin(client, p));
      s.id = s.ordered_by = id;
      d.splits.push_back(std::move(s));
    }
    return d;
  }

  result<added> look_behind(const kafka_client& client,
                            const std::vector<source_split>& read) const {
    std::map<std::string, int64_t> ends;
    for (const auto& s : read) {
      WEIR_ASSIGN(const auto at, kafka_split::decode(s.payload));
      ends[s.id] = at.end;
    }
    WEIR_ASSIGN(const auto all, partitions(client));
    added d;
    for (const auto& p : all) {
      kafka_split s;
      s.from = p;
      WEIR_ASSIGN(const auto bounds, client.offsets(p, ask_timeout_ms));
      s.end = bounds.high;
      const auto before = ends.find(to_string(p));
      if (before != ends.end()) s.next = before->second;
      // Records that were not read are gone, or the topic was made anew.
      if (before != ends.end() && (s.next > bounds.high || s.next < bounds.low)) {
        WEIR_ASSIGN(auto anew, look(client));
        return added{std::move(anew.splits), true};
      }
      if (s.next == kafka_split::earliest && bounds.low >= bounds.high) s.next = bounds.high;
      if (before != ends.end() && s.ended()) continue;
      source_split out;
      out.payload = s.encode();
      out.weight = s.records_left();
      out.id = out.ordered_by = to_string(p);
      d.splits.push_back(std::move(out));
    }
    return d;
  }

  result<source_split> begin(const kafka_client& client, const kafka_partition& p) const {
    kafka_split s;
    s.from = p;
    const bool later = !seen_.empty();
    const auto from = later ? start::earliest : settings_.from;
    std::optional<kafka_client::bounds> bounds;
    if (settings_.bounded || from == start::latest || from == start::timestamp) {
      WEIR_ASSIGN(bounds, client.offsets(p, ask_timeout_ms));
    }
    if (settings_.bounded) s.end = bounds->high;
    switch (from) {
      case start::earliest:
        break;
      case start::latest:
        s.next = bounds->high;
        break;
      case start::timestamp: {
        // librdkafka asks in milliseconds; the first record at or after the time is wanted.
        WEIR_ASSIGN(auto at,
                    client.offset_at(p, (settings_.start_us + 999) / 1000, ask_timeout_ms));
        s.next = at.value_or(bounds->high);
        break;
      }
      case start::offsets:
        if (auto it = settings_.start_offsets.find(p.partition);
            it != settings_.start_offsets.end())
          s.next = it->second;
        break;
      case start::group: {
        WEIR_ASSIGN(auto at, client.committed(p, ask_timeout_ms));
        if (at) s.next = at->offset;
        break;
      }
    }
    if (s.next == kafka_split::earliest && bounds && bounds->low >= bounds->high)
      s.next = bounds->high;  // nothing to read
    source_split out;
    out.payload = s.encode();
    out.weight = s.records_left();
    if (settings_.bounded && s.next == kafka_split::earliest)
      out.weight = static_cast<uint64_t>(bounds->high - bounds->low);
    return out;
  }

  source_spec spec_;
  kafka_source_settings settings_;
  std::string key_;
  std::set<std::string> seen_;
};

}  // namespace

result<std::unique_ptr<split_enumerator>> make_kafka_enumerator(const source_spec& spec) {
  WEIR_ASSIGN(auto settings, kafka_source_settings_of(spec.options));
  return std::unique_ptr<split_enumerator>(
      std::make_unique<kafka_enumerator>(spec, std::move(settings)));
}

}  // namespace weir
