#include "object/object.h"

#include <llvm/IR/DiagnosticHandler.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "codegen/codegen.h"
#include "kernel/verify.h"
#include "object/elf_merge.h"

namespace tenon::object {

namespace {

// What one group of functions costs to generate grows with its statements; groups are cut by that size alone,
// so that the object does not depend on the number of threads.
constexpr size_t group_statements = 2000;

void initialize_llvm() {
  static const bool done = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();  // for inline assembly
    return true;
  }();
  (void)done;
}

// Back-end errors become values instead of text on stderr and exit().
class Collector : public llvm::DiagnosticHandler {
 public:
  explicit Collector(std::string* text) : text_(text) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    if (info.getSeverity() == llvm::DS_Error) {
      llvm::raw_string_ostream out(*text_);
      llvm::DiagnosticPrinterRawOStream printer(out);
      info.print(printer);
      out << '\n';
    }
    return true;
  }

 private:
  std::string* text_;
};

struct Group {
  std::vector<const kernel::Function*> functions;
  bool constants = false;
};

// Statements and what they compute, as it is written: expressions that statements share count for each, so
// that a module and the one read back from its text are cut alike.
size_t count_statements(const std::vector<kernel::Stmt>& body, const std::vector<size_t>& expressions) {
  auto size_of = [&](kernel::ExprId e) { return e.valid() ? expressions[e.index] : 0; };
  size_t n = body.size();
  for (const kernel::Stmt& s : body) {
    size_t inside = count_statements(s.body, expressions) + count_statements(s.other, expressions);
    if (s.kind == kernel::StmtKind::lanes) inside *= 2;  // full and partial blocks
    n += inside + size_of(s.value) + size_of(s.index);
    for (const kernel::Fold& f : s.folds) n += size_of(f.value);
  }
  return n;
}

// Nodes of each expression as a tree; operands stand before their uses. Bounded, so that it cannot overflow.
std::vector<size_t> count_expressions(const kernel::Function& f) {
  std::vector<size_t> out(f.exprs.size());
  for (size_t i = 0; i < out.size(); ++i) {
    size_t n = 1;
    for (const kernel::ExprId e : f.exprs[i].args)
      if (e.index < i) n += out[e.index];
    out[i] = std::min<size_t>(n, group_statements);
  }
  return out;
}

std::vector<Group> make_groups(const kernel::Module& module) {
  std::vector<Group> groups(1);
  groups[0].constants = true;
  size_t size = 0;
  for (const kernel::Function& f : module.functions) {
    const size_t n = 10 + count_statements(f.body, count_expressions(f));
    if (size != 0 && size + n > group_statements) {
      groups.emplace_back();
      size = 0;
    }
    groups.back().functions.push_back(&f);
    size += n;
  }
  return groups;
}

