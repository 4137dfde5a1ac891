// Flat map: one row per element of a list, or that a function finds in a text. Elements of many
// rows go into one column; the kept columns are gathered by the row that each element came from.
//
// Behind the function's name the plan may say "outer", a row without elements gives one with NULL,
// and "ordinality", the column is a struct of the element and its number within its row.
#include <simdjson.h>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/row_errors.hpp"
#include "runtime/operators/words.hpp"

namespace weir {
namespace {

enum class splitter : uint8_t { split, words, lines, unnest, list };

struct row_function {
  splitter elements = splitter::split;
  bool outer = false, ordinality = false;
};

class flat_map_operator final : public stream_operator {
 public:
  flat_map_operator(const flat_map_spec& s, row_function f, expr::program p, schema_ptr output)
      : function_(f.elements),
        outer_(f.outer),
        ordinality_(f.ordinality),
        delimiter_(s.delimiter),
        kept_(s.kept),
        program_(std::move(p)),
        output_(std::move(output)) {}

  status open(const operator_context& c) override {
    context_ = c;
    memory_ = c.memory;
    const auto& type = output_->fields.back().type;
    elements_.emplace(ordinality_ ? type.fields->front().type : type, *memory_);
    if (ordinality_) numbers_.emplace(type_id::int64, *memory_);
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& batch, collector& out) override {
    std::vector<column_ptr> columns;
    WEIR_TRY(program_.evaluate(*batch, *memory_, columns, &errors_));
    WEIR_ASSIGN(auto in, without_rejected(context_, batch, errors_));
    errors_.clear();
    const column& text = *columns[0];
    if (function_ == splitter::words && !outer_ && !ordinality_) return words(*in, text, out);
    if (function_ == splitter::list && !outer_) return lists(*in, text, out);
    for (uint32_t i = 0; i < in->rows; ++i) {
      const uint32_t r = in->row(i);
      bool failed = false;
      if (text.is_valid(r)) {
        if (function_ == splitter::list) {
          const auto* o = text.offsets.as<uint32_t>();
          for (uint32_t k = o[r]; k < o[r + 1]; ++k) elements_->append_from(*text.children[0], k);
        } else if (function_ == splitter::unnest) {
          auto s = unnest(text.view(r));
          failed = !s;
          if (failed) errors_.push_back({r, std::move(s).err()});
        } else if (function_ == splitter::words) {
          words(text.view(r));
        } else {
          split(text.view(r));
        }
      }
      close_row(failed);
      rows_.resize(elements_->length(), r);
      if (elements_->length() >= batch_rows_target || elements_->bytes() >= batch_bytes_target)
        emit(*in, finish_elements(), out);
    }
    if (elements_->length()) emit(*in, finish_elements(), out);
    return reject_rows(context_, *in, errors_);
  }

 private:
  /// The row's elements are there: numbers them; none at all is NULL, where such rows stay.
  void close_row(bool failed) {
    const auto before = static_cast<uint32_t>(rows_.size());
    const bool none = elements_->length() == before;
    if (none && outer_ && !failed) {
      elements_->append_null();
      if (numbers_) numbers_->append_null();
      return;
    }
    for (uint32_t k = before; numbers_ && k < elements_->length(); ++k)
      numbers_->append(int64_t{k - before + 1});
  }
  column_ptr finish_elements() { return numbered(elements_->finish()); }
  column_ptr numbered(column_ptr elements) {
    if (!numbers_) return elements;
    auto both = std::make_shared<column>();
    both->type = output_->fields.back().type;
    both->length = elements->length;
    both->children = {std::move(elements), numbers_->finish()};
    return both;
  }

  /// Elements of lists are gathered a batch at a time.
  status lists(const batch& in, const column& c, collector& out) {
    const auto* o = c.offsets.as<uint32_t>();
    const column& all = *c.children[0];
    const size_t element_bytes = 1 + all.memory_bytes() / std::max(all.length, 1u);
    picked_.clear();
    for (uint32_t i = 0; i < in.rows; ++i) {
      const uint32_t r = in.row(i);
      for (uint32_t k = o[r]; c.is_valid(r) && k < o[r + 1]; ++k) {
        picked_.push_back(k);
        if (numbers_) numbers_->append(int64_t{k - o[r] + 1});
      }
      rows_.resize(picked_.size(), r);
      const bool full = picked_.size() >= batch_rows_target ||
                        picked_.size() * element_bytes >= batch_bytes_target;
      if (picked_.empty() || (!full && i + 1 < in.rows)) continue;
      emit(in, numbered(gather(all, picked_, *memory_)), out);
      picked_.clear();
    }
    return reject_rows(context_, in, errors_);
  }

  void emit(const batch& in, column_ptr elements, collector& out) {
    std::vector<column_ptr> columns;
    columns.reserve(kept_.size() + 1);
    for (uint32_t k : kept_) columns.push_back(gather(*in.columns[k], rows_, *memory_));
    const uint32_t n = elements->length;
    columns.push_back(std::move(elements));
    buffer_ref weights;
    if (in.weights) {
      weights = buffer::allocate(*memory_, size_t{n} * 4);
      for (uint32_t i = 0; i < n; ++i) weights.mutable_as<int32_t>()[i] = in.weight(rows_[i]);
    }
    rows_.clear();
    out.emit(make_batch(output_, std::move(columns), std::move(weights), n));
  }

  void split(std::string_view s) {
    if (s.empty()) return;
    const std::string_view by = function_ == splitter::lines ? "\n" : std::string_view(delimiter_);
    while (true) {
      const size_t end = by.size() == 1 ? s.find(by[0]) : s.find(by);
      auto element = s.substr(0, end);
      if (function_ == splitter::lines && element.ends_with('\r')) element.remove_suffix(1);
      elements_->append(element);
      if (end == std::string_view::npos) return;
      s.remove_prefix(end + by.size());
      if (s.empty() && function_ == splitter::lines) return;  // a final newline ends the last line
    }
  }

