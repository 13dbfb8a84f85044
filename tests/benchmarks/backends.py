"""Layers under one set of names, for Tenon's text, PyTorch, JAX and ONNX: networks.py is written in them.

Arrays are [batch, height, width, channels]; parameters are drawn once, by name, in Tenon's layouts, and every
backend starts from them. Backends that are not `training` normalize with running statistics.
"""

import math

import numpy as np


class Parameters:
    """Arrays by name, drawn when they are first asked for; `trained`: not what training begins with, zeros and ones."""

    def __init__(self, seed=1, trained=False):
        self.random, self.arrays, self.trained = np.random.default_rng(seed), {}, trained

    def take(self, name, shape, kind):
        if name not in self.arrays:
            if kind == "weights":
                limit = math.sqrt(6 / (math.prod(shape[:-1]) + shape[-1]))
                array = self.random.uniform(-limit, limit, shape)
            else:
                middle = {"zeros": 0, "ones": 1}[kind]
                array = middle + self.random.uniform(-0.2, 0.2, shape) if self.trained else np.full(shape, middle)
            self.arrays[name] = array.astype(np.float32)
        return self.arrays[name]


# --- Backends ---------------------------------------------------------------------------------------------------


class Text:
    """Writes the functions of a Tenon module. A value is its name and shape; "n" is the batch."""

    def __init__(self, parameters, training=True):
        self.parameters, self.training = parameters, training
        self.globals, self.functions, self.states = {}, [], {}

    def function(self, name, inputs, body):
        """inputs: name -> (dtype, shape); `body` gives the function's result. The result's shape."""
        self.lines, self.sets, self.count = [], [], 0
        result = body(self, *[(n, shape) for n, (_, shape) in inputs.items()])
        arguments = ", ".join(f"{n}: {dtype}[{self.extents(shape)}]" for n, (dtype, shape) in inputs.items())
        sets = "".join(f"  set {g} = {v}\n" for g, v in self.sets)
        self.functions.append(f"func {name}({arguments}) -> result: f32[{self.extents(result[1])}] {{\n" +
                              "".join(self.lines) + sets + f"  return {result[0]}\n}}\n")
        return result[1]

    def text(self, name, steps):
        head = f"tenon 1\nmodule {name}\ndim n = 1..256\n"
        for kind, known in (("param", self.globals), ("state", self.states)):
            for g, array in known.items():
                ones = "ones" if array.size and array.flat[0] == 1 and kind == "state" else "zeros"
                head += f"{kind} {g} : f32[{self.extents(array.shape)}] = {ones}\n"
        return head + "".join(self.functions) + "".join(steps)

    @staticmethod
    def extents(shape):
        return ",".join(str(e) for e in shape)

    def param(self, name, shape, kind):
        self.globals[name] = self.parameters.take(name, shape, kind)
        return name

    def state(self, name, shape, kind):
        self.states[name] = self.parameters.take(name, shape, kind)
        return name

    def add_line(self, operation, shape, results=1):
        names = [f"v{self.count + i}" for i in range(results)]
        self.count += results
        self.lines.append(f"  {', '.join(names)} = {operation}\n")
        return (names[0], shape) if results == 1 else names

    def window(self, extent, taps, stride, pad):
        return (extent + 2 * pad - taps) // stride + 1

    def conv(self, x, name, filters, taps, stride=1, pad=0, groups=1, bias=True):
        _, height, width, channels = x[1]
        w = self.param(name + ".w", (taps, taps, channels // groups, filters), "weights")
        b = ", " + self.param(name + ".b", (filters,), "zeros") if bias else ""
        shape = ("n", self.window(height, taps, stride, pad), self.window(width, taps, stride, pad), filters)
        return self.add_line(f"conv2d {x[0]}, {w}{b} {{stride = [{stride}, {stride}], low = [{pad}, {pad}], "
                             f"high = [{pad}, {pad}], groups = {groups}}}", shape)

    def raised(self, x, name, filters, taps, stride, bias=True):
        """A transposed convolution: extents times stride."""
        _, height, width, channels = x[1]
        w = self.param(name + ".w", (taps, taps, filters, channels), "weights")
        b = ", " + self.param(name + ".b", (filters,), "zeros") if bias else ""
        return self.add_line(f"conv_transpose2d {x[0]}, {w}{b} {{stride = [{stride}, {stride}], padding = same}}",
                             ("n", height * stride, width * stride, filters))

    def norm(self, x, name, track=True):
        shape = (x[1][-1],)
        y, mean, variance = self.add_line(
            f"batch_norm {x[0]}, {self.param(name + '.scale', shape, 'ones')}, "
            f"{self.param(name + '.offset', shape, 'zeros')}, {self.state(name + '.mean', shape, 'zeros')}, "
            f"{self.state(name + '.variance', shape, 'ones')}", None, 3)
        if track and self.training:
            self.sets += [(name + ".mean", mean), (name + ".variance", variance)]
        return y, x[1]

    def dense(self, x, name, features, bias=True):
        w = self.param(name + ".w", (x[1][-1], features), "weights")
        b = ", " + self.param(name + ".b", (features,), "zeros") if bias else ""
        return self.add_line(f"{'dense' if bias else 'dot'} {x[0]}, {w}{b}", ("n", features))

    def relu(self, x):
        return self.add_line(f"relu {x[0]}", x[1])

    def relu6(self, x):
        return self.add_line(f"relu6 {x[0]}", x[1])

    def leaky(self, x, slope):
        return self.add_line(f"leaky_relu {x[0]} {{slope = {slope}}}", x[1])

    def tanh(self, x):
        return self.add_line(f"tanh {x[0]}", x[1])

    def add(self, x, y):
        return self.add_line(f"add {x[0]}, {y[0]}", x[1])

    def sum(self, x, y):
        return self.add_line(f"add {x[0]}, {y[0]}", ())

    def max_pool(self, x, size, stride=None, pad=0):
        stride = stride or size
        _, height, width, channels = x[1]
        shape = ("n", self.window(height, size, stride, pad), self.window(width, size, stride, pad), channels)
        return self.add_line(f"max_pool2d {x[0]} {{size = [{size}, {size}], stride = [{stride}, {stride}], "
                             f"low = [{pad}, {pad}], high = [{pad}, {pad}]}}", shape)

    def mean(self, x):
        return self.add_line(f"global_avg_pool {x[0]}", ("n", x[1][-1]))

    def flatten(self, x):
        return self.add_line(f"flatten {x[0]}", ("n", math.prod(x[1][1:])))

    def image(self, x, height, width, channels):
        return self.add_line(f"reshape {x[0]} {{shape = [n, {height}, {width}, {channels}]}}",
                             ("n", height, width, channels))

    def beside(self, x, y):
        return self.add_line(f"concat {x[0]}, {y[0]} {{axis = 3}}", x[1][:3] + (x[1][3] + y[1][3],))

    def cross_entropy(self, x, label):
        return self.add_line(f"cross_entropy {x[0]}, {label[0]}", ())

    def judged(self, x, real):
        one = self.add_line(f"const {float(real)} : f32[]", ())
        target = self.add_line(f"broadcast {one[0]} {{shape = [n, 1]}}", ("n", 1))
        return self.add_line(f"binary_cross_entropy {x[0]}, {target[0]}", ())


class Torch:
    """Layers of PyTorch on a dictionary of parameters; arrays are [batch, channels, height, width] here."""

    def __init__(self, parameters, channels_last=True, training=True):
        import torch

        self.training, self.torch, self.f, self.drawn, self.p = training, torch, torch.nn.functional, parameters, {}
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def param(self, name, shape, kind, order=None):
        if name not in self.p:
            t = self.torch.tensor(self.drawn.take(name, shape, kind))
            if order:
                t = t.permute(order).contiguous()
                if t.ndim == 4:
                    t = t.contiguous(memory_format=self.format)
            self.p[name] = t.requires_grad_(self.training and not name.endswith((".mean", ".variance")))
        return self.p[name]

    def input(self, array):
        t = self.torch.from_numpy(array)
        if t.ndim == 4:
            t = t.permute(0, 3, 1, 2).contiguous(memory_format=self.format)
        return t.long() if t.dtype == self.torch.int32 else t

    def conv(self, x, name, filters, taps, stride=1, pad=0, groups=1, bias=True):
        w = self.param(name + ".w", (taps, taps, x.shape[1] // groups, filters), "weights", (3, 2, 0, 1))
        b = self.param(name + ".b", (filters,), "zeros") if bias else None
        return self.f.conv2d(x, w, b, stride, pad, groups=groups)

    def raised(self, x, name, filters, taps, stride, bias=True):
        w = self.param(name + ".w", (taps, taps, filters, x.shape[1]), "weights", (3, 2, 0, 1))
        b = self.param(name + ".b", (filters,), "zeros") if bias else None
        return self.f.conv_transpose2d(x, w, b, stride, (taps - stride) // 2)

    def norm(self, x, name, track=True):
        shape = (x.shape[1],)
        scale, offset = self.param(name + ".scale", shape, "ones"), self.param(name + ".offset", shape, "zeros")
        mean = variance = None
        if track:
            mean, variance = self.param(name + ".mean", shape, "zeros"), self.param(name + ".variance", shape, "ones")
        return self.f.batch_norm(x, mean, variance, scale, offset, self.training, 0.1, 1e-5)

    def dense(self, x, name, features, bias=True):
        w = self.param(name + ".w", (x.shape[1], features), "weights")
        return self.torch.addmm(self.param(name + ".b", (features,), "zeros"), x, w) if bias else x @ w

    def relu(self, x):
        return self.f.relu(x)

    def relu6(self, x):
        return self.f.relu6(x)

    def leaky(self, x, slope):
        return self.f.leaky_relu(x, slope)

    def tanh(self, x):
        return self.torch.tanh(x)

    def add(self, x, y):
        return x + y

    sum = add

    def max_pool(self, x, size, stride=None, pad=0):
        return self.f.max_pool2d(x, size, stride or size, pad)

    def mean(self, x):
        return x.mean((2, 3))

    def flatten(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)

    def image(self, x, height, width, channels):
        return x.reshape(x.shape[0], height, width, channels).permute(0, 3, 1, 2)

    def beside(self, x, y):
        return self.torch.cat((x, y), 1)

    def cross_entropy(self, x, label):
        return self.f.cross_entropy(x, label)

    def judged(self, x, real):
        return self.f.binary_cross_entropy_with_logits(x, self.torch.full_like(x, float(real)))


class Jax:
    """Layers of JAX on a dictionary of parameters, which is `p` while a function is traced."""

    def __init__(self, parameters, training=True):
        import jax
        import jax.numpy as jnp

        self.training, self.jax, self.np, self.drawn, self.p = training, jax, jnp, parameters, None

    def param(self, name, shape, kind):
        drawn = self.drawn.take(name, shape, kind)
        return self.np.asarray(drawn) if self.p is None else self.p[name]

    def input(self, array):
        return self.np.asarray(array)

    def windows(self, x, w, stride, pad, groups):
        return self.jax.lax.conv_general_dilated(x, w, (stride, stride), ((pad, pad), (pad, pad)),
                                                 dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                                 feature_group_count=groups)

    def conv(self, x, name, filters, taps, stride=1, pad=0, groups=1, bias=True):
        w = self.param(name + ".w", (taps, taps, x.shape[3] // groups, filters), "weights")
        y = self.windows(x, w, stride, pad, groups)
        return y + self.param(name + ".b", (filters,), "zeros") if bias else y

    def raised(self, x, name, filters, taps, stride, bias=True):
        w = self.param(name + ".w", (taps, taps, filters, x.shape[3]), "weights")
        y = self.jax.lax.conv_transpose(x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                        transpose_kernel=True)
        return y + self.param(name + ".b", (filters,), "zeros") if bias else y

    def norm(self, x, name, track=True):
        shape = (x.shape[3],)
        scale, offset = self.param(name + ".scale", shape, "ones"), self.param(name + ".offset", shape, "zeros")
        if self.training:
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        else:
            mean, variance = self.param(name + ".mean", shape, "zeros"), self.param(name + ".variance", shape, "ones")
        return (x - mean) * self.jax.lax.rsqrt(variance + 1e-5) * scale + offset

    def dense(self, x, name, features, bias=True):
        y = x @ self.param(name + ".w", (x.shape[1], features), "weights")
        return y + self.param(name + ".b", (features,), "zeros") if bias else y

    def relu(self, x):
        return self.jax.nn.relu(x)

    def relu6(self, x):
        return self.jax.nn.relu6(x)

    def leaky(self, x, slope):
        return self.jax.nn.leaky_relu(x, slope)

    def tanh(self, x):
        return self.np.tanh(x)

    def add(self, x, y):
        return x + y

    sum = add

    def max_pool(self, x, size, stride=None, pad=0):
        stride = stride or size
        return self.jax.lax.reduce_window(x, -self.np.inf, self.jax.lax.max, (1, size, size, 1),
                                          (1, stride, stride, 1), ((0, 0), (pad, pad), (pad, pad), (0, 0)))

    def mean(self, x):
        return x.mean((1, 2))

    def flatten(self, x):
        return x.reshape(x.shape[0], -1)

    def image(self, x, height, width, channels):
        return x.reshape(x.shape[0], height, width, channels)

    def beside(self, x, y):
        return self.np.concatenate((x, y), 3)

    def cross_entropy(self, x, label):
        chosen = self.np.take_along_axis(self.jax.nn.log_softmax(x), label[..., None], -1)
        return -chosen.mean()

    def judged(self, x, real):
        return self.jax.nn.softplus(-x if real else x).mean()


class Onnx:
    """Writes a graph of ONNX, opset 17, for inference; a value is its name and shape, [batch, channels, height, width]."""

    def __init__(self, parameters):
        import onnx

        self.onnx, self.drawn, self.nodes, self.initializers = onnx, parameters, [], {}

    def param(self, name, shape, kind, order=None):
        if name not in self.initializers:
            array = self.drawn.take(name, shape, kind)
            self.initializers[name] = np.ascontiguousarray(array.transpose(order) if order else array)
        return name

    def node(self, operation, inputs, shape, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operation, inputs, [name], **attributes))
        return name, shape

    def model(self, inputs, body):
        """inputs: name -> array in Tenon's layout, of f32; the model's bytes."""
        helper, of = self.onnx.helper, self.onnx.TensorProto.FLOAT
        values = []
        for name, array in inputs.items():
            n, height, width, channels = array.shape
            values.append((name, (n, channels, height, width)))
        result = body(self, *values)
        graph = helper.make_graph(self.nodes, "network", [helper.make_tensor_value_info(n, of, s) for n, s in values],
                                  [helper.make_tensor_value_info(result[0], of, result[1])],
                                  [self.onnx.numpy_helper.from_array(a, n) for n, a in self.initializers.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        self.onnx.checker.check_model(model)
        return model.SerializeToString()

    def conv(self, x, name, filters, taps, stride=1, pad=0, groups=1, bias=True):
        n, channels, height, width = x[1]
        inputs = [x[0], self.param(name + ".w", (taps, taps, channels // groups, filters), "weights", (3, 2, 0, 1))]
        if bias:
            inputs.append(self.param(name + ".b", (filters,), "zeros"))
        shape = (n, filters, (height + 2 * pad - taps) // stride + 1, (width + 2 * pad - taps) // stride + 1)
        return self.node("Conv", inputs, shape, strides=[stride] * 2, pads=[pad] * 4, group=groups)

    def raised(self, x, name, filters, taps, stride, bias=True):
        n, channels, height, width = x[1]
        inputs = [x[0], self.param(name + ".w", (taps, taps, filters, channels), "weights", (3, 2, 0, 1))]
        if bias:
            inputs.append(self.param(name + ".b", (filters,), "zeros"))
        return self.node("ConvTranspose", inputs, (n, filters, height * stride, width * stride),
                         strides=[stride] * 2, pads=[(taps - stride) // 2] * 4)

    def norm(self, x, name, track=True):
        shape = (x[1][1],)
        parts = [self.param(f"{name}.{part}", shape, kind) for part, kind in
                 (("scale", "ones"), ("offset", "zeros"), ("mean", "zeros"), ("variance", "ones"))]
        return self.node("BatchNormalization", [x[0], *parts], x[1], epsilon=1e-5)

    def dense(self, x, name, features, bias=True):
        w = self.param(name + ".w", (x[1][1], features), "weights")
        inputs = [x[0], w] + ([self.param(name + ".b", (features,), "zeros")] if bias else [])
        return self.node("Gemm", inputs, (x[1][0], features))

    def relu(self, x):
        return self.node("Relu", [x[0]], x[1])

    def relu6(self, x):
        for bound in (0, 6):
            self.initializers.setdefault(f"clip{bound}", np.float32(bound))
        return self.node("Clip", [x[0], "clip0", "clip6"], x[1])

    def add(self, x, y):
        return self.node("Add", [x[0], y[0]], x[1])

    def max_pool(self, x, size, stride=None, pad=0):
        stride = stride or size
        n, channels, height, width = x[1]
        shape = (n, channels, (height + 2 * pad - size) // stride + 1, (width + 2 * pad - size) // stride + 1)
        return self.node("MaxPool", [x[0]], shape, kernel_shape=[size] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def mean(self, x):
        pooled = self.node("GlobalAveragePool", [x[0]], x[1][:2] + (1, 1))
        return self.node("Flatten", [pooled[0]], x[1][:2], axis=1)

    def beside(self, x, y):
        return self.node("Concat", [x[0], y[0]], (x[1][0], x[1][1] + y[1][1]) + x[1][2:], axis=1)
