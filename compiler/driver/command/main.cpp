// tenon: the command. Reads the command line, runs one verb, turns whatever happens into a documented exit
// status.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <new>

#include "driver/command/options.h"
#include "support/text.h"
#include "support/thread.h"

namespace tenon::command {

namespace {
CLI::App& app_of(void* app) { return *static_cast<CLI::App*>(app); }
}  // namespace

void Options::positional(const char* name, std::string* value, const char* help, bool required) {
  CLI::Option* o = app_of(app_).add_option(name, *value, help);
  if (required) o->required();
}
void Options::positionals(const char* name, std::vector<std::string>* values, const char* help) {
  app_of(app_).add_option(name, *values, help)->required();
}
void Options::flag(const char* name, bool* value, const char* help) {
  app_of(app_).add_flag(name, *value, help);
}
void Options::text(const char* name, std::string* value, const char* help, bool required) {
  CLI::Option* o = app_of(app_).add_option(name, *value, help);
  // A script's unset variable is no option left out.
  o->check([](const std::string& given) {
    return std::string(given.empty() ? "takes a value, not nothing" : "");
  });
  if (required) o->required();
}
void Options::texts(const char* name, std::vector<std::string>* values, const char* help, bool list) {
  CLI::Option* o = app_of(app_).add_option(name, *values, help)->allow_extra_args(false)->take_all();
  if (list) o->delimiter(',');
}

namespace {
// An option read by one of ours: CLI11 knows octal numbers, and takes what is too large for the largest.
template <class T, class F>
void add_number(CLI::App& app, const char* name, T* value, const char* help, const char* kind, F parse) {
  app.add_option_function<std::string>(
         name,
         [=](const std::string& given) {
           const auto number = parse(given);
           if (!number) throw CLI::ValidationError(name, given + " is not " + kind);
           *value = *number;
         },
         help)
      ->type_name("N");
}
}  // namespace

void Options::number(const char* name, int64_t* value, const char* help) {
  add_number(app_of(app_), name, value, help, "a whole number of 64 bits", support::parse_int);
}
void Options::number(const char* name, std::optional<int64_t>* value, const char* help) {
  add_number(app_of(app_), name, value, help, "a whole number of 64 bits", support::parse_int);
}
void Options::seed(uint64_t* value, const char* help) {
  add_number(app_of(app_), "--seed", value, help, "a whole number from 0 to 18446744073709551615",
             support::parse_unsigned);
}
void Options::real(const char* name, double* value, const char* help) {
  add_number(app_of(app_), name, value, help, "a number in the range of f64", support::parse_double);
}

namespace {

constexpr const char* version_text = "tenon " TENON_VERSION "\n";

std::vector<std::unique_ptr<Verb>> all_verbs() {
  std::vector<std::unique_ptr<Verb>> verbs;
  for (auto make :
       {make_doctor, make_new, make_check, make_show, make_opt, make_grad, make_check_grad, make_train,
        make_eval, make_run, make_explain, make_compile, make_diff, make_bench, make_plot})
    verbs.push_back(make());
  return verbs;
}

std::string overview(const std::vector<std::unique_ptr<Verb>>& verbs) {
  std::string out = "usage: tenon VERB [options]; tenon VERB --help\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& v : verbs) rows.push_back({"  " + std::string(v->name()), std::string(v->about())});
  out += table(rows);
  out +=
      "\nA model is a .tenon file, or - for stdin; dumps of any stage are taken as well.\n"
      "--json on every verb: one object on stdout.\n"
      "Exit status: 0 done, 1 the answer is no, 2 usage, 3 bad model or data, 4 file system, 5 our bug.\n";
  return out;
}

// What CLI11 says, as one of our errors.
Errors parse_error(const CLI::App& verb, const std::string& name, const CLI::ParseError& e) {
  std::vector<std::string> names;
  for (const CLI::Option* o : verb.get_options())
    for (const std::string& n : o->get_lnames()) names.push_back("--" + n);
  std::vector<std::string_view> views(names.begin(), names.end());
  if (dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr) {
    std::string first;
    for (const std::string& r : verb.remaining())
      if (first.empty() || (r.starts_with("-") && !first.starts_with("-"))) first = r;
    const std::string word = first.substr(0, first.find('='));
    if (word.starts_with("-")) {
      const std::string_view near = nearest(word, views);
      return usage_error(
          name + ": no option is named " + word,
          near.empty() ? "tenon " + name + " --help lists them" : "did you mean " + std::string(near) + "?");
    }
    return usage_error(name + ": one argument too many: " + first, "tenon " + name + " --help");
  }
  return usage_error(name + ": " + e.what(), "tenon " + name + " --help");
}

int run_verb(Context& context, Verb& verb, std::vector<std::string> arguments) {
  CLI::App app{std::string(verb.about()), "tenon " + std::string(verb.name())};
  app.set_help_flag("--help,-h", "this help");
  app.add_flag("--json", context.json, "one object on stdout");
  Options options(&app);
  verb.declare(options);
  app.footer("examples:\n" + std::string(verb.examples()));
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    context.json = false;
    context.print(app.help());
    return context.finish(Exit::done);
  } catch (const CLI::ParseError& e) {
    return context.fail(parse_error(app, std::string(verb.name()), e));
  }
  Result<Exit> result = verb.run(context);
  if (!result) return context.fail(result.errors());
  return context.finish(*result);
}

int main_of(Context& context, const std::vector<std::string>& arguments) {
  const std::vector<std::unique_ptr<Verb>> verbs = all_verbs();
  context.json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    if (arguments.size() == 2 && arguments[0] == "help") return main_of(context, {arguments[1], "--help"});
    context.json = false;
    if (arguments.empty()) {
      context.note(overview(verbs));
      return context.finish(Exit::usage);
    }
    context.print(overview(verbs));
    return context.finish(Exit::done);
  }
  if (arguments[0] == "--version") {
    context.json = false;
    context.print(version_text);
    return context.finish(Exit::done);
  }
  std::vector<std::string_view> names;
  for (const auto& v : verbs) {
    names.push_back(v->name());
    if (v->name() == arguments[0]) return run_verb(context, *v, {arguments.begin() + 1, arguments.end()});
  }
  const std::string_view near = nearest(arguments[0], names);
  return context.fail(
      usage_error("no verb is named " + arguments[0],
                  near.empty() ? "tenon --help lists them" : "did you mean " + std::string(near) + "?"));
}

}  // namespace
}  // namespace tenon::command

int main(int argc, char** argv) {
  using namespace tenon::command;
  // A reader that goes away, or a file size limit, is a failed write, not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  Context context;
  try {
    // Depth is limited by ourselves, not by the shell's limit of the stack.
    return tenon::support::on_stack(tenon::support::deep_stack, [&] {
      return main_of(context, {argv + std::min(argc, 1), argv + argc});
    });
  } catch (const tenon::support::InternalError& e) {
    return context.fail(tenon::support::error(tenon::support::Code::internal, e.message,
                                              "this is a bug of tenon: please report it with the model"));
  } catch (const std::bad_alloc&) {
    return context.fail(tenon::support::out_of_memory());
  } catch (const std::exception& e) {
    return context.fail(tenon::support::error(tenon::support::Code::internal, e.what(),
                                              "this is a bug of tenon: please report it with the model"));
  }
}
