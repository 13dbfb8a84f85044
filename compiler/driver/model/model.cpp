#include "driver/model/model.h"

#include "ir/foreign_names.h"
#include "ir/parse.h"
#include "ops/init.h"
#include "support/text.h"

namespace tenon::driver {

using ir::ArgKind;
using ir::ValueId;

namespace {

std::string nearest_help(std::string_view word, std::span<const std::string_view> names) {
  const std::string_view near = nearest(word, names);
  return near.empty() ? std::string() : "did you mean " + std::string(near) + "?";
}

}  // namespace

Model::Model(std::string name, Kind kind) : kind_(kind) { module_.name = std::move(name); }

void Model::at(std::string_view file, uint32_t line, uint32_t column) {
  if (file.empty()) {
    location_ = {};
    return;
  }
  if (module_.files.empty()) module_.from = std::string(file);
  location_ = {module_.file_index(file), line, column};
}
void Model::push_scope(std::string_view name) { scopes_.emplace_back(name); }
void Model::pop_scope() {
  if (!scopes_.empty()) scopes_.pop_back();
}

Errors Model::located(Errors errors, const ir::Location& place) const {
  for (Diagnostic& d : errors.list) {
    if (!place.known()) break;
    if (!d.file.empty() && d.line != 0 && d.file == module_.files[place.file]) continue;
    d.file = module_.files[place.file];
    d.line = place.line;
    d.column = place.column;
    d.excerpt.clear();
  }
  return errors;
}

Status Model::add_name(std::string_view name, std::string_view what) {
  if (name.empty()) return located(error(Code::undefined_name, std::string(what) + " needs a name"));
  if (!names_.emplace(name).second)
    return located(error(Code::duplicate_name, "the name " + std::string(name) + " is taken",
                         "names of inputs, parameters, states and values are unique in a model"));
  return Ok{};
}

Status Model::add_function(std::string_view name) {
  if (name.empty()) return located(error(Code::undefined_name, "a function needs a name"));
  if (name == "init")
    return located(error(Code::duplicate_name,
                         "function init: the function that fills the state has this name",
                         "name it otherwise"));
  if (!functions_.emplace(name).second)
    return located(error(Code::duplicate_name, "a function is named " + std::string(name) + " already"));
  return Ok{};
}

Result<ir::Dim> Model::dim(std::string_view name, int64_t low, int64_t high) {
  if (module_.dims.contains(name))
    return located(error(Code::duplicate_name, "a dimension is named " + std::string(name) + " already"));
  if (low < 0 || high < low)
    return located(error(Code::dim_range, "dimension " + std::string(name) + ": the range " +
                                              std::to_string(low) + " to " + std::to_string(high) +
                                              " is empty or below 0"));
  module_.dims.emplace(name, ir::DimRange{low, high});
  module_.dim_order.emplace_back(name);
  return ir::Dim::symbol(name);
}

Result<ValueId> Model::global(ir::GlobalKind kind, std::string_view name, const ir::Type& type,
                              const ir::Init& init, bool frozen) {
  if (!dtype_computes(type.dtype))
    return located(error(Code::dtype_unsupported, std::string(name) + ": " +
                                                      std::string(dtype_name(type.dtype)) +
                                                      " is declared but not computed with yet"));
  if (kind != ir::GlobalKind::hyper)
    if (Status s = ops::check_init(init, type, name); !s) return located(s.take_errors());
  TENON_TRY(add_name(name, "a parameter"));
  ir::Global g;
  g.kind = kind;
  g.name = std::string(name);
  g.type = type;
  g.init = init;
  g.frozen = frozen;
  g.location = location_;
  module_.globals.push_back(std::move(g));
  return graph_.add_arg(type, ArgKind::global, std::string(name));
}

Result<ValueId> Model::hyper(std::string_view name, DType dtype, const Number& value) {
  if (dtype_computes(dtype))
    if (Status s = value.check(dtype, std::string(name) + ": "); !s) return located(s.take_errors());
  return global(ir::GlobalKind::hyper, name, {dtype, {}}, {"constant", {value}}, false);
}
Result<ValueId> Model::param(std::string_view name, const ir::Type& type, const ir::Init& init, bool frozen) {
  return global(ir::GlobalKind::param, name, type, init, frozen);
}
Result<ValueId> Model::state(std::string_view name, const ir::Type& type, const ir::Init& init) {
  return global(ir::GlobalKind::state, name, type, init, false);
}

Result<ValueId> Model::input(std::string_view name, const ir::Type& type) {
  if (!dtype_computes(type.dtype))
    return located(error(Code::dtype_unsupported, std::string(name) + ": " +
                                                      std::string(dtype_name(type.dtype)) +
                                                      " is declared but not computed with yet"));
  if (type.rank() > ir::max_rank)
    return located(error(Code::rank_mismatch, std::string(name) + " has " + std::to_string(type.rank()) +
                                                  " dimensions, at most " + std::to_string(ir::max_rank) +
                                                  " are supported"));
  TENON_TRY(add_name(name, "an input"));
  return graph_.add_arg(type, ArgKind::input, std::string(name));
}

Result<ValueId> Model::constant(Array value) {
  if (!dtype_computes(value.dtype()))
    return located(error(Code::dtype_unsupported,
                         std::string(dtype_name(value.dtype())) + " is declared but not computed with yet"));
  ir::Builder b(graph_, &module_);
  b.set_location(location_);
  b.set_scope(join(scopes_, "/"));
  return b.constant(std::make_shared<const Array>(std::move(value)));
}

Result<ValueId> Model::literal(const Number& value, ValueId like) {
  const DType dtype = graph_.type(like).dtype;
  if (Status s = value.check(dtype); !s) {
    Errors errors = s.take_errors();
    if (is_int(dtype)) errors.list.front().help = "cast the other operand to a float type first";
    return located(std::move(errors));
  }
  ir::Builder b(graph_, &module_);
  b.set_location(location_);
  b.set_scope(join(scopes_, "/"));
  return b.constant(dtype, value);
}

Result<std::vector<ValueId>> Model::op(std::string_view name, const std::vector<ValueId>& operands,
                                       std::string_view attributes,
                                       std::vector<std::unique_ptr<ir::Graph>> regions) {
  const ir::OpDef* def = ir::op_table().find(name);
  if (def == nullptr) {
    return located(
        error(Code::unknown_op, "no operation is named " + std::string(name), ir::unknown_op_help(name)));
  }
  ir::Attrs attrs(def->attrs.size());
  if (!trim(attributes).empty()) {
    Result<ir::Attrs> parsed = ir::parse_attributes(attributes, *def, module_);
    if (!parsed) return located(parsed.take_errors());
    attrs = std::move(*parsed);
  }
  ir::Builder b(graph_, &module_);
  b.set_location(location_);
  b.set_scope(join(scopes_, "/"));
  Result<std::vector<ValueId>> out = b.try_emit(*def, operands, std::move(attrs), std::move(regions));
  if (!out) return located(out.take_errors());
  // What draws random numbers is known by its name: it has one from the start, so that the numbers stay the
  // same in every dump.
  if (def->mode != nullptr) {
    std::string own;
    do own = std::string(name) + (unnamed_ == 0 ? "" : std::to_string(unnamed_ + 1));
    while (++unnamed_, !names_.insert(own).second);
    graph_.value((*out)[0]).name = own;
  }
  return out;
}

Status Model::name(ValueId value, std::string_view name) {
  ir::Value& v = graph_.value(value);
  if (v.name == name) return Ok{};
  if (v.arg == ArgKind::input || v.arg == ArgKind::global)
    return located(
        error(Code::duplicate_name, v.name + " has a name already, it cannot become " + std::string(name)));
  TENON_TRY(add_name(name, "a value"));
  if (!v.name.empty()) names_.erase(names_.find(v.name));
  v.name = std::string(name);
  return Ok{};
}

Result<ValueId> Model::find(std::string_view name) const {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < graph_.value_count(); ++i) {
    const std::string& own = graph_.value(ValueId(i)).name;
    if (own == name && !own.empty()) return ValueId(i);
    if (!own.empty()) names.push_back(own);
  }
  return located(
      error(Code::undefined_name, "no value is named " + std::string(name), nearest_help(name, names)));
}

std::vector<ValueId> Model::params(std::string_view pattern) const {
  std::vector<ValueId> out;
  for (ValueId a : graph_.args) {
    const ir::Value& v = graph_.value(a);
    if (v.arg != ArgKind::global || !glob_match(pattern, v.name)) continue;
    const ir::Global* g = module_.find_global(v.name);
    if (g != nullptr && g->kind == ir::GlobalKind::param) out.push_back(a);
  }
  return out;
}

}  // namespace tenon::driver
