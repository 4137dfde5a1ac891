// Joins of two streams whose rows may change. Each side's rows are kept; a row that comes is paired
// with the other side's rows of its key, and what rows without a partner give (outer, anti) or rows
// with one (semi) is corrected when their first partner comes or the last one leaves.
//
// Which rows have a partner: without a condition beyond equal keys that is the same for all rows of
// a key, so the weight of the other side's rows under the key says it; with one, each row counts
// its own. Where both sides expire (windows, intervals) and only grow, rows without a partner are
// given once, when they expire, so that the output only grows, too. With a state_ttl each row
// counts its own as well: it keeps partners whose rows were dropped, since pairs with them still
// stand.
#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/group_progress.hpp"
#include "runtime/operators/join_output.hpp"
#include "runtime/operators/row_errors.hpp"
#include "runtime/operators/state_expiry.hpp"

namespace weir {
namespace {

constexpr size_t run_max = 256;
// Pairs whose condition is computed at once.
constexpr size_t candidates_max = 4096;
// Partners looked at per batch of output, however few of them the condition accepts.
constexpr size_t looks_max = 65536;
// Batches per call: what follows waits for drain(), and thereby for credit.
constexpr size_t flushes_max = 4;

class join_operator final : public stream_operator {
 public:
  join_operator(const join_spec& s, std::unique_ptr<join_state> state, schema_ptr output,
                std::optional<expr::program> condition, schema_ptr pair_type, bool counts,
                int64_t ttl_us)
      : spec_(s),
        state_(std::move(state)),
        out_(*state_, s.output, std::move(output)),
        condition_(std::move(condition)),
        pair_type_(std::move(pair_type)),
        counts_(counts),
        expiry_(ttl_us) {
    const auto k = s.kind;
    pairs_ = k != join_kind::semi && k != join_kind::anti;
    semi_ = k == join_kind::semi;
    alone_[0] = k == join_kind::left || k == join_kind::full || !pairs_;
    alone_[1] = k == join_kind::right || k == join_kind::full;
    deferred_ = defers_unmatched(s);
    leaves_[0] = s.left.one_partner;
    leaves_[1] = s.right.one_partner;
  }

  status open(const operator_context& c) override {
    context_ = c;
    progress_.open(c.groups);
    state_->open(c.memory);
    out_.open(c.memory);
    std::vector<row_table*> stamped;
    for (int s : {0, 1})
      if (state_->side(s).rows().layout().stamped) {
        stamped.push_back(&state_->side(s).rows());
        stamped_side_[stamped.size() - 1] = s;
      }
    stamped_sides_ = stamped.size();
    expiry_.open(c, std::move(stamped));
    return {};
  }
  status restore(const snapshot_reader& in) override {
    WEIR_TRY(state_->restore(in, context_.groups));
    return progress_.restore(in);
  }

  status process_batch(uint16_t port, const batch_ptr& in, collector&) override {
    expiry_.begin_batch();
    at_side_ = port;
    input_ = in;
    next_ = 0;
    run_ = 0;
    at_ = 0;
    encoded_.resize(size_t{in->rows} * state_->side(port).stride());
    const auto& keys = port == 0 ? spec_.left.keys : spec_.right.keys;
    groups_ = row_groups(*in, keys, context_);
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    progress_.advance(t);
    for (int s : {0, 1})
      if (state_->side(s).expires()) state_->side(s).take_expired(t, leaving_[s]);
    leaving_at_[0] = leaving_at_[1] = 0;
    return {};
  }

  timestamp_us output_watermark(timestamp_us t) const override {
    if (t == watermark_none || t == watermark_end) return t;
    return t < watermark_none + spec_.delay_us ? watermark_none : t - spec_.delay_us;
  }

  status on_processing_time(timestamp_us t, collector&) override {
    expiry_.on_time(t, [this](size_t& budget) {
      bool done = true;
      for (size_t i = 0; i < stamped_sides_; ++i)
        done &= expiry_.sweep(i, budget, [this, side = stamped_side_[i]](uint32_t id) {
          state_->remove(side, id, state_->find_key(side, state_->side(side).rows().row(id)));
        });
      state_->end_batch();
      return done;
    });
    return {};
  }

