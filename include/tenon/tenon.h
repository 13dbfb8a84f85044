/* Tenon's C API. C99; the C++ layer tenon.hpp lies over it, and nothing else leaves the library.
 *
 * Errors     Every function that can fail returns a tenon_status: 0, or the number of the error code (107 for
 *            T107). Where `error` is not NULL it receives, on failure, an error that the caller frees; on
 * success it is set to NULL. Nothing is thrown and nothing aborts: a bug in Tenon comes back as 901. Results
 * A result parameter is written on success only. NULL for a required pointer is 608. Ownership  What a
 * function named ..._new, ..._init or with a `**` result gives is the caller's and goes to the matching
 * ..._free, which takes NULL. Handles keep alive what they need: a program may be freed before its sessions.
 * Texts (char **) go to tenon_text_free. `const char *` results live as long as the handle they were asked of
 * and are not changed. Threads    A program and a data set are immutable and may be shared. A model, a
 * session and a call belong to one thread at a time. A state may be read by many and written by one: a second
 * writer gets 607. Texts      are UTF-8 and end with 0. Numbers in them have a point, whatever the locale.
 * Hosts      Work that goes deep runs on a stack of its own, whatever the caller's; the caller's
 * floating-point environment (rounding, flushing, traps) is neither used nor changed. Memory that cannot be
 * had is 611. After fork, programs, states and sessions that no other thread was using go on in the child.
 * Versions   TENON_API_VERSION counts changes that add; a change that breaks gives the library a new soname.
 *            Option structs begin with their size, so that older callers keep working. */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TENON_API __attribute__((visibility("default")))
#else
#define TENON_API
#endif

#define TENON_API_VERSION 3u

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t tenon_status;

typedef struct tenon_error tenon_error;
typedef struct tenon_module tenon_module;
typedef struct tenon_model tenon_model;
typedef struct tenon_options tenon_options;
typedef struct tenon_program tenon_program;
typedef struct tenon_state tenon_state;
typedef struct tenon_session tenon_session;
typedef struct tenon_call tenon_call;
typedef struct tenon_array tenon_array;
typedef struct tenon_data tenon_data;
typedef struct tenon_history tenon_history;

/* Element types, by the numbers that never change. Those that do not compute yet are refused by name (111).
 */
typedef enum tenon_dtype {
  TENON_F64 = 0,
  TENON_F32 = 1,
  TENON_F16 = 2,
  TENON_BF16 = 3,
  TENON_I8 = 4,
  TENON_I16 = 5,
  TENON_I32 = 6,
  TENON_I64 = 7,
  TENON_U8 = 8,
  TENON_U16 = 9,
  TENON_U32 = 10,
  TENON_U64 = 11,
  TENON_BOOL = 12
} tenon_dtype;

/* A view of a dense, row-major tensor that someone else owns. rank 0: a scalar, shape may be NULL. */
typedef struct tenon_tensor {
  void* data; /* aligned to its element */
  tenon_dtype dtype;
  uint32_t rank;        /* at most 8 */
  const int64_t* shape; /* [rank] */
} tenon_tensor;

/* --- Library
 * ------------------------------------------------------------------------------------------------ */

TENON_API uint32_t tenon_api_version(void); /* TENON_API_VERSION of the library */
TENON_API const char* tenon_version(void);  /* "0.1.0" */
TENON_API void tenon_text_free(char* text);
/* What a code means, in one line; NULL for a number that is no code. */
TENON_API const char* tenon_code_meaning(int32_t code);

/* --- Errors: one or more diagnostics
 * ------------------------------------------------------------------------ */

