#include "kernel/evaluate.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <unordered_map>

#include "kernel/evaluate_code.h"
#include "kernel/text.h"
#include "kernel/verify.h"

namespace tenon::kernel {
namespace {

struct Memory {
  std::byte* data = nullptr;
  uint64_t bytes = 0;
};

// A variable: one value, or one a lane, of each element.
struct Register {
  std::vector<uint64_t> values;
  std::vector<int64_t> extents;
  size_t lanes = 1;
};

// What all functions of one run share.
struct Run {
  const Module& module;
  const EvaluateOptions& options;
  EvaluateResult result;
  Errors errors;
  uint64_t random;
  std::unordered_map<const Function*, std::unique_ptr<FunctionCode>> codes;

  const FunctionCode* code(const Function& f) {
    std::unique_ptr<FunctionCode>& code = codes[&f];
    if (code != nullptr) return code.get();
    if (Status s = verify(f, module); !s) {
      errors = s.take_errors();
      return nullptr;
    }
    code = std::make_unique<FunctionCode>(prepare(f));
    return code.get();
  }
};

class Frame {
 public:
  Frame(Run& run, const FunctionCode& code)
      : run_(run), code_(code), f_(*code.function), registers_(f_.vars.size()), memory_(f_.vars.size()) {
    for (VarId v : f_.fixed) set(v, static_cast<uint64_t>(f_.var(v).value));
    for (VarId v : f_.scratch) {
      const uint64_t bytes = static_cast<uint64_t>(f_.var(v).value) * dtype_bytes(f_.var(v).dtype);
      owned_.push_back(std::make_unique<uint64_t[]>(bytes / 8 + 1));
      memory_[v.index] = {reinterpret_cast<std::byte*>(owned_.back().get()), bytes};
    }
    resize(1);
  }

  bool bind(VarId v, Memory memory) {
    const Var& x = f_.var(v);
    const uint64_t align = std::max<uint64_t>(x.align, dtype_bytes(x.dtype));
    if (reinterpret_cast<uintptr_t>(memory.data) % align != 0) {
      run_.errors = error(Code::alignment,
                          f_.name + ": " + x.name + " is not aligned to " + std::to_string(align) + " bytes");
      return false;
    }
    memory_[v.index] = memory;
    return true;
  }
  void set(VarId v, uint64_t bits) { registers_[v.index].values.assign(1, bits); }
  bool run() { return block(f_.body); }

 private:
  // --- expressions
  // ---------------------------------------------------------------------------------------------

  void resize(size_t lanes) {
    lanes_ = lanes;
    scratch_.resize(code_.longest * lanes);
    slots_.resize(code_.longest);
  }

  bool fail(Code code, std::string message) {
    run_.errors = error(code, f_.name + ": " + std::move(message));
    if (at_ != nullptr) run_.errors.list.front().notes.push_back("in: " + statement_text(f_, *at_));
    return false;
  }
  bool out_of_bounds(VarId buffer, int64_t index) {
    const Var& v = f_.var(buffer);
    return fail(Code::index_range, "index " + std::to_string(index) + " of " + v.name + " is outside its " +
                                       std::to_string(memory_[buffer.index].bytes / dtype_bytes(v.dtype)) +
                                       " elements");
  }

  bool load_one(const CodeNode& n, uint64_t index, uint64_t* out) {
    const Memory& m = memory_[n.var.index];
    if (index >= m.bytes / n.bytes) return out_of_bounds(n.var, static_cast<int64_t>(index));
    uint64_t bits = 0;
    std::memcpy(&bits, m.data + index * n.bytes, n.bytes);
    *out = is_bool(n.dtype) ? bits != 0 : bits;
    return true;
  }

  // Position of an element in an array of registers.
  bool element(VarId var, const Register& r, const std::vector<uint32_t>& subscripts, size_t* at) {
    size_t position = 0;
    for (size_t i = 0; i < subscripts.size(); ++i) {
      const auto s = static_cast<int64_t>(*slots_[subscripts[i]].data);
      if (s < 0 || s >= r.extents[i])
        return fail(Code::index_range, "subscript " + std::to_string(s) + " of " + f_.var(var).name +
                                           " is outside 0 .. " + std::to_string(r.extents[i]));
      position = position * static_cast<size_t>(r.extents[i]) + static_cast<size_t>(s);
    }
    *at = position;
    return true;
  }

