// Numbers of a step as rank-0 values of its graph, each made once for an element type.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "transforms/step_graph.h"

namespace tenon::transforms {

class Scalars {
 public:
  explicit Scalars(StepGraph& graph) : graph_(graph) {}

  // A number, or the name of a global of one number.
  V word(const std::string& word, DType dtype);
  // What an option without patterns is given as: a word, or a schedule.
  V value(const ir::Option& option, DType dtype);

 private:
  StepGraph& graph_;
  std::map<std::pair<std::string, DType>, ir::ValueId> words_;
  std::map<const ir::Option*, ir::ValueId> schedules_;  // f64
  std::map<std::pair<const ir::Option*, DType>, ir::ValueId> cast_;
};

}  // namespace tenon::transforms
