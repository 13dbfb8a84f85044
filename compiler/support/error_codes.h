// The one table of error codes. Families: T1xx graph and types, T2xx syntax, T3xx data, T4xx files and
// parameters, T5xx compiling and limits, T6xx run time, T9xx our own bug. A code is never given a new
// meaning.
#pragma once

#include <cstdint>
#include <string_view>

// X(enumerator, number, what it means)
#define TENON_ERROR_CODES(X)                                                                            \
  X(graph_invalid, 101, "the graph breaks an invariant of the IR")                                      \
  X(unknown_op, 102, "no operation has this name")                                                      \
  X(undefined_name, 103, "a name is used before it is defined, or never defined")                       \
  X(duplicate_name, 104, "a name is defined twice")                                                     \
  X(dtype_mismatch, 105, "operand or result has the wrong element type")                                \
  X(rank_mismatch, 106, "operand has the wrong number of dimensions")                                   \
  X(shape_mismatch, 107, "extents that must agree do not")                                              \
  X(bad_attribute, 108, "an attribute is unknown, missing, or out of its range")                        \
  X(operand_count, 109, "an operation has too many or too few operands")                                \
  X(result_type, 110, "the written result type is not the one inferred")                                \
  X(dtype_unsupported, 111, "the element type is declared but this build does not compute with it yet") \
  X(dim_range, 112, "a dimension's range is empty, or too large to compute with")                       \
  X(not_differentiable, 113, "no gradient exists for an operation on the path")                         \
  X(capture_invalid, 114, "a region uses a value that it does not capture")                             \
  X(state_write, 115, "a write to state is malformed (unknown, twice, or of another type)")             \
  X(derive_invalid, 116, "a derive directive cannot be carried out")                                    \
  X(syntax, 201, "the text does not follow the grammar")                                                \
  X(bad_literal, 202, "a number or string literal is malformed or out of range")                        \
  X(bad_header, 203, "the first lines do not name a known form, stage or version")                      \
  X(text_limit, 204, "the text nests too deep or names too much")                                       \
  X(data_missing, 301, "the data named is not there or has no rows")                                    \
  X(data_format, 302, "a data file is corrupt or of an unknown form")                                   \
  X(data_ragged, 303, "rows of a table have different numbers of fields")                               \
  X(data_value, 304, "a field cannot be read as the type wanted")                                       \
  X(data_shape, 305, "the data's shape or type does not fit the model's input")                         \
  X(label_range, 311, "a label is outside its classes")                                                 \
  X(file_missing, 401, "a file does not exist or cannot be opened")                                     \
  X(param_mismatch, 402, "stored parameters do not fit the model")                                      \
  X(file_corrupt, 403, "a parameter file is truncated or malformed")                                    \
  X(file_write, 404, "a file cannot be written")                                                        \
  X(file_read, 405, "reading a file failed")                                                            \
  X(target_unsupported, 501, "the processor lacks what compiled code needs")                            \
  X(compile_limit, 502, "the model passes a limit set before code generation")                          \
  X(backend, 503, "the back end refused the generated code")                                            \
  X(pass_unknown, 504, "no pass has this name, or its options are malformed")                           \
  X(not_yet, 505, "declared, and said by name to be missing in this version")                           \
  X(schedule, 506, "a schedule that its group cannot have, or that is none")                            \
  X(size_range, 601, "a run-time size is outside its declared range")                                   \
  X(space, 602, "arena or buffer is smaller than needed")                                               \
  X(alignment, 603, "a buffer is not aligned as required")                                              \
  X(state_foreign, 604, "a state does not belong to this program")                                      \
  X(index_range, 605, "an index is outside the operand")                                                \
  X(nonfinite, 606, "a checked value is not finite")                                                    \
  X(busy, 607, "another writer holds the state")                                                        \
  X(null_argument, 608, "a required pointer is null")                                                   \
  X(overlap, 609, "an output overlaps an input or the state")                                           \
  X(bad_option, 610, "an option or argument is unknown or out of range")                                \
  X(memory, 611, "memory is short")                                                                     \
  X(internal, 901, "a bug in Tenon")

namespace tenon::support {

enum class Code : uint16_t {
#define X(name, number, text) name = number,
  TENON_ERROR_CODES(X)
#undef X
};

// "T107" for Code::shape_mismatch; the meaning as one line for the reference and `--json`.
std::string_view code_meaning(Code code);
inline int code_number(Code code) { return static_cast<int>(code); }

}  // namespace tenon::support
