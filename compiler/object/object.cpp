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
#include <new>
#include <shared_mutex>
#include <thread>

#include "c_interface/interface.h"
#include "codegen/codegen.h"
#include "kernel/verify.h"
#include "object/budget.h"
#include "object/elf_merge.h"
#include "object/isolate.h"
#include "support/thread.h"

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
  size_t size = 0;  // statements and expressions
};

// What LLVM takes at most, measured on single kernels and on whole programs, with room to spare.
constexpr size_t llvm_bytes = size_t{24} << 20;       // once: its tables, the target
constexpr size_t group_bytes = size_t{4} << 20;       // for a group in work
constexpr size_t statement_bytes = size_t{16} << 10;  // and for each of its statements
constexpr size_t result_bytes = size_t{1} << 10;      // of object, for each statement of all groups
constexpr size_t thread_bytes =
    support::deep_stack + (size_t{128} << 20);  // its stack, the heap malloc gives it

size_t working_bytes(const Group& group) { return group_bytes + group.size * statement_bytes; }

// How many threads, at most `wanted`, LLVM has memory for. T611 where it has none for one.
Result<size_t> affordable_threads(const std::vector<Group>& groups, uint64_t constant_bytes, size_t wanted) {
  std::vector<size_t> work;
  size_t fixed = llvm_bytes + 4 * constant_bytes;
  for (const Group& g : groups) {
    work.push_back(working_bytes(g));
    fixed += g.size * result_bytes;
  }
  std::sort(work.rbegin(), work.rend());
  for (size_t threads = std::min(wanted, work.size()); threads > 1; --threads) {
    size_t bytes = fixed + (threads - 1) * thread_bytes;
    for (size_t t = 0; t < threads; ++t) bytes += work[t];
    if (can_afford(bytes)) return threads;
  }
  TENON_TRY(afford(fixed + work[0], "compiling"));
  return size_t{1};
}

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
    groups.back().size += n;
    size += n;
  }
  return groups;
}

std::unique_ptr<llvm::TargetMachine> make_machine(const target::Target& target, bool quick,
                                                  std::string* problem) {
  initialize_llvm();
  const std::string triple(target.family->triple);
  const llvm::Target* t = llvm::TargetRegistry::lookupTarget(triple, *problem);
  if (t == nullptr) return nullptr;
  llvm::TargetOptions options;
  options.UniqueSectionNames = false;
  return std::unique_ptr<llvm::TargetMachine>(t->createTargetMachine(
      triple, std::string(target.llvm_cpu), std::string(target.features), options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, quick ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Default));
}

// LLVM's allocator of registers is quadratic in the blocks of a function. What Tenon makes has hundreds;
// thousands come of edited kernels, every access of which is guarded in wide tiles: those get quick code.
bool any_too_large(const llvm::Module& m) {
  constexpr size_t most_blocks = 1500;
  return std::any_of(m.begin(), m.end(), [](const llvm::Function& f) { return f.size() > most_blocks; });
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
  if (options.c_functions)
    o.beside = [&](codegen::ModuleEmitter& m) { c_interface::emit_functions(m, options.callers); };
  TENON_ASSIGN(std::unique_ptr<llvm::Module> m,
               codegen::generate(module, group.functions, group.constants, target, context, o));
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  if (form == Form::llvm) {
    m->print(out, nullptr);
    return bytes;
  }
  const bool quick = options.quick || any_too_large(*m);
  std::unique_ptr<llvm::TargetMachine> machine = make_machine(target, quick, &problem);
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

// Runs work(i) for i below n on up to `count` threads.
template <class F>
void on_threads(size_t n, size_t count, F&& work) {
  std::atomic<size_t> next{0};
  auto run = [&] {
    for (size_t i = next++; i < n; i = next++) work(i);
  };
  // Threads that the system refuses are done without: the caller takes what is left.
  const std::unique_ptr<support::Thread[]> helpers(new (std::nothrow) support::Thread[count]);
  for (size_t t = 1; helpers != nullptr && t < count; ++t)
    if (!helpers[t].start(support::deep_stack, run)) break;
  run();
}

Result<std::vector<llvm::SmallVector<char, 0>>> generate_all(const kernel::Module& module,
                                                             const target::Target& target,
                                                             const Options& options, Form form) {
  TENON_TRY(kernel::verify(module));
  const std::vector<Group> groups = make_groups(module);
  const size_t wanted = options.threads > 0 ? static_cast<size_t>(options.threads)
                                            : std::max(1u, std::thread::hardware_concurrency());
  TENON_ASSIGN(const size_t threads, affordable_threads(groups, module.constant_bytes, wanted));
  const std::shared_lock lock(inside_llvm());
  initialize_llvm();
  std::vector<llvm::SmallVector<char, 0>> results(groups.size());
  std::vector<Errors> errors(groups.size());
  std::vector<std::exception_ptr> thrown(groups.size());
  on_threads(groups.size(), threads, [&](size_t i) {
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
  if (options.isolate) {
    Options own = options;
    own.isolate = false;
    own.threads = 1;
    return isolated([&] { return compile(module, target, own); });
  }
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
  for (const kernel::Function& f : module.functions) object.kernels += !f.runs_phases();
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
