#include "runtime/connectors/json_nested.hpp"

#include "runtime/column/text.hpp"

namespace weir {
namespace {

namespace od = simdjson::ondemand;

class value_reader {
 public:
  value_reader(const json_values& values, std::string& cause) : values_(values), cause_(cause) {}

  bool read(od::value& v, const data_type& t, scalar& out) {
    out = scalar::of_null(t);
    od::json_type type;
    if (auto e = v.type().get(type)) return malformed(e);
    if (type == od::json_type::null) {
      bool null = false;
      if (v.is_null().get(null) || !null) return malformed(simdjson::N_ATOM_ERROR);
      return true;
    }
    out.null = false;
    switch (t.id) {
      case type_id::json:
        return json(v, type, out);
      case type_id::list:
        return type == od::json_type::array ? list(v, t, out) : mismatch(type, t);
      case type_id::struct_:
        return type == od::json_type::object ? object(v, t, out) : mismatch(type, t);
      case type_id::boolean: {
        bool b;
        if (type != od::json_type::boolean) return mismatch(type, t);
        if (auto e = v.get_bool().get(b)) return malformed(e);
        out.i = b;
        return true;
      }
      case type_id::int32:
      case type_id::int64:
      case type_id::float64:
      case type_id::decimal:
        return type == od::json_type::number   ? number(v, t, out)
               : type == od::json_type::string ? number_text(v, t, out)
                                               : mismatch(type, t);
      case type_id::date:
      case type_id::timestamp:
        if (type == od::json_type::number) return time(v, t, out);
        [[fallthrough]];
      default:
        return type == od::json_type::string ? text(v, t, out) : mismatch(type, t);
    }
  }

 private:
  bool fail(std::string what) {
    cause_ = path_.empty() ? std::move(what) : path_ + ": " + what;
    return false;
  }
  bool malformed(simdjson::error_code e) {
    return fail(std::string("not a valid JSON object: ") + simdjson::error_message(e));
  }
  bool mismatch(od::json_type got, const data_type& t) {
    return fail(std::string(json_type_name(got)) + " where " + to_string(t) + " is expected");
  }
  bool no_value(std::string_view s, const data_type& t) {
    return fail("'" + std::string(s.substr(0, 64)) + "' is not a valid " + to_string(t));
  }

  bool list(od::value& v, const data_type& t, scalar& out) {
    od::array items;
    if (auto e = v.get_array().get(items)) return malformed(e);
    const auto before = path_.size();
    for (auto element : items) {
      od::value item;
      if (auto e = element.get(item)) return malformed(e);
      path_ += '[' + std::to_string(out.items.size() + 1) + ']';
      scalar made;
      if (!read(item, t.fields->front().type, made)) return false;
      out.items.push_back(std::move(made));
      path_.resize(before);
    }
    return true;
  }

  bool object(od::value& v, const data_type& t, scalar& out) {
    od::object members;
    if (auto e = v.get_object().get(members)) return malformed(e);
    std::vector<bool> filled(t.fields->size());
    for (const auto& f : *t.fields) out.items.push_back(scalar::of_null(f.type));
    const auto before = path_.size();
    for (auto member : members) {
      std::string_view key;
      if (auto e = member.unescaped_key().get(key)) return malformed(e);
      size_t i = 0;
      while (i < filled.size() && (*t.fields)[i].name != key) ++i;
      if (i == filled.size()) continue;
      path_ += '.' + (*t.fields)[i].name;
      if (filled[i]) return fail("the member occurs more than once");
      filled[i] = true;
      od::value value;
      if (auto e = member.value().get(value)) return malformed(e);
      if (!read(value, (*t.fields)[i].type, out.items[i])) return false;
      path_.resize(before);
    }
    return true;
  }

  bool json(od::value& v, od::json_type type, scalar& out) {
    std::string_view s;
    if (auto e = raw_json(v, type, s)) return malformed(e);
    auto parsed = parse_scalar(s, type_id::json);
    if (!parsed) return fail("a member's value is malformed");
    out.s = s;
    return true;
  }

