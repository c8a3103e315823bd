#!/usr/bin/python3
"""Makes the golden files of this folder with PyTorch, in double precision.

    tests/goldens/make_goldens.py          (Debian: python3-torch)

  ops.json         for each op: inputs, attributes, outputs and the gradients of
                   sum(output * cotangent); for each optimizer: a few updates
  mnist_cnn.json   the losses of 100 training steps of two whole networks, with
  mlp.json         weights and batches that a test makes again from `Stream`

Layouts are fmc's: activations NHWC, convolution kernels HWIO (I is channels per
group), dense kernels [in, out]. See README.md for the formulas that the names
stand for. The files are committed; a test never runs this script.
"""

import json
import math
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))


# ---- Numbers -----------------------------------------------------------------


class Stream:
    """Knuth's 64-bit linear congruential generator; a test has the same.

    state <- state * 6364136223846793005 + 1442695040888963407 (mod 2**64)
    next() = (state >> 40) / 2**24, in [0, 1) and exact in f32
    """

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 40) / 2**24

    def below(self, n):
        return int(self.next() * n)


def short(stream, shape, low=-2.0, high=2.0):
    """Odd multiples of 1/128: exact in f32, short as text, never 0 or a kink."""
    count = math.prod(shape)
    steps = int((high - low) * 64)
    return torch.tensor([low + (2 * stream.below(steps) + 1) / 128 for _ in range(count)]).reshape(shape)


def distinct(stream, shape):
    """The same without equal numbers, for ops that choose one."""
    count = math.prod(shape)
    order = list(range(count))
    for i in reversed(range(1, count)):
        j = stream.below(i + 1)
        order[i], order[j] = order[j], order[i]
    return torch.tensor([(2 * k + 1 - count) / 64 + 1 / 128 for k in order]).reshape(shape)


# ---- Ops -----------------------------------------------------------------------

cases = []


def tensor(value):
    value = value.detach()
    kind = "i32" if value.dtype in (torch.int32, torch.int64) else "f64"
    return {"dtype": kind, "shape": list(value.shape), "data": value.reshape(-1).tolist()}


def case(name, op, inputs, function, attributes=None, gradients=True):
    """`function(**inputs)` gives the output, or a dict whose first entry it is."""
    stream = Stream(len(cases) + 5000)
    leaves = {
        key: value.clone().requires_grad_() if gradients and value.is_floating_point() else value
        for key, value in inputs.items()
    }
    outputs = function(**leaves)
    if not isinstance(outputs, dict):
        outputs = {"y": outputs}
    record = {
        "name": name,
        "op": op,
        "attributes": attributes or {},
        "inputs": {key: tensor(value) for key, value in inputs.items()},
        "outputs": {key: tensor(value) for key, value in outputs.items()},
    }
    if gradients:
        first = next(iter(outputs.values()))
        cotangent = short(stream, first.shape)
        (first * cotangent).sum().backward()
        record["cotangent"] = tensor(cotangent)
        record["gradients"] = {
            key: tensor(leaf.grad) for key, leaf in leaves.items() if leaf.grad is not None
        }
    cases.append(record)


def to_nchw(x):
    return x.permute(0, 3, 1, 2)


def to_nhwc(x):
    return x.permute(0, 2, 3, 1)


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def same_padding(extent, kernel, stride, dilation):
    """TensorFlow's and Keras' "same": ceil(extent / stride) outputs, the odd one out at the end."""
    total = max((math.ceil(extent / stride) - 1) * stride + (kernel - 1) * dilation + 1 - extent, 0)
    return total // 2, total - total // 2


def pad_nchw(x, padding, kernel, stride, dilation, value):
    if padding == "valid":
        return x
    (top, bottom), (left, right) = (
        same_padding(x.shape[2 + i], kernel[i], stride[i], dilation[i]) for i in range(2)
    )
    return F.pad(x, (left, right, top, bottom), value=value)


def conv2d(x, kernel, bias, stride=1, dilation=1, groups=1, padding="valid"):
    size, stride, dilation = kernel.shape[:2], pair(stride), pair(dilation)
    padded = pad_nchw(to_nchw(x), padding, size, stride, dilation, 0.0)
    return to_nhwc(F.conv2d(padded, kernel.permute(3, 2, 0, 1), bias, stride, 0, dilation, groups))