TENON_API void tenon_error_free(tenon_error* error);
TENON_API int32_t tenon_error_code(const tenon_error* error); /* of the first; 107 */
TENON_API uint32_t tenon_error_count(const tenon_error* error);
/* All of it as people read it: "error[T107]: ..." with place, caret, notes and help. */
TENON_API const char* tenon_error_text(const tenon_error* error);
/* Parts of diagnostic `index`; "" and 0 where unknown or out of range. Lines and columns count from 1. */
TENON_API const char* tenon_error_message(const tenon_error* error, uint32_t index);
TENON_API const char* tenon_error_help(const tenon_error* error, uint32_t index);
TENON_API const char* tenon_error_file(const tenon_error* error, uint32_t index);
TENON_API uint32_t tenon_error_line(const tenon_error* error, uint32_t index);
TENON_API uint32_t tenon_error_column(const tenon_error* error, uint32_t index);

/* --- Modules: a program as source, or a dump of one of its stages
 * --------------------------------------------- */

/* `file`: name for messages and folder of side files; NULL: "<text>". Errors: T1xx, T2xx, all at once. */
TENON_API tenon_status tenon_module_parse(const char* text, size_t length, const char* file,
                                          tenon_module** module, tenon_error** error);
TENON_API tenon_status tenon_module_read(const char* path, tenon_module** module, tenon_error** error);
TENON_API void tenon_module_free(tenon_module* module);
/* The text of a stage: "graph", "optimized", "scheduled", "kernel", "llvm", "asm"; NULL: as it is. `options`
 * may be NULL. 610 for another stage, or one that lies behind. */
TENON_API tenon_status tenon_module_print(const tenon_module* module, const char* stage,
                                          const tenon_options* options, char** text, tenon_error** error);

/* A module of one function, which also returns the named values on its way (an intermediate `h`; `h_tap`
 * where a result has that name). It shares states with the whole program. 103 where no value has the name. */
TENON_API tenon_status tenon_module_tap(const tenon_module* module, const char* function,
                                        const char* const* names, uint32_t count, tenon_module** tapped,
                                        tenon_error** error);
/* The module with one more function, `name`: the gradients of `function`'s first result, a float scalar, with
 * respect to parameters, patterns of them, or named values; 0 of them: all parameters. 113, 116. */
TENON_API tenon_status tenon_module_grad(const tenon_module* module, const char* function, const char* name,
                                         const char* const* wrt, uint32_t count, tenon_module** derived,
                                         tenon_error** error);

/* --- Models: building a module
 * -------------------------------------------------------------------------------- */

/* A value of a model under construction. */
typedef uint64_t tenon_value;
#define TENON_NO_VALUE UINT64_MAX

TENON_API tenon_status tenon_model_new(const char* name, tenon_model** model, tenon_error** error);
TENON_API void tenon_model_free(tenon_model* model);
/* The caller's source line, for what is added from now on: messages and dumps name it. line 0: none. */
TENON_API void tenon_model_at(tenon_model* model, const char* file, uint32_t line, uint32_t column);
/* A scope for what is added from now on: "encoder" gives the names of operations a path. */
TENON_API tenon_status tenon_model_push_scope(tenon_model* model, const char* name, tenon_error** error);
TENON_API void tenon_model_pop_scope(tenon_model* model);

/* A named dimension low..high, both inclusive. 104 taken, 112 empty. */
TENON_API tenon_status tenon_model_dim(tenon_model* model, const char* name, int64_t low, int64_t high,
                                       tenon_error** error);
/* Types are texts: "f32[batch,784]", "i64[]", "u8[2*n+1]". `init`: "zeros", "constant(0.5)",
 * "glorot_uniform", ...; NULL: zeros. frozen: not trained. */
TENON_API tenon_status tenon_model_input(tenon_model* model, const char* name, const char* type,
                                         tenon_value* value, tenon_error** error);
TENON_API tenon_status tenon_model_param(tenon_model* model, const char* name, const char* type,
                                         const char* init, int32_t frozen, tenon_value* value,
                                         tenon_error** error);
TENON_API tenon_status tenon_model_state(tenon_model* model, const char* name, const char* type,
                                         const char* init, tenon_value* value, tenon_error** error);
