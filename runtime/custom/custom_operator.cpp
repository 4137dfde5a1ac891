#include "runtime/custom/custom_operator.hpp"

#include "runtime/custom/host.hpp"
#include "runtime/custom/library.hpp"

namespace weir {
namespace custom {

namespace {

// Timers that fire before the operator's output gets a chance to leave (stream_operator::drain).
constexpr size_t timers_per_turn = 4096;
// Name of the blob with what user code wrote in snapshot.
constexpr std::string_view saved_blob = "@saved";

/// Parameters and inputs in the form that a library reads.
struct open_arguments {
  std::vector<abi::parameter> parameters;
  std::deque<schema_view> schemas;
  std::vector<abi::schema> inputs;
  abi::open_info info{};

  open_arguments(const custom_spec& spec, const std::vector<schema_ptr>& in,
                 const std::string& name) {
    for (const auto& [n, v] : spec.parameters) parameters.push_back({text_of(n), text_of(v)});
    for (const auto& s : in) inputs.push_back(schemas.emplace_back(*s).get());
    info.functions = operator_host::functions();
    info.name = text_of(name);
    info.parallelism = 1;
    info.parameters = parameters.data();
    info.parameter_count = parameters.size();
    info.inputs = inputs.data();
    info.input_count = static_cast<uint32_t>(inputs.size());
    info.key_columns = spec.keys.data();
    info.key_count = static_cast<uint32_t>(spec.keys.size());
  }
  open_arguments(const open_arguments&) = delete;
  open_arguments& operator=(const open_arguments&) = delete;
};

std::string place(const custom_spec& spec) {
  return spec.class_name + " of " + spec.library;
}

/// The key columns of every input: the spec's of the first, those of the same names and types of
/// the others.
result<std::vector<std::vector<uint32_t>>> keys_of_inputs(const custom_spec& spec,
                                                          const std::vector<schema_ptr>& inputs) {
  std::vector<std::vector<uint32_t>> r(inputs.size());
  for (uint32_t k : spec.keys) {
    if (inputs.empty() || k >= inputs[0]->size())
      return error(errc::invalid_argument,
                   place(spec) + ": the input has no key column " + std::to_string(k));
    const field& wanted = inputs[0]->fields[k];
    if (wanted.type.id > type_id::json)
      return error(errc::unsupported,
                   place(spec) + ": key column \"" + wanted.name + "\" has a nested type");
    for (size_t i = 0; i < inputs.size(); ++i) {
      auto at = i ? inputs[i]->find(wanted.name) : k;
      if (!at || !(inputs[i]->fields[*at].type == wanted.type))
        return error(errc::invalid_argument, place(spec) + ": input " + std::to_string(i + 1) +
                                                 " has no key column \"" + wanted.name +
                                                 "\" of type " + to_string(wanted.type));
      r[i].push_back(*at);
    }
  }
  return r;
}

class adapter final : public stream_operator {
 public:
  adapter(std::shared_ptr<const library> lib, const abi::operator_class* type, custom_spec spec,
          std::vector<schema_ptr> inputs, std::vector<std::vector<uint32_t>> keys,
          std::vector<schema_ptr> outputs)
      : library_(std::move(lib)),
        class_(type),
        spec_(std::move(spec)),
        inputs_(std::move(inputs)),
        keys_(std::move(keys)),
        outputs_(std::move(outputs)) {}
  ~adapter() override {
    if (instance_) class_->destroy(instance_);
  }

  status open(const operator_context& c) override {
    context_ = c;
    where_ = "operator \"" + context_.name + "\" (" + place(spec_) + ")";
    std::vector<data_type> key_types;
    for (uint32_t k : spec_.keys) key_types.push_back(inputs_[0]->fields[k].type);
    host_ = std::make_unique<operator_host>(context_, keys_, std::move(key_types), outputs_);
    view_ = std::make_unique<batch_view>(context_.memory);
    open_arguments a(spec_, inputs_, context_.name);
    a.info.self = host_.get();
    a.info.subtask = context_.subtask;
    a.info.parallelism = context_.parallelism;
    read_clock();
    host_->opening = true;
    abi::failure failed;
    int32_t rc = class_->open(&a.info, &instance_, &failed);
    host_->opening = false;
    return check(rc, failed);
  }

  status restore(const snapshot_reader& from) override {
    if (host_->keyed()) {
      if (auto s = host_->store().restore(from, context_.groups); !s) return s.err().at(where_);
    }
    auto blobs = from.blobs(saved_blob);
    std::vector<abi::saved_bytes> saved;
    for (const auto& [subtask, bytes] : blobs)
      if (bytes.size()) saved.push_back({subtask, 0, {bytes.as<char>(), bytes.size()}});
    ever_saved_ = !saved.empty();
    abi::failure failed;
    WEIR_TRY(check(class_->restore(instance_, saved.data(), saved.size(), &failed), failed));
    arm_processing_timer();
    return {};
  }

