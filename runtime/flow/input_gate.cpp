#include "runtime/flow/input_gate.hpp"

#include <algorithm>

namespace weir {

input_gate::input_gate(std::vector<input_channel_spec> specs, options o, grant_fn grant)
    : options_(o), grant_(std::move(grant)) {
  uint32_t last = 0;
  if (!specs.empty()) first_id_ = specs.front().id.value;
  for (const auto& s : specs) {
    first_id_ = std::min(first_id_, s.id.value);
    last = std::max(last, s.id.value);
  }
  if (!specs.empty()) index_.assign(last - first_id_ + 1, UINT32_MAX);
  for (auto& s : specs) {
    index_[s.id.value - first_id_] = static_cast<uint32_t>(channels_.size());
    channels_.push_back({});
    channels_.back().spec = s;
  }
}

input_gate::channel& input_gate::find(channel_id id) {
  uint32_t i = id.value - first_id_;
  weir_assert(i < index_.size() && index_[i] != UINT32_MAX,
              "message for a channel of another task");
  return channels_[index_[i]];
}

void input_gate::record(const channel& c, const channel_message& m) {
  if (m.kind == message_kind::data) recorded_.push_back({c.spec.edge, m.rows, c.spec.from_subtask});
}

void input_gate::enqueue(channel_message m) {
  channel& c = find(m.channel);
  weir_assert(m.sequence == c.next_sequence, "a channel lost, repeated or reordered a message");
  ++c.next_sequence;
  if (m.kind == message_kind::barrier) {
    epoch e{static_cast<uint64_t>(m.value)};
    if (c.recording && e >= recording_) {
      // Its data up to here is part of the snapshot; the barrier itself has done its work.
      c.recording = false;
      --recording_left_;
      if (e == recording_) return;
    }
    if (e <= last_barrier_) return;  // overtaken or given up
    seen_ = std::max(seen_, e);
    seen_completed_ = std::max(seen_completed_, m.completed);
    // A newer barrier means that older epochs were given up, so they overtake nothing any more.
    if (overtake_request_ && e > *overtake_request_) overtake_request_.reset();
    if (m.unaligned && e == seen_) overtake_request_ = e;
  } else if (c.recording) {
    record(c, m);
  }
  if (m.kind == message_kind::data) ++queued_;
  c.queue.push_back(std::move(m));
}

void input_gate::consume(channel& c, const channel_message& m) {
  --queued_;
  if (std::exchange(c.given_back, false)) return;  // its batch has been counted
  c.consumed.bytes += m.bytes;
  c.consumed.batches += 1;
  // Grants are gathered: one message back per quarter window, or when the sender may be waiting.
  bool much = c.consumed.batches * 4 >= options_.window.batches ||
              c.consumed.bytes * 4 >= options_.window.bytes;
  if (!much) return;
  grant_(c.spec.id, c.consumed);
  c.consumed = {};
}

void input_gate::settle(channel& c) {
  // A sender whose next batch needs the whole window waits for the last byte of it.
  if (!c.queue.empty() || c.consumed.batches == 0) return;
  grant_(c.spec.id, c.consumed);
  c.consumed = {};
}

input_gate::item input_gate::merge_watermark() {
  timestamp_us low = watermark_end;
  bool active = false, idle = false;
  for (const auto& c : channels_) {
    if (c.watermark == watermark_end) continue;
    idle |= c.idle;
    if (c.idle) continue;
    active = true;
    low = std::min(low, c.watermark);
  }
  item out;
  if (!active && idle) {
    // The channels that have not ended are all idle: so is this task, for those behind it.
    if (!all_idle_) out.kind = item_kind::idle;
    all_idle_ = true;
    return out;
  }
  all_idle_ = false;
  if (low > merged_) {
    merged_ = low;
    out.kind = item_kind::watermark;
    out.watermark = low;
  }
  return out;
}

void input_gate::release_all() {
  for (auto& c : channels_) c.held = false;
  aligning_ = {};
  arrived_ = 0;
}

input_gate::item input_gate::take_barrier(channel& c, const channel_message& m) {
  item out;
  epoch e{static_cast<uint64_t>(m.value)};
  if (e <= last_barrier_ || e < aligning_) return out;  // of an epoch that was given up
  if (e > aligning_) {
    release_all();  // a newer epoch replaces one that never completed
    aligning_ = e;
  }
  weir_assert(!c.held, "two barriers of one epoch on one channel");
  c.held = true;
  if (++arrived_ < channels_.size()) return out;
  release_all();
  last_barrier_ = e;
  if (overtake_request_ && *overtake_request_ <= e) overtake_request_.reset();
  out.kind = item_kind::barrier;
  out.number = e;
  out.completed = m.completed;
  return out;
}

bool input_gate::ends_input(const channel& c) const {
  bool several = false;
  for (const auto& other : channels_) {
    several |= other.spec.port != c.spec.port;
    if (other.spec.port == c.spec.port && other.watermark != watermark_end) return false;
  }
  return several;
}

input_gate::item input_gate::next() {
  if (std::exchange(merge_due_, false))
    if (auto out = merge_watermark(); out.kind != item_kind::none) return out;
  for (size_t tried = 0; tried < channels_.size();) {
    channel& c = channels_[cursor_];
    if (c.queue.empty() || waits(c)) {
      cursor_ = cursor_ + 1 == channels_.size() ? 0 : cursor_ + 1;
      ++tried;
      continue;
    }
    channel_message m = std::move(c.queue.front());
    c.queue.pop_front();
    item out;
    switch (m.kind) {
      case message_kind::data:
        consume(c, m);
        settle(c);
        c.idle = false;
        all_idle_ = false;
        out.kind = item_kind::data;
        out.port = c.spec.port;
        out.channel = static_cast<uint32_t>(cursor_);
        out.rows = std::move(m.rows);
        // One batch of each channel in turn: a fast sender does not starve the others.
        cursor_ = cursor_ + 1 == channels_.size() ? 0 : cursor_ + 1;
        return out;
      case message_kind::watermark:
        c.idle = false;
        if (c.watermark != watermark_end && m.value == watermark_end) {
          c.watermark = watermark_end;
          if (ends_input(c)) {
            merge_due_ = true;
            out.kind = item_kind::input_end;
            out.port = c.spec.port;
            break;
          }
        }
        c.watermark = std::max(c.watermark, m.value);
        out = merge_watermark();
        break;
      case message_kind::idle:
        c.idle = true;
        out = merge_watermark();
        break;
      case message_kind::barrier:
        out = take_barrier(c, m);
        break;
      case message_kind::restored:
        weir_assert(restored_left_ != 0 && !c.restored, "a channel is restored once");
        c.restored = true;
        --restored_left_;
        break;
    }
    settle(c);
    if (out.kind != item_kind::none) return out;
    tried = 0;
  }
  return {};
}

void input_gate::give_back(const item& taken, batch_ptr rest) {
  auto& c = channels_[taken.channel];
  channel_message m;
  m.channel = c.spec.id;
  m.rows = std::move(rest);
  c.queue.push_front(std::move(m));
  c.given_back = true;
  ++queued_;
}

bool input_gate::ready() const {
  return merge_due_ || std::any_of(channels_.begin(), channels_.end(), [this](const channel& c) {
           return !c.queue.empty() && !waits(c);
         });
}

void input_gate::overtake(epoch e) {
  weir_assert(e > last_barrier_, "an epoch is overtaken once");
  weir_assert(recording_ == epoch{}, "one epoch is recorded at a time");
  weir_assert(restored_left_ == 0, "rows in flight of two epochs cannot be told apart");
  recording_ = e;
  recording_left_ = 0;
  for (auto& c : channels_) {
    if (c.held && aligning_ == e) continue;  // everything up to its barrier was processed
    bool found = false;
    for (auto it = c.queue.begin(); it != c.queue.end();) {
      if (it->kind == message_kind::barrier && static_cast<uint64_t>(it->value) <= e.value) {
        found = static_cast<uint64_t>(it->value) == e.value;
        it = c.queue.erase(it);
        if (found) break;
        continue;
      }
      record(c, *it);
      ++it;
    }
    settle(c);
    if (!found) {
      c.recording = true;
      ++recording_left_;
    }
  }
  release_all();
  last_barrier_ = e;
  if (overtake_request_ && *overtake_request_ <= e) overtake_request_.reset();
}

std::vector<in_flight> input_gate::take_recorded() {
  weir_assert(recording_complete(), "the recording has to be complete");
  recording_ = {};
  return std::exchange(recorded_, {});
}

void input_gate::abort(epoch e) {
  if (recording_ != epoch{} && recording_ <= e) {
    for (auto& c : channels_) c.recording = false;
    recording_ = {};
    recording_left_ = 0;
    recorded_.clear();
  }
  if (aligning_ != epoch{} && aligning_ <= e) release_all();
  last_barrier_ = std::max(last_barrier_, e);
  if (overtake_request_ && *overtake_request_ <= e) overtake_request_.reset();
}

bool input_gate::ended() const {
  return merged_ == watermark_end && !merge_due_ &&
         std::all_of(channels_.begin(), channels_.end(),
                     [](const channel& c) { return c.watermark == watermark_end; }) &&
         queued_ == 0;
}

std::optional<channel_id> input_gate::slowest() const {
  const channel* low = nullptr;
  for (const auto& c : channels_)
    if (!c.idle && (!low || c.watermark < low->watermark)) low = &c;
  return low ? std::optional(low->spec.id) : std::nullopt;
}

}  // namespace weir
