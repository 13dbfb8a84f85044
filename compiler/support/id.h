// Typed 32-bit ids: an index into one table, never mixed up with an index into another.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace tenon::support {

template <class Tag>
struct Id {
  static constexpr uint32_t none = ~uint32_t{0};
  uint32_t index = none;

  constexpr Id() = default;
  constexpr explicit Id(size_t i) : index(static_cast<uint32_t>(i)) {}
  constexpr bool valid() const { return index != none; }
  friend constexpr auto operator<=>(Id, Id) = default;
};

}  // namespace tenon::support

template <class Tag>
struct std::hash<tenon::support::Id<Tag>> {
  size_t operator()(tenon::support::Id<Tag> id) const noexcept { return std::hash<uint32_t>()(id.index); }
};
