#include "transforms/derive.h"

#include "ir/builder.h"
#include "ir/made_names.h"
#include "ops/init.h"
#include "support/hash.h"
#include "support/text.h"
#include "transforms/options.h"
#include "transforms/transforms.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Derive;
using ir::Function;
using ir::Module;
using ir::ValueId;

Result<Function> start_derived(const Module& module, const Derive& derive) {
  const Function* source = module.find_function(derive.source);
  if (source == nullptr) {
    const std::string_view near = nearest(derive.source, function_names(module));
    return derive_error(
        module, derive, "no function is named " + derive.source,
        near.empty() ? "declare it before this line" : "did you mean " + std::string(near) + "?");
  }
  Function out = *source;
  out.comment = derive.comment;
  out.batch = {};
  out.name = derive.name;
  out.origin = ir::made_by(derive.kind, derive.source);
  out.location = derive.location;
  out.result_names.resize(out.returns);
  return out;
}

Status check_loss(const Module& module, const Derive& derive, const Function& f) {
  if (f.returns == 0) return derive_error(module, derive, derive.source + " returns nothing");
  const ir::Type& type = f.graph.type(f.graph.results[0]);
  if (type.is_scalar() && is_float(type.dtype)) return Ok{};
  return derive_error(module, derive, derive.source + " returns " + type.text() + " first, wants one float",
                      "reduce it: mean, reduce_sum");
}

Result<Function> make_init(const Module& module) {
  Function f;
  f.name = "init";
  f.mode = ir::Mode::inference;
  f.origin = ir::made_by("init", "");
  const ValueId seed = f.graph.add_arg({DType::i64, {}}, ArgKind::input, "seed");
  ir::Builder b(f.graph, &module);
  Errors errors;
  for (const ir::Global& g : module.globals) {
    if (g.kind == ir::GlobalKind::hyper) continue;
    // Each global stands once: no write is looked for.
    auto write = [&](ValueId value) {
      f.writes.push_back({g.name});
      f.graph.results.push_back(value);
    };
    if (Status s = ops::check_init(g.init, g.type, g.name); !s) {
      Errors found = s.take_errors();
      for (Diagnostic& d : found.list) {
        if (!d.file.empty() || !g.location.known() || g.location.file >= module.files.size()) continue;
        d.file = module.files[g.location.file];
        d.line = g.location.line;
        d.column = g.location.column;
      }
      errors.append(std::move(found));
      continue;
    }
    if (ir::is_counter_init(g.init.name)) {
      write(g.init.name == ir::seed_init ? seed : b.constant(DType::i64, 0));
      continue;
    }
    const int64_t stream = static_cast<int64_t>(fnv1a(g.name) >> 1);
    write(ops::emit_init(b, g.init, g.type, seed, stream));
  }
  if (!errors.empty()) return errors;
  return f;
}

ir::BatchFinding step_batch(const Module& module, std::string_view step) {
  const Function* source = module.find_function(step);
  ir::BatchWords words;
  for (const Derive& d : module.derives) {
    if (d.name != step || d.kind != "step") continue;
    source = module.find_function(d.source);
    words = batch_words(d.options);
  }
  if (source == nullptr || words.dim == no_batch) return {};
  Module own = module;
  Function f = *source;
  if (!inline_calls(own, f, true)) return {};
  return ir::find_batch(f, words);
}

Status expand_derive(Module& module, const Derive& derive) {
  struct Kind {
    std::string_view name;
    Result<Function> (*make)(Module&, const Derive&);
  };
  static constexpr Kind kinds[] = {
      {"step", derive_step}, {"grad", derive_grad}, {"epochs", derive_epochs}, {"averaged", derive_averaged}};
  std::vector<std::string_view> names;
  const Kind* kind = nullptr;
  for (const Kind& k : kinds) {
    names.push_back(k.name);
    if (k.name == derive.kind) kind = &k;
  }
  if (kind == nullptr) {
    return at_derive(module, derive,
                     unknown_name("directive", derive.kind, names, "derive " + derive.name + ": "));
  }
  if (module.find_function(derive.name) != nullptr)
    return derive_error(module, derive, "a function of this name stands already");
  TENON_ASSIGN(Function made, kind->make(module, derive));
  module.functions.push_back(std::move(made));
  return Ok{};
}

Status expand_directives(Module& module) {
  Errors errors;
  for (const Derive& derive : std::exchange(module.derives, {}))
    if (Status s = expand_derive(module, derive); !s) errors.append(s.take_errors());
  if (!errors.empty()) return errors;
  return Ok{};
}

Status expand_derives(Module& module) {
  TENON_TRY(expand_directives(module));
  if (module.find_function("init") == nullptr) {
    TENON_ASSIGN(Function init, make_init(module));
    module.functions.push_back(std::move(init));
  }
  return Ok{};
}

}  // namespace tenon::transforms
