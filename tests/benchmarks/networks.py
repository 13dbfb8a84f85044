"""Networks written once: each is a function of a backend's layers (backends.py)."""


def classified(network):
    """The loss of a network's scores beside labels."""
    return lambda l, image, label: l.cross_entropy(network(l, image), label)


def lenet(l, image):
    x = l.max_pool(l.relu(l.conv(image, "conv1", 6, 5, pad=2)), 2)
    x = l.flatten(l.max_pool(l.relu(l.conv(x, "conv2", 16, 5)), 2))
    x = l.relu(l.dense(l.relu(l.dense(x, "fc1", 120)), "fc2", 84))
    return l.dense(x, "fc3", 10)


def normalized(l, x, name, filters, taps, stride=1, groups=1):
    return l.norm(l.conv(x, name, filters, taps, stride, taps // 2, groups, bias=False), name + ".norm")


def resnet18(l, image, width=64):
    """For pictures of 32 x 32: no pool in front, and no stride there."""

    def convolution(x, name, filters, taps, stride):
        return normalized(l, x, name, filters, taps, stride)

    x = l.relu(convolution(image, "conv", width, 3, 1))
    for stage in range(4):
        for block in range(2):
            name, filters = f"stage{stage + 1}.{block + 1}", width << stage
            stride = 2 if stage > 0 and block == 0 else 1
            y = convolution(l.relu(convolution(x, name + ".conv1", filters, 3, stride)), name + ".conv2", filters, 3, 1)
            past = convolution(x, name + ".past", filters, 1, stride) if stride == 2 else x
            x = l.relu(l.add(y, past))
    return l.dense(l.mean(x), "fc", 10)


def resnet50(l, image):
    x = l.max_pool(l.relu(normalized(l, image, "conv", 64, 7, 2)), 3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            name, filters = f"stage{stage + 1}.{block + 1}", 64 << stage
            stride = 2 if stage > 0 and block == 0 else 1
            y = l.relu(normalized(l, x, name + ".conv1", filters, 1))
            y = l.relu(normalized(l, y, name + ".conv2", filters, 3, stride))
            y = normalized(l, y, name + ".conv3", 4 * filters, 1)
            past = normalized(l, x, name + ".past", 4 * filters, 1, stride) if block == 0 else x
            x = l.relu(l.add(y, past))
    return l.dense(l.mean(x), "fc", 1000)


def mobilenet_v2(l, image):
    """Sandler, Howard, Zhu, Zhmoginov, Chen, 2018, table 2."""
    x, channels, number = l.relu6(normalized(l, image, "conv", 32, 3, 2)), 32, 0
    for expansion, filters, blocks, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                              (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(blocks):
            number, wide, stride = number + 1, channels * expansion, first if block == 0 else 1
            name, y = f"block{number}", x
            if expansion != 1:
                y = l.relu6(normalized(l, y, name + ".expand", wide, 1))
            y = l.relu6(normalized(l, y, name + ".depthwise", wide, 3, stride, wide))
            y = normalized(l, y, name + ".project", filters, 1)
            x = l.add(x, y) if stride == 1 and channels == filters else y
            channels = filters
    return l.dense(l.mean(l.relu6(normalized(l, x, "last", 1280, 1))), "fc", 1000)


def unet(l, image, width=32, levels=3):
    def two(x, name, filters):
        for which in ("1", "2"):
            x = l.relu(l.conv(x, name + which, filters, 3, pad=1))
        return x

    def level(x, filters, below, name):
        here = two(x, name + ".down", filters)
        if below == 0:
            return here
        up = l.raised(level(l.max_pool(here, 2), 2 * filters, below - 1, name + ".below"), name + ".raise", filters, 2, 2)
        return two(l.beside(here, up), name + ".up", filters)

    return l.conv(level(image, width, levels, "net"), "out", 4, 1)


def generator(l, z, width):
    x = l.image(l.dense(z, "g.fc", 49 * width, bias=False), 7, 7, width)
    x = l.relu(l.norm(x, "g.norm1", track=False))
    x = l.relu(l.norm(l.raised(x, "g.conv1", width // 2, 4, 2, bias=False), "g.norm2", track=False))
    return l.tanh(l.raised(x, "g.conv2", 1, 4, 2))


def discriminator(l, x, width):
    x = l.leaky(l.conv(x, "d.conv1", width // 2, 4, 2, 1), 0.2)
    x = l.leaky(l.norm(l.conv(x, "d.conv2", width, 4, 2, 1, bias=False), "d.norm", track=False), 0.2)
    return l.dense(l.flatten(x), "d.fc", 1)


def told(l, image, z, width=128):
    real = l.judged(discriminator(l, image, width), True)
    return l.sum(real, l.judged(discriminator(l, generator(l, z, width), width), False))


def fooled(l, z, width=128):
    return l.judged(discriminator(l, generator(l, z, width), width), True)