def max_pool2d(x, kernel, stride=None, padding="valid"):
    kernel, stride = pair(kernel), pair(stride or kernel)
    padded = pad_nchw(to_nchw(x), padding, kernel, stride, (1, 1), -math.inf)
    return to_nhwc(F.max_pool2d(padded, kernel, stride))


def avg_pool2d(x, kernel, stride=None, padding="valid"):
    """Padding is not counted, as in Keras."""
    kernel, stride = pair(kernel), pair(stride or kernel)
    ones = torch.ones_like(to_nchw(x))
    sums, counts = (
        F.avg_pool2d(pad_nchw(v, padding, kernel, stride, (1, 1), 0.0), kernel, stride)
        for v in (to_nchw(x), ones)
    )
    return to_nhwc(sums / counts)


def batch_norm(x, scale, offset, running_mean, running_variance, eps, momentum, training):
    """momentum as in Keras: running = momentum * running + (1 - momentum) * batch."""
    if not training:
        y = (x - running_mean) / torch.sqrt(running_variance + eps) * scale + offset
        return {"y": y}
    axes = tuple(range(x.dim() - 1))
    count = x.numel() // x.shape[-1]
    mean = x.mean(axes)
    variance = ((x - mean) ** 2).mean(axes)
    y = (x - mean) / torch.sqrt(variance + eps) * scale + offset
    blend = lambda old, new: momentum * old + (1 - momentum) * new
    return {
        "y": y,
        "running_mean": blend(running_mean, mean),
        "running_variance_biased": blend(running_variance, variance),
        "running_variance_unbiased": blend(running_variance, variance * count / (count - 1)),
    }


def check_batch_norm_against_torch():
    x, scale, offset = short(Stream(1), (3, 4, 5, 2)), short(Stream(2), (2,)), short(Stream(3), (2,))
    mean, variance = short(Stream(4), (2,)), short(Stream(5), (2,), 0.5, 2.0)
    ours = batch_norm(x, scale, offset, mean, variance, 1e-5, 0.9, True)
    mean, variance = mean.clone(), variance.clone()
    theirs = F.batch_norm(to_nchw(x), mean, variance, scale, offset, True, 0.1, 1e-5)
    assert torch.allclose(ours["y"], to_nhwc(theirs), rtol=1e-12, atol=1e-12)
    assert torch.allclose(ours["running_mean"], mean, rtol=1e-12)
    assert torch.allclose(ours["running_variance_unbiased"], variance, rtol=1e-12)


