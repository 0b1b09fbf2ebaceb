"""The mini GPT in PyTorch, as one contender of bench/step_bench.ts.

Reads a problem from the safetensors file that is its argument, then answers lines: first its name, then
for each "steps N" how long N steps took and the loss of the last one, each answer as one line of JSON.
"""

import json
import math
import sys
import time


def answer(value):
    print(json.dumps(value), flush=True)


try:
    import numpy
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as error:
    answer({"error": f"{error}: apt-get install python3-torch python3-numpy"})
    sys.exit()


class Block(nn.Module):
    def __init__(self, heads, channels):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(channels)
        self.c_attn = nn.Linear(channels, 3 * channels)
        self.attn_proj = nn.Linear(channels, channels)
        self.ln_2 = nn.LayerNorm(channels)
        self.c_fc = nn.Linear(channels, 4 * channels)
        self.mlp_proj = nn.Linear(4 * channels, channels)

    def forward(self, x, later):
        x = x + self.attn_proj(self.attention(self.c_attn(self.ln_1(x)), later))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))

    def attention(self, qkv, later):
        batch, context, width = qkv.shape
        q, k, v = (
            part.view(batch, context, self.heads, -1).transpose(1, 2)
            for part in qkv.split(width // 3, dim=2)
        )
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        weights = F.softmax(scores.masked_fill(later, float("-inf")), dim=3)
        return (weights @ v).transpose(1, 2).reshape(batch, context, -1)


class Gpt(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, channels):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, channels)
        self.wpe = nn.Parameter(torch.empty(context, channels))
        self.h = nn.ModuleList(Block(heads, channels) for _ in range(layers))
        self.ln_f = nn.LayerNorm(channels)
        later = torch.ones(context, context, dtype=torch.bool).triu(1)
        self.register_buffer("later", later, persistent=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe
        for block in self.h:
            x = block(x, self.later)
        return self.ln_f(x) @ self.wte.weight.T  # the head is the embedding


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        elements = numpy.frombuffer(data[begin:end], {"F32": "<f4", "I32": "<i4"}[entry["dtype"]])
        tensors[name] = torch.from_numpy(elements.reshape(entry["shape"]).copy())
    return tensors, metadata


NAMES = {"attn.c_attn": "c_attn", "attn.c_proj": "attn_proj", "mlp.c_fc": "c_fc", "mlp.c_proj": "mlp_proj"}


def state_of(tensors):
    """The tensors under the names of Gpt; nn.Linear has its weights as [out, in]."""
    state = {}
    for name, tensor in tensors.items():
        for theirs, ours in NAMES.items():
            if theirs in name:
                name = name.replace(theirs, ours)
                tensor = tensor.T.contiguous() if name.endswith("weight") else tensor
        state["wpe" if name == "wpe.weight" else name] = tensor
    return state


tensors, metadata = read_safetensors(sys.argv[1])
sizes = json.loads(metadata["sizes"])
rate = float(sys.argv[2])
tokens = tensors.pop("tokens").long()
targets = tensors.pop("targets").long().view(-1)
model = Gpt(**{name: sizes[name] for name in ("vocabulary", "context", "layers", "heads", "channels")})
model.load_state_dict(state_of(tensors))
optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(tokens).view(len(targets), -1), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


def blas():
    """Which library multiplies: Debian's default is the reference one, several times slower than others."""
    with open("/proc/self/maps") as maps:
        loaded = maps.read().lower()
    names = {"openblas": "OpenBLAS", "mkl_": "MKL", "blis": "BLIS", "atlas": "ATLAS", "libblas": "the reference BLAS"}
    return next((name for part, name in names.items() if part in loaded), "its own BLAS")


answer({"name": f"PyTorch {torch.__version__} with {blas()}"})
for line in sys.stdin:
    count = int(line.split()[1])
    start = time.perf_counter()
    for _ in range(count):
        loss = step()
    answer({"milliseconds": 1000 * (time.perf_counter() - start), "loss": loss})