/* A scalar given at run time; changing it never compiles anything. */
TENON_API tenon_status tenon_model_hyper(tenon_model* model, const char* name, tenon_dtype dtype,
                                         double preset, tenon_value* value, tenon_error** error);
/* The same with the preset as text ("9007199254740993", "1e-3"), for what no double holds. In both, 202 where
 * the type cannot hold the number: whole numbers are exact or refused, floats the nearest, never infinite. */
TENON_API tenon_status tenon_model_hyper_text(tenon_model* model, const char* name, tenon_dtype dtype,
                                              const char* preset, tenon_value* value, tenon_error** error);
/* The elements are copied. */
TENON_API tenon_status tenon_model_constant(tenon_model* model, const tenon_tensor* tensor,
                                            tenon_value* value, tenon_error** error);
/* A scalar constant of `like`'s element type. 202 where that type cannot hold it. */
TENON_API tenon_status tenon_model_literal(tenon_model* model, double number, tenon_value like,
                                           tenon_value* value, tenon_error** error);
TENON_API tenon_status tenon_model_literal_text(tenon_model* model, const char* number, tenon_value like,
                                                tenon_value* value, tenon_error** error);
/* Appends any operation of the operations reference. `attributes` as in the text form, without braces:
 * "axes = [0], rate = 0.2"; NULL: none. *count: results there are; those up to `capacity` are written. */
TENON_API tenon_status tenon_model_op(tenon_model* model, const char* op, const tenon_value* operands,
                                      uint32_t operand_count, const char* attributes, tenon_value* results,
                                      uint32_t capacity, uint32_t* count, tenon_error** error);
/* A loop's body is what is added between begin and end. Enclosing values used in it are captured. `carry` and
 * `slice` receive the body's values, one per first value and per sequence; `index` (or NULL) the iteration's
 * number. At the end `yields` are the next carries, then values to stack; `results` the last carries, then
 * the stacks. `attributes` as of the operation `loop`. */
TENON_API tenon_status tenon_model_loop_begin(tenon_model* model, const tenon_value* first,
                                              uint32_t first_count, const tenon_value* sequences,
                                              uint32_t sequence_count, tenon_value* carry, tenon_value* slice,
                                              tenon_value* index, tenon_error** error);
TENON_API tenon_status tenon_model_loop_end(tenon_model* model, const tenon_value* yields,
                                            uint32_t yield_count, const char* attributes,
                                            tenon_value* results, tenon_error** error);
/* A condition: what is added between begin and else is done where `predicate`, a bool scalar, holds; what is
 * added between else and end where it does not. Both yield values of the same types, in place of which the
 * results stand. */
TENON_API tenon_status tenon_model_cond_begin(tenon_model* model, tenon_value predicate, tenon_error** error);
TENON_API tenon_status tenon_model_cond_else(tenon_model* model, const tenon_value* yields,
                                             uint32_t yield_count, tenon_error** error);
TENON_API tenon_status tenon_model_cond_end(tenon_model* model, const tenon_value* yields,
                                            uint32_t yield_count, tenon_value* results, tenon_error** error);
/* Leaves the innermost open loop or condition, and forgets it. */
TENON_API void tenon_model_abandon(tenon_model* model);

/* Names a value, so that it can be fetched and read in dumps. */
TENON_API tenon_status tenon_model_name(tenon_model* model, tenon_value value, const char* name,
                                        tenon_error** error);
TENON_API tenon_status tenon_model_find(const tenon_model* model, const char* name, tenon_value* value,
                                        tenon_error** error);
/* "f32[batch,784]" */
TENON_API tenon_status tenon_model_type(const tenon_model* model, tenon_value value, char** type,
                                        tenon_error** error);
/* Parameters whose names match a pattern ("*.w"), in declaration order. *count: how many; up to `capacity`
 * written. */
