"""Table 8: widths 1 to 17 of products and reductions beside JAX in one run; neighbours and the peer bound each row.

    widths.py --library libtenon.so --probe libprobe.so [--only KIND]... [--widths 1-17]
"""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("--library", required=True)
parser.add_argument("--probe", required=True)
parser.add_argument("--only", action="append", default=[])
parser.add_argument("--widths", default="1-17")
parser.add_argument("--limit", type=float, default=3.0)
args = parser.parse_args()
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])

import numpy as np

import harness

ASKED, NEIGHBOUR = 0.8, 2.0
DIMS = "dim n = 1..4096\ndim t = 1..64\n"
random = np.random.default_rng(1)


def drawn(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def dot(inputs, result, attributes):
    return f"func f({inputs}) -> l: {result} {{\n  l = dot_general x, y {{{attributes}}}\n  return l\n}}\n"


def mean(inputs, body):
    return f"func f({inputs}) -> l: f32[] {{\n{body}  l = mean e\n  return l\n}}\n"


BATCHED = "lhs_batch = [0], rhs_batch = [0], lhs_contract = [2], rhs_contract = [1]"
# kind -> width -> function as text, shapes of the operands, shape of the result, and what JAX runs.
KINDS = {
    "product": lambda w: (
        dot(f"x: f32[n,784], y: f32[784,{w}]", f"f32[n,{w}]", "lhs_contract = [1], rhs_contract = [0]"),
        [(256, 784), (784, w)], (256, w), lambda np, x, y: x @ y),
    "product over rows": lambda w: (
        dot(f"x: f32[n,784], y: f32[n,{w}]", f"f32[784,{w}]", "lhs_contract = [0], rhs_contract = [0]"),
        [(256, 784), (256, w)], (784, w), lambda np, x, y: x.T @ y),
    "batched product": lambda w: (
        dot(f"x: f32[n,32,32], y: f32[n,32,{w}]", f"f32[n,32,{w}]", BATCHED),
        [(256, 32, 32), (256, 32, w)], (256, 32, w), lambda np, x, y: np.einsum("bij,bjk->bik", x, y)),
    "batched, symbolic": lambda w: (
        dot(f"x: f32[n,t,t], y: f32[n,t,{w}]", f"f32[n,t,{w}]", BATCHED),
        [(256, 32, 32), (256, 32, w)], (256, 32, w), lambda np, x, y: np.einsum("bij,bjk->bik", x, y)),
    "broadcast": lambda w: (
        mean(f"x: f32[n,{w}], y: f32[{w}]", "  d = mul x, x\n  e = mul d, y\n"),
        [(4096, w), (w,)], (), lambda np, x, y: np.mean(x * x * y)),
    "sliced": lambda w: (
        mean(f"x: f32[n,{w + 1}]", f"  e = slice x {{start = [0,1], limit = [n,{w + 1}]}}\n"),
        [(4096, w + 1)], (), lambda np, x: np.mean(x[:, 1:])),
    "transposed": lambda w: (
        mean(f"x: f32[n,{w}], y: f32[{w},n]", "  v = transpose y {perm = [1,0]}\n  e = mul x, v\n"),
        [(4096, w), (w, 4096)], (), lambda np, x, y: np.mean(x * y.T)),
    "broadcast, symbolic": lambda w: (
        mean("x: f32[n,t], y: f32[t]", "  d = mul x, x\n  e = mul d, y\n"),
        [(4096, w), (w,)], (), lambda np, x, y: np.mean(x * x * y)),
    "softmax, symbolic": lambda w: (
        "func f(x: f32[n,t]) -> l: f32[n,t] {\n  l = softmax x\n  return l\n}\n",
        [(4096, w)], (4096, w),
        lambda np, x: np.exp(x - x.max(1, keepdims=True)) / np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True)),
}


def contenders(kind, width):
    import jax
    import jax.numpy as jnp

    text, shapes, shape, peer = KINDS[kind](width)
    arrays = [drawn(*s) for s in shapes]
    out = np.zeros(shape, np.float32)
    program = harness.Tenon(args.library, "tenon 1\nmodule m\n" + DIMS + text, 1)
    bound = program.bind("f", arrays, [out])
    bound()
    given = [jnp.asarray(a) for a in arrays]
    jitted = jax.jit(lambda *a: peer(jnp, *a))
    np.testing.assert_allclose(out, np.asarray(jitted(*given)), rtol=2e-3, atol=2e-3, err_msg=f"{kind} {width}")
    return {"tenon": bound, "jax": lambda: jitted(*given).block_until_ready()}


def main():
    low, _, high = args.widths.partition("-")
    probe = harness.Probe(args.probe, 1)
    missed = 0
    print(f"{'':22}{'width':>6}{'us':>9}{'JAX us':>9}{'ratio':>7}{'neighbour':>11}")
    for kind in args.only or KINDS:
        before = None
        for width in range(int(low), int(high or low) + 1):
            figures = harness.measure(contenders(kind, width), probe, sample=0.003, limit=args.limit)
            (ours, kept), (theirs, kept_peer) = figures["tenon"], figures["jax"]
            ratio, step = theirs / ours, 1.0 if before is None else max(ours / before, before / ours)
            bad = ratio < ASKED or step > NEIGHBOUR
            missed += bad
            mark = ("  MISSED" if bad else "") + ("" if min(kept, kept_peer) >= 9 else "  ?")
            print(f"{kind:22}{width:6}{ours * 1e6:9.1f}{theirs * 1e6:9.1f}{ratio:7.2f}{step:11.2f}{mark}", flush=True)
            before = ours
    print(f"asked: at least {ASKED} of JAX's speed, neighbours within {NEIGHBOUR}x: "
          + ("met" if missed == 0 else f"MISSED in {missed} rows"))


main()
