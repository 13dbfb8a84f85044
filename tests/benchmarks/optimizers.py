"""Every optimizer and schedule beside PyTorch's over 100 updates in f64: the largest difference of a parameter, over
the largest of its tensor. Not a benchmark: what is measured is whether the formulas are the same.

    optimizers.py --library libtenon.so
"""

import argparse
import sys

import numpy as np
import torch
from torch import optim
from torch.optim import lr_scheduler

import harness

parser = argparse.ArgumentParser()
parser.add_argument("--library", required=True)
args = parser.parse_args()
torch.set_default_dtype(torch.float64)

STEPS, LIMIT = 100, 1e-12
random = np.random.default_rng(5)
START = {"w": random.uniform(-1, 1, (3, 4)), "b": random.uniform(-1, 1, 5)}
GRADIENTS = [
    {n: random.normal(size=p.shape) * 10.0 ** random.integers(-3, 2, p.shape) for n, p in START.items()}
    for _ in range(STEPS)
]

# The gradients are what the step is called with.
TEXT = """tenon 1
module m
param w : f64[3,4]
param b : f64[5]
func loss(x: f64[3,4], y: f64[5]) -> f64[] {{
  a = mul w, x
  s = reduce_sum a
  c = mul b, y
  t = reduce_sum c
  l = add s, t
  return l
}}
derive train = step loss {{batch = none, {options}}}
"""


def tenon(options):
    program = harness.Tenon(args.library, TEXT.format(options=options), 1, [("functions", "train")])
    for name, value in START.items():
        program.set(name, value)
    inputs = [np.zeros((3, 4)), np.zeros(5)]
    run = program.bind("train", inputs, [np.zeros(())])
    seen = []
    for gradients in GRADIENTS:
        inputs[0][...], inputs[1][...] = gradients["w"], gradients["b"]
        run()
        seen.append({n: program.get(n, np.zeros_like(p)) for n, p in START.items()})
    average = {}
    if "average" in options:
        average = {n: program.get(n + ".average", np.zeros_like(p)) for n, p in START.items()}
    return seen, average


def peer(make, schedule=None, clip=None, groups=None, average=None):
    p = {n: torch.nn.Parameter(torch.tensor(v)) for n, v in START.items()}
    optimizer = make(groups(p) if groups else list(p.values()))
    scheduler = schedule(optimizer) if schedule else None
    model = torch.nn.ParameterDict(p)
    ema = average and optim.swa_utils.AveragedModel(model, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(average))
    seen = []
    for gradients in GRADIENTS:
        for n, v in p.items():
            v.grad = torch.tensor(gradients[n])
        if clip:
            clip(list(p.values()))
        optimizer.step()
        if scheduler:
            scheduler.step()
        if ema:
            ema.update_parameters(model)
        seen.append({n: v.detach().numpy().copy() for n, v in p.items()})
    return seen, {n: ema.module[n].detach().numpy() for n in p} if ema else {}


