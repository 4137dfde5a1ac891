#include "tests/flow/sim_parts.hpp"

#include <algorithm>

#include "runtime/column/hash.hpp"

namespace weir::sim {
namespace {

class reader final : public source_reader {
 public:
  reader(outside& o, const std::string& id) : outside_(o), content_(o.sources.at(id)) {}
  status open(const operator_context& c) override {
    context_ = c;
    return {};
  }
  status add_split(source_split s) override {
    for (const auto& known : content_.splits)
      if (known.id == s.id) {
        size_t at = s.payload.empty() ? 0 : std::stoul(s.payload);
        open_.push_back({std::move(s), &known.rows, at});
        return {};
      }
    return {errc::not_found, "no split " + s.id};
  }
  result<polled> poll(uint32_t) override {
    polled p;
    if (open_.empty()) {
      p.what = polled::state::finished;
      return p;
    }
    auto& random = outside_.random;
    if (random.one_in(4)) {
      p.wake_at = context_.time->now() + random.between(1, 3'000);
      return p;
    }
    auto it = open_.begin() + random.between(0, static_cast<int64_t>(open_.size()) - 1);
    size_t n = std::min<size_t>(it->rows->size() - it->at, random.between(0, 4));
    std::vector<row> rows(it->rows->begin() + it->at, it->rows->begin() + it->at + n);
    it->at += n;
    last_ = it->split.id;
    p.split_id = last_;
    p.what = polled::state::batch;
    if (!rows.empty()) p.rows = to_batch(rows, *context_.memory);
    if (it->at < it->rows->size()) return p;
    p.split_ended = true;
    open_.erase(it);
    p.what = open_.empty() ? polled::state::finished : polled::state::pending;
    p.wake_at = context_.time->now();
    return p;
  }
  std::vector<source_split> snapshot() const override {
    std::vector<source_split> all;
    for (const auto& s : open_) {
      all.push_back(s.split);
      all.back().payload = std::to_string(s.at);
    }
    return all;
  }
  std::string position() const override { return last_; }

 private:
  struct open_split {
    source_split split;
    const std::vector<row>* rows;
    size_t at;
  };
  outside& outside_;
  source_content& content_;
  operator_context context_;
  std::vector<open_split> open_;
  std::string last_;
};

/// Keeps an eye on event time for the operators below.
class watched : public stream_operator {
 public:
  explicit watched(outside& o) : outside_(o) {}
  status open(const operator_context& c) override {
    context_ = c;
    return {};
  }
  status on_watermark(timestamp_us t, collector& out) override {
    if (t < watermark_) violate("a watermark went back");
    watermark_ = t;
    return watermark_moved(out);
  }

 protected:
  virtual status watermark_moved(collector&) { return {}; }
  void violate(const std::string& what) {
    outside_.violations.push_back(context_.operator_id + "[" + std::to_string(context_.subtask) +
                                  "]: " + what);
  }
  void check(const std::vector<row>& rows) {
    if (outside_.never_late)
      for (const auto& r : rows)
        if (r.time <= watermark_)
          violate("row " + std::to_string(r.number) + " of " + std::to_string(r.time) +
                  " is late at " + std::to_string(watermark_));
    if (watermark_ == watermark_end) violate("rows behind the end");
  }
  void check_key(const row& r) {
    if (!context_.groups.contains(group_of(r.key))) violate("a key of another subtask");
  }
  uint32_t group_of(int64_t key) const {
    return group_of_hash(hash_step(hash_seed, static_cast<uint64_t>(key)), context_.key_groups);
  }

  outside& outside_;
  operator_context context_;
  timestamp_us watermark_ = watermark_none;
};

class pass final : public watched {
 public:
  using watched::watched;
  status process_batch(uint16_t, const batch_ptr& b, collector& out) override {
    auto rows = to_rows(*b);
    check(rows);
    if (!approached_ && outside_.random.one_in(3))
      held_.insert(held_.end(), rows.begin(), rows.end());
    else
      out.emit(b);
    return {};
  }
  status before_barrier(collector& out) override { return let_go(out); }
  status on_idle(collector& out) override { return let_go(out); }
  /// Each row stands for many, so that barriers are approached in parts.
  size_t held_rows() const override { return held_.size() * batch_rows_target; }
  result<bool> approach_barrier(collector& out) override {
    approached_ = true;
    if (held_.empty()) return false;
    const auto first =
        held_.begin() + outside_.random.between(1, static_cast<int64_t>(held_.size()));
    out.emit(to_batch({held_.begin(), first}, *context_.memory));
    held_.erase(held_.begin(), first);
    return !held_.empty();
  }

