// The binary interface between Weir and a library of custom operators: plain structs and function
// tables, no C++ object crosses it, so that library and host may come from different compilers.
// Written against by <weir/operator.hpp>, by the engine's host and by the test harness; users of
// the SDK never need it. A change that is not appended at the end of a table is a new version.
#pragma once

#include <cstdint>

namespace weir::abi {

inline constexpr uint32_t magic = 0x52494557;  // "WEIR"
/// What library and host must agree on; checked when a library is loaded.
inline constexpr uint32_t version = 1;
/// Every library exports `const library* weir_operator_library()`.
inline constexpr const char* entry_point = "weir_operator_library";

/// Not terminated by NUL; valid as long as the call that passes it, unless said otherwise.
struct text {
  const char* data;
  uint64_t size;
};

/// The numbers of runtime/column/types.hpp.
enum type : uint8_t {
  boolean = 0,
  int32 = 1,
  int64 = 2,
  float64 = 3,
  decimal = 4,
  string = 5,
  bytes = 6,
  date = 7,
  timestamp = 8,
  interval = 9,
  json = 10,
  list = 11,
  struct_ = 12,
};

struct field {
  text name;
  uint8_t type;
  uint8_t scale;     // decimal only
  uint8_t nullable;  // 0 or 1
  uint8_t reserved[5];
};

struct schema {
  const field* fields;
  uint32_t count;
  int32_t event_time;  // column of the event time, -1 = none
};

/// One column of `length` values in the layout of runtime/column/batch.hpp. Bit i of validity
/// (least significant first) is set when value i is present; a null pointer means no nulls. With a
/// dictionary `values` are uint32 indices into it (string, bytes and json only).
struct column {
  uint8_t type;
  uint8_t scale;
  uint16_t reserved;
  uint32_t length;
  const void* values;
  const uint32_t* offsets;
  const uint8_t* validity;
  const column* dictionary;
  const column* children;
  uint64_t child_count;
};

/// selection: `rows` ascending indices below physical_rows, null = all rows. weights: one per
/// physical row, null = all +1.
struct batch {
  uint32_t rows;
  uint32_t physical_rows;
  const column* columns;
  uint32_t column_count;
  uint32_t port;
  const uint32_t* selection;
  const int32_t* weights;
};

/// One value of the current key. Integers, dates, timestamps and booleans are in i; a decimal is
/// (high, i as its low half); an interval is months = high's low, days = high's upper 32 bits.
struct cell {
  uint8_t type;
  uint8_t scale;
  uint8_t is_null;
  uint8_t reserved[5];
  int64_t i;
  int64_t high;
  double d;
  text s;
};

struct parameter {
  text name;
  text value;
};

enum code : int32_t {
  ok = 0,
  user_code = 1,         // the operator threw
  invalid_argument = 2,  // a parameter, column or schema is not what the operator needs
  unsupported = 3,
  budget_exceeded = 4,
  corrupt = 5,
  internal = 6,
};

/// Filled by the callee when it returns another code than ok; longer messages are cut.
struct failure {
  uint32_t size;
  char message[2044];
};

enum state_kind : uint32_t { value_state = 0, list_state = 1, map_state = 2 };
enum ttl_clock : uint32_t { event_time = 0, processing_time = 1 };
enum timer_kind : uint32_t { event_timer = 0, processing_timer = 1 };
enum metric_kind : uint32_t { counter = 0, gauge = 1 };

struct state_declaration {
  text name;
  uint32_t kind;
  uint32_t clock;  // of the time to live, one for all states of an operator
  int64_t ttl_us;  // since the last write; 0 = for ever
  uint32_t refresh_on_read;
  uint32_t reserved;
};

/// What the library may call while one of its functions runs, with `self` of open_info. Functions
/// that return int32 return a code and leave the message in last_error. Texts that they give out
/// are valid until the next call into the host.
struct host {
  uint32_t size;  // of this struct, as the host was built
  uint32_t abi_version;
  text (*last_error)(void* self);

  /// Takes a copy of the rows. Port 0 is the main output.
  int32_t (*emit)(void* self, uint32_t port, const batch*);

