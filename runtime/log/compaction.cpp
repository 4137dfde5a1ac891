#include "runtime/log/compaction.hpp"

#include "runtime/log/log_state.hpp"

namespace weir {

struct compaction_job::state {};
compaction_job::compaction_job(std::unique_ptr<state> s) : s_(std::move(s)) {}
compaction_job::~compaction_job() = default;

}  // namespace weir