  bool evaluate(ExprId root, Operand* result) {
    const std::vector<CodeNode>& list = *code_.roots[root.index];
    for (size_t i = 0; i < list.size(); ++i) {
      const CodeNode& n = list[i];
      uint64_t* out = scratch_.data() + i * lanes_;
      Operand& slot = slots_[i];
      switch (n.op) {
        case Op::constant:
          slot = {&n.bits, 0};
          break;
        case Op::variable: {
          const Register& r = registers_[n.var.index];
          size_t at = 0;
          if (!n.subscripts.empty() && !element(n.var, r, n.subscripts, &at)) return false;
          slot = {r.values.data() + at * r.lanes, n.varying ? size_t{1} : size_t{0}};
          break;
        }
        case Op::load: {
          const Operand& index = slots_[n.args[0]];
          if (!n.varying) {
            if (!load_one(n, *index.data, out)) return false;
          } else {
            for (size_t l = 0; l < lanes_; ++l) {
              out[l] = 0;  // lanes that are off do not touch memory
              if (mask_[l] && !load_one(n, index.data[l * index.stride], out + l)) return false;
            }
          }
          slot = {out, n.varying ? size_t{1} : size_t{0}};
          break;
        }
        case Op::address:
          slot = slots_[n.args[0]];
          break;
        default: {
          const Operand args[3] = {slots_[n.args[0]], slots_[n.args[1]], slots_[n.args[2]]};
          n.apply(out, args, n.varying ? lanes_ : 1);
          slot = {out, n.varying ? size_t{1} : size_t{0}};
        }
      }
    }
    *result = slots_[list.size() - 1];
    return true;
  }

  bool scalar(ExprId e, int64_t* out) {
    Operand v;
    if (!evaluate(e, &v)) return false;
    *out = static_cast<int64_t>(*v.data);
    return true;
  }

  // --- statements
  // ----------------------------------------------------------------------------------------------

  bool block(const std::vector<Stmt>& body) {
    for (const Stmt& s : body) {
      at_ = &s;
      if (!statement(s)) return false;
      if (leaving()) return true;
    }
    return true;
  }

  bool leaving() const { return stopped_ || exiting_; }

  bool statement(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::declare:
        return declare(s);
      case StmtKind::let: {
        Operand v;
        if (!evaluate(s.value, &v)) return false;
        Register& r = registers_[s.var.index];
        r.lanes = code_.varying[s.var.index] ? lanes_ : 1;
        r.values.resize(r.lanes);
        for (size_t l = 0; l < r.lanes; ++l) r.values[l] = v.data[l * v.stride];
        return true;
      }
      case StmtKind::assign:
        return assign(s);
      case StmtKind::store:
        return store(s);
      case StmtKind::for_:
        return for_loop(s);
      case StmtKind::lanes:
        return lanes(s);
      case StmtKind::unroll: {
        int64_t lo = 0, hi = 0;
        if (!scalar(s.lo, &lo) || !scalar(s.hi, &hi)) return false;
        for (int64_t i = lo; i < hi && !leaving(); ++i) {
          set(s.var, static_cast<uint64_t>(i));
          if (!block(s.body)) return false;
        }
        return true;
      }
      case StmtKind::specialize: {
        int64_t lo = 0, hi = 0, value = 0;
        if (!scalar(s.lo, &lo) || !scalar(s.hi, &hi) || !scalar(s.value, &value)) return false;
        if (value < lo || value > hi) return true;
        set(s.var, static_cast<uint64_t>(value));
        return block(s.body);
      }
      case StmtKind::if_:
        return branch(s);
      case StmtKind::fail:
        return record(s);
      case StmtKind::prefetch:
        return true;
      case StmtKind::exchange:
        return exchange(s);
      case StmtKind::call:
        return call(s);
      case StmtKind::parallel:
        return parallel(s);
      case StmtKind::stop_on_failure:
        stopped_ = run_.result.status != 0;
        return true;
      case StmtKind::exit_if: {
        int64_t on = 0;
        if (!scalar(s.value, &on)) return false;
        exiting_ = on != 0;
        return true;
      }
      case StmtKind::progress: {
        int64_t steps = 0;
        if (!scalar(s.value, &steps)) return false;
        run_.result.progress += steps;
        return true;
      }
    }
    return true;
  }

