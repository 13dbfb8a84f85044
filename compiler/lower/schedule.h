// How groups run: every decision of speed as data, made once a group. Planning reads it for what a group
// needs beside its results, entries for how it is cut, emission for what it writes.
//
// Every schedule of a group gives the same bits: the order of sums is part of the graph.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lower/composed.h"
#include "lower/sizes.h"

namespace tenon::lower {

// A nest whose last axis is in lanes, or squares of registers where loads run along another axis.
struct PointwiseSchedule {
  int64_t width = 64;             // lanes of the last axis' loop, at most
  std::vector<TermId> exchanged;  // loads that are brought across through squares; none: a plain nest
  uint32_t along = 0;             // the axis along which they lie in memory
  int64_t side = 0;               // elements of a square's side
};

// Lanes of a loop: a power of two.
inline bool is_width(int64_t n) { return n >= 4 && n <= 64 && (n & (n - 1)) == 0; }
inline constexpr const char* width_words = "lanes are 4, 8, 16, 32 or 64";

struct ReduceSchedule {
  // In lanes: a kept axis, so many indices of it a block, or (none) the last reduced one.
  std::optional<uint32_t> lane_axis;
  int64_t width = 0;
  // A tile: so many results of one row side by side, along a kept axis at constant indices.
  std::optional<uint32_t> tile_axis;
  int64_t tile = 1;
  // Whether both of two reduced axes are one where addresses run on evenly over them.
  bool joined(const ReduceTerms& t) const { return t.joins() && !lane_axis; }
  // Chunks are cut at multiples of it.
  int64_t granule(const ReduceTerms& t) const { return lane_axis && *lane_axis == t.kept[0] ? width : 1; }
};

struct ContractSchedule {
  // What chunks cut: an outer axis where there is one, else rows, columns, or both.
  enum class Cut : uint8_t { outer, rows, columns, both } cut = Cut::rows;
  // The right factor is read where it lies, from panels that the call copies it into, or from panels that
  // were made of a constant when it was compiled.
  enum class Right : uint8_t { in_place, copied, constant } right = Right::in_place;
  bool left_copied = false;  // blocks of the left factor
  // Blocks of products that are summed apart: none, outside of the tiles by way of memory, inside of a tile,
  // or in registers side by side.
  enum class Blocks : uint8_t { one, outer, inner, side_by_side } blocks = Blocks::one;
  int64_t tile_rows = 1;
  int64_t lanes = 4, vectors = 1;  // of a panel
  int64_t edge = 0;                // last columns that a narrower panel takes
  bool epilogue_apart = false;     // over the stored panel, not on the registers
  bool prefetch_result = false, prefetch_panel = false;
  // Where every lane has a right factor of its own: all panels of a tile's rows before the next rows.
  bool rows_first = false;
  int64_t rows_ahead = 0;  // so many products before they are met, rows of the right factor are asked for

