// Texts and stages that tests of schedules read.
#pragma once

#include <tenon/tenon.h>

#include <string>

#include "catch.h"

namespace tenon::test {

// The text of a stage, for this processor.
inline std::string shown(const std::string& text, const char* stage) {
  tenon_module* module = nullptr;
  char* out = nullptr;
  REQUIRE(tenon_module_parse(text.data(), text.size(), nullptr, &module, nullptr) == 0);
  REQUIRE(tenon_module_print(module, stage, nullptr, &out, nullptr) == 0);
  std::string printed = out;
  tenon_text_free(out);
  tenon_module_free(module);
  return printed;
}

inline std::string head(const std::string& dims) { return "tenon 1\nmodule m\n" + dims; }

inline std::string function(const std::string& name, const std::string& args, const std::string& result,
                            const std::string& body) {
  return "func " + name + "(" + args + ") -> l: " + result + " {\n" + body + "  return l\n}\n";
}

// Instructions that put one element into a lane of a vector, the first aside: that one may be spread.
inline size_t lanes_inserted(const std::string& llvm) {
  size_t count = 0;
  for (const char* lane : {", i64 1\n", ", i64 2\n", ", i64 5\n"})
    for (size_t at = 0; (at = llvm.find(lane, at)) != std::string::npos; ++at) {
      const size_t line = llvm.rfind('\n', at) + 1;
      count += llvm.substr(line, at - line).find("insertelement") != std::string::npos;
    }
  return count;
}

}  // namespace tenon::test
