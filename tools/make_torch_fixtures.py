#!/usr/bin/python3
"""Writes tests/golden/torch/: what PyTorch computes, for tests/golden/torch_test.ts to compare with.

Run it as `/usr/bin/python3 tools/make_torch_fixtures.py`, with Debian's python3-torch (1.13) and
python3-numpy; nothing else of foldlog needs them. Everything is computed in float64 and rounded to
float32 at the end, so that a difference is foldlog's and not PyTorch's. Inputs are drawn by numpy's
RandomState, whose streams never change.

A file that is there already is compared and never overwritten: to change one, remove it first, and
say why in the commit.
"""

import json
import math
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "torch"
RATES = [0.1, 0.05, 0.02]


def optimizers_file():
    """Parameters, three steps' gradients, and the parameters after each step of each optimiser."""
    shapes = {"scalar": (), "vector": (4,), "matrix": (3, 4), "matrices": (2, 3, 2)}
    random = np.random.RandomState(42)

    def draw(shape):
        return rounded(random.standard_normal(shape))

    initial = {name: draw(shape) for name, shape in shapes.items()}
    gradients = [{name: draw(shape) for name, shape in shapes.items()} for _ in RATES]
    tensors = {f"initial/{name}": value for name, value in initial.items()}
    for step, values in enumerate(gradients):
        tensors.update({f"gradient/{step}/{name}": value for name, value in values.items()})
    for case, (make, clip) in optimizer_cases().items():
        params = {name: parameter(value) for name, value in initial.items()}
        optimizer = make(params)
        for step, rate in enumerate(RATES):
            for name, param in params.items():
                param.grad = torch.tensor(gradients[step][name])
            clip(list(params.values()))
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("factor", 1)
            optimizer.step()
            for name, param in params.items():
                tensors[f"{case}/{step}/{name}"] = param.detach().numpy().copy()
    return tensors


def optimizer_cases():
    """By name: what makes an optimiser of named parameters, and what clips their gradients."""
    adam = {"lr": 0, "betas": (0.8, 0.95), "eps": 1e-6}

    def one(kind, **options):
        return lambda params: kind(list(params.values()), **options)

    def groups(params):
        return torch.optim.AdamW([
            {"params": [params["matrix"], params["matrices"]], "weight_decay": 0.3},
            {"params": [params["vector"]], "weight_decay": 0, "factor": 0.5},
            {"params": [params["scalar"]], "weight_decay": 0},
        ], **adam)

    def unclipped(_params):
        pass

    sgd = one(torch.optim.SGD, lr=0)
    heavy = {"lr": 0, "momentum": 0.9}
    return {
        "sgd": (sgd, unclipped),
        "momentum": (one(torch.optim.SGD, **heavy), unclipped),
        "nesterov": (one(torch.optim.SGD, **heavy, nesterov=True), unclipped),
        "coupled decay": (one(torch.optim.SGD, **heavy, weight_decay=0.3), unclipped),
        "adam": (one(torch.optim.Adam, **adam), unclipped),
        "adam, coupled decay": (one(torch.optim.Adam, **adam, weight_decay=0.3), unclipped),
        "adamw": (one(torch.optim.AdamW, **adam, weight_decay=0.3), unclipped),
        "adamw, groups": (groups, unclipped),
        "lion": (one(Lion, beta1=0.8, beta2=0.95, weight_decay=0.3), unclipped),
        "adafactor": (one(Adafactor), unclipped),
        "adafactor, momentum": (one(Adafactor, momentum=0.9), unclipped),
        "clip by norm": (sgd, lambda params: torch.nn.utils.clip_grad_norm_(params, 1.0)),
        "clip by value": (sgd, lambda params: torch.nn.utils.clip_grad_value_(params, 0.5)),
    }


class Lion(torch.optim.Optimizer):
    """Chen et al. (2023), algorithm 2."""

    def __init__(self, params, **options):
        super().__init__(params, {"lr": 0, **options})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = group["beta1"] * m + (1 - group["beta1"]) * p.grad
                p -= group["lr"] * (torch.sign(c) + group["weight_decay"] * p)
                m.copy_(group["beta2"] * m + (1 - group["beta2"]) * p.grad)


