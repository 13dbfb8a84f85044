// Whether the processor is one an object was compiled for, asked in the object itself: no libc, no globals.
#include <llvm/IR/InlineAsm.h>

#include "c_interface/function.h"
#include "support/text.h"
#include "target/x86_64.h"

namespace tenon::c_interface {

namespace {

constexpr uint32_t basic = 1, extended = 7, amd = 0x80000001;

struct Needs {
  std::map<std::pair<uint32_t, unsigned>, uint32_t> masks;  // by leaf and register
  uint32_t saved = 0;
  bool known = true;  // false: a feature that no row tells, which counts as missing
};

Needs needs_of(const target::Target& target) {
  Needs out;
  for (std::string_view feature : split(target.features, ',')) {
    if (!feature.starts_with('+')) continue;
    feature.remove_prefix(1);
    if (target::always_there(feature)) continue;
    bool found = false;
    for (const target::CpuidBit& b : target::cpuid_bits()) {
      if (b.feature != feature) continue;
      found = true;
      out.masks[{b.leaf, b.reg}] |= uint32_t{1} << b.bit;
    }
    out.known = out.known && found;
    out.saved |= target::saved_registers(feature);
  }
  return out;
}

}  // namespace

llvm::Function* cpu_function(ModuleEmitter& m) {
  const std::string name = own_symbol(m.options.prefix, "cpu");
  if (llvm::Function* f = m.llvm_module.getFunction(name)) return f;
  llvm::IRBuilder<> b(m.context);
  llvm::Function* f = m.new_function(name, llvm::FunctionType::get(b.getInt1Ty(), false), false);
  f->setLinkage(llvm::GlobalValue::InternalLinkage);
  f->addFnAttr(llvm::Attribute::NoInline);
  // It asks whether there are wider registers, so it must not use them.
  f->addFnAttr("target-cpu", "x86-64");
  f->addFnAttr("target-features", "");
  f->addFnAttr("min-legal-vector-width", "0");
  f->addFnAttr("prefer-vector-width", "128");
  b.SetInsertPoint(llvm::BasicBlock::Create(m.context, "entry", f));
  const Needs needs = needs_of(m.target);
  if (!needs.known) {
    b.CreateRet(b.getFalse());
    return f;
  }
  llvm::Type* word = b.getInt32Ty();
  auto* four = llvm::StructType::get(m.context, {word, word, word, word});
  auto* two = llvm::StructType::get(m.context, {word, word});
  llvm::InlineAsm* cpuid =
      llvm::InlineAsm::get(llvm::FunctionType::get(four, {word, word}, false), "cpuid",
                           "={eax},={ebx},={ecx},={edx},{eax},{ecx},~{dirflag},~{fpsr},~{flags}", true);
  llvm::InlineAsm* xgetbv =
      llvm::InlineAsm::get(llvm::FunctionType::get(two, {word}, false), ".byte 0x0f, 0x01, 0xd0",
                           "={eax},={edx},{ecx},~{dirflag},~{fpsr},~{flags}", true);
  auto leave_unless = [&](llvm::Value* good) {
    auto* no = llvm::BasicBlock::Create(m.context, "no", f);
    auto* go_on = llvm::BasicBlock::Create(m.context, "so_far", f);
    b.CreateCondBr(good, go_on, no);
    b.SetInsertPoint(no);
    b.CreateRet(b.getFalse());
    b.SetInsertPoint(go_on);
  };
  auto has = [&](llvm::Value* value, uint32_t mask) {
    return b.CreateICmpEQ(b.CreateAnd(value, mask), b.getInt32(mask));
  };
  auto has_bits = [&](uint32_t leaf) {
    llvm::Value* all = b.CreateCall(cpuid, {b.getInt32(leaf), b.getInt32(0)});
    llvm::Value* good = b.getTrue();
    for (const auto& [place, mask] : needs.masks)
      if (place.first == leaf) good = b.CreateAnd(good, has(b.CreateExtractValue(all, {place.second}), mask));
    leave_unless(good);
  };
  llvm::Value* most = b.CreateExtractValue(b.CreateCall(cpuid, {b.getInt32(0), b.getInt32(0)}), {0u});
  leave_unless(b.CreateICmpUGE(most, b.getInt32(extended)));
  has_bits(basic);  // xsave among them, which xgetbv belongs to
  if (needs.saved != 0)
    leave_unless(has(b.CreateExtractValue(b.CreateCall(xgetbv, {b.getInt32(0)}), {0u}), needs.saved));
  has_bits(extended);
  has_bits(amd);
  b.CreateRet(b.getTrue());
  return f;
}

}  // namespace tenon::c_interface