 private:
  status let_go(collector& out) {
    approached_ = false;
    if (!held_.empty()) out.emit(to_batch(held_, *context_.memory));
    held_.clear();
    return {};
  }
  std::vector<row> held_;
  bool approached_ = false;
};

/// State by key group, frozen at the barrier and written in several steps.
class keyed : public watched {
 public:
  using watched::watched;
  status restore(const snapshot_reader& r) override {
    return r.keyed("rows", context_.groups,
                   [this](uint32_t g, chunk_kind, std::span<const std::byte> bytes) -> status {
                     state_[g] = from_bytes(bytes);
                     return {};
                   });
  }
  status snapshot_begin(snapshot_writer&) override {
    frozen_ = state_;
    for (uint32_t g = context_.groups.begin; g < context_.groups.end; ++g) frozen_[g];
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t) override {
    for (int i = 0; i < 3 && !frozen_.empty(); ++i) {
      auto it = frozen_.begin();
      w.put("rows", it->first, chunk_kind::full, to_buffer(it->second, w.memory()));
      frozen_.erase(it);
    }
    return frozen_.empty();
  }

 protected:
  std::map<uint32_t, std::vector<row>> state_;

 private:
  std::map<uint32_t, std::vector<row>> frozen_;
};

class count final : public keyed {
 public:
  using keyed::keyed;
  status process_batch(uint16_t, const batch_ptr& b, collector& out) override {
    auto rows = to_rows(*b);
    check(rows);
    for (auto& r : rows) {
      check_key(r);
      auto& of_group = state_[group_of(r.key)];
      auto it = std::find_if(of_group.begin(), of_group.end(),
                             [&r](const row& x) { return x.key == r.key && x.time == 0; });
      if (it == of_group.end()) it = of_group.insert(it, row{0, r.key, 0, 0});
      r.count = ++it->count;
      if (outside_.ordered.contains(context_.operator_id)) check_order(of_group, r);
    }
    out.emit(to_batch(rows, *context_.memory));
    return {};
  }

 private:
  /// The last row of each split and key is part of the state, under a time that no row has.
  void check_order(std::vector<row>& of_group, const row& r) {
    int64_t mark = -1 - outside_.split_of(r.number);
    auto last = std::find_if(of_group.begin(), of_group.end(),
                             [&](const row& x) { return x.key == r.key && x.time == mark; });
    if (last == of_group.end()) {
      of_group.push_back({mark, r.key, r.number, 0});
      return;
    }
    if (r.number <= last->number)
      violate("row " + std::to_string(r.number) + " came behind " + std::to_string(last->number) +
              " of its split and key");
    last->number = r.number;
  }
};

class sort final : public keyed {
 public:
  using keyed::keyed;
  status process_batch(uint16_t, const batch_ptr& b, collector&) override {
    auto rows = to_rows(*b);
    check(rows);
    if (draining_) violate("input while output was left");
    for (const auto& r : rows) {
      check_key(r);
      state_[group_of(r.key)].push_back(r);
    }
    return {};
  }
  status watermark_moved(collector&) override {
    draining_ = true;
    return {};
  }
  result<bool> drain(collector& out) override {
    std::vector<row> due;
    for (auto& [g, rows] : state_)
      for (size_t i = 0; i < rows.size() && due.size() < 3;)
        if (rows[i].time <= watermark_) {
          due.push_back(rows[i]);
          rows.erase(rows.begin() + i);
        } else {
          ++i;
        }
    draining_ = draining_ && due.size() == 3;
    if (!due.empty()) out.emit(to_batch(due, *context_.memory));
    return draining_;
  }

