// CIFAR-10 and CIFAR-100 in their binary form: records of one label byte (CIFAR-100: two, coarse then fine)
// and 3,072 bytes of pixels, the red plane of 32 x 32, then the green, then the blue; plain or gzip.
//
// Columns: `image` u8 [rows,32,32,3], a picture with its channels last; `label` i32 (CIFAR-100: the fine
// one) and, of CIFAR-100, `coarse` i32. Classes have the names that stand, one a line, in batches.meta.txt
// (CIFAR-100: fine_label_names.txt, coarse_label_names.txt) of the folder, where it is there.
// T302: a file that is no whole number of records, or a label outside its classes.
#pragma once

#include <string>
#include <vector>

#include "runtime/source.h"

namespace tenon::runtime {

enum class Cifar : uint8_t { ten, hundred };

// True where the folder holds data_batch*.bin (CIFAR-10) or train.bin (CIFAR-100), plain or with .gz.
bool is_cifar_folder(const std::string& folder);
// data_batch*.bin in the order of their names and test_batch*.bin, or train.bin and test.bin. T401 where a
// folder has none to train on.
support::Result<Sources> open_cifar_folder(const std::string& folder);
// One file. Which of the two it is, where that is not said, is seen by its size and its labels; T302 where
// it may be either.
support::Result<std::shared_ptr<const Source>> open_cifar_file(const std::string& path,
                                                               std::optional<Cifar> kind = {});

}  // namespace tenon::runtime