TENON_API tenon_status tenon_model_params(const tenon_model* model, const char* pattern, tenon_value* values,
                                          uint32_t capacity, uint32_t* count, tenon_error** error);
/* The name of a parameter, state, hyper-parameter or input; "" for other values. */
TENON_API tenon_status tenon_model_value_name(const tenon_model* model, tenon_value value, char** name,
                                              tenon_error** error);
/* Gradients of a scalar with respect to `wrt`, as values of the model, or of the innermost open body: there
 * values from outside of the body count as given. 113 where no derivative exists. */
TENON_API tenon_status tenon_model_grad(tenon_model* model, tenon_value loss, const tenon_value* wrt,
                                        uint32_t count, tenon_value* gradients, tenon_error** error);
/* A function returns named values and runs in inference mode. */
TENON_API tenon_status tenon_model_function(tenon_model* model, const char* name, const char* const* names,
                                            const tenon_value* values, uint32_t count, tenon_error** error);
/* A number that training and evaluation report. */
TENON_API tenon_status tenon_model_metric(tenon_model* model, const char* name, tenon_value value,
                                          tenon_error** error);
/* A training step. `options` are those of a derive directive: "with = adam {lr = lr}, clip = {global_norm =
 * 1}" (docs/derive.md); "adam {lr = lr}" alone is the optimizer. `over`: patterns of parameters; 0 of them:
 * all that are not frozen. 2xx for text that is none; what an option says is checked when the module is
 * compiled, 116. */
TENON_API tenon_status tenon_model_step(tenon_model* model, const char* name, tenon_value loss,
                                        const char* options, const char* const* over, uint32_t over_count,
                                        tenon_error** error);
/* A function of the model, `name.loss` and metrics among them, on the moving averages that a step keeps of
 * its parameters ("average = 0.999"). 103 where there is no function or step of that name. */
TENON_API tenon_status tenon_model_averaged(tenon_model* model, const char* name, const char* function,
                                            const char* step, tenon_error** error);
/* A step of one's own: each target (a parameter or state) becomes its value, all at once; right sides read
 * the old state. It returns `results`; where there are none and the right sides hold gradients, the `loss`
 * they are of. */
TENON_API tenon_status tenon_model_assign_step(tenon_model* model, const char* name,
                                               const tenon_value* targets, const tenon_value* values,
                                               uint32_t count, const char* const* names,
                                               const tenon_value* results, uint32_t result_count,
                                               tenon_error** error);
/* What steps write besides: every step, of either kind, that computes with the operation that `with` is a
 * result of (TENON_NO_VALUE: the one that makes `value`) writes `value` to `target`, a parameter or state, as
 * running statistics are. What a step of one's own assigns itself stands. A step that reaches two updates of
 * one state writes the one whose value follows from the other's; 115 where neither does. */
TENON_API tenon_status tenon_model_update(tenon_model* model, tenon_value target, tenon_value value,
                                          tenon_value with, tenon_error** error);
/* The module so far, verified; the model can go on. */
TENON_API tenon_status tenon_model_finish(const tenon_model* model, tenon_module** module,
                                          tenon_error** error);

/* --- Compiling
 * ------------------------------------------------------------------------------------------------ */

TENON_API tenon_status tenon_options_new(tenon_options** options, tenon_error** error);
TENON_API void tenon_options_free(tenon_options* options);
/* Keys:  cpu          native, x86-64-v3, x86-64-v4, ...
 *        functions    names, comma separated; "": all
 *        bind         batch=64, steps=28: dimensions that become constants; sizes so bound specialize
 *        bake         patterns of parameters, and of state that no function compiled writes, that become
 *                     constants, values from `params` or tenon_options_state
 *        params       a safetensors file with the values of what is baked, read when compiling
 *        epochs       true|false: fit compiles the native training loop of a step when it first needs it;
 *                     named among the functions (train.epochs) a loop is compiled with the rest
 *        passes, disable   a pipeline by names; passes left out
 *        prefix       of exported symbols
 *        threads      of code generation; 0: one per processor
 *        isolate      true: code generation runs in a process of its own (fork). Where memory runs short in
 *                     LLVM the process that it runs in ends: this one, unless isolated. What it may take is
 *                     estimated and asked for before (611), but other threads may take that memory meanwhile
 *        fold_scales  true: factors for each channel behind products and convolutions, as of normalizations,
 *                     go into their baked weights; results differ by the rounding of a weight
 *        fuse, in_place, parallel, verify   true|false
 * 610 an unknown key or value, with the nearest known. */
