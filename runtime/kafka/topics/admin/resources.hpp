// Shared by the requests about configuration resources. Internal to this folder. Pure functions.
#pragma once

#include <string_view>

#include "runtime/kafka/topics/admin/admin.hpp"

namespace weir::kafka {

/// Whether `name` is this node's id; `middle` stands between "expected ID" and the name that came.
api_error check_node_name(std::string_view name, const node_facts& node, std::string_view middle);

}  // namespace weir::kafka
