// The native loop's order of rows, for steps that are called one by one.
#include "driver/train/parts.h"
#include "evaluate/evaluate.h"
#include "ir/made_names.h"
#include "transforms/transforms.h"

namespace tenon::driver {

Result<std::vector<int64_t>> loop_order(const Program& program, const State& state, int64_t rows) {
  const ir::Module module = transforms::epoch_order(rows);
  evaluate::Inputs inputs;
  for (const std::string_view kind : {ir::seed_init, ir::steps_init})
    for (const kernel::StateSlot& slot : program.kernels().state) {
      if (slot.kind != kind) continue;
      TENON_ASSIGN(Array value, state.get(slot.name));
      inputs.arguments.push_back(std::move(value));
    }
  TENON_CHECK(inputs.arguments.size() == 2, "a step has one seed and one count of steps");
  TENON_ASSIGN(const evaluate::Outputs out, evaluate::exact(module, module.functions[0], inputs));
  const auto order = out.returned[0].as<uint32_t>();
  return std::vector<int64_t>(order.begin(), order.end());
}

}  // namespace tenon::driver
