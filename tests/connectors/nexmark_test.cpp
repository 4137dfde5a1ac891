// The Nexmark source: what its rows are, and that they are the same however they are read.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <set>

#include "runtime/connectors/nexmark_model.hpp"
#include "runtime/connectors/stream_lead.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;
using rows = std::vector<std::string>;
namespace nx = weir::nexmark;

namespace {

source_spec nexmark_table(nx::table kind, std::vector<std::string> columns, option_map options) {
  source_spec s;
  s.connector = "nexmark";
  s.options = std::move(options);
  s.options["table"] = std::string(name_of(kind));
  auto type = std::make_shared<schema>();
  for (const auto& name : columns)
    for (const auto& f : fields_of(kind))
      if (f.name == name) type->fields.push_back({name, f.type});
  REQUIRE(type->size() == columns.size());
  type->event_time = type->find("date_time");
  s.columns = type;
  s.physical_columns = static_cast<uint32_t>(columns.size());
  return s;
}
std::vector<std::string> all_columns(nx::table kind) {
  std::vector<std::string> names;
  for (const auto& f : fields_of(kind)) names.emplace_back(f.name);
  return names;
}
std::string part(const std::string& row, size_t i) {
  size_t from = 0;
  for (; i > 0; --i) from = row.find('|', from) + 1;
  return row.substr(from, row.find('|', from) - from);
}
int64_t number(const std::string& row, size_t i) {
  return std::stoll(part(row, i));
}
std::string error_of(const source_spec& s) {
  auto r = make_reader(s);
  return r ? "" : r.err().message;
}

const auto person = nx::table::person, auction = nx::table::auction, bid = nx::table::bid;

}  // namespace

TEST_CASE("nexmark: numbers of events and rows") {
  CHECK(rows_before(person, 0) == 0);
  CHECK(rows_before(person, 1) == 1);
  CHECK(rows_before(auction, 1) == 0);
  CHECK(rows_before(auction, 3) == 2);
  CHECK(rows_before(bid, 4) == 0);
  CHECK(rows_before(bid, 50) == 46);
  CHECK(rows_before(bid, 103) == 92);
  CHECK(event_of(bid, 46) == 54);
  CHECK(event_of(auction, 5) == 53);
  for (auto kind : {person, auction, bid})
    for (uint64_t row = 0; row < 200; ++row) {
      CHECK(rows_before(kind, event_of(kind, row)) == row);
      CHECK(rows_before(kind, event_of(kind, row) + 1) == row + 1);
    }
}