  bool declare(const Stmt& s) {
    Register& r = registers_[s.var.index];
    r.extents.clear();
    size_t elements = 1;
    for (ExprId e : f_.var(s.var).extents) {
      int64_t n = 0;
      if (!scalar(e, &n)) return false;
      r.extents.push_back(n);
      elements *= static_cast<size_t>(n);
    }
    Operand v;
    if (!evaluate(s.value, &v)) return false;
    // The value may read the register of an earlier round of a loop: no write before it is read.
    const size_t lanes = code_.varying[s.var.index] ? lanes_ : 1;
    std::vector<uint64_t> values(elements * lanes);
    for (size_t i = 0; i < elements; ++i)
      for (size_t l = 0; l < lanes; ++l) values[i * lanes + l] = v.data[l * v.stride];
    r.lanes = lanes;
    r.values = std::move(values);
    return true;
  }

  bool assign(const Stmt& s) {
    Register& r = registers_[s.var.index];
    size_t at = 0;
    for (size_t i = 0; i < s.args.size(); ++i) {
      int64_t x = 0;
      if (!scalar(s.args[i], &x)) return false;
      if (x < 0 || x >= r.extents[i])
        return fail(Code::index_range, "subscript " + std::to_string(x) + " of " + f_.var(s.var).name +
                                           " is outside 0 .. " + std::to_string(r.extents[i]));
      at = at * static_cast<size_t>(r.extents[i]) + static_cast<size_t>(x);
    }
    Operand v;
    if (!evaluate(s.value, &v)) return false;
    uint64_t* to = r.values.data() + at * r.lanes;
    if (r.lanes == 1 && lanes_ == 1) {
      *to = *v.data;
      return true;
    }
    for (size_t l = 0; l < r.lanes; ++l)
      if (mask_[l]) to[l] = v.data[l * v.stride];
    return true;
  }

  bool exchange(const Stmt& s) {
    Register& r = registers_[s.var.index];
    const size_t n = r.values.size() / std::max<size_t>(lanes_, 1);
    if (r.lanes != lanes_ || n > lanes_)
      return fail(Code::graph_invalid, f_.var(s.var).name + " has more registers than there are lanes");
    const std::vector<uint64_t> old = r.values;
    for (size_t k = 0; k < old.size(); ++k) r.values[k] = mask_[k / n] ? old[k % n * lanes_ + k / n] : 0;
    return true;
  }

  bool store_one(const Stmt& s, uint64_t index, uint64_t bits) {
    const Memory& m = memory_[s.var.index];
    const size_t bytes = dtype_bytes(f_.var(s.var).dtype);
    if (index >= m.bytes / bytes) return out_of_bounds(s.var, static_cast<int64_t>(index));
    std::memcpy(m.data + index * bytes, &bits, bytes);
    return true;
  }

  bool store(const Stmt& s) {
    Operand index;
    if (!evaluate(s.index, &index)) return false;
    // The second evaluation overwrites the scratch of the first.
    const size_t lanes = index.stride == 0 ? 1 : lanes_;
    indices_.assign(index.data, index.data + lanes);
    Operand value;
    if (!evaluate(s.value, &value)) return false;
    if (lanes == 1 && value.stride == 0) return store_one(s, indices_[0], *value.data);
    for (size_t l = 0; l < lanes_; ++l)
      if (mask_[l] && !store_one(s, indices_[lanes == 1 ? 0 : l], value.data[l * value.stride])) return false;
    return true;
  }

