#include "jobs/plan/aggregate_text.hpp"

#include "runtime/operators/aggregate_schema.hpp"

#include <array>
#include <charconv>

namespace weir::planner {
namespace {

struct token {
  enum class kind : uint8_t { word, quoted, text, symbol, end };
  kind what = kind::end;
  size_t begin = 0, end = 0;
};

bool is_letter(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || u >= 0x80;
}
bool is_word(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '$';
}
std::string lower(std::string_view s) {
  std::string out(s);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// PostgreSQL's tokens, as far as finding calls and their ends needs them.
std::vector<token> tokens_of(std::string_view s) {
  std::vector<token> out;
  size_t i = 0;
  auto find = [&s](std::string_view what, size_t from) {
    auto at = s.find(what, from);
    return at == std::string_view::npos ? s.size() : at + what.size();
  };
  while (i < s.size()) {
    const size_t begin = i;
    const char c = s[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++i;
      continue;
    }
    if (s.substr(i, 2) == "--") {
      i = find("\n", i);
      continue;
    }
    if (s.substr(i, 2) == "/*") {
      i = find("*/", i + 2);
      continue;
    }
    auto what = token::kind::symbol;
    if (c == '\'' || c == '"') {
      what = c == '"' ? token::kind::quoted : token::kind::text;
      const bool escapes = begin > 0 && (s[begin - 1] == 'e' || s[begin - 1] == 'E');
      for (++i; i < s.size() && s[i] != c; ++i)
        if (escapes && s[i] == '\\') ++i;
      i = std::min(i + 1, s.size());  // a doubled quote goes on as a second token: no harm
    } else if (is_letter(c)) {
      what = token::kind::word;
      while (i < s.size() && is_word(s[i])) ++i;
    } else if (c >= '0' && c <= '9') {
      what = token::kind::text;
      while (i < s.size() && (is_word(s[i]) || s[i] == '.')) ++i;
    } else {
      ++i;
    }
    out.push_back({what, begin, i});
  }
  out.push_back({token::kind::end, s.size(), s.size()});
  return out;
}

struct named_function {
  const char* name;
  aggregate_function function;
};
constexpr std::array functions = {
    named_function{"count", aggregate_function::count},
    named_function{"sum", aggregate_function::sum},
    named_function{"min", aggregate_function::min},
    named_function{"max", aggregate_function::max},
    named_function{"avg", aggregate_function::avg},
    named_function{"first", aggregate_function::first},
    named_function{"first_value", aggregate_function::first},
    named_function{"last", aggregate_function::last},
    named_function{"last_value", aggregate_function::last},
    named_function{"stddev", aggregate_function::stddev_samp},
    named_function{"stddev_samp", aggregate_function::stddev_samp},
    named_function{"stddev_pop", aggregate_function::stddev_pop},
    named_function{"variance", aggregate_function::var_samp},
    named_function{"var_samp", aggregate_function::var_samp},
    named_function{"var_pop", aggregate_function::var_pop},
    named_function{"string_agg", aggregate_function::string_agg},
    named_function{"bool_and", aggregate_function::bool_and},
    named_function{"every", aggregate_function::bool_and},
    named_function{"bool_or", aggregate_function::bool_or},
};

class binder {
 public:
  binder(std::string_view text, const schema& input, uint32_t first, bound_aggregate& out)
      : text_(text), input_(input), tokens_(tokens_of(text)), first_(first), out_(out) {}

  std::optional<text_error> run() {
    std::string rest(text_);
    size_t end_of_first = 0, begin_of_first = 0;
    for (size_t t = 0; t + 1 < tokens_.size(); ++t) {
      const auto* f = function_at(t);
      if (!f) continue;
      const size_t begin = tokens_[t].begin;
      if (auto e = call(*f, t)) return e;  // t is now the call's last token
      const size_t end = tokens_[t].end;
      if (out_.calls.size() == 1) begin_of_first = begin, end_of_first = end;
      // The place of the call keeps its length, so that positions in the rest stay true.
      auto name = "\"@" + std::to_string(first_ + out_.calls.size() - 1) + '"';
      if (name.size() > end - begin)
        return fail(begin, errc::unsupported, "too many aggregates in one step");
      for (size_t i = begin; i < end; ++i)
        rest[i] = i - begin < name.size() ? name[i - begin] : ' ';
    }
    if (out_.calls.empty()) {
      for (size_t t = 0; t + 1 < tokens_.size(); ++t)
        if (tokens_[t].what == token::kind::word)
          return fail(tokens_[t].begin, errc::invalid_argument,
                      "expected an aggregate such as count(*) or sum(x)");
      return fail(0, errc::invalid_argument, "expected an aggregate such as count(*) or sum(x)");
    }
    bool only = out_.calls.size() == 1;
    for (const auto& t : tokens_)
      if (t.what != token::kind::end && (t.begin < begin_of_first || t.begin >= end_of_first))
        only = false;
    if (!only) out_.rest = std::move(rest);
    return {};
  }

 private:
  std::string_view view(const token& t) const { return text_.substr(t.begin, t.end - t.begin); }
  bool is(size_t t, std::string_view word) const {
    return tokens_[t].what != token::kind::text && tokens_[t].what != token::kind::quoted &&
           lower(view(tokens_[t])) == word;
  }
  const named_function* function_at(size_t t) const {
    if (tokens_[t].what != token::kind::word || !is(t + 1, "(")) return nullptr;
    auto name = lower(view(tokens_[t]));
    for (const auto& f : functions)
      if (name == f.name) return &f;
    return nullptr;
  }
  static text_error fail(size_t at, errc code, std::string message) {
    return {at, {code, std::move(message)}};
  }
  /// Index of the token that closes the parenthesis at `open`; the end token when none does.
  size_t closing(size_t open) const {
    int depth = 0;
    for (size_t t = open; t < tokens_.size(); ++t) {
      if (is(t, "(")) ++depth;
      if (is(t, ")") && --depth == 0) return t;
    }
    return tokens_.size() - 1;
  }
  /// Binds text between two tokens; blanks in front keep the columns of messages.
  std::optional<text_error> bind(size_t first, size_t last, expr::node_ptr& out) {
    const size_t begin = tokens_[first].begin, end = last ? tokens_[last - 1].end : begin;
    if (last <= first) return fail(begin, errc::parse, "expected an expression");
    std::string padded(text_.substr(0, begin));
    for (auto& c : padded)
      if (c != '\n' && c != '\t' && (static_cast<unsigned char>(c) & 0xC0) != 0x80) c = ' ';
    // Multi-byte characters in front would count as one each: blanks of their first bytes do.
    std::erase_if(padded, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; });
    const auto shift = begin - padded.size();
    padded += text_.substr(begin, end - begin);
    auto bound = expr::bind(padded, input_);
    if (bound.ok()) {
      out = *bound;
      return {};
    }
    if (auto p = position_of(bound.err(), padded))
      return fail(p->first < begin - shift ? begin : p->first + shift, bound.err().code, p->second);
    return fail(begin, bound.err().code, bound.err().message);
  }

  std::optional<text_error> call(const named_function& f, size_t& t) {
    const size_t name_at = tokens_[t].begin;
    const size_t open = t + 1, close = closing(open);
    if (tokens_[close].what == token::kind::end)
      return fail(tokens_[open].begin, errc::parse, "this parenthesis is not closed");
    aggregate_call c;
    c.function = f.function;
    c.name = '@' + std::to_string(first_ + out_.calls.size());
    for (size_t k = open + 1; k < close; ++k) {
      if (const auto* inner = function_at(k))
        return fail(tokens_[k].begin, errc::unsupported,
                    std::string("an aggregate cannot contain another: ") + inner->name);
      if (is(k, "order") && is(k + 1, "by"))
        return fail(tokens_[k].begin, errc::unsupported,
                    "ORDER BY in an aggregate is not supported");
    }
    if (auto e = arguments(c, name_at, open + 1, close)) return e;
    t = close;
    if (is(t + 1, "filter") && is(t + 2, "(")) {
      const size_t end = closing(t + 2);
      if (!is(t + 3, "where"))
        return fail(tokens_[t + 3].begin, errc::parse, "expected WHERE: FILTER (WHERE condition)");
      if (auto e = bind(t + 4, end, c.filter)) return e;
      if (c.filter->type.id != type_id::boolean)
        return fail(tokens_[t + 4].begin, errc::type_mismatch,
                    "the condition is " + to_string(c.filter->type) + ", but boolean is needed");
      t = end;
    }
    if (is(t + 1, "over"))
      return fail(tokens_[t + 1].begin, errc::unsupported, "OVER is not supported yet");
    out_.calls.push_back(std::move(c));
    return {};
  }

  std::optional<text_error> arguments(aggregate_call& c, size_t name_at, size_t first,
                                      size_t close) {
    if (is(first, "*") && first + 1 == close) {
      if (c.function != aggregate_function::count)
        return fail(tokens_[first].begin, errc::parse, "only count takes *");
      c.function = aggregate_function::count_star;
      return {};
    }
    if (is(first, "distinct")) {
      ++first;
      if (c.function == aggregate_function::count)
        c.function = aggregate_function::count_distinct;
      else if (c.function != aggregate_function::min && c.function != aggregate_function::max)
        return fail(tokens_[first - 1].begin, errc::unsupported,
                    "DISTINCT is supported in count, min and max");
    }
    size_t end = close;
    int depth = 0;
    for (size_t k = first; k < close; ++k) {
      if (is(k, "(") || is(k, "[")) ++depth;
      if (is(k, ")") || is(k, "]")) --depth;
      if (is(k, ",") && depth == 0) {
        end = k;
        break;
      }
    }
    if (auto e = bind(first, end, c.argument)) return e;
    if (c.function == aggregate_function::string_agg) {
      if (end == close)
        return fail(name_at, errc::parse, "string_agg takes a value and a separator");
      expr::node_ptr separator;
      if (auto e = bind(end + 1, close, separator)) return e;
      if (separator->kind != expr::node_kind::literal || separator->literal.null ||
          separator->type.id != type_id::string)
        return fail(tokens_[end + 1].begin, errc::unsupported,
                    "the separator of string_agg must be a text literal");
      c.separator = separator->literal.s;
    } else if (end != close) {
      return fail(tokens_[end].begin, errc::parse, "this aggregate takes one argument");
    }
    auto type = aggregate_result_type(c.function, &c.argument->type);
    if (!type.ok()) return text_error{tokens_[first].begin, type.err()};
    return {};
  }

  std::string_view text_;
  const schema& input_;
  std::vector<token> tokens_;
  uint32_t first_;
  bound_aggregate& out_;
};

}  // namespace

std::optional<text_error> bind_aggregates(std::string_view text, const schema& input,
                                          uint32_t first_call, bound_aggregate& out) {
  return binder(text, input, first_call, out).run();
}

std::vector<std::string> aggregate_names() {
  std::vector<std::string> out;
  for (const auto& f : functions) out.emplace_back(f.name);
  return out;
}

std::optional<std::pair<size_t, std::string>> position_of(const error& e, std::string_view text) {
  // "WHAT at [line L, ]column C\n  LINE\n  CARET[...]", as runtime/expr writes it.
  const std::string& m = e.message;
  const auto line_end = m.find('\n');
  if (line_end == std::string::npos) return {};
  const auto head = std::string_view(m).substr(0, line_end);
  const auto at = head.rfind(" at ");
  if (at == std::string_view::npos) return {};
  auto where = head.substr(at + 4);
  uint32_t line = 1, column = 0;
  auto number = [&where](std::string_view prefix, uint32_t& out) {
    if (where.substr(0, prefix.size()) != prefix) return false;
    where.remove_prefix(prefix.size());
    auto [end, ec] = std::from_chars(where.data(), where.data() + where.size(), out);
    where.remove_prefix(static_cast<size_t>(end - where.data()));
    return ec == std::errc();
  };
  if (number("line ", line) && where.substr(0, 2) == ", ") where.remove_prefix(2);
  if (!number("column ", column) || column == 0) return {};
  size_t offset = 0;
  for (uint32_t l = 1; l < line; ++l) {
    auto next = text.find('\n', offset);
    if (next == std::string_view::npos) return {};
    offset = next + 1;
  }
  for (uint32_t c = 1; c < column && offset < text.size(); ++c) {
    ++offset;
    while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80)
      ++offset;
  }
  return std::pair(offset, std::string(head.substr(0, at)));
}

}  // namespace weir::planner
