#include "runtime/connectors/memory_source.hpp"

#include <mutex>

#include "runtime/column/calendar.hpp"
#include "runtime/connectors/generated_columns.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/row_builder.hpp"
#include "runtime/connectors/split_codec.hpp"

namespace weir {
namespace {

struct registered {
  std::mutex m;
  std::map<std::string, std::vector<batch_ptr>> tables;
};
// The one registry of the process: benchmarks put tables where the job's readers find them by name.
registered& registry() {
  static registered r;
  return r;
}

struct memory_settings {
  std::string name;
  uint64_t rows = 0;  // 0 = a named table once, a generated one for ever
  uint64_t keys = 1000, seed = 1, batch_rows = batch_rows_target, batches = 16, splits = 8;
};

result<memory_settings> settings_of(const source_spec& spec) {
  memory_settings s;
  auto get = [&](const char* name, uint64_t& v) -> status {
    WEIR_ASSIGN(int64_t n, option_int(spec.options, name, static_cast<int64_t>(v)));
    v = static_cast<uint64_t>(n);
    return {};
  };
  s.name = option_text(spec.options, "name", "");
  WEIR_TRY(get("rows", s.rows));
  WEIR_TRY(get("keys", s.keys));
  WEIR_TRY(get("seed", s.seed));
  WEIR_TRY(get("batch_rows", s.batch_rows));
  WEIR_TRY(get("batches", s.batches));
  WEIR_TRY(get("splits", s.splits));
  if (s.batch_rows > 1u << 20 || s.batches > 1u << 16 || s.splits > 1u << 16)
    return {errc::invalid_argument,
            "connector memory: at most 1 Mi rows a batch, 64 Ki batches and splits"};
  if (!s.name.empty() && !memory_tables::get(s.name))
    return {errc::not_found, "no table is registered in memory as " + s.name};
  return s;
}

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// The first column has `keys` different values, evenly drawn; others draw from a million. A
// timestamp rises by a millisecond per row.
void generate_column(column_filler& out, uint64_t first, uint32_t n, uint64_t range,
                     uint64_t seed) {
  constexpr int64_t first_time = 1'356'998'400 * micros_per_second;  // 2013-01-01
  char text[32];
  for (uint32_t i = 0; i < n; ++i) {
    uint64_t r = mix(seed ^ mix(first + i)), v = r % range;
    switch (out.type().id) {
      case type_id::boolean:
        out.fixed<uint8_t>()[i] = r & 1;
        break;
      case type_id::int32:
        out.fixed<int32_t>()[i] = static_cast<int32_t>(v);
        break;
      case type_id::date:
        out.fixed<int32_t>()[i] = 15'706 + static_cast<int32_t>(r % 365);
        break;
      case type_id::int64:
        out.fixed<int64_t>()[i] = static_cast<int64_t>(v);
        break;
      case type_id::timestamp:
        out.fixed<int64_t>()[i] = first_time + static_cast<int64_t>(first + i) * 1000;
        break;
      case type_id::float64:
        out.fixed<double>()[i] = static_cast<double>(r >> 11) * 0x1p-53;
        break;
      case type_id::decimal:
        out.fixed<__int128>()[i] = static_cast<__int128>(v);
        break;
      default:
        out.append(i, {text, static_cast<size_t>(std::snprintf(
                                 text, sizeof text, "%llu", static_cast<unsigned long long>(v)))});
    }
  }
}

batch_ptr first_rows(const batch& b, uint32_t rows) {
  auto out = std::make_shared<batch>(b);
  out->rows = out->physical_rows = rows;
  for (auto& c : out->columns) {
    auto shorter = std::make_shared<column>(*c);
    shorter->length = rows;
    if (size_t w = fixed_width(c->type.id); w && !c->dictionary)
      shorter->values = c->values.slice(0, rows * w);
    if (c->offsets) shorter->offsets = c->offsets.slice(0, (size_t{rows} + 1) * 4);
    c = shorter;
  }
  if (out->weights) out->weights = out->weights.slice(0, size_t{rows} * 4);
  return out;
}

struct memory_split {
  std::string id;
  uint64_t index = 0, splits = 1;
  uint64_t batches = 0, rows = 0;  // emitted
  std::string encode() const {
    return payload_writer().u64(index).u64(splits).u64(batches).u64(rows).take();
  }
};

class memory_enumerator final : public split_enumerator {
 public:
  explicit memory_enumerator(memory_settings s) : settings_(std::move(s)) {}
  result<discovery> discover() override {
    discovery d;
    for (uint64_t i = 0; i < settings_.splits; ++i) {
      memory_split s{"memory:" + std::to_string(i) + "/" + std::to_string(settings_.splits), i,
                     settings_.splits};
      d.splits.push_back({s.id, s.id, s.encode(), settings_.rows / settings_.splits});
    }
    return d;
  }

 private:
  memory_settings settings_;
};

class memory_reader final : public source_reader {
 public:
  memory_reader(const source_spec& spec, memory_settings s, generated_columns g)
      : spec_(spec), settings_(std::move(s)), generated_(std::move(g)) {}

