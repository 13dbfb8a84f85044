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

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--library", required=True)
parser.add_argument("--probe")
parser.add_argument("--network", action="append")
parser.add_argument("--batch", action="append", type=int)
parser.add_argument("--alone", help="one contender: seconds until its first result, MiB held and at the peak")
parser.add_argument("--limit", type=float, default=60.0)
args = parser.parse_args()
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(args.threads)
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"

import numpy as np

import backends
import harness
import networks

NETWORKS = {"resnet50": (networks.resnet50, 224), "mobilenet_v2": (networks.mobilenet_v2, 224), "unet": (networks.unet, 256)}


def tenon(body, image, parameters):
    text = backends.Text(parameters, training=False)
    text.function("predict", {"image": ("f32", ("n",) + image.shape[1:])}, body)
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "weights.safetensors")
        harness.save_safetensors(weights, {**text.globals, **text.states})
        options = [("functions", "predict"), ("bind", f"n={len(image)}"), ("bake", "*"), ("params", weights),
                   ("fold_scales", "true")]
        program = harness.Tenon(args.library, text.text("network", []), args.threads, options)
    shape = {"resnet50": (1000,), "mobilenet_v2": (1000,), "unet": (256, 256, 4)}[body.__name__]
    scores = np.zeros((len(image),) + shape, np.float32)
    call = program.bind("predict", [image], [scores])

    def run():
        call()
        return scores

    return run


FORMATS = {}  # network and batch -> whether PyTorch is faster in channels_last


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
    key = (body.__name__, len(image))
    if key not in FORMATS:
        seconds = {}
        for channels_last in (True, False):
            run = torch_run(body, image, parameters, channels_last, False)
            run()
            begin = time.process_time()
            run()
            seconds[channels_last] = time.process_time() - begin
        FORMATS[key] = min(seconds, key=seconds.get)
    return torch_run(body, image, parameters, FORMATS[key], True)


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
    return lambda: last(session.run(None, {"image": x})[0])


def openvino(body, image, parameters):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(onnx_model(body, image, parameters)), "CPU", settings).create_infer_request()
    x = np.ascontiguousarray(np.moveaxis(image, -1, 1))

    def run():
        request.infer([x], share_inputs=True, share_outputs=True)
        return last(request.get_output_tensor().data)

    return run


def with_jax(body, image, parameters):
    import jax
    import jax.numpy as jnp

    layers = backends.Jax(parameters, training=False)
    functions_of(body, image, parameters)
    p = {n: jnp.asarray(a) for n, a in parameters.arrays.items()}

    @jax.jit
    def forward(p, x):
        layers.p = p
        return body(layers, x)

    x = jnp.asarray(image)
    return lambda: np.asarray(forward(p, x))


def functions_of(body, image, parameters):
    """Draws the parameters, whichever contender comes first."""
    backends.Text(parameters, training=False).function("predict", {"image": ("f32", ("n",) + image.shape[1:])}, body)


CONTENDERS = {"tenon": tenon, "openvino": openvino, "onnxruntime": onnxruntime, "inductor": inductor, "jax": with_jax}


def made(contender, name, batch):
    body, size = NETWORKS[name]
    image = np.random.default_rng(2).uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    parameters = backends.Parameters(trained=True)
    functions_of(body, image, parameters)
    begin = time.perf_counter()
    run = CONTENDERS[contender](body, image, parameters)
    result = run().copy()
    return run, result, time.perf_counter() - begin


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
    peers = [(s, n) for n, (s, _) in figures.items() if n != "tenon"]
    if not peers:
        return None
    ratio = min(peers)[0] / figures["tenon"][0]
    print(f"  {ratio:.2f}x the best of them ({min(peers)[1]}), asked 0.95x: {'met' if ratio >= 0.95 else 'MISSED'}", flush=True)
    return ratio


def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024


if args.alone:
    run, _, seconds = made(args.alone, args.network[0], args.batch[0])
    run()
    print(seconds, status("VmRSS"), status("VmHWM"))  # not ru_maxrss: that of the process it was forked from counts there
else:
    ratios = [table(name, batch) for name in args.network or NETWORKS for batch in args.batch or (1, 8)]
    ratios = [r for r in ratios if r]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean {mean:.2f}x, asked 1.00x: {'met' if mean >= 1 else 'MISSED'}")