class Adafactor(torch.optim.Optimizer):
    """Shazeer and Stern (2018), algorithms 4 and 5, with a given rate in place of the relative step.

    Momentum is that of Tensor2Tensor, the authors' code: a mean of updates with their rates.
    """

    def __init__(self, params, **options):
        super().__init__(params, {"lr": 0, "momentum": 0, **options})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["t"] = state.get("t", 0) + 1
                beta2 = 1 - state["t"] ** -0.8
                squares = p.grad ** 2 + 1e-30

                def mean(name, now):
                    state[name] = beta2 * state.get(name, torch.zeros_like(now)) + (1 - beta2) * now
                    return state[name]

                if p.dim() >= 2:
                    rows = mean("rows", squares.sum(-1, keepdim=True))
                    columns = mean("columns", squares.sum(-2, keepdim=True))
                    v = rows * columns / rows.sum(-2, keepdim=True)
                else:
                    v = mean("v", squares)
                u = p.grad / v.sqrt()
                u /= max(1, (u ** 2).mean().sqrt() / 1.0)
                step = group["lr"] * u
                if group["momentum"] > 0:
                    m = state.get("m", torch.zeros_like(p))
                    step = state["m"] = group["momentum"] * m + (1 - group["momentum"]) * step
                p -= step


SIZES = {"vocabulary": 11, "context": 6, "layers": 2, "heads": 2, "channels": 8}


def gpt2_file(mixed=False):
    """A tiny GPT-2: its first loss and gradients, and its parameters after three clipped steps of AdamW.

    With `mixed`, the operands of products and attention are rounded to half precision.

    Epsilon is 1e-5 and not Adam's 1e-8: the keys' biases have no gradient but rounding errors, since
    softmax does not see what is added to all scores of a row, and with a small epsilon Adam makes of
    them steps as large as any.
    """
    random = np.random.RandomState(7)
    params = {name: parameter(value) for name, value in gpt2_parameters(random).items()}
    tensors = {f"initial/{name}": param.detach().numpy().copy() for name, param in params.items()}
    decayed = [param for param in params.values() if param.dim() >= 2]
    others = [param for param in params.values() if param.dim() < 2]
    optimizer = torch.optim.AdamW([
        {"params": decayed, "weight_decay": 0.1},
        {"params": others, "weight_decay": 0},
    ], lr=0, betas=(0.9, 0.95), eps=1e-5)
    losses = []
    norms = []
    for step, rate in enumerate(RATES):
        sequences = random.randint(0, SIZES["vocabulary"], (4, SIZES["context"] + 1))
        tokens, targets = sequences[:, :-1], sequences[:, 1:]
        tensors[f"tokens/{step}"] = tokens.astype(np.int32)
        tensors[f"targets/{step}"] = targets.astype(np.int32)
        optimizer.zero_grad()
        logits = gpt2_logits(params, torch.tensor(tokens), mixed)
        loss = F.cross_entropy(logits.flatten(0, 1), torch.tensor(targets).flatten())
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            for name, param in params.items():
                tensors[f"gradient/{name}"] = param.grad.numpy().copy()
        norms.append(torch.nn.utils.clip_grad_norm_(list(params.values()), 1.0).item())
        for group in optimizer.param_groups:
            group["lr"] = rate / 10
        optimizer.step()
        for name, param in params.items():
            tensors[f"after/{step}/{name}"] = param.detach().numpy().copy()
    return {**tensors, "losses": np.array(losses), "norms": np.array(norms)}


def gpt2_parameters(random):
    """Parameters in the names and shapes of the Hugging Face layout; weights are [in, out]."""
    tables = {"wte.weight": SIZES["vocabulary"], "wpe.weight": SIZES["context"]}
    shapes = {name: (rows, SIZES["channels"]) for name, rows in tables.items()}
    return drawn_parameters(random, {**shapes, **block_shapes(SIZES)})


def block_shapes(sizes):
    channels = sizes["channels"]
    shapes = {}
    for layer in range(sizes["layers"]):
        linears = {"attn.c_attn": (1, 3), "attn.c_proj": (1, 1), "mlp.c_fc": (1, 4), "mlp.c_proj": (4, 1)}
        for name, (inputs, outputs) in linears.items():
            shapes[f"h.{layer}.{name}.weight"] = (inputs * channels, outputs * channels)
            shapes[f"h.{layer}.{name}.bias"] = (outputs * channels,)
        for name in ["ln_1", "ln_2"]:
            shapes[f"h.{layer}.{name}.weight"] = (channels,)
            shapes[f"h.{layer}.{name}.bias"] = (channels,)
    shapes.update({"ln_f.weight": (channels,), "ln_f.bias": (channels,)})
    return shapes


