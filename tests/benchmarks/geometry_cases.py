"""Cases of geometries.py: a statement of Tenon, its operands, and the same by PyTorch.

A kind is a generator of cases: an endless one draws, the others end when all has been said.
"""

from dataclasses import dataclass, field
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F


@dataclass
class Case:
    statement: str
    operands: dict
    oracle: Callable
    wrt: list = field(default_factory=list)
    more: str = ""  # names of results behind the first

    @property
    def told(self):
        shapes = ", ".join(f"{n}{list(a.shape)}" for n, a in self.operands.items())
        return f"{self.statement}   {shapes}"


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def listed(rng, n, *choices):
    return [int(pick(rng, *choices)) for _ in range(n)]


def uniform(rng, *shape):
    return rng.uniform(-1, 1, shape)


def attributes(**values):
    def text(v):
        return {True: "true", False: "false"}[v] if isinstance(v, bool) else str(v)

    return "{" + ", ".join(f"{k} = {text(v)}" for k, v in values.items() if v is not None) + "}"


class Image:
    """x [batch, spatial..., channels] or, channels first, [batch, channels, spatial...]."""

    def __init__(self, rng, extents, channels):
        self.first = bool(rng.integers(4) == 0)
        self.spatial = len(extents)
        n = int(rng.integers(1, 4))
        self.array = uniform(rng, n, channels, *extents) if self.first else uniform(rng, n, *extents, channels)
        self.layout = "channels_first" if self.first else None

    def to_first(self, t):
        return t if self.first else t.movedim(-1, 1)

    def back(self, t):
        return t if self.first else t.movedim(1, -1)


def padded(x, low, high, value=0.0):
    """x [n, c, spatial...] with padding, which may be negative."""
    sides = [p for pair in zip(reversed(low), reversed(high)) for p in pair]
    return F.pad(x, sides, value=value)


