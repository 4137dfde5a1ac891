// Parts of the command line that need no process: statements from lines, completion, texts that fit
// on a terminal, the order of live rows.
#include <doctest/doctest.h>

#include "cluster/cli/live/layout.hpp"
#include "cluster/cli/live/live_rows.hpp"
#include "cluster/cli/prompt/completion.hpp"
#include "cluster/cli/prompt/statement_reader.hpp"

using namespace weir;
using namespace weir::cli;

namespace {

/// "LINE:TEXT" of what the lines complete; commands as "LINE!TEXT".
std::vector<std::string> pieces(const std::vector<std::string>& lines, bool finish = true) {
  statement_reader r;
  std::vector<std::string> out;
  auto add = [&out](const std::vector<statement_reader::piece>& found) {
    for (const auto& p : found)
      out.push_back(std::to_string(p.line) + (p.command ? "!" : ":") + p.text);
  };
  for (const auto& line : lines) add(r.feed(line));
  if (finish) add(r.finish());
  return out;
}

using texts = std::vector<std::string>;

std::vector<sql::relation_info> relations() {
  sql::relation_info flights, weather;
  flights.name = "flights";
  flights.columns = {{"carrier", "text", ""}, {"dep_delay", "int", ""}};
  weather.name = "Weather";
  weather.columns = {{"temp", "int", ""}, {"wind_dir", "int", ""}};
  return {weather, flights};
}

texts completed(const std::string& before) {
  return complete(before, before, relations()).words;
}

}  // namespace

TEST_CASE("lines become statements at ';' wherever that ends one") {
  CHECK(pieces({"SELECT 1;"}) == texts{"1:SELECT 1"});
  CHECK(pieces({"SELECT", "  1", "; SELECT 2;  SELECT", " 3"}) ==
        texts{"1:SELECT\n  1\n", "3:  SELECT 2", "3:             SELECT\n 3\n"});
  CHECK(pieces({"SELECT ';' AS \";\", $$;$$ -- ;", "/* ; */ + 1;"}) ==
        texts{"1:SELECT ';' AS \";\", $$;$$ -- ;\n/* ; */ + 1"});
  CHECK(pieces({"", "-- a comment", "/* another;", "*/", "\\d t", "SELECT 1", "\\d;"}, false) ==
        texts{"5!\\d t", "6:SELECT 1\n\\d"});
  CHECK(pieces({"SELECT 1"}, false).empty());
  CHECK(pieces({"SELECT 'open;", "still;'; SELECT 2"}) ==
        texts{"1:SELECT 'open;\nstill;'", "2:         SELECT 2\n"});
}

TEST_CASE("TAB knows what may stand there") {
  CHECK(completed("SELECT * FROM fl") == texts{"flights"});
  CHECK(completed("SELECT * FROM w") == texts{});  // its name needs quotes
  CHECK(completed("SELECT * FROM \"W") == texts{"\"Weather\""});
  CHECK(completed("select dep") == texts{"dep_delay"});
  // Columns of the tables that the statement names.
  CHECK(completed("SELECT * FROM flights WHERE te") == texts{"text"});
  CHECK(completed("SELECT * FROM \"Weather\" WHERE te") == texts{"temp", "text"});
  CHECK(completed("SELECT flights.c") == texts{"carrier"});
  CHECK(completed("SELECT f.wind") == texts{"wind_dir"});
  CHECK(completed("hav") == texts{"having"});
  CHECK(completed("HAV") == texts{"HAVING"});
  // Functions of all kinds, as the binder knows them.
  for (const std::string name : {"percentile_cont", "json_agg", "regexp_match", "jsonb_set",
                                 "dense_rank", "json_array_elements", "array_append", "to_number"})
    CHECK(completed("SELECT " + name.substr(0, name.size() - 1)).front() == name);
  CHECK(completed("SELECT coalesc") == texts{"coalesce"});
  CHECK(completed("\\ti") == texts{"\\timing"});
  CHECK(completed("\\d f") == texts{"flights"});
  CHECK(complete("SELECT (carr", "SELECT (carr", relations()).typed == 4);
  CHECK(common_prefix({"count", "coalesce", "concat"}) == "co");
  CHECK(common_prefix({}) == "");
}

TEST_CASE("texts are measured, cut and made harmless") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("漢字") == 4);
  CHECK(display_width("e\xCC\x81") == 1);  // e and a combining accent
  CHECK(fitted("abc", 3) == "abc");
  CHECK(fitted("abcd", 3) == "ab…");
  CHECK(fitted("漢字", 3) == "漢…");
  CHECK(fitted("abc", 0) == "");
  CHECK(printable("a\nb\tc\x1b[2J\x7f") == "a\\nb\\tc\\x1b[2J\\x7f");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("grün 漢") == "grün 漢");
  CHECK(rows_text(1) == "1 row");
  CHECK(rows_text(1234567) == "1,234,567 rows");
}

TEST_CASE("a live table takes as many rows as the screen has") {
  table_layout how{{"k", "n"}, {false, true}, false};
  live_rows::shown s;
  for (int i = 0; i < 5; ++i) s.rows.push_back({"k" + std::to_string(i), std::to_string(i * 10)});
  s.total = 5;
  CHECK(live_lines(how, s, "below", {20, 12}) ==
        texts{"k    n", "--  --", "k0   0", "k1  10", "k2  20", "k3  30", "k4  40", "below"});
  CHECK(live_lines(how, s, "below", {20, 6}) ==
        texts{"k    n", "--  --", "k0   0", "k1  10", "… 3 rows more", "below"});
  CHECK(live_lines(how, s, "", {5, 6})[2] == "k0 …");
  CHECK(live_lines(how, s, "below", {20, 2}).size() == 2);
}
