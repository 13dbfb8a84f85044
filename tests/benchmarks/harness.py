"""What the Python benchmarks share: Tenon through its C API, and timing in turns under the probe of bench.h."""

import bisect
import ctypes as c
import json
import statistics
import time

import numpy as np

DTYPES = {"float64": 0, "float32": 1, "int32": 6, "int64": 7, "uint8": 8}


class Tensor(c.Structure):
    _fields_ = [("data", c.c_void_p), ("dtype", c.c_int), ("rank", c.c_uint32), ("shape", c.POINTER(c.c_int64))]


class FitOptions(c.Structure):
    _fields_ = [
        ("size_of", c.c_uint32), ("batch", c.c_uint32), ("epochs", c.c_uint32), ("progress", c.c_int32),
        ("step", c.c_char_p), ("in_order", c.c_int32), ("shuffle", c.c_int32), ("seed", c.c_uint64),
        ("validate", c.c_void_p), ("until", c.c_char_p), ("until_value", c.c_double), ("history", c.c_char_p),
        ("on_epoch", c.c_void_p), ("context", c.c_void_p),
    ]


def tensor(array):
    shape = (c.c_int64 * max(1, array.ndim))(*array.shape)
    t = Tensor(array.ctypes.data, DTYPES[str(array.dtype)], array.ndim, shape)
    t.keep = (array, shape)
    return t


def save_safetensors(path, arrays):
    """f32 arrays by name, in the format of huggingface.co/docs/safetensors."""
    header, end = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


class Tenon:
    """A program of one module, its state and a session."""

    def __init__(self, library, text, threads, options=()):
        self.lib = c.CDLL(library)
        for name in ("tenon_error_text",):
            getattr(self.lib, name).restype = c.c_char_p
        self.module, self.program = c.c_void_p(), c.c_void_p()
        self.state, self.session = c.c_void_p(), c.c_void_p()
        started = time.perf_counter()
        data = text.encode()
        self.call("tenon_module_parse", data, c.c_size_t(len(data)), None, c.byref(self.module))
        settings = c.c_void_p()
        self.call("tenon_options_new", c.byref(settings))
        for key, value in options:
            self.call("tenon_options_set", settings, key.encode(), value.encode())
        self.call("tenon_compile", self.module, settings, c.byref(self.program))
        self.compile_seconds = time.perf_counter() - started
        self.call("tenon_state_init", self.program, c.c_uint64(1), c.byref(self.state))
        self.call("tenon_session_new", self.program, self.state, c.c_uint32(threads), c.byref(self.session))

    def call(self, name, *arguments):
        error = c.c_void_p()
        if getattr(self.lib, name)(*arguments, c.byref(error)) != 0:
            raise RuntimeError(self.lib.tenon_error_text(error).decode())

    def set(self, name, array):
        t = tensor(np.ascontiguousarray(array))
        self.call("tenon_state_set", self.state, name.encode(), c.byref(t))

    def get(self, name, array):
        """Fills `array` with a tensor of the state."""
        out = c.c_void_p()
        self.call("tenon_state_get", self.state, name.encode(), c.byref(out))
        self.lib.tenon_array_view.restype = Tensor
        c.memmove(array.ctypes.data, self.lib.tenon_array_view(out).data, array.nbytes)
        self.lib.tenon_array_free(out)
        return array

    def bind(self, entry, inputs, outputs):
        """A function without arguments that runs the entry on these arrays."""
        ins, outs = [tensor(a) for a in inputs], [tensor(a) for a in outputs]
        a, b = (Tensor * len(ins))(*ins), (Tensor * len(outs))(*outs)
        handle = c.c_void_p()
        self.call("tenon_call_new", self.session, entry.encode(), a, c.c_uint32(len(ins)), b,
                  c.c_uint32(len(outs)), c.byref(handle))
        run = self.lib.tenon_call_run

        def bound(keep=(ins, outs)):
            if run(handle, None) != 0:
                raise RuntimeError("the call failed")

        return bound

    def fit(self, names, arrays, batch, epochs):
        """A function without arguments that trains on these columns."""
        tensors = [tensor(a) for a in arrays]
        data = c.c_void_p()
        self.call("tenon_data_new", (c.c_char_p * len(names))(*[n.encode() for n in names]),
                  (Tensor * len(tensors))(*tensors), c.c_uint32(len(names)), c.byref(data))
        options = FitOptions(size_of=c.sizeof(FitOptions), batch=batch, epochs=epochs)

        def run():
            self.call("tenon_session_fit", self.session, data, c.byref(options), None)

        return run


class Probe:
    def __init__(self, library, threads):
        self.lib, self.threads, self.rates = c.CDLL(library), threads, []
        self.lib.bench_probe.restype = c.c_double
        self.lib.bench_team_probe.restype = c.c_double

    def __call__(self):
        rate = self.lib.bench_probe() if self.threads == 1 else self.lib.bench_team_probe(self.threads)
        bisect.insort(self.rates, rate)
        return rate

    def peak(self):
        """What one in ten of all runs reaches: the best of all may be a clock that ticked oddly."""
        return self.rates[(len(self.rates) - 1) * 9 // 10]


def measure(contenders, probe, wanted=9, sample=0.02, limit=60.0):
    """contenders: name -> function. Seconds of one run each, and how many samples counted.

    One thread is measured by the process' processor time, a team by the wall clock."""
    clock = time.process_time if probe.threads == 1 else time.perf_counter
    repeats, samples = {}, {name: [] for name in contenders}
    for name, run in contenders.items():
        run()
        least = 1e9
        for _ in range(3):
            start = clock()
            run()
            least = min(least, clock() - start)
        repeats[name] = max(1, int(sample / max(least, 1e-7)))
    for _ in range(20):
        probe()
    begin = time.perf_counter()
    while True:
        for name, run in contenders.items():
            before = probe()
            run()
            start = clock()
            for _ in range(repeats[name]):
                run()
            seconds = (clock() - start) / repeats[name]
            samples[name].append((seconds, min(before, probe())))
        floor = 0.95 * probe.peak()
        kept = {n: [s for s, p in v if p >= floor] for n, v in samples.items()}
        if min(len(v) for v in kept.values()) >= wanted or time.perf_counter() - begin > limit:
            break
    return {
        name: (statistics.median(kept[name] or [s for s, _ in samples[name]]), len(kept[name]))
        for name in contenders
    }


def report(figures, unit, label, wanted=9):
    ours = figures["tenon"][0]
    for name, (seconds, kept) in figures.items():
        mark = "" if kept >= wanted else f"   ? {kept} samples counted"
        print(f"  {name:<16} {seconds * unit:12.1f} {label}  {seconds / ours:8.2f} x Tenon{mark}")
