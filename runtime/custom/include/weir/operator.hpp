// The SDK of custom operators: derive from weir::custom_operator, export the class, build it with
// weir_add_operator and name library and class in a job file. docs/custom-operators.md leads
// through it; <weir/harness.hpp> tests operators without an engine.
//
// An instance is used by one thread at a time and sees its rows in order. It must not sleep, block,
// read the wall clock or use unseeded randomness: a job that continues from a snapshot repeats what
// came after it, and has to arrive at the same result.
#pragma once

#include <atomic>
#include <deque>

#include <weir/batch.hpp>
#include <weir/emitter.hpp>
#include <weir/parameters.hpp>
#include <weir/state.hpp>

namespace weir {
inline namespace sdk1 {

enum class timer_kind : uint32_t { event_time = 0, processing_time = 1 };

struct timer {
  timer_kind kind = timer_kind::event_time;
  timestamp_us time = 0;  // that it was set for
};

/// A count that only grows. Reported with the operator's own; not part of snapshots.
class counter {
 public:
  explicit counter(int64_t* n = nullptr) : n_(n) {}
  void add(int64_t d = 1) { std::atomic_ref(*n_).fetch_add(d, std::memory_order_relaxed); }

 private:
  int64_t* n_;
};

/// A number as it stands.
class gauge {
 public:
  explicit gauge(int64_t* n = nullptr) : n_(n) {}
  void set(int64_t v) { std::atomic_ref(*n_).store(v, std::memory_order_relaxed); }

 private:
  int64_t* n_;
};

/// What an operator says about itself before it runs: given inputs and parameters, which columns
/// it emits. Asked by planner and linter, and again when the operator is opened.
class description {
 public:
  description(std::vector<schema> inputs, std::vector<uint32_t> key, parameters& p)
      : inputs_(std::move(inputs)), key_(std::move(key)), parameters_(p) {}

  const schema& input(uint32_t port = 0) const { return inputs_.at(port); }
  uint32_t input_count() const { return static_cast<uint32_t>(inputs_.size()); }
  /// The key columns of the (first) input; none when rows do not arrive by key.
  const std::vector<uint32_t>& key() const { return key_; }

  /// Declares and returns a parameter. Declare all of them or none: unknown ones are then refused
  /// when the job is checked, otherwise when it starts.
  template <class T>
  T parameter(std::string name, T otherwise, std::string help = "") {
    return parameters_.declare<T>(std::move(name), std::move(otherwise), std::move(help));
  }
  /// One that must be given.
  template <class T>
  T required_parameter(std::string name, std::string help = "") {
    return parameters_.declare<T>(std::move(name), std::nullopt, std::move(help));
  }

  /// The main output; without a call it has the columns of the (first) input.
  schema& output(schema s) { return output_.emplace(std::move(s)); }
  /// A side output, known by its name in the job file and in context::side_output.
  schema& side_output(std::string name, schema s) {
    for (const auto& o : sides_)
      if (o.name == name) throw error("side output '" + name + "' is declared twice");
    sides_.push_back({std::move(name), std::move(s)});
    return sides_.back().columns;
  }
  /// Refuses jobs that use the operator without `key`. State objects imply it.
  void needs_key() { needs_key_ = true; }

  struct named_output {
    std::string name;
    schema columns;
  };
  const std::optional<schema>& main_output() const { return output_; }
  const std::deque<named_output>& side_outputs() const { return sides_; }
  bool key_needed() const { return needs_key_; }

 private:
  std::vector<schema> inputs_;
  std::vector<uint32_t> key_;
  parameters& parameters_;
  std::optional<schema> output_;
  std::deque<named_output> sides_;  // references to its elements are given out
  bool needs_key_ = false;
};

/// An operator's way to the engine; valid as long as the operator.
class context {
 public:
  context(const abi::open_info& info, parameters p, std::vector<schema> inputs)
      : host_(info.functions),
        self_(info.self),
        name_(detail::view(info.name)),
        subtask_(info.subtask),
        parallelism_(info.parallelism),
        key_(info.key_columns, info.key_columns + info.key_count),
        parameters_(std::move(p)),
        inputs_(std::move(inputs)) {}

  const weir::sdk1::parameters& parameters() const { return parameters_; }
  template <class T>
  T parameter(std::string_view name) const {
    return parameters_.get<T>(name);
  }
  template <class T>
  T parameter(std::string_view name, T otherwise) const {
    return parameters_.get<T>(name, std::move(otherwise));
  }
  const std::string& name() const { return name_; }
  uint32_t subtask() const { return subtask_; }
  uint32_t parallelism() const { return parallelism_; }
  const schema& input(uint32_t port = 0) const { return inputs_.at(port); }
  emitter& output() { return outputs_.at(0); }
  emitter& side_output(std::string_view name) {
    std::vector<std::string> names;
    for (size_t i = 0; i < side_names_.size(); ++i) {
      if (side_names_[i] == name) return outputs_[i + 1];
      names.push_back(side_names_[i]);
    }
    throw error("no side output '" + std::string(name) + "'" + detail::suggestion(name, names));
  }

  sdk1::counter counter(std::string_view name) {
    return sdk1::counter(host_->metric(self_, abi::counter, detail::text_of(name)));
  }
  sdk1::gauge gauge(std::string_view name) {
    return sdk1::gauge(host_->metric(self_, abi::gauge, detail::text_of(name)));
  }

  /// The rows of a batch, each with its key as the current one.
  auto rows(const batch& in) {
    auto step = [h = host_, s = self_](row_index r) { h->select_row(s, r.value); };
    return row_range<decltype(step)>(&in.raw(), step);
  }
  /// A column of the current key, by its place among the key columns; nothing when it is null.
  template <class T>
  std::optional<T> key(uint32_t i = 0) const;
  /// The same whatever its type is: row_builder::set takes it.
  const abi::cell& key_cell(uint32_t i = 0) const;
  /// The key columns of the (first) input.
  const std::vector<uint32_t>& key_columns() const { return key_; }

  /// Timers of the current key; on_timer is called when the time is reached, in order of time. One
  /// at or before the current watermark fires as soon as the batch is done.
  void set_event_timer(timestamp_us t) { check(host_->set_timer(self_, abi::event_timer, t)); }
  void set_processing_timer(timestamp_us t) {
    check(host_->set_timer(self_, abi::processing_timer, t));
  }
  void delete_event_timer(timestamp_us t) {
    check(host_->delete_timer(self_, abi::event_timer, t));
  }
  void delete_processing_timer(timestamp_us t) {
    check(host_->delete_timer(self_, abi::processing_timer, t));
  }
  /// Event time reached on all inputs; watermark_none before the first.
  timestamp_us watermark() const { return host_->watermark(self_); }
  /// The only clock there is; results should depend on it through processing timers alone.
  timestamp_us processing_time() const { return host_->processing_time(self_); }

  // For the SDK itself.
  void check(int32_t rc) const {
    if (rc)
      throw error(detail::str(detail::view(host_->last_error(self_))), static_cast<abi::code>(rc));
  }
  void add_output(std::string name, schema s) {
    auto port = static_cast<uint32_t>(outputs_.size());
    if (port) side_names_.push_back(name);
    outputs_.emplace_back(port, std::move(name), std::move(s), host_, self_);
  }
  void flush() {
    for (auto& o : outputs_) o.flush();
  }
  const abi::host* host() const { return host_; }
  void* self() const { return self_; }

 private:
  const abi::host* host_;
  void* self_;
  std::string name_;
  uint32_t subtask_, parallelism_;
  std::vector<uint32_t> key_;
  weir::sdk1::parameters parameters_;
  std::vector<schema> inputs_;
  std::deque<emitter> outputs_;  // references to its elements are given out
  std::vector<std::string> side_names_;
};

/// For state that belongs to no key: bytes of this instance.
class snapshot_writer {
 public:
  explicit snapshot_writer(context& c) : c_(c) {}
  /// Once per snapshot.
  void write(std::string_view bytes) {
    c_.check(c_.host()->save(c_.self(), detail::text_of(bytes)));
  }

 private:
  context& c_;
};

/// What the instances wrote, all of them: the parallelism may have changed since.
struct saved_state {
  uint32_t subtask = 0;
  std::string_view bytes;
};
class snapshot_reader {
 public:
  snapshot_reader(std::vector<saved_state> all, uint32_t subtask, uint32_t parallelism)
      : all_(std::move(all)), subtask_(subtask), parallelism_(parallelism) {}
  const std::vector<saved_state>& all() const { return all_; }
  /// This instance's share: each saved state goes to exactly one of the instances now.
  std::vector<saved_state> mine() const {
    std::vector<saved_state> r;
    for (const auto& s : all_)
      if (s.subtask % parallelism_ == subtask_) r.push_back(s);
    return r;
  }

 private:
  std::vector<saved_state> all_;
  uint32_t subtask_, parallelism_;
};

class custom_operator {
 public:
  custom_operator() = default;
  custom_operator(const custom_operator&) = delete;
  custom_operator& operator=(const custom_operator&) = delete;
  virtual ~custom_operator() = default;

  /// Declares outputs and parameters. Called on instances that are never opened, too.
  virtual void describe(description&) {}
  /// Once, first: read parameters, bind columns, make counters.
  virtual void open(context&) {}
  /// The rows of one batch. Rows with weight -1 take back an earlier row: an operator that is fed
  /// by changes has to look at batch::weight.
  virtual void process_batch(context&, const batch& in, emitter& out) = 0;
  /// Event time reached `t`, after the timers up to it; watermark_end = no row will follow.
  virtual void on_watermark(context&, timestamp_us /*t*/, emitter& /*out*/) {}
  virtual void on_timer(context&, const timer&, emitter& /*out*/) {}
  /// State that belongs to no key (keyed state and timers take care of themselves).
  virtual void snapshot(context&, snapshot_writer&) {}
  virtual void restore(context&, const snapshot_reader&) {}
  virtual void close(context&) {}

  const std::vector<state_base*>& states() const { return states_; }

 private:
  friend class state_base;
  std::vector<state_base*> states_;
};

inline state_base::state_base(custom_operator& owner, std::string name, abi::state_kind kind, ttl t)
    : name_(std::move(name)), kind_(kind), ttl_(t) {
  owner.states_.push_back(this);
}

inline const abi::cell& context::key_cell(uint32_t i) const {
  uint32_t n = 0;
  const abi::cell* cells = host_->current_key(self_, &n);
  if (!cells) throw error("there is no current key: iterate the rows with context::rows");
  if (i >= n) throw error("the key has " + std::to_string(n) + " columns");
  return cells[i];
}

template <class T>
std::optional<T> context::key(uint32_t i) const {
  const abi::cell& c = key_cell(i);
  if (!detail::accepts<T>(static_cast<type_id>(c.type)))
    throw error("key column " + std::to_string(i) + ": use " +
                detail::cpp_name(static_cast<type_id>(c.type)));
  if (c.is_null) return {};
  return detail::cell_value<T>(c);
}

}  // namespace sdk1
}  // namespace weir

#include <weir/detail/export.hpp>

/// Makes a class known to Weir under a name; several per library, at namespace scope in a .cpp
/// file:
///   WEIR_EXPORT_OPERATOR(tokenizer, "tokenizer")
#define WEIR_EXPORT_OPERATOR(class_type, exported_name)                             \
  namespace {                                                                       \
  [[gnu::used]] const ::weir::sdk1::detail::exported<class_type> WEIR_EXPORT_CAT_(  \
      weir_exported_operator_, __COUNTER__){exported_name, &weir_operator_library}; \
  }
#define WEIR_EXPORT_CAT_(a, b) WEIR_EXPORT_CAT2_(a, b)
#define WEIR_EXPORT_CAT2_(a, b) a##b
