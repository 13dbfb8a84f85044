// Merges relocatable ELF objects (x86-64, as LLVM emits them) into one: sections of one name and kind are
// concatenated, references between the objects resolved to symbols of the result, and hidden symbols made
// local, so that only exported names remain. The bytes depend on the inputs and their order only.
// Refuses (T503) anything but plain sections, symbols and RELA relocations, and a symbol defined twice.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::object {
using namespace support;

struct Merged {
  std::vector<std::byte> elf;
  std::vector<std::string> undefined;  // names that no input defines, sorted
};
Result<Merged> merge_elf(std::span<const std::span<const std::byte>> objects);

}  // namespace tenon::object
