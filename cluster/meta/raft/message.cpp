#include "cluster/meta/raft/message.hpp"

#include "cluster/meta/state/wire.hpp"
#include "schema/meta.capnp.h"

namespace weir::meta {
namespace {

namespace w = weir::wire::meta;

struct encoder {
  w::PeerMessage::Body::Builder out;

  void operator()(const append_entries& m) {
    auto b = out.initAppendEntries();
    b.setPreviousIndex(m.previous_index);
    b.setPreviousTerm(m.previous_term);
    b.setCommitIndex(m.commit_index);
    auto list = b.initEntries(size_of(m.entries));
    for (uint32_t i = 0; i < m.entries.size(); ++i) {
      list[i].setTerm(m.entries[i].term);
      list[i].setType(static_cast<uint8_t>(m.entries[i].type));
      list[i].setData(wire_bytes(std::string_view(m.entries[i].data)));
    }
  }
  void operator()(const append_result& m) {
    auto b = out.initAppendResult();
    b.setRejected(m.rejected);
    b.setLastIndex(m.last_index);
  }
  void operator()(const request_vote& m) {
    auto b = out.initRequestVote();
    b.setCandidate(m.candidate);
    b.setLastIndex(m.last_index);
    b.setLastTerm(m.last_term);
    b.setDisruptLeader(m.disrupt_leader);
    b.setPreVote(m.pre_vote);
  }
  void operator()(const vote_result& m) {
    auto b = out.initVoteResult();
    b.setGranted(m.granted);
    b.setPreVote(m.pre_vote);
  }
  void operator()(const install_snapshot& m) {
    auto b = out.initInstallSnapshot();
    b.setIndex(m.snapshot.index);
    b.setIndexTerm(m.snapshot.term);
    auto list = b.initConfiguration(size_of(m.snapshot.servers));
    for (uint32_t i = 0; i < m.snapshot.servers.size(); ++i) {
      list[i].setId(m.snapshot.servers[i].id);
      list[i].setAddress(m.snapshot.servers[i].address);
      list[i].setRole(static_cast<uint8_t>(m.snapshot.servers[i].role));
    }
    b.setConfigurationIndex(m.snapshot.servers_index);
    b.setData(wire_bytes(std::string_view(m.snapshot.data)));
  }
  void operator()(const timeout_now& m) {
    auto b = out.initTimeoutNow();
    b.setLastIndex(m.last_index);
    b.setLastTerm(m.last_term);
  }
};

error corrupt(const char* why) {
  return {errc::corrupt, std::string("not a message of the metadata's consensus: ") + why};
}

result<append_entries> read(w::AppendEntries::Reader r, log_term term) {
  append_entries m;
  m.previous_index = r.getPreviousIndex();
  m.previous_term = r.getPreviousTerm();
  m.commit_index = r.getCommitIndex();
  if ((m.previous_index == 0) != (m.previous_term == 0)) return corrupt("an index without a term");
  if (m.previous_index > UINT64_MAX / 2) return corrupt("an index out of range");
  log_term last = m.previous_term;
  for (auto e : r.getEntries()) {
    if (e.getType() < 1 || e.getType() > 3) return corrupt("an entry of an unknown type");
    if (e.getTerm() < last || e.getTerm() == 0) return corrupt("terms that fall");
    last = e.getTerm();
    m.entries.push_back(
        {e.getTerm(), static_cast<entry_type>(e.getType()), std::string(wire_view(e.getData()))});
    if (m.entries.back().type == entry_type::change)
      WEIR_TRY(decode_configuration(m.entries.back().data));
  }
  if (last > term) return corrupt("an entry of a later term than its leader's");
  return m;
}

result<install_snapshot> read(w::InstallSnapshot::Reader r, log_term term) {
  install_snapshot m;
  m.snapshot.index = r.getIndex();
  m.snapshot.term = r.getIndexTerm();
  if (m.snapshot.index == 0 || m.snapshot.term == 0 || m.snapshot.term > term)
    return corrupt("a snapshot of nothing");
  for (auto s : r.getConfiguration()) {
    if (s.getId() == 0 || s.getRole() > 2) return corrupt("a server without an id or role");
    m.snapshot.servers.push_back({s.getId(),
                                  std::string(s.getAddress().begin(), s.getAddress().size()),
                                  static_cast<server_role>(s.getRole())});
  }
  if (m.snapshot.servers.empty()) return corrupt("a snapshot without servers");
  m.snapshot.servers_index = r.getConfigurationIndex();
  m.snapshot.data = std::string(wire_view(r.getData()));
  return m;
}

}  // namespace

std::string encode_message(const peer_message& m) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<w::PeerMessage>();
  root.setFormatVersion(message_format);
  root.setCluster(wire_bytes(m.cluster));
  root.setFrom(m.from);
  root.setTo(m.to);
  root.setAddress(m.address);
  root.setTerm(m.term);
  std::visit(encoder{root.initBody()}, m.body);
  return wire_flat(message);
}

