// The C of tiny_c.c, as each compiler made it: shared objects named on the command line, NAME=FILE.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace bench {

using LinearFit = void (*)(const float*, const float*, int, int, int, int, float, uint64_t, float*, float*,
                           float*);
using Mlp = void (*)(const float*, const float*, const float*, const float*, const float*, const float*,
                     const float*, float*);
using Loop3 = void (*)(const float*, const float*, float*, int64_t);

struct CPeer {
  std::string name;
  LinearFit linear_fit;
  Mlp mlp_relu, mlp_tanh;
  Loop3 loop3;
};

inline std::vector<CPeer> c_peers(int argc, char** argv) {
  std::vector<CPeer> out;
  for (int i = 1; i < argc; ++i) {
    const char* equal = std::strchr(argv[i], '=');
    if (equal == nullptr) continue;
    void* library = dlopen(equal + 1, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      std::fprintf(stderr, "skipped: %s\n", dlerror());
      continue;
    }
    out.push_back({std::string(static_cast<const char*>(argv[i]), equal),
                   reinterpret_cast<LinearFit>(dlsym(library, "linear_fit")),
                   reinterpret_cast<Mlp>(dlsym(library, "mlp_relu")),
                   reinterpret_cast<Mlp>(dlsym(library, "mlp_tanh")),
                   reinterpret_cast<Loop3>(dlsym(library, "loop3"))});
  }
  return out;
}

}  // namespace bench
