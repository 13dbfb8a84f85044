// Ahead-of-time export: an object, its C header, and an example program that uses both. The header states
// what the functions of c_interface/interface.h do; the example compiles with -std=c99 -pedantic -Werror and
// runs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernel/kernel.h"
#include "target/target.h"

namespace tenon::object {
using namespace support;

struct Exported {
  std::vector<std::byte> elf;  // <file>.o
  std::string header;          // <file>.h
  std::string example;         // <file>_example.c
};

struct ExportOptions {
  std::string prefix = "tenon";      // a C identifier; T610 else
  std::string file = {};             // what the files are called in their texts; empty: as the prefix
  std::vector<std::string> entries;  // empty: all; T503 where one does not exist. `init` always comes along
  bool isolate = false;              // code generation in a process of its own
  bool callers = false;              // see object::Options
  int threads = 0;
};
Result<Exported> export_object(const kernel::Module& module, const target::Target& target,
                               const ExportOptions& options = {});

}  // namespace tenon::object