  bool packed() const { return right != Right::in_place; }
  bool cuts_columns() const { return cut == Cut::columns || cut == Cut::both; }
  bool inner_blocks() const { return blocks == Blocks::inner || blocks == Blocks::side_by_side; }
};
constexpr int64_t row_block = 128;  // rows of the left factor kept in L2 beside a panel of the right one

// Where rows are cut: chunks are multiples of so many.
int64_t row_granule(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s);
// The same in indices of the outer axes, where rows along several axes share the right factor.
int64_t outer_granule(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s);
// Where columns are cut as well: of one piece.
int64_t piece_columns(const ContractSchedule& s);
// Vectors of each panel of `n` columns, and how many panels from the first are one vector wider: panels of
// nearly equal width, so that none runs thin.
std::pair<int64_t, int64_t> panel_split(const ContractSchedule& s, const Dim& n);
// Columns of the panel that begins at column j0, and of all panels, the unused ones of the last among them.
int64_t panel_width(const ContractSchedule& s, const Dim& n, int64_t j0);
int64_t panel_columns(const ContractSchedule& s, const Dim& n);

// The work of a group that can be cut into chunks: indices begin..end of one axis, or of two.
struct Work {
  Dim extent = Dim(1);  // of the axis that is cut
  int64_t granule = 1;  // chunks are multiples of it
  double cost = 1;      // estimated nanoseconds x GHz of one index (at the top of the ranges)
  bool serial = false;  // must be one chunk
  // A second axis that is cut, into pieces of so many indices; 0: none.
  Dim across = Dim(1);
  int64_t across_size = 0;
};

using Schedule = std::variant<std::monostate, PointwiseSchedule, ReduceSchedule, ContractSchedule>;

// A graph's groups in an order in which they can run, what each computes and how; groups that are loops and
// branches hold those of their regions.
struct ScheduledGraph {
  const Graph* graph = nullptr;
  Fusion fusion = {};
  std::vector<Composed> composed = {};   // per group; none where nothing is computed
  std::vector<Schedule> schedules = {};  // per group
  std::vector<std::vector<std::unique_ptr<ScheduledGraph>>> regions = {};  // loop {body}, cond {then, else}
  // Constants that are in memory: no group makes them.
  std::vector<std::pair<ValueId, std::shared_ptr<const Array>>> constants = {};
};
// The groups of a graph and what they compute, regions and schedules left out; `wanted`: see fuse(). `ranges`
// outlives the result.
std::unique_ptr<ScheduledGraph> group_graph(const Graph& graph, const IndexRanges& ranges,
                                            const FuseOptions& options,
                                            const std::vector<int32_t>* wanted = nullptr);
// With those of its regions.
std::unique_ptr<ScheduledGraph> group_regions(const Graph& graph, const IndexRanges& ranges,
                                              const FuseOptions& options);
// Gives every group its schedule, in regions as well.
void schedule_groups(ScheduledGraph* graph, const Sizes& sizes);
// How a group runs best.
Schedule choose_schedule(const ScheduledGraph& graph, size_t group, const Sizes& sizes);
// Gives the next group its schedule; what that asks of the terms is done.
void adopt(ScheduledGraph* graph, Schedule schedule);
// Why a group cannot run so; empty: it can, and gives the same bits.
std::string why_not(const ScheduledGraph& graph, size_t group, const Sizes& sizes, const Schedule& schedule);

// A size that is computed from those of the call, and what it has to lie in: tested when a call begins.
struct SizeGuard {
  std::string name;
  Dim value;
  ir::DimRange range;
};

struct ScheduledFunction {
  const ir::Function* function = nullptr;
  std::vector<SizeGuard> guards = {};
  std::unique_ptr<IndexRanges> ranges = {};
  std::unique_ptr<ScheduledGraph> graph = {};  // null: not fused yet
};

// How far the passes have come (lower/passes.h).
enum class Progress : uint8_t { begun, prepared, fused, scheduled };

struct Places;
// A module whose functions are those that become entries, and what was decided of it so far. Others refer to
// its parts: they stay where they are when it is moved.
struct ScheduledModule {
  Options options;
  std::unique_ptr<ir::Module> module;
  std::unique_ptr<ir::DimRanges> usual;
  std::unique_ptr<Sizes> sizes;
  std::vector<ScheduledFunction> functions;
  Progress progress = Progress::begun;
  std::shared_ptr<const Places> places;  // null: not placed yet
};

PointwiseSchedule schedule_pointwise(const Graph& graph, const Group& group, const Sizes& sizes,
                                     const PointwiseTerms& terms);
ReduceSchedule schedule_reduce(const Sizes& sizes, const ReduceTerms& terms);
// `constant`: the right factor is an array that can be laid out beforehand.
ContractSchedule schedule_contract(const Graph& graph, const Group& group, const Sizes& sizes,
                                   const ContractTerms& terms, bool constant);
std::string why_not(const PointwiseSchedule& s, const PointwiseSchedule& chosen);
std::string why_not(const ReduceTerms& terms, const ReduceSchedule& s);
std::string why_not(const Sizes& sizes, const ContractTerms& terms, const ContractSchedule& s, bool constant);

// The array that is a contraction's right factor; null where it is none, or is computed.
std::shared_ptr<const Array> constant_factor(const Graph& graph, const Fusion& fusion,
                                             const ContractTerms& terms);
// It in the order in which the schedule's tiles read it.
std::shared_ptr<const Array> lay_out(const ContractTerms& terms, const ContractSchedule& schedule,
                                     const Array& array);

// Scratch a contraction needs beside its outputs, in the order of Scratch, less what none needs at the end:
// element counts. `sums_in_output`: an output holds partial sums meanwhile.
enum Scratch : uint8_t { sum_scratch, panel_scratch, left_scratch };
std::vector<Dim> contract_scratch(const ContractTerms& terms, const ContractSchedule& schedule,
                                  const Dim& results, bool sums_in_output);

// How a group is cut, and the copy of a right factor before it. `copied`: a scatter's base lies elsewhere.
Work group_work(const Graph& graph, const Group& group, const Sizes& sizes, const Composed& terms,
                const Schedule& schedule, bool base_copied);
std::optional<Work> pack_work(const Composed& terms, const Schedule& schedule);

}  // namespace tenon::lower
