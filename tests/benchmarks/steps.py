"""Table 14: training steps of networks that see, beside PyTorch and JAX in one run.

    steps.py --threads N --library libtenon.so --probe libprobe.so [--network lenet|resnet18|dcgan|unet]

The steps are timed in turns in one process; memory is the peak of a process of each contender's own.
"""

import argparse
import subprocess
import sys
import time

import peers

parser = argparse.ArgumentParser()
parser.add_argument("--probe")
parser.add_argument("--network", action="append")
parser.add_argument("--memory", help="of one contender, in MiB, after a few steps")
args = peers.parsed(parser, limit=90.0)

import numpy as np

import backends
import harness
import networks

STEPS = 4
random = np.random.default_rng(2)


def pictures(batch, size, channels):
    return (2 * random.random((batch, size, size, channels)) - 1).astype(np.float32)


def labels(shape, classes):
    return random.integers(0, classes, shape).astype(np.int32)


class Network:
    """losses: name -> (body, inputs, parameters that its step trains); the steps run in that order."""

    def __init__(self, batch, optimizer, asked, losses):
        self.batch, self.optimizer, self.asked, self.losses = batch, optimizer, asked, losses


def dcgan():
    real, noise = pictures(64, 28, 1), random.standard_normal((64, 64)).astype(np.float32)
    return Network(64, "adam", 1.2, {"told": (networks.told, {"image": real, "z": noise}, "d."),
                                     "fooled": (networks.fooled, {"z": noise}, "g.")})


def classifier(network, optimizer, asked, image, label, classes=10):
    inputs = {"image": pictures(*image), "label": labels(label, classes)}
    return Network(image[0], optimizer, asked, {"loss": (networks.classified(network), inputs, "")})


NETWORKS = {
    "lenet": lambda: classifier(networks.lenet, "adam", 2.5, (64, 28, 1), 64),
    "resnet18": lambda: classifier(networks.resnet18, "momentum", 1.1, (32, 32, 3), 32),
    "dcgan": dcgan,
    "unet": lambda: classifier(networks.unet, "adam", 1.2, (8, 64, 3), (8, 64, 64), 4),
}
RATE = {"adam": 1e-3, "momentum": 0.01}


def functions(network, parameters):
    text = backends.Text(parameters)
    for name, (body, inputs, _) in network.losses.items():
        types = {n: ({"float32": "f32", "int32": "i32"}[str(a.dtype)], ("n",) + a.shape[1:]) for n, a in inputs.items()}
        text.function(name, types, body)
    return text


def tenon(network, parameters):
    text, steps = functions(network, parameters), []
    for name, (_, _, prefix) in network.losses.items():
        over = f"over = [{prefix}*], " if prefix else ""
        steps.append(f"derive {name}.step = step {name} {{{over}with = {network.optimizer} {{lr = {RATE[network.optimizer]}}}}}\n")
    options = [("bind", f"n={network.batch}"), ("epochs", "false"),
               ("functions", ",".join(n + ".step" for n in network.losses))]
    program = harness.Tenon(args.library, text.text("network", steps), args.threads, options)
    for name, value in text.globals.items():
        program.set(name, value)
    calls = []
    for name, (_, inputs, _) in network.losses.items():
        loss = np.zeros((), np.float32)
        calls.append((program.bind(name + ".step", list(inputs.values()), [loss]), loss))

    def run():
        for call, _ in calls:
            call()
        return [float(loss) for _, loss in calls]

    return run, 0


def with_torch(network, parameters, compiled):
    """In the memory format that it is faster in; and the seconds it took to find that out."""
    channels_last, spent = peers.faster_format(
        network, lambda channels_last: torch_steps(network, parameters, False, channels_last))
    return torch_steps(network, parameters, compiled, channels_last), spent


def torch_steps(network, parameters, compiled, channels_last):
    import torch

    torch.set_num_threads(args.threads)
    torch._dynamo.reset()
    layers = backends.Torch(parameters, channels_last)
    parts = []
    for name, (body, arrays, prefix) in network.losses.items():
        inputs = [layers.input(a) for a in arrays.values()]
        body(layers, *inputs)  # makes the parameters
        parts.append((body, inputs, prefix))
    steps = []
    for body, inputs, prefix in parts:
        own = [t for n, t in layers.p.items() if n.startswith(prefix) and t.requires_grad]
        optimizer = (torch.optim.Adam(own, lr=RATE["adam"], fused=True) if network.optimizer == "adam" else
                     torch.optim.SGD(own, lr=RATE["momentum"], momentum=0.9, fused=True))

        def forward(*inputs, body=body):
            return body(layers, *inputs)

        def step(forward=torch.compile(forward) if compiled else forward, inputs=inputs, optimizer=optimizer, own=own):
            optimizer.zero_grad(set_to_none=True)
            loss = forward(*inputs)
            loss.backward(inputs=own)
            optimizer.step()
            return loss.detach()

        if compiled == "whole":
            step = torch.compile(step)
        steps.append(step)

    def run():
        return [float(step()) for step in steps]

    return run


