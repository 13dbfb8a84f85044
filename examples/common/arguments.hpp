// The options of an example: pairs `--name value`, each the address of what it sets.
#pragma once

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <tenon/tenon.hpp>
#include <variant>
#include <vector>

namespace example {

struct Option {
  const char* name;
  std::variant<std::string*, int64_t*> target;  // a number is at least 1
};

inline bool set(const Option& option, const char* value) {
  if (auto* const* text = std::get_if<std::string*>(&option.target)) {
    **text = value;
    return true;
  }
  int64_t& number = *std::get<int64_t*>(option.target);
  const char* end = value + std::strlen(value);
  return std::from_chars(value, end, number).ptr == end && number >= 1;
}

/// Sets what the command line says, then runs `body`: the exit status of main.
template <class Body>
int run(int argc, char** argv, const std::vector<Option>& options, Body&& body) {
  bool good = argc % 2 == 1;
  for (int i = 1; good && i + 1 < argc; i += 2) {
    bool known = false;
    for (const Option& o : options)
      if (std::strncmp(argv[i], "--", 2) == 0 && std::strcmp(argv[i] + 2, o.name) == 0)
        known = set(o, argv[i + 1]);
    good = known;
  }
  if (!good) {
    std::string usage = "usage: " + std::string(argv[0]);
    for (const Option& o : options)
      usage += std::string(" [--") + o.name + (o.target.index() == 0 ? " PATH]" : " N]");
    std::fprintf(stderr, "%s\n", usage.c_str());
    return 2;
  }
  try {
    body();
  } catch (const tenon::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace example