  status process_batch(uint16_t port, const batch_ptr& b, collector& out) override {
    if (port >= inputs_.size())
      return error(errc::internal, where_ + ": it has no input " + std::to_string(port));
    if (b->columns.size() != inputs_[port]->size())
      return error(errc::internal, where_ + ": a batch has other columns than planned");
    read_clock();
    const abi::batch& view = view_->set(b, port);
    host_->out = &out;
    host_->begin_batch(b, view);
    abi::failure failed;
    int32_t rc = class_->process(instance_, &view, &failed);
    host_->end_batch();
    auto done = check(rc, failed);
    view_->reset();
    return finish(std::move(done), out);
  }

  status on_watermark(timestamp_us t, collector& out) override {
    read_clock();
    host_->watermark = std::max(host_->watermark, t);
    host_->advance_ttl();
    watermark_pending_ = true;
    return finish({}, out);
  }

  status on_processing_time(timestamp_us t, collector& out) override {
    host_->processing_time = std::max(host_->processing_time, t);
    host_->advance_ttl();
    armed_.reset();
    return finish({}, out);
  }

  /// Fires the timers that are due, a turn at a time, and tells the operator about a watermark when
  /// all timers before it have fired.
  result<bool> drain(collector& out) override {
    if (!work_left_) return false;
    WEIR_TRY(finish({}, out));
    return work_left_;
  }

  status snapshot_begin(snapshot_writer& to) override {
    std::string saved;
    host_->saved = &saved;
    abi::failure failed;
    int32_t rc = class_->snapshot(instance_, &failed);
    host_->saved = nullptr;
    WEIR_TRY(check(rc, failed));
    // An empty blob replaces what an earlier epoch has.
    if (!saved.empty() || ever_saved_)
      to.put(saved_blob, no_key_group, chunk_kind::blob,
             buffer::copy(to.memory(), std::as_bytes(std::span(saved))));
    ever_saved_ = ever_saved_ || !saved.empty();
    if (host_->keyed()) WEIR_TRY(host_->store().snapshot_begin(to));
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& to, size_t budget) override {
    if (!host_->keyed()) return true;
    WEIR_ASSIGN(bool done, host_->store().snapshot_continue(to, budget));
    // A slice need not fill a chunk, and then nothing tells the task that there is more to do.
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    if (host_->keyed()) host_->store().on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    if (host_->keyed()) host_->store().on_epoch_aborted(e);
    return {};
  }

  status close() override {
    if (!instance_) return {};
    abi::failure failed;
    return check(class_->close(instance_, &failed), failed);
  }
  size_t state_bytes() const override { return host_ ? host_->store().state_bytes() : 0; }

  std::vector<custom_metric> metrics() const {
    return host_ ? host_->metrics() : std::vector<custom_metric>();
  }

 private:
  status check(int32_t rc, const abi::failure& failed) const {
    if (rc == abi::ok) return {};
    return to_error(rc, failed, where_);
  }
  void read_clock() {
    if (context_.time)
      host_->processing_time = std::max(host_->processing_time, context_.time->now());
  }

  /// After every call: due timers, a pending watermark, and what is still in the row builders.
  status finish(status called, collector& out) {
    host_->out = &out;
    if (called) called = fire_and_flush();
    host_->out = nullptr;
    host_->no_key();
    if (called) arm_processing_timer();
    return called;
  }
  status fire_and_flush() {
    abi::failure failed;
    work_left_ = false;
    if (host_->keyed()) {
      WEIR_TRY(fire(timer_kind::event_time, host_->watermark));
      WEIR_TRY(fire(timer_kind::processing_time, host_->processing_time));
    }
    if (watermark_pending_ && !work_left_) {
      watermark_pending_ = false;
      host_->no_key();
      WEIR_TRY(check(class_->watermark(instance_, host_->watermark, &failed), failed));
    }
    return check(class_->flush(instance_, &failed), failed);
  }
  status fire(timer_kind kind, timestamp_us up_to) {
    auto& timers = host_->store().timers();
    auto next = timers.next(kind);
    if (!next || *next > up_to) return {};
    auto fired = timers.fire(kind, up_to, timers_per_turn, [this, kind](timestamp_us at) {
      host_->use_timer_key();
      abi::failure failed;
      auto number = kind == timer_kind::event_time ? abi::event_timer : abi::processing_timer;
      return check(class_->timer(instance_, number, at, &failed), failed);
    });
    if (!fired) return fired.err();
    next = timers.next(kind);
    work_left_ = work_left_ || (next && *next <= up_to);
    return {};
  }
  void arm_processing_timer() {
    if (!host_->keyed() || !context_.set_processing_timer) return;
    auto next = host_->store().timers().next(timer_kind::processing_time);
    if (next && next != armed_) context_.set_processing_timer(*next);
    armed_ = next;
  }