  bool for_loop(const Stmt& s) {
    int64_t lo = 0, hi = 0, step = 0;
    if (!scalar(s.lo, &lo) || !scalar(s.hi, &hi) || !scalar(s.step, &step)) return false;
    if (step <= 0)
      return fail(Code::index_range, "the step is " + std::to_string(step) + ", expected above 0");
    for (int64_t i = lo; i < hi && !stopped_;) {
      set(s.var, static_cast<uint64_t>(i));
      if (!block(s.body)) return false;
      if (exiting_) {
        exiting_ = false;
        break;
      }
      if (static_cast<uint64_t>(hi) - static_cast<uint64_t>(i) <= static_cast<uint64_t>(step)) break;
      i += step;
    }
    return true;
  }

  bool lanes(const Stmt& s) {
    int64_t lo = 0, hi = 0, width = 0;
    if (!scalar(s.lo, &lo) || !scalar(s.hi, &hi) || !scalar(s.step, &width)) return false;
    const auto w = static_cast<size_t>(width);
    resize(w);
    Register& variable = registers_[s.var.index];
    variable.lanes = w;
    bool sound = true;
    for (int64_t base = lo; sound && !stopped_ && base < hi;) {
      const uint64_t left = static_cast<uint64_t>(hi) - static_cast<uint64_t>(base);
      variable.values.resize(w);
      mask_.assign(w, false);
      for (size_t l = 0; l < w; ++l) {
        variable.values[l] = static_cast<uint64_t>(base) + l;
        mask_[l] = l < left;
      }
      sound = block(s.body);
      at_ = &s;
      // What folds was not computed where the body was left.
      for (size_t i = 0; sound && !stopped_ && i < s.folds.size(); ++i) sound = fold(s.folds[i]);
      if (left <= w) break;
      base += width;
    }
    mask_.clear();
    resize(1);
    return sound;
  }

  bool fold(const Fold& fold) {
    Operand v;
    if (!evaluate(fold.value, &v)) return false;
    const DType dtype = f_.var(fold.target).dtype;
    std::vector<uint64_t>& x = indices_;
    x.resize(lanes_);
    for (size_t l = 0; l < lanes_; ++l)
      x[l] = mask_[l] ? v.data[l * v.stride] : fold_identity(fold.op, dtype);
    for (size_t half = lanes_ / 2; half > 0; half /= 2)
      for (size_t l = 0; l < half; ++l) x[l] = fold_apply(fold.op, dtype, x[l], x[l + half]);
    uint64_t& target = registers_[fold.target.index].values[0];
    target = fold_apply(fold.op, dtype, target, x[0]);
    return true;
  }

  bool branch(const Stmt& s) {
    Operand condition;
    if (!evaluate(s.value, &condition)) return false;
    if (condition.stride == 0) return block(*condition.data != 0 ? s.body : s.other);
    const std::vector<uint8_t> outer = mask_;
    std::vector<uint8_t> off(lanes_, 0);
    for (size_t l = 0; l < lanes_; ++l) {
      const bool on = condition.data[l] != 0;
      off[l] = outer[l] && !on;
      mask_[l] = outer[l] && on;
    }
    auto any = [](const std::vector<uint8_t>& mask) {
      return std::find(mask.begin(), mask.end(), 1) != mask.end();
    };
    bool sound = !any(mask_) || block(s.body);
    mask_ = std::move(off);
    if (sound && any(mask_)) sound = block(s.other);
    mask_ = outer;
    return sound;
  }

  bool record(const Stmt& s) {
    Operand condition;
    if (!evaluate(s.value, &condition)) return false;
    size_t lane = 0;
    const size_t lanes = condition.stride == 0 ? 1 : lanes_;
    while (lane < lanes && ((lanes > 1 && !mask_[lane]) || condition.data[lane * condition.stride] == 0))
      ++lane;
    if (lane == lanes) return true;
    Operand detail;
    if (!evaluate(s.index, &detail)) return false;
    if (run_.result.status != 0) return true;
    run_.result.status = s.code;
    run_.result.detail = static_cast<int64_t>(detail.data[lane * detail.stride]);
    return true;
  }