def same_padding(extents, taps, stride, dilation):
    low, high = [], []
    for e, k, s, d in zip(extents, taps, stride, dilation):
        every = max(0, (-(-e // s) - 1) * s + (k - 1) * d + 1 - e)
        low.append(every // 2)
        high.append(every - every // 2)
    return low, high


def by_rank(name, spatial):
    return getattr(F, f"{name}{spatial}d")


# --- Convolutions ----------------------------------------------------------------------------------------------


def weights(rng, first, taps, inner, outer):
    return uniform(rng, outer, inner, *taps) if first else uniform(rng, *taps, inner, outer)


def weights_first(w, first):
    """[outer, inner, taps...]"""
    return (w if first else w.movedim(-1, 0).movedim(-1, 1)).contiguous()


def conv(rng):
    while True:
        spatial = int(pick(rng, 1, 1, 2, 2, 2, 3))
        groups = int(pick(rng, 1, 1, 1, 2, 3, 8))
        inner, outer = int(rng.integers(1, 5)) if groups < 8 else 1, int(rng.integers(1, 5)) * groups
        extents = listed(rng, spatial, *range(1, {1: 25, 2: 11, 3: 7}[spatial]))
        taps = listed(rng, spatial, *([1, 2, 3, 3, 5] if spatial < 3 else [1, 2, 3]))
        stride, dilation = listed(rng, spatial, 1, 1, 2, 3), listed(rng, spatial, 1, 1, 2, 3)
        reach = [(k - 1) * d + 1 for k, d in zip(taps, dilation)]
        same = rng.integers(6) == 0
        if same:
            low, high = same_padding(extents, taps, stride, dilation)
        else:  # up to beyond the window, and negative
            low = [int(rng.integers(-1, r + 3)) for r in reach]
            high = [int(rng.integers(-1, r + 3)) for r in reach]
        if any(e + l + h < r or e + min(l, 0) + min(h, 0) < 1 for e, l, h, r in zip(extents, low, high, reach)):
            continue
        image = Image(rng, extents, inner * groups)
        operands = {"x": image.array, "w": weights(rng, image.first, taps, inner, outer)}
        if rng.integers(2):
            operands["b"] = uniform(rng, outer)
        attrs = attributes(
            stride=stride, dilation=dilation, groups=groups, layout=image.layout, padding="same" if same else None,
            low=None if same else low, high=None if same else high,
        )

        def oracle(x, w, b=None, i=image, s=stride, d=dilation, g=groups, lo=low, hi=high):
            w = weights_first(w, i.first)
            return i.back(by_rank("conv", i.spatial)(padded(i.to_first(x), lo, hi), w, b, s, 0, d, g))

        yield Case(f"conv{spatial}d {', '.join(operands)} {attrs}", operands, oracle, list(operands))


def conv_transpose(rng):
    while True:
        spatial = int(pick(rng, 1, 1, 2, 2, 3))
        groups = int(pick(rng, 1, 1, 1, 2, 3))
        inner, out = int(rng.integers(1, 4)) * groups, int(rng.integers(1, 4))
        extents = listed(rng, spatial, *range(1, {1: 15, 2: 7, 3: 5}[spatial]))
        taps, stride = listed(rng, spatial, 1, 2, 3, 4), listed(rng, spatial, 1, 1, 2, 3)
        dilation = listed(rng, spatial, 1, 1, 2)
        reach = [(k - 1) * d + 1 for k, d in zip(taps, dilation)]
        same = rng.integers(5) == 0
        if same:
            every = [r - s for r, s in zip(reach, stride)]
            low = [max(0, e) // 2 for e in every]
            high = [e - l for e, l in zip(every, low)]
        else:
            low = [int(rng.integers(-2, r + 1)) for r in reach]
            high = [int(rng.integers(-2, r + 1)) for r in reach]
        if any((e - 1) * s + r - l - h < 1 or (e - 1) * s + r - max(l, 0) - max(h, 0) < 1
               for e, s, r, l, h in zip(extents, stride, reach, low, high)):
            continue
        image = Image(rng, extents, inner)
        operands = {"x": image.array, "w": weights(rng, image.first, taps, out, inner)}
        if rng.integers(2):
            operands["b"] = uniform(rng, out * groups)
        attrs = attributes(
            stride=stride, dilation=dilation, groups=groups, layout=image.layout, padding="same" if same else None,
            low=None if same else low, high=None if same else high,
        )

        def oracle(x, w, b=None, i=image, s=stride, d=dilation, g=groups, lo=low, hi=high):
            w = weights_first(w, i.first)
            y = by_rank("conv_transpose", i.spatial)(i.to_first(x), w, None, s, 0, 0, g, d)
            y = padded(y, [-l for l in lo], [-h for h in hi])
            y = y if b is None else y + b.view(1, -1, *[1] * i.spatial)
            return i.back(y)

        yield Case(f"conv_transpose{spatial}d {', '.join(operands)} {attrs}", operands, oracle, list(operands))


# --- Pools -----------------------------------------------------------------------------------------------------


def window_sums(x, size, stride, dilation):
    ones = torch.ones(x.shape[1], 1, *size, dtype=x.dtype)
    return by_rank("conv", len(size))(x, ones, None, stride, 0, dilation, x.shape[1])


def pool(rng):
    while True:
        spatial, largest = int(pick(rng, 1, 2, 2, 3)), bool(rng.integers(2))
        extents = listed(rng, spatial, *range(1, {1: 25, 2: 11, 3: 7}[spatial]))
        size, stride = listed(rng, spatial, 1, 2, 3, 4), listed(rng, spatial, 1, 2, 3)
        image = Image(rng, extents, int(rng.integers(1, 5)))
        counted, ceil = bool(rng.integers(2)), False
        if rng.integers(2):  # as PyTorch has them
            dilation = listed(rng, spatial, 1, 1, 2) if largest else [1] * spatial
            low = high = [int(rng.integers(0, k // 2 + 1)) for k in size]
            ceil = bool(rng.integers(2))

            def oracle(x, i=image, z=size, s=stride, d=dilation, p=low, c=ceil, n=counted, m=largest):
                x = i.to_first(x)
                if m:
                    return i.back(by_rank("max_pool", i.spatial)(x, z, s, p, d, c))
                return i.back(by_rank("avg_pool", i.spatial)(x, z, s, p, c, n))

        else:
            dilation = listed(rng, spatial, 1, 1, 2)
            reach = [(k - 1) * d + 1 for k, d in zip(size, dilation)]
            low = [int(rng.integers(0, r)) for r in reach]
            high = [int(rng.integers(0, r)) for r in reach]

            def oracle(x, i=image, z=size, s=stride, d=dilation, lo=low, hi=high, n=counted, m=largest):
                x = i.to_first(x)
                if m:
                    return i.back(by_rank("max_pool", i.spatial)(padded(x, lo, hi, -torch.inf), z, s, 0, d))
                count = np.prod(z) if n else window_sums(padded(torch.ones_like(x), lo, hi), z, s, d)
                return i.back(window_sums(padded(x, lo, hi), z, s, d) / count)

        room = [e + l + h - (k - 1) * d - 1 for e, l, h, k, d in zip(extents, low, high, size, dilation)]
        if any(r < 0 for r in room):
            continue
        if spatial == 3 and not largest and any(e < k for e, k in zip(extents, size)):
            continue  # avg_pool3d looks at x without its padding
        attrs = attributes(
            size=size, stride=stride, dilation=dilation, low=low, high=high, layout=image.layout,
            count_padding=None if largest else counted, ceil_mode=ceil,
        )
        name = f"{'max' if largest else 'avg'}_pool{spatial}d"
        yield Case(f"{name} x {attrs}", {"x": image.array}, oracle, ["x"])


def adaptive(rng):
    while True:
        spatial, name = int(pick(rng, 1, 2, 2, 3)), str(pick(rng, "avg", "max"))
        extents = listed(rng, spatial, *range(1, {1: 25, 2: 13, 3: 7}[spatial]))
        size = listed(rng, spatial, *range(1, {1: 12, 2: 8, 3: 5}[spatial]))
        image = Image(rng, extents, int(rng.integers(1, 4)))

        def oracle(x, i=image, z=size, m=name):
            return i.back(by_rank(f"adaptive_{m}_pool", i.spatial)(i.to_first(x), z))

        attrs = attributes(size=size, layout=image.layout)
        yield Case(f"adaptive_{name}_pool x {attrs}", {"x": image.array}, oracle, ["x"])


# --- Elements at other places ----------------------------------------------------------------------------------


def float_rule_holds(extents, size, exact):
    """PyTorch finds the nearest element with a scale of 32 bits, which may miss a whole number."""
    for e, n in zip(extents, size):
        scale = np.float32(e) / np.float32(n)
        for i in range(n):
            at = np.floor((np.float32(i) + np.float32(0.5)) * scale) if exact else np.floor(np.float32(i) * scale)
            if int(at) != ((2 * i + 1) * e // (2 * n) if exact else i * e // n):
                return False
    return True


def resize(rng):
    torch_names = {1: "linear", 2: "bilinear", 3: "trilinear"}
    while True:
        spatial = int(pick(rng, 1, 2, 2, 3))
        extents = listed(rng, spatial, *range(1, {1: 20, 2: 9, 3: 6}[spatial]))
        scale = listed(rng, spatial, 1, 2, 3, 4) if rng.integers(3) == 0 else None
        size = listed(rng, spatial, *range(1, {1: 40, 2: 14, 3: 8}[spatial]))
        if scale is not None:
            size = [e * s for e, s in zip(extents, scale)]
        method = str(pick(rng, "nearest", "linear", "cubic"))
        coordinates = str(pick(rng, "half_pixel", "asymmetric" if method == "nearest" else "align_corners"))
        exact = coordinates == "half_pixel"
        if (method == "cubic" and spatial == 3) or (method == "nearest" and not float_rule_holds(extents, size, exact)):
            continue
        image = Image(rng, extents, int(rng.integers(1, 4)))

        def oracle(x, i=image, z=size, m=method, e=exact):
            x = i.to_first(x)
            if m == "nearest":
                return i.back(F.interpolate(x, z, mode="nearest-exact" if e else "nearest"))
            if m == "linear":
                return i.back(F.interpolate(x, z, mode=torch_names[i.spatial], align_corners=not e))
            if i.spatial == 1:
                return i.back(F.interpolate(x.unsqueeze(2), [1, *z], mode="bicubic", align_corners=not e).squeeze(2))
            return i.back(F.interpolate(x, z, mode="bicubic", align_corners=not e))

        attrs = attributes(
            size=None if scale else size, scale=scale, method=method, coordinates=coordinates, layout=image.layout
        )
        yield Case(f"resize x {attrs}", {"x": image.array}, oracle, ["x"])


def pad(rng):
    names = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    while True:
        mode, spatial = str(pick(rng, "edge", "reflect", "symmetric", "wrap")), int(pick(rng, 1, 2, 3))
        extents = listed(rng, spatial, *range(1, {1: 20, 2: 8, 3: 5}[spatial]))
        most = [e - 1 if mode == "reflect" else e + 3 if mode == "edge" else e for e in extents]
        low, high = ([int(rng.integers(0, min(m, 6) + 1)) for m in most] for _ in range(2))
        x = uniform(rng, int(rng.integers(1, 4)), int(rng.integers(1, 4)), *extents)

        def oracle(x, lo=low, hi=high, m=mode):
            if m != "symmetric":
                return F.pad(x, [p for pair in zip(reversed(lo), reversed(hi)) for p in pair], names[m])
            for d, (l, h) in enumerate(zip(lo, hi)):
                x = x.index_select(d + 2, torch.from_numpy(np.pad(np.arange(x.shape[d + 2]), (l, h), m)))
            return x

        yield Case(f"pad_{mode} x {attributes(low=[0, 0, *low], high=[0, 0, *high])}", {"x": x}, oracle, ["x"])


def windows(rng):
    """unfold and fold; PyTorch has them in two dimensions, of which one may be 1."""
    while True:
        spatial, back = int(pick(rng, 1, 2)), bool(rng.integers(2))
        extents = listed(rng, spatial, *range(1, {1: 25, 2: 9}[spatial]))
        size, stride = listed(rng, spatial, 1, 2, 3), listed(rng, spatial, 1, 2, 3)
        dilation, padding = listed(rng, spatial, 1, 1, 2), listed(rng, spatial, 0, 1, 3)
        results = [(e + 2 * p - (k - 1) * d - 1) // s + 1
                   for e, p, k, d, s in zip(extents, padding, size, dilation, stride)]
        if any(r < 1 for r in results):
            continue
        channels = int(rng.integers(1, 4))
        image = Image(rng, results if back else extents, channels * int(np.prod(size)) if back else channels)
        attrs = attributes(
            extents=extents if back else None, size=size, stride=stride, dilation=dilation, low=padding, high=padding,
            layout=image.layout,
        )

        def oracle(x, i=image, z=size, s=stride, d=dilation, p=padding, e=extents, r=results, b=back):
            line, taps = i.spatial == 1, int(np.prod(z))
            two = [[1, *v] if line else v for v in (z, d, [0, *p] if line else p, s, e)]
            size2, dilation2, padding2, stride2, extents2 = two
            padding2 = [0, *p] if line else p
            x = i.to_first(x)
            if b:  # channels last counts taps first
                c = x.shape[1] // taps
                if not i.first:
                    x = x.reshape(x.shape[0], taps, c, *r).transpose(1, 2)
                y = F.fold(x.reshape(x.shape[0], c * taps, -1), extents2, size2, dilation2, padding2, stride2)
                return i.back(y.squeeze(2) if line else y)
            c = x.shape[1]
            y = F.unfold(x.unsqueeze(2) if line else x, size2, dilation2, padding2, stride2)
            if not i.first:
                y = y.reshape(y.shape[0], c, taps, -1).transpose(1, 2)
            return i.back(y.reshape(y.shape[0], c * taps, *r))

        yield Case(f"{'fold' if back else 'unfold'} x {attrs}", {"x": image.array}, oracle, ["x"])


def shuffle(rng):
    while True:
        factor, back = int(rng.integers(1, 4)), bool(rng.integers(2))
        extents, channels = listed(rng, 2, 1, 2, 3, 4), int(rng.integers(1, 4))
        image = Image(rng, [e * factor for e in extents] if back else extents,
                      channels if back else channels * factor**2)

        def oracle(x, i=image, f=factor, b=back):
            return i.back((F.pixel_unshuffle if b else F.pixel_shuffle)(i.to_first(x), f))

        attrs = attributes(factor=factor, layout=image.layout)
        yield Case(f"pixel_{'un' if back else ''}shuffle x {attrs}", {"x": image.array}, oracle, ["x"])


# --- Normalizations, activations, losses -----------------------------------------------------------------------


def norm(rng):
    while True:
        name = str(pick(rng, "group", "instance", "layer", "rms", "local", "batch"))
        groups, spatial = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        channels = groups * int(rng.integers(1, 4))
        image = Image(rng, listed(rng, spatial, 2, 3, 4, 5), channels)
        features = image.array.shape[-1] if name in ("layer", "rms") else channels
        operands = {"x": image.array}
        many = 2 if name == "batch" else 0 if name == "local" else int(rng.integers(3))
        for operand in ("scale", "offset")[: min(many, 1 if name == "rms" else 2)]:
            operands[operand] = uniform(rng, features)
        axis = 1 if image.first else None
        if name == "batch":
            operands |= {"mean": uniform(rng, channels), "variance": rng.uniform(0.5, 2, channels)}
        attrs = attributes(
            groups=groups if name == "group" else None, axis=axis if name not in ("layer", "rms") else None,
            size=int(rng.integers(1, 6)) if name == "local" else None, alpha=0.3 if name == "local" else None,
            epsilon=None if name == "local" else 1e-5,
        )

        def oracle(x, scale=None, offset=None, mean=None, variance=None, i=image, g=groups, m=name, a=attrs):
            if m == "layer":
                return F.layer_norm(x, x.shape[-1:], scale, offset, 1e-5)
            if m == "rms":
                return F.rms_norm(x, x.shape[-1:], scale, 1e-5)
            x = i.to_first(x)
            if m == "group":
                return i.back(F.group_norm(x, g, scale, offset, 1e-5))
            if m == "instance":
                y = F.instance_norm(x, weight=scale, bias=offset, eps=1e-5)
                y.register_hook(lambda g: g.contiguous())  # PyTorch 2.15 is wrong where it is not, and the batch is 1
                return i.back(y)
            if m == "batch":
                return i.back(F.batch_norm(x, mean, variance, scale, offset, False, 0.1, 1e-5))
            return i.back(F.local_response_norm(x, int(a.split("size = ")[1][0]), 0.3, 0.75, 1.0))

        statement = f"{name}_{'response_norm' if name == 'local' else 'norm'} {', '.join(operands)} {attrs}"
        if name == "batch":
            statement = "batch_norm " + statement.split(" ", 1)[1]
        more = ", kept, spread" if name == "batch" else ""
        yield Case(statement, operands, oracle, [o for o in operands if o not in ("mean", "variance")], more)


# (The slope of F.hardsigmoid is 1/6 in 32 bits.)
ACTIVATIONS = {
    "relu x": F.relu, "relu6 x": F.relu6, "gelu x": F.gelu, "gelu x {approximate = tanh}":
    lambda x: F.gelu(x, approximate="tanh"), "silu x": F.silu, "mish x": F.mish, "elu x": F.elu,
    "elu x {alpha = 0.5}": lambda x: F.elu(x, 0.5), "celu x {alpha = 2.0}": lambda x: F.celu(x, 2.0), "selu x": F.selu,
    "softsign x": F.softsign, "log_sigmoid x": F.logsigmoid, "leaky_relu x": F.leaky_relu,
    "leaky_relu x {slope = 0.3}": lambda x: F.leaky_relu(x, 0.3), "glu x": F.glu, "glu x {axis = 0}":
    lambda x: F.glu(x, 0), "hard_sigmoid x":
    lambda x: F.relu6(x + 3) / 6, "hard_swish x": F.hardswish, "hard_tanh x": F.hardtanh,
    "hard_tanh x {low = -0.5, high = 2.0}": lambda x: F.hardtanh(x, -0.5, 2.0), "tanh x": torch.tanh,
    "sigmoid x": torch.sigmoid, "softmax x": lambda x: F.softmax(x, -1), "softmax x {axis = 0}":
    lambda x: F.softmax(x, 0), "log_softmax x": lambda x: F.log_softmax(x, -1), "softplus x":
    lambda x: F.softplus(x, threshold=1e9),
}


def activation(rng):
    for statement, oracle in ACTIVATIONS.items():
        for width in (0.5, 4, 20):
            yield Case(statement, {"x": width * uniform(rng, 6, 10)}, lambda x, o=oracle: o(x), ["x"])
    for channels, shape in ((1, (3, 5)), (5, (3, 5)), (4, (2, 3, 4))):
        yield Case("prelu x, slope", {"x": uniform(rng, *shape), "slope": uniform(rng, channels)},
                   lambda x, slope: F.prelu(x.movedim(-1, 1), slope).movedim(1, -1), ["x", "slope"])


def loss(rng):
    n, k = 7, 5
    x, y = (2 * uniform(rng, n, k) for _ in range(2))
    probabilities, labels = rng.dirichlet(np.ones(k), n), rng.integers(0, k, n)
    bits, signs = rng.integers(0, 2, (n, k)).astype(np.float64), rng.choice([-1.0, 1.0], n)
    weight = rng.uniform(0.5, 2, k)

    def rows(losses, r):
        return losses if r == "none" else losses.mean() if r == "mean" else losses.sum()

    for r in ("mean", "sum", "none"):
        at = f"reduce = {r}"
        pair, classes = {"x": x, "y": y}, {"x": x, "labels": labels}
        yield Case(f"mse x, y {{{at}}}", pair, lambda x, y, r=r: F.mse_loss(x, y, reduction=r), ["x", "y"])
        yield Case(f"huber x, y {{{at}, delta = 0.7}}", pair,
                   lambda x, y, r=r: F.huber_loss(x, y, reduction=r, delta=0.7), ["x", "y"])
        yield Case(f"smooth_l1 x, y {{{at}, beta = 0.7}}", pair,
                   lambda x, y, r=r: F.smooth_l1_loss(x, y, reduction=r, beta=0.7), ["x", "y"])
        for s in (0.0, 0.2):
            yield Case(f"cross_entropy x, labels {{{at}, smoothing = {s}}}", classes,
                       lambda x, labels, r=r, s=s: F.cross_entropy(x, labels, reduction=r, label_smoothing=s), ["x"])
        yield Case(f"soft_cross_entropy x, y {{{at}}}", {"x": x, "y": probabilities},
                   lambda x, y, r=r: F.cross_entropy(x, y, reduction=r), ["x", "y"])
        yield Case(f"nll x, labels {{{at}}}", classes, lambda x, labels, r=r: F.nll_loss(x, labels, reduction=r), ["x"])
        yield Case(f"multiclass_hinge x, labels {{{at}}}", classes,
                   lambda x, labels, r=r: F.multi_margin_loss(x, labels, reduction=r) * k, ["x"])
        yield Case(f"kl_divergence x, y {{{at}}}", {"x": x, "y": probabilities},
                   lambda x, y, r=r: rows(F.kl_div(x, y, reduction="none").sum(-1), r), ["x", "y"])
        yield Case(f"binary_cross_entropy x, y {{{at}}}", {"x": x, "y": bits},
                   lambda x, y, r=r: F.binary_cross_entropy_with_logits(x, y, reduction=r), ["x"])
        yield Case(f"binary_cross_entropy x, y, w {{{at}}}", {"x": x, "y": bits, "w": weight},
                   lambda x, y, w, r=r: F.binary_cross_entropy_with_logits(x, y, reduction=r, pos_weight=w), ["x"])
        for margin in (0.0, 0.3):
            yield Case(f"cosine_embedding_loss x, y, t {{{at}, margin = {margin}}}", {"x": x, "y": y, "t": signs},
                       lambda x, y, t, r=r, m=margin: F.cosine_embedding_loss(x, y, t, m, reduction=r), ["x", "y"])
    yield Case("cosine_similarity x, y", {"x": x, "y": y}, lambda x, y: F.cosine_similarity(x, y, -1), ["x", "y"])


KINDS = {
    "conv": conv, "conv_transpose": conv_transpose, "pool": pool, "adaptive": adaptive, "resize": resize, "pad": pad,
    "windows": windows, "shuffle": shuffle, "norm": norm, "activation": activation, "loss": loss,
}
