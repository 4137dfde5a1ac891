// What a library of custom operators calls: the host's functions of the binary interface for one
// operator instance, over keyed state, timers and the collector of the call that runs. Used by the
// instance's task alone, but for the metrics.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <weir/abi.hpp>

#include "runtime/custom/abi_view.hpp"
#include "runtime/custom/custom_operator.hpp"
#include "runtime/operators/operator.hpp"
#include "runtime/state/keyed_state.hpp"

namespace weir::custom {

class operator_host {
 public:
  /// `keys`: the key columns of every input, all empty when the operator is not keyed.
  operator_host(const operator_context&, std::vector<std::vector<uint32_t>> keys,
                std::vector<data_type> key_types, std::vector<schema_ptr> outputs);
  operator_host(const operator_host&) = delete;
  operator_host& operator=(const operator_host&) = delete;

  static const abi::host* functions() noexcept;
  bool keyed() const noexcept { return !key_types_.empty(); }

  /// While the instance's open runs; states are declared then.
  bool opening = false;
  /// Receives what is emitted; set for the time of a call.
  collector* out = nullptr;
  /// While snapshot runs: what save() got.
  std::string* saved = nullptr;
  timestamp_us watermark = watermark_none;
  timestamp_us processing_time = 0;

  /// The batch whose rows select_row means; `view` belongs to it.
  void begin_batch(const batch_ptr&, const abi::batch& view);
  void end_batch();
  /// The key is that of the timer that the store made current.
  void use_timer_key();
  void no_key();
  /// Moves the clock by which entries expire, and looks for some that are.
  void advance_ttl();

  keyed_store& store() noexcept { return store_; }
  std::vector<custom_metric> metrics() const;

 private:
  friend struct host_functions;
  struct state {
    std::string name;
    uint32_t kind = 0;
    value_state* value = nullptr;
    list_state* list = nullptr;
    map_state* map = nullptr;
  };
  struct metric {
    std::string name;
    bool gauge = false;
    int64_t value = 0;
  };
  enum class key_source : uint8_t { none, row, timer };

  int32_t fail(int32_t code, std::string message) {
    error_ = std::move(message);
    return code;
  }
  int32_t fail(const error&);
  /// Makes the current row's key the store's; an error code without a key.
  int32_t need_key();
  void set_key_of_row();
  uint32_t logical_row(uint32_t physical);
  const abi::cell* current_key(uint32_t& count);
  int32_t open_state(const abi::state_declaration&, uint32_t& id);

  const operator_context& context_;
  std::vector<std::vector<uint32_t>> keys_;
  std::vector<data_type> key_types_;
  std::vector<schema_ptr> outputs_;
  keyed_store store_;
  std::vector<state> states_;

  batch_ptr batch_;
  const abi::batch* view_ = nullptr;
  buffer_ref hashes_;  // per logical row of batch_, once they are needed
  key_source source_ = key_source::none;
  bool store_has_key_ = false;
  uint32_t row_ = 0, logical_ = 0;
  std::string key_bytes_;
  std::vector<abi::cell> cells_;

  uint32_t ttl_clock_ = 0;
  bool has_ttl_ = false;
  timestamp_us first_event_time_ = watermark_none;
  std::string error_, scratch_;
  mutable std::mutex metrics_mutex_;  // for the list; the numbers are atomic
  std::deque<metric> metrics_;
};

}  // namespace weir::custom