 private:
  bool draining_ = false;
};

/// Publishes what belongs to complete epochs; what is not published yet is in every snapshot.
class sink final : public watched {
 public:
  sink(outside& o, std::string id) : watched(o), id_(std::move(id)) {}
  status restore(const snapshot_reader& r) override {
    for (const auto& [subtask, blob] : r.blobs("prepared")) {
      if (subtask % context_.parallelism != context_.subtask) continue;
      std::map<int64_t, std::vector<row>> by_number;
      auto rows = from_bytes(blob.bytes());
      // A head (its epoch in `time`, the number of rows in `count`) in front of each transaction.
      for (size_t i = 0; i < rows.size();) {
        auto head = rows[i++];
        publish("e" + std::to_string(head.time) + "." + std::to_string(subtask) + "." +
                    std::to_string(head.key),
                {rows.begin() + i, rows.begin() + i + head.count});
        i += head.count;
      }
    }
    return {};
  }
  status process_batch(uint16_t, const batch_ptr& b, collector&) override {
    auto rows = to_rows(*b);
    check(rows);
    current_.insert(current_.end(), rows.begin(), rows.end());
    if (outside_.slow_sinks && outside_.random.one_in(3)) {
      blocked_ = true;
      outside_.later(outside_.random.between(1'000, 40'000), [this, alive = alive()] {
        if (alive.expired()) return;
        blocked_ = false;
        context_.wake();
      });
    }
    return {};
  }
  bool blocked() const override { return blocked_; }
  status snapshot_begin(snapshot_writer& w) override {
    prepared_[w.number().value] = {nonce(), std::exchange(current_, {})};
    std::vector<row> flat;
    for (const auto& [number, p] : prepared_) {
      flat.push_back(
          {static_cast<int64_t>(number), p.nonce, 0, static_cast<int64_t>(p.rows.size())});
      flat.insert(flat.end(), p.rows.begin(), p.rows.end());
    }
    w.put("prepared", no_key_group, chunk_kind::blob, to_buffer(flat, w.memory()));
    return {};
  }
  status on_epoch_complete(epoch e) override {
    if (outside_.slow_commits) {
      ++committing_;
      outside_.later(outside_.random.between(100, 30'000), [this, e, alive = alive()] {
        if (alive.expired()) return;
        publish_up_to(e);
        --committing_;
        context_.wake();
      });
    } else {
      publish_up_to(e);
    }
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    auto it = prepared_.find(e.value);
    if (it == prepared_.end()) return {};
    current_.insert(current_.begin(), it->second.rows.begin(), it->second.rows.end());
    prepared_.erase(it);
    return {};
  }
  bool committed() const override { return committing_ == 0; }

 private:
  struct transaction {
    int64_t nonce = 0;
    std::vector<row> rows;
  };
  std::weak_ptr<bool> alive() const { return alive_; }
  int64_t nonce() { return outside_.random.between(0, INT32_MAX); }
  void publish_up_to(epoch e) {
    while (!prepared_.empty() && prepared_.begin()->first <= e.value) {
      auto& [number, p] = *prepared_.begin();
      publish("e" + std::to_string(number) + "." + std::to_string(context_.subtask) + "." +
                  std::to_string(p.nonce),
              std::move(p.rows));
      prepared_.erase(prepared_.begin());
    }
  }
  void publish(const std::string& name, std::vector<row> rows) {
    outside_.published[id_].emplace(name, std::move(rows));
  }

  std::string id_;
  std::vector<row> current_;
  std::map<uint64_t, transaction> prepared_;
  bool blocked_ = false;
  int committing_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>();  // what is delayed outlives tasks
};

}  // namespace

int64_t outside::split_of(int64_t number) const {
  int64_t index = 0;
  for (const auto& [id, content] : sources)
    for (const auto& s : content.splits) {
      if (!s.rows.empty() && s.rows.front().number <= number && number <= s.rows.back().number)
        return index;
      ++index;
    }
  return index;
}

std::unique_ptr<source_reader> make_sim_reader(outside& o, const std::string& id) {
  return std::make_unique<reader>(o, id);
}

std::unique_ptr<stream_operator> make_sim_operator(outside& o, part_kind kind) {
  switch (kind) {
    case part_kind::pass:
      return std::make_unique<pass>(o);
    case part_kind::count:
      return std::make_unique<count>(o);
    case part_kind::sort:
      return std::make_unique<sort>(o);
  }
  return nullptr;
}

std::unique_ptr<stream_operator> make_sim_sink(outside& o, const std::string& id) {
  return std::make_unique<sink>(o, id);
}

}  // namespace weir::sim
