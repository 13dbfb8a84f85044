"""Table 15: networks that see, from equal weights beside OpenVINO, ONNX Runtime, PyTorch's Inductor and JAX in one run.

    inference.py --threads N --library libtenon.so --probe libprobe.so [--network resnet50|mobilenet_v2|unet]
                 [--batch 1|8]

Everyone knows the weights when it compiles. The networks are timed in turns in one process; the seconds until
the first result and the memory are those of a process of each contender's own.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time

import peers

parser = argparse.ArgumentParser()
parser.add_argument("--probe")
parser.add_argument("--network", action="append")
parser.add_argument("--batch", action="append", type=int)
parser.add_argument("--alone", help="one contender: seconds until its first result, MiB held and at the peak")
args = peers.parsed(parser, limit=60.0)

import numpy as np

import backends
import harness
import networks

NETWORKS = {"resnet50": (networks.resnet50, 224), "mobilenet_v2": (networks.mobilenet_v2, 224), "unet": (networks.unet, 256)}


def predict(body, image, parameters):
    """The network as text, and the shape of its result; draws the parameters."""
    text = backends.Text(parameters, training=False)
    return text, text.function("predict", {"image": ("f32", ("n",) + image.shape[1:])}, body)


def tenon(body, image, parameters):
    text, shape = predict(body, image, parameters)
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "weights.safetensors")
        harness.save_safetensors(weights, {**text.globals, **text.states})
        options = [("functions", "predict"), ("bind", f"n={len(image)}"), ("bake", "*"), ("params", weights),
                   ("fold_scales", "true")]
        program = harness.Tenon(args.library, text.text("network", []), args.threads, options)
    scores = np.zeros((len(image),) + shape[1:], np.float32)
    call = program.bind("predict", [image], [scores])

    def run():
        call()
        return scores

    return run, 0


def torch_run(body, image, parameters, channels_last, compiled):
    import torch

    torch.set_num_threads(args.threads)
    layers = backends.Torch(parameters, channels_last, training=False)
    x = layers.input(image)
    forward = lambda x: body(layers, x)
    with torch.no_grad():
        forward(x)  # makes the parameters

        class Module(torch.nn.Module):  # what freezing takes the weights from
            def __init__(self):
                super().__init__()
                for name, p in layers.p.items():
                    self.register_buffer(name.replace(".", "_"), p)

            def forward(self, x):
                kept, layers.p = layers.p, {n: getattr(self, n.replace(".", "_")) for n in layers.p}
                try:
                    return body(layers, x)
                finally:
                    layers.p = kept

        module = Module().eval()
        if compiled:
            import torch._inductor.config

            torch._dynamo.reset()
            torch._inductor.config.freezing = True
            module = torch.compile(module)

    def run():
        with torch.no_grad():
            y = module(x)
        return (y.permute(0, 2, 3, 1) if y.ndim == 4 else y).numpy()

    return run


def inductor(body, image, parameters):
    channels_last, spent = peers.faster_format(
        (body, len(image)), lambda channels_last: torch_run(body, image, parameters, channels_last, False))
    return torch_run(body, image, parameters, channels_last, True), spent


def onnx_model(body, image, parameters):
    return backends.Onnx(parameters).model({"image": image}, body)


def last(y):
    return np.moveaxis(y, 1, -1) if y.ndim == 4 else y


def onnxruntime(body, image, parameters):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    session = onnxruntime.InferenceSession(onnx_model(body, image, parameters), options, providers=["CPUExecutionProvider"])
    x = np.ascontiguousarray(np.moveaxis(image, -1, 1))
    return lambda: last(session.run(None, {"image": x})[0]), 0


def openvino(body, image, parameters):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(onnx_model(body, image, parameters)), "CPU", settings).create_infer_request()
    x = np.ascontiguousarray(np.moveaxis(image, -1, 1))

    def run():
        request.infer([x], share_inputs=True, share_outputs=True)
        return last(request.get_output_tensor().data)

    return run, 0


def with_jax(body, image, parameters):
    import jax
    import jax.numpy as jnp

    layers = backends.Jax(parameters, training=False)
    p = {n: jnp.asarray(a) for n, a in parameters.arrays.items()}

    @jax.jit
    def forward(p, x):
        layers.p = p
        return body(layers, x)

    x = jnp.asarray(image)
    return lambda: np.asarray(forward(p, x)), 0


CONTENDERS = {"tenon": tenon, "openvino": openvino, "onnxruntime": onnxruntime, "inductor": inductor, "jax": with_jax}


def made(contender, name, batch):
    body, size = NETWORKS[name]
    image = np.random.default_rng(2).uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    parameters = backends.Parameters(trained=True)
    predict(body, image, parameters)  # draws the parameters, whichever contender comes first
    begin = time.perf_counter()
    run, choosing = CONTENDERS[contender](body, image, parameters)
    result = run().copy()
    return run, result, time.perf_counter() - begin - choosing


def alone(contender, name, batch):
    command = [sys.executable, "-W", "ignore", __file__, "--threads", str(args.threads), "--library", args.library,
               "--network", name, "--batch", str(batch), "--alone", contender]
    done = subprocess.run(command, capture_output=True, text=True)
    return [float(f) for f in done.stdout.split()[-3:]] if done.returncode == 0 else [math.nan] * 3


def table(name, batch):
    runs, results = {}, {}
    for contender in CONTENDERS:
        try:
            runs[contender], results[contender], _ = made(contender, name, batch)
        except ImportError as error:
            print(f"skipped: {contender}: {error}")
        except Exception as error:  # what a peer cannot compile
            if contender == "tenon":
                raise
            print(f"skipped: {contender}: {type(error).__name__}: {str(error)[:200]}")
    largest = abs(results["tenon"]).max()
    for contender, result in results.items():
        assert abs(result - results["tenon"]).max() <= 1e-3 * largest, contender
    figures = harness.measure(runs, harness.Probe(args.probe, args.threads), limit=args.limit)
    print(f"{name}: inference, batch {batch}, {args.threads} thread(s), ms")
    harness.report(figures, 1e3, "ms")
    for contender in results:
        seconds, held, peak = alone(contender, name, batch)
        print(f"  {contender:<16} first result after {seconds:8.2f} s, {held:8.0f} MiB held, {peak:8.0f} at the peak")
    others = [(s, n) for n, (s, _) in figures.items() if n != "tenon"]
    if not others:
        return None
    ratio = min(others)[0] / figures["tenon"][0]
    print(f"  {ratio:.2f}x the best of them ({min(others)[1]}), asked 0.95x: {'met' if ratio >= 0.95 else 'MISSED'}", flush=True)
    return ratio


if args.alone:
    run, _, seconds = made(args.alone, args.network[0], args.batch[0])
    run()
    print(seconds, peers.mebibytes("VmRSS"), peers.mebibytes("VmHWM"))
else:
    ratios = [table(name, batch) for name in args.network or NETWORKS for batch in args.batch or (1, 8)]
    ratios = [r for r in ratios if r]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean {mean:.2f}x, asked 1.00x: {'met' if mean >= 1 else 'MISSED'}")
