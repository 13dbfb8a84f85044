// Lambdas as one visitor of a variant: a case that is left out does not compile.
#pragma once

#include <variant>

namespace tenon::support {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace tenon::support