  status open(const operator_context& context) override {
    weir_assert(context.memory, "a reader needs its context");
    if (!settings_.name.empty()) {
      auto table = memory_tables::get(settings_.name);
      if (!table) return {errc::not_found, "no table is registered in memory as " + settings_.name};
      for (const auto& b : *table)
        if (b->columns.size() != spec_.columns->size())
          return {errc::type_mismatch, "the table in memory named " + settings_.name + " has " +
                                           std::to_string(b->columns.size()) + " columns, not " +
                                           std::to_string(spec_.columns->size())};
      batches_ = std::move(*table);
      return {};
    }
    row_builder rows(*spec_.columns, spec_.physical_columns, *context.memory);
    auto n = static_cast<uint32_t>(settings_.batch_rows);
    for (uint64_t b = 0; b < settings_.batches; ++b) {
      rows.reserve(n);
      for (size_t c = 0; c < rows.width(); ++c)
        generate_column(rows[c], b * n, n, c == 0 ? settings_.keys : 1'000'000,
                        mix(settings_.seed + c));
      rows.set_rows(n);
      std::vector<expr::row_error> errors;
      WEIR_ASSIGN(auto made, generated_.finish(rows.finish(), n, *context.memory, errors));
      if (!errors.empty())
        return errors[0].cause.at("connector memory, row " + std::to_string(errors[0].row));
      batches_.push_back(std::move(made));
    }
    return {};
  }

  status add_split(source_split s) override {
    payload_reader r(s.payload);
    memory_split m;
    m.id = s.id;
    m.index = r.u64();
    m.splits = r.u64();
    m.batches = r.u64();
    m.rows = r.u64();
    if (!r.at_end() || m.splits == 0 || m.index >= m.splits)
      return {errc::corrupt, "a memory table's position in the snapshot is damaged"};
    splits_.push_back(m);
    return {};
  }

  result<polled> poll(uint32_t) override {
    polled out;
    out.what = polled::state::finished;
    if (splits_.empty()) return out;
    turn_ %= splits_.size();
    auto& s = splits_[turn_];
    id_ = s.id;
    out.split_id = id_;
    uint64_t left = rows_left(s);
    if (left > 0 && !batches_.empty()) {
      out.rows = batches_[(s.index + s.batches * s.splits) % batches_.size()];
      if (out.rows->rows > left && !out.rows->selection)
        out.rows = first_rows(*out.rows, static_cast<uint32_t>(left));
      ++s.batches;
      s.rows += out.rows->rows;
    }
    out.split_ended = rows_left(s) == 0 || batches_.empty();
    if (out.split_ended)
      splits_.erase(splits_.begin() + static_cast<ptrdiff_t>(turn_));
    else
      ++turn_;
    if (out.rows) {
      out.what = polled::state::batch;
    } else if (!splits_.empty()) {
      out.what = polled::state::pending;
      out.wake_at = watermark_none + 1;
    }
    return out;
  }

  std::vector<source_split> snapshot() const override {
    std::vector<source_split> out;
    for (const auto& s : splits_)
      out.push_back({s.id, s.id, s.encode(), settings_.rows ? rows_left(s) : 0});
    return out;
  }
  std::string position() const override { return id_; }

 private:
  uint64_t rows_left(const memory_split& s) const {
    if (settings_.rows) {
      auto upto = [&](uint64_t i) {
        return settings_.rows / s.splits * i + std::min(i, settings_.rows % s.splits);
      };
      uint64_t all = upto(s.index + 1) - upto(s.index);
      return all - std::min(all, s.rows);
    }
    if (settings_.name.empty()) return UINT64_MAX;
    return s.index + s.batches * s.splits < batches_.size() ? UINT64_MAX : 0;
  }

  source_spec spec_;
  memory_settings settings_;
  generated_columns generated_;
  std::vector<batch_ptr> batches_;
  std::vector<memory_split> splits_;
  size_t turn_ = 0;
  std::string id_;
};

}  // namespace

void memory_tables::put(const std::string& name, std::vector<batch_ptr> batches) {
  std::lock_guard lock(registry().m);
  registry().tables[name] = std::move(batches);
}
void memory_tables::remove(const std::string& name) {
  std::lock_guard lock(registry().m);
  registry().tables.erase(name);
}
std::optional<std::vector<batch_ptr>> memory_tables::get(const std::string& name) {
  std::lock_guard lock(registry().m);
  auto it = registry().tables.find(name);
  if (it == registry().tables.end()) return std::nullopt;
  return it->second;
}

result<std::unique_ptr<split_enumerator>> make_memory_enumerator(const source_spec& spec) {
  WEIR_ASSIGN(auto s, settings_of(spec));
  return std::unique_ptr<split_enumerator>(std::make_unique<memory_enumerator>(std::move(s)));
}

result<std::unique_ptr<source_reader>> make_memory_reader(const source_spec& spec) {
  WEIR_ASSIGN(auto s, settings_of(spec));
  for (uint32_t i = 0; s.name.empty() && i < spec.physical_columns; ++i) {
    auto id = spec.columns->fields[i].type.id;
    if (id == type_id::list || id == type_id::struct_ || id == type_id::interval)
      return {errc::unsupported,
              "connector memory generates no " + to_string(spec.columns->fields[i].type)};
  }
  WEIR_ASSIGN(auto g, generated_columns::open(spec));
  return std::unique_ptr<source_reader>(
      std::make_unique<memory_reader>(spec, std::move(s), std::move(g)));
}

}  // namespace weir
