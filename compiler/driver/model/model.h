// Model: a module under construction by the C API. One graph holds all values; functions are cuts of it:
// what their results reach. Inputs that a function cannot reach vanish from it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/builder.h"
#include "ir/graph.h"

namespace tenon::driver {
using namespace support;

class Model {
 public:
  // A body is the region of a loop or condition: whether it trains is known outside of it only.
  enum class Kind : uint8_t { whole, body };
  explicit Model(std::string name, Kind kind = Kind::whole);

  // Place of the user's call, for errors and dumps.
  void at(std::string_view file, uint32_t line, uint32_t column);
  void push_scope(std::string_view name);
  void pop_scope();

  Result<ir::Dim> dim(std::string_view name, int64_t low, int64_t high);
  Result<ir::ValueId> hyper(std::string_view name, DType dtype, const Number& value);
  Result<ir::ValueId> input(std::string_view name, const ir::Type& type);
  Result<ir::ValueId> param(std::string_view name, const ir::Type& type, const ir::Init& init, bool frozen);
  Result<ir::ValueId> state(std::string_view name, const ir::Type& type, const ir::Init& init);
  Result<ir::ValueId> constant(Array value);
  // Any operation; attributes in text form ("axes = [0], rate = 0.2"). Numbers as operands: `literal`.
  Result<std::vector<ir::ValueId>> op(std::string_view name, const std::vector<ir::ValueId>& operands,
                                      std::string_view attributes,
                                      std::vector<std::unique_ptr<ir::Graph>> regions = {});
  // A number of another value's element type: T202 where that cannot hold it.
  Result<ir::ValueId> literal(const Number& value, ir::ValueId like);
  Status name(ir::ValueId value, std::string_view name);
  // The value of that name, for taps and gradients.
  Result<ir::ValueId> find(std::string_view name) const;

  std::vector<ir::ValueId> params(std::string_view pattern) const;
  Result<std::vector<ir::ValueId>> grad(ir::ValueId loss, const std::vector<ir::ValueId>& wrt);

  struct Named {
    std::string name;
    ir::ValueId value;
  };
  struct Assign {
    ir::ValueId target, value;  // a param or state value, and what it becomes
  };
  Status function(std::string_view name, const std::vector<Named>& results);
  Status metric(std::string_view name, ir::ValueId value);
  // A training step with the options of a directive ("with = adam {lr = lr}, decay = 0.01", or the optimizer
  // alone), or with own assignments.
  Status step(std::string_view name, ir::ValueId loss, std::string_view options,
              const std::vector<std::string>& over);
  Status step(std::string_view name, const std::vector<Assign>& assigns, const std::vector<Named>& results);
  // A function on the averages that a step keeps of its parameters.
  Status averaged(std::string_view name, std::string_view function, std::string_view step);

  // Every step that computes with what `with` is a result of writes `value` to `target` as well.
  Status update(ir::ValueId target, ir::ValueId value, ir::ValueId with);

  const ir::Module& module() const { return module_; }
  const ir::Type& type(ir::ValueId v) const { return graph_.type(v); }
  // The finished module: verified, with one function per cut.
  Result<ir::Module> finish() const;

 private:
  Kind kind_;
  ir::Module module_;
  ir::Graph graph_;
  ir::Location location_;
  std::vector<std::string> scopes_;
  struct Cut {
    std::string name;
    std::vector<Named> results;
    std::vector<Assign> writes;
    ir::Mode mode = ir::Mode::unresolved;
    bool metric = false;
    std::vector<ir::Option> derive;  // of a step with an optimizer: the directive's options
    ir::Location location;
  };
  std::vector<Cut> cuts_;
  struct Update {
    Assign assign;
    ir::ValueId with;
    ir::Location location;
  };
  std::vector<Update> updates_;
  std::vector<ir::Derive> averaged_;
  // Gradients are taken where a function is cut out, after its mode is resolved: until then their values are
  // arguments of the graph, which stand in front of node `position`.
  struct Gradient {
    ir::ValueId loss;
    std::vector<ir::ValueId> wrt, values;
    size_t position = 0;
  };
  std::vector<Gradient> gradients_;
  std::map<uint32_t, size_t> gradient_of_;  // value -> gradients_
  std::set<std::string, std::less<>> names_, functions_;
  size_t unnamed_ = 0;

  Errors located(Errors errors) const { return located(std::move(errors), location_); }
  Errors located(Errors errors, const ir::Location& place) const;
  Status add_name(std::string_view name, std::string_view what);
  Status add_function(std::string_view name);
  Status check_results(std::string_view function, const std::vector<Named>& results) const;
  Result<ir::ValueId> global(ir::GlobalKind kind, std::string_view name, const ir::Type& type,
                             const ir::Init& init, bool frozen);
  Status check_write(std::string_view writer, const Assign& assign) const;
  // What the roots are computed from, they among it: a flag for each value.
  std::vector<char> needed_by(const std::vector<ir::ValueId>& roots) const;
  static std::vector<ir::ValueId> roots_of(const Cut& cut);
  Status add_updates(Cut* step) const;
  Result<ir::Function> cut(ir::Module& module, const Cut& cut) const;
};

}  // namespace tenon::driver
