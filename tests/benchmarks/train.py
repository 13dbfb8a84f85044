"""Table 12: a training step 784-128-10, batch 64, Adam, no dropout, beside PyTorch and JAX in one run.

    train.py --threads N --library libtenon.so --probe libprobe.so
"""

import argparse
import time

import peers

parser = argparse.ArgumentParser()
parser.add_argument("--probe", required=True)
args = peers.parsed(parser, limit=60.0)

import numpy as np

import harness

BATCH, STEPS = 64, 20
random = np.random.default_rng(1)
image = random.random((BATCH, 784), dtype=np.float32)
label = random.integers(0, 10, BATCH).astype(np.int32)
start = {
    "fc1.w": random.uniform(-0.08, 0.08, (784, 128)).astype(np.float32),
    "fc1.b": np.zeros(128, np.float32),
    "fc2.w": random.uniform(-0.2, 0.2, (128, 10)).astype(np.float32),
    "fc2.b": np.zeros(10, np.float32),
}

TEXT = """tenon 1
module mlp
dim batch = 1..256
param fc1.w : f32[784,128] = glorot_uniform
param fc1.b : f32[128] = zeros
param fc2.w : f32[128,10] = glorot_uniform
param fc2.b : f32[10] = zeros
hyper lr = 0.001 : f32
func loss(x: f32[batch,784], label: i32[batch]) -> loss: f32[] {
  h0 = dense x, fc1.w, fc1.b
  h = relu h0
  z = dense h, fc2.w, fc2.b
  l = cross_entropy z, label
  return l
}
derive train = step loss {with = adam {lr = lr}}
"""


def tenon():
    options = [("bind", f"batch={BATCH}"), ("epochs", "false"), ("functions", "train")]
    program = harness.Tenon(args.library, TEXT, args.threads, options)
    for name, value in start.items():
        program.set(name, value)
    loss = np.zeros((), np.float32)
    run = program.bind("train", [image, label], [loss])
    losses = []
    for _ in range(STEPS):
        run()
        losses.append(float(loss))
    return run, losses, program.compile_seconds


def with_torch(compiled):
    import torch

    torch.set_num_threads(args.threads)
    p = {n: torch.tensor(v, requires_grad=True) for n, v in start.items()}
    optimizer = torch.optim.Adam(p.values(), lr=1e-3, fused=True)
    x, y = torch.from_numpy(image), torch.from_numpy(label.astype(np.int64))

    def forward(x, y):
        h = torch.relu(torch.addmm(p["fc1.b"], x, p["fc1.w"]))
        return torch.nn.functional.cross_entropy(torch.addmm(p["fc2.b"], h, p["fc2.w"]), y)

    if compiled:
        forward = torch.compile(forward)

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    begin = time.perf_counter()
    losses = [float(run())]
    seconds = time.perf_counter() - begin
    losses += [float(run()) for _ in range(STEPS - 1)]
    return run, losses, seconds


def with_jax():
    import jax
    import jax.numpy as jnp

    x, y = jnp.asarray(image), jnp.asarray(label)

    def loss_of(p):
        h = jax.nn.relu(x_ @ p["fc1.w"] + p["fc1.b"])
        z = h @ p["fc2.w"] + p["fc2.b"]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y_[:, None], 1))

    x_ = y_ = None

    def step(p, m, v, t, x, y):
        nonlocal x_, y_
        x_, y_ = x, y
        loss, g = jax.value_and_grad(loss_of)(p)
        t = t + 1
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        p = jax.tree.map(lambda p, m, v: p - 1e-3 * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), p, m, v)
        return p, m, v, t, loss

    jitted = jax.jit(step, donate_argnums=(0, 1, 2, 3))
    p = {n: jnp.array(a) for n, a in start.items()}
    state = [p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), jnp.float32(0)]

    def run():
        *state[:], loss = jitted(*state, x, y)
        return loss.block_until_ready()

    begin = time.perf_counter()
    losses = [float(run())]
    seconds = time.perf_counter() - begin
    losses += [float(run()) for _ in range(STEPS - 1)]
    return run, losses, seconds


def main():
    makers = {
        "tenon": tenon,
        "torch eager": lambda: with_torch(False),
        "torch compiled": lambda: with_torch(True),
        "jax jit": with_jax,
    }
    runs, compile_seconds, losses = {}, {}, {}
    for name, make in makers.items():
        try:
            runs[name], losses[name], compile_seconds[name] = make()
        except ImportError as error:
            print(f"skipped: {name}: {error}")
    for name, values in losses.items():
        np.testing.assert_allclose(values, losses["tenon"], rtol=2e-3, err_msg=name)
    figures = harness.measure(runs, harness.Probe(args.probe, args.threads), limit=args.limit)
    print(f"training step 784-128-10, batch {BATCH}, Adam, {args.threads} thread(s), us a step")
    harness.report(figures, 1e6, "us")
    for name, seconds in compile_seconds.items():
        if name != "torch eager":
            print(f"  {name:<16} compiled in {seconds:8.3f} s")
    best = min((s, n) for n, (s, _) in figures.items() if n != "tenon") if len(figures) > 1 else None
    if best:
        ratio, asked = best[0] / figures["tenon"][0], 1.4 if args.threads == 1 else 1.8
        print(f"  {ratio:.2f}x the best of them ({best[1]}), asked {asked}x: {'met' if ratio >= asked else 'MISSED'}")
    if "torch compiled" in compile_seconds:
        ratio = compile_seconds["torch compiled"] / compile_seconds["tenon"]
        print(f"  compile time 1/{ratio:.0f} of torch.compile's, asked 1/20: {'met' if ratio >= 20 else 'MISSED'}")


main()