  std::shared_ptr<const library> library_;  // outlives the instance
  const abi::operator_class* class_;
  custom_spec spec_;
  std::vector<schema_ptr> inputs_;
  std::vector<std::vector<uint32_t>> keys_;
  std::vector<schema_ptr> outputs_;
  operator_context context_;
  std::string where_;
  std::unique_ptr<operator_host> host_;
  std::unique_ptr<batch_view> view_;
  void* instance_ = nullptr;
  bool watermark_pending_ = false, work_left_ = false, ever_saved_ = false;
  std::optional<timestamp_us> armed_;  // the earliest processing timer that the task knows of
};

/// Collects what describe tells.
struct description_builder {
  custom_description d;
  status failed;

  abi::description_sink sink() {
    abi::description_sink s{};
    s.self = this;
    s.output = [](void* p, uint32_t port, abi::text name, const abi::schema* columns) {
      auto& b = *static_cast<description_builder*>(p);
      auto made = schema_from(*columns);
      if (!made) {
        if (b.failed) b.failed = std::move(made).err();
      } else if (!port) {
        b.d.output = *made;
      } else {
        b.d.side_outputs.push_back({std::string(view(name)), *made});
      }
    };
    s.parameter = [](void* p, abi::text name, abi::text otherwise, abi::text help,
                     uint32_t required) {
      static_cast<description_builder*>(p)->d.parameters.push_back(
          {std::string(view(name)), std::string(view(otherwise)), std::string(view(help)),
           required != 0});
    };
    s.state = [](void* p, abi::text name, uint32_t) {
      static_cast<description_builder*>(p)->d.states.emplace_back(view(name));
    };
    s.needs_key = [](void* p) { static_cast<description_builder*>(p)->d.needs_key = true; };
    return s;
  }
};

result<custom_description> describe(const abi::operator_class* type, const custom_spec& spec,
                                    const std::vector<schema_ptr>& inputs) {
  if (inputs.empty()) return error(errc::invalid_argument, place(spec) + ": it has no input");
  for (const auto& in : inputs)
    for (const auto& f : in->fields)
      if (f.type.id > type_id::json)
        return error(errc::unsupported,
                     place(spec) + ": column \"" + f.name + "\" is " + to_string(f.type) +
                         "; custom operators take no arrays and structs: cast it "
                         "to text, or leave it out");
  open_arguments a(spec, inputs, spec.class_name);
  description_builder b;
  auto sink = b.sink();
  abi::failure failed;
  if (int32_t rc = type->describe(&a.info, &sink, &failed))
    return to_error(rc, failed, "operator " + place(spec));
  if (!b.failed) return std::move(b.failed).err().at("operator " + place(spec));
  if (!b.d.output) return error(errc::user_code, place(spec) + ": it describes no output");
  if (b.d.needs_key && spec.keys.empty())
    return error(errc::invalid_argument,
                 "operator " + place(spec) + ": it needs a key: give the step `key: [columns]`");
  WEIR_ASSIGN(auto keys, keys_of_inputs(spec, inputs));
  (void)keys;
  return std::move(b.d);
}

}  // namespace
}  // namespace custom

result<custom_description> describe_custom_operator(const custom_spec& spec,
                                                    const std::vector<schema_ptr>& inputs) {
  WEIR_ASSIGN(auto lib, custom::library::load(spec.library));
  WEIR_ASSIGN(auto type, lib->find(spec.class_name));
  return custom::describe(type, spec, inputs);
}

result<std::unique_ptr<stream_operator>> make_custom_operator(const custom_spec& spec,
                                                              const std::vector<schema_ptr>& inputs,
                                                              const operator_node& node) {
  if (!spec.content.empty() && spec.local.empty())
    return error(errc::internal, custom::place(spec) + ": its library was not fetched");
  WEIR_ASSIGN(auto lib,
              custom::library::load(spec.local.empty() ? spec.library : spec.local, spec.library));
  WEIR_ASSIGN(auto type, lib->find(spec.class_name));
  WEIR_ASSIGN(auto described, custom::describe(type, spec, inputs));
  WEIR_ASSIGN(auto keys, custom::keys_of_inputs(spec, inputs));
  std::vector<schema_ptr> outputs{node.output ? node.output : described.output};
  bool same = outputs[0]->fields == described.output->fields &&
              spec.side_outputs.size() == described.side_outputs.size();
  for (size_t i = 0; same && i < spec.side_outputs.size(); ++i)
    same = spec.side_outputs[i]->fields == described.side_outputs[i].columns->fields;
  if (!same)
    return error(errc::version_mismatch,
                 "operator " + custom::place(spec) +
                     ": its outputs have other columns than the plan was made with; plan the job "
                     "again with this library");
  outputs.insert(outputs.end(), spec.side_outputs.begin(), spec.side_outputs.end());
  return std::unique_ptr<stream_operator>(std::make_unique<custom::adapter>(
      std::move(lib), type, spec, inputs, std::move(keys), std::move(outputs)));
}

std::vector<custom_metric> custom_metrics(const stream_operator& op) {
  const auto* a = dynamic_cast<const custom::adapter*>(&op);
  return a ? a->metrics() : std::vector<custom_metric>();
}

}  // namespace weir