  bool number(od::value& v, const data_type& t, scalar& out) {
    std::string_view text = v.raw_json_token();
    text = text.substr(0, text.find_first_not_of("+-.0123456789eE"));
    double checked;  // simdjson checks the grammar of a number
    switch (t.id) {
      case type_id::float64:
        if (v.get_double().get(out.d)) return no_value(text, t);
        return true;
      case type_id::decimal: {
        auto d = parse_decimal(text, t.scale);
        if (!d || v.get_double().get(checked)) return no_value(text, t);
        out.dec = *d;
        return true;
      }
      default:
        if (v.get_int64().get(out.i)) return no_value(text, t);
        if (t.id == type_id::int32 && out.i != static_cast<int32_t>(out.i))
          return no_value(text, t);
        return true;
    }
  }

  bool number_text(od::value& v, const data_type& t, scalar& out) {
    std::string_view s;
    if (auto e = v.get_string().get(s)) return malformed(e);
    if (t.id == type_id::float64) {
      const auto special = special_double(s);
      return special ? (out.d = *special, true) : mismatch(od::json_type::string, t);
    }
    if (t.id != type_id::decimal || !values_.numerics_in_text)
      return mismatch(od::json_type::string, t);
    const auto d = parse_decimal(s, t.scale);
    return d ? (out.dec = *d, true) : no_value(s, t);
  }

  bool time(od::value& v, const data_type& t, scalar& out) {
    std::string_view token = v.raw_json_token();
    token = token.substr(0, token.find_first_not_of("+-.0123456789eE"));
    switch (time_of_number(v, t.id, values_, out.i)) {
      case time_number::fine:
        return true;
      case time_number::refused:
        return fail("a number where " + to_string(t) + " is expected" + refused_number_hint(t.id));
      case time_number::out_of_range:
        break;
    }
    return no_value(token, t);
  }

  bool text(od::value& v, const data_type& t, scalar& out) {
    std::string_view s;
    if (auto e = v.get_string().get(s)) return malformed(e);
    auto parsed = parse_scalar(s, t);
    if (!parsed) return no_value(s, t);
    out = std::move(parsed).value();
    return true;
  }

  const json_values& values_;
  std::string& cause_;
  std::string path_;
};

}  // namespace

simdjson::error_code raw_json(od::value& v, od::json_type type, std::string_view& out) {
  if (type == od::json_type::array) {
    od::array whole;
    if (auto e = v.get_array().get(whole)) return e;
    return whole.raw_json().get(out);
  }
  if (type == od::json_type::object) {
    od::object whole;
    if (auto e = v.get_object().get(whole)) return e;
    return whole.raw_json().get(out);
  }
  out = v.raw_json_token();
  while (!out.empty() && (out.back() == ' ' || out.back() == '\t' || out.back() == '\r'))
    out.remove_suffix(1);
  return simdjson::SUCCESS;
}

const char* json_type_name(od::json_type t) noexcept {
  switch (t) {
    case od::json_type::array:
      return "an array";
    case od::json_type::object:
      return "an object";
    case od::json_type::number:
      return "a number";
    case od::json_type::string:
      return "a string";
    case od::json_type::boolean:
      return "a boolean";
    case od::json_type::null:
      return "null";
  }
  return "something else";
}

bool read_json_value(od::value& v, const data_type& t, const json_values& values, scalar& out,
                     std::string& cause) {
  return value_reader(values, cause).read(v, t, out);
}

std::optional<double> special_double(std::string_view text) noexcept {
  if (text != "NaN" && text != "Infinity" && text != "-Infinity") return {};
  return parse_float64(text);
}

time_number time_of_number(od::value& v, type_id id, const json_values& values, int64_t& out) {
  const bool date = id == type_id::date;
  if (date ? !values.dates_in_days : values.timestamp_unit_us == 0) return time_number::refused;
  if (v.get_int64().get(out)) return time_number::out_of_range;
  if (date) return out == static_cast<int32_t>(out) ? time_number::fine : time_number::out_of_range;
  return __builtin_mul_overflow(out, values.timestamp_unit_us, &out) ? time_number::out_of_range
                                                                     : time_number::fine;
}

const char* refused_number_hint(type_id id) noexcept {
  return id == type_id::timestamp
             ? "; the option timestamp_unit (milliseconds, microseconds) says what it counts"
             : "";
}

}  // namespace weir
