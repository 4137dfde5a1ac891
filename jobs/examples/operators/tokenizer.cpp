// Splits a text column into words: one row per word, lower-cased. A word is a run of ASCII letters,
// digits and apostrophes within them; bytes of other scripts count as letters. The simplest kind of
// operator: rows in, rows out, no state. It appends to its output column directly, for speed.
#include <weir/operator.hpp>

namespace {

class tokenizer : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    auto column = d.parameter<std::string>("column", "line", "text column to split");
    d.parameter<int64_t>("min_length", 1, "shorter words are dropped");
    d.input().bind<std::string_view>(column);  // refused now rather than when the job runs
    d.output("word text");
  }

  void open(weir::context& ctx) override {
    text_ = ctx.input().bind<std::string_view>(ctx.parameter<std::string>("column"));
    min_length_ = static_cast<size_t>(std::max<int64_t>(0, ctx.parameter<int64_t>("min_length")));
    words_ = ctx.counter("words");
  }

  void process_batch(weir::context&, const weir::batch& in, weir::emitter& out) override {
    auto text = in.column(text_);
    auto word = out.column<std::string_view>(0);
    int64_t n = 0;
    for (auto row : in.rows()) {
      if (text.is_null(row)) continue;
      std::string_view rest = text[row];
      for (std::string_view w = next_word(rest); !w.empty(); w = next_word(rest)) {
        if (w.size() < min_length_) continue;
        lower_.assign(w);
        for (char& c : lower_) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        word.append(lower_);
        // A change of the line is a change of each of its words.
        if (in.has_weights()) weights_.push_back(in.weight(row));
        ++n;
      }
    }
    out.append_weights(weights_);
    weights_.clear();
    words_.add(n);
  }

 private:
  static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<unsigned char>(c) >= 0x80;
  }
  /// Takes the next word off `rest`; empty when there is none.
  static std::string_view next_word(std::string_view& rest) {
    size_t begin = 0;
    while (begin < rest.size() && !is_letter(rest[begin])) ++begin;
    size_t end = begin;
    while (end < rest.size() &&
           (is_letter(rest[end]) ||
            (rest[end] == '\'' && end + 1 < rest.size() && is_letter(rest[end + 1]))))
      ++end;
    auto word = rest.substr(begin, end - begin);
    rest.remove_prefix(end);
    return word;
  }

  weir::column_ref<std::string_view> text_;
  size_t min_length_ = 1;
  weir::counter words_;
  std::string lower_;
  std::vector<int32_t> weights_;
};

}  // namespace

WEIR_EXPORT_OPERATOR(tokenizer, "tokenizer")
