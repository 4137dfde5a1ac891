// Two builds of one operator, which differ in what they say: TAG. Rows come out with the tag and,
// in `first`, 1 for the first row of each key, which is remembered in keyed state.
#include <weir/operator.hpp>

namespace {

class tagger : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    d.input().bind<int64_t>("n");
    d.output("g bigint, n bigint, tag text, first bigint");
    d.needs_key();
  }
  void open(weir::context& ctx) override { n_ = ctx.input().bind<int64_t>("n"); }
  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter& out) override {
    auto n = in.column(n_);
    for (auto row : ctx.rows(in)) {
      const int64_t first = seen_.get_or(0) == 0 ? 1 : 0;
      if (first) seen_.set(1);
      out.row().set("g", ctx.key<int64_t>()).set("n", n[row]).set("tag", TAG).set("first", first);
    }
  }

 private:
  weir::value_state<int64_t> seen_{*this, "seen"};
  weir::column_ref<int64_t> n_;
};

}  // namespace

WEIR_EXPORT_OPERATOR(tagger, "tagger")
