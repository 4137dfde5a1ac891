// As-of joins: each left row with the newest right row of its key that is not younger than it. Both
// sides only grow. A left row waits until the watermark says that no such right row is still to
// come, and then leaves once, so that the output only grows, too; of the right rows those stay that
// a row to come may need: the newest one that the watermark has passed, and the younger ones. With
// a state_ttl each right row carries when it came, and goes when its time is over.
#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/group_progress.hpp"
#include "runtime/operators/join_output.hpp"
#include "runtime/operators/state_expiry.hpp"

namespace weir {
namespace {

constexpr size_t run_max = 256;
constexpr uint32_t none = row_table::none;

class as_of_join final : public stream_operator {
 public:
  as_of_join(const join_spec& s, std::unique_ptr<join_state> state, schema_ptr output,
             int64_t ttl_us)
      : spec_(s),
        state_(std::move(state)),
        out_(*state_, s.output, std::move(output)),
        outer_(s.kind == join_kind::as_of_left),
        expiry_(ttl_us) {
    right_time_ = 1 + state_->side(1).codec().word_of(*s.right.time_column);
    left_time_ = 1 + state_->side(0).codec().word_of(*s.left.time_column);
  }

  status open(const operator_context& c) override {
    context_ = c;
    progress_.open(c.groups);
    state_->open(c.memory);
    out_.open(c.memory);
    expiry_.open(c, {&state_->side(1).rows()});
    return {};
  }
  status restore(const snapshot_reader& in) override {
    WEIR_TRY(state_->restore(in, context_.groups));
    return progress_.restore(in);
  }

  status process_batch(uint16_t port, const batch_ptr& in, collector& out) override {
    expiry_.begin_batch();
    auto& side = state_->side(port);
    const auto& keys = port == 0 ? spec_.left.keys : spec_.right.keys;
    const row_groups groups(*in, keys, context_);
    const size_t stride = side.stride();
    encoded_.resize(size_t{in->rows} * stride);  // rows without an answer leave from here
    for (uint32_t begin = 0; begin < in->rows; begin += run_max) {
      const auto n = std::min<uint32_t>(run_max, in->rows - begin);
      for (uint32_t i = 0; i < n; ++i) at_[i] = in->row(begin + i);
      side.codec().encode(in->columns, at_, n, &encoded_[begin * stride]);
      WEIR_TRY(keep(port, *in, begin, n, groups));
    }
    WEIR_TRY(out_.flush(out));
    state_->end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    progress_.advance(t);
    for (int s : {0, 1}) state_->side(s).take_expired(t, leaving_[s]);
    return {};
  }

  status on_processing_time(timestamp_us t, collector&) override {
    expiry_.on_time(t, [this](size_t& budget) {
      const bool done = expiry_.sweep(0, budget, [this](uint32_t id) {
        state_->remove(1, id, state_->find_key(1, state_->side(1).rows().row(id)));
      });
      state_->end_batch();
      return done;
    });
    return {};
  }

  result<bool> drain(collector& out) override {
    for (; answered_ < leaving_[0].size(); ++answered_) {
      if (out_.full()) {
        WEIR_TRY(out_.flush(out));
        return true;
      }
      answer(leaving_[0][answered_]);
    }
    if (leaving_[0].empty() && leaving_[1].empty()) return false;
    WEIR_TRY(out_.flush(out));
    for (uint32_t id : leaving_[0]) {
      auto& rows = state_->side(0).rows();
      if (rows.alive(id)) state_->remove(0, id, state_->find_key(0, rows.row(id)));
    }
    for (uint32_t id : leaving_[1])
      if (state_->side(1).rows().alive(id)) drop_older(id);
    leaving_[0].clear();
    leaving_[1].clear();
    answered_ = 0;
    state_->end_batch();
    return false;
  }

