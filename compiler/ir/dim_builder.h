// DimBuilder: makes canonical Dims from terms. Private to dim*.cpp; everyone else uses Dim's arithmetic.
#pragma once

#include <vector>

#include "ir/dim.h"

namespace tenon::ir {

struct DimBuilder {
  // Terms in any order, factors of each sorted; equal terms are added up. Past the bounds: overflow.
  static Dim make(int64_t constant, std::vector<Dim::Term> terms);
  // floor(numerator / denominator) as an atom, unsimplified.
  static Dim quotient(Dim numerator, Dim denominator);
};

}  // namespace tenon::ir
