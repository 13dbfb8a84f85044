#include <algorithm>
#include <cstring>

#include "driver/program/program.h"
#include "support/text.h"

namespace tenon::driver {
namespace {

constexpr size_t no_bytes = 0;

uint64_t address(const void* p) { return reinterpret_cast<uint64_t>(p); }

// Bits of a number as a scalar of a hyper-parameter's type.
Result<uint64_t> bits_of(std::string_view name, DType dtype, const Number& value) {
  TENON_TRY(value.check(dtype, std::string(name) + ": "));
  uint64_t bits = 0;
  value.store(dtype, reinterpret_cast<std::byte*>(&bits));
  return bits;
}

bool overlap(uint64_t a, size_t a_bytes, uint64_t b, size_t b_bytes) {
  return a_bytes != no_bytes && b_bytes != no_bytes && a < b + b_bytes && b < a + a_bytes;
}

Errors unknown_entry(const Program& program, std::string_view entry) {
  std::vector<std::string_view> names;
  for (const EntryInfo& e : program.entries()) names.push_back(e.interface->name);
  const std::string_view near = nearest(entry, names);
  return error(Code::undefined_name, "the program has no entry " + std::string(entry),
               near.empty() ? "" : "did you mean " + std::string(near) + "?");
}

}  // namespace

Session::Session(std::shared_ptr<const Program> program, std::shared_ptr<State> state,
                 const runtime::Parallel* parallel)
    : program_(std::move(program)), state_(std::move(state)), parallel_(parallel) {
  runtime::StateHeader header;
  std::memcpy(&header, state_->block(), sizeof header);
  foreign_ = header.layout != program_->layout_hash() || header.magic != runtime::state_magic;
  for (const auto& [name, value] : program_->hypers()) {
    uint64_t bits = 0;
    std::memcpy(&bits, value.data(), value.bytes());
    hypers_[name] = bits;
  }
}

Session::~Session() = default;

Status Session::set_hyper(std::string_view name, const Number& value) {
  const auto found = hypers_.find(name);
  if (found == hypers_.end()) {
    std::vector<std::string_view> names;
    for (const auto& h : hypers_) names.push_back(h.first);
    const std::string_view near = nearest(name, names);
    return error(Code::undefined_name, "no hyper-parameter is named " + std::string(name),
                 near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  TENON_ASSIGN(found->second, bits_of(name, program_->hypers().at(found->first).dtype(), value));
  for (Bound* bound : bounds_)
    if (const auto slot = bound->hyper_slots_.find(name); slot != bound->hyper_slots_.end())
      bound->slots_[slot->second] = found->second;
  return Ok{};
}

Result<Number> Session::hyper(std::string_view name) const {
  const auto found = hypers_.find(name);
  if (found == hypers_.end())
    return error(Code::undefined_name, "no hyper-parameter is named " + std::string(name));
  return with_dtype(program_->hypers().at(found->first).dtype(), [&]<class T>() {
    T typed;
    std::memcpy(&typed, &found->second, sizeof typed);
    if constexpr (std::is_floating_point_v<T>)
      return Number(static_cast<double>(typed));
    else
      return Number(static_cast<int64_t>(typed));
  });
}

std::pair<const EntryInfo*, const Program*> Session::find(std::string_view entry) const {
  if (const EntryInfo* info = program_->find(entry)) return {info, program_.get()};
  for (const std::shared_ptr<const Program>& loop : loops_)
    if (const EntryInfo* info = loop->find(entry)) return {info, loop.get()};
  return {};
}

Result<const EntryInfo*> Session::loop_of(const EntryInfo& step) {
  const std::string name = epochs_name(step.interface->name);
  if (const EntryInfo* info = find(name).first) return info;
  TENON_ASSIGN(std::shared_ptr<const Program> loop, program_->loop_of(step));
  if (loop == nullptr) return static_cast<const EntryInfo*>(nullptr);
  loops_.push_back(std::move(loop));
  return loops_.back()->find(name);
}

Result<std::unique_ptr<Session::Bound>> Session::bind(std::string_view entry, const Call& call) {
  const auto [info, of] = find(entry);
  if (info == nullptr) return unknown_entry(*program_, entry);
  if (foreign_)
    return error(Code::state_foreign, std::string(entry) + ": the state belongs to another program",
                 "make one with this program's init, or load its tensors from a file");
  TENON_TRY(info->check_dims(call.dims));
  if (call.inputs.size() != info->inputs.size() || call.outputs.size() != info->outputs.size())
    return error(Code::data_shape, std::string(entry) + " takes " + std::to_string(info->inputs.size()) +
                                       " inputs and " + std::to_string(info->outputs.size()) + " outputs");
  const ir::DimBindings dims = info->bindings(call.dims);
  auto bytes_of = [&](const ir::Type& type) -> Result<size_t> {
    TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(type.shape, dims));
    int64_t count = 0, bytes = 0;
    if (!checked_bytes(type.dtype, shape, &count, &bytes))
      return error(Code::size_range, std::string(entry) + ": sizes overflow");
    return static_cast<size_t>(bytes);
  };
  std::unique_ptr<Bound> bound(new Bound);
  bound->session_ = this;
  bound->entry_ = info;
  bound->program_ = of;
  bound->parallel_ = parallel_;
  bound->status_ = &status_;
  bound->state_ = state_.get();
  bound->writes_ = info->interface->writes_state;
  const int64_t needed = info->arena(call.dims.data());
  if (needed < 0) return error(Code::size_range, std::string(entry) + ": sizes overflow");
  if (arena_ == nullptr || static_cast<int64_t>(arena_->bytes()) < needed)
    arena_ = std::make_shared<Array>(DType::u8, std::vector<int64_t>{std::max<int64_t>(needed, 64)});
  bound->arena_ = arena_;
  size_t input = 0, output = 0, dim = 0;
  for (const kernel::EntryParam& p : info->interface->params) {
    const size_t slot = bound->slots_.size();
    switch (p.role) {
      case kernel::ParamRole::constants:
        continue;
      case kernel::ParamRole::state:
        bound->slots_.push_back(address(state_->block()));
        break;
      case kernel::ParamRole::arena:
        bound->slots_.push_back(address(arena_->data()));
        break;
      case kernel::ParamRole::input: {
        TENON_ASSIGN(const size_t bytes, bytes_of(info->inputs[input]));
        TENON_ASSIGN(std::vector<int64_t> shape, ir::evaluate_shape(info->inputs[input].shape, dims));
        bound->input_shapes_.push_back(std::move(shape));
        bound->input_slots_.push_back(slot);
        bound->input_bytes_.push_back(bytes);
        bound->slots_.push_back(address(call.inputs[input++]));
        break;
      }
      case kernel::ParamRole::output: {
        TENON_ASSIGN(const size_t bytes, bytes_of(info->outputs[output]));
        bound->output_slots_.push_back(slot);
        bound->output_bytes_.push_back(bytes);
        bound->slots_.push_back(address(call.outputs[output++]));
        break;
      }
      case kernel::ParamRole::hyper: {
        const auto given = call.hypers.find(p.name);
        uint64_t bits = 0;
        if (given == call.hypers.end()) {
          bound->hyper_slots_[p.name] = slot;
          bits = hypers_.at(p.name);
        } else {
          TENON_ASSIGN(bits, bits_of(p.name, p.dtype, given->second));
        }
        bound->slots_.push_back(bits);
        break;
      }
      case kernel::ParamRole::dim:
        bound->slots_.push_back(static_cast<uint64_t>(call.dims[dim++]));
        break;
    }
  }
  TENON_TRY(bound->check_pointers());
  bounds_.push_back(bound.get());
  return bound;
}

Result<std::vector<Array>> Session::run(std::string_view entry, std::span<const Array* const> inputs,
                                        const ir::DimBindings& dims) {
  const EntryInfo* info = find(entry).first;
  if (info == nullptr) return unknown_entry(*program_, entry);
  std::vector<std::vector<int64_t>> shapes;
  for (const Array* a : inputs) shapes.push_back(a->shape());
  Call call;
  TENON_ASSIGN(call.dims, info->bind_dims(shapes, dims));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->dtype() != info->inputs[i].dtype)
      return error(Code::data_shape, std::string(entry) + ": " + info->input_names[i] + " holds " +
                                         std::string(dtype_name(inputs[i]->dtype())) + ", wants " +
                                         info->inputs[i].text());
    call.inputs.push_back(inputs[i]->data());
  }
  const ir::DimBindings bindings = info->bindings(call.dims);
  std::vector<Array> outputs;
  for (const ir::Type& type : info->outputs) {
    TENON_ASSIGN(std::vector<int64_t> shape, ir::evaluate_shape(type.shape, bindings));
    int64_t count = 0, bytes = 0;
    if (!checked_bytes(type.dtype, shape, &count, &bytes))
      return error(Code::size_range, std::string(entry) + ": sizes overflow");
    outputs.emplace_back(type.dtype, std::move(shape));
  }
  for (Array& a : outputs) call.outputs.push_back(a.data());
  TENON_ASSIGN(const std::unique_ptr<Bound> bound, bind(entry, call));
  TENON_TRY(bound->run());
  return outputs;
}