def drawn_parameters(random, shapes):
    """Normal with deviation 0.3; around 1 for the scales of norms."""
    return {
        name: rounded(0.3 * random.standard_normal(shape) + (name.endswith("weight") and ("ln_" in name or "norm." in name)))
        for name, shape in shapes.items()
    }


def gpt2_logits(params, tokens, mixed):
    """GPT-2 (Radford et al., 2019) written out: pre-norm blocks, causal attention, tied head."""
    x = params["wte.weight"][tokens] + params["wpe.weight"][:tokens.shape[1]]
    operand, incoming = (RoundedOperand.apply, RoundedGradient.apply) if mixed else (same, same)
    x = through_blocks(params, x, SIZES, causal=True, operand=operand, incoming=incoming)
    return incoming(operand(x) @ operand(params["wte.weight"]).T)


def same(x):
    return x


def half(x):
    """Float32's nearest binary16, as the backends see it: two roundings, of float64 to float32 first."""
    return x.float().half().double()


class RoundedOperand(torch.autograd.Function):
    """An operand of a product in half precision, whose gradient passes as it comes."""

    @staticmethod
    def forward(_context, x):
        return half(x)

    @staticmethod
    def backward(_context, dy):
        return dy


class RoundedGradient(torch.autograd.Function):
    """The result of a product, whose gradient is an operand in half precision."""

    @staticmethod
    def forward(_context, x):
        return x.clone()

    @staticmethod
    def backward(_context, dy):
        return half(dy)


