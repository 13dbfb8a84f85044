// Tiles, panels and blocks of a contraction. Sources: codegen facts measured for this project; the loop order
// follows Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
#include <algorithm>
#include <cstring>

#include "lower/schedule.h"

namespace tenon::lower {
namespace {

// Contraction blocks at least this long are looped over outside the tiles.
constexpr int64_t outer_block = 256;
constexpr int64_t line_bytes = 64;

using Cut = ContractSchedule::Cut;
using Right = ContractSchedule::Right;
using Blocks = ContractSchedule::Blocks;

// Long epilogues (polynomials, random numbers, optimizer updates) on every accumulator would multiply the
// code and spill the tile.
bool heavy_epilogue(const Graph& graph, const Group& group) {
  constexpr size_t most_operations = 8;
  size_t operations = 0;
  for (NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    if (is_tiled(graph, node)) continue;
    if (ir::multiplies(*node.op)) operations += static_cast<size_t>(chain_length(graph, node));
    if (ir::multiplies(*node.op)) continue;
    if (node.op->elementwise() == nullptr || !node.op->elementwise()->cheap) return true;
    ++operations;
  }
  return operations > most_operations;
}

// Of a vector of sums; narrow types do not fill one, for their tiles would be too wide to serve small
// results. Columns that fit half a vector take no more: a mask and lines that are crossed cost as much as
// the loads.
int64_t lanes_of(const Sizes& sizes, const ContractTerms& t) {
  int64_t lanes = sizes.target().lanes(std::max<size_t>(4, dtype_bytes(t.dtype)));
  const Dim n = t.n_extent();
  while (n.is_constant() && lanes > 4 && n.constant() <= lanes / 2) lanes /= 2;
  return lanes;
}

// The last columns, where they would leave most of a vector idle: half a vector, or four lanes, take them.
// Behind a single vector they stay in its panel, for reading the left factor again costs as much as half a
// vector saves; but where a whole vector costs two halves.
int64_t edge_of(const target::Target& target, const ContractSchedule& s, const Dim& n) {
  if (s.packed() || !n.is_constant() || n.constant() < s.lanes || s.cuts_columns()) return 0;
  if (!target.runs_halves && n.constant() > s.lanes && n.constant() < 2 * s.lanes) return 0;
  const int64_t rest = n.constant() % s.lanes;
  return rest <= s.lanes / 2 ? rest : 0;
}

bool lanes_have_factors(const ContractTerms& t) { return t.n_axis && t.classes[*t.n_axis] == batch_class; }

// Taps of windows along the rows, known in numbers, where every lane has a right factor of its own (a
// depthwise convolution): what one row reads at its taps is what its neighbours read at theirs.
std::optional<int64_t> shared_taps(const ContractTerms& t) {
  if (!lanes_have_factors(t) || !t.row_window || !t.m_extent().is_constant()) return std::nullopt;
  // Those of the gradient for the factors are the rows of the result: too many for registers.
  constexpr int64_t most_taps = 9;
  const std::optional<KnownWindow> w = known_window(t);
  return w && w->taps <= most_taps ? std::optional(w->taps) : std::nullopt;
}

bool can_take_rows_first(const ContractTerms& t) { return lanes_have_factors(t) && t.rows_share(); }
// Rows half a page or whole ones apart: what a tile reads of them for one panel meets in a few sets of L1,
// which would be emptied of it before the next panel reads the lines beside.
bool takes_rows_first(const ContractTerms& t) {
  constexpr int64_t half_page = 2048;
  if (!can_take_rows_first(t) || !shared_taps(t)) return false;
  const Term& a = t.terms.term(t.a);
  const Dim apart = a.is_plain_load() ? coefficient(a.address, *t.m_axis) : Dim(0);
  return apart.is_constant() && apart.constant() != 0 &&
         apart.constant() * static_cast<int64_t>(dtype_bytes(a.dtype)) % half_page == 0;
}

// Vectors of a tile of so many rows: accumulators, a vector of the right factor each, and a broadcast of the
// left one fit the registers: rows * vectors + vectors + 1.
int64_t most_vectors_of(const target::Target& target, int64_t rows) {
  return std::clamp<int64_t>((target.registers - 1) / (rows + 1), 1, 8);
}

// Products of a vector in a row of tiles of `rows` rows and the tile of those that are left, where fewer
// chains than the multipliers keep going at once cost as much as so many.
double tile_cost(const target::Target& target, int64_t all, int64_t rows) {
  constexpr int64_t chains = 8;  // two multipliers of latency 4
  const int64_t vectors = most_vectors_of(target, rows);
  auto tile = [&](int64_t r) {
    return r == 0 ? 0 : static_cast<double>(std::max(r * vectors, chains)) / static_cast<double>(vectors);
  };
  return static_cast<double>(all / rows) * tile(rows) + tile(all % rows);
}

// Rows of a tile. Where rows lie along several axes, each run of them has a rest of its own: tiles of nearly
// as many rows are preferred that leave none, or one that keeps the multipliers busy.
int64_t tile_rows_of(const Sizes& sizes, const ContractTerms& t) {
  const target::Target& target = sizes.target();
  int64_t most = target.tile_rows;
  const Dim m = t.m_extent();
  if (t.row_by_row()) return 1;
  // What is read stays in registers, beside the sums and the taps.
  if (const auto taps = shared_taps(t))
    most = std::clamp<int64_t>((target.registers - 2 * *taps + 1) / 2, 1, most);
  if (!m.is_constant()) return most;
  if (!t.rows_share()) return m.constant() <= most ? std::max<int64_t>(1, m.constant()) : most;
  int64_t best = most;
  auto before = [&](int64_t a, int64_t b) {
    const double ca = tile_cost(target, m.constant(), a), cb = tile_cost(target, m.constant(), b);
    if (ca != cb) return ca < cb;
    return m.constant() % a == 0 && m.constant() % b != 0;
  };
  for (int64_t rows = most; rows > most / 2; --rows)
    if (before(rows, best)) best = rows;
  return std::min(best, std::max<int64_t>(1, m.constant()));
}

int64_t block_count(const ContractTerms& t) { return t.k_extent().constant() / t.block; }

// What a group must be for a way to run it: asked where it is chosen, and where an edit asks for it.
bool can_stand_beside(const ContractTerms& t, int64_t tile_rows) {
  const Dim k = t.k_extent();
  return tile_rows == 1 && t.windows.empty() && t.k_axes.size() == 1 && k.is_constant() &&
         k.constant() % t.block == 0 && block_count(t) <= 8;
}
bool can_copy_left(const ContractTerms& t, const ContractSchedule& s) {
  return t.m_axis && t.n_axis && t.outer.empty() && t.windows.empty() && s.cut == Cut::rows &&
         !s.inner_blocks() && t.terms.term(t.a).is_plain_load();
}
// Rows may lie along several axes; the right factor knows nothing of them.
bool can_copy_right(const ContractTerms& t) {
  const bool one_matrix = t.n_axis && std::all_of(t.outer.begin(), t.outer.end(),
                                                  [&](uint32_t a) { return t.classes[a] == m_class; });
  return one_matrix && t.n_extent().is_constant() && t.k_extent().is_constant();
}
bool can_ask_ahead(const ContractTerms& t, const ContractSchedule& s) {
  return t.n_axis && t.m_axis && !t.rows_share() && t.windows.empty() && !s.inner_blocks() &&
         s.tile_rows != 1;
}
// A right factor that is read in place, along its rows.
bool can_ask_rows_ahead(const ContractTerms& t, const ContractSchedule& s) {
  const Term& b = t.terms.term(t.b);
  if (!t.n_axis || !t.m_axis || s.inner_blocks() || s.tile_rows == 1) return false;
  const bool even = b.is_plain_load() && coefficient(b.address, *t.n_axis) == Dim(1);
  // Where rows lie along several axes, panels are gone through as often as rows that are read in place.
  if (t.rows_share()) return even || s.packed();
  return can_ask_ahead(t, s) && (s.packed() || (even && t.k_axes.size() == 1));
}

int64_t vectors_of(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s) {
  const Dim n = t.n_extent();
  int64_t most = most_vectors_of(sizes.target(), s.tile_rows);
  if (shared_taps(t)) most = 1;
  if (s.blocks == Blocks::side_by_side) most = std::max<int64_t>(1, most / block_count(t));
  if (n.is_constant()) most = std::min(most, (n.constant() - s.edge + s.lanes - 1) / s.lanes);
  return std::max<int64_t>(1, most);
}

Blocks blocks_of(const Sizes& sizes, const ContractTerms& t, int64_t tile_rows) {
  if (!sizes.may_pass(t.k_extent(), t.block)) return Blocks::one;
  if (t.block >= outer_block) return Blocks::outer;
  // A single row has too few independent chains: its blocks of K run side by side.
  return can_stand_beside(t, tile_rows) ? Blocks::side_by_side : Blocks::inner;
}

// A left factor whose rows lie across memory. Each product of a tile would read a line of its own: the lines
// of a block of K fill L1, mostly with what the tile does not use.
bool copies_left(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s) {
  // A copied element should meet at least so many columns.
  constexpr int64_t least_columns = 256;
  if (!can_copy_left(t, s) || sizes.usual(t.n_extent()) < least_columns) return false;
  if (std::min(sizes.usual(t.k_extent()), t.block) * line_bytes < sizes.target().l1_bytes) return false;
  return coefficient(t.terms.term(t.a).address, *t.m_axis) == Dim(1);
}

// Rows longer than a panel: a narrow panel meets a piece of each, and a line or two of a row are too few for
// the processor to fetch ahead. A copy that many rows share costs less, but for what fits L1 anyway.
bool copies_right(const Sizes& sizes, const ContractTerms& t) {
  const target::Target& target = sizes.target();
  const Dim n = t.n_extent(), k = t.k_extent();
  if (target.copied_rows == 0 || !t.m_axis || !can_copy_right(t)) return false;
  if (n.constant() <= target.tile_vectors * target.lanes(dtype_bytes(t.dtype))) return false;
  const Dim bytes = n * k * Dim(static_cast<int64_t>(dtype_bytes(t.dtype)));
  const int64_t around = t.outer.empty() ? 1 : sizes.usual(t.outer_extent());
  return sizes.usual(t.m_extent()) * around >= target.copied_rows &&
         sizes.may_pass(bytes, target.l1_bytes / 2);
}

void choose_prefetches(const Sizes& sizes, const ContractTerms& t, ContractSchedule* s) {
  if (!can_ask_ahead(t, *s) && !can_ask_rows_ahead(t, *s)) return;
  const Dim m = t.m_extent(), n = t.n_extent(), k = t.k_extent();
  const auto bytes = static_cast<int64_t>(dtype_bytes(t.dtype));
  auto passes = [&](const Dim& elements, int64_t limit) {
    return sizes.may_pass(elements * Dim(bytes), limit);
  };
  const target::Target& target = sizes.target();
  // What stays in L2 from call to call needs no asking.
  const bool whole = can_ask_ahead(t, *s);
  s->prefetch_result = whole && passes(m * n, target.l2_bytes);
  if ((whole || t.rows_share()) && s->packed()) {
    s->prefetch_panel = passes(n * k, target.l2_bytes / 2) && sizes.may_pass(n, s->vectors * s->lanes);
  }
  const bool again = t.rows_share() || !s->packed();
  if (again && can_ask_rows_ahead(t, *s) && passes(n * k, target.l1_bytes)) s->rows_ahead = target.rows_ahead;
}

bool can_cut_both(const ContractTerms& t) {
  return (t.outer.empty() || t.rows_share()) && t.m_axis && t.n_axis && t.n_extent().is_constant();
}

// Few rows are few chunks, however much work they are: the columns are cut as well.
bool cuts_both(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s) {
  constexpr int64_t enough_chunks = 4;
  const Dim n = t.n_extent();
  if (!can_cut_both(t) || n.constant() <= piece_columns(s)) return false;
  if (t.rows_share()) return sizes.usual(t.outer_extent()) < enough_chunks * outer_granule(sizes, t, s);
  return s.cut == Cut::rows && sizes.usual(t.m_extent()) < enough_chunks * row_granule(sizes, t, s);
}

// The stride of each axis of the right factor, where its panels can be made beforehand.
std::optional<std::vector<int64_t>> panel_strides(const ContractTerms& t) {
  const Term& term = t.terms.term(t.b);
  const Dim n = t.n_extent(), k = t.k_extent();
  if (!term.is_plain_load() || !t.n_axis) return std::nullopt;
  if (!n.is_constant() || !k.is_constant() || n.constant() == 0 || k.constant() == 0) return std::nullopt;
  // An axis of a batch or a second one of columns has no panel.
  std::vector<int64_t> stride(t.extents.size(), 0);
  for (const AffineIndex::Part& p : term.address.parts) {
    const bool inner = p.axis == *t.n_axis || t.classes[p.axis] == k_class;
    if (!inner || !p.coefficient.is_constant()) return std::nullopt;
    stride[p.axis] = p.coefficient.constant();
  }
  return stride;
}

}  // namespace

ContractSchedule schedule_contract(const Graph& graph, const Group& group, const Sizes& sizes,
                                   const ContractTerms& t, bool constant) {
  ContractSchedule s;
  const Dim m = t.m_extent();
  s.tile_rows = tile_rows_of(sizes, t);
  s.cut = !t.outer.empty()                                      ? Cut::outer
          : sizes.may_pass(m, 2 * s.tile_rows - 1) || !t.n_axis ? Cut::rows
                                                                : Cut::columns;
  s.blocks = blocks_of(sizes, t, s.tile_rows);
  s.lanes = lanes_of(sizes, t);
  s.right = constant                                               ? Right::constant
            : packs_right(graph, *t.dot) || copies_right(sizes, t) ? Right::copied
                                                                   : Right::in_place;
  s.edge = edge_of(sizes.target(), s, t.n_extent());
  s.vectors = vectors_of(sizes, t, s);
  s.left_copied = copies_left(sizes, t, s);
  if (!s.left_copied && cuts_both(sizes, t, s)) {
    s.cut = Cut::both;
    s.edge = 0;
    s.vectors = vectors_of(sizes, t, s);
  }
  s.epilogue_apart = heavy_epilogue(graph, group);
  s.rows_first = takes_rows_first(t);
  choose_prefetches(sizes, t, &s);
  if (!constant) return s;
  // One panel of whole rows lies in order already.
  const auto stride = panel_strides(t);
  const Dim n = t.n_extent();
  const bool serves = stride && !((*stride)[*t.n_axis] == 1 && n.constant() <= panel_width(s, n, 0));
  return serves ? s : schedule_contract(graph, group, sizes, t, false);
}

std::string why_not(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s, bool constant) {
  constexpr int64_t most_rows = 16, most_vectors = 8;
  const Dim n = t.n_extent(), k = t.k_extent();
  const int64_t most_lanes = sizes.target().lanes(std::max<size_t>(4, dtype_bytes(t.dtype)));
  if (s.tile_rows < 1 || s.tile_rows > most_rows) return "a tile has 1 to 16 rows";
  if (t.row_by_row() && s.tile_rows != 1)
    return "the rows' window lies outside of others: tiles have one row";
  if (s.vectors < 1 || s.vectors > most_vectors) return "a panel has 1 to 8 vectors";
  if (s.lanes < 4 || s.lanes > most_lanes || (s.lanes & (s.lanes - 1)) != 0)
    return "a vector has 4 to " + std::to_string(most_lanes) + " lanes, a power of two";
  if (!t.outer.empty() && s.cut != Cut::outer && !(s.cut == Cut::both && can_cut_both(t)))
    return "the outermost axis is cut where there is one";
  if (t.outer.empty() && s.cut == Cut::outer) return "there is no outer axis to cut";
  if (s.cuts_columns() && !t.n_axis) return "there are no columns to cut";
  if (s.cut == Cut::both && !can_cut_both(t))
    return "both are cut where there are rows, and columns of a constant number";
  if (s.right == Right::constant && !(constant && panel_strides(t)))
    return "the right factor is no constant of one matrix";
  if (s.right == Right::copied && !can_copy_right(t))
    return "panels are copied of one matrix of constant extents";
  const bool several = sizes.may_pass(k, t.block);
  if (several == (s.blocks == Blocks::one))
    return several ? "the products are summed in several blocks" : "there is one block of products";
  if (s.blocks == Blocks::side_by_side && !can_stand_beside(t, s.tile_rows))
    return "blocks stand side by side where a tile is one row and there are 8 whole ones at most";
  if (s.left_copied && !can_copy_left(t, s))
    return "blocks of the left factor are copied of one matrix that is cut in rows";
  if (s.edge != 0) {
    const bool rest = n.is_constant() && n.constant() > s.edge && s.edge == n.constant() % s.lanes;
    if (!rest || s.edge > 8 || s.packed() || s.cuts_columns())
      return "the edge is the columns that are left behind whole vectors, 8 at most, of a factor that is "
             "read in place";
  }
  if ((s.prefetch_result || (s.prefetch_panel && !t.rows_share())) && !can_ask_ahead(t, s))
    return "tiles of several rows and columns, in blocks outside of them, ask ahead";
  if (s.prefetch_panel && !s.packed()) return "panels are asked for ahead of a right factor in panels";
  if (s.rows_first && !can_take_rows_first(t))
    return "rows are taken first where every lane has a right factor of its own";
  constexpr int64_t most_ahead = 64;
  if (s.rows_ahead < 0 || s.rows_ahead > most_ahead) return "0 to 64 rows are asked for ahead";
  if (s.rows_ahead != 0 && !can_ask_rows_ahead(t, s))
    return "rows are asked for ahead of a right factor that is read along them where it lies";
  return {};
}

// Every chunk reads all of B, or its piece: from L2 where it fits, else at least a row block makes up for it.
int64_t row_granule(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s) {
  const double bytes = static_cast<double>(sizes.usual(t.k_extent())) *
                       static_cast<double>(sizes.usual(t.n_extent())) *
                       static_cast<double>(dtype_bytes(t.dtype));
  const bool fits = bytes <= static_cast<double>(sizes.target().l2_bytes) / 2;
  return s.tile_rows * (fits ? 2 : row_block / s.tile_rows);
}

int64_t outer_granule(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s) {
  const int64_t rows = std::max<int64_t>(1, sizes.usual(t.m_extent())), granule = row_granule(sizes, t, s);
  return std::max<int64_t>(1, granule / rows);
}

// The tiles of a chunk's rows read the left factor from L2 for each panel; a few of those make a chunk.
int64_t piece_columns(const ContractSchedule& s) {
  constexpr int64_t panels = 4;
  return panels * s.vectors * s.lanes;
}

std::pair<int64_t, int64_t> panel_split(const ContractSchedule& s, const Dim& n) {
  const int64_t all = n.is_constant() ? (n.constant() - s.edge + s.lanes - 1) / s.lanes : 0;
  const int64_t count = (all + s.vectors - 1) / s.vectors;
  if (s.cuts_columns() || count <= 1) return {s.vectors, 0};
  return {all / count, all % count};
}

int64_t panel_width(const ContractSchedule& s, const Dim& n, int64_t j0) {
  const auto [narrow, wider] = panel_split(s, n);
  return (j0 < wider * (narrow + 1) * s.lanes ? narrow + 1 : narrow) * s.lanes;
}

int64_t panel_columns(const ContractSchedule& s, const Dim& n) {
  int64_t columns = 0;
  while (columns < n.constant()) columns += panel_width(s, n, columns);
  return columns;
}

std::shared_ptr<const Array> constant_factor(const Graph& graph, const Fusion& fusion,
                                             const ContractTerms& t) {
  const NodeId producer = graph.value(t.dot->operands[1]).node;
  if (!producer.valid() || fusion.group_of[producer.index] < 0) return nullptr;
  const Node& node = graph.node(producer);
  if (node.op->generate() == nullptr || node.op->generate()->what != ir::Generator::constant) return nullptr;
  return node.get<std::shared_ptr<const Array>>("value");
}

std::shared_ptr<const Array> lay_out(const ContractTerms& t, const ContractSchedule& s, const Array& array) {
  const std::vector<int64_t> stride = *panel_strides(t);
  const Dim n = t.n_extent(), k = t.k_extent();
  auto out = std::make_shared<Array>(array.dtype(), std::vector<int64_t>{panel_columns(s, n) * k.constant()});
  const size_t bytes = dtype_bytes(array.dtype());
  for (int64_t row = 0; row < k.constant(); ++row) {
    int64_t from = t.terms.term(t.b).address.constant.constant(), rest = row;
    for (size_t i = t.k_axes.size(); i-- > 0;) {
      const int64_t extent = t.extents[t.k_axes[i]].constant();
      from += rest % extent * stride[t.k_axes[i]];
      rest /= extent;
    }
    int64_t width = 0;
    for (int64_t j0 = 0; j0 < n.constant(); j0 += width) {
      width = panel_width(s, n, j0);
      const int64_t stop = std::min(j0 + width, n.constant());
      std::byte* to = out->data() + static_cast<size_t>(j0 * k.constant() + row * width) * bytes;
      for (int64_t j = j0; j < stop; ++j, to += bytes)
        std::memcpy(to, array.data() + static_cast<size_t>(from + j * stride[*t.n_axis]) * bytes, bytes);
    }
  }
  return out;
}

std::vector<Dim> contract_scratch(const ContractTerms& t, const ContractSchedule& s, const Dim& results,
                                  bool sums_in_output) {
  const bool sums = s.epilogue_apart || (s.blocks == Blocks::outer && !sums_in_output);
  const bool panels = s.right == Right::copied;
  std::vector<Dim> out(s.left_copied ? 3 : panels ? 2 : sums ? 1 : 0, Dim(0));
  if (sums) out[sum_scratch] = results;
  if (panels) out[panel_scratch] = t.k_extent() * Dim(panel_columns(s, t.n_extent()));
  if (s.left_copied)
    out[left_scratch] = t.m_extent() * (s.blocks == Blocks::outer ? Dim(t.block) : t.k_extent());
  return out;
}

}  // namespace tenon::lower
