// Models that are built call by call: naming every value and cutting functions out of them is work in
// proportion to their operations.
#include <string>
#include <vector>

#include "catch.h"
#include "conformance/counted_stages.h"
#include "driver/model/model.h"

namespace tenon::test {
namespace {
using namespace support;

std::vector<std::string> run_stages(const std::string& shape, size_t operations) {
  CountedStages stages;
  driver::Model m("built");
  ir::ValueId v, first;
  stages.run("operations and names", [&] {
    auto x = m.input("x", {DType::f32, {ir::Dim(4)}});
    if (!x) return false;
    first = v = *x;
    for (size_t i = 0; i < operations; ++i) {
      auto made = m.op("mul", {v, first}, {});
      if (!made) return false;
      v = (*made)[0];
      if (shape == "named" && !m.name(v, "v" + std::to_string(i))) return false;
    }
    return true;
  });
  stages.run("functions", [&] {
    if (!m.function("f", {{"y", v}}) || !m.function("g", {{"y", v}})) return false;
    return bool(m.finish());
  });
  return stages.names;
}

constexpr const char* hidden = "stages of a built model to be counted";

}  // namespace

TEST_CASE("models built call by call: work grows with the number of operations") {
  require_linear(hidden, run_stages, {500, 5000}, {"named", "without names"});
}

TEST_CASE(hidden, "[.]") { run_counted(run_stages); }

}  // namespace tenon::test