def with_jax(network, parameters):
    import jax
    import jax.numpy as jnp

    layers = backends.Jax(parameters)
    names = dict.fromkeys(n for n, a in parameters.arrays.items() if not n.endswith((".mean", ".variance")))
    p = {n: jnp.asarray(parameters.arrays[n]) for n in names}
    parts = []
    for body, arrays, prefix in network.losses.values():
        own = [n for n in p if n.startswith(prefix)]

        def step(trained, rest, m, v, t, *inputs, body=body):
            def loss_of(trained):
                layers.p = {**rest, **trained}
                return body(layers, *inputs)

            loss, g = jax.value_and_grad(loss_of)(trained)
            t = t + 1
            if network.optimizer == "adam":
                m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
                v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
                c1, c2 = 1 - 0.9**t, 1 - 0.999**t
                change = jax.tree.map(lambda m, v: (m / c1) / (jnp.sqrt(v / c2) + 1e-8), m, v)
            else:
                m = change = jax.tree.map(lambda m, g: 0.9 * m + g, m, g)
            trained = jax.tree.map(lambda p, c: p - RATE[network.optimizer] * c, trained, change)
            return trained, m, v, t, loss

        zeros = {n: jnp.zeros_like(p[n]) for n in own}
        parts.append([jax.jit(step, donate_argnums=(0, 2, 3)), own, zeros,
                      {n: jnp.zeros_like(p[n]) for n in own}, jnp.float32(0),
                      [layers.input(a) for a in arrays.values()]])

    def run():
        out = []
        for part in parts:
            step, own, m, v, t, inputs = part
            trained = {n: p[n] for n in own}
            rest = {n: a for n, a in p.items() if n not in trained}
            trained, part[2], part[3], part[4], loss = step(trained, rest, m, v, t, *inputs)
            p.update(trained)
            out.append(loss)
        return [float(loss.block_until_ready()) for loss in out]

    return run, 0


CONTENDERS = {
    "tenon": tenon,
    "torch eager": lambda n, p: with_torch(n, p, False),
    "torch compiled": lambda n, p: with_torch(n, p, True),
    "torch one graph": lambda n, p: with_torch(n, p, "whole"),
    "jax jit": with_jax,
}


def made(contender, network, parameters):
    """Its step, the losses of the first ones, and seconds until the first was done."""
    functions(network, parameters)  # draws the parameters, whichever contender comes first
    begin = time.perf_counter()
    run, choosing = CONTENDERS[contender](network, parameters)
    losses = [run()]
    seconds = time.perf_counter() - begin - choosing
    return run, losses + [run() for _ in range(STEPS - 1)], seconds


def memory(contender, name):
    """MiB at the peak of a process that runs this contender's steps alone."""
    command = [sys.executable, "-W", "ignore", __file__, "--threads", str(args.threads), "--library", args.library,
               "--network", name, "--memory", contender]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else float("nan")


def table(name):
    network, parameters = NETWORKS[name](), backends.Parameters()
    runs, losses, seconds = {}, {}, {}
    for contender in CONTENDERS:
        try:
            runs[contender], losses[contender], seconds[contender] = made(contender, network, parameters)
        except ImportError as error:
            print(f"skipped: {contender}: {error}")
        except Exception as error:  # what a peer cannot compile
            print(f"skipped: {contender}: {type(error).__name__}")
    for contender, values in losses.items():
        np.testing.assert_allclose(values, losses["tenon"], rtol=2e-2, err_msg=contender)
    figures = harness.measure(runs, harness.Probe(args.probe, args.threads), limit=args.limit)
    print(f"{name}: a training step, batch {network.batch}, {network.optimizer}, {args.threads} thread(s), ms a step")
    harness.report(figures, 1e3, "ms")
    for contender, took in seconds.items():
        print(f"  {contender:<16} first step after {took:8.2f} s, {memory(contender, name):8.0f} MiB at the peak")
    others = [(s, n) for n, (s, _) in figures.items() if n != "tenon"]
    if others:
        best, asked = min(others), network.asked
        ratio = best[0] / figures["tenon"][0]
        print(f"  {ratio:.2f}x the best of them ({best[1]}), asked {asked}x: {'met' if ratio >= asked else 'MISSED'}")


if args.memory:
    made(args.memory, NETWORKS[args.network[0]](), backends.Parameters())
    print(peers.mebibytes("VmHWM"))
else:
    for name in args.network or NETWORKS:
        table(name)
