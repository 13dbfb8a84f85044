#include "object/aot/export.h"

#include <algorithm>
#include <set>

#include "c_interface/names.h"
#include "object/aot/c_text.h"
#include "object/object.h"

namespace tenon::object {

namespace {

void collect_callees(const std::vector<kernel::Stmt>& body, std::vector<std::string>& out) {
  for (const kernel::Stmt& s : body) {
    if (s.kind == kernel::StmtKind::call) out.push_back(s.callee);
    collect_callees(s.body, out);
    collect_callees(s.other, out);
  }
}

// The module with the wanted entries, and the functions they reach.
Result<kernel::Module> select(const kernel::Module& module, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return module;
  kernel::Module m = module;
  for (const std::string& name : wanted)
    if (std::none_of(m.entries.begin(), m.entries.end(),
                     [&](const kernel::Entry& e) { return e.name == name; }))
      return error(Code::backend, "the program has no entry " + name);
  std::erase_if(m.entries, [&](const kernel::Entry& e) {
    return e.name != "init" && std::find(wanted.begin(), wanted.end(), e.name) == wanted.end();
  });
  std::set<std::string> reached;
  std::vector<std::string> work;
  for (const kernel::Entry& e : m.entries) {
    work.push_back(e.function);
    work.push_back(e.arena_function);
  }
  while (!work.empty()) {
    const std::string name = work.back();
    work.pop_back();
    const kernel::Function* f = module.find(name);
    if (f == nullptr || !reached.insert(name).second) continue;
    collect_callees(f->body, work);
  }
  m.functions.erase_if([&](const kernel::Function& f) { return reached.count(f.name) == 0; });
  return m;
}

}  // namespace

Result<Exported> export_object(const kernel::Module& module, const target::Target& target,
                               const ExportOptions& options) {
  if (!c_interface::c_prefix(options.prefix))
    return error(Code::bad_option,
                 "prefix \"" + options.prefix + "\" is no C identifier that names may begin with",
                 "letters, digits and _, no digit first, and no _ before a letter or a _");
  TENON_ASSIGN(const kernel::Module selected, select(module, options.entries));
  Options o;
  o.prefix = options.prefix;
  o.c_functions = true;
  o.callers = options.callers;
  o.threads = options.threads;
  o.isolate = options.isolate;
  TENON_ASSIGN(Object object, compile(selected, target, o));
  TENON_ASSIGN(const c_interface::CInterface interface, c_interface::interface_of(selected, options.prefix));
  Exported e;
  e.elf = std::move(object.elf);
  const std::string& file = options.file.empty() ? options.prefix : options.file;
  e.header = c_header(selected, interface, file, std::string(target.name));
  e.example = c_example(interface, file);
  return e;
}

}  // namespace tenon::object