  /// Makes the key of a physical row of the batch in process_batch the current one.
  void (*select_row)(void* self, uint32_t row);
  /// The cells of the current key; null without one.
  const cell* (*current_key)(void* self, uint32_t* count);

  /// State of the current key. `state` is the number that open_state gave; only within open.
  int32_t (*open_state)(void* self, const state_declaration*, uint32_t* state);
  int32_t (*value_get)(void* self, uint32_t state, text* value, uint32_t* found);
  int32_t (*value_put)(void* self, uint32_t state, text value);
  int32_t (*list_append)(void* self, uint32_t state, text item);
  /// All items one after the other, each as uint32 size and its bytes.
  int32_t (*list_get)(void* self, uint32_t state, text* items, uint32_t* count);
  int32_t (*map_get)(void* self, uint32_t state, text key, text* value, uint32_t* found);
  int32_t (*map_put)(void* self, uint32_t state, text key, text value);
  int32_t (*map_remove)(void* self, uint32_t state, text key);
  /// Calls `visit` for every entry; it must not call the host.
  int32_t (*map_visit)(void* self, uint32_t state, void* visitor,
                       void (*visit)(void* visitor, text key, text value));
  /// Removes the value, list or all entries of the current key.
  int32_t (*state_clear)(void* self, uint32_t state);

  /// Timers of the current key; the same time twice is one timer.
  int32_t (*set_timer)(void* self, uint32_t kind, int64_t time);
  int32_t (*delete_timer)(void* self, uint32_t kind, int64_t time);
  int64_t (*watermark)(void* self);
  int64_t (*processing_time)(void* self);

  /// A number that the library adds to or sets with relaxed atomics; lives as long as the operator.
  int64_t* (*metric)(void* self, uint32_t kind, text name);
  /// Within snapshot: bytes that restore gets back.
  int32_t (*save)(void* self, text bytes);
};

struct open_info {
  const host* functions;
  void* self;  // first argument of the host's functions
  text name;   // of the operator, for messages
  uint32_t subtask;
  uint32_t parallelism;
  const parameter* parameters;
  uint64_t parameter_count;
  const schema* inputs;
  uint32_t input_count;
  uint32_t key_count;           // 0 = rows do not arrive by key
  const uint32_t* key_columns;  // of the first input
};

/// Receives what an operator declares for given inputs and parameters. `port` 0 is the main output.
struct description_sink {
  void* self;
  void (*output)(void* self, uint32_t port, text name, const schema*);
  void (*parameter)(void* self, text name, text default_value, text help, uint32_t required);
  void (*state)(void* self, text name, uint32_t kind);
  void (*needs_key)(void* self);
};

struct saved_bytes {
  uint32_t subtask;  // who wrote them; the parallelism may have been another one
  uint32_t reserved;
  text bytes;
};

/// One class of a library. All functions but destroy return a code and fill failure; none throws.
struct operator_class {
  uint32_t size;
  uint32_t reserved;
  text name;
  int32_t (*describe)(const open_info*, const description_sink*, failure*);
  /// Creates and opens an instance. `functions` and `self` of the info outlive it.
  int32_t (*open)(const open_info*, void** instance, failure*);
  void (*destroy)(void* instance);
  int32_t (*process)(void* instance, const batch*, failure*);
  int32_t (*watermark)(void* instance, int64_t time, failure*);
  /// The host has made the timer's key the current one.
  int32_t (*timer)(void* instance, uint32_t kind, int64_t time, failure*);
  /// Emits the rows that are still in the instance's builders; the host calls it when a series of
  /// the calls above is over.
  int32_t (*flush)(void* instance, failure*);
  int32_t (*snapshot)(void* instance, failure*);
  int32_t (*restore)(void* instance, const saved_bytes*, uint64_t count, failure*);
  int32_t (*close)(void* instance, failure*);
};

/// The first two members keep their place in every version.
struct library {
  uint32_t magic;
  uint32_t abi_version;
  text sdk_version;  // for messages
  const operator_class* const* classes;
  uint64_t class_count;
};

}  // namespace weir::abi
