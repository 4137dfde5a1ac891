#include "runtime/expr/run.hpp"

#include <algorithm>

namespace weir::expr {

std::vector<failure> run::alone(std::vector<reg>& registers, const instruction& in,
                                uint32_t physical_rows, memory_pool& pool) {
  std::vector<slot_definition> slots(1);
  std::vector<slot_state> states(1);
  run inner;
  inner.registers = &registers;
  inner.slots = &slots;
  inner.states = &states;
  inner.begin(physical_rows, pool);
  states[0].ready = states[0].all = true;
  states[0].count = inner.rows;
  in.fn(inner, in);
  return std::move(inner.errors);
}

void run::begin(uint32_t physical_rows, memory_pool& p) {
  rows = physical_rows;
  pool = &p;
  errors.clear();
  failed_.clear();
  for (auto& s : *states) s.ready = s.all = s.has_bits = s.has_rows = false;
}

std::byte* run::reserve(buffer_ref& b, size_t& capacity, size_t bytes) {
  if (!b.unique() || capacity < bytes) {
    b = {};
    b = buffer::allocate(*pool, bytes);
    capacity = bytes;
  }
  b.truncate(bytes);
  return b.mutable_as<std::byte>();
}

void run::strict_validity(const instruction& in) {
  reg& t = at(in.target);
  const column* nullable[2] = {nullptr, nullptr};
  size_t found = 0;
  for (auto a : in.args) {
    const auto& x = at(a);
    if (!x.c->validity) continue;
    if (x.constant) {
      if (x.c->is_valid(0)) continue;
      std::memset(validity(t), 0, bitmap_words(rows) * 8);
      return;
    }
    if (found < 2) nullable[found] = x.c;
    ++found;
  }
  if (found == 0) return no_nulls(t);
  if (found == 1) {
    t.own.validity = nullable[0]->validity;
    t.validity_capacity = 0;
    return;
  }
  strict_validity_own(in);
}

uint64_t* run::strict_validity_own(const instruction& in) {
  uint64_t* out = validity(at(in.target));
  set_all(out, rows);
  for (auto a : in.args) {
    const auto& x = at(a);
    if (!x.c->validity) continue;
    if (x.constant) {
      if (!x.c->is_valid(0)) std::memset(out, 0, bitmap_words(rows) * 8);
      continue;
    }
    const auto* bits = x.c->validity.data();
    for (size_t w = 0; w < bitmap_words(rows); ++w) out[w] &= load_word(bits, w, rows);
  }
  return out;
}

void run::assign(reg& r, column c) {
  r.own = std::move(c);
  r.own.length = rows;
  r.values_capacity = r.offsets_capacity = r.validity_capacity = 0;
  r.c = &r.own;
}

const slot_state& run::slot(int index) {
  auto& s = (*states)[static_cast<size_t>(index)];
  if (s.ready) return s;
  const auto& d = (*slots)[static_cast<size_t>(index)];
  const auto& parent = slot(d.parent);
  size_t words = bitmap_words(rows);
  s.bits.resize(words);
  const reg& cond = at(d.condition);
  const auto* bytes = cond.c->data<uint8_t>();
  const auto* valid = cond.c->validity ? cond.c->validity.data() : nullptr;
  const uint64_t* above = parent.all ? nullptr : bits_of(d.parent);
  size_t count = 0;
  for (size_t w = 0; w < words; ++w) {
    size_t left = std::min<size_t>(64, rows - w * 64);
    uint64_t ones = left == 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
    uint64_t v, p;
    if (cond.constant) {
      v = bytes[0] ? ones : 0;
      p = cond.c->is_valid(0) ? ones : 0;
    } else {
      v = pack_bytes(bytes + w * 64, left);
      p = valid ? load_word(valid, w, rows) : ones;
    }
    uint64_t keep = v & p;
    if (d.mode == slot_mode::when_not_true) keep = ~keep & ones;
    if (d.mode == slot_mode::when_not_false) keep = (v | ~p) & ones;
    if (above) keep &= above[w];
    s.bits[w] = keep;
    count += static_cast<size_t>(std::popcount(keep));
  }
  s.count = static_cast<uint32_t>(count);
  s.all = s.count == rows;
  s.has_bits = true;
  s.ready = true;
  return s;
}

const uint64_t* run::bits_of(int index) {
  slot(index);
  auto& s = (*states)[static_cast<size_t>(index)];
  if (!s.has_bits) {
    s.bits.assign(bitmap_words(rows), 0);
    if (s.all) {
      set_all(s.bits.data(), rows);
    } else {
      for (uint32_t i : s.rows) s.bits[i >> 6] |= uint64_t{1} << (i & 63);
    }
    s.has_bits = true;
  }
  return s.bits.data();
}

const std::vector<uint32_t>& run::rows_of(int index) {
  slot(index);
  auto& s = (*states)[static_cast<size_t>(index)];
  if (!s.has_rows) {
    const uint64_t* bits = bits_of(index);
    s.rows.resize(size_t{rows} + 16);
    s.rows.resize(bits_to_rows(bits, rows, s.rows.data()));
    s.has_rows = true;
  }
  return s.rows;
}

void run::fail(const instruction& in, uint32_t row, error cause) {
  if (failed_.empty()) failed_.assign(bitmap_words(rows) + 1, 0);
  uint64_t bit = uint64_t{1} << (row & 63);
  if (failed_[row >> 6] & bit) return;
  failed_[row >> 6] |= bit;
  errors.push_back({row, std::move(cause), in.origin});
}

namespace {

// Results per dictionary entry, kept while batches come with the same dictionary.
struct dictionary_cache {
  column_ptr seen;         // the dictionary that came last
  uint64_t seen_rows = 0;  // of batches that share it
  column_ptr dictionary;   // the one that was evaluated
  column result;
  bool has_nulls = false;
  std::vector<failure> errors;  // row = entry
  column_ptr text_result;       // result as the dictionary of the target
};

// A dictionary larger than this times the rows that came with it is not worth evaluating whole.
constexpr uint32_t dictionary_factor_max = 2;

bool evaluate_entries(run& r, const instruction& in, uint32_t arg, dictionary_cache& cache) {
  const column& c = r.col(in.args[arg]);
  if (cache.dictionary == c.dictionary) return true;
  if (cache.seen != c.dictionary) {
    cache.seen = c.dictionary;
    cache.seen_rows = 0;
  }
  cache.seen_rows += r.rows;
  if (c.dictionary->length > cache.seen_rows * dictionary_factor_max) return false;
  std::vector<reg> registers;
  instruction sub;
  sub.fn = in.fn;
  sub.origin = in.origin;
  sub.state = in.state;
  for (uint32_t i = 0; i < in.args.size(); ++i) {
    reg x;
    x.type = r.type_of(in.args[i]);
    x.c = i == arg ? c.dictionary.get() : &r.col(in.args[i]);
    x.constant = i != arg;
    registers.push_back(std::move(x));
    sub.args.push_back(i);
  }
  reg target;
  target.type = r.type_of(in.target);
  target.own.type = target.type;
  registers.push_back(std::move(target));
  sub.target = static_cast<uint32_t>(in.args.size());
  auto errors = run::alone(registers, sub, c.dictionary->length, *r.pool);
  in.state = sub.state;
  cache.dictionary = c.dictionary;
  cache.result = *registers.back().c;
  cache.result.length = c.dictionary->length;
  cache.has_nulls = static_cast<bool>(cache.result.validity);
  cache.errors = std::move(errors);
  cache.text_result = nullptr;
  if (is_varlen(cache.result.type.id)) {
    column plain = cache.result;
    plain.validity = {};
    cache.text_result = std::make_shared<const column>(std::move(plain));
  }
  return true;
}

template <class T>
void gather(run& r, reg& t, const column& from, const uint32_t* codes) {
  T* out = r.values<T>(t, r.rows);
  const auto* in = from.values.data();
  for (uint32_t i = 0; i < r.rows; ++i) std::memcpy(out + i, in + codes[i] * sizeof(T), sizeof(T));
}

void expand_entries(run& r, const instruction& in, uint32_t arg, const dictionary_cache& cache) {
  reg& t = r.at(in.target);
  const column& c = r.col(in.args[arg]);
  const auto* codes = c.values.as<uint32_t>();
  if (cache.has_nulls) {
    uint64_t* valid = r.strict_validity_own(in);
    for (uint32_t i = 0; i < r.rows; ++i)
      if (!cache.result.is_valid(codes[i])) valid[i >> 6] &= ~(uint64_t{1} << (i & 63));
  } else {
    r.strict_validity(in);
  }
  if (cache.text_result) {
    t.own.values = c.values;
    t.values_capacity = 0;
    t.own.offsets = {};
    t.offsets_capacity = 0;
    t.own.dictionary = cache.text_result;
  } else {
    t.own.dictionary = nullptr;
    switch (fixed_width(t.type.id)) {
      case 1:
        gather<uint8_t>(r, t, cache.result, codes);
        break;
      case 4:
        gather<uint32_t>(r, t, cache.result, codes);
        break;
      case 8:
        gather<uint64_t>(r, t, cache.result, codes);
        break;
      default:
        gather<interval_value>(r, t, cache.result, codes);
    }
  }
  r.publish(t);
  if (cache.errors.empty()) return;
  std::vector<int32_t> error_of(cache.result.length, -1);
  for (size_t e = 0; e < cache.errors.size(); ++e)
    error_of[cache.errors[e].row] = static_cast<int32_t>(e);
  r.for_each_row(in, [&](uint32_t row) {
    if (!c.is_valid(row) || error_of[codes[row]] < 0) return;
    const auto& e = cache.errors[static_cast<size_t>(error_of[codes[row]])];
    r.fail(in, row, e.cause);
  });
}

}  // namespace

void execute(run& r, const instruction& in) {
  reg& t = r.at(in.target);
  if (in.flags & flag_dictionary) {
    uint32_t dictionary_arg = 0, varying = 0;
    bool found = false;
    for (uint32_t i = 0; i < in.args.size(); ++i) {
      const auto& x = r.at(in.args[i]);
      if (x.constant) continue;
      ++varying;
      if (x.c->dictionary) {
        dictionary_arg = i;
        found = true;
      }
    }
    if (found && varying == 1) {
      if (!in.dictionary_state) in.dictionary_state = std::make_shared<dictionary_cache>();
      auto& cache = *static_cast<dictionary_cache*>(in.dictionary_state.get());
      if (evaluate_entries(r, in, dictionary_arg, cache))
        return expand_entries(r, in, dictionary_arg, cache);
    }
  }
  if (t.own.dictionary) t.own.dictionary = nullptr;
  in.fn(r, in);
}

}  // namespace weir::expr
