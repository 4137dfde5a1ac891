@0xb8d1f2a4c6e80913;
# A columnar batch on the wire: runtime/column/codec.hpp encodes and decodes it; batch.hpp says what
# the buffers mean. Column buffers are aligned Data, the large ones in segments of their own, so that
# the sender copies nothing and the receiver uses them in place.
#
# Framing is Cap'n Proto's stream framing. The last segment is one word that no pointer refers to:
# the checksum of all segments before it, in order, h = XXH3_64bits_withSeed(segment, h) from h = 0
# (a result of 0 is written as 1); 0 = not checksummed.
#
# All numbers are little endian. Fields are only added, never removed or reused; formatVersion grows
# when an old reader would misunderstand a new message.
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::wire");

const batchFormatVersion :UInt16 = 2;
# The newest. A message says the lowest that suffices: 1 without narrowed columns, else 2.

struct Batch {
  formatVersion @0 :UInt16;
  rows @1 :UInt32;
  # Selected rows; equal to physicalRows without a selection.
  physicalRows @2 :UInt32;
  # Length of every column.
  schemaFingerprint @3 :UInt64;
  # Of the columns' types (schema_fingerprint); the schema itself is known to both ends.
  columns @4 :List(Column);
  selection @5 :Data;
  # uint32[rows], strictly ascending; null pointer = all rows.
  weights @6 :Data;
  # int32[physicalRows]; null pointer = all +1.
}

struct Column {
  length @0 :UInt32;
  values @1 :Data;
  # Fixed width: length values. Varlen: bytes. With a dictionary: uint32[length] indices.
  offsets @2 :Data;
  # Varlen and list: uint32[length + 1], ascending.
  validity @3 :Data;
  # One bit per value; null pointer = no nulls.
  dictionary @4 :Column;
  children @5 :List(Column);
  # List: the items. Struct: one per field.
  narrow @6 :UInt8;
  # int64, timestamp, decimal: 0 = values as they are; 1, 2, 4, 8 (decimal only) = values are base
  # plus unsigned numbers of so many bytes; 255 = all are base, and there are no values. Of at most
  # 65536 values, since they take more memory than bytes on the wire.
  base @7 :Int64;
}
