// A deterministic test harness for custom operators, with any test framework (its values print in
// doctest). It needs no engine: it loads the library or takes a class, routes rows by key to as
// many instances as asked for, moves time when told to, and gives back what was emitted.
//
//   weir::harness h(MY_LIBRARY, "tokenizer", {.input = "line text"});
//   h.push({{"line", "to be or not"}});
//   CHECK(h.take() == weir::rows{{"to"}, {"be"}, {"or"}, {"not"}});
//
// Failures of the operator are thrown as weir::error; weir::error_of catches one. Batches come in
// two forms in turn, plain and with rows that a filter took away and dictionary texts, as the
// engine makes them; their memory is freed after the call.
#pragma once

#include <dlfcn.h>

#include <weir/harness_host.hpp>

namespace weir {
inline namespace sdk1 {

struct harness_options {
  schema input = {};
  std::map<std::string, std::string> parameters = {};
  std::vector<std::string> key = {};     // columns of the input; none = not keyed
  uint32_t parallelism = 1;              // instances
  std::string event_time = {};           // column of the input
  uint32_t batch_rows = 8192;            // push_rows makes batches of at most so many rows
  std::vector<schema> more_inputs = {};  // ports 1...
};

/// State, timers and saved bytes of all instances; restores any number of times.
struct harness_snapshot {
  std::map<std::string, detail::key_snapshot> keys;
  std::vector<std::string> saved;  // by subtask
  timestamp_us watermark = watermark_none, event_now = watermark_none, processing_time = 0;
};

class harness {
 public:
  /// An exported class of a library that weir_add_operator built.
  harness(const std::string& library, const std::string& class_name, harness_options options)
      : name_(class_name), options_(std::move(options)) {
    library_.reset(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (!library_) throw error(std::string("cannot load the library: ") + dlerror());
    auto* entry =
        reinterpret_cast<const abi::library* (*)()>(dlsym(library_.get(), abi::entry_point));
    if (!entry) throw error(library + " exports no operators: use WEIR_EXPORT_OPERATOR");
    find_class(*entry());
    start();
  }
  /// An exported class whose source is part of the test.
  harness(const std::string& class_name, harness_options options)
      : name_(class_name), options_(std::move(options)) {
    find_class(*weir_operator_library());
    start();
  }
  /// A class that need not be exported: `auto h = weir::harness::of<my_operator>({...})`.
  template <class Op>
  static harness of(harness_options options) {
    static const abi::operator_class c = detail::class_of<Op>("operator");
    return harness(&c, std::move(options));
  }
  harness(harness&&) = default;
  ~harness() = default;

  /// One row by column names, as a batch of its own.
  void push(const named_row& r, int32_t weight = 1, uint32_t port = 0) {
    const schema& s = input(port);
    row x;
    x.cells.resize(s.size());
    for (const auto& [column, v] : r) x.cells[s.index(column)] = v;
    push_rows(rows{x * weight}, port);
  }
  /// Rows with a value for every column, in batches of batch_rows.
  void push_rows(const rows& all, uint32_t port = 0) {
    for (size_t begin = 0; begin < all.size(); begin += options_.batch_rows) {
      rows part;
      for (size_t i = begin; i < std::min(all.size(), begin + options_.batch_rows); ++i)
        part.push_back(all[i]);
      push_batch(part, port);
    }
  }
  /// Event time reaches `t` on all inputs: timers fire, then on_watermark is called.
  void watermark(time_point t) {
    for (auto& i : instances_) {
      if (t.us < i->host.watermark) throw error("the watermark never goes back");
      i->host.watermark = t.us;
      i->host.event_now = std::max(i->host.event_now, t.us);
      fire(*i, abi::event_timer, t.us);
      i->host.set_key(nullptr);
      call(*i, [&](abi::failure* f) { return class_->watermark(i->object, t.us, f); });
      flush(*i);
    }
  }
  /// The input ends: all event timers fire, instances see watermark_end.
  void finish() { watermark(watermark_end); }
  /// The clock shows `t`: processing timers fire.
  void processing_time(time_point t) {
    for (auto& i : instances_) {
      i->host.processing_time = t.us;
      fire(*i, abi::processing_timer, t.us);
      flush(*i);
    }
  }
  void close() {
    for (auto& i : instances_)
      call(*i, [&](abi::failure* f) { return class_->close(i->object, f); });
  }

  harness_snapshot snapshot() {
    harness_snapshot s;
    for (auto& i : instances_) {
      flush(*i);
      i->host.saved.clear();
      i->host.saving = true;
      call(*i, [&](abi::failure* f) { return class_->snapshot(i->object, f); });
      i->host.saving = false;
      s.keys.insert(i->host.keys.begin(), i->host.keys.end());
      s.saved.push_back(i->host.saved);
      s.watermark = i->host.watermark;
      s.event_now = i->host.event_now;
      s.processing_time = i->host.processing_time;
    }
    return s;
  }
  /// New instances that continue from a snapshot, at its parallelism or another one. What was
  /// emitted and not taken stays; counters begin at 0.
  void restore(const harness_snapshot& s, uint32_t parallelism = 0) {
    if (parallelism) options_.parallelism = parallelism;
    start();
    std::vector<abi::saved_bytes> saved;
    for (uint32_t i = 0; i < s.saved.size(); ++i)
      if (!s.saved[i].empty()) saved.push_back({i, 0, detail::text_of(s.saved[i])});
    for (const auto& [bytes, k] : s.keys) {
      // Pairs of state and key that were cleared leave no trace.
      auto kept = k;
      std::erase_if(kept.states, [](const auto& x) { return x.second.empty(); });
      if (!kept.states.empty() || !kept.timers[0].empty() || !kept.timers[1].empty())
        instances_[instance_of(*k.key)]->host.keys.emplace(bytes, std::move(kept));
    }
    for (auto& i : instances_) {
      i->host.watermark = s.watermark;
      i->host.event_now = s.event_now;
      i->host.processing_time = s.processing_time;
      call(*i, [&](abi::failure* f) {
        return class_->restore(i->object, saved.data(), saved.size(), f);
      });
    }
  }

  /// Rows of the main output since the last call.
  rows take() { return take_port(0); }
  rows take_side(const std::string& name) {
    for (uint32_t p = 1; p < outputs_.size(); ++p)
      if (outputs_[p].first == name) return take_port(p);
    std::vector<std::string> names;
    for (uint32_t p = 1; p < outputs_.size(); ++p) names.push_back(outputs_[p].first);
    throw error("no side output '" + name + "'" + detail::suggestion(name, names));
  }
  const schema& output_schema(uint32_t port = 0) const { return outputs_.at(port).second; }
  /// A counter or gauge, summed over the instances; 0 when there is none.
  int64_t metric(const std::string& name) const {
    int64_t n = 0;
    for (const auto& i : instances_)
      if (auto m = i->host.metrics.find(name); m != i->host.metrics.end()) n += m->second;
    return n;
  }
  /// Keys that hold state or timers, over all instances.
  size_t key_count() const {
    size_t n = 0;
    for (const auto& i : instances_)
      for (const auto& [bytes, k] : i->host.keys) {
        bool any = !k.timers[0].empty() || !k.timers[1].empty();
        for (const auto& [state, entries] : k.states) any = any || !entries.empty();
        n += any;
      }
    return n;
  }

 private:
  struct closer {
    void operator()(void* library) const { dlclose(library); }
  };
  struct instance {
    detail::test_host host;
    void* object = nullptr;
    const abi::operator_class* type;
    instance(std::vector<std::vector<uint32_t>> keys, uint32_t subtask,
             const abi::operator_class* t)
        : host(std::move(keys), subtask), type(t) {}
    ~instance() {
      if (object) type->destroy(object);
    }
  };

  harness(const abi::operator_class* c, harness_options options)
      : name_("operator"), options_(std::move(options)), class_(c) {
    start();
  }

  void find_class(const abi::library& l) {
    if (l.magic != abi::magic || l.abi_version != abi::version)
      throw error("the library was built for another version of the SDK: rebuild it");
    std::vector<std::string> names;
    for (uint64_t i = 0; i < l.class_count; ++i) {
      names.push_back(detail::str(detail::view(l.classes[i]->name)));
      if (names.back() == name_) class_ = l.classes[i];
    }
    if (!class_) throw error("no operator '" + name_ + "'" + detail::suggestion(name_, names));
  }
  const schema& input(uint32_t port) const {
    return port ? options_.more_inputs.at(port - 1) : options_.input;
  }
  std::vector<uint32_t> key_columns(uint32_t port) const {
    std::vector<uint32_t> r;
    for (const auto& k : options_.key) r.push_back(input(port).index(k));
    return r;
  }

  void start() {
    if (!options_.event_time.empty()) options_.input.event_time(options_.event_time);
    std::vector<rows> untaken;
    for (uint32_t p = 0; p < outputs_.size(); ++p) untaken.push_back(take_port(p));
    instances_.clear();
    std::vector<std::vector<uint32_t>> keys;
    for (uint32_t p = 0; p <= options_.more_inputs.size(); ++p) keys.push_back(key_columns(p));
    with_info(0, nullptr, [&](const abi::open_info& info) { describe(info); });
    for (uint32_t n = 0; n < options_.parallelism; ++n) {
      auto i = std::make_unique<instance>(keys, n, class_);
      i->host.outputs.resize(outputs_.size());
      i->host.opening = true;
      with_info(n, &i->host, [&](const abi::open_info& info) {
        call(*i, [&](abi::failure* f) { return class_->open(&info, &i->object, f); });
      });
      i->host.opening = false;
      instances_.push_back(std::move(i));
    }
    for (size_t p = 0; p < untaken.size(); ++p) instances_[0]->host.outputs[p] = untaken[p];
  }
  void describe(const abi::open_info& info) {
    outputs_.clear();
    abi::description_sink sink{};
    sink.self = this;
    sink.output = [](void* p, uint32_t, abi::text name, const abi::schema* s) {
      static_cast<harness*>(p)->outputs_.emplace_back(detail::str(detail::view(name)),
                                                      detail::schema_from(*s));
    };
    sink.parameter = [](void*, abi::text, abi::text, abi::text, uint32_t) {};
    sink.state = [](void*, abi::text, uint32_t) {};
    sink.needs_key = [](void*) {};
    check([&](abi::failure* f) { return class_->describe(&info, &sink, f); });
  }
  template <class F>
  void with_info(uint32_t subtask, detail::test_host* host, F f) {
    std::vector<abi::parameter> parameters;
    for (const auto& [n, v] : options_.parameters)
      parameters.push_back({detail::text_of(n), detail::text_of(v)});
    std::deque<detail::exported_schema> owned;
    std::vector<abi::schema> inputs;
    for (uint32_t p = 0; p <= options_.more_inputs.size(); ++p)
      inputs.push_back(owned.emplace_back(input(p)).s);
    abi::open_info info{};
    info.functions = detail::test_host::functions();
    info.self = host;
    info.name = detail::text_of(name_);
    info.subtask = subtask;
    info.parallelism = options_.parallelism;
    info.parameters = parameters.data();
    info.parameter_count = parameters.size();
    info.inputs = inputs.data();
    info.input_count = static_cast<uint32_t>(inputs.size());
    auto key = key_columns(0);
    info.key_columns = key.data();
    info.key_count = static_cast<uint32_t>(key.size());
    f(info);
  }

  template <class F>
  void check(F f) {
    abi::failure failed{};
    if (int32_t rc = f(&failed))
      throw error("operator '" + name_ + "': " + std::string(failed.message, failed.size),
                  static_cast<abi::code>(rc));
  }
  template <class F>
  void call(instance&, F f) {
    check(f);
  }
  void flush(instance& i) {
    check([&](abi::failure* f) { return class_->flush(i.object, f); });
  }
  void fire(instance& i, abi::timer_kind kind, int64_t up_to) {
    while (auto t = i.host.next_timer(kind, up_to))
      check([&](abi::failure* f) { return class_->timer(i.object, kind, *t, f); });
  }
  uint32_t instance_of(const detail::test_key& k) const {
    return ((k.group() + 1) * options_.parallelism - 1) / detail::test_key_groups;
  }

  void push_batch(const rows& r, uint32_t port);
  void process(instance& i, const rows& r, uint32_t port, bool plain);
  rows take_port(uint32_t port) {
    rows r;
    for (auto& i : instances_) {
      r += i->host.outputs[port];
      i->host.outputs[port] = {};
    }
    return r;
  }

  std::string name_;
  harness_options options_;
  std::unique_ptr<void, closer> library_;  // outlives the instances
  const abi::operator_class* class_ = nullptr;
  std::vector<std::pair<std::string, schema>> outputs_;
  std::vector<std::unique_ptr<instance>> instances_;
  uint64_t pushed_ = 0;
};

inline void harness::process(instance& i, const rows& r, uint32_t port, bool plain) {
  detail::test_batch b(input(port), r, port, plain);
  auto time = input(port).event_time();
  if (i.host.event_now == watermark_none && time && !r.empty() && !r[0][*time].is_null())
    i.host.event_now = column_view<timestamp_us>(b.columns[*time])[{plain ? 0u : 1u}];
  i.host.input = &b.view;
  check([&](abi::failure* f) { return class_->process(i.object, &b.view, f); });
  i.host.input = nullptr;
  i.host.set_key(nullptr);
  fire(i, abi::event_timer, i.host.watermark);
  if (i.host.processing_time) fire(i, abi::processing_timer, i.host.processing_time);
  flush(i);
}

inline void harness::push_batch(const rows& r, uint32_t port) {
  bool plain = ++pushed_ % 2 == 1;
  if (options_.key.empty())
    return process(*instances_[pushed_ % instances_.size()], r, port, plain);
  std::vector<rows> parts(instances_.size());
  detail::test_batch all(input(port), r, port, true);
  for (uint32_t i = 0; i < r.size(); ++i)
    parts[instance_of(*instances_[0]->host.key_of(all.view, {i}))].push_back(r[i]);
  for (size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].empty()) process(*instances_[i], parts[i], port, plain);
}

/// The message of the weir::error that `f` throws, or "" when it throws none.
template <class F>
std::string error_of(F f) {
  try {
    f();
    return "";
  } catch (const error& e) {
    return e.what();
  }
}

}  // namespace sdk1
}  // namespace weir
