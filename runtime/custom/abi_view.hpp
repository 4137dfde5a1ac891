// Between the engine's batches and schemas and those of the binary interface. Views refer to what
// they were made from; nothing is copied on the way in, columns are copied once on the way out.
#pragma once

#include <deque>
#include <vector>

#include <weir/abi.hpp>

#include "runtime/column/batch.hpp"

namespace weir::custom {

/// A schema as a library reads it; refers to the schema.
class schema_view {
 public:
  explicit schema_view(const schema&);
  const abi::schema& get() const noexcept { return view_; }

 private:
  std::vector<abi::field> fields_;
  abi::schema view_{};
};

/// The schema that a library describes. Nested types are refused.
result<schema_ptr> schema_from(const abi::schema&);

/// Views of batches, one at a time; buffers are used again.
class batch_view {
 public:
  explicit batch_view(memory_pool* pool) : pool_(pool) {}
  const abi::batch& set(const batch_ptr&, uint16_t port);
  /// Lets go of the batch.
  void reset();

 private:
  abi::column view_of(const column&);
  memory_pool* pool_;
  batch_ptr batch_;
  std::vector<abi::column> columns_;
  std::deque<abi::column> dictionaries_;
  std::vector<buffer_ref> decoded_;  // fixed-width columns that came with a dictionary
  abi::batch view_{};
};

/// Copies what a library emitted into a batch of `type`; checks number and types of the columns.
result<batch_ptr> batch_from(const abi::batch&, const schema_ptr& type, memory_pool&);

}  // namespace weir::custom
