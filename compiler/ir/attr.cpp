#include "ir/attr.h"

#include <bit>

#include "support/hash.h"

namespace tenon::ir {
namespace {

// Numbers by bits, so that NaN equals itself and -0 differs from 0: they print differently too.
bool same(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }
bool same(const std::shared_ptr<const Array>& a, const std::shared_ptr<const Array>& b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}
template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}

}  // namespace

bool attr_equal(const Attr& a, const Attr& b) {
  if (a.index() != b.index()) return false;
  return std::visit([&](const auto& x) { return same(x, std::get<std::decay_t<decltype(x)>>(b)); }, a);
}

uint64_t attr_hash(const Attr& a) {
  Hasher h;
  h.add(uint64_t{a.index()});
  if (auto* v = std::get_if<bool>(&a)) {
    h.add(uint64_t{*v});
  } else if (auto* v = std::get_if<int64_t>(&a)) {
    h.add(static_cast<uint64_t>(*v));
  } else if (auto* v = std::get_if<double>(&a)) {
    h.add(std::bit_cast<uint64_t>(*v));
  } else if (auto* v = std::get_if<std::string>(&a)) {
    h.add(std::string_view(*v));
  } else if (auto* v = std::get_if<std::vector<int64_t>>(&a)) {
    h.add(uint64_t{v->size()});
    for (int64_t i : *v) h.add(static_cast<uint64_t>(i));
  } else if (auto* v = std::get_if<Dim>(&a)) {
    h.add(v->text());
  } else if (auto* v = std::get_if<std::vector<Dim>>(&a)) {
    h.add(shape_text(*v));
  } else if (auto* v = std::get_if<DType>(&a)) {
    h.add(static_cast<uint64_t>(*v));
  } else if (auto* v = std::get_if<std::shared_ptr<const Array>>(&a); v != nullptr && *v != nullptr) {
    h.add(static_cast<uint64_t>((*v)->dtype()));
    for (int64_t e : (*v)->shape()) h.add(static_cast<uint64_t>(e));
    h.add(std::string_view(reinterpret_cast<const char*>((*v)->data()), (*v)->bytes()));
  }
  return h.low() ^ h.high();
}

}  // namespace tenon::ir
