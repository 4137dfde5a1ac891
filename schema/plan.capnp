@0x9f3c55d07b12e6a1;
# The physical plan of a job. See runtime/plan/plan.hpp for its meaning.
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::wire");

struct Plan {
  formatVersion @0 :UInt16;
}
