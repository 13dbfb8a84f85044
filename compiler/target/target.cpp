#include "target/target.h"

#include "support/text.h"
#include "target/host.h"
#include "target/x86_64.h"

namespace tenon::target {
namespace {

// From the widest to the narrowest: the first that runs here is "native".
constexpr const Target* table[] = {&x86_64_v4, &x86_64_v3};

}  // namespace

std::span<const Target* const> all_targets() { return table; }

const Target* find_target(std::string_view name) {
  for (const Target* t : table)
    if (t->name == name) return t;
  return nullptr;
}

std::vector<std::string> missing_features(const Target& target, bool (*host_has)(std::string_view feature)) {
  std::vector<std::string> missing;
  for (std::string_view feature : split(target.features, ',')) {
    if (!feature.starts_with('+')) continue;  // a preference that is off needs nothing of the host
    feature.remove_prefix(1);
    if (!host_has(feature)) missing.emplace_back(feature);
  }
  return missing;
}

bool Target::runs_here() const { return missing_features(*this, host_has_feature).empty(); }

Result<const Target*> best_target(bool (*host_has)(std::string_view feature)) {
  for (const Target* t : table)
    if (missing_features(*t, host_has).empty()) return t;
  const Target& least = *table[std::size(table) - 1];
  return error(Code::target_unsupported,
               "this processor lacks what " + std::string(least.name) +
                   " needs: " + join(missing_features(least, host_has), ", "),
               "run on a processor with AVX2 and FMA, or compile ahead of time for another one (--cpu)");
}

Result<const Target*> host_target() { return best_target(host_has_feature); }

}  // namespace tenon::target