TENON_API tenon_status tenon_options_set(tenon_options* options, const char* key, const char* value,
                                         tenon_error** error);
/* Where baked values come from, before a file of `params`; read when compiling. */
TENON_API tenon_status tenon_options_state(tenon_options* options, const tenon_state* state,
                                           tenon_error** error);

/* Compiles for this process, on a stack of its own. `options` may be NULL. Errors: T1xx, T5xx, T611. */
TENON_API tenon_status tenon_compile(const tenon_module* module, const tenon_options* options,
                                     tenon_program** program, tenon_error** error);
/* Writes <path>.o, <path>.h and <path>_example.c for linking without Tenon. A step among the functions brings
 * its native training loop along: `train.epochs`, in C <prefix>_train_epochs. The prefix is the file's name,
 * unless set. */
TENON_API tenon_status tenon_export_object(const tenon_module* module, const tenon_options* options,
                                           const char* path, tenon_error** error);
/* Per edge of the optimized graph: fused, or refused with the reason; one line each. function NULL: all. */
TENON_API tenon_status tenon_explain(const tenon_module* module, const tenon_options* options,
                                     const char* function, char** text, tenon_error** error);

TENON_API void tenon_program_free(tenon_program* program);
/* The source a program was compiled of. */
TENON_API tenon_status tenon_program_module(const tenon_program* program, tenon_module** module,
                                            tenon_error** error);
TENON_API uint32_t tenon_program_entries(const tenon_program* program);
/* Name of an entry, and of its inputs and outputs in order, each with its type as text; NULL out of range. */
TENON_API const char* tenon_program_entry(const tenon_program* program, uint32_t entry);
TENON_API uint32_t tenon_program_inputs(const tenon_program* program, uint32_t entry);
TENON_API const char* tenon_program_input(const tenon_program* program, uint32_t entry, uint32_t input);
TENON_API const char* tenon_program_input_type(const tenon_program* program, uint32_t entry, uint32_t input);
TENON_API uint32_t tenon_program_outputs(const tenon_program* program, uint32_t entry);
TENON_API const char* tenon_program_output(const tenon_program* program, uint32_t entry, uint32_t output);
TENON_API const char* tenon_program_output_type(const tenon_program* program, uint32_t entry,
                                                uint32_t output);
/* Tensors of the state: parameters, optimizer slots, counters, in their order in the block. */
TENON_API uint32_t tenon_program_tensors(const tenon_program* program);
TENON_API const char* tenon_program_tensor(const tenon_program* program, uint32_t tensor);
TENON_API const char* tenon_program_tensor_type(const tenon_program* program, uint32_t tensor);
TENON_API uint64_t tenon_program_state_bytes(const tenon_program* program);

/* --- State
 * ---------------------------------------------------------------------------------------------------- */

/* A new state, its values drawn from the seed: one seed, the same bits everywhere. */
TENON_API tenon_status tenon_state_init(const tenon_program* program, uint64_t seed, tenon_state** state,
                                        tenon_error** error);
