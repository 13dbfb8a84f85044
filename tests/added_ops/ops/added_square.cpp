// An elementwise operation, added by this file alone.
#include "ops/elementwise.h"

namespace tenon::ops {
namespace {

constexpr auto form =
    elementwise<1>(NumberTypes{}, [](auto x) { return x * x; }, [](auto x) { return wide::mul(x, x); });

void vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * arg(c, 0) * 2.0); }

constexpr ir::OpDef defs[] = {{.name = "added_square",
                               .doc = "x times itself, added for a test.",
                               .operands = one_number,
                               .form = &form,
                               .infer = infer_same,
                               .vjp = vjp}};

}  // namespace

TENON_OP_FAMILY(added_square) = defs;

}  // namespace tenon::ops
