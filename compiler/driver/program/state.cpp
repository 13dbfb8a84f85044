// State: the values of a program in canonical layout, and their files.
#include <algorithm>
#include <cstring>

#include "driver/program/program.h"
#include "runtime/safetensors.h"
#include "support/bytes.h"
#include "support/text.h"

namespace tenon::driver {
namespace {

std::string type_text(DType dtype, std::span<const int64_t> shape) {
  std::string out(dtype_name(dtype));
  out += "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i != 0 ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

}  // namespace

Holding::Holding(State& state) : ok_(state.begin_write()) {
  if (!ok_ || state.held_here()) return;
  state_ = &state;
  state.holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
}
Holding::~Holding() {
  if (state_ == nullptr) return;
  state_->holder_.store(std::thread::id(), std::memory_order_relaxed);
  state_->end_write();
}

Errors busy_error() {
  return error(Code::busy, "another writer holds the state",
               "one writer at a time: wait for it, or give each its own state");
}

namespace {

// A block of zeros behind its header.
Array empty_block(const kernel::Module& kernels, uint64_t layout) {
  Array block(DType::u8,
              {static_cast<int64_t>(std::max<uint64_t>(kernels.state_bytes, sizeof(runtime::StateHeader)))});
  runtime::StateHeader header{};
  header.magic = runtime::state_magic;
  header.layout = layout;
  header.bytes = block.bytes();
  header.version = runtime::state_version;
  std::memcpy(block.data(), &header, sizeof header);
  return block;
}

// The file's array for each slot; null where it is missing or another.
struct Matched {
  std::vector<const Array*> arrays;
  std::vector<std::string> missing;
  std::string problem;  // of the first that is missing
  size_t count = 0;
};
Matched match(const std::vector<kernel::StateSlot>& slots, const runtime::Tensors& tensors) {
  Matched out;
  out.arrays.resize(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    const kernel::StateSlot& s = slots[i];
    const auto it = tensors.arrays.find(s.name);
    if (it != tensors.arrays.end() && it->second.dtype() == s.dtype && it->second.shape() == s.shape) {
      out.arrays[i] = &it->second;
      ++out.count;
      continue;
    }
    out.missing.push_back(s.name);
    if (!out.problem.empty()) continue;
    out.problem = it == tensors.arrays.end()
                      ? s.name + " is missing"
                      : s.name + " is " + type_text(it->second.dtype(), it->second.shape()) + ", model has " +
                            type_text(s.dtype, s.shape);
  }
  return out;
}

void fill(Array* block, const std::vector<kernel::StateSlot>& slots, const Matched& matched) {
  for (size_t i = 0; i < slots.size(); ++i)
    if (matched.arrays[i] != nullptr && slots[i].bytes != 0)
      copy_bytes(block->data() + slots[i].offset, matched.arrays[i]->data(), slots[i].bytes);
}

std::string mismatch(const std::string& file, const Matched& matched) {
  return file + ": " + matched.problem + "; " + std::to_string(matched.count) + " of " +
         std::to_string(matched.arrays.size()) + " match";
}

}  // namespace

Result<Array> state_bytes(const kernel::Module& kernels, const std::string& file) {
  TENON_ASSIGN(const runtime::Tensors tensors, runtime::read_safetensors(file));
  const Matched matched = match(kernels.state, tensors);
  if (!matched.problem.empty())
    return error(Code::param_mismatch, mismatch(file, matched),
                 "an object's state needs every tensor: save them from the model it is compiled of");
  Array block = empty_block(kernels, kernel::layout_hash(kernels));
  fill(&block, kernels.state, matched);
  return block;
}

State::State(std::shared_ptr<const Program> program)
    : program_(std::move(program)), block_(empty_block(program_->kernels(), program_->layout_hash())) {}

State::State(const State& other) : program_(other.program_), block_(other.block_) {}

uint64_t State::bytes() const { return block_.bytes(); }
uint64_t State::hash() const { return fnv1a(block_.data(), block_.bytes()); }

const kernel::StateSlot* State::find(std::string_view tensor) const {
  for (const kernel::StateSlot& s : program_->kernels().state)
    if (s.name == tensor) return &s;
  return nullptr;
}

namespace {
Errors unknown_tensor(const Program& program, std::string_view tensor) {
  std::vector<std::string_view> names;
  for (const kernel::StateSlot& s : program.kernels().state) names.push_back(s.name);
  const std::string_view near = nearest(tensor, names);
  return error(Code::param_mismatch, "the state has no tensor " + std::string(tensor),
               near.empty() ? "" : "did you mean " + std::string(near) + "?");
}
}  // namespace

Result<Array> State::get(std::string_view tensor) const {
  const kernel::StateSlot* slot = find(tensor);
  if (slot == nullptr) return unknown_tensor(*program_, tensor);
  Array out(slot->dtype, slot->shape);
  copy_bytes(out.data(), block_.data() + slot->offset, slot->bytes);
  return out;
}

Status State::set(std::string_view tensor, const Array& value) {
  const kernel::StateSlot* slot = find(tensor);
  if (slot == nullptr) return unknown_tensor(*program_, tensor);
  if (value.dtype() != slot->dtype || value.shape() != slot->shape)
    return error(Code::param_mismatch, slot->name + " is " + type_text(slot->dtype, slot->shape) +
                                           ", the value is " + type_text(value.dtype(), value.shape()));
  const Writing writing(*this);
  if (!writing) return busy_error();
  copy_bytes(block_.data() + slot->offset, value.data(), slot->bytes);
  return Ok{};
}

Status State::save(const std::string& file, const std::map<std::string, std::string>& kept) const {
  std::vector<runtime::TensorView> views;
  for (const kernel::StateSlot& s : program_->kernels().state)
    views.push_back(
        {s.name, s.dtype, s.shape, {reinterpret_cast<const char*>(block_.data() + s.offset), s.bytes}});
  std::map<std::string, std::string> metadata = kept;
  metadata["model"] = program_->kernels().name;
  return runtime::write_safetensors(file, std::move(views), metadata);
}

Status State::load(const std::string& file, bool partial, std::vector<std::string>* missing) {
  TENON_ASSIGN(const runtime::Tensors tensors, runtime::read_safetensors(file));
  const std::vector<kernel::StateSlot>& slots = program_->kernels().state;
  const Matched matched = match(slots, tensors);
  if (missing != nullptr) *missing = matched.missing;
  if (!matched.problem.empty() && (!partial || matched.count == 0)) {
    return error(Code::param_mismatch, mismatch(file, matched),
                 matched.count == 0 ? "Nothing was loaded"
                                    : "--partial loads the " + std::to_string(matched.count) +
                                          " and names the rest. Nothing was loaded");
  }
  const Writing writing(*this);
  if (!writing) return busy_error();
  fill(&block_, slots, matched);
  return Ok{};
}

}  // namespace tenon::driver