std::unique_ptr<llvm::TargetMachine> make_machine(const target::Target& target, std::string* problem) {
  initialize_llvm();
  const std::string triple = "x86_64-unknown-linux-gnu";
  const llvm::Target* t = llvm::TargetRegistry::lookupTarget(triple, *problem);
  if (t == nullptr) return nullptr;
  llvm::TargetOptions options;
  options.UniqueSectionNames = false;
  return std::unique_ptr<llvm::TargetMachine>(
      t->createTargetMachine(triple, std::string(target.llvm_cpu), std::string(target.features), options,
                             llvm::Reloc::PIC_, llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
}

enum class Form : uint8_t { object, assembly, llvm };

Result<llvm::SmallVector<char, 0>> generate_group(const kernel::Module& module, const Group& group,
                                                  const target::Target& target, const Options& options,
                                                  Form form) {
  std::string problem;
  llvm::LLVMContext context;
  context.setDiagnosticHandler(std::make_unique<Collector>(&problem));
  codegen::Options o;
  o.prefix = options.prefix;
  o.c_functions = options.c_functions;
  o.callers = options.callers;
  TENON_ASSIGN(std::unique_ptr<llvm::Module> m,
               codegen::generate(module, group.functions, group.constants, target, context, o));
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  if (form == Form::llvm) {
    m->print(out, nullptr);
    return bytes;
  }
  std::unique_ptr<llvm::TargetMachine> machine = make_machine(target, &problem);
  if (!machine)
    return error(Code::backend,
                 "LLVM has no code generator for " + std::string(target.name) + ": " + problem);
  m->setDataLayout(machine->createDataLayout());
  llvm::legacy::PassManager passes;
  const auto type =
      form == Form::assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
  if (machine->addPassesToEmitFile(passes, out, nullptr, type, true))
    return error(Code::backend, "LLVM cannot emit objects for " + std::string(target.name));
  passes.run(*m);
  if (!problem.empty()) return error(Code::backend, "LLVM refused the generated code: " + problem);
  return bytes;
}

// Runs work(i) for i below n on up to `threads` threads.
template <class F>
void on_threads(size_t n, int threads, F&& work) {
  size_t count =
      threads > 0 ? static_cast<size_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  count = std::min(count, n);
  std::atomic<size_t> next{0};
  auto run = [&] {
    for (size_t i = next++; i < n; i = next++) work(i);
  };
  std::vector<std::thread> pool;
  for (size_t t = 1; t < count; ++t) pool.emplace_back(run);
  run();
  for (std::thread& t : pool) t.join();
}

Result<std::vector<llvm::SmallVector<char, 0>>> generate_all(const kernel::Module& module,
                                                             const target::Target& target,
                                                             const Options& options, Form form) {
  TENON_TRY(kernel::verify(module));
  initialize_llvm();
  const std::vector<Group> groups = make_groups(module);
  std::vector<llvm::SmallVector<char, 0>> results(groups.size());
  std::vector<Errors> errors(groups.size());
  std::vector<std::exception_ptr> thrown(groups.size());
  on_threads(groups.size(), options.threads, [&](size_t i) {
    try {
      auto r = generate_group(module, groups[i], target, options, form);
      if (r) {
        results[i] = std::move(*r);
      } else {
        errors[i] = r.take_errors();
      }
    } catch (...) {
      thrown[i] = std::current_exception();
    }
  });
  for (const std::exception_ptr& e : thrown)
    if (e) std::rethrow_exception(e);  // a broken invariant, on its way to the public boundary
  Errors all;
  for (Errors& e : errors) all.append(std::move(e));
  if (!all.empty()) return all;
  return results;
}

Result<std::string> text(const kernel::Module& module, const target::Target& target, const Options& options,
                         Form form) {
  TENON_ASSIGN(const auto parts, generate_all(module, target, options, form));
  std::string all;
  for (const auto& part : parts) all.append(part.data(), part.size());
  return all;
}

}  // namespace

Result<Object> compile(const kernel::Module& module, const target::Target& target, const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  TENON_ASSIGN(const auto parts, generate_all(module, target, options, Form::object));
  std::vector<std::span<const std::byte>> inputs;
  for (const auto& part : parts) inputs.push_back(std::as_bytes(std::span(part.data(), part.size())));
  TENON_ASSIGN(Merged merged, merge_elf(inputs));
  for (const std::string& name : merged.undefined)
    if (name != "memcpy" && name != "memmove" && name != "memset")
      return error(Code::backend, "generated code calls " + name + ", which no object may need");
  Object object;
  object.elf = std::move(merged.elf);
  for (const kernel::Function& f : module.functions) object.kernels += !f.entry;
  object.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return object;
}

Result<std::string> llvm_text(const kernel::Module& module, const target::Target& target,
                              const Options& options) {
  return text(module, target, options, Form::llvm);
}

Result<std::string> assembly_text(const kernel::Module& module, const target::Target& target,
                                  const Options& options) {
  return text(module, target, options, Form::assembly);
}

}  // namespace tenon::object
