#include "cluster/node/wire.hpp"

#include <capnp/schema.h>

#include <kj/string.h>
#include <cinttypes>
#include <cstdio>
#include <set>

#include "actors/data/frame.hpp"
#include "actors/message_layouts.hpp"
#include "cluster/meta/raft/message.hpp"
#include "cluster/meta/service/service.hpp"
#include "cluster/meta/state/command_codec.hpp"
#include "cluster/meta/state/state.hpp"
#include "runtime/kafka/protocol/protocol.hpp"
#include "schema/batch.capnp.h"
#include "schema/meta.capnp.h"
#include "schema/plan.capnp.h"

namespace weir {
namespace {

/// The structures that a root refers to: where each field lies, of which type.
class schema_text {
 public:
  void add(capnp::StructSchema s) {
    const auto node = s.getProto();
    if (!seen_.insert(node.getId()).second) return;
    const auto shape = node.getStruct();
    char id[17];
    std::snprintf(id, sizeof id, "%016" PRIx64, node.getId());
    std::string line = std::string(id) + " " + std::to_string(shape.getDataWordCount()) + "+" +
                       std::to_string(shape.getPointerCount()) + " union " +
                       std::to_string(shape.getDiscriminantCount()) + "@" +
                       std::to_string(shape.getDiscriminantOffset());
    for (auto field : s.getFields()) {
      const auto f = field.getProto();
      line += "; " + std::to_string(f.getDiscriminantValue()) + " ";
      if (f.isSlot()) line += std::to_string(f.getSlot().getOffset()) + ":";
      line += type(field.getType());
      if (f.isSlot() && f.getSlot().getHadExplicitDefault())
        line += "=" + std::string(kj::str(f.getSlot().getDefaultValue()).cStr());
    }
    text_ += line + "\n";
    for (auto field : s.getFields()) add_of(field.getType());
  }
  const std::string& text() const { return text_; }

 private:
  static std::string type(capnp::Type t) {
    if (t.isList()) return "[" + type(t.asList().getElementType()) + "]";
    if (t.isEnum()) return "enum of " + std::to_string(t.asEnum().getEnumerants().size());
    if (t.isStruct()) {
      char id[17];
      std::snprintf(id, sizeof id, "%016" PRIx64, t.asStruct().getProto().getId());
      return id;
    }
    return std::to_string(static_cast<int>(t.which()));
  }
  void add_of(capnp::Type t) {
    while (t.isList()) t = t.asList().getElementType();
    if (t.isStruct()) add(t.asStruct());
  }

  std::set<uint64_t> seen_;
  std::string text_;
};

void line(std::string& out, const char* what, uint64_t number) {
  out += std::string(what) + " " + std::to_string(number) + "\n";
}

}  // namespace

std::string wire_description() {
  std::string out;
  line(out, "nodes", static_cast<uint64_t>(meta::peers_format));
  line(out, "requests", meta::request_format);
  line(out, "consensus", meta::message_format);
  line(out, "snapshots of the metadata", meta::state_format);
  line(out, "rows", data_protocol);
  line(out, "head of rows", frame_head_bytes);
  line(out, "batches", wire::BATCH_FORMAT_VERSION);
  for (const auto& a : kafka::apis())
    out += "request " + std::to_string(static_cast<int>(a.key)) + " " +
           std::to_string(a.min_version) + "-" + std::to_string(a.max_version) + "\n";
  schema_text schemas;
  schemas.add(capnp::Schema::from<wire::Batch>());
  schemas.add(capnp::Schema::from<wire::Plan>());
  schemas.add(capnp::Schema::from<wire::meta::Request>());
  schemas.add(capnp::Schema::from<wire::meta::Answer>());
  schemas.add(capnp::Schema::from<wire::meta::LogEntry>());
  schemas.add(capnp::Schema::from<wire::meta::PeerMessage>());
  return out + schemas.text() + message_layouts();
}

}  // namespace weir
