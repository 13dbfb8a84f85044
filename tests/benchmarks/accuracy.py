"""The examples' classifiers on CIFAR-10, beside the same networks and recipes in PyTorch: accuracy, not speed.

    accuracy.py --tenon build/release/bin/tenon --data DIR [--network resnet|alexnet|inception|mobilenet] [--seeds 3]
                [--epochs N] [--threads 2]

DIR holds CIFAR-10 in its binary form. Prints the accuracy on the test pictures for each seed, and asks that the
mean is at most 1.5 points below PyTorch's. Not part of tests/run.sh.
"""

import argparse
import glob
import gzip
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as f

parser = argparse.ArgumentParser()
parser.add_argument("--tenon", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--network", action="append")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--epochs", type=int)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
BATCH, POINTS = 64, 1.5


def cifar(kind):
    rows = []
    for path in sorted(glob.glob(os.path.join(args.data, kind + "*.bin*"))):
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            rows.append(np.frombuffer(file.read(), np.uint8).reshape(-1, 3073))
    rows = np.concatenate(rows)
    return torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(rows[:, 0].astype(np.int64))


class Layers:
    """Makes parameters where they are first asked for, as the examples draw them."""

    def __init__(self):
        self.p, self.state, self.training = {}, {}, True

    def param(self, name, shape, fan_in=None, ones=False):
        if name not in self.p:
            t = torch.ones(shape) if ones else torch.zeros(shape)
            if fan_in:
                t = torch.randn(shape) * (2 / fan_in) ** 0.5
            self.p[name] = t.requires_grad_()
        return self.p[name]

    @staticmethod
    def same(x, taps, stride, value=0.0):
        """Padding that gives ceil(extent / stride) windows, more of it behind."""
        pads = []
        for extent in (x.shape[3], x.shape[2]):
            over = max((-(-extent // stride) - 1) * stride + taps - extent, 0)
            pads += [over // 2, over - over // 2]
        return f.pad(x, pads, value=value)

    def conv(self, x, name, filters, taps, stride=1, groups=1, bias=True):
        channels = x.shape[1] // groups
        w = self.param(name + ".w", (filters, channels, taps, taps), channels * taps * taps)
        b = self.param(name + ".b", (filters,)) if bias else None
        return f.conv2d(self.same(x, taps, stride), w, b, stride, groups=groups)

    def norm(self, x, name):
        shape = (x.shape[1],)
        mean = self.state.setdefault(name + ".mean", torch.zeros(shape))
        variance = self.state.setdefault(name + ".variance", torch.ones(shape))
        scale, offset = self.param(name + ".scale", shape, ones=True), self.param(name + ".offset", shape)
        return f.batch_norm(x, mean, variance, scale, offset, self.training, 0.1, 1e-5)

    def normalized(self, x, name, filters, taps, stride=1, groups=1):
        return self.norm(self.conv(x, name, filters, taps, stride, groups, bias=False), name + ".norm")

    def dense(self, x, name, features, he=False):
        limit = (6 / (x.shape[1] + features)) ** 0.5
        if name + ".w" not in self.p:
            w = torch.randn(x.shape[1], features) * (2 / x.shape[1]) ** 0.5 if he else \
                (2 * torch.rand(x.shape[1], features) - 1) * limit
            self.p[name + ".w"] = w.requires_grad_()
        return x @ self.p[name + ".w"] + self.param(name + ".b", (features,))

    def dropout(self, x, rate):
        return f.dropout(x, rate, self.training)

    def max_pool(self, x, size, stride, same=False):
        return f.max_pool2d(self.same(x, size, stride, -float("inf")) if same else x, size, stride)

    def l2(self):
        return sum((p * p).sum() for n, p in self.p.items() if n.endswith(".w"))


def resnet(l, x, width=8):
    x = f.relu(l.normalized(x, "conv", width, 3))
    for stage in range(4):
        for block in range(2):
            name, filters, stride = f"stage{stage}.{block}", width << stage, 2 if stage > 0 and block == 0 else 1
            y = l.normalized(f.relu(l.normalized(x, name + ".conv1", filters, 3, stride)), name + ".conv2", filters, 3)
            x = f.relu(y + (l.normalized(x, name + ".past", filters, 1, stride) if stride == 2 else x))
    return l.dense(x.mean((2, 3)), "fc", 10)


def alexnet(l, x, width=16):
    def convolution(x, filters, taps, name):
        return f.relu(l.conv(x, name, filters, taps))

    def reduced(x):
        return l.max_pool(f.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)

    x = reduced(convolution(reduced(convolution(x, width, 5, "conv1")), 3 * width, 5, "conv2"))
    x = convolution(convolution(x, 6 * width, 3, "conv3"), 4 * width, 3, "conv4")
    x = l.max_pool(convolution(x, 4 * width, 3, "conv5"), 3, 2).flatten(1)
    for name in ("fc1", "fc2"):
        x = f.relu(l.dense(l.dropout(x, 0.5), name, 16 * width, he=True))
    return l.dense(x, "fc3", 10)


def inception(l, x, width=4):
    def convolution(x, filters, taps, name):
        return f.relu(l.conv(x, name, filters, taps))

    def block(x, width, name):
        one = convolution(x, 4 * width, 1, name + ".one")
        three = convolution(convolution(x, 6 * width, 1, name + ".three.in"), 8 * width, 3, name + ".three")
        five = convolution(convolution(x, width, 1, name + ".five.in"), 2 * width, 5, name + ".five")
        pooled = convolution(l.max_pool(x, 3, 1, same=True), 2 * width, 1, name + ".pool")
        return torch.cat((one, three, five, pooled), 1)

    x = l.max_pool(convolution(x, 4 * width, 3, "conv"), 2, 2)
    for scale, stage in ((1, "3"), (2, "4")):
        for which in "ab":
            x = block(x, scale * width, f"block{stage}{which}")
        x = l.max_pool(x, 3, 2, same=True)
    return l.dense(l.dropout(x.mean((2, 3)), 0.4), "fc", 10)


def mobilenet(l, x, width=8):
    channels, number = 2 * width, 0
    x = f.relu6(l.normalized(x, "conv", channels, 3, 2))
    for expansion, halves, blocks, first in ((1, 2, 1, 1), (6, 3, 1, 1), (6, 4, 2, 2), (6, 8, 2, 2), (6, 12, 1, 1)):
        for block in range(blocks):
            number, filters, stride = number + 1, halves * width // 2, first if block == 0 else 1
            name, wide, y = f"block{number}", channels * expansion, x
            if expansion != 1:
                y = f.relu6(l.normalized(y, name + ".expand", wide, 1))
            y = f.relu6(l.normalized(y, name + ".depthwise", wide, 3, stride, wide))
            y = l.normalized(y, name + ".project", filters, 1)
            x = x + y if stride == 1 and channels == filters else y
            channels = filters
    x = f.relu6(l.normalized(x, "last", 16 * width, 1))
    return l.dense(l.dropout(x.mean((2, 3)), 0.2), "fc", 10)


def momentum(rate):
    return lambda p: torch.optim.SGD(p, rate, momentum=0.9)


def adam(rate):
    return lambda p: torch.optim.Adam(p, rate)


# Network, optimizer, factor of the squares of the weights, epochs.
RECIPES = {
    "resnet": (resnet, momentum(0.05), 1e-4, 20),
    "alexnet": (alexnet, momentum(0.02), 5e-4, 20),
    "inception": (inception, adam(1e-3), 0.0, 20),
    "mobilenet": (mobilenet, adam(2e-3), 4e-5, 20),
}


def seen(image):
    """Each picture moved by up to 4 pixels, what comes in is 0; half of them turned around."""
    n = len(image)
    padded = f.pad(image, (4, 4, 4, 4))
    rows = torch.randint(0, 9, (n, 1)) + torch.arange(32)
    columns = torch.randint(0, 9, (n, 1)) + torch.arange(32)
    turned = torch.rand(n) < 0.5
    columns[turned] = columns[turned].flip(1)
    return padded[torch.arange(n)[:, None, None, None], torch.arange(3)[None, :, None, None],
                  rows[:, None, :, None], columns[:, None, None, :]]


def with_torch(name, seed, epochs):
    network, optimizer, decay, _ = RECIPES[name]
    torch.manual_seed(seed)
    (image, label), (test, truth) = cifar("data_batch"), cifar("test_batch")
    layers = Layers()
    network(layers, image[:2].float())
    layers.state.clear()
    steps = optimizer(layers.p.values())
    for _ in range(epochs):
        for rows in torch.randperm(len(image)).split(BATCH):
            x = seen(image[rows]).float() / 127.5 - 1
            loss = f.cross_entropy(network(layers, x.contiguous(memory_format=torch.channels_last)), label[rows])
            steps.zero_grad()
            (loss + decay * layers.l2()).backward()
            steps.step()
    layers.training = False
    with torch.no_grad():
        scores = torch.cat([network(layers, x.float() / 127.5 - 1) for x in test.split(250)])
    return (scores.argmax(1) == truth).float().mean().item()


def with_tenon(name, seed, epochs):
    model = os.path.join(EXAMPLES, name, name + ".tenon")
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "w.safetensors")
        common = ["--data", args.data, "--threads", str(args.threads)]
        subprocess.run([args.tenon, "train", model, *common, "--epochs", str(epochs), "--batch", str(BATCH), "--seed",
                        str(seed), "-o", state, "--quiet"], check=True)
        done = subprocess.run([args.tenon, "eval", model, *common, "--params", state, "--json"], check=True,
                              capture_output=True, text=True)
    return json.loads(done.stdout)["accuracy"]


failed = False
for name in args.network or RECIPES:
    epochs, means = args.epochs or RECIPES[name][3], {}
    for who, run in (("tenon", with_tenon), ("torch", with_torch)):
        values = [100 * run(name, seed, epochs) for seed in range(1, args.seeds + 1)]
        means[who] = sum(values) / len(values)
        print(f"{name:<10} {who:<6} {means[who]:6.2f}%   " + ", ".join(f"{v:.1f}" for v in values), flush=True)
    difference = means["tenon"] - means["torch"]
    met = difference >= -POINTS
    failed = failed or not met
    print(f"{name:<10} {difference:+.2f} points, asked {-POINTS}: {'met' if met else 'MISSED'}", flush=True)
sys.exit(failed)
