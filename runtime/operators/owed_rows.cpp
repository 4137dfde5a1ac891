#include "runtime/operators/owed_rows.hpp"

#include "runtime/column/text.hpp"

namespace weir {

error taken_back_too_often(const std::string& what) {
  return {errc::invalid_argument,
          what +
              " was taken back more often than it came: a table that is read has changes of "
              "rows that are not there (of debezium_json with a PRIMARY KEY the option keyed = "
              "true reads them by their key)"};
}

std::string described(const key_codec& codec, const uint64_t* row, std::string_view what,
                      memory_pool& memory) {
  std::string out(what);
  for (size_t k = 0; k < codec.size(); ++k) {
    out += k == 0 ? " (" : ",";
    const auto value = codec.decode(k, &row, 1, memory);
    value->is_valid(0) ? append_text(out, *value, 0) : void(out += "NULL");
  }
  return codec.size() == 0 ? out : out + ")";
}

}  // namespace weir