def through_blocks(params, x, sizes, causal, operand=same, incoming=same):
    """x [batch, context, channels] after GPT-2's blocks and the last normalisation.

    `operand` is applied to what products take, and to queries, keys and values; `incoming` to what
    products and attention give.
    """
    batch, context, channels = x.shape
    hidden_from = torch.ones(context, context).triu(1 if causal else context).bool()

    def norm(x, name):
        return F.layer_norm(x, (channels,), params[f"{name}.weight"], params[f"{name}.bias"], 1e-5)

    def linear(x, name):
        weight = operand(params[f"{name}.weight"])
        return incoming(operand(x) @ weight) + params[f"{name}.bias"]

    for layer in range(sizes["layers"]):
        block = f"h.{layer}"
        qkv = operand(linear(norm(x, f"{block}.ln_1"), f"{block}.attn.c_attn")).split(channels, dim=-1)
        q, k, v = [y.view(batch, context, sizes["heads"], -1).transpose(1, 2) for y in qkv]
        scores = q @ k.transpose(-1, -2) / math.sqrt(channels / sizes["heads"])
        mixed = scores.masked_fill(hidden_from, -math.inf).softmax(-1) @ v
        joined = incoming(mixed).transpose(1, 2).reshape(batch, context, channels)
        x = x + linear(joined, f"{block}.attn.c_proj")
        hidden = F.gelu(linear(norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc"), approximate="tanh")
        x = x + linear(hidden, f"{block}.mlp.c_proj")
    return norm(x, "ln_f")


MLP_WIDTHS = [3, 6, 5, 4]
LORA = {"rank": 2, "alpha": 3}
UNET = {"inputs": 2, "outputs": 3, "height": 8, "width": 4}
ENCODER = {"context": 5, "features": 3, "vocabulary": 7, "layers": 2, "heads": 2, "channels": 4, "outputs": 3}


def models_file(cases):
    """The first loss and gradients of each model, and its parameters after three steps of AdamW."""
    tensors = {}
    for seed, (case, (shapes, data, loss_of)) in enumerate(cases.items()):
        random = np.random.RandomState(seed)
        params = {name: parameter(value) for name, value in drawn_parameters(random, shapes).items()}
        batches = [data(random) for _ in RATES]
        steps = adamw_steps(params, batches, loss_of)
        tensors.update({f"{case}/{name}": value for name, value in steps.items()})
    return tensors


def adamw_steps(params, batches, loss_of):
    """Three steps; where there are adapters, only they are trained. Epsilon is that of `gpt2_file`."""
    tensors = {f"initial/{name}": param.detach().numpy().copy() for name, param in params.items()}
    adapters = [param for name, param in params.items() if name.startswith("lora.")]
    trained = adapters or list(params.values())
    optimizer = torch.optim.AdamW([
        {"params": [param for param in trained if param.dim() >= 2], "weight_decay": 0.1},
        {"params": [param for param in trained if param.dim() < 2], "weight_decay": 0},
    ], lr=0, betas=(0.9, 0.95), eps=1e-5)
    losses = []
    for step, (inputs, targets) in enumerate(batches):
        tensors.update({f"inputs/{step}": inputs, f"targets/{step}": targets})
        for param in params.values():
            param.grad = None
        loss = loss_of(params, torch.tensor(inputs), torch.tensor(targets))
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            for name, param in params.items():
                tensors[f"gradient/{name}"] = param.grad.numpy().copy()
        for group in optimizer.param_groups:
            group["lr"] = RATES[step] / 10
        optimizer.step()
    tensors.update({f"after/{name}": param.detach().numpy().copy() for name, param in params.items()})
    return {**tensors, "losses": np.array(losses)}


def model_cases():
    """By name: shapes of the parameters, what draws a batch, and the loss of parameters and a batch."""
    layers = range(len(MLP_WIDTHS) - 1)
    mlp = {}
    adapters = {}
    for layer in layers:
        inputs, outputs = MLP_WIDTHS[layer:layer + 2]
        mlp.update({f"layers.{layer}.weight": (inputs, outputs), f"layers.{layer}.bias": (outputs,)})
        adapters[f"lora.layers.{layer}.weight.a"] = (inputs, LORA["rank"])
        adapters[f"lora.layers.{layer}.weight.b"] = (LORA["rank"], outputs)
    lora = {**{f"base.{name}": shape for name, shape in mlp.items()}, **adapters}

    def mlp_outputs(params, x, activation):
        for layer in layers:
            x = x if layer == 0 else activation(x)
            x = x @ params[f"layers.{layer}.weight"] + params[f"layers.{layer}.bias"]
        return x

    def mlp_loss(loss, activation):
        return lambda params, x, y: loss(mlp_outputs(params, x, activation), y)

    def lora_loss(scale):
        return lambda params, x, y: F.cross_entropy(mlp_outputs(with_lora(params, scale), x, gelu), y)

    classes = both(numbers(4, MLP_WIDTHS[0]), integers(MLP_WIDTHS[-1], 4))
    values = both(numbers(4, MLP_WIDTHS[0]), numbers(4, MLP_WIDTHS[-1]))
    context, features, vocabulary, outputs = [
        ENCODER[name] for name in ["context", "features", "vocabulary", "outputs"]]
    return {
        "mlp, relu": (mlp, classes, mlp_loss(F.cross_entropy, F.relu)),
        "mlp, gelu": (mlp, classes, mlp_loss(F.cross_entropy, gelu)),
        "mlp, tanh": (mlp, values, mlp_loss(F.mse_loss, torch.tanh)),
        "lora": (lora, classes, lora_loss(LORA["alpha"] / LORA["rank"])),
        "rslora": (lora, classes, lora_loss(LORA["alpha"] / math.sqrt(LORA["rank"]))),
        "encoder, regression": (
            encoder_shapes({"input.weight": (features, ENCODER["channels"]), "input.bias": (ENCODER["channels"],)}),
            both(numbers(4, context, features), numbers(4, outputs)),
            lambda params, x, y: F.mse_loss(regression_encoder(params, x), y),
        ),
        "encoder, classification": (
            encoder_shapes({"input.weight": (vocabulary, ENCODER["channels"])}),
            both(integers(vocabulary, 4, context), integers(outputs, 4)),
            lambda params, x, y: F.cross_entropy(classification_encoder(params, x), y),
        ),
    }


def gelu(x):
    return F.gelu(x, approximate="tanh")


def with_lora(params, scale):
    """The parameters below "base.", with scale A B added where "lora." has an adapter."""
    base = {name[5:]: value for name, value in params.items() if name.startswith("base.")}
    adapted = {name[5:-2] for name in params if name.startswith("lora.")}
    for name in adapted:
        change = params[f"lora.{name}.a"] @ params[f"lora.{name}.b"]
        base[name] = base[name] + scale * change.reshape(base[name].shape)
    return base


def numbers(*shape):
    return lambda random: rounded(random.standard_normal(shape))


def integers(below, *shape):
    return lambda random: random.randint(0, below, shape)


def both(inputs, targets):
    return lambda random: (inputs(random), targets(random))


def unet_cases():
    """As `model_cases`: images [batch, height, width, channels], a number or a class at each pixel."""
    image = [UNET["height"], UNET["width"]]
    values = both(numbers(2, *image, UNET["inputs"]), numbers(2, *image, UNET["outputs"]))
    classes = both(numbers(2, *image, UNET["inputs"]), integers(UNET["outputs"], 2, *image))

    def adapted(shapes):
        adapters = {}
        for name, shape in shapes.items():
            if name.endswith("kernel"):
                adapters[f"lora.{name}.a"] = (math.prod(shape[:-1]), LORA["rank"])
                adapters[f"lora.{name}.b"] = (LORA["rank"], shape[-1])
        return {**{f"base.{name}": shape for name, shape in shapes.items()}, **adapters}

    def pixel_classes(outputs, y):
        return F.cross_entropy(outputs.flatten(0, 2), y.flatten())

    return {
        "unet, regression": (
            unet_shapes([3, 4, 5]),
            values,
            lambda params, x, y: F.mse_loss(unet_outputs(params, x, 3), y),
        ),
        "unet, classification": (
            unet_shapes([4]),
            classes,
            lambda params, x, y: pixel_classes(unet_outputs(params, x, 1), y),
        ),
        "unet, lora": (
            adapted(unet_shapes([3, 4])),
            classes,
            lambda params, x, y: pixel_classes(
                unet_outputs(with_lora(params, LORA["alpha"] / LORA["rank"]), x, 2), y),
        ),
    }


def unet_shapes(channels):
    shapes = {}

    def convolution(name, size, inputs, outputs):
        shapes.update({f"{name}.kernel": (size, size, inputs, outputs), f"{name}.bias": (outputs,)})

    def block(name, inputs, outputs):
        for place, width in enumerate([inputs, outputs]):
            convolution(f"{name}.{place}", 3, width, outputs)
            shapes.update({f"{name}.{place}.norm.{part}": (outputs,) for part in ["weight", "bias"]})

    for level, width in enumerate(channels):
        block(f"encode.{level}", width if level > 0 else UNET["inputs"], width)
    for level, (upper, lower) in enumerate(zip(channels, channels[1:])):
        convolution(f"down.{level}", 3, upper, lower)
        convolution(f"up.{level}", 3, lower, upper)
        block(f"decode.{level}", 2 * upper, upper)
    convolution("head", 1, channels[0], UNET["outputs"])
    return shapes


def unet_outputs(params, x, levels):
    """A U-Net written out, with PyTorch's own convolution, upsampling and padding of k // 2."""

    def convolved(x, name, stride=1):
        kernel = params[f"{name}.kernel"].permute(3, 2, 0, 1)
        return F.conv2d(x, kernel, params[f"{name}.bias"], stride, padding=kernel.shape[-1] // 2)

    def norm(x, name):
        weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
        return F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, 1e-5).permute(0, 3, 1, 2)

    def block(x, name):
        for place in range(2):
            x = gelu(norm(convolved(x, f"{name}.{place}"), f"{name}.{place}.norm"))
        return x

    x = x.permute(0, 3, 1, 2)
    skips = []
    for level in range(levels - 1):
        skips.append(block(x, f"encode.{level}"))
        x = convolved(skips[-1], f"down.{level}", stride=2)
    x = block(x, f"encode.{levels - 1}")
    for level in reversed(range(levels - 1)):
        risen = convolved(F.interpolate(x, scale_factor=2, mode="nearest"), f"up.{level}")
        x = block(torch.cat([skips[level], risen], 1), f"decode.{level}")
    return convolved(x, "head").permute(0, 2, 3, 1)


def encoder_shapes(inputs):
    channels, outputs = ENCODER["channels"], ENCODER["outputs"]
    head = {"head.weight": (channels, outputs), "head.bias": (outputs,)}
    return {**inputs, "wpe.weight": (ENCODER["context"], channels), **block_shapes(ENCODER), **head}


def regression_encoder(params, x):
    """Continuous inputs, full attention, the mean of all positions."""
    x = x @ params["input.weight"] + params["input.bias"] + params["wpe.weight"]
    pooled = through_blocks(params, x, ENCODER, causal=False).mean(1)
    return pooled @ params["head.weight"] + params["head.bias"]


def classification_encoder(params, tokens):
    """Tokens, causal attention, the last position."""
    x = params["input.weight"][tokens] + params["wpe.weight"]
    pooled = through_blocks(params, x, ENCODER, causal=True)[:, -1]
    return pooled @ params["head.weight"] + params["head.bias"]


class Conv1D(torch.nn.Module):
    """The dense layer of Hugging Face's GPT-2: its weight is [in, out]."""

    def __init__(self, outputs, inputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(inputs, outputs))
        self.bias = torch.nn.Parameter(torch.empty(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Attention(torch.nn.Module):
    def __init__(self, channels, heads, context):
        super().__init__()
        self.heads = heads
        self.c_attn = Conv1D(3 * channels, channels)
        self.c_proj = Conv1D(channels, channels)
        self.register_buffer("bias", torch.tril(torch.ones(1, 1, context, context)).bool())
        self.register_buffer("masked_bias", torch.tensor(-1e4))

    def forward(self, x):
        batch, context, channels = x.shape
        split = self.c_attn(x).split(channels, dim=-1)
        q, k, v = [y.view(batch, context, self.heads, -1).transpose(1, 2) for y in split]
        scores = q @ k.transpose(-1, -2) / math.sqrt(channels / self.heads)
        scores = scores.masked_fill(~self.bias[:, :, :context, :context], -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, context, channels)
        return self.c_proj(mixed)


class Mlp(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.c_fc = Conv1D(4 * channels, channels)
        self.c_proj = Conv1D(channels, 4 * channels)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(torch.nn.Module):
    def __init__(self, channels, heads, context):
        super().__init__()
        self.ln_1 = torch.nn.LayerNorm(channels)
        self.attn = Attention(channels, heads, context)
        self.ln_2 = torch.nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2(torch.nn.Module):
    """GPT-2 with the names that transformers gives the parameters and buffers of a GPT2LMHeadModel."""

    def __init__(self, vocabulary, context, layers, heads, channels):
        super().__init__()
        self.transformer = torch.nn.ModuleDict({
            "wte": torch.nn.Embedding(vocabulary, channels),
            "wpe": torch.nn.Embedding(context, channels),
            "h": torch.nn.ModuleList([Block(channels, heads, context) for _ in range(layers)]),
            "ln_f": torch.nn.LayerNorm(channels),
        })
        self.lm_head = torch.nn.Linear(channels, vocabulary, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, tokens):
        model = self.transformer
        x = model["wte"](tokens) + model["wpe"](torch.arange(tokens.shape[1]))
        for block in model["h"]:
            x = block(x)
        return self.lm_head(model["ln_f"](x))


MASKS = (".attn.bias", ".attn.masked_bias")


def weights_files():
    """One tiny GPT-2 in the files that others write, and its logits with the weights of each precision."""
    random = np.random.RandomState(11)
    model = Gpt2(**SIZES).double()
    for name, param in model.named_parameters():
        scale = 1 if "ln_" in name and name.endswith("weight") else 0
        value = scale + 0.3 * random.standard_normal(tuple(param.shape))
        param.data = torch.tensor(rounded(value))
    tokens = torch.tensor(random.randint(0, SIZES["vocabulary"], (3, SIZES["context"])))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    logits = {"tokens": tokens.numpy().astype(np.int32)}
    for kind in [torch.float32, torch.float16, torch.bfloat16]:
        model.load_state_dict({
            name: value if name.endswith(MASKS) else value.to(kind).double() for name, value in state.items()
        })
        logits[f"logits/{DTYPES[kind]}"] = model(tokens).detach().numpy()
    weights = {name: value.float() for name, value in state.items()
               if not name.endswith(MASKS) and name != "lm_head.weight"}
    bare = {name.replace("transformer.", ""): value for name, value in weights.items()}
    return {
        "weights/logits.safetensors": safetensors(logits),
        # As transformers saves it now.
        "weights/hf/model.safetensors": stored_tensors(weights),
        "weights/hf/config.json": json.dumps(hugging_face_config(), indent=2, sort_keys=True).encode() + b"\n",
        # As older versions did, masks and all, and in half precision.
        "weights/masks.safetensors": stored_tensors({
            name: value if value.dtype == torch.bool else value.half() for name, value in state.items()
        }),
        # As the hub has GPT-2: without the prefix.
        "weights/bare.safetensors": stored_tensors({name: value.bfloat16() for name, value in bare.items()}),
        "weights/llmc.bin": llmc_model(bare, torch.float32),
        "weights/llmc_bf16.bin": llmc_model(bare, torch.bfloat16),
    }


DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.bool: "BOOL"}


def hugging_face_config():
    return {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_embd": SIZES["channels"],
        "n_head": SIZES["heads"],
        "n_inner": None,
        "n_layer": SIZES["layers"],
        "n_positions": SIZES["context"],
        "vocab_size": SIZES["vocabulary"],
    }


def elements(tensor):
    """The elements of a tensor in its own precision, as bytes."""
    flat = tensor.contiguous().flatten()
    if flat.dtype == torch.bfloat16:
        return struct.pack(f"<{flat.numel()}h", *flat.view(torch.int16).tolist())
    form = {torch.float32: "f", torch.float16: "e", torch.bool: "?"}[flat.dtype]
    return struct.pack(f"<{flat.numel()}{form}", *flat.tolist())


def stored_tensors(tensors):
    """The bytes of a safetensors file of tensors in their own precisions."""
    header = {"__metadata__": {"format": "pt"}}
    data = b""
    for name in sorted(tensors, key=lambda name: (-tensors[name].element_size(), name)):
        stored = elements(tensors[name])
        header[name] = {
            "dtype": DTYPES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [len(data), len(data) + len(stored)],
        }
        data += stored
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def llmc_model(params, kind):
    """The bytes of llm.c's model file: its dense layers are torch.nn.Linear, whose weights are [out, in]."""
    padded = 128 * math.ceil(SIZES["vocabulary"] / 128)
    version = {torch.float32: 3, torch.bfloat16: 5}[kind]
    sizes = [SIZES[name] for name in ["context", "vocabulary", "layers", "heads", "channels"]]
    header = [20240326, version, *sizes, padded]
    file = struct.pack("<256i", *header, *[0] * (256 - len(header)))
    file += elements(F.pad(params["wte.weight"], (0, 0, 0, padded - SIZES["vocabulary"])).to(kind))
    file += elements(params["wpe.weight"].to(kind))
    for name in ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]:
        for part in ["weight", "bias"]:
            for layer in range(SIZES["layers"]):
                value = params[f"h.{layer}.{name}.{part}"]
                file += elements((value.T if value.dim() == 2 else value).to(kind))
    for part in ["weight", "bias"]:
        file += elements(params[f"ln_f.{part}"].to(kind))
    return file


def shard_files():
    """Token shards as llm.c's own script writes them (dev/data/data_common.py there), of 64 tokens."""
    random = np.random.RandomState(13)
    counts = {"tiny_train_000000.bin": 300, "tiny_train_000001.bin": 150, "tiny_val_000000.bin": 100}
    files = {}
    for name, count in counts.items():
        tokens = random.randint(0, 64, count).tolist()
        header = struct.pack("<256i", 20240520, 1, count, *[0] * 253)
        files[f"shards/{name}"] = header + struct.pack(f"<{count}H", *tokens)
    return files


def rounded(value):
    """The float32 numbers that foldlog begins with, as float64."""
    return np.asarray(value, dtype=np.float32).astype(np.float64)


def parameter(value):
    return torch.tensor(value, requires_grad=True)


def safetensors(tensors):
    """The bytes of a safetensors file: https://huggingface.co/docs/safetensors, "Format"."""
    header = {"__metadata__": {"format": "pt"}}
    data = b""
    for name in sorted(tensors):
        value = np.asarray(tensors[name])
        kind, dtype = ("I32", "<i4") if value.dtype.kind == "i" else ("F32", "<f4")
        stored = value.astype(dtype).tobytes()
        offsets = [len(data), len(data) + len(stored)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": offsets}
        data += stored
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main():
    files = {
        "optimizers.safetensors": safetensors(optimizers_file()),
        "gpt2.safetensors": safetensors(gpt2_file()),
        "models.safetensors": safetensors(models_file(model_cases())),
        "unet.safetensors": safetensors(models_file(unet_cases())),
        "transformer_mixed.safetensors": safetensors(gpt2_file(mixed=True)),
        **weights_files(),
        **shard_files(),
    }
    others = []
    for name, made in files.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(made)
            print(f"{name}: {len(made)} bytes, new")
        elif (FOLDER / name).read_bytes() == made:
            print(f"{name}: {len(made)} bytes, as it was")
        else:
            others.append(name)
    if others:
        sys.exit(f"Expected the files that are there, made other bytes for {', '.join(others)}: "
                 "remove them first if that is what you want")


if __name__ == "__main__":
    main()
