#include "runtime/connectors/sort_key.hpp"

#include <bit>

#include "runtime/column/nested.hpp"

namespace weir {
namespace {

void append_number(std::string& out, uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift);
}
void append_wide(std::string& out, int128 v) {
  const auto u = static_cast<unsigned __int128>(v);
  append_number(out, static_cast<uint64_t>(u >> 64) ^ uint64_t{1} << 63);
  append_number(out, static_cast<uint64_t>(u));
}

void append_value(std::string& out, const column& c, uint32_t r) {
  constexpr uint64_t sign = uint64_t{1} << 63;
  switch (c.type.id) {
    case type_id::boolean:
      out += static_cast<char>(c.data<uint8_t>()[r]);
      return;
    case type_id::int32:
    case type_id::date:
      return append_number(out, static_cast<uint64_t>(int64_t{c.data<int32_t>()[r]}) ^ sign);
    case type_id::int64:
    case type_id::timestamp:
      return append_number(out, c.data<uint64_t>()[r] ^ sign);
    case type_id::float64: {
      const double d = c.data<double>()[r];
      if (d != d) return append_number(out, UINT64_MAX);  // the largest, as in PostgreSQL
      const auto bits = std::bit_cast<uint64_t>(d == 0 ? 0.0 : d);
      return append_number(out, bits & sign ? ~bits : bits | sign);
    }
    case type_id::decimal:
      return append_wide(out, c.data<int128>()[r]);
    case type_id::interval: {
      const auto& v = c.data<interval_value>()[r];
      return append_wide(out,
                         (static_cast<int128>(v.months) * 30 + v.days) * 86'400'000'000 + v.micros);
    }
    case type_id::string:
    case type_id::bytes:
    case type_id::json: {
      // Zero bytes are doubled by 0xff, two end the text: a prefix comes first.
      for (char b : c.view(r)) {
        out += b;
        if (b == 0) out += '\xff';
      }
      out.append(2, '\0');
      return;
    }
    case type_id::list:
    case type_id::struct_:
      return append_stored(out, c, r);
  }
}

}  // namespace

void append_sort_key(std::string& out, const batch& b, uint32_t row,
                     const std::vector<order_term>& order) {
  for (const auto& t : order) {
    const column* c = b.columns[t.column].get();
    const bool valid = c->is_valid(row);
    out += valid == t.nulls_first ? '\1' : '\0';
    if (!valid) continue;
    uint32_t r = row;
    if (c->dictionary && !is_varlen(c->type.id)) {
      r = c->data<uint32_t>()[row];
      c = c->dictionary.get();
    }
    const size_t begin = out.size();
    append_value(out, *c, r);
    if (t.descending)
      for (size_t i = begin; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
  }
}

}  // namespace weir