  status unnest(std::string_view s) {
    padded_.assign(s);
    padded_.reserve(s.size() + simdjson::SIMDJSON_PADDING);
    simdjson::dom::element root;
    if (auto bad = parser_.parse(padded_.data(), s.size(), false).get(root))
      return error(errc::parse, std::string("unnest: not JSON: ") + simdjson::error_message(bad));
    simdjson::dom::array items;
    if (root.get(items)) return error(errc::type_mismatch, "unnest: the JSON value is no array");
    const bool as_text = elements_->type().id != type_id::json;
    for (simdjson::dom::element e : items) {
      std::string_view plain;
      if (as_text && e.is_null()) {
        elements_->append_null();
      } else if (as_text && !e.get(plain)) {
        elements_->append(plain);
      } else {
        elements_->append(std::string_view(simdjson::minify(e)));
      }
    }
    return {};
  }

  /// The words of one text.
  void words(std::string_view s) {
    std::string bytes(s.size() + 64, '\0');
    std::vector<uint32_t> ends(s.size() / 2 + 2);
    word_sink sink{bytes.data(), ends.data(), bytes.data()};
    split_words(s.data(), s.size(), sink);
    uint32_t begin = 0;
    for (const uint32_t* end = ends.data(); end != sink.ends; begin = *end++)
      elements_->append(std::string_view(bytes.data() + begin, *end - begin));
  }

  status words(const batch& in, const column& text, collector& out) {
    for (uint32_t i = 0; i < in.rows;) {
      // As many rows as fit a batch; a single long text makes one larger batch.
      uint32_t end = i;
      size_t bytes = 0;
      while (end < in.rows && (end == i || bytes < batch_bytes_target)) {
        if (text.is_valid(in.row(end))) bytes += text.view(in.row(end)).size();
        ++end;
      }
      auto values = buffer::allocate(*memory_, bytes + 64);
      auto offsets = buffer::allocate(*memory_, (bytes / 2 + 2 + (end - i)) * 4);
      auto* begin = offsets.mutable_as<uint32_t>();
      word_sink sink{values.mutable_as<char>(), begin + 1, values.mutable_as<char>()};
      *begin = 0;
      for (; i < end; ++i) {
        const uint32_t r = in.row(i);
        if (!text.is_valid(r)) continue;
        const auto s = text.view(r);
        split_words(s.data(), s.size(), sink);
        if (!kept_.empty() || in.weights)
          rows_.resize(static_cast<size_t>(sink.ends - begin - 1), r);
      }
      auto made = std::make_shared<column>();
      made->type = output_->fields.back().type;
      made->length = static_cast<uint32_t>(sink.ends - begin - 1);
      values.truncate(static_cast<size_t>(sink.bytes - sink.bytes_begin));
      offsets.truncate((made->length + 1) * size_t{4});
      made->values = std::move(values);
      made->offsets = std::move(offsets);
      if (made->length) emit(in, std::move(made), out);
    }
    return {};
  }

  splitter function_;
  bool outer_, ordinality_;
  std::string delimiter_;
  std::vector<uint32_t> kept_;
  expr::program program_;
  schema_ptr output_;
  operator_context context_;
  std::vector<expr::row_error> errors_;
  memory_pool* memory_ = nullptr;
  std::optional<column_builder> elements_, numbers_;
  std::vector<uint32_t> picked_;  // of lists: the elements
  std::vector<uint32_t> rows_;    // per element: physical row of the input
  simdjson::dom::parser parser_;
  std::string padded_;
};

}  // namespace

result<operator_ptr> make_flat_map(const flat_map_spec& s, const schema_ptr& input,
                                   schema_ptr output) {
  row_function made;
  auto& f = made.elements;
  std::string_view name = s.function;
  auto flag = [&name](std::string_view word) {
    if (!name.ends_with(word)) return false;
    name.remove_suffix(word.size());
    return true;
  };
  made.ordinality = flag(" ordinality");
  made.outer = flag(" outer");
  const bool is_list = s.argument && s.argument->type.id == type_id::list;
  if (name == "split") {
    f = splitter::split;
    if (s.delimiter.empty())
      return error(errc::invalid_argument, "split needs a delimiter of at least one character");
  } else if (name == "words") {
    f = splitter::words;
  } else if (name == "lines") {
    f = splitter::lines;
  } else if (name == "unnest") {
    f = is_list ? splitter::list : splitter::unnest;
  } else {
    return error(errc::unknown_name,
                 "no function \"" + s.function + "\" to make rows: split, words, lines, unnest");
  }
  if (!s.argument || (f != splitter::list && !is_varlen(s.argument->type.id)))
    return error(errc::type_mismatch, s.function + " needs a text argument");
  auto wrong = [&s](const char* what) {
    return error(errc::type_mismatch, s.function + " gives the kept columns and " + what);
  };
  if (output->size() != s.kept.size() + 1) return wrong("one more");
  const data_type* element = &output->fields.back().type;
  if (made.ordinality) {
    if (element->id != type_id::struct_ || !element->fields || element->fields->size() != 2 ||
        element->fields->back().type.id != type_id::int64)
      return wrong("a struct of an element and its number");
    element = &element->fields->front().type;
  }
  if (f == splitter::list ? *element != s.argument->type.fields->front().type
                          : !is_varlen(element->id))
    return wrong(f == splitter::list ? "the list's items" : "one column of text");
  WEIR_ASSIGN(auto program, expr::program::compile({s.argument}, input));
  return operator_ptr(new flat_map_operator(s, made, std::move(program), std::move(output)));
}

}  // namespace weir
