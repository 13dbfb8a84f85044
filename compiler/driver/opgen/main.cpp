// tenon_opgen ops.hpp|optimizers.hpp|operations.md|optimizers.md FILE
#include <cstdio>
#include <cstring>

#include "driver/opgen/opgen.h"

namespace {

struct Made {
  const char* name;
  std::string (*text)();
};
constexpr Made all[] = {
    {"ops.hpp", tenon::driver::builders},
    {"optimizers.hpp", tenon::driver::optimizer_builders},
    {"operations.md", tenon::driver::reference},
    {"optimizers.md", tenon::driver::optimizer_reference},
};

}  // namespace

int main(int argc, char** argv) {
  const Made* wanted = nullptr;
  for (const Made& made : all)
    if (argc == 3 && std::strcmp(argv[1], made.name) == 0) wanted = &made;
  if (wanted == nullptr) {
    std::fprintf(stderr, "usage: tenon_opgen ops.hpp|optimizers.hpp|operations.md|optimizers.md FILE\n");
    return 2;
  }
  const std::string text = wanted->text();
  std::FILE* file = std::fopen(argv[2], "wb");
  bool whole = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) whole = std::fclose(file) == 0 && whole;
  if (whole) return 0;
  std::fprintf(stderr, "cannot write %s\n", argv[2]);
  return 1;
}