TENON_API tenon_status tenon_state_copy(const tenon_state* state, tenon_state** copy, tenon_error** error);
TENON_API void tenon_state_free(tenon_state* state);
/* safetensors, written whole or not at all. */
TENON_API tenon_status tenon_state_save(const tenon_state* state, const char* path, tenon_error** error);
/* Every tensor must be there and fit (402), else nothing is loaded. partial: those that fit are loaded, the
 * others' names go to *missing (or NULL), one a line. 607 while a session writes. */
TENON_API tenon_status tenon_state_load(tenon_state* state, const char* path, int32_t partial, char** missing,
                                        tenon_error** error);
TENON_API tenon_status tenon_state_get(const tenon_state* state, const char* tensor, tenon_array** array,
                                       tenon_error** error);
TENON_API tenon_status tenon_state_set(tenon_state* state, const char* tensor, const tenon_tensor* value,
                                       tenon_error** error);
/* Hash of all values: equal bits, equal hash. */
TENON_API uint64_t tenon_state_hash(const tenon_state* state);

/* --- Arrays: tensors that the library owns
 * -------------------------------------------------------------------- */

TENON_API tenon_status tenon_array_new(const tenon_tensor* tensor, tenon_array** array,
                                       tenon_error** error); /* a copy */
TENON_API void tenon_array_free(tenon_array* array);
TENON_API tenon_tensor tenon_array_view(const tenon_array* array); /* valid while the array lives */
TENON_API tenon_status tenon_array_load(const char* path, tenon_array** array,
                                        tenon_error** error); /* .npy */
TENON_API tenon_status tenon_array_save(const tenon_array* array, const char* path, tenon_error** error);
/* A PNG or JPEG picture as u8 [height, width, channels], 1 channel (gray) or 3; and a u8 or floating array,
 * its floats in 0..1, as the picture that the path's end names (.png, .jpg): [h,w], [h,w,1] or [h,w,3];
 * [n,h,w] or [n,h,w,c] as a sheet of n, in rows of `columns` (0: about square). 505 where this build lacks
 * the library; 304, 305: a value or shape that is no picture. */
TENON_API tenon_status tenon_picture_load(const char* path, tenon_array** array, tenon_error** error);
TENON_API tenon_status tenon_picture_save(const tenon_array* array, const char* path, uint32_t columns,
                                          tenon_error** error);

/* --- Data sets: named columns of equally many rows
 * ------------------------------------------------------------ */

/* What `tenon --data` takes: a folder of MNIST, CIFAR or pictures, .csv, .npy,
 * "regression:rows=100,features=1,noise=0.1,seed=7", "classification:...", "digits:rows=5000,seed=1",
 * "shapes:rows=2000,size=32", "csv:path=...,target=...". *test (or NULL) is NULL where the source holds no
 * rows out. Errors: T3xx, T401, 505 (no library for pictures), 610. */
TENON_API tenon_status tenon_data_load(const char* spec, tenon_data** train, tenon_data** test,
                                       tenon_error** error);
/* The same rows, of which at most `memory` bytes (0: 256 MiB) are held at once: a thread reads the next block
 * of files while steps run on the one before, with the bits of data in memory. Such data fit, evaluate, and
 * can be cut, split, renamed and scaled; what wants all rows at once is 610. Tables and generators are 610.
 */
TENON_API tenon_status tenon_data_open(const char* spec, int64_t memory, tenon_data** train,
                                       tenon_data** test, tenon_error** error);
/* Columns from memory, copied; each has the rows as its first dimension. */
TENON_API tenon_status tenon_data_new(const char* const* names, const tenon_tensor* columns, uint32_t count,
                                      tenon_data** data, tenon_error** error);
/* The same, where rows do not lie along the first axis of every column: bit i of cuts[c] says that they lie
 * along axis i of column c, several bits that it holds pairs of rows, 0 that it is the same for every batch.
 */
TENON_API tenon_status tenon_data_new_cut(const char* const* names, const tenon_tensor* columns,
                                          const uint32_t* cuts, uint32_t count, tenon_data** data,
                                          tenon_error** error);
