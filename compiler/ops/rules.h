// Helpers for the shape rules of declarations: axes, agreement of operands, derived attributes, and what can
// be shown of symbolic extents. Messages name operands as the declaration does.
#pragma once

#include <string>
#include <vector>

#include "ir/op_def.h"

namespace tenon::ops {
using namespace support;
using ir::AttrDef;
using ir::AttrKind;
using ir::Dim;
using ir::DTypes;
using ir::InferContext;
using ir::OpDef;
using ir::OperandDef;
using ir::Shape;
using ir::Type;
using Axes = std::vector<int64_t>;

// The declared name of operand i, for messages; "parts[2]" for one of several.
std::string operand_name(const InferContext& c, size_t i);
// "x: f32[batch,784]"; of all: "x: f32[1,8,8,3]; w: f32[3,3,3,4]".
std::string operand_text(const InferContext& c, size_t i);
std::string operands_text(const InferContext& c);

// Operands i and j have one element type (T105).
Status same_dtype(const InferContext& c, size_t i, size_t j);
// Operand i has this rank (T106).
Status want_rank(const InferContext& c, size_t i, size_t rank);
// Operand i is rank 0 (T106).
Status want_scalar(const InferContext& c, size_t i);
// The element type computes in this version (T111).
Status want_computed(const InferContext& c, DType dtype);

// Attribute `name` as an axis of a value of this rank; negative ones count from the end. The attribute is
// rewritten to the non-negative form (T108 where outside).
Status take_axis(InferContext& c, std::string_view name, size_t rank);
// The same for a list: distinct, and sorted where `sorted`.
Status take_axes(InferContext& c, std::string_view name, size_t rank, bool sorted);

// What is known about an extent or an offset from the module's ranges. Without a module only constants
// decide, and what cannot be decided passes: the verifier asks again with the module at hand.
bool provably_at_least(const InferContext& c, const Dim& value, int64_t bound);
bool provably_below(const InferContext& c, const Dim& value, int64_t bound);
// Whether two extents are the same, computed dimensions being what they are computed from.
bool same_extent(const InferContext& c, const Dim& a, const Dim& b);

// Derived attributes.
ir::Attr derive_last_axis(const InferContext& c);    // of operand 0; not given for rank 0
ir::Attr derive_all_axes(const InferContext& c);     // of operand 0
ir::Attr derive_first_dtype(const InferContext& c);  // of operand 0

// Infer rule: one result of operand 0's type.
Status infer_like_first(InferContext& c);
// What an iteration over the dimensions of a value is, those of `axes` reduced.
ir::Iteration reduced(const Type& x, const Axes& axes);
// Shape without the given sorted axes.
Shape without_axes(const Shape& shape, const Axes& axes);
bool contains(const Axes& axes, int64_t axis);

}  // namespace tenon::ops
