// Structural checks of a YAML document against the grammar's tables: unknown and missing keys,
// values of the wrong shape. What passes may be read without further checks of shape.
#pragma once

#include "jobs/yaml/document.hpp"
#include "jobs/yaml/grammar.hpp"

namespace weir::jobs {

/// Reports everything; true when the object itself is sound. Elements of lists and
/// maps of objects are checked one by one by whoever reads them, so that a mistake in one step
/// does not hide the others.
bool check_object(document&, const YAML::Node&, const object_type&);
}  // namespace weir::jobs