def op_cases():
    stream = Stream(1)
    s = lambda *shape: short(stream, shape)
    positive = lambda *shape: short(stream, shape, 0.25, 2.25)
    d = lambda *shape: distinct(stream, shape)

    # Contractions
    case("dense", "dense", {"x": s(3, 5), "kernel": s(5, 4), "bias": s(4)},
         lambda x, kernel, bias: x @ kernel + bias)
    case("dense.rank3", "dense", {"x": s(2, 3, 5), "kernel": s(5, 2), "bias": s(2)},
         lambda x, kernel, bias: x @ kernel + bias)
    for name, a, b in (("matmul", (3, 4), (4, 5)), ("matmul.batched", (2, 3, 4), (2, 4, 5)),
                       ("matmul.broadcast", (2, 3, 4), (4, 5)), ("matmul.rank4", (2, 2, 3, 1), (2, 2, 1, 4))):
        case(name, "matmul", {"a": s(*a), "b": s(*b)}, lambda a, b: a @ b)

    # Windows: image extents, channels in, kernel, channels out, attributes
    for name, image, cin, kernel, cout, attributes in (
        ("valid", (5, 6), 2, (3, 3), 3, {}),
        ("one_by_one", (3, 4), 3, (1, 1), 2, {}),
        ("same", (5, 4), 2, (3, 3), 3, {"padding": "same"}),
        ("same_even_kernel", (4, 5), 1, (2, 4), 2, {"padding": "same"}),
        ("stride", (7, 6), 2, (3, 3), 2, {"stride": 2}),
        ("stride_same", (6, 7), 2, (3, 3), 2, {"stride": 2, "padding": "same"}),
        ("stride_larger_than_kernel", (7, 7), 1, (2, 2), 2, {"stride": 3}),
        ("rectangular", (5, 7), 1, (2, 3), 2, {"stride": [1, 2]}),
        ("dilation", (7, 7), 1, (3, 3), 2, {"dilation": 2}),
        ("dilation_same", (5, 6), 1, (3, 3), 2, {"dilation": [2, 1], "padding": "same"}),
        ("groups", (4, 5), 4, (3, 3), 6, {"groups": 2}),
        ("groups_stride_same", (5, 5), 4, (3, 3), 4, {"groups": 2, "stride": 2, "padding": "same"}),
        ("depthwise", (4, 5), 3, (3, 3), 3, {"groups": 3, "padding": "same"}),
        ("depthwise_multiplier", (4, 4), 2, (3, 3), 4, {"groups": 2}),
    ):
        inputs = {"x": s(2, *image, cin), "kernel": s(*kernel, cin // attributes.get("groups", 1), cout), "bias": s(cout)}
        case("conv2d." + name, "conv2d", inputs,
             lambda x, kernel, bias: conv2d(x, kernel, bias, **attributes), attributes)
    for op, function in (("max_pool2d", max_pool2d), ("avg_pool2d", avg_pool2d)):
        for name, image, attributes in (
            ("floor", (5, 7), {"kernel": 2}),
            ("overlap", (5, 7), {"kernel": 3, "stride": 2}),
            ("same", (5, 6), {"kernel": 3, "stride": 2, "padding": "same"}),
            ("same_stride_1", (3, 4), {"kernel": 2, "stride": 1, "padding": "same"}),
            ("rectangular", (4, 6), {"kernel": [1, 3], "stride": [2, 1]}),
        ):
            case(f"{op}.{name}", op, {"x": d(2, *image, 2)}, lambda x: function(x, **attributes), attributes)
    case("global_avg_pool2d", "global_avg_pool2d", {"x": d(2, 3, 5, 2)}, lambda x: x.mean((1, 2)))
    case("global_max_pool2d", "global_max_pool2d", {"x": d(2, 3, 5, 2)}, lambda x: x.amax((1, 2)))

    # Elementwise
    x = s(3, 7)
    for op, function in (
        ("relu", torch.relu), ("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("silu", F.silu),
        ("exp", torch.exp), ("abs", torch.abs), ("neg", torch.neg),
    ):
        case(op, op, {"x": x}, lambda x: function(x))
    case("leaky_relu", "leaky_relu", {"x": x}, lambda x: F.leaky_relu(x, 0.125), {"slope": 0.125})
    case("gelu", "gelu", {"x": x}, lambda x: F.gelu(x), {"approximate": "none"})
    case("gelu.tanh", "gelu", {"x": x}, lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"})
    large = torch.tensor([-200.0, -90.0, -20.0, -6.0, 6.0, 20.0, 90.0, 200.0])
    for op, function in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("silu", F.silu), ("gelu", F.gelu)):
        case(op + ".large", op, {"x": large}, lambda x: function(x), {"approximate": "none"} if op == "gelu" else {})
    for op, function in (("log", torch.log), ("sqrt", torch.sqrt)):
        case(op, op, {"x": positive(3, 5)}, lambda x: function(x))
    for exponent in (2.0, 3.0, -1.0, 0.5):
        case(f"pow.{exponent}", "pow", {"x": positive(2, 4)}, lambda x: x**exponent, {"exponent": exponent})
    for op, function in (
        ("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div),
        ("min", torch.minimum), ("max", torch.maximum), ("pow", torch.pow),
    ):
        for name, a, b in (("", (2, 3), (2, 3)), (".row", (2, 3, 2), (2,)), (".column", (2, 3, 2), (3, 1)),
                           (".both", (2, 1, 3), (4, 1)), (".scalar", (5,), ())):
            make = positive if op in ("div", "pow") else s
            case(op + name, op, {"a": make(*a), "b": make(*b)}, lambda a, b: function(a, b))

    # Along an axis
    for name, shape, axis in ((".last", (3, 5), -1), (".middle", (2, 4, 3), 1)):
        for op, function in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
            case(op + name, op, {"x": s(*shape)}, lambda x: function(x, axis), {"axis": axis})
    huge = torch.tensor([[1000.0, 999.0, -1000.0], [-500.0, -500.5, -501.0]])
    case("softmax.large", "softmax", {"x": huge}, lambda x: torch.softmax(x, -1), {"axis": -1})
    case("log_softmax.large", "log_softmax", {"x": huge}, lambda x: torch.log_softmax(x, -1), {"axis": -1})
    for op, function in (("sum", torch.sum), ("mean", torch.mean), ("max", torch.amax)):
        for name, axes, keep in ((".last", [-1], False), (".first", [0], False), (".two", [0, 2], True),
                                 (".all", [0, 1, 2], False)):
            case("reduce_" + op + name, "reduce_" + op, {"x": d(2, 3, 4)},
                 lambda x: function(x, axes, keepdim=keep), {"axes": axes, "keep": keep})
    for axis in (0, 1, -1):
        case(f"argmax.{axis}", "argmax", {"x": d(3, 4, 2)}, lambda x: torch.argmax(x, axis), {"axis": axis}, False)

    # Shapes
    case("transpose", "transpose", {"x": s(2, 3, 4)}, lambda x: x.permute(2, 0, 1), {"permutation": [2, 0, 1]})
    case("reshape", "reshape", {"x": s(2, 3, 4)}, lambda x: x.reshape(2, 2, 6), {"shape": [2, 2, 6]})
    case("flatten", "flatten", {"x": s(2, 3, 2, 2)}, lambda x: x.reshape(2, 12))
    case("concat.last", "concat", {"a": s(2, 3), "b": s(2, 1), "c": s(2, 4)},
         lambda a, b, c: torch.cat((a, b, c), -1), {"axis": -1})
    case("concat.middle", "concat", {"a": s(2, 1, 3), "b": s(2, 2, 3)}, lambda a, b: torch.cat((a, b), 1), {"axis": 1})
    case("slice", "slice", {"x": s(3, 5, 4)}, lambda x: x[:, 1:4, 2:4], {"begin": [0, 1, 2], "end": [3, 4, 4], "step": [1, 1, 1]})
    case("slice.step", "slice", {"x": s(2, 7)}, lambda x: x[:, 1:7:3], {"begin": [0, 1], "end": [2, 7], "step": [1, 3]})
    case("pad", "pad", {"x": s(2, 3, 2)}, lambda x: F.pad(x, (0, 1, 2, 0), value=0.5),
         {"before": [0, 2, 0], "after": [0, 0, 1], "value": 0.5})

    # Normalisation
    check_batch_norm_against_torch()
    for name, shape in (("", (3, 2, 3, 2)), (".rank2", (5, 3))):
        for mode, training in ((".training", True), (".inference", False)):
            c = shape[-1]
            attributes = {"eps": 1e-3, "momentum": 0.75}
            running = {"running_mean": s(c), "running_variance": positive(c)}
            inputs = {"x": s(*shape), "scale": s(c), "offset": s(c)}
            case("batch_norm" + name + mode, "batch_norm", {**inputs, **running},
                 lambda x, scale, offset, running_mean, running_variance: batch_norm(
                     x, scale, offset, running_mean.detach(), running_variance.detach(), training=training, **attributes),
                 {**attributes, "training": training})
    for name, shape in (("", (3, 5)), (".rank3", (2, 3, 4))):
        case("layer_norm" + name, "layer_norm", {"x": s(*shape), "scale": s(shape[-1]), "offset": s(shape[-1])},
             lambda x, scale, offset: F.layer_norm(x, x.shape[-1:], scale, offset, 1e-5), {"eps": 1e-5})

    # Losses and metrics
    labels = torch.tensor([2, 0, 3, 3, 1])
    soft = torch.tensor([[0.25, 0.5, 0.25, 0.0], [0.0, 0.0, 0.0, 1.0], [0.125, 0.125, 0.5, 0.25]])
    case("mse", "mse", {"prediction": s(3, 4), "target": s(3, 4)}, lambda prediction, target: F.mse_loss(prediction, target))
    case("cross_entropy", "cross_entropy", {"logits": s(5, 4), "target": labels},
         lambda logits, target: F.cross_entropy(logits, target))
    case("cross_entropy.dense_target", "cross_entropy", {"logits": s(3, 4), "target": soft},
         lambda logits, target: F.cross_entropy(logits, target))
    case("cross_entropy.large", "cross_entropy", {"logits": huge, "target": torch.tensor([2, 1])},
         lambda logits, target: F.cross_entropy(logits, target))
    case("binary_cross_entropy", "binary_cross_entropy",
         {"logits": s(3, 2), "target": torch.tensor([[0.0, 1.0], [1.0, 0.25], [0.0, 0.5]])},
         lambda logits, target: F.binary_cross_entropy_with_logits(logits, target.detach()))
    case("binary_cross_entropy.large", "binary_cross_entropy",
         {"logits": torch.tensor([-1000.0, 1000.0, -1000.0, 1000.0]), "target": torch.tensor([0.0, 1.0, 1.0, 0.0])},
         lambda logits, target: F.binary_cross_entropy_with_logits(logits, target.detach()))
    case("accuracy", "accuracy", {"logits": d(5, 4), "target": labels},
         lambda logits, target: (logits.argmax(-1) == target).double().mean(), gradients=False)
    case("mean_absolute_error", "mean_absolute_error", {"prediction": s(3, 4), "target": s(3, 4)},
         lambda prediction, target: (prediction - target).abs().mean(), gradients=False)


def optimizer_cases():
    """5 updates with given gradients; `output` is the parameter after each."""
    steps, size = 5, 6
    stream = Stream(2)
    start, gradients = short(stream, (size,)), short(stream, (steps, size))
    for name, make, attributes in (
        ("sgd", torch.optim.SGD, {"lr": 0.125}),
        ("sgd.momentum", torch.optim.SGD, {"lr": 0.125, "momentum": 0.875}),
        ("sgd.nesterov", torch.optim.SGD, {"lr": 0.125, "momentum": 0.875, "nesterov": True}),
        ("sgd.weight_decay", torch.optim.SGD, {"lr": 0.125, "momentum": 0.5, "weight_decay": 0.0625}),
        ("adam", torch.optim.Adam, {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-7}),
        ("adam.other", torch.optim.Adam, {"lr": 0.0625, "beta1": 0.5, "beta2": 0.75, "eps": 0.125}),
    ):
        parameter = start.clone().requires_grad_()
        arguments = dict(attributes)
        if "beta1" in arguments:
            arguments["betas"] = (arguments.pop("beta1"), arguments.pop("beta2"))
        optimizer = make([parameter], **arguments)
        after = []
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimizer.step()
            after.append(parameter.detach().clone())
        cases.append({
            "name": name, "op": name.split(".")[0], "attributes": attributes,
            "inputs": {"parameter": tensor(start), "gradients": tensor(gradients)},
            "outputs": {"y": tensor(torch.stack(after))},
        })


# ---- Whole networks --------------------------------------------------------------


def seed_cnn(image, p):
    x = image.reshape(-1, 28, 28, 1)
    x = max_pool2d(torch.relu(conv2d(x, p["conv2d_1.kernel"], p["conv2d_1.bias"])), 2)
    x = max_pool2d(torch.relu(conv2d(x, p["conv2d_2.kernel"], p["conv2d_2.bias"])), 2)
    x = torch.relu(conv2d(x, p["conv2d_3.kernel"], p["conv2d_3.bias"])).reshape(len(x), -1)
    x = torch.relu(x @ p["dense_1.kernel"] + p["dense_1.bias"])
    return x @ p["dense_2.kernel"] + p["dense_2.bias"]


def mlp(image, p):
    x = torch.relu(image @ p["dense_1.kernel"] + p["dense_1.bias"])
    x = torch.relu(x @ p["dense_2.kernel"] + p["dense_2.bias"])
    return x @ p["dense_3.kernel"] + p["dense_3.bias"]


NETWORKS = {
    "mnist_cnn": (seed_cnn, {
        "conv2d_1.kernel": (3, 3, 1, 32), "conv2d_1.bias": (32,),
        "conv2d_2.kernel": (3, 3, 32, 64), "conv2d_2.bias": (64,),
        "conv2d_3.kernel": (3, 3, 64, 64), "conv2d_3.bias": (64,),
        "dense_1.kernel": (576, 64), "dense_1.bias": (64,),
        "dense_2.kernel": (64, 10), "dense_2.bias": (10,),
    }),
    "mlp": (mlp, {
        "dense_1.kernel": (784, 512), "dense_1.bias": (512,),
        "dense_2.kernel": (512, 512), "dense_2.bias": (512,),
        "dense_3.kernel": (512, 10), "dense_3.bias": (10,),
    }),
}
STEPS, BATCH = 100, 64


def weights(shapes):
    """Parameter number k: the stream of seed 100 + k, in the order of storage, rounded to f32:
    kernels (2 u - 1) * sqrt(6 / (fan_in + fan_out)), biases (2 u - 1) * 0.05."""
    result = {}
    for k, (name, shape) in enumerate(shapes.items()):
        stream = Stream(100 + k)
        receptive = math.prod(shape[:-2]) if len(shape) > 1 else 0
        limit = math.sqrt(6 / (receptive * (shape[-2] + shape[-1]))) if len(shape) > 1 else 0.05
        values = [(2 * stream.next() - 1) * limit for _ in range(math.prod(shape))]
        result[name] = torch.tensor(values, dtype=torch.float32).double().reshape(shape)
    return result


def batch(step):
    """Step s (from 0): the stream of seed 10000 + s. For each sample: the class shown, c = floor(10 u); whether the
    label says so, u < 0.8, else it is floor(10 u) of a number that is drawn in any case; then 28 x 28 pixels u / 2,
    plus 0.5 in rows 3 c to 3 c + 2. So there is something to learn, and a loss that stays away from 0."""
    stream = Stream(10000 + step)
    images, labels = [], []
    for _ in range(BATCH):
        shown, says_so, other = stream.below(10), stream.next() < 0.8, stream.below(10)
        labels.append(shown if says_so else other)
        images += [stream.next() * 0.5 + (0.5 if row // 3 == shown else 0.0) for row in range(28) for _ in range(28)]
    return torch.tensor(images).reshape(BATCH, 784), torch.tensor(labels)


def train(network, shapes, batches, dtype, reverse=False):
    """`reverse` turns the samples of each batch round, which changes nothing but the order of sums."""
    parameters = {name: value.to(dtype).requires_grad_() for name, value in weights(shapes).items()}
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-3, betas=(0.9, 0.999), eps=1e-7)
    losses, first_gradients = [], {}
    for image, label in batches:
        if reverse:
            image, label = image.flip(0), label.flip(0)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(image.to(dtype), parameters), label)
        loss.backward()
        if not losses:
            first_gradients = {name: p.grad.double().abs().sum().item() for name, p in parameters.items()}
        optimizer.step()
        losses.append(loss.item())
    after = {name: p.detach().double().abs().sum().item() for name, p in parameters.items()}
    return losses, first_gradients, after


def write(name, lines):
    with open(os.path.join(HERE, name), "w") as file:
        file.write("\n".join(lines) + "\n")


def main():
    op_cases()
    optimizer_cases()
    names = [c["name"] for c in cases]
    assert len(set(names)) == len(names), "two cases of one name"
    write("ops.json", ["["] + [json.dumps(c, separators=(",", ":")) + ("," if c is not cases[-1] else "") for c in cases] + ["]"])
    print(f"ops.json: {len(cases)} cases")

    batches = [batch(step) for step in range(STEPS)]
    for name, (network, shapes) in NETWORKS.items():
        losses, gradients, after = train(network, shapes, batches, torch.float64)
        # How much the losses of PyTorch itself depend on rounding. A ReLU or a pooling window whose
        # choice is a matter of the last bit may fall on either side; training amplifies it.
        in_f32, _, _ = train(network, shapes, batches, torch.float32)
        reordered, _, _ = train(network, shapes, batches, torch.float64, reverse=True)
        deviation = lambda other: [float(f"{abs(a / b - 1):.1e}") for a, b in zip(other, losses)]
        print(f"{name}.json: loss {losses[0]:.4f} -> {losses[-1]:.4f}; deviation of f64 with other sums "
              f"{max(deviation(reordered)):.0e}; of f32 {max(deviation(in_f32)[:50]):.0e} in 50 steps, {max(deviation(in_f32)):.0e} in all")
        record = {
            "model": name, "steps": STEPS, "batch": BATCH,
            "parameters": {key: list(shape) for key, shape in shapes.items()},
            "loss": losses,
            "deviation_of_torch_f32": deviation(in_f32),
            "gradient_abs_sum_at_first_step": gradients,
            "parameter_abs_sum_after_last_step": after,
        }
        write(name + ".json", ["{"] + [f" {json.dumps(key)}: {json.dumps(value)}" + ("," if key != list(record)[-1] else "") for key, value in record.items()] + ["}"])


if __name__ == "__main__":
    main()
