// Rows that lie along several axes and share the right factor, as a convolution's do. They are gone through
// inside of the panels, block by block of them, so that a panel meets many rows while it is in cache; `begin`
// and `end` number all axes but the last as one.
#include "lower/contract.h"

namespace tenon::lower {

namespace {

// Outer indices that meet a panel one after the other: enough rows to make up for bringing it to the cache.
int64_t outer_block_of(const Sizes& sizes, const ContractTerms& t) {
  const int64_t rows = std::max<int64_t>(1, sizes.usual(t.m_extent()));
  return std::max<int64_t>(1, 2 * row_block / rows);
}

}  // namespace

int64_t ContractEmitter::rows_of_panel() const {
  const int64_t outer =
      std::min(outer_block_of(frame_, t_), std::max<int64_t>(1, frame_.usual(t_.outer_extent())));
  return std::max<int64_t>(s_.tile_rows, outer * frame_.usual(t_.m_extent()));
}

void ContractEmitter::rows_along(ExprId begin, ExprId end) {
  using kernel::Op;
  size_t nest = open_blocks(begin);
  auto outer_at = [&](ExprId lo, ExprId hi) {
    ExprId rest = b_.begin_for("o", lo, hi, b_.index(1));
    if (s_.prefetch_panel) rows_above_ = b_.mul(b_.sub(rest, lo), frame_.dim(t_.m_extent()));
    for (size_t i = outer_.size(); i-- > 0;) {
      ExprId extent = frame_.dim(extents_[outer_[i]]);
      emitter_.axes[outer_[i]] = i == 0 ? rest : b_.let("i", b_.binary(Op::rem, rest, extent));
      if (i != 0) rest = b_.let("rest", b_.binary(Op::div, rest, extent));
    }
  };
  auto open_panel = [&](ExprId j0, ExprId j1, ExprId width) {
    panel_lo_ = j0;
    panel_width_ = width;
    return b_.let("j1", j1);
  };
  auto all_panels = [&](const PanelBody& each) {
    if (!n_axis_)
      each(b_.index(0), b_.index(1), b_.index(std::min<int64_t>(4, s_.lanes)));
    else if (s_.cut == Cut::both && frame_.across)
      panels(frame_.across->first, frame_.across->second, each);
    else
      panels(b_.index(0), frame_.dim(t_.n_extent()), each);
  };
  if (n_axis_ && t_.classes[*n_axis_] == batch_class) {
    // A factor for each lane is met by few products: the left factor is what is read in its order.
    outer_at(begin, end);
    ++nest;
    if (s_.rows_first) {
      each_row_tile([&](ExprId i0, ExprId rows) {
        all_panels([&](ExprId j0, ExprId j1, ExprId width) {
          tile(i0, rows, j0, open_panel(j0, j1, width), width);
        });
      });
    } else {
      all_panels([&](ExprId j0, ExprId j1, ExprId width) {
        j1 = open_panel(j0, j1, width);
        each_row_tile([&](ExprId i0, ExprId rows) { tile(i0, rows, j0, j1, width); });
      });
    }
    if (s_.epilogue_apart)
      all_panels([&](ExprId j0, ExprId j1, ExprId width) { row_epilogue(j0, open_panel(j0, j1, width)); });
  } else {
    ExprId step = b_.index(outer_block_of(frame_, t_));
    ExprId lo = b_.begin_for("ob", begin, end, step);
    ExprId hi = b_.let("ob1", b_.binary(Op::min, b_.add(lo, step), end));
    ++nest;
    all_panels([&](ExprId j0, ExprId j1, ExprId width) {
      j1 = open_panel(j0, j1, width);
      outer_at(lo, hi);
      each_row_tile([&](ExprId i0, ExprId rows) { tile(i0, rows, j0, j1, width); });
      if (s_.epilogue_apart) row_epilogue(j0, j1);
      b_.end();
    });
  }
  while (nest-- > 0) b_.end();
}

// Whether all phases have as many rows.
bool ContractEmitter::phases_are_even() const {
  if (!t_.phase_axis) return true;
  return t_.all_rows.is_constant() && t_.all_rows.constant() % extents_[*t_.phase_axis].constant() == 0;
}

// The number of rows at the outer indices that are set: the last phases may have one less than the first.
ExprId ContractEmitter::rows_here() {
  ExprId all = frame_.dim(t_.m_extent());
  if (phases_are_even()) return all;
  const Dim phases = extents_[*t_.phase_axis];
  ExprId behind = b_.sub(frame_.dim(t_.all_rows + phases - 1), emitter_.axes[*t_.phase_axis]);
  return b_.let("rows", b_.binary(kernel::Op::div, behind, frame_.dim(phases)));
}

// Which tiles of a known number of rows have no row that lacks a tap: from one on, to one. None where the
// borders are not known, or where more than a few tiles lie at them.
std::optional<std::pair<int64_t, int64_t>> ContractEmitter::inner_tiles() const {
  constexpr int64_t most_at_borders = 3;
  if (!t_.row_window || s_.tile_rows == 1) return std::nullopt;
  const std::optional<KnownWindow> w = known_window(t_);
  if (!w) return std::nullopt;
  const int64_t mr = s_.tile_rows, tiles = t_.m_extent().constant() / mr;
  auto inside = [&](int64_t tile) {
    const int64_t first = w->from + tile * mr * w->step, last = first + (mr - 1) * w->step;
    return first >= 0 && last + (w->taps - 1) * w->dilation <= w->last;
  };
  int64_t from = 0, to = tiles;
  while (from < to && !inside(from)) ++from;
  while (from < to && !inside(to - 1)) --to;
  if (from + (tiles - to) > most_at_borders) return std::nullopt;
  return std::pair(from, to);
}

// All rows of one index of the outer axes. Tiles are as the schedule says, numbers and no names: what is left
// of a known number of rows has a tile of just as many.
void ContractEmitter::each_row_tile(const TileBody& each) {
  using kernel::Op;
  const int64_t mr = s_.tile_rows;
  const Dim m = t_.m_extent();
  const bool known = m.is_constant() && phases_are_even();
  ExprId hi = rows_here(), zero = b_.index(0);
  ExprId whole = b_.let("whole", b_.mul(b_.binary(Op::div, hi, b_.index(mr)), b_.index(mr)));
  auto run = [&](ExprId lo, ExprId stop) {
    ExprId i0 = b_.begin_for("i0", lo, stop, b_.index(mr));
    each(i0, b_.index(mr));
    b_.end();
  };
  const auto inner = known ? inner_tiles() : std::nullopt;
  if (inner) {
    // Tiles at borders are where they are: what they lack is known.
    const int64_t tiles = m.constant() / mr;
    auto border = [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) each(b_.index(i * mr), b_.index(mr));
    };
    border(0, inner->first);
    inside_ = true;
    if (inner->first < inner->second) run(b_.index(inner->first * mr), b_.index(inner->second * mr));
    inside_ = false;
    border(inner->second, tiles);
  } else if (!m.is_constant() || m.constant() >= mr) {
    run(zero, whole);
  }
  if (known && m.constant() % mr != 0) {
    each(whole, b_.index(m.constant() % mr));
  } else if (!known && mr > 1) {
    rest_tiles(whole, hi, b_.index(mr), each);
  }
}

// What is made of the sums of all rows of one index of the outer axes.
void ContractEmitter::row_epilogue(ExprId j0, ExprId j1) {
  if (outer_blocks_) b_.begin_if(last_);
  panel_epilogue(j0, j1, b_.index(0), rows_here());
  if (outer_blocks_) b_.end();
}

}  // namespace tenon::lower
