// A reader that is slowed down to a rate (table option `rate`): demonstrations, tests of slow
// input. One per source task; the table's rate is shared evenly by the tasks.
#pragma once

#include "runtime/connectors/source.hpp"

namespace weir {

/// At most about `rows_per_second` over all tasks of the source, handed out in small steps.
std::unique_ptr<source_reader> make_paced_reader(std::unique_ptr<source_reader>,
                                                 double rows_per_second);

}  // namespace weir
