@0xb8d1f2a4c6e80913;
# A columnar batch on the wire. Column buffers are aligned Data in the message's own segments, so
# the receiver uses them in place. See runtime/column/batch.hpp for their meaning.
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::wire");

struct Batch {
  rows @0 :UInt32;
}
