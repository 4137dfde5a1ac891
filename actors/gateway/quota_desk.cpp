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
  state(file_system& f, io_executor& i, std::string p, kafka::quota_rates otherwise)
      : files(f), io(i), lane(i.new_lane()), path(std::move(p)), quotas(otherwise) {}

  /// On the executor, one after the other.
  void change(const request_ptr& request, const kafka::alter_client_quotas_request& body) {
    auto change = kafka::alter_quotas(quotas.get(), body);
    if (change.after) {
      if (auto s = atomic_write_file(files, path, kafka::encode_quotas(*change.after)); !s) {
        for (auto& e : change.response.entries) {
          e.error_code = kafka::error_code::kafka_storage_error;
          e.error_message = s.err().message;
        }
      } else {
        quotas.set(std::move(*change.after));
      }
    }
    request->answer(change.response);
  }

  file_system& files;
  io_executor& io;
  const uint64_t lane;
  const std::string path;
  kafka::client_quotas quotas;
};

quota_desk::quota_desk(std::shared_ptr<state> s) : s_(std::move(s)) {}
quota_desk::~quota_desk() = default;

result<std::unique_ptr<quota_desk>> quota_desk::open(file_system& files, io_executor& io,
                                                     const std::string& folder,
                                                     const kafka::broker_config& config) {
  auto s = std::make_shared<state>(files, io, folder + "/quotas",
                                   kafka::quota_rates{rate_from(config, "quota.producer.default"),
                                                      rate_from(config, "quota.consumer.default")});
  auto text = read_whole_file(files, s->path, file_bytes_max);
  if (text) {
    auto found = kafka::decode_quotas(*text);
    if (!found) return std::move(found).err().at("'" + s->path + "'");
    s->quotas.set(*std::move(found));
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
  s_->io.submit(s_->lane, [s = s_, request, body] { s->change(request, *body); });
}

void quota_desk::describe(const request_ptr& request) const {
  auto body = decode_body<kafka::describe_client_quotas_request>(*request);
  if (body) request->answer(kafka::describe_quotas(s_->quotas.get(), *body));
}

}  // namespace weir
