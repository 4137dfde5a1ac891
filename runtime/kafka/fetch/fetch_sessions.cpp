#include "runtime/kafka/fetch/fetch_sessions.hpp"

#include <limits>

#include "runtime/base/assert.hpp"

namespace weir::kafka {
namespace {

constexpr int32_t first_epoch = 0, final_epoch = -1;

std::vector<fetch_target> targets_of(fetch_request& r) {
  std::vector<fetch_target> out;
  for (auto& t : r.topics)
    for (auto& p : t.partitions) out.push_back({t.topic, t.topic_id, std::move(p)});
  return out;
}

}  // namespace

fetch_sessions::fetch_sessions(fetch_session_options o) : options_(o), random_(o.seed) {}
fetch_sessions::~fetch_sessions() = default;

fetch_sessions::key fetch_sessions::key_of(const fetch_target& t) {
  return {t.topic, t.topic_id, t.want.partition};
}

void fetch_sessions::put(session& s, fetch_target t) {
  auto [place, fresh] = s.places.try_emplace(key_of(t));
  if (!fresh) {
    place->second->target = std::move(t);
    return;
  }
  s.entries.push_back({std::move(t), -1, -1, false});
  place->second = std::prev(s.entries.end());
  ++partitions_;
}

void fetch_sessions::drop(session& s, const key& k) {
  auto place = s.places.find(k);
  if (place == s.places.end()) return;
  s.entries.erase(place->second);
  s.places.erase(place);
  --partitions_;
}

void fetch_sessions::remove(int32_t id) {
  auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  weir_assert(partitions_ >= it->second->entries.size(), "every session's partitions are counted");
  partitions_ -= it->second->entries.size();
  sessions_.erase(it);
}

int32_t fetch_sessions::new_id() {
  while (true) {
    // splitmix64 (Steele, Lea, Flood 2014).
    uint64_t z = random_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    auto id = static_cast<int32_t>((z ^ (z >> 31)) & 0x7fffffff);
    if (id != 0 && !sessions_.contains(id)) return id;
  }
}

/// Whether one session more, of so many partitions, has room, perhaps in the place of others.
bool fetch_sessions::make_room(size_t partitions, int64_t now_ms) {
  if (partitions > options_.partitions_max || options_.sessions_max == 0) return false;
  while (sessions_.size() >= options_.sessions_max ||
         partitions_ + partitions > options_.partitions_max) {
    int32_t oldest = 0, smallest = 0;
    for (const auto& [id, s] : sessions_) {
      if (oldest == 0 || s->used_ms < sessions_.at(oldest)->used_ms) oldest = id;
      const bool settled = now_ms - s->created_ms > options_.eviction_ms;
      if (settled && s->entries.size() < partitions &&
          (smallest == 0 || s->entries.size() < sessions_.at(smallest)->entries.size()))
        smallest = id;
    }
    if (oldest != 0 && now_ms - sessions_.at(oldest)->used_ms > options_.eviction_ms)
      remove(oldest);
    else if (smallest != 0)
      remove(smallest);
    else
      return false;
    ++evictions_;
  }
  return true;
}

fetch_sessions::begun fetch_sessions::begin(fetch_request& r, bool by_id, int64_t now_ms) {
  if (r.session_epoch == first_epoch || r.session_epoch == final_epoch)
    return begin_new(r, by_id, now_ms);
  return begin_next(r, by_id, now_ms);
}

/// A whole request: it ends the session that it names, and begins one, if it wants to.
fetch_sessions::begun fetch_sessions::begin_new(fetch_request& r, bool by_id, int64_t now_ms) {
  begun out;
  if (r.session_id != 0) remove(r.session_id);
  out.targets = targets_of(r);
  if (r.session_epoch == final_epoch || out.targets.empty()) return out;
  if (!make_room(out.targets.size(), now_ms)) return out;
  out.session_id = new_id();
  auto& s = sessions_[out.session_id] = std::make_unique<session>();
  s->by_id = by_id;
  s->epoch = first_epoch + 1;
  s->created_ms = s->used_ms = now_ms;
  for (const auto& t : out.targets) put(*s, t);
  return out;
}

/// The next request of a session: what it names is changed, the rest is as before.
fetch_sessions::begun fetch_sessions::begin_next(fetch_request& r, bool by_id, int64_t now_ms) {
  begun out;
  auto it = sessions_.find(r.session_id);
  if (it == sessions_.end()) {
    out.error = error_code::fetch_session_id_not_found;
    return out;
  }
  auto& s = *it->second;
  if (s.epoch != r.session_epoch) {
    out.error = error_code::invalid_fetch_session_epoch;
    return out;
  }
  if (s.by_id != by_id) {
    out.error = error_code::fetch_session_topic_id_error;
    return out;
  }
  s.used_ms = now_ms;
  for (auto& t : targets_of(r)) put(s, std::move(t));
  for (const auto& t : r.forgotten_topics_data)
    for (auto p : t.partitions) drop(s, {t.topic, t.topic_id, p});
  if (partitions_ > options_.partitions_max) {
    // It has grown over what there is room for: a whole request starts anew.
    remove(r.session_id);
    out.error = error_code::fetch_session_id_not_found;
    return out;
  }
  if (s.entries.empty()) {  // nothing is left of it
    remove(r.session_id);
    return out;
  }
  s.epoch = s.epoch == std::numeric_limits<int32_t>::max() ? first_epoch + 1 : s.epoch + 1;
  out.session_id = r.session_id;
  out.incremental = true;
  out.targets.reserve(s.entries.size());
  for (const auto& e : s.entries) out.targets.push_back(e.target);
  return out;
}

bool fetch_sessions::report(const begun& b, const fetch_target& t, const fetch_news& news) {
  auto it = sessions_.find(b.session_id);
  // It may have been ended meanwhile: what has nothing to say is left out all the same.
  session* s = it == sessions_.end() ? nullptr : it->second.get();
  auto place = s ? s->places.find(key_of(t)) : decltype(s->places.end())();
  entry* e = s && place != s->places.end() ? &*place->second : nullptr;
  bool due = !b.incremental || news.records || news.diverging || news.error != error_code::none;
  if (!e) return due;
  due = due || !e->told || news.high_watermark != e->high_watermark ||
        news.log_start_offset != e->log_start_offset;
  if (!due) return false;
  e->told = news.error == error_code::none;  // that an error is over is news, too
  e->high_watermark = news.high_watermark;
  e->log_start_offset = news.log_start_offset;
  if (news.records) s->entries.splice(s->entries.end(), s->entries, place->second);
  return true;
}

}  // namespace weir::kafka