TENON_API void tenon_data_free(tenon_data* data);
TENON_API int64_t tenon_data_rows(const tenon_data* data);
TENON_API uint32_t tenon_data_columns(const tenon_data* data);
TENON_API const char* tenon_data_column(const tenon_data* data,
                                        uint32_t column); /* its name; NULL out of range */
/* How many classes a column's numbers stand for, and what they are called; 0 and NULL where they are numbers.
 */
TENON_API uint32_t tenon_data_classes(const tenon_data* data, const char* column);
TENON_API const char* tenon_data_class(const tenon_data* data, const char* column, uint32_t index);
TENON_API tenon_status tenon_data_view(const tenon_data* data, const char* column, tenon_tensor* view,
                                       tenon_error** error);
TENON_API tenon_status tenon_data_rename(const tenon_data* data, const char* from, const char* to,
                                         tenon_data** renamed, tenon_error** error);
/* A column as f32, each element times `scale`: pixels with 1/255. */
TENON_API tenon_status tenon_data_scale(const tenon_data* data, const char* column, double scale,
                                        tenon_data** scaled, tenon_error** error);
/* Rows begin .. end-1; and round(fraction * rows) rows drawn by the seed, with the others. */
TENON_API tenon_status tenon_data_slice(const tenon_data* data, int64_t begin, int64_t end,
                                        tenon_data** slice, tenon_error** error);
TENON_API tenon_status tenon_data_split(const tenon_data* data, double fraction, uint64_t seed,
                                        tenon_data** first, tenon_data** second, tenon_error** error);
/* One epoch's batches: rows in order, or in an order of the seed and epoch; the last one shorter. */
typedef struct tenon_batch_options {
  uint32_t size_of; /* sizeof(tenon_batch_options) */
  uint32_t epoch;
  int64_t size;
  int32_t shuffle; /* 0: rows in order */
  int32_t drop_last;
  uint64_t seed;
} tenon_batch_options;
typedef struct tenon_batches tenon_batches;
TENON_API tenon_status tenon_batches_new(const tenon_data* data, const tenon_batch_options* options,
                                         tenon_batches** batches, tenon_error** error);
TENON_API void tenon_batches_free(tenon_batches* batches);
TENON_API int64_t tenon_batches_count(const tenon_batches* batches);
TENON_API tenon_status tenon_batches_at(const tenon_batches* batches, int64_t index, tenon_data** batch,
                                        tenon_error** error);

/* --- Sessions: a thread's use of a program
 * -------------------------------------------------------------------- */

/* threads: workers lent to the calls; 0: one per processor, 1: the caller alone. The bits do not depend on
 * it. */
TENON_API tenon_status tenon_session_new(const tenon_program* program, tenon_state* state, uint32_t threads,
                                         tenon_session** session, tenon_error** error);
TENON_API void tenon_session_free(tenon_session* session);
/* A hyper-parameter, from now on: as a double, or as text for what no double holds. 103, and 202 where its
 * type cannot hold the number. */
TENON_API tenon_status tenon_session_set(tenon_session* session, const char* hyper, double value,
                                         tenon_error** error);
TENON_API tenon_status tenon_session_set_text(tenon_session* session, const char* hyper, const char* number,
                                              tenon_error** error);
/* The nearest double; as text exactly. */
TENON_API tenon_status tenon_session_get(const tenon_session* session, const char* hyper, double* value,
                                         tenon_error** error);
TENON_API tenon_status tenon_session_get_text(const tenon_session* session, const char* hyper, char** number,
                                              tenon_error** error);
/* Runs an entry on copies of its inputs. names NULL: inputs in order; else by name. *count: outputs there
 * are, of which up to `capacity` are written, in order. A failing call commits nothing. Errors: T305, T311,
 * T6xx. */
