// Options: how a verb declares what it takes, apart from the parser that reads the command line.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "driver/command/context.h"

namespace tenon::command {

// Declares positionals and options of one verb; the variables must outlive the parsing.
class Options {
 public:
  explicit Options(void* app) : app_(app) {}
  void positional(const char* name, std::string* value, const char* help, bool required = true);
  // One or more, the last of the positionals.
  void positionals(const char* name, std::vector<std::string>* values, const char* help);
  void flag(const char* name, bool* value, const char* help);
  void text(const char* name, std::string* value, const char* help, bool required = false);
  // May be repeated; `list`: commas separate as well.
  void texts(const char* name, std::vector<std::string>* values, const char* help, bool list = false);
  // Whole numbers in decimal: what 64 bits do not hold is refused.
  void number(const char* name, int64_t* value, const char* help);
  void number(const char* name, std::optional<int64_t>* value, const char* help);
  void seed(uint64_t* value, const char* help);  // --seed, 0 to 2^64 - 1
  void real(const char* name, double* value, const char* help);

 private:
  void* app_;  // CLI::App
};

class Verb {
 public:
  virtual ~Verb() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view about() const = 0;
  virtual std::string_view examples() const = 0;
  virtual void declare(Options& options) = 0;
  virtual Result<Exit> run(Context& context) = 0;
};

// One file each.
std::unique_ptr<Verb> make_doctor();
std::unique_ptr<Verb> make_new();
std::unique_ptr<Verb> make_check();
std::unique_ptr<Verb> make_show();
std::unique_ptr<Verb> make_opt();
std::unique_ptr<Verb> make_grad();
std::unique_ptr<Verb> make_check_grad();
std::unique_ptr<Verb> make_train();
std::unique_ptr<Verb> make_eval();
std::unique_ptr<Verb> make_run();
std::unique_ptr<Verb> make_explain();
std::unique_ptr<Verb> make_compile();
std::unique_ptr<Verb> make_diff();
std::unique_ptr<Verb> make_bench();
std::unique_ptr<Verb> make_plot();

}  // namespace tenon::command
