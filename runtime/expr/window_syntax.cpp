// ORDER BY and windows in libpg_query's JSON.
#include "runtime/expr/syntax_reader.hpp"

namespace weir::expr {
namespace {

// PostgreSQL's FRAMEOPTION_ bits (nodes/parsenodes.h), part of libpg_query's interface.
constexpr int64_t frame_written = 0x1, frame_rows = 0x4, frame_groups = 0x8;
constexpr int64_t end_unbounded_following = 0x100;
constexpr int64_t start_current_row = 0x200, end_current_row = 0x400;
constexpr int64_t start_preceding = 0x800, end_preceding = 0x1000;
constexpr int64_t start_following = 0x2000, end_following = 0x4000;
constexpr int64_t exclude_current_row = 0x8000, exclude_group = 0x10000, exclude_ties = 0x20000;

}  // namespace

result<std::vector<sort_item>> syntax_reader::sort_items(json_list list, int depth) {
  std::vector<sort_item> out;
  simdjson::dom::array items;
  if (list.get(items)) return out;
  for (json_node item : items) {
    const json_node body = item["SortBy"];
    sort_item s;
    WEIR_ASSIGN(s.value, read(body["node"], depth + 1));
    const auto direction = text_at(body, "sortby_dir");
    if (direction == "SORTBY_USING")
      return error_at(errc::unsupported, "ORDER BY ... USING is not supported; write ASC or DESC",
                      sql_, s.value.location);
    s.descending = direction == "SORTBY_DESC";
    const auto nulls = text_at(body, "sortby_nulls");
    s.nulls_first = nulls == "SORTBY_NULLS_FIRST" || (nulls != "SORTBY_NULLS_LAST" && s.descending);
    out.push_back(std::move(s));
  }
  return out;
}

result<window_syntax> syntax_reader::window(json_node body, int depth) {
  window_syntax w;
  w.location = location_of(body);
  w.name = text_at(body, "name");
  w.copied = text_at(body, "refname");
  simdjson::dom::array items;
  if (!body["partitionClause"].get(items))
    for (json_node item : items) {
      WEIR_ASSIGN(auto key, read(item, depth + 1));
      w.partition.push_back(std::move(key));
    }
  WEIR_ASSIGN(w.order, sort_items(body["orderClause"], depth));
  int64_t o = 0;
  if (body["frameOptions"].get(o)) o = 0;
  w.framed = o & frame_written;
  w.frame = o & frame_rows     ? window_syntax::unit::rows
            : o & frame_groups ? window_syntax::unit::groups
                               : window_syntax::unit::range;
  using b = window_syntax::bound;
  w.start = o & start_current_row ? b::current_row
            : o & start_preceding ? b::preceding
            : o & start_following ? b::following
                                  : b::unbounded_preceding;
  w.end = o & end_current_row           ? b::current_row
          : o & end_preceding           ? b::preceding
          : o & end_following           ? b::following
          : o & end_unbounded_following ? b::unbounded_following
                                        : b::current_row;
  using x = window_syntax::exclusion;
  w.without = o & exclude_current_row ? x::current_row
              : o & exclude_group     ? x::group
              : o & exclude_ties      ? x::ties
                                      : x::none;
  for (auto [key, into] : {std::pair{"startOffset", &w.start_offset}, {"endOffset", &w.end_offset}})
    if (has_key(body, key)) {
      WEIR_ASSIGN(auto offset, read(body[key], depth + 1));
      into->push_back(std::move(offset));
    }
  return w;
}

}  // namespace weir::expr
