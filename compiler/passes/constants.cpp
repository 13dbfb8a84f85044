#include "passes/constants.h"

#include <cmath>

namespace tenon::passes {

bool is_uniform(const ir::Graph& graph, ir::ValueId v, double number) {
  const Array* a = uniform_constant(graph, v);
  if (a == nullptr) return false;
  return with_dtype(a->dtype(), [&]<class T>() {
    const T found = a->as<T>()[0];
    if constexpr (std::is_floating_point_v<T>)
      return found == static_cast<T>(number) && std::signbit(found) == std::signbit(number);
    return found == static_cast<T>(number);
  });
}

}  // namespace tenon::passes
