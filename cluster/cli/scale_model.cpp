#include "cluster/cli/scale_model.hpp"

#include <algorithm>
#include <queue>
#include <random>
#include <vector>

#include "runtime/flow/linger.hpp"
#include "runtime/flow/stream_task.hpp"

namespace weir::cli {
namespace {

struct message {
  uint32_t from = 0, to = 0;
  uint32_t rows = 0;
  enum class kind : uint8_t { rows, credit, barrier } what = kind::rows;
  float bytes = 0;
};

class world {
 public:
  world(const scale_costs& c, const scale_setup& s)
      : c_(c),
        s_(s),
        random_(s.seed),
        nodes_(s.nodes),
        gathered_(size_t{s.nodes} * s.nodes, 0),
        credit_(gathered_.size(), static_cast<float>(s.window_bytes)) {}

  scale_result run() {
    const double warm = s_.seconds * 1e9;
    const double end = 2 * warm;
    // Nodes begin at different moments, as they would have after a while.
    std::uniform_real_distribution<double> spread(0, 1e5);
    for (uint32_t n = 0; n < s_.nodes; ++n) at(spread(random_), event::work, n, {});
    double barrier_at = warm + 0.3 * warm;
    for (uint32_t n = 0; n < s_.nodes; ++n) at(barrier_at, event::barrier, n, {});
    bool counting = false;
    while (!events_.empty()) {
      const auto e = events_.top();
      events_.pop();
      now_ = e.when;
      if (!counting && now_ >= warm) {
        counting = true;
        for (auto& n : nodes_) n.count = {};
      }
      if (now_ >= end) break;
      ++processed_;
      handle(e);
    }
    scale_result r;
    double out = 0, in = 0, busy = 0, per_message = 0, blocked = 0;
    uint64_t rows = 0, sent = 0, sent_rows = 0, batches = 0;
    for (auto& n : nodes_) {
      if (n.blocked_since >= 0) n.count.blocked += now_ - std::max(n.blocked_since, warm);
      rows += n.count.read;
      sent += n.count.sent;
      batches += n.count.batches;
      sent_rows += n.count.sent_rows;
      out += n.count.line_out;
      in += n.count.line_in;
      busy += n.count.busy;
      per_message += n.count.per_message;
      blocked += n.count.blocked;
    }
    const double time = warm * s_.nodes;
    r.rows_per_second = static_cast<double>(rows) / time * 1e9;
    r.messages_per_second = static_cast<double>(sent) / time * 1e9;
    r.rows_per_message =
        batches == 0 ? 0 : static_cast<double>(sent_rows) / static_cast<double>(batches);
    r.processor_share = busy / time;
    r.message_share = busy == 0 ? 0 : per_message / busy;
    r.line_share = std::max(out, in) / time;
    r.blocked_share = blocked / time;
    r.alignment_ms = aligned_nodes_ == s_.nodes ? (aligned_at_ - barrier_at) * 1e-6 : -1;
    r.events = processed_;
    return r;
  }

 private:
  struct event {
    enum what : uint8_t { work, arrives, received, barrier };
    double when = 0;
    uint64_t number = 0;  // equal times: in the order of their making
    uint32_t node = 0;
    what kind = work;
    message m;
    bool operator<(const event& o) const {
      return when != o.when ? when > o.when : number > o.number;
    }
  };
  struct counts {
    uint64_t read = 0, sent = 0, batches = 0, sent_rows = 0;
    double busy = 0, per_message = 0, line_out = 0, line_in = 0, blocked = 0;
  };
  struct node {
    std::queue<message> inbox;
    bool busy = false;
    double line_out_free = 0, line_in_free = 0;
    double blocked_since = -1;
    uint32_t lacking = 0;  // targets whose full batch waits for credit
    bool barrier_due = false;
    uint32_t barriers = 0;
    double swept = 0;
    counts count;
  };

  size_t channel(uint32_t from, uint32_t to) const { return size_t{from} * s_.nodes + to; }
  void at(double when, event::what kind, uint32_t n, const message& m) {
    events_.push({when, ++number_, n, kind, m});
  }

  void handle(const event& e) {
    auto& n = nodes_[e.node];
    switch (e.kind) {
      case event::work:
        n.busy = false;
        next_work(e.node);
        break;
      case event::barrier:
        n.barrier_due = true;
        if (!n.busy) next_work(e.node);
        break;
      case event::arrives: {  // at the receiver's line
        const double took = e.m.bytes / s_.line_bytes_per_second * 1e9;
        n.line_in_free = std::max(n.line_in_free, now_) + took;
        n.count.line_in += took;
        at(n.line_in_free, event::received, e.node, e.m);
        break;
      }
      case event::received:
        n.inbox.push(e.m);
        if (!n.busy) next_work(e.node);
        break;
    }
  }

