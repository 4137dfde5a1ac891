// DescribeClientQuotas and AlterClientQuotas over a map of quotas, and the map as bytes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/base/crc32c.hpp"
#include "runtime/kafka/protocol/protocol.hpp"
#include "runtime/kafka/quotas/client_quotas.hpp"

namespace weir::kafka {
namespace {

using form = quota_name::form;

constexpr std::string_view user_type = "user", client_type = "client-id";
constexpr std::string_view produce_key = "producer_byte_rate", fetch_key = "consumer_byte_rate";
/// Quotas that can be set; each is looked for with every request.
constexpr size_t quotas_max = 10'000;
/// Of what is stored and what nodes say to each other: an AlterClientQuotas request of this
/// version.
constexpr int16_t stored_version = 1;
constexpr std::string_view stored_magic = "WEIRQUO1";

/// Of a request's entity; a text says what is wrong with it.
template <class Parts>
std::string read_entity(const Parts& parts, quota_entity& out) {
  if (parts.empty()) return "A quota is for a user, a client id or both";
  for (const auto& p : parts) {
    if (p.entity_type != user_type && p.entity_type != client_type)
      return "There are no quotas for entities of type '" + p.entity_type +
             "', but for 'user' and 'client-id'";
    auto& name = p.entity_type == user_type ? out.user : out.client_id;
    if (name.is != form::absent) return "Duplicate entity type '" + p.entity_type + "'";
    if (p.entity_name && p.entity_name->empty()) return "An entity's name is empty";
    name.is = p.entity_name ? form::named : form::by_default;
    name.name = p.entity_name.value_or("");
  }
  return {};
}

template <class Part>
std::vector<Part> write_entity(const quota_entity& e) {
  std::vector<Part> out;
  auto add = [&out](std::string_view type, const quota_name& n) {
    if (n.is == form::absent) return;
    auto& p = out.emplace_back();
    p.entity_type = type;
    if (n.is == form::named) p.entity_name = n.name;
  };
  add(user_type, e.user);
  add(client_type, e.client_id);
  return out;
}

template <class Op>
std::string apply(const Op& op, quota_rates& rates) {
  const bool produce = op.key == produce_key;
  if (!produce && op.key != fetch_key)
    return "There is no quota '" + op.key + "', but producer_byte_rate and consumer_byte_rate";
  auto& rate = produce ? rates.produce : rates.fetch;
  if (op.remove) {
    rate.reset();
    return {};
  }
  if (!std::isfinite(op.value) || op.value < 1)
    return "Quota '" + op.key + "' has to be 1 byte per second at least";
  rate = op.value;
  return {};
}

bool matches(const describe_client_quotas_request::component& c, const quota_name& n) {
  switch (c.match_type) {
    case 0:
      return n.is == form::named && c.match && n.name == *c.match;
    case 1:
      return n.is == form::by_default;
    default:
      return n.is == form::named || n.is == form::by_default;
  }
}

}  // namespace

quota_change alter_quotas(const quota_map& before, const alter_client_quotas_request& request) {
  quota_change out;
  quota_map after = before;
  bool changed = false;
  for (const auto& e : request.entries) {
    auto& answer = out.response.entries.emplace_back();
    quota_entity entity;
    std::string problem = read_entity(e.entity, entity);
    quota_rates rates;
    if (auto it = after.find(entity); it != after.end()) rates = it->second;
    for (const auto& op : e.ops)
      if (problem.empty()) problem = apply(op, rates);
    if (problem.empty() && after.size() >= quotas_max && !after.contains(entity))
      problem = "There are " + std::to_string(quotas_max) + " quotas already";
    for (const auto& p : e.entity) answer.entity.push_back({p.entity_type, p.entity_name});
    if (!problem.empty()) {
      answer.error_code = error_code::invalid_request;
      answer.error_message = std::move(problem);
      continue;
    }
    if (rates.produce || rates.fetch)
      after[entity] = rates;
    else
      after.erase(entity);
    changed = true;
  }
  if (changed && !request.validate_only) out.after = std::move(after);
  return out;
}

describe_client_quotas_response describe_quotas(const quota_map& quotas,
                                                const describe_client_quotas_request& request) {
  describe_client_quotas_response out;
  bool by_user = false, by_client = false;
  for (const auto& c : request.components) {
    const bool user = c.entity_type == user_type;
    auto& seen = user ? by_user : by_client;
    const bool known = user || c.entity_type == client_type;
    if (!known || seen || c.match_type < 0 || c.match_type > 2) {
      out.error_code = error_code::invalid_request;
      out.error_message =
          "A filter names 'user' and 'client-id' at most once each, with a match "
          "by name, by default or of any";
      return out;
    }
    seen = true;
  }
  auto& entries = out.entries.emplace();
  for (const auto& [entity, rates] : quotas) {
    bool wanted = true;
    for (const auto& c : request.components)
      wanted = wanted && matches(c, c.entity_type == user_type ? entity.user : entity.client_id);
    if (request.strict)
      wanted = wanted && by_user == (entity.user.is != form::absent) &&
               by_client == (entity.client_id.is != form::absent);
    if (!wanted) continue;
    auto& e = entries.emplace_back();
    e.entity = write_entity<describe_client_quotas_response::entity_part>(entity);
    if (rates.produce) e.values.push_back({std::string(produce_key), *rates.produce});
    if (rates.fetch) e.values.push_back({std::string(fetch_key), *rates.fetch});
  }
  return out;
}

std::string encode_alteration(const alter_client_quotas_request& r) {
  writer w;
  encode(w, r, stored_version);
  const auto bytes = w.view();
  const uint32_t crc = crc32c(bytes);
  std::string out(stored_magic);
  out.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return out;
}

result<alter_client_quotas_request> decode_alteration(std::string_view text) {
  const error bad(errc::corrupt, "client quotas are damaged");
  uint32_t crc = 0;
  if (text.size() < stored_magic.size() + sizeof crc || !text.starts_with(stored_magic)) return bad;
  std::memcpy(&crc, text.data() + stored_magic.size(), sizeof crc);
  const auto bytes = std::as_bytes(std::span(text.substr(stored_magic.size() + sizeof crc)));
  if (crc != crc32c(bytes)) return bad;
  reader r(bytes);
  alter_client_quotas_request out;
  WEIR_TRY(decode(r, out, stored_version));
  return out;
}

std::string encode_quotas(const quota_map& quotas) {
  alter_client_quotas_request all;
  for (const auto& [entity, rates] : quotas) {
    auto& e = all.entries.emplace_back();
    e.entity = write_entity<alter_client_quotas_request::entity_part>(entity);
    if (rates.produce) e.ops.push_back({std::string(produce_key), *rates.produce, false});
    if (rates.fetch) e.ops.push_back({std::string(fetch_key), *rates.fetch, false});
  }
  return encode_alteration(all);
}

result<quota_map> decode_quotas(std::string_view text) {
  WEIR_ASSIGN(const auto all, decode_alteration(text));
  auto change = alter_quotas({}, all);
  for (const auto& e : change.response.entries)
    if (e.error_code != error_code::none) return error{errc::corrupt, "client quotas are damaged"};
  return change.after.value_or(quota_map());
}

}  // namespace weir::kafka