TENON_API tenon_status tenon_session_run(tenon_session* session, const char* entry, const char* const* names,
                                         const tenon_tensor* inputs, uint32_t input_count,
                                         tenon_array** outputs, uint32_t capacity, uint32_t* count,
                                         tenon_error** error);
/* The same with inputs from the columns of a data set: those of the inputs' names, else x or image for the
 * first and y or label for the second; converted where nothing is lost, rows reshaped where their elements
 * agree. */
TENON_API tenon_status tenon_session_run_data(tenon_session* session, const char* entry,
                                              const tenon_data* data, tenon_array** outputs,
                                              uint32_t capacity, uint32_t* count, tenon_error** error);
/* A bound call: types and sizes are checked once, run() does no more than the work. Inputs and outputs are in
 * order, the caller's, and must stay; their contents may change. The session must outlive it. */
TENON_API tenon_status tenon_call_new(tenon_session* session, const char* entry, const tenon_tensor* inputs,
                                      uint32_t input_count, const tenon_tensor* outputs,
                                      uint32_t output_count, tenon_call** call, tenon_error** error);
TENON_API tenon_status tenon_call_run(tenon_call* call, tenon_error** error);
TENON_API void tenon_call_free(tenon_call* call);

/* --- Training
 * ------------------------------------------------------------------------------------------------- */

/* What one epoch, or an evaluation, reported. names and values have `metrics` elements. */
typedef struct tenon_report {
  uint64_t epoch, steps; /* epoch from 1; steps of this epoch */
  double loss, seconds;
  uint32_t metrics;
  const char* const* names;
  const double* values;
} tenon_report;
/* Called after each epoch; not 0 ends training. The report is valid during the call. It may evaluate, run
 * and read through the same session, and write the state, which other threads may not until training ends. */
typedef int32_t (*tenon_epoch_function)(void* context, const tenon_report* report);

typedef struct tenon_fit_options {
  uint32_t size_of; /* sizeof(tenon_fit_options) */
  uint32_t batch;   /* 0: 32 */
  uint32_t epochs;  /* 0: 1 */
  int32_t progress; /* 1: show it on stderr, a bar where that is a terminal */
  const char* step; /* NULL: the program's one step, or `train` */
  int32_t in_order; /* 1: rows in order */
  int32_t shuffle;  /* 1: in an order of `seed`; else by the state's random counter */
  uint64_t seed;
  const tenon_data* validate; /* or NULL: evaluated after each epoch */
  const char*
      until; /* or NULL: metric, of the validation data where given, that ends training at until_value */
  double until_value;
  const char* history;           /* or NULL: file that receives one JSON line an epoch */
  tenon_epoch_function on_epoch; /* or NULL */
  void* context;
  /* or NULL: where it becomes other than 0, by another thread or a signal handler, training ends once the
   * running step is committed, with success; short steps may run on for some tenths of a second. */
  const volatile int32_t* cancel;
} tenon_fit_options;

/* Trains. *history (or NULL) receives what each epoch reported. 607 while another session writes the state;
 * from the first step to the last no other thread can write it. 404 before the first step where the history
 * file cannot be written; where it could not take every line, training ends as ever, *history is given, and
 * then 404 is returned. */
TENON_API tenon_status tenon_session_fit(tenon_session* session, const tenon_data* data,
                                         const tenon_fit_options* options, tenon_history** history,
                                         tenon_error** error);
/* Loss and metrics over all rows, weighted by rows, in inference mode. *result holds one report. step and
 * batch as of tenon_fit_options. */
TENON_API tenon_status tenon_session_evaluate(tenon_session* session, const tenon_data* data,
                                              const char* step, uint32_t batch, tenon_history** result,
                                              tenon_error** error);
TENON_API void tenon_history_free(tenon_history* history);
TENON_API uint32_t tenon_history_count(const tenon_history* history);
/* Valid while the history lives; all zero out of range. */
TENON_API tenon_report tenon_history_at(const tenon_history* history, uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