result<peer_message> decode_message(std::string_view bytes) {
  return wire_read<w::PeerMessage, peer_message>(
      bytes, "message of the metadata's consensus", message_format,
      [](w::PeerMessage::Reader r) -> result<peer_message> {
        peer_message m;
        m.cluster = wire_uuid(r.getCluster());
        m.from = r.getFrom();
        m.to = r.getTo();
        m.address = std::string(r.getAddress().begin(), r.getAddress().size());
        m.term = r.getTerm();
        if (m.from == 0 || m.term == 0) return corrupt("no sender or no term");
        auto b = r.getBody();
        switch (b.which()) {
          case w::PeerMessage::Body::UNKNOWN:
            break;
          case w::PeerMessage::Body::APPEND_ENTRIES: {
            WEIR_ASSIGN(m.body, read(b.getAppendEntries(), m.term));
            return m;
          }
          case w::PeerMessage::Body::APPEND_RESULT:
            m.body = append_result{b.getAppendResult().getRejected(),
                                   b.getAppendResult().getLastIndex()};
            return m;
          case w::PeerMessage::Body::REQUEST_VOTE: {
            auto v = b.getRequestVote();
            m.body = request_vote{v.getCandidate(), v.getLastIndex(), v.getLastTerm(),
                                  v.getDisruptLeader(), v.getPreVote()};
            return m;
          }
          case w::PeerMessage::Body::VOTE_RESULT:
            m.body = vote_result{b.getVoteResult().getGranted(), b.getVoteResult().getPreVote()};
            return m;
          case w::PeerMessage::Body::INSTALL_SNAPSHOT: {
            WEIR_ASSIGN(m.body, read(b.getInstallSnapshot(), m.term));
            return m;
          }
          case w::PeerMessage::Body::TIMEOUT_NOW:
            m.body = timeout_now{b.getTimeoutNow().getLastIndex(), b.getTimeoutNow().getLastTerm()};
            return m;
        }
        return {errc::unsupported,
                "a message of the metadata's consensus that this program does "
                "not know: start a newer one"};
      });
}

result<configuration> decode_configuration(std::string_view bytes) {
  // One byte of format, a count, then per server its id, its address as a C string and its role;
  // padded to eight bytes.
  size_t at = 0;
  auto number = [&](auto& v) {
    if (bytes.size() - at < sizeof v) return false;
    std::memcpy(&v, bytes.data() + at, sizeof v);
    at += sizeof v;
    return true;
  };
  uint8_t format = 0;
  uint64_t n = 0;
  constexpr uint64_t servers_max = 1000;
  if (!number(format) || format != 1 || !number(n) || n == 0 || n > servers_max)
    return corrupt("a configuration of another format");
  configuration c;
  for (uint64_t i = 0; i < n; ++i) {
    server s;
    if (!number(s.id)) return corrupt("a configuration that is cut short");
    size_t end = bytes.find('\0', at);
    if (end == std::string_view::npos) return corrupt("a configuration that is cut short");
    s.address = bytes.substr(at, end - at);
    at = end + 1;
    uint8_t role = 0;
    if (!number(role) || role > 2 || s.id == 0)
      return corrupt("a configuration with a server without an id or role");
    s.role = static_cast<server_role>(role);
    for (const auto& other : c)
      if (other.id == s.id || other.address == s.address)
        return corrupt("a configuration that names a server twice");
    c.push_back(std::move(s));
  }
  return c;
}

std::string encode_configuration(const configuration& c) {
  std::string out(1, '\1');
  auto number = [&](auto v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); };
  number(static_cast<uint64_t>(c.size()));
  for (const auto& s : c) {
    number(s.id);
    out.append(s.address.c_str(), s.address.size() + 1);
    number(static_cast<uint8_t>(s.role));
  }
  out.resize((out.size() + 7) / 8 * 8);
  return out;
}

}  // namespace weir::meta
