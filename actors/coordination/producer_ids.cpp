#include "actors/coordination/producer_ids.hpp"

namespace weir {

using kafka::error_code;

void producer_id_desk::take(taken done) {
  std::optional<int64_t> id;
  {
    std::lock_guard lock(mutex_);
    id = pool_.take();
    if (!id && waiting_.size() < waiting_max) {
      waiting_.push_back(std::move(done));
      done = nullptr;
    }
  }
  refill();
  if (done) done(id ? error_code::none : error_code::coordinator_load_in_progress, id.value_or(-1));
}

void producer_id_desk::take(int64_t count, std::function<void(std::vector<int64_t>)> done) {
  take([self = shared_from_this(), count, done = std::move(done)](error_code e, int64_t first) {
    std::vector<int64_t> ids;
    if (e == error_code::none) {
      ids.push_back(first);
      std::lock_guard lock(self->mutex_);
      // Others who wait come first; what is left now is enough for most.
      while (static_cast<int64_t>(ids.size()) < count) {
        auto id = self->pool_.take();
        if (!id) break;
        ids.push_back(*id);
      }
    }
    done(std::move(ids));
  });
}

void producer_id_desk::taken_below(int64_t next) {
  source_->taken_below(next);
  std::lock_guard lock(mutex_);
  pool_.taken_below(next);
}

void producer_id_desk::refill() {
  {
    std::lock_guard lock(mutex_);
    if (!pool_.wants_block()) return;
    pool_.ask();
  }
  source_->allocate(
      kafka::producer_id_pool::block_size,
      [self = shared_from_this()](error_code e, int64_t first) { self->filled(e, first); });
}

void producer_id_desk::filled(error_code e, int64_t first) {
  std::vector<std::pair<taken, std::optional<int64_t>>> answers;
  bool short_of_ids = false;
  {
    std::lock_guard lock(mutex_);
    const bool came = e == error_code::none;
    pool_.answered(came ? std::optional(first) : std::nullopt);
    while (!waiting_.empty()) {
      auto id = pool_.take();
      if (!id && came) break;  // for the next block
      answers.emplace_back(std::move(waiting_.front()), id);
      waiting_.pop_front();
    }
    short_of_ids = !waiting_.empty();
  }
  for (auto& [done, id] : answers) done(id ? error_code::none : e, id.value_or(-1));
  if (short_of_ids) refill();
}

}  // namespace weir
