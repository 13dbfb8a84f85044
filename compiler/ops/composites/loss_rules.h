// What losses share: a loss per row (or per element) that the attribute `reduce` sums up, the agreement of a
// prediction with its target, and samples.
#pragma once

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

// --- reduce = mean | sum | none ----------------------------------------------------------------------------

inline constexpr AttrDef reduce_over_rows{.name = "reduce",
                                          .kind = AttrKind::text,
                                          .doc = "mean or sum over all rows, or none: one loss a row",
                                          .preset = "mean",
                                          .choices = "mean|sum|none"};
inline constexpr AttrDef reduce_over_elements{.name = "reduce",
                                              .kind = AttrKind::text,
                                              .doc = "mean or sum over all elements, or none: one loss each",
                                              .preset = "mean",
                                              .choices = "mean|sum|none"};

Type reduced_type(const InferContext& c, const Type& rows);
V reduce_rows(V rows, const ir::Node& node);
// The cotangent of each row, of the shape of `rows`, from that of the result.
V row_cotangent(V g, V like, const Shape& rows, const ir::Node& node);

// --- Shape rules -------------------------------------------------------------------------------------------

// Operands i and 0 have one type: nothing is broadcast, as [n] against [n,1] would compare every pair.
Status want_same_type(const InferContext& c, size_t i);
// Operand 0 has a last dimension, `of` what ("classes"); the shape without it.
Result<Shape> rows_of(const InferContext& c, std::string_view of);

// A loss per element: operands 0 and 1 of one type.
Status infer_elements(InferContext& c);
// A loss per row: operands 0 and 1 of one type, classes last.
Status infer_class_rows(InferContext& c);
// A loss per row: scores with classes last, and the class number of each row.
Status infer_labelled_rows(InferContext& c);

// --- Labels ------------------------------------------------------------------------------------------------

// The labels, where each is a class of the scores; else status T311.
V checked_labels(V labels, V scores);
// Whether an element of the scores stands at its row's label. Labels were checked to be classes.
V hits(V scores, V labels);

// --- Samples -----------------------------------------------------------------------------------------------

std::string draw_reduce(ir::SampleContext& s);
// Two operands of one shape of low to 3 dimensions.
void sample_pair(ir::SampleContext& s, int64_t low = 0);
// Scores of at least 3 classes, and labels.
void sample_labelled(ir::SampleContext& s);
inline constexpr ir::Domain label_domains[] = {{}, {0, 2}};

}  // namespace tenon::ops
