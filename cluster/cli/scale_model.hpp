// A discrete-event simulation of a keyed exchange between all nodes of a large cluster, fed with
// costs that were measured on a small one: where does it saturate? Deterministic for a seed; no
// clock, threads or sockets.
//
// Every node reads rows, splits them over all nodes (itself included) and merges what it gets. Its
// processor is one server that is `cores` times as fast as a core: first it works on what has
// arrived, else it reads the next batch. Rows for a node gather until a batch is full or has
// lingered; then it is encoded, waits for the node's line, travels, waits for the receiver's line,
// and is decoded and merged. A batch needs credit of its channel, which comes back with a message
// of its own; without it the node reads nothing. Once in the time that is looked at, all nodes send
// a barrier to all others behind what they have gathered, and note when the last has come.
#pragma once

#include <cstdint>

namespace weir::cli {

struct scale_costs {
  double read_ns_per_row = 0;                      // of the source's side, exchange included
  double merge_ns_per_row = 0;                     // of the receiving side
  double send_ns = 0, send_ns_per_byte = 0;        // one message to another process
  double receive_ns = 0, receive_ns_per_byte = 0;  // encode, system calls, decode, wake-ups
  double bytes_per_row = 0;                        // on the wire
  double head_bytes = 0;                           // of a message, whatever is in it
  double local_ns = 350;  // a batch handed on inside a process (DESIGN.md, 11)
};

struct scale_setup {
  uint32_t nodes = 2;
  double cores = 2;
  double line_bytes_per_second = 1.25e9;  // 10 Gbit/s, each way; loopback: a large number
  double latency_us = 50;                 // one way
  uint32_t batch_rows = 8'192;            // when a batch is full, and what is read at once
  double linger_ms = 5;                   // the engine's for so many nodes: engine_linger_ms
  double window_bytes = 1 << 20;          // credit of a channel
  double seconds = 0.1;                   // that are simulated, behind a warm-up of as much
  uint64_t seed = 1;
};

struct scale_result {
  double rows_per_second = 0;      // that a node reads (mean)
  double messages_per_second = 0;  // that a node sends to others, credit included
  double rows_per_message = 0;
  double processor_share = 0;  // busy
  double message_share = 0;    // of the busy time: per-message costs alone
  double line_share = 0;       // of the busier direction of a node's line
  double blocked_share = 0;    // of the time: reads nothing for want of credit
  double alignment_ms = 0;  // from the barrier's start to the last one's arrival at the last node
  uint64_t events = 0;
};

/// How long tasks let rows gather at most (runtime/flow/linger.hpp).
double engine_linger_ms(uint32_t nodes);

scale_result simulate_scale(const scale_costs&, const scale_setup&);

}  // namespace weir::cli
