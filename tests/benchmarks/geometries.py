"""Values and gradients in f64 beside PyTorch: convolutions of drawn geometries, transposed ones, pools, resizing,
padding, windows, normalizations, activations, losses.

    geometries.py --tenon build/release/bin/tenon [--count 1000] [--seed 1] [--only conv,pool] [--batch 25]

Asked of every element of a result and of its gradients, of the sum of the result weighted by drawn numbers: a
difference of at most 1e-12 of the largest element that PyTorch gives, or of 1 where that is smaller. Prints a
line for each kind, and what differs; the status is 1 where something did. Needs numpy and torch, and is no
part of tests/run.sh.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from geometry_cases import KINDS

BOUND = 1e-12


def type_of(array):
    return ("f64" if array.dtype == np.float64 else "i64") + "[" + ",".join(map(str, array.shape)) + "]"


def expected(case, rng):
    """Drawn weights of the result, and by PyTorch the result and its gradients; None where a case is none."""
    tensors = {n: torch.from_numpy(a.copy()) for n, a in case.operands.items()}
    for name in case.wrt:
        tensors[name].requires_grad_(True)
    y = case.oracle(**tensors)
    if y.numel() == 0 or not torch.isfinite(y).all():
        return None
    c = np.asarray(rng.uniform(-1, 1, tuple(y.shape)))
    gradients = torch.autograd.grad((y * torch.from_numpy(c)).sum(), [tensors[n] for n in case.wrt], allow_unused=True)
    zeros = (torch.zeros_like(tensors[n]) if g is None else g for n, g in zip(case.wrt, gradients))
    return c, y.detach().numpy(), {n: g.numpy() for n, g in zip(case.wrt, zeros)}


def functions(i, case, c):
    """The operation as function y<i>, the gradients of its weighted sum as g<i>."""
    given = ", ".join(f"{n}: {type_of(a)}" for n, a in case.operands.items())
    names, result = ", ".join(case.operands), type_of(c)
    text = f"func y{i}({given}) -> {result} {{\n  result{case.more} = {case.statement}\n  return result\n}}\n"
    if not case.wrt:
        return text
    return text + (
        f"func l{i}({given}, weights: {result}) -> f64[] {{\n  result = call y{i}({names})\n"
        f"  products = mul result, weights\n  total = reduce_sum products\n  return total\n}}\n"
        f"derive g{i} = grad l{i} {{wrt = [{', '.join(case.wrt)}]}}\n"
    )


def run(tenon, cases, answers):
    """What `tenon run` gives for all of them in one function: {(i, name): array}, or an error's text."""
    text, inputs, results, lines, returned = "tenon 1\nmodule m\n", [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        command = [tenon, "run", f"{folder}/m.tenon", "all"]

        def write(name, array):
            np.save(f"{folder}/{name}.npy", array)
            command.extend(["--input", f"{name}=@{folder}/{name}.npy"])
            inputs.append(f"{name}: {type_of(array)}")

        def result(i, name, array):
            label = f"r.{name}.{i}"
            command.extend(["--output", f"{label}=@{folder}/{label}.npy"])
            results.append(f"{label}: {type_of(array)}")
            returned.append((i, name, f"v.{name}.{i}", label))

        for i, (case, (c, y, gradients)) in enumerate(zip(cases, answers)):
            text += functions(i, case, c)
            for name, array in case.operands.items():
                write(f"{name}.{i}", array)
            operands = ", ".join(f"{n}.{i}" for n in case.operands)
            lines.append(f"  v.result.{i} = call y{i}({operands})")
            result(i, "result", y)
            if not case.wrt:
                continue
            write(f"weights.{i}", c)
            lines.append("  " + ", ".join(f"v.{n}.{i}" for n in case.wrt) + f" = call g{i}({operands}, weights.{i})")
            for name in case.wrt:
                result(i, name, gradients[name])
        text += f"func all({', '.join(inputs)}) -> {', '.join(results)} {{\n" + "\n".join(lines)
        text += "\n  return " + ", ".join(r[2] for r in returned) + "\n}\n"
        with open(f"{folder}/m.tenon", "w", encoding="utf-8") as file:
            file.write(text)
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            return ran.stderr.strip()
        return {(i, name): np.load(f"{folder}/{label}.npy") for i, name, _, label in returned}


def difference(found, wanted):
    if found.shape != wanted.shape:
        return float("inf")
    worst = np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max())
    return worst if worst == worst else float("inf")


class Judge:
    def __init__(self, tenon):
        self.tenon, self.worst, self.failures, self.count = tenon, 0.0, [], 0

    def __call__(self, cases, answers):
        got = run(self.tenon, cases, answers)
        if isinstance(got, str):
            if len(cases) == 1:
                self.count += 1
                self.failures.append(f"{cases[0].told}\n    refused: {got}")
                return
            for case, answer in zip(cases, answers):
                self([case], [answer])
            return
        self.count += len(cases)
        for i, (case, (_, y, gradients)) in enumerate(zip(cases, answers)):
            for name, wanted in [("result", y), *gradients.items()]:
                worst = difference(got[i, name], wanted)
                self.worst = max(self.worst, worst)
                if worst > BOUND:
                    self.failures.append(f"{case.told}\n    {name}: off by {worst:.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", default="build/release/bin/tenon")
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind that is drawn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(KINDS), help="kinds, joined by commas: " + ", ".join(KINDS))
    parser.add_argument("--batch", type=int, default=25, help="cases of one module")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for kind in args.only.split(","):
        if kind not in KINDS:
            parser.error(f"no kind is named {kind}: {', '.join(KINDS)}")
        rng, judge, started, none = np.random.default_rng(args.seed), Judge(args.tenon), time.time(), 0
        cases, answers = [], []
        draws = KINDS[kind](rng)
        while judge.count + len(cases) < args.count:
            case = next(draws, None)
            if case is None:
                break
            answer = expected(case, rng)
            if answer is None:
                none += 1
                continue
            cases.append(case)
            answers.append(answer)
            if len(cases) == args.batch:
                judge(cases, answers)
                cases, answers = [], []
        if cases:
            judge(cases, answers)
        print(f"{kind:14} {judge.count:5} cases, worst {judge.worst:.2g}, {len(judge.failures)} wrong, "
              f"{none} left out, {time.time() - started:.0f} s", flush=True)
        for text in judge.failures[:20]:
            print("  " + text)
        failed = failed or bool(judge.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
