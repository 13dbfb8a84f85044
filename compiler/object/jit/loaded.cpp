// Loading an object in process by JITLink. Nothing of the process is visible to it but an allow-list; pages
// are never writable and executable at once.
#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/ExecutorProcessControl.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/Orc/TaskDispatch.h>

#include <cstring>
#include <mutex>

#include "object/budget.h"
#include "object/object.h"

namespace tenon::object {

namespace {

namespace orc = llvm::orc;

// What linking takes beside the code itself, and symbols that are looked up later.
constexpr size_t loading_bytes = size_t{16} << 20;

Errors refused(llvm::Error e) {
  return error(Code::backend, "the compiled object cannot be loaded: " + llvm::toString(std::move(e)));
}

class JitLoaded final : public Loaded {
 public:
  explicit JitLoaded(std::unique_ptr<orc::ExecutorProcessControl> control) : session_(std::move(control)) {
    // Errors of the session come back from lookups as well; nothing is written to the host's stderr.
    session_.setErrorReporter([](llvm::Error e) { llvm::consumeError(std::move(e)); });
  }
  ~JitLoaded() override {
    // Ending takes some memory too, and there is nobody to tell that there is none.
    reserve_.reset();
    if (llvm::Error e = session_.endSession()) llvm::consumeError(std::move(e));
  }

  Status open(std::span<const std::byte> elf) {
    auto memory = llvm::jitlink::InProcessMemoryManager::Create();
    if (!memory) return refused(memory.takeError());
    layer_ = std::make_unique<orc::ObjectLinkingLayer>(session_, std::move(*memory));
    dylib_ = &session_.createBareJITDylib("tenon");
    orc::SymbolMap allowed;
    auto allow = [&](const char* name, auto* function) {
      allowed[session_.intern(name)] = {orc::ExecutorAddr::fromPtr(function), llvm::JITSymbolFlags::Exported};
    };
    allow("memcpy", static_cast<void* (*)(void*, const void*, size_t)>(std::memcpy));
    allow("memmove", static_cast<void* (*)(void*, const void*, size_t)>(std::memmove));
    allow("memset", static_cast<void* (*)(void*, int, size_t)>(std::memset));
    if (llvm::Error e = dylib_->define(orc::absoluteSymbols(std::move(allowed))))
      return refused(std::move(e));
    auto buffer = llvm::MemoryBuffer::getMemBufferCopy(
        llvm::StringRef(reinterpret_cast<const char*>(elf.data()), elf.size()), "tenon");
    if (llvm::Error e = layer_->add(*dylib_, std::move(buffer))) return refused(std::move(e));
    return Ok{};
  }

  void* lookup(std::string_view symbol) const override {
    const std::lock_guard lock(mutex_);
    auto found = session_.lookup({dylib_}, llvm::StringRef(symbol.data(), symbol.size()));
    if (!found) {
      llvm::consumeError(found.takeError());
      return nullptr;
    }
    return found->getAddress().toPtr<void*>();
  }

 private:
  // Of pieces that malloc hands out again, unlike one large piece.
  struct Reserve {
    std::unique_ptr<Reserve> next;
    char bytes[4096];
  };
  std::unique_ptr<Reserve> reserve_ = [] {
    std::unique_ptr<Reserve> all;
    for (int i = 0; i < 16; ++i) {
      auto piece = std::make_unique<Reserve>();
      piece->next = std::move(all);
      all = std::move(piece);
    }
    return all;
  }();
  mutable std::mutex mutex_;
  mutable orc::ExecutionSession session_;
  std::unique_ptr<orc::ObjectLinkingLayer> layer_;
  orc::JITDylib* dylib_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Loaded>> Loaded::load(std::span<const std::byte> elf) {
  TENON_TRY(afford(loading_bytes + 6 * elf.size(), "loading"));
  // In place: by itself it would link on threads of its own, with stacks of the system's size, and end the
  // process where it gets none.
  auto control =
      orc::SelfExecutorProcessControl::Create(nullptr, std::make_unique<orc::InPlaceTaskDispatcher>());
  if (!control) return refused(control.takeError());
  auto loaded = std::make_unique<JitLoaded>(std::move(*control));
  TENON_TRY(loaded->open(elf));
  return std::unique_ptr<Loaded>(std::move(loaded));
}

}  // namespace tenon::object