TEST_CASE("nexmark: proportions, times and ids") {
  environment env;
  const option_map options{{"events", "100000"}, {"start_time", "2013-01-01 00:00:00"}};
  auto people = *read_all(env, nexmark_table(person, {"id", "date_time"}, options));
  auto auctions = *read_all(env, nexmark_table(auction, {"id", "date_time"}, options));
  auto bids = *read_all(env, nexmark_table(bid, {"date_time"}, options));
  CHECK(people.size() == 2'000);
  CHECK(auctions.size() == 6'000);
  CHECK(bids.size() == 92'000);
  CHECK(people[0] == "1000|2013-01-01 00:00:00");
  CHECK(people[1] == "1001|2013-01-01 00:00:00.005");
  CHECK(auctions[0] == "1000|2013-01-01 00:00:00.0001");
  CHECK(auctions[3] == "1003|2013-01-01 00:00:00.0051");
  CHECK(auctions[5999] == "6999|2013-01-01 00:00:09.9953");
  CHECK(bids[0] == "2013-01-01 00:00:00.0004");
  CHECK(bids[91'999] == "2013-01-01 00:00:09.9999");

  // A part of a group, and a rate that does not divide a second.
  const option_map few{{"events", "57"}, {"event_rate", "7"}};
  CHECK(*read_all(env, nexmark_table(auction, {"date_time"}, few)) ==
        rows{"2020-01-01 00:00:00.142857", "2020-01-01 00:00:00.285714",
             "2020-01-01 00:00:00.428571", "2020-01-01 00:00:07.285714",
             "2020-01-01 00:00:07.428571", "2020-01-01 00:00:07.571428"});
  CHECK(read_all(env, nexmark_table(bid, {"price"}, few))->size() == 49);
  CHECK(read_all(env, nexmark_table(bid, {"price"}, {{"events", "4"}}))->empty());
}

TEST_CASE("nexmark: hot ids, prices and sizes") {
  environment env;
  const option_map options{{"events", "500000"}};
  auto bids = *read_all(env, nexmark_table(bid, all_columns(bid), options));
  size_t hot_auctions = 0, hot_bidders = 0, hot_channels = 0, with_id = 0, bytes = 0;
  double magnitudes = 0;
  std::set<std::string> channels;
  std::map<std::string, std::string> url_of;
  bool in_reach = true, one_url = true;
  for (size_t i = 0; i < bids.size(); ++i) {
    const auto& b = bids[i];
    const auto group = static_cast<int64_t>(i / 46);
    const int64_t newest_auction = 1000 + group * 3 + 2, newest_person = 1000 + group;
    const int64_t a = number(b, 0), p = number(b, 1), price = number(b, 2);
    hot_auctions += a == 1000 + (newest_auction - 1000) / 100 * 100;
    hot_bidders += p == 1000 + group / 100 * 100 + 1;
    in_reach &= a >= 1000 && a >= newest_auction - 100 && a <= newest_auction + 10;
    in_reach &= p >= 1000 && p > newest_person - 1000 && p <= newest_person + 10;
    in_reach &= price >= 100 && price <= 100'000'000;
    magnitudes += std::log10(static_cast<double>(price) / 100);
    hot_channels += part(b, 3).rfind("channel-", 0) != 0;
    channels.insert(part(b, 3));
    with_id += part(b, 4).find("item.htm?query=1&channel_id=") != std::string::npos;
    one_url &= url_of.emplace(part(b, 3), part(b, 4)).first->second == part(b, 4);
    bytes += 32 + part(b, 6).size();
  }
  auto share = [n = static_cast<double>(bids.size())](auto count) {
    return static_cast<double>(count) / n;
  };
  CHECK(in_reach);
  CHECK(one_url);
  CHECK(share(hot_auctions) == doctest::Approx(0.5 + 0.5 / 111).epsilon(0.01));
  CHECK(share(hot_bidders) == doctest::Approx(0.75).epsilon(0.01));
  CHECK(share(magnitudes) == doctest::Approx(3.0).epsilon(0.005));
  CHECK(share(hot_channels) == doctest::Approx(0.5).epsilon(0.01));
  CHECK(channels.size() == 10'004);
  CHECK(share(with_id) == doctest::Approx(0.45).epsilon(0.02));
  CHECK(share(bytes) == doctest::Approx(100).epsilon(0.01));

  auto auctions = *read_all(env, nexmark_table(auction, all_columns(auction), options));
  bytes = 0;
  std::map<int64_t, size_t> categories;
  bool sound = true;
  for (const auto& a : auctions) {
    bytes += 48 + part(a, 1).size() + part(a, 2).size() + part(a, 9).size();
    ++categories[number(a, 8)];
    sound &= number(a, 3) < number(a, 4) && part(a, 5) < part(a, 6);
    sound &= part(a, 1).front() != ' ' && part(a, 1).back() != ' ';
  }
  CHECK(sound);
  CHECK(categories.size() == 5);
  CHECK(categories.begin()->first == 10);
  CHECK(static_cast<double>(bytes) / 30'000 == doctest::Approx(500).epsilon(0.01));

  bytes = 0;
  auto people = *read_all(env, nexmark_table(person, all_columns(person), options));
  for (const auto& p : people) {
    bytes += 8 + part(p, 7).size();
    for (size_t i = 1; i <= 5; ++i) bytes += part(p, i).size();
    sound &= part(p, 2).find('@') != std::string::npos && part(p, 3).size() == 19;
  }
  CHECK(sound);
  CHECK(static_cast<double>(bytes) / 10'000 == doctest::Approx(200).epsilon(0.01));
}

TEST_CASE("nexmark: the rows of a seed, which never change") {
  environment env;
  const option_map options{{"events", "10000000000"}};
  auto at = [&](nx::table kind, uint64_t event) {
    auto spec = nexmark_table(kind, all_columns(kind), options);
    spec.options["splits"] = "1";
    auto split = (*make_enumerator(spec, *env.files, 1))->discover()->splits.at(0);
    // The position's last word is the event's number.
    for (int i = 0; i < 8; ++i)
      split.payload[split.payload.size() - 8 + static_cast<size_t>(i)] =
          static_cast<char>(event >> (8 * i));
    auto reader = *make_reader(spec);
    REQUIRE(reader->open(env.context()).ok());
    REQUIRE(reader->add_split(split).ok());
    rows out;
    auto p = *reader->poll(1);
    append_rows(out, *p.rows);
    return out.at(0);
  };
  CHECK(at(person, 0) ==
        "1000|Vicky Jones|iuwnns@zxh.com|0250 0446 6565 1247|Bend|CA|2020-01-01 "
        "00:00:00|"
        "svbilaqqjmuvbeyodutlowvxwamccacvzgclcmszohwczbdtnvsidjazjhcacvkfxrggfgxeorbecumksbgvxvdino"
        "vcxokmscihplxaerxxoxfcjyhegibjbnxgqfmarqyxpawelhxjxcoxkppbjbnktibgdfpdzvvfitdjo");
  CHECK(at(auction, 51).substr(0, 200) ==
        "1003|weeizecmrkhpiv ps|jqgwormbujom lpbaybeervevvox oeld woczxgbathblswewem  nlbnxfdyedh "
        "cplkimlikhc ovyspqqmvkpq ppnmglg|3000|4747|2020-01-01 00:00:00.0051|2020-01-01 "
        "00:00:00.146875|1000|11|nahnurqm");
  CHECK(at(bid, 4) ==
        "1000|1001|16406|Google|https://www.nexmark.com/ipz/gkb/zz_/item.htm?query=1|2020-01-01 "
        "00:00:00.0004|"
        "eoznutpbqrmqoiehyhzzvwlqzvlytkzeetogmbhmurdgfvtbwpxnrturawgdlavfgqpfwkmpgwbmdjj");
  CHECK(at(bid, 5'000'000'004) ==
        "300001000|100000415|31933135|channel-8806|https://www.nexmark.com/fdgc/yu_c/vlf/"
        "item.htm?query=1&channel_id=1715732480|2020-01-06 "
        "18:53:20.0004|vnukaqzbtiandnstmrunqpeicqphugjvhqxdhuvyeiiqummgnrceskvmjovpva");
}

TEST_CASE("nexmark: rows do not depend on splits, batches or what else is read") {
  environment env;
  for (auto kind : {person, auction, bid}) {
    option_map options{{"events", "60013"}, {"seed", "7"}};
    auto spec = nexmark_table(kind, all_columns(kind), options);
    auto all = *read_all(env, spec);
    for (auto splits : {"1", "3", "16"}) {
      spec.options["splits"] = splits;
      auto other = *read_all(env, spec, 777);
      CHECK(other == all);  // one reader has all splits, and reads in order
    }
    // Each column by itself, and with all others generated and thrown away.
    for (size_t c = 0; c < spec.columns->size(); ++c) {
      rows column;
      for (const auto& r : all) column.push_back(part(r, c));
      auto alone = nexmark_table(kind, {spec.columns->fields[c].name}, options);
      CHECK(*read_all(env, alone) == column);
      alone.options["full_events"] = "true";
      CHECK(*read_all(env, alone) == column);
    }
    spec.options["seed"] = "8";
    CHECK(*read_all(env, spec) != all);
  }
}

TEST_CASE("nexmark: split over readers, stopped and continued") {
  environment env;
  for (auto kind : {person, auction, bid}) {
    auto spec = nexmark_table(kind, {"date_time", "extra"}, {{"events", "200000"}});
    auto all = *read_all(env, spec);
    spec.options["splits"] = "5";
    auto found = *(*make_enumerator(spec, *env.files, 1))->discover();
    CHECK(found.bounded);
    CHECK(found.side_by_side);
    uint64_t weight = 0;
    for (auto& s : found.splits) weight += s.weight;
    CHECK(weight == all.size());
    auto open = [&](std::vector<source_split> splits) {
      auto r = *make_reader(spec);
      REQUIRE(r->open(env.context()).ok());
      for (auto& s : splits) REQUIRE(r->add_split(std::move(s)).ok());
      return r;
    };
    auto two = open({found.splits[0], found.splits[3]});
    auto three = open({found.splits[1], found.splits[2], found.splits[4]});
    rows got;
    for (int i = 0; i < 3; ++i)
      for (auto* r : {two.get(), three.get()}) {
        auto p = *r->poll(1234);
        if (p.rows) append_rows(got, *p.rows);
      }
    auto left = two->snapshot();
    uint64_t rows_left = 0;
    for (auto& s : three->snapshot()) left.push_back(s);
    for (auto& s : left) rows_left += s.weight;
    CHECK(rows_left + got.size() == all.size());
    auto one = open(left);
    REQUIRE(drain(*one, got).ok());
    std::sort(got.begin(), got.end());
    std::sort(all.begin(), all.end());
    CHECK(got == all);
  }
}

TEST_CASE("nexmark: no row is older than its split has promised") {
  environment env;
  auto spec = nexmark_table(auction, {"date_time"}, {{"events", "300000"}, {"splits", "4"}});
  auto found = *(*make_enumerator(spec, *env.files, 1))->discover();
  auto reader = *make_reader(spec);
  REQUIRE(reader->open(env.context()).ok());
  for (auto& s : found.splits) REQUIRE(reader->add_split(s).ok());
  std::map<std::string, timestamp_us> promised;
  bool kept = true, exact = true;
  for (;;) {
    auto p = *reader->poll(100);
    if (p.what == polled::state::finished) break;
    const auto first = p.rows->columns[0]->data<int64_t>()[0];
    auto& before = promised[std::string(p.split_id)];
    if (before != 0) {
      kept &= first >= before;
      exact &= first == before;
    }
    before = p.split_time;
    if (p.split_ended) CHECK(p.split_time == watermark_none);
  }
  CHECK(kept);
  CHECK(exact);
  // Of another column nothing is promised.
  spec = nexmark_table(auction, {"expires"}, {{"events", "300000"}});
  auto s = std::make_shared<schema>(*spec.columns);
  s->event_time = 0;
  spec.columns = s;
  auto other = *make_reader(spec);
  REQUIRE(other->open(env.context()).ok());
  REQUIRE(other->add_split((*make_enumerator(spec, *env.files, 1))->discover()->splits[0]).ok());
  CHECK(other->poll(100)->split_time == watermark_none);
}

TEST_CASE("nexmark: at a rate, every table gives its share") {
  environment env;
  for (auto [kind, expected] :
       {std::pair(person, 20), std::pair(auction, 60), std::pair(bid, 920)}) {
    auto spec = nexmark_table(kind, {"date_time"}, {{"rate", "1000"}});
    env.time.set(5'000'000);
    auto found = *(*make_enumerator(spec, *env.files, 2))->discover();
    REQUIRE(found.splits.size() == 1);
    auto reader = *make_reader(spec);
    REQUIRE(reader->open(env.context()).ok());
    REQUIRE(reader->add_split(found.splits[0]).ok());
    auto p = *reader->poll(100);
    CHECK(p.what == polled::state::pending);
    CHECK(p.wake_at == 5'000'000 + 1000 * static_cast<int64_t>(event_of(kind, 0) + 1));
    env.time.set(6'000'000);
    rows got;
    REQUIRE(drain(*reader, got, 100, true).ok());
    CHECK(got.size() == static_cast<size_t>(expected));

    // Of four splits one reader has three: three quarters of the rate, and all rows in the end.
    spec.options = {{"table", spec.options["table"]},
                    {"rate", "100000"},
                    {"splits", "4"},
                    {"events", "200000"}};
    auto all = *(*make_enumerator(spec, *env.files, 2))->discover();
    REQUIRE(all.splits.size() == 4);
    auto three = *make_reader(spec), one = *make_reader(spec);
    for (auto* r : {&three, &one}) REQUIRE((*r)->open(env.context()).ok());
    for (size_t i = 0; i < 4; ++i) REQUIRE((i == 2 ? one : three)->add_split(all.splits[i]).ok());
    for (auto* r : {&three, &one}) CHECK((*r)->poll(100)->what == polled::state::pending);
    env.time.advance(1'000'000);
    rows most, few;
    REQUIRE(drain(*three, most, 100, true).ok());
    REQUIRE(drain(*one, few, 100, true).ok());
    const double share = rows_before(kind, 100'000);
    CHECK(static_cast<double>(most.size()) == doctest::Approx(share * 0.75).epsilon(0.002));
    CHECK(static_cast<double>(few.size()) == doctest::Approx(share * 0.25).epsilon(0.002));
    for (int i = 0; i < 3; ++i) {
      env.time.advance(1'000'000);
      REQUIRE(drain(*three, most, 100, true).ok());
      REQUIRE(drain(*one, few, 100, true).ok());
    }
    most.insert(most.end(), few.begin(), few.end());
    std::sort(most.begin(), most.end());
    spec.options.erase("rate");
    auto expected_rows = *read_all(env, spec);
    std::sort(expected_rows.begin(), expected_rows.end());
    CHECK(most == expected_rows);
  }
}

TEST_CASE("nexmark: a reader waits for a slower one of its job, for a while") {
  auto a = stream_lead::join("job", 100), b = stream_lead::join("job", 100);
  auto other = stream_lead::join("another", 100);
  CHECK(a->may_read(5000, 1));  // b has not begun
  CHECK(other->may_read(0, 1));
  CHECK(b->may_read(10, 2));
  CHECK_FALSE(a->may_read(5000, 3));
  CHECK(b->may_read(4900, 4));
  CHECK(a->may_read(5000, 5));
  CHECK_FALSE(a->may_read(5001, 6));
  CHECK_FALSE(a->may_read(5001, 99'999));
  CHECK(a->may_read(5001, 100'006));  // b is stuck
  CHECK(b->may_read(4901, 100'007));
  CHECK(a->may_read(5001, 100'008));
  CHECK_FALSE(a->may_read(6000, 100'009));
  b->leave();
  CHECK(a->may_read(6000, 100'010));
  CHECK(b->may_read(10, 100'011));
  b.reset();
  CHECK(a->may_read(6000, 100'012));
}

TEST_CASE("nexmark: columns by any spelling of the standard's, errors for others") {
  auto declared = [](nx::table kind, const char* name, type_id type) {
    auto f = field_of(kind, {name, type});
    return f ? std::string() : f.err().message;
  };
  CHECK(declared(auction, "itemName", type_id::string).empty());
  CHECK(declared(auction, "ITEMNAME", type_id::string).empty());
  CHECK(declared(auction, "item_name", type_id::string).empty());
  CHECK(declared(bid, "dateTime", type_id::timestamp).empty());
  CHECK(declared(bid, "auctoin", type_id::int64) ==
        "Nexmark's table bid has no column \"auctoin\"; did you mean \"auction\"? (known: auction, "
        "bidder, price, channel, url, date_time, extra)");
  CHECK(declared(bid, "price", type_id::int32) ==
        "column \"price\" of Nexmark's table bid is bigint, not int");

  option_map options;
  schema columns{{{"price", type_id::int64}}, std::nullopt};
  CHECK(check_source_table("nexmark", "Bid", columns, options).ok());
  CHECK(options["table"] == "bid");
  options = {{"table", "bid"}};
  CHECK(check_source_table("nexmark", "person", columns, options).ok());
  options = {};
  CHECK(check_source_table("nexmark", "bids", columns, options).err().message ==
        "connector nexmark needs the option table = 'person', 'auction' or 'bid', unless the "
        "table itself has one of these names");

  auto wrong = [](option_map o) { return check_options("nexmark", o, false).err().message; };
  CHECK(wrong({{"table", "bids"}}).find("did you mean \"bid\"?") != std::string::npos);
  CHECK(wrong({{"event_rate", "0"}}) == "option event_rate = '0': expected an integer above 0");
  CHECK(wrong({{"start_time", "soon"}}) ==
        "option start_time = 'soon': expected a timestamp such as 2013-01-01 06:00:00");
  auto spec = nexmark_table(bid, {"price"}, {{"events", "9000000000000000000"}});
  CHECK(error_of(spec) ==
        "option events: so many events at this event_rate do not fit into timestamps");
  spec.options = {{"table", "bid"}, {"splits", "70000"}};
  environment env;
  CHECK(make_enumerator(spec, *env.files, 1).err().message == "option splits: at most 65536");
  auto reader = *make_reader(nexmark_table(bid, {"price"}, {}));
  CHECK(reader->add_split({"x", "x", "damaged"}).err().message ==
        "a nexmark table's position in the snapshot is damaged");
}