  /// The processor is free: what has arrived comes first, then the barrier, then the next batch.
  void next_work(uint32_t id) {
    auto& n = nodes_[id];
    cost_ = 0;
    if (!n.inbox.empty()) {
      const auto m = n.inbox.front();
      n.inbox.pop();
      take(id, m);
    } else if (n.barrier_due) {
      n.barrier_due = false;
      for (uint32_t to = 0; to < s_.nodes; ++to) {
        flush(id, to, true);
        if (to != id) send({id, to, 0, message::kind::barrier, static_cast<float>(c_.head_bytes)});
      }
      if (s_.nodes == 1) note_aligned();
    } else if (n.lacking == 0) {
      read(id);
    } else {
      if (n.blocked_since < 0) n.blocked_since = now_;
      return;  // until credit comes
    }
    n.busy = true;
    const double took = cost_ / s_.cores;
    n.count.busy += took;
    at(now_ + took, event::work, id, {});
  }

  void charge_message(uint32_t id, double ns) {
    cost_ += ns;
    nodes_[id].count.per_message += ns / s_.cores;
  }

  void read(uint32_t id) {
    auto& n = nodes_[id];
    if (n.blocked_since >= 0) {
      n.count.blocked += now_ - n.blocked_since;
      n.blocked_since = -1;
    }
    n.count.read += s_.batch_rows;
    cost_ += c_.read_ns_per_row * s_.batch_rows;
    // Evenly, the rest to a few that are drawn.
    const uint32_t each = s_.batch_rows / s_.nodes;
    const uint32_t rest = s_.batch_rows % s_.nodes;
    const auto first = static_cast<uint32_t>(random_() % s_.nodes);
    for (uint32_t i = 0; i < s_.nodes; ++i) {
      const uint32_t to = (first + i) % s_.nodes;
      const uint32_t rows = each + (i < rest ? 1 : 0);
      auto& g = gathered_[channel(id, to)];
      g += rows;
      if (g >= s_.batch_rows) flush(id, to, false);
    }
    // As the engine does: when something has lingered, all that is gathered goes.
    if (now_ - n.swept > s_.linger_ms * 1e6) {
      n.swept = now_;
      for (uint32_t to = 0; to < s_.nodes; ++to) flush(id, to, false);
    }
  }

  void flush(uint32_t id, uint32_t to, bool over_credit) {
    auto& g = gathered_[channel(id, to)];
    if (g == 0) return;
    auto& n = nodes_[id];
    if (to == id) {
      charge_message(id, c_.local_ns);
      cost_ += c_.merge_ns_per_row * g;
      g = 0;
      return;
    }
    auto& credit = credit_[channel(id, to)];
    const auto bytes = static_cast<float>(g * c_.bytes_per_row + c_.head_bytes);
    const bool was_lacking = credit < 0;
    if (was_lacking && !over_credit) return;
    credit -= bytes;
    if (!was_lacking && credit < 0) ++n.lacking;
    ++n.count.batches;
    n.count.sent_rows += g;
    send({id, to, g, message::kind::rows, bytes});
    g = 0;
  }

  void send(const message& m) {
    auto& n = nodes_[m.from];
    charge_message(m.from, c_.send_ns);
    cost_ += c_.send_ns_per_byte * m.bytes;
    ++n.count.sent;
    const double took = m.bytes / s_.line_bytes_per_second * 1e9;
    const double ready = now_ + cost_ / s_.cores;
    n.line_out_free = std::max(n.line_out_free, ready) + took;
    n.count.line_out += took;
    at(n.line_out_free + s_.latency_us * 1e3, event::arrives, m.to, m);
  }

  void take(uint32_t id, const message& m) {
    charge_message(id, c_.receive_ns);
    cost_ += c_.receive_ns_per_byte * m.bytes;
    if (m.what == message::kind::barrier) {
      if (++nodes_[id].barriers == s_.nodes - 1) note_aligned();
      return;
    }
    if (m.what == message::kind::credit) {
      auto& credit = credit_[channel(id, m.from)];
      const bool was_lacking = credit < 0;
      credit += static_cast<float>(m.rows);  // bytes, here
      if (was_lacking && credit >= 0) --nodes_[id].lacking;
      return;
    }
    cost_ += c_.merge_ns_per_row * m.rows;
    // Credit is given back when a quarter of the window has been taken.
    auto& taken = taken_[channel(m.from, id)];
    taken += m.bytes;
    if (taken * 4 < s_.window_bytes) return;
    send({id, m.from, static_cast<uint32_t>(taken), message::kind::credit,
          static_cast<float>(c_.head_bytes)});
    taken = 0;
  }

  void note_aligned() {
    ++aligned_nodes_;
    aligned_at_ = now_;
  }

  const scale_costs c_;
  const scale_setup s_;
  std::mt19937_64 random_;
  std::vector<node> nodes_;
  std::vector<uint32_t> gathered_;  // rows, by channel
  std::vector<float> credit_;
  std::vector<float> taken_ = std::vector<float>(gathered_.size(), 0);
  std::priority_queue<event> events_;
  double now_ = 0, cost_ = 0;
  uint64_t number_ = 0, processed_ = 0;
  uint32_t aligned_nodes_ = 0;
  double aligned_at_ = 0;
};

}  // namespace

double engine_linger_ms(uint32_t nodes) {
  return static_cast<double>(linger_us(stream_task_options{}.linger_us, nodes - 1)) * 1e-3;
}

scale_result simulate_scale(const scale_costs& c, const scale_setup& s) {
  return world(c, s).run();
}

}  // namespace weir::cli