  bool call(const Stmt& s) {
    const Function* callee = run_.module.find(s.callee);
    const FunctionCode* code = run_.code(*callee);
    if (code == nullptr) return false;
    Frame frame(run_, *code);
    for (size_t i = 0; i < s.args.size(); ++i) {
      Operand v;
      if (!evaluate(s.args[i], &v)) return false;
      const Expr& e = f_.expr(s.args[i]);
      if (e.op != Op::address) {
        frame.set(callee->params[i], *v.data);
        continue;
      }
      const Memory& base = memory_[e.var.index];
      if (*v.data > base.bytes)
        return fail(Code::index_range, "offset " + std::to_string(static_cast<int64_t>(*v.data)) + " of " +
                                           f_.var(e.var).name + " is outside its " +
                                           std::to_string(base.bytes) + " bytes");
      if (!frame.bind(callee->params[i],
                      {base.data == nullptr ? nullptr : base.data + *v.data, base.bytes - *v.data}))
        return false;
    }
    return frame.run();
  }

  bool parallel(const Stmt& s) {
    int64_t count = 0;
    if (!scalar(s.hi, &count)) return false;
    if (count > (int64_t{1} << 24)) return fail(Code::compile_limit, std::to_string(count) + " chunks");
    std::vector<int64_t> order(static_cast<size_t>(std::max<int64_t>(count, 0)));
    std::iota(order.begin(), order.end(), int64_t{0});
    if (run_.options.chunks == EvaluateOptions::Chunks::reversed) std::reverse(order.begin(), order.end());
    if (run_.options.chunks == EvaluateOptions::Chunks::shuffled) {
      for (size_t i = order.size(); i > 1; --i) {
        uint64_t z = run_.random += 0x9e3779b97f4a7c15ull;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        std::swap(order[i - 1], order[(z ^ (z >> 31)) % i]);
      }
    }
    for (int64_t chunk : order) {
      set(s.var, static_cast<uint64_t>(chunk));
      if (!block(s.body)) return false;
    }
    return true;
  }

  Run& run_;
  const FunctionCode& code_;
  const Function& f_;
  std::vector<Register> registers_;  // by variable
  std::vector<Memory> memory_;       // by variable
  size_t lanes_ = 1;
  std::vector<uint8_t> mask_;  // of the lanes running; empty outside lanes
  std::vector<uint64_t> scratch_, indices_;
  std::vector<Operand> slots_;
  const Stmt* at_ = nullptr;
  bool stopped_ = false;                            // leaving the function
  bool exiting_ = false;                            // leaving the innermost for
  std::vector<std::unique_ptr<uint64_t[]>> owned_;  // scratch
};

}  // namespace

Result<EvaluateResult> evaluate(const Module& module, const Function& function,
                                const std::vector<Argument>& arguments, const EvaluateOptions& options) {
  Run run{module, options, {}, {}, options.seed, {}};
  const FunctionCode* code = run.code(function);
  if (code == nullptr) return std::move(run.errors);
  if (arguments.size() != function.params.size()) {
    return error(Code::operand_count, function.name + " takes " + std::to_string(function.params.size()) +
                                          " arguments, has " + std::to_string(arguments.size()));
  }
  Frame frame(run, *code);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const VarId v = function.params[i];
    const Argument& a = arguments[i];
    if (function.var(v).kind == VarKind::buffer) {
      const Memory memory{static_cast<std::byte*>(a.pointer), a.pointer == nullptr ? 0 : a.bytes};
      if (!frame.bind(v, memory)) return std::move(run.errors);
    } else {
      const size_t bytes = dtype_bytes(function.var(v).dtype);
      const uint64_t bits = bytes == 8 ? a.scalar : a.scalar & ((uint64_t{1} << (8 * bytes)) - 1);
      frame.set(v, is_bool(function.var(v).dtype) ? bits != 0 : bits);
    }
  }
  if (!frame.run()) return std::move(run.errors);
  return run.result;
}

}  // namespace tenon::kernel
