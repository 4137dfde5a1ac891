// The boundary between an operator's C++ and the binary interface: one table of functions per
// class, none of which lets an exception out, and the list of classes that a library exports.
// Included by <weir/operator.hpp>.
#pragma once

#include <cstring>
#include <memory>

#include <weir/operator.hpp>

namespace weir {
inline namespace sdk1 {
namespace detail {

inline constexpr std::string_view sdk_version = "0.1.0";

inline void say(abi::failure* f, std::string_view message) noexcept {
  size_t n = std::min(message.size(), sizeof f->message - 1);
  std::memcpy(f->message, message.data(), n);
  f->message[n] = 0;
  f->size = static_cast<uint32_t>(n);
}

/// Runs `f` and turns whatever it throws into a code and a message.
template <class F>
int32_t guarded(abi::failure* failed, F&& f) noexcept {
  try {
    f();
    return abi::ok;
  } catch (const error& e) {
    say(failed, e.what());
    return e.code();
  } catch (const std::bad_alloc&) {
    say(failed, "out of memory");
    return abi::budget_exceeded;
  } catch (const std::exception& e) {
    say(failed, e.what());
    return abi::user_code;
  } catch (...) {
    say(failed, "threw something that is not a std::exception");
    return abi::user_code;
  }
}

inline schema schema_from(const abi::schema& s) {
  schema r;
  for (uint32_t i = 0; i < s.count; ++i) {
    const abi::field& f = s.fields[i];
    r.add({str(view(f.name)), static_cast<type_id>(f.type), f.scale, f.nullable != 0});
  }
  if (s.event_time >= 0) r.set_event_time(static_cast<uint32_t>(s.event_time));
  return r;
}

/// A schema in the form of the binary interface; refers to the one it was made from.
struct exported_schema {
  std::vector<abi::field> fields;
  abi::schema s{};
  explicit exported_schema(const schema& from) {
    for (const auto& f : from.fields())
      fields.push_back({text_of(f.name), static_cast<uint8_t>(f.type), f.scale, f.nullable, {}});
    auto t = from.event_time();
    s = {fields.data(), static_cast<uint32_t>(fields.size()), t ? static_cast<int32_t>(*t) : -1};
  }
  exported_schema(const exported_schema&) = delete;
  exported_schema& operator=(const exported_schema&) = delete;
};

inline std::vector<schema> inputs_of(const abi::open_info& info) {
  std::vector<schema> r;
  for (uint32_t i = 0; i < info.input_count; ++i) r.push_back(schema_from(info.inputs[i]));
  return r;
}
inline std::vector<uint32_t> key_of(const abi::open_info& info) {
  return {info.key_columns, info.key_columns + info.key_count};
}
inline parameters parameters_of(const abi::open_info& info) {
  parameters r;
  for (uint64_t i = 0; i < info.parameter_count; ++i)
    r.give(view(info.parameters[i].name), view(info.parameters[i].value));
  return r;
}

/// One opened operator.
struct instance {
  std::unique_ptr<custom_operator> op;
  std::unique_ptr<context> ctx;
};

inline void describe_operator(custom_operator& op, description& d, parameters& p) {
  op.describe(d);
  if (!p.declared().empty()) p.check_all_known();
  if (!op.states().empty()) d.needs_key();
}

inline std::unique_ptr<instance> open_operator(std::unique_ptr<custom_operator> op,
                                               const abi::open_info& info) {
  auto p = parameters_of(info);
  auto inputs = inputs_of(info);
  description d(inputs, key_of(info), p);
  describe_operator(*op, d, p);
  if (d.key_needed() && !info.key_count)
    throw error("it needs a key: give the step `key: [columns]`", abi::invalid_argument);
  auto r = std::make_unique<instance>();
  r->op = std::move(op);
  r->ctx = std::make_unique<context>(info, std::move(p), std::move(inputs));
  r->ctx->add_output("main", d.main_output() ? *d.main_output() : d.input(0));
  for (const auto& side : d.side_outputs()) r->ctx->add_output(side.name, side.columns);
  r->op->open(*r->ctx);
  r->ctx->parameters().check_all_known();
  for (auto* s : r->op->states()) s->attach(info.functions, info.self);
  return r;
}

/// The functions of a class. `Op` is only made here; all else goes through its virtual functions.
template <class Op>
struct functions {
  static instance& at(void* p) { return *static_cast<instance*>(p); }

  static int32_t describe(const abi::open_info* info, const abi::description_sink* sink,
                          abi::failure* failed) {
    return guarded(failed, [info, sink] {
      Op op;
      auto p = parameters_of(*info);
      description d(inputs_of(*info), key_of(*info), p);
      describe_operator(op, d, p);
      exported_schema main(d.main_output() ? *d.main_output() : d.input(0));
      sink->output(sink->self, 0, text_of("main"), &main.s);
      uint32_t port = 1;
      for (const auto& side : d.side_outputs()) {
        exported_schema s(side.columns);
        sink->output(sink->self, port++, text_of(side.name), &s.s);
      }
      for (const auto& q : p.declared())
        sink->parameter(sink->self, text_of(q.name), text_of(q.value.value_or("")), text_of(q.help),
                        !q.value);
      for (const auto* s : op.states()) sink->state(sink->self, text_of(s->name()), s->kind());
      if (d.key_needed()) sink->needs_key(sink->self);
    });
  }
  static int32_t open(const abi::open_info* info, void** out, abi::failure* failed) {
    return guarded(failed,
                   [info, out] { *out = open_operator(std::make_unique<Op>(), *info).release(); });
  }
  static void destroy(void* p) { delete static_cast<instance*>(p); }
  static int32_t process(void* p, const abi::batch* b, abi::failure* failed) {
    return guarded(failed, [i = &at(p), b] {
      i->op->process_batch(*i->ctx, batch(b, &i->ctx->input(b->port)), i->ctx->output());
    });
  }
  static int32_t watermark(void* p, int64_t t, abi::failure* failed) {
    return guarded(failed, [i = &at(p), t] { i->op->on_watermark(*i->ctx, t, i->ctx->output()); });
  }
  static int32_t on_timer(void* p, uint32_t kind, int64_t t, abi::failure* failed) {
    return guarded(failed, [i = &at(p), kind, t] {
      i->op->on_timer(*i->ctx, timer{static_cast<timer_kind>(kind), t}, i->ctx->output());
    });
  }
  static int32_t flush(void* p, abi::failure* failed) {
    return guarded(failed, [i = &at(p)] { i->ctx->flush(); });
  }
  static int32_t snapshot(void* p, abi::failure* failed) {
    return guarded(failed, [i = &at(p)] {
      snapshot_writer w(*i->ctx);
      i->op->snapshot(*i->ctx, w);
    });
  }
  static int32_t restore(void* p, const abi::saved_bytes* saved, uint64_t n, abi::failure* failed) {
    return guarded(failed, [i = &at(p), saved, n] {
      std::vector<saved_state> all;
      for (uint64_t k = 0; k < n; ++k) all.push_back({saved[k].subtask, view(saved[k].bytes)});
      i->op->restore(*i->ctx,
                     snapshot_reader(std::move(all), i->ctx->subtask(), i->ctx->parallelism()));
    });
  }
  static int32_t close(void* p, abi::failure* failed) {
    return guarded(failed, [i = &at(p)] { i->op->close(*i->ctx); });
  }
};

template <class Op>
inline constexpr abi::operator_class class_of(std::string_view name) {
  using f = functions<Op>;
  return {sizeof(abi::operator_class),
          0,
          {name.data(), name.size()},
          f::describe,
          f::open,
          f::destroy,
          f::process,
          f::watermark,
          f::on_timer,
          f::flush,
          f::snapshot,
          f::restore,
          f::close};
}

/// The classes of this library (or of the executable that a test is); complete when its static
/// objects are. Hidden, so that libraries in one process do not share it.
[[gnu::visibility("hidden")]] inline std::vector<const abi::operator_class*>& exported_classes() {
  static std::vector<const abi::operator_class*> classes;
  return classes;
}
[[gnu::visibility("hidden")]] inline const abi::library* library_table() {
  static const abi::library table{abi::magic, abi::version, text_of(sdk_version),
                                  exported_classes().data(), exported_classes().size()};
  return &table;
}

template <class Op>
class exported {
 public:
  /// The second argument only makes sure that the entry point exists in this library.
  exported(std::string_view name, const abi::library* (*)()) : class_(class_of<Op>(name)) {
    static_assert(std::is_base_of_v<custom_operator, Op>,
                  "an exported class derives from weir::custom_operator");
    exported_classes().push_back(&class_);
  }

 private:
  abi::operator_class class_;
};

}  // namespace detail
}  // namespace sdk1
}  // namespace weir

extern "C" {
/// The entry point that Weir looks for after loading a library.
[[gnu::visibility("default"), gnu::used]] inline const weir::abi::library* weir_operator_library() {
  return weir::sdk1::detail::library_table();
}
}