  /// What ends needs no rows of the other side any more, so that a table that is read to its end
  /// makes a lookup of the join.
  status on_input_end(uint16_t port, collector&) override {
    const int side = 1 - port;
    if (alone_[port] || (deferred_ && alone_[side])) return {};
    forgets_[side] = true;
    forgotten_ = 0;
    return {};
  }

  result<bool> drain(collector& out) override {
    size_t flushes = 0;
    while (input_) {
      WEIR_ASSIGN(const bool more, step());
      WEIR_TRY(out_.flush(out));
      // What is left of a run looks at its keys.
      if (at_ == run_) remove_met();
      if (!more) {
        input_.reset();
        // A part with every batch: when both inputs end at once it is not worth the work.
        if (forgets_[at_side_]) forget(at_side_);
        state_->end_batch();
      } else if (++flushes == flushes_max) {
        return true;
      }
    }
    return expire(out);
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
  static constexpr uint32_t none = row_table::none;
  int other() const noexcept { return 1 - at_side_; }
  join_side_state& own() noexcept { return state_->side(at_side_); }
  join_side_state& partners() noexcept { return state_->side(other()); }
  int64_t weight_of(int side, uint32_t id) noexcept {
    auto& s = state_->side(side);
    return static_cast<int64_t>(s.values(s.rows().row(id))[join_row::weight]);
  }
  int64_t& matches_of(int side, uint32_t id) noexcept {
    auto& s = state_->side(side);
    return reinterpret_cast<int64_t&>(s.values(s.rows().row(id))[join_row::matches]);
  }

  // ---- output ----

  void pair(const uint64_t* mine, const uint64_t* theirs, int64_t weight) {
    at_side_ == 0 ? out_.add(mine, theirs, weight) : out_.add(theirs, mine, weight);
  }
  /// A row by itself: without a partner, or of a semi join.
  void single(int side, const uint64_t* row, int64_t weight) {
    const uint64_t* nothing = state_->side(1 - side).null_row();
    side == 0 ? out_.add(row, nothing, weight) : out_.add(nothing, row, weight);
  }
  /// A row of a side that answers for itself (alone_) and has partners from now on, or none.
  void flip(int side, const uint64_t* row, int64_t weight, bool has_partner) {
    single(side, row, has_partner == semi_ ? weight : -weight);
  }

  // ---- one batch ----

  /// Goes on with the batch until the output is full or many rows were looked at; false = the batch
  /// is done.
  result<bool> step() {
    looks_ = 0;
    for (;;) {
      if (at_ == run_) {
        if (next_ >= input_->rows) return false;
        begin_run();
        continue;
      }
      WEIR_ASSIGN(const bool all, counts_ ? advance_counting() : advance());
      if (all) {
        end_run();
        at_ = run_ = 0;
      }
      if (out_.full() || looks_ >= looks_max) return true;
    }
  }

  /// Looks the next rows up: their keys, and their own places.
  void begin_run() {
    auto& mine = own();
    const size_t stride = mine.stride(), key_stride = state_->key_stride();
    const auto n = std::min<uint32_t>(run_max, input_->rows - next_);
    uint32_t physical[run_max];
    for (uint32_t i = 0; i < n; ++i) physical[i] = input_->row(next_ + i);
    uint64_t* rows = &encoded_[next_ * stride];
    mine.codec().encode(input_->columns, physical, n, rows);
    keys_.resize(run_max * key_stride);
    keyed_.clear();
    kept_.clear();
    run_ = 0;
    for (uint32_t i = 0; i < n; ++i, rows += stride) {
      if (mine.is_late(rows, progress_.at(groups_, next_ + i))) {
        ++context_.metrics->late_rows;
        continue;
      }
      entry e;
      e.row = rows;
      e.weight = input_->weight(physical[i]);
      e.logical = next_ + i;
      uint64_t* key = &keys_[keyed_.size() * key_stride];
      if (!mine.matches_nothing(rows) && mine.key_of(rows, key)) {
        e.words = key;
        keyed_.push_back(run_);
        // Rows that are never looked at again need not be kept.
        if (e.weight != 0 && !forgets_[at_side_]) kept_.push_back(run_);
      } else if (alone_[at_side_] && !semi_) {
        single(at_side_, rows, e.weight);  // NULL equals nothing, now and for ever
      }
      entries_[run_++] = e;
    }
    next_ += n;
    find_keys();
    find_rows();
    at_ = 0;
    at_partner_ = none;
    started_ = false;
  }

  void find_keys() {
    const size_t n = keyed_.size();
    added_.clear();
    state_->keys().hash(keys_.data(), n, hashes_);
    if (forgets_[at_side_]) {
      for (size_t i = 0; i < n; ++i) {
        auto& e = entries_[keyed_[i]];
        e.passes = true;
        e.key_id = state_->keys().find(&keys_[i * state_->key_stride()], hashes_[i]);
        if (e.key_id != none) e.key = state_->keys().row(e.key_id);
      }
      return;
    }
    state_->keys().upsert(keys_.data(), hashes_, n, ids_, rows_, added_);
    for (size_t i = 0; i < n; ++i) {
      auto& e = entries_[keyed_[i]];
      e.key = rows_[i];
      e.key_id = ids_[i];
      // Who has met the only partner needs no place.
      e.passes = leaves_[at_side_] && key_of(e).first(other()) != none;
    }
    if (leaves_[at_side_]) std::erase_if(kept_, [this](uint32_t i) { return entries_[i].passes; });
  }

  void find_rows() {
    auto& mine = own();
    const size_t stride = mine.stride(), n = kept_.size();
    scratch_.resize(run_max * stride);
    for (size_t i = 0; i < n; ++i)
      std::memcpy(&scratch_[i * stride], entries_[kept_[i]].row, 8 * stride);
    added_.clear();
    mine.rows().hash(scratch_.data(), n, hashes_);
    mine.rows().upsert(scratch_.data(), hashes_, n, ids_, rows_, added_);
    for (uint32_t i : added_) {
      const auto logical = entries_[kept_[i]].logical;
      row_table::set_group(rows_[i], groups_.of(logical));
    }
    mine.rows().touch(ids_, n);
    for (size_t i = 0; i < n; ++i) entries_[kept_[i]].id = ids_[i];
    for (uint32_t i : added_) {
      const auto& e = entries_[kept_[i]];
      auto k = key_of(e);
      mine.link(e.id, k, at_side_);
      mine.note_lifetime(e.id);
    }
  }

  struct entry {
    const uint64_t* row = nullptr;    // encoded
    const uint64_t* words = nullptr;  // its key, encoded; none: a part is NULL
    uint64_t* key = nullptr;          // of the index; none: a part is NULL
    uint32_t key_id = none, id = none;
    uint32_t logical = 0;
    int64_t weight = 0;
    bool passes = false;  // it is looked up and not kept
    bool asks() const noexcept { return weight != 0 && (passes || (key && id != none)); }
  };
  join_key key_of(const entry& e) const noexcept { return state_->key(e.key); }

  /// Equal keys are all that is asked. True: the run is done.
  result<bool> advance() {
    for (; at_ < run_; ++at_) {
      const auto& e = entries_[at_];
      if (!e.asks()) continue;
      if (!e.key) {
        if (alone_[at_side_] && !semi_) single(at_side_, e.row, e.weight);
        continue;
      }
      auto k = key_of(e);
      const int64_t before = k.total(at_side_), after = before + e.weight;
      const bool flips = alone_[other()] && !deferred_ && (before > 0) != (after > 0);
      if (pairs_ || flips) {
        if (!started_) at_partner_ = k.first(other());
        started_ = true;
        for (; at_partner_ != none; at_partner_ = partners().next(at_partner_)) {
          if (out_.full()) return false;
          const uint64_t* row = partners().rows().row(at_partner_);
          const int64_t weight = weight_of(other(), at_partner_);
          if (pairs_) pair(e.row, row, e.weight * weight);
          if (flips) flip(other(), row, weight, after > 0);
        }
      }
      started_ = false;
      note_met(e);
      if (alone_[at_side_] && !deferred_ && (k.total(other()) > 0) == semi_)
        single(at_side_, e.row, e.weight);
      if (e.passes) continue;
      k.add(at_side_, e.weight);
      add_weight(e);
    }
    return true;
  }

  /// The other side's rows of the key will not meet another one: they leave when the output that
  /// holds them has.
  void note_met(const entry& e) {
    if (!leaves_[other()] || !e.key) return;
    for (uint32_t id = key_of(e).first(other()); id != none; id = partners().next(id))
      met_.emplace_back(id, e.key_id);
  }
  void remove_met() {
    for (auto [id, key_id] : met_)
      if (partners().rows().alive(id)) state_->remove(other(), id, key_id);
    met_.clear();
  }

  void add_weight(const entry& e) {
    own().values(own().rows().row(e.id))[join_row::weight] += static_cast<uint64_t>(e.weight);
  }

  /// Rows whose weights came to nothing leave, and keys without rows.
  void end_run() {
    for (size_t i = 0; i < run_; ++i) {
      auto& e = entries_[i];
      if (e.id == none || !own().rows().alive(e.id) || weight_of(at_side_, e.id) != 0) continue;
      state_->remove(at_side_, e.id, e.key_id);
    }
    for (size_t i = 0; i < run_; ++i) {
      auto& e = entries_[i];
      if (e.key && !e.passes && state_->keys().alive(e.key_id) && key_of(e).unused())
        state_->keys().erase(e.key_id);
    }
  }

  // ---- with a condition, or where partners must be counted ----

  struct candidate {
    uint32_t entry;
    uint32_t partner;  // none: all partners of the entry are behind
  };

  /// Collects pairs, then asks the condition of all of them. True: the run is done.
  result<bool> advance_counting() {
    candidates_.clear();
    mine_.clear();
    theirs_.clear();
    for (; at_ < run_; ++at_) {
      const auto& e = entries_[at_];
      if (!e.asks()) continue;
      if (!started_) start_partners(e);
      started_ = true;
      for (; at_partner_ != none || next_span(e); at_partner_ = partners().next(at_partner_)) {
        if (mine_.size() >= candidates_max || looks_ >= looks_max) return settle(false);
        ++looks_;
        const uint64_t* row = partners().rows().row(at_partner_);
        if (is_far(row)) continue;
        candidates_.push_back({static_cast<uint32_t>(at_), at_partner_});
        mine_.push_back(e.row);
        theirs_.push_back(row);
      }
      candidates_.push_back({static_cast<uint32_t>(at_), none});
      started_ = false;
    }
    return settle(true);
  }

  void start_partners(const entry& e) {
    at_partner_ = none;
    if (!own().by_span()) {
      if (e.key) at_partner_ = key_of(e).first(other());
      return;
    }
    times_ = own().partner_times(e.row);
    span_ = own().span_of(times_.first);
    spans_left_ = static_cast<uint32_t>(own().span_of(times_.second) - span_ + 1);
  }
  /// The first partner of the next span that has any; false: all were looked at.
  bool next_span(const entry& e) {
    const size_t stride = state_->key_stride();
    for (; spans_left_ > 0; --spans_left_) {
      const auto span = static_cast<uint64_t>(span_++);
      const uint32_t word = own().by_span()->word;
      uint64_t* key = e.key;
      if (!key || e.words[word] != span) {
        key_.assign(e.words, e.words + stride);
        key_[word] = span;
        uint32_t hash;
        state_->keys().hash(key_.data(), 1, &hash);
        const auto id = state_->keys().find(key_.data(), hash);
        key = id == none ? nullptr : state_->keys().row(id);
      }
      if (!key) continue;
      at_partner_ = state_->key(key).first(other());
      if (at_partner_ == none) continue;
      --spans_left_;
      return true;
    }
    return false;
  }
  /// Whether the condition's bound in time says no, which needs no columns.
  bool is_far(const uint64_t* partner) noexcept {
    if (!own().by_span()) return false;
    const auto t = partners().time_of(partner);
    return t < times_.first || t > times_.second;
  }

  result<bool> settle(bool all) {
    if (!condition_)
      accepted_.assign(mine_.size(), 1);
    else if (!mine_.empty())
      WEIR_TRY(ask());
    size_t at = 0;
    for (const auto& c : candidates_) {
      const auto& e = entries_[c.entry];
      if (c.partner == none) {
        settle_entry(e);
        continue;
      }
      if (!accepted_[at++]) continue;
      const int64_t weight = weight_of(other(), c.partner);
      const uint64_t* row = theirs_[at - 1];
      matched_ += weight;
      if (pairs_) pair(e.row, row, e.weight * weight);
      if (!alone_[other()]) continue;
      partners().rows().change(c.partner);
      auto& matches = matches_of(other(), c.partner);
      const bool was = matches > 0;
      matches += e.weight;
      if (!deferred_ && was != (matches > 0)) flip(other(), row, weight, matches > 0);
    }
    return all;
  }

  void settle_entry(const entry& e) {
    if (alone_[at_side_]) {
      if (!deferred_ && (matched_ > 0) == semi_) single(at_side_, e.row, e.weight);
      if (!e.passes) matches_of(at_side_, e.id) = matched_;
    }
    matched_ = 0;
    note_met(e);
    if (e.passes) return;
    key_of(e).add(at_side_, e.weight);
    add_weight(e);
  }

  /// Which pairs the condition accepts.
  status ask() {
    const auto& left = at_side_ == 0 ? mine_ : theirs_;
    const auto& right = at_side_ == 0 ? theirs_ : mine_;
    const auto n = static_cast<uint32_t>(mine_.size());
    std::vector<column_ptr> columns;
    for (auto c : spec_.condition_columns)
      columns.push_back(pair_column(*state_, c, left, right, *context_.memory));
    auto b = make_batch(pair_type_, std::move(columns), {}, n);
    buffer_ref selection;
    uint32_t rows = 0;
    std::vector<expr::row_error> errors;
    WEIR_TRY(condition_->filter(*b, *context_.memory, selection, rows, &errors));
    WEIR_TRY(reject_rows(context_, *b, errors));
    accepted_.assign(n, rows == n);
    if (rows < n)
      for (uint32_t i = 0; i < rows; ++i) accepted_[selection.as<uint32_t>()[i]] = 1;
    return {};
  }

  // ---- the end of rows ----

  /// Takes out some rows of a side that nothing will look at.
  void forget(int side) {
    auto& rows = state_->side(side).rows();
    if (rows.size() == 0) return;
    const auto end = static_cast<uint32_t>(
        std::min<uint64_t>(rows.rows_end(), uint64_t{forgotten_} + batch_rows_target));
    for (; forgotten_ < end; ++forgotten_)
      if (rows.alive(forgotten_))
        state_->remove(side, forgotten_, state_->find_key(side, rows.row(forgotten_)));
  }

  /// Takes out the rows whose time is over; true = there are more.
  result<bool> expire(collector& out) {
    if (leaving_[0].empty() && leaving_[1].empty()) return false;
    // All answers first: as long as the rows of both sides are there, they know their partners.
    for (int s : {0, 1}) {
      if (!deferred_ || !alone_[s]) continue;
      for (; leaving_at_[s] < leaving_[s].size(); ++leaving_at_[s]) {
        if (out_.full()) {
          WEIR_TRY(out_.flush(out));
          return true;
        }
        answer_unmatched(s, leaving_[s][leaving_at_[s]]);
      }
    }
    WEIR_TRY(out_.flush(out));
    for (int s : {0, 1}) {
      for (uint32_t id : leaving_[s]) {
        auto& rows = state_->side(s).rows();
        if (rows.alive(id)) state_->remove(s, id, state_->find_key(s, rows.row(id)));
      }
      leaving_[s].clear();
    }
    state_->end_batch();
    return false;
  }

  void answer_unmatched(int side, uint32_t id) {
    auto& s = state_->side(side);
    const uint64_t* row = s.rows().row(id);
    int64_t matches = 0;
    if (counts_) {
      matches = matches_of(side, id);
    } else if (const auto key = state_->find_key(side, row); key != none) {
      matches = state_->key(state_->keys().row(key)).total(1 - side);
    }
    if (matches <= 0) single(side, row, weight_of(side, id));
  }

  join_spec spec_;
  std::unique_ptr<join_state> state_;
  join_output out_;
  std::optional<expr::program> condition_;
  schema_ptr pair_type_;
  const bool counts_;
  state_expiry expiry_;
  int stamped_side_[2] = {0, 1};  // by table of expiry_
  size_t stamped_sides_ = 0;
  bool pairs_ = true, semi_ = false, deferred_ = false;
  bool leaves_[2] = {false, false};   // rows of the side have one partner at most
  bool forgets_[2] = {false, false};  // rows of the side are not kept: the other one has ended
  uint32_t forgotten_ = 0;            // rows up to which they were taken out
  bool alone_[2] = {false, false};  // rows of the side are (or are not) in the output by themselves
  operator_context context_;
  group_progress progress_;

  // The batch at hand.
  int at_side_ = 0;
  batch_ptr input_;
  uint32_t next_ = 0;  // logical row at which the next run begins
  std::vector<uint64_t> encoded_;
  row_groups groups_;

  // The run at hand.
  entry entries_[run_max];
  uint32_t run_ = 0, at_ = 0;
  uint32_t at_partner_ = none;
  bool started_ = false;  // at_partner_ belongs to entry at_
  size_t looks_ = 0;      // partners looked at in this step
  // Where they are found by spans of time, of entry at_: the times of partners, the next span.
  std::pair<timestamp_us, timestamp_us> times_;
  int64_t span_ = 0;
  uint32_t spans_left_ = 0;
  std::vector<uint64_t> key_;
  std::vector<uint32_t> keyed_, kept_, added_;
  std::vector<uint64_t> keys_, scratch_;
  uint32_t hashes_[run_max], ids_[run_max];
  uint64_t* rows_[run_max];

  std::vector<candidate> candidates_;
  std::vector<const uint64_t*> mine_, theirs_;
  std::vector<uint8_t> accepted_;
  std::vector<std::pair<uint32_t, uint32_t>> met_;  // rows of the other side, and their keys
  int64_t matched_ = 0;                             // weight of the partners of the entry at hand

  std::vector<uint32_t> leaving_[2];
  size_t leaving_at_[2] = {0, 0};
};

}  // namespace

result<operator_ptr> make_join(const join_spec& s, const schema_ptr& left, const schema_ptr& right,
                               schema_ptr output, int64_t ttl_us) {
  if (s.left.keys.size() != s.right.keys.size())
    return error(errc::invalid_argument, "a join has as many keys on both sides");
  if (is_as_of(s.kind)) return make_as_of_join(s, left, right, std::move(output), ttl_us);
  const bool counts = s.condition || (ttl_us > 0 && s.kind != join_kind::inner);
  WEIR_ASSIGN(auto state, join_state::make(s, left, right, counts, ttl_us > 0));
  std::optional<expr::program> condition;
  auto pair_type = std::make_shared<schema>();
  if (s.condition) {
    for (auto c : s.condition_columns)
      pair_type->fields.push_back(c < left->size() ? left->fields[c]
                                                   : right->fields[c - left->size()]);
    WEIR_ASSIGN(auto program, expr::program::compile({s.condition}, pair_type));
    condition = std::move(program);
  }
  return operator_ptr(new join_operator(s, std::move(state), std::move(output),
                                        std::move(condition), std::move(pair_type), counts,
                                        ttl_us));
}

}  // namespace weir