  status snapshot_begin(snapshot_writer& w) override {
    state_->snapshot_begin(w);
    progress_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    const bool done = state_->snapshot_continue(w, budget);
    // A slice need not fill a chunk, and then nothing tells the task that there is more to do.
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    state_->on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    state_->on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override { return state_->memory_bytes(); }

 private:
  int64_t time_of(uint32_t right_id) const noexcept {
    return static_cast<int64_t>(state_->side(1).rows().row(right_id)[right_time_]);
  }

  /// Puts the rows [begin, begin + n) of the batch into the state.
  status keep(int port, const batch& in, uint32_t begin, uint32_t n, const row_groups& groups) {
    auto& side = state_->side(port);
    const size_t stride = side.stride();
    std::vector<uint64_t> rows;
    uint32_t logical[run_max], kept = 0;
    std::vector<uint64_t> key(state_->key_stride());
    for (uint32_t i = 0; i < n; ++i) {
      const uint64_t* row = &encoded_[(begin + i) * stride];
      if (in.weight(at_[i]) < 0)
        return error(errc::unsupported, "a row of an as-of join was taken back");
      if (side.is_late(row, progress_.at(groups, begin + i))) {
        ++context_.metrics->late_rows;
        continue;
      }
      if (!side.key_of(row, key.data()) || !side.last_use(row)) {
        // Without a key or a time there is nothing that it could be joined to.
        if (port == 0 && outer_) out_.add(row, state_->side(1).null_row(), in.weight(at_[i]));
        continue;
      }
      rows.insert(rows.end(), row, row + stride);
      logical[kept++] = begin + i;
    }
    uint32_t row_hashes[run_max], ids[run_max];
    uint64_t* places[run_max];
    std::vector<uint32_t> added;
    side.rows().hash(rows.data(), kept, row_hashes);
    side.rows().upsert(rows.data(), row_hashes, kept, ids, places, added);
    for (uint32_t i : added) row_table::set_group(places[i], groups.of(logical[i]));
    side.rows().touch(ids, kept);
    for (uint32_t i = 0; i < kept; ++i)
      side.values(places[i])[join_row::weight] +=
          static_cast<uint64_t>(in.weight(in.row(logical[i])));
    for (uint32_t i : added) state_->add_to_index(port, ids[i]);
    return {};
  }

  void answer(uint32_t id) {
    auto& left = state_->side(0);
    if (!left.rows().alive(id)) return;
    const uint64_t* row = left.rows().row(id);
    const auto weight = static_cast<int64_t>(left.values(left.rows().row(id))[join_row::weight]);
    const int64_t newest = static_cast<int64_t>(row[left_time_]) + spec_.left.retain_us;
    uint32_t best = none;
    if (const auto key = state_->find_key(0, row); key != none) {
      auto& right = state_->side(1);
      for (auto r = state_->key(state_->keys().row(key)).first(1); r != none; r = right.next(r)) {
        if (time_of(r) > newest) continue;
        if (best == none || time_of(r) > time_of(best) ||
            (time_of(r) == time_of(best) && before(r, best)))
          best = r;
      }
    }
    if (best != none)
      out_.add(row, state_->side(1).rows().row(best), weight);
    else if (outer_)
      out_.add(row, state_->side(1).null_row(), weight);
  }

  /// An order among rows of one time that does not depend on when they came.
  bool before(uint32_t a, uint32_t b) const noexcept {
    const auto& rows = state_->side(1).rows();
    uint32_t ha, hb;
    auto masked = [&](uint32_t id, std::vector<uint64_t>& out) {
      const uint64_t* row = rows.row(id);
      out.assign(row, row + state_->side(1).stride());
      out[0] &= uint64_t{0xffff'ffff} << 32;
    };
    std::vector<uint64_t> x, y;
    masked(a, x);
    masked(b, y);
    rows.hash(x.data(), 1, &ha);
    rows.hash(y.data(), 1, &hb);
    return ha < hb;
  }

  /// The watermark has passed right row `id`: what is older than it no row to come can need.
  void drop_older(uint32_t id) {
    auto& right = state_->side(1);
    const auto key = state_->find_key(1, right.rows().row(id));
    if (key == none) return;
    const int64_t newest = time_of(id);
    std::vector<uint32_t> older;
    for (auto r = state_->key(state_->keys().row(key)).first(1); r != none; r = right.next(r))
      if (time_of(r) < newest) older.push_back(r);
    for (auto r : older) state_->remove(1, r, key);
  }

  join_spec spec_;
  std::unique_ptr<join_state> state_;
  join_output out_;
  bool outer_;
  state_expiry expiry_;
  uint32_t left_time_ = 0, right_time_ = 0;
  operator_context context_;
  group_progress progress_;
  std::vector<uint64_t> encoded_;
  uint32_t at_[run_max];
  std::vector<uint32_t> leaving_[2];  // whose time the watermark has passed
  size_t answered_ = 0;
};

}  // namespace

result<operator_ptr> make_as_of_join(const join_spec& s, const schema_ptr& left,
                                     const schema_ptr& right, schema_ptr output, int64_t ttl_us) {
  if (!s.left.time_column || !s.right.time_column)
    return error(errc::invalid_argument, "an as-of join needs the times of both sides");
  WEIR_ASSIGN(auto state, join_state::make(s, left, right, false, ttl_us > 0));
  return operator_ptr(new as_of_join(s, std::move(state), std::move(output), ttl_us));
}

}  // namespace weir