class Lion(optim.Optimizer):
    """As in the program of the paper, algorithm 2; PyTorch has none."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(m * beta1 + p.grad * (1 - beta1))
                p.sub_(group["lr"] * (update + group["weight_decay"] * p))
                m.mul_(beta2).add_(p.grad, alpha=1 - beta2)


def sgd(lr=0.1, **more):
    return lambda p: optim.SGD(p, lr=lr, **more)


def warmed(first, then, updates):
    """A line from `first` of the rate, then a schedule, as SequentialLR puts them together."""
    return lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, first, 1.0, updates), then(o)], milestones=[updates])


norms = torch.nn.utils.clip_grad_norm_
OPTIMIZERS = {
    "sgd {lr = 0.1}": sgd(),
    "momentum {lr = 0.1, momentum = 0.8}": sgd(momentum=0.8),
    "momentum {lr = 0.1, nesterov = true}": sgd(momentum=0.9, nesterov=True),
    "adagrad": optim.Adagrad,
    "adagrad {lr = 0.1, eps = 0.01, initial = 0.5}":
        lambda p: optim.Adagrad(p, lr=0.1, eps=0.01, initial_accumulator_value=0.5),
    "adagrad {lr = inverse_time {from = 0.1, factor = 0.05}}": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.05),
    "adadelta": optim.Adadelta,
    "adadelta {lr = 0.5, rho = 0.8, eps = 0.01}": lambda p: optim.Adadelta(p, lr=0.5, rho=0.8, eps=0.01),
    "rmsprop": optim.RMSprop,
    "rmsprop {rho = 0.8, eps = 0.01, momentum = 0.7, centered = true}":
        lambda p: optim.RMSprop(p, alpha=0.8, eps=0.01, momentum=0.7, centered=True),
    "adam": optim.Adam,
    "adam {lr = 0.1, beta1 = 0.8, beta2 = 0.9, eps = 0.01}":
        lambda p: optim.Adam(p, lr=0.1, betas=(0.8, 0.9), eps=0.01),
    "adam {lr = 0.01, beta2 = 0.5, amsgrad = true}":
        lambda p: optim.Adam(p, lr=0.01, betas=(0.9, 0.5), amsgrad=True),
    "adamw": optim.AdamW,
    "adamw {lr = 0.1, amsgrad = true}, decay = 0.2": lambda p: optim.AdamW(p, lr=0.1, amsgrad=True, weight_decay=0.2),
    "adamax": optim.Adamax,
    "adamax {lr = 0.1, beta1 = 0.5, beta2 = 0.9, eps = 0.01}":
        lambda p: optim.Adamax(p, lr=0.1, betas=(0.5, 0.9), eps=0.01),
    "nadam": optim.NAdam,
    "nadam {lr = 0.1, beta1 = 0.8, beta2 = 0.9, eps = 0.01, fall = 0.5}":
        lambda p: optim.NAdam(p, lr=0.1, betas=(0.8, 0.9), eps=0.01, momentum_decay=0.5),
    "lion": Lion,
    "lion {lr = 0.1}, decay = 0.1": lambda p: Lion(p, lr=0.1, weight_decay=0.1),
    "sgd {lr = 0.1}, decay = 0.1": sgd(weight_decay=0.1),
    "momentum {lr = 0.1}, decay = 0.1": sgd(momentum=0.9, weight_decay=0.1),
    "adagrad, decay = 0.1": lambda p: optim.Adagrad(p, weight_decay=0.1),
    "adadelta, decay = 0.1": lambda p: optim.Adadelta(p, weight_decay=0.1),
    "rmsprop, decay = 0.1": lambda p: optim.RMSprop(p, weight_decay=0.1),
    "adam, decay = 0.1": lambda p: optim.Adam(p, weight_decay=0.1),
    "adamax, decay = 0.1": lambda p: optim.Adamax(p, weight_decay=0.1),
    "nadam, decay = 0.1": lambda p: optim.NAdam(p, weight_decay=0.1),
}
SCHEDULES = {
    "constant {value = 0.1, warmup = 10, warmup_from = 0.025}": lambda o: lr_scheduler.LinearLR(o, 0.25, 1.0, 10),
    "linear {from = 0.1, to = 0.02, steps = 60}": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, 60),
    "polynomial {from = 0.1, steps = 60, power = 2}": lambda o: lr_scheduler.PolynomialLR(o, 60, 2.0),
    "exponential {from = 0.1, factor = 0.97}": lambda o: lr_scheduler.ExponentialLR(o, 0.97),
    "exponential {from = 0.1, factor = 0.5, steps = 30, staircase = true}": lambda o: lr_scheduler.StepLR(o, 30, 0.5),
    "inverse_time {from = 0.1, factor = 0.5, steps = 10}":
        lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + 0.05 * t)),
    "piecewise {values = [0.1, 0.05, 0.025], at = [20, 60]}": lambda o: lr_scheduler.MultiStepLR(o, [20, 60], 0.5),
    "cosine {from = 0.1, to = 0.001, steps = 100}": lambda o: lr_scheduler.CosineAnnealingLR(o, 100, 0.001),
    "cosine {from = 0.1, to = 0.001, steps = 80, warmup = 20, warmup_from = 0.01}":
        warmed(0.1, lambda o: lr_scheduler.CosineAnnealingLR(o, 80, 0.001), 20),
    "linear {from = 0.1, steps = 70, warmup = 15, warmup_from = 0.02}":
        warmed(0.2, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, 70), 15),
    "one_cycle {peak = 0.1, steps = 101}":
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=101, cycle_momentum=False),
    "one_cycle {peak = 0.1, steps = 101, rise = 0.4, anneal = linear, three_phase = true}":
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=101, pct_start=0.4, anneal_strategy="linear",
                                          three_phase=True, cycle_momentum=False),
}
OPTIONS = {
    "sgd {lr = 0.1}, clip = {value = 0.5}": {"clip": lambda p: torch.nn.utils.clip_grad_value_(p, 0.5)},
    "sgd {lr = 0.1}, clip = {norm = 2}": {"clip": lambda p: [norms([v], 2.0) for v in p]},
    "sgd {lr = 0.1}, clip = {global_norm = 2}": {"clip": lambda p: norms(p, 2.0)},
    "sgd {lr = 0.1}, average = 0.9": {"average": 0.9},
    "sgd {lr = 0.1}, lr_factor = {b = 10}, decay = {w = 0.1}": {
        "groups": lambda p: [{"params": [p["w"]], "weight_decay": 0.1}, {"params": [p["b"]], "lr": 1.0}]},
}


def difference(ours, theirs):
    steps = list(zip(ours[0], theirs[0])) + [(ours[1], theirs[1])]
    return max((np.abs(a[n] - b[n]).max() / np.abs(b[n]).max() for a, b in steps for n in b), default=0.0)


def main():
    cases = {o: {"make": m} for o, m in OPTIMIZERS.items()}
    cases |= {f"sgd {{lr = {s}}}": {"make": sgd(), "schedule": m} for s, m in SCHEDULES.items()}
    cases |= {o: {"make": sgd(), **more} for o, more in OPTIONS.items()}
    # A rate and a momentum that go through a cycle together.
    cases["momentum {lr = one_cycle {peak = 0.1, steps = 101}, "
          "momentum = one_cycle {peak = 0.85, from = 0.95, to = 0.95, steps = 101}}"] = {
        "make": sgd(momentum=0.9), "schedule": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=101)}
    largest = 0.0
    for options, how in cases.items():
        found = difference(tenon("with = " + options), peer(**how))
        largest = max(largest, found)
        print(f"{found:8.1e}  {options}{'' if found <= LIMIT else '   TOO LARGE'}")
    print(f"{largest:8.1e}  the largest of {len(cases)}; PyTorch {torch.__version__}, {STEPS} updates in f64")
    return int(largest > LIMIT)


sys.exit(main())
