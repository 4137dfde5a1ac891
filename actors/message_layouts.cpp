#include "actors/message_layouts.hpp"

#include <type_traits>
#include <utility>

#include "actors/interfaces.hpp"

namespace weir {
namespace {

template <class T>
std::string name_of();

/// An inspector that reads nothing but types.
class layout_inspector {
 public:
  using result_type = void;
  static constexpr bool reads_state = true, writes_state = false;

  template <class... Fields>
  void operator()(Fields&&... fields) {
    (add(fields), ...);
  }
  std::string text;

 private:
  template <class T>
  void add(const T&) {
    // The name of a type and what is called after reading are no fields.
    if constexpr (!caf::meta::is_annotation<T>::value)
      text += (text.empty() ? "" : ",") + name_of<T>();
  }
};

template <class T>
std::string fields_of() {
  layout_inspector f;
  T value{};
  inspect(f, value);
  return f.text;
}

template <class T>
struct container {
  static std::string name() { return "(" + fields_of<T>() + ")"; }
};
template <class T>
struct container<std::vector<T>> {
  static std::string name() { return "[" + name_of<T>() + "]"; }
};
template <class K, class V>
struct container<std::map<K, V>> {
  static std::string name() { return "{" + name_of<K>() + ":" + name_of<V>() + "}"; }
};
template <>
struct container<flat_chunks> {
  static std::string name() { return "chunks"; }
};

template <class T>
std::string name_of() {
  if constexpr (std::is_void_v<T>)
    return "";
  else if constexpr (caf::is_atom_constant<T>::value)
    return "'" + caf::to_string(T::value) + "'";
  else if constexpr (std::is_same_v<T, bool>)
    return "bool";
  else if constexpr (std::is_enum_v<T>)
    return name_of<std::underlying_type_t<T>>();
  else if constexpr (std::is_integral_v<T>)
    return (std::is_signed_v<T> ? "i" : "u") + std::to_string(8 * sizeof(T));
  else if constexpr (std::is_same_v<T, std::string>)
    return "string";
  else if constexpr (caf::allowed_unsafe_message_type<T>::value)
    return "local";
  else if constexpr (caf::detail::is_complete<caf::type_id<T>>::value)
    return caf::type_name<T>::value;
  else
    return container<T>::name();
}

template <class List>
struct names;
template <class... Ts>
struct names<caf::detail::type_list<Ts...>> {
  static std::string text() {
    std::string out;
    ((out += (out.empty() ? "" : ",") + name_of<Ts>()), ...);
    return out;
  }
};

/// What an actor takes and answers.
template <class Signature>
struct signature;
template <class In, class... Out>
struct signature<caf::typed_mpi<In, caf::output_tuple<Out...>>> {
  static std::string text() {
    return names<In>::text() + "->" + names<caf::detail::type_list<Out...>>::text();
  }
};
template <class T>
struct definition {
  static std::string text() { return fields_of<T>(); }
};
template <class... Signatures>
struct definition<caf::typed_actor<Signatures...>> {
  static std::string text() {
    std::string out;
    ((out += "; " + signature<Signatures>::text()), ...);
    return out;
  }
};

template <uint16_t Id>
std::string line_of() {
  using type = typename caf::type_by_id<Id>::type;
  return std::to_string(Id) + " " + caf::type_name_by_id<Id>::value + " " +
         definition<type>::text() + "\n";
}

template <uint16_t First, uint16_t... Offsets>
std::string lines_of(std::integer_sequence<uint16_t, Offsets...>) {
  std::string out;
  ((out += line_of<First + Offsets>()), ...);
  return out;
}

}  // namespace

std::string message_layouts() {
  using block = caf::id_block::weir;
  return lines_of<block::begin>(std::make_integer_sequence<uint16_t, block::end - block::begin>());
}

}  // namespace weir
