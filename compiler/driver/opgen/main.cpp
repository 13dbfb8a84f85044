// tenon_opgen builders|reference FILE
#include <cstdio>
#include <cstring>

#include "driver/opgen/opgen.h"

int main(int argc, char** argv) {
  const bool builders = argc == 3 && std::strcmp(argv[1], "builders") == 0;
  if (!builders && (argc != 3 || std::strcmp(argv[1], "reference") != 0)) {
    std::fprintf(stderr, "usage: tenon_opgen builders|reference FILE\n");
    return 2;
  }
  const std::string text = builders ? tenon::driver::builders() : tenon::driver::reference();
  std::FILE* file = std::fopen(argv[2], "wb");
  bool whole = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) whole = std::fclose(file) == 0 && whole;
  if (whole) return 0;
  std::fprintf(stderr, "cannot write %s\n", argv[2]);
  return 1;
}
