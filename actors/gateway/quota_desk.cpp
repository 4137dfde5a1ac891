#include "actors/gateway/quota_desk.hpp"

namespace weir {
namespace {

constexpr size_t file_bytes_max = 16u << 20;
// Until connections have users of their own.
constexpr std::string_view anonymous = "ANONYMOUS";

std::optional<double> rate_from(const kafka::broker_config& config, std::string_view name) {
  if (!config.set_value(name)) return std::nullopt;
  return static_cast<double>(config.number(name));
}

}  // namespace

struct quota_desk::state {
  state(metadata_port& m, kafka::quota_rates otherwise) : metadata(m), quotas(otherwise) {}

  metadata_port& metadata;
  kafka::client_quotas quotas;
};

quota_desk::quota_desk(std::shared_ptr<state> s) : s_(std::move(s)) {
  s_->metadata.watch_quotas([s = s_](const kafka::quota_map& q) { s->quotas.set(q); });
}
quota_desk::~quota_desk() {
  s_->metadata.watch_quotas(nullptr);
}

result<std::unique_ptr<quota_desk>> quota_desk::open(file_system& files, metadata_port& metadata,
                                                     const std::string& folder,
                                                     const kafka::broker_config& config,
                                                     std::function<void(std::string)> log) {
  auto s = std::make_shared<state>(metadata,
                                   kafka::quota_rates{rate_from(config, "quota.producer.default"),
                                                      rate_from(config, "quota.consumer.default")});
  const std::string path = folder + "/quotas";
  auto text = read_whole_file(files, path, file_bytes_max);
  if (text) {
    if (auto found = kafka::decode_alteration(*text); !found)
      return std::move(found).err().at("'" + path + "'");
    metadata.alter_quotas(*std::move(text), [&files, path, log](const kafka::api_error& e) {
      status moved = e.code == kafka::error_code::none ? files.remove(path)
                                                       : status(errc::cancelled, e.message);
      if (!moved) log("the quotas in '" + path + "' are not taken over: " + moved.err().message);
    });
  } else if (text.err().code != errc::not_found) {
    return std::move(text).err();
  }
  return std::unique_ptr<quota_desk>(new quota_desk(std::move(s)));
}

int32_t quota_desk::charge(kafka::quota_kind kind, const client_request& request, uint64_t bytes) {
  const auto now = std::chrono::steady_clock::now();
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  const auto wait_ms = s_->quotas.charge(kind, anonymous, request.client_id(), bytes, us);
  if (wait_ms == 0) return 0;
  // At once when this is the listener's thread: requests that were read already have to wait too.
  boost::asio::dispatch(
      request.from_ptr()->executor(),
      [from = request.from_ptr(), until = now + std::chrono::milliseconds(wait_ms)] {
        from->mute_until(until);
      });
  return wait_ms;
}

void quota_desk::alter(const request_ptr& request) {
  auto body = decode_body<kafka::alter_client_quotas_request>(*request);
  if (!body) return;
  // What is wrong with an entry is said of that entry; the others go together.
  auto change = kafka::alter_quotas(s_->quotas.get(), *body);
  if (!change.after) return request->answer(change.response);
  kafka::alter_client_quotas_request good;
  for (size_t i = 0; i < body->entries.size(); ++i)
    if (change.response.entries[i].error_code == kafka::error_code::none)
      good.entries.push_back(body->entries[i]);
  s_->metadata.alter_quotas(
      kafka::encode_alteration(good),
      [request, response = std::move(change.response)](const kafka::api_error& e) mutable {
        for (auto& entry : response.entries) {
          if (e.code == kafka::error_code::none || entry.error_code != kafka::error_code::none)
            continue;
          entry.error_code = e.code;
          entry.error_message = e.message;
        }
        request->answer(response);
      });
}

void quota_desk::describe(const request_ptr& request) const {
  auto body = decode_body<kafka::describe_client_quotas_request>(*request);
  if (body) request->answer(kafka::describe_quotas(s_->quotas.get(), *body));
}

}  // namespace weir
