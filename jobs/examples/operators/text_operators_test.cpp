#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <weir/harness.hpp>

using weir::harness;
using weir::rows;

TEST_CASE("tokenizer splits lines into lower-case words") {
  harness h(WEIR_OPERATOR_LIBRARY, "tokenizer", {.input = "id bigint, line text"});
  h.push({{"line", "It was the BEST of times, it wasn't 1859!"}});
  CHECK(h.take() ==
        rows{{"it"}, {"was"}, {"the"}, {"best"}, {"of"}, {"times"}, {"it"}, {"wasn't"}, {"1859"}});
  h.push({{"line", "  'quoted' na\xc3\xafve--dash "}});
  CHECK(h.take() == rows{{"quoted"}, {"na\xc3\xafve"}, {"dash"}});
  h.push({{"line", ""}});
  h.push({{"line", nullptr}});
  CHECK(h.take().empty());
  CHECK(h.metric("words") == 12);
}

TEST_CASE("tokenizer drops short words and passes changes on") {
  harness h(WEIR_OPERATOR_LIBRARY, "tokenizer",
            {.input = "body text", .parameters = {{"column", "body"}, {"min_length", "3"}}});
  h.push({{"body", "a bee is here"}}, -1);
  CHECK(h.take() == rows{weir::row{"bee"} * -1, weir::row{"here"} * -1});
}

TEST_CASE("tokenizer emits far more rows than it gets") {
  harness h(WEIR_OPERATOR_LIBRARY, "tokenizer", {.input = "line text"});
  std::string line;
  for (int i = 0; i < 20'000; ++i) line += "w" + std::to_string(i) + " ";
  h.push({{"line", line}});
  auto words = h.take();
  REQUIRE(words.size() == 20'000);
  CHECK(words[0][0] == "w0");
  CHECK(words[8192][0] == "w8192");
  CHECK(words[19'999][0] == "w19999");
}

TEST_CASE("tokenizer refuses what it cannot work with") {
  auto refusal = [](weir::schema input, std::map<std::string, std::string> parameters) {
    return weir::error_of([&] {
      harness h(WEIR_OPERATOR_LIBRARY, "tokenizer", {.input = input, .parameters = parameters});
    });
  };
  CHECK(refusal("lines text", {}) ==
        "operator 'tokenizer': no column 'line'; did you mean 'lines'?");
  CHECK(refusal("line bigint", {}) == "operator 'tokenizer': column 'line' is bigint: use int64_t");
  CHECK(refusal("line text", {{"min_lenght", "2"}}) ==
        "operator 'tokenizer': unknown parameter 'min_lenght'; did you mean 'min_length'?");
  CHECK(
      refusal("line text", {{"min_length", "two"}}) ==
      "operator 'tokenizer': parameter 'min_length': 'two' is not an integer in its type's range");
}

namespace {

weir::harness_options clicks(uint32_t parallelism = 1) {
  return {.input = "visitor text, at timestamp",
          .parameters = {{"gap", "10m"}},
          .key = {"visitor"},
          .parallelism = parallelism,
          .event_time = "at"};
}

}  // namespace

TEST_CASE("sessionizer ends sessions by event time") {
  harness h(WEIR_OPERATOR_LIBRARY, "sessionizer", clicks());
  h.push_rows({{"ann", "2024-05-01 10:00:00"},
               {"bob", "2024-05-01 10:01:00"},
               {"ann", "2024-05-01 10:05:00"},
               {"ann", "2024-05-01 10:20:00"}});
  CHECK(h.take().empty());
  h.watermark("2024-05-01 10:14:59");
  CHECK(h.take() == rows{{"bob", "2024-05-01 10:01:00", "2024-05-01 10:11:00", 1}});
  h.watermark("2024-05-01 10:15:00");
  CHECK(h.take() == rows{{"ann", "2024-05-01 10:00:00", "2024-05-01 10:15:00", 2}});
  h.finish();
  CHECK(h.take() == rows{{"ann", "2024-05-01 10:20:00", "2024-05-01 10:30:00", 1}});
  CHECK(h.key_count() == 0);
}

TEST_CASE("sessionizer joins sessions when an event in between comes later") {
  harness h(WEIR_OPERATOR_LIBRARY, "sessionizer", clicks());
  h.push({{"visitor", "ann"}, {"at", "2024-05-01 10:16:00"}});
  h.push({{"visitor", "ann"}, {"at", "2024-05-01 10:00:00"}});
  h.push({{"visitor", "ann"}, {"at", "2024-05-01 10:08:00"}});
  h.finish();
  CHECK(h.take() == rows{{"ann", "2024-05-01 10:00:00", "2024-05-01 10:26:00", 3}});
}

TEST_CASE("sessionizer sends rows that come too late to its side output") {
  harness h(WEIR_OPERATOR_LIBRARY, "sessionizer", clicks());
  h.watermark("2024-05-01 12:00:00");
  h.push({{"visitor", "ann"}, {"at", "2024-05-01 11:50:00"}});
  h.push({{"visitor", "ann"}, {"at", "2024-05-01 11:50:01"}});
  CHECK(h.take_side("late") == rows{{"ann", "2024-05-01 11:50:00"}});
  CHECK(h.metric("late_rows") == 1);
  h.finish();
  CHECK(h.take() == rows{{"ann", "2024-05-01 11:50:01", "2024-05-01 12:00:01", 1}});
}

TEST_CASE("sessionizer continues from a snapshot at another parallelism") {
  auto feed = [](harness& h, int from, int to) {
    for (int i = from; i < to; ++i)
      h.push({{"visitor", "v" + std::to_string(i % 37)},
              {"at", (i * 7919 % 86'400) * int64_t{1'000'000}}});
  };
  harness plain(WEIR_OPERATOR_LIBRARY, "sessionizer", clicks());
  feed(plain, 0, 2000);
  plain.finish();
  auto expected = plain.take().sorted();
  REQUIRE(expected.size() > 100);

  harness h(WEIR_OPERATOR_LIBRARY, "sessionizer", clicks(2));
  feed(h, 0, 700);
  auto s = h.snapshot();
  feed(h, 700, 900);  // lost, and repeated after the restore
  h.restore(s, 5);
  feed(h, 700, 1400);
  h.restore(h.snapshot(), 3);
  feed(h, 1400, 2000);
  h.finish();
  CHECK(h.take().sorted() == expected);
}

TEST_CASE("sessionizer wants a key and an event time") {
  auto options = clicks();
  options.key = {};
  CHECK(weir::error_of([&] { harness h(WEIR_OPERATOR_LIBRARY, "sessionizer", options); }) ==
        "operator 'sessionizer': it needs a key: give the step `key: [columns]`");
  options = clicks();
  options.event_time = "";
  CHECK(weir::error_of([&] { harness h(WEIR_OPERATOR_LIBRARY, "sessionizer", options); }) ==
        "operator 'sessionizer': the input needs an event time");
}
