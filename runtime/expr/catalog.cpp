#include "runtime/expr/catalog.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {

const catalog& catalog::get() {
  static const catalog filled = [] {
    catalog c;
    register_arithmetic(c);
    register_division(c);
    register_decimal(c);
    register_compare(c);
    register_logic(c);
    register_casts(c);
    register_choice(c);
    register_string(c);
    register_string_build(c);
    register_pattern(c);
    register_math(c);
    register_datetime(c);
    register_zone(c);
    register_json(c);
    register_format(c);
    register_nested(c);
    register_nested_casts(c);
    register_arrays(c);
    register_array_agg(c);
    register_canonical(c);
    register_json_edit(c);
    register_bytes(c);
    register_regex_lists(c);
    register_more(c);
    register_of_items(c);
    return c;
  }();
  return filled;
}

const std::vector<function_entry>* catalog::overloads(std::string_view name) const {
  auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : &it->second;
}

const function_entry* catalog::find(std::string_view name, const std::vector<type_id>& args,
                                    type_id result) const {
  for (const auto* f : {&row_constructor, &item_constructor})
    if (name == f->name) return result == f->result ? f : nullptr;
  const auto* all = overloads(name);
  if (!all) return nullptr;
  for (const auto& f : *all) {
    if (f.result != result) continue;
    if (f.flags & flag_variadic) {
      bool fits = args.size() >= f.args.size();
      for (size_t i = 0; fits && i < args.size(); ++i)
        fits = args[i] == f.args[std::min(i, f.args.size() - 1)];
      if (fits) return &f;
    } else if (f.args == args) {
      return &f;
    }
  }
  return nullptr;
}

std::vector<std::string_view> catalog::names() const {
  std::vector<std::string_view> out;
  for (const auto& [name, entries] : entries_)
    if (isalpha(static_cast<unsigned char>(name[0])) && name.find(' ') == std::string::npos)
      out.push_back(name);
  return out;
}

void catalog::add(std::string_view name, std::initializer_list<type_id> args, type_id result,
                  kernel fn, uint32_t flags, scale_rule rule) {
  weir_assert(!find(name, args, result), "a function is registered once");
  entries_[std::string(name)].push_back({std::string(name), args, result, fn, flags, rule});
}

}  // namespace weir::expr