Session::Bound::~Bound() {
  if (session_ != nullptr) std::erase(session_->bounds_, this);
}

void Session::Bound::set_input(size_t index, const void* pointer) {
  slots_[input_slots_[index]] = address(pointer);
  dirty_ = true;
}
void Session::Bound::set_output(size_t index, void* pointer) {
  slots_[output_slots_[index]] = address(pointer);
  dirty_ = true;
}

Status Session::Bound::check_pointers() {
  const std::string& entry = entry_->interface->name;
  auto check = [&](uint64_t pointer, size_t bytes, DType dtype, const std::string& name) -> Status {
    if (pointer == 0 && bytes != 0)
      return tenon::support::error(Code::null_argument, entry + ": " + name + " is null");
    if (pointer % dtype_bytes(dtype) != 0)
      return tenon::support::error(Code::alignment, entry + ": " + name + " is not aligned to its elements");
    return Ok{};
  };
  for (size_t i = 0; i < input_slots_.size(); ++i)
    TENON_TRY(
        check(slots_[input_slots_[i]], input_bytes_[i], entry_->inputs[i].dtype, entry_->input_names[i]));
  for (size_t o = 0; o < output_slots_.size(); ++o) {
    const uint64_t out = slots_[output_slots_[o]];
    const std::string& name = entry_->output_names[o];
    TENON_TRY(check(out, output_bytes_[o], entry_->outputs[o].dtype, name));
    auto clash = [&](const std::string& other) {
      return tenon::support::error(Code::overlap, entry + ": output " + name + " overlaps " + other);
    };
    for (size_t i = 0; i < input_slots_.size(); ++i)
      if (overlap(out, output_bytes_[o], slots_[input_slots_[i]], input_bytes_[i]))
        return clash("input " + entry_->input_names[i]);
    for (size_t i = 0; i < o; ++i)
      if (overlap(out, output_bytes_[o], slots_[output_slots_[i]], output_bytes_[i]))
        return clash("output " + entry_->output_names[i]);
    if (overlap(out, output_bytes_[o], address(state_->block()), state_->bytes())) return clash("the state");
  }
  dirty_ = false;
  return Ok{};
}

Status Session::Bound::error() const {
  if (status_->code == 0) return Ok{};
  std::vector<InputView> views;
  for (size_t i = 0; i < input_slots_.size(); ++i)
    views.push_back({reinterpret_cast<const void*>(slots_[input_slots_[i]]), input_shapes_[i]});
  return program_->describe(*entry_, *status_, views);
}

}  // namespace tenon::driver
