"""Every fusion once more in plain numpy, from its equations: what the modules are held against.

`w` maps a parameter's name to its array, as the module names it; a `Window` holds one window.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit, softmax

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Window:
    """One window: embeddings (M, D), evidence (M, C), presence and quality (M,), items."""

    h: Array
    modal: Array
    m: Array
    q: Array
    items: list[tuple[Array, Array, Array]]  # tokens (T, D), mask (T,), times (T,)
    context: Array

    @property
    def there(self) -> list[int]:
        """The modalities that are present, in order."""
        return [i for i in range(len(self.m)) if self.m[i] > 0]

    def weighted(self, i: int) -> Array:
        """Return q_i h_i, zero where absent."""
        return self.h[i] * self.q[i] * self.m[i] if self.m[i] else np.zeros_like(self.h[i])

    def joined(self) -> Array:
        """Return [q_1 h_1 .. q_M h_M ; m q]."""
        parts = [self.weighted(i) for i in range(len(self.m))]
        return np.concatenate([*parts, self.m * self.q])

    def seen(self, i: int) -> tuple[Array, Array]:
        """Return the unmasked items of a modality and their times."""
        tokens, mask, times = self.items[i]
        keep = (mask > 0) & bool(self.m[i])
        return tokens[keep], times[keep]


def gelu(x: Array) -> Array:
    """Return x Phi(x)."""
    return np.asarray(x * 0.5 * (1 + erf(x / np.sqrt(2))))


def linear(w: Weights, name: str, x: Array) -> Array:
    """Return W x + b of a layer."""
    return np.asarray(x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", np.zeros(1)))


def norm(w: Weights, name: str, x: Array) -> Array:
    """Return the layer norm."""
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return np.asarray(scaled * w[f"{name}.weight"] + w[f"{name}.bias"])


def read(w: Weights, window: Window, z: Array) -> Array:
    """Return the evidence a joint fusion reads from its summary."""
    if not window.there:
        return np.zeros(window.modal.shape[1])
    return linear(w, "out", gelu(linear(w, "lift.0", z)))


def gru_cell(w: Weights, name: str, x: Array, state: Array) -> Array:
    """Return the next state (Cho et al., 2014), gates in the order r, z, n."""
    given = w[f"{name}.weight_ih"] @ x + w[f"{name}.bias_ih"]
    kept = w[f"{name}.weight_hh"] @ state + w[f"{name}.bias_hh"]
    size = len(state)
    reset = expit(given[:size] + kept[:size])
    update = expit(given[size : 2 * size] + kept[size : 2 * size])
    new = np.tanh(given[2 * size :] + reset * kept[2 * size :])
    return np.asarray((1 - update) * new + update * state)


def late(w: Weights, window: Window) -> Array:
    del w
    total = np.zeros(window.modal.shape[1])
    for i in window.there:
        total += window.q[i] * window.modal[i]
    return total


def concat(w: Weights, window: Window) -> Array:
    return read(w, window, gelu(linear(w, "net.0", window.joined())))


def residual(w: Weights, window: Window) -> Array:
    if len(window.there) < 2:
        return late(w, window)
    return late(w, window) + linear(w, "out", gelu(linear(w, "net.0", window.joined())))


def plain_sum(w: Weights, window: Window) -> Array:
    z = np.zeros(window.h.shape[1])
    for i in window.there:
        z += window.q[i] * np.maximum(linear(w, f"projections.{i}", window.weighted(i)), 0)
    return read(w, window, z / np.sqrt(max(len(window.there), 1)))


def weighted_sum(w: Weights, window: Window) -> Array:
    if not window.there:
        return read(w, window, np.zeros(0))
    scores = [
        w["standing"][i] + w["asking"][i] @ window.weighted(i) + np.log(max(window.q[i], 1e-3))
        for i in window.there
    ]
    z = sum(
        share * np.maximum(linear(w, f"projections.{i}", window.weighted(i)), 0)
        for share, i in zip(softmax(scores), window.there, strict=True)
    )
    return read(w, window, np.asarray(z))


def conv(w: Weights, window: Window) -> Array:
    rows = [window.weighted(i) for i in range(len(window.m))]
    mean = np.sum(rows, axis=0) / max(len(window.there), 1)

    def convolved(name: str, maps: Array) -> Array:
        kernel, padded = w[f"{name}.weight"], np.pad(maps, ((0, 0), (1, 1)))
        length = maps.shape[1]
        found = [
            sum(np.convolve(padded[c], kernel[o, c, ::-1], "valid") for c in range(len(maps)))
            for o in range(len(kernel))
        ]
        return np.asarray(found)[:, :length] + w[f"{name}.bias"][:, None]

    z = convolved("net.2", gelu(convolved("net.0", np.stack([*rows, mean]))))[0]
    return read(w, window, z)


def alignment(w: Weights, window: Window) -> Array:
    width = window.h.shape[1]
    shared, private = np.zeros(width), np.zeros(width)
    for i in window.there:
        g = linear(w, f"shared.{i}", window.weighted(i))
        shared += g / max(float(np.linalg.norm(g)), 1e-3)
        private += linear(w, f"private.{i}", window.weighted(i))
    return read(w, window, np.concatenate([shared / max(len(window.there), 1), private]))


def gru(w: Weights, window: Window) -> Array:
    state = w["first"]
    for i in window.there:
        state = gru_cell(w, "cell", linear(w, f"projections.{i}", window.weighted(i)), state)
    return read(w, window, state)


def gmu(w: Weights, window: Window) -> Array:
    if not window.there:
        return read(w, window, np.zeros(0))
    gates = softmax([linear(w, f"gates.{i}", window.joined()) for i in window.there], axis=0)
    contents = [np.tanh(linear(w, f"contents.{i}", window.weighted(i))) for i in window.there]
    return read(w, window, np.sum(gates * np.stack(contents), axis=0))


def gcn(w: Weights, window: Window) -> Array:
    machine = linear(w, "machine", window.context)
    nodes = np.stack([*(window.weighted(i) for i in window.there), machine])
    seen = linear(w, "likeness", nodes)
    like = seen @ seen.T / np.sqrt(window.h.shape[1])
    edges = expit(w["scale"] * like + w["bias"]) + np.eye(len(nodes))
    root = np.diag(edges.sum(1) ** -0.5)
    for layer in range(2):
        nodes = gelu(root @ edges @ root @ linear(w, f"layers.{layer}", nodes))
    return read(w, window, nodes.mean(0))


def factorised(w: Weights, window: Window, order: int) -> Array:
    parts = []
    for at, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        carried: Array | float = 1.0
        for step in range(at * order, (at + 1) * order):
            carried = (
                linear(w, f"left.{step}", window.weighted(i))
                * linear(w, f"right.{step}", window.weighted(j))
                * carried
            )
            pooled = carried.reshape(32, 4).sum(1)
            rooted = pooled / np.sqrt(np.abs(pooled) + 1e-3)
            there = i in window.there and j in window.there
            parts.append(there * rooted / max(float(np.linalg.norm(rooted)), 1e-3))
    return read(w, window, np.concatenate([*parts, linear(w, "alone", window.joined())]))


def mfb(w: Weights, window: Window) -> Array:
    return factorised(w, window, 1)


def mfh(w: Weights, window: Window) -> Array:
    return factorised(w, window, 2)


def lmf(w: Weights, window: Window) -> Array:
    z = np.array(w["bias"])
    for rank in range(8):
        product = np.ones(len(z))
        for i in range(len(window.m)):
            product *= np.concatenate([[1.0], window.weighted(i)]) @ w["factors"][i, rank]
        z = z + w["ranks"][rank] * product
    return read(w, window, z)


def tfn(w: Weights, window: Window) -> Array:
    each = []
    for i in range(len(window.m)):
        short = np.tanh(linear(w, f"projections.{i}", window.weighted(i))) * window.m[i]
        each.append(np.concatenate([[1.0], short]))
    return read(w, window, np.einsum("a,b,c->abc", *each).ravel())


def attend(
    w: Weights, name: str, asking: Array, asked: Array, *, bias: Array | None = None
) -> Array:
    """Return multi-head attention over keys that are all there."""
    query, key, value = (
        linear(w, f"{name}.{part}", tokens)
        for part, tokens in (("query", asking), ("key", asked), ("value", asked))
    )
    heads = []
    size = asking.shape[1] // 4
    for head in range(4):
        part = slice(head * size, (head + 1) * size)
        score = query[:, part] @ key[:, part].T / np.sqrt(size)
        heads.append(softmax(score + (0.0 if bias is None else bias), axis=1) @ value[:, part])
    return linear(w, f"{name}.out", np.concatenate(heads, axis=1))


def block(w: Weights, name: str, asking: Array, asked: Array) -> Array:
    """Return what a block makes of `asking`."""
    found = attend(
        w,
        f"{name}.attention",
        norm(w, f"{name}.norm", asking),
        norm(w, f"{name}.asked_norm", asked),
    )
    asking = asking + found
    hidden = gelu(linear(w, f"{name}.net.1", norm(w, f"{name}.net.0", asking)))
    return asking + linear(w, f"{name}.net.4", hidden)


def self_attention(w: Weights, window: Window) -> Array:
    named = [window.weighted(i) + w["kinds"][i] for i in window.there]
    tokens = np.stack([w["token"], *named])
    for layer in range(2):
        tokens = block(w, f"blocks.{layer}", tokens, tokens)
    return read(w, window, tokens[0])


def cross_attention(w: Weights, window: Window) -> Array:
    parts = []
    for at, (i, j) in enumerate(permutations(range(3), 2)):
        asking, asked = window.seen(i), window.seen(j)
        if not len(asking[0]) or not len(asked[0]):
            parts.append(np.zeros(window.h.shape[1]))
            continue
        apart = np.abs(asking[1][:, None] - asked[1][None])
        found = attend(w, f"attentions.{at}", asking[0], asked[0], bias=-w["nearness"][at] * apart)
        parts.append(found.mean(0) * window.q[i] * window.q[j])
    own = [window.weighted(i) for i in range(len(window.m))]
    return read(w, window, np.concatenate([*parts, *own]))


def bottleneck(w: Weights, window: Window) -> Array:
    if not window.there:
        return read(w, window, np.zeros(0))
    tokens = [window.seen(i)[0] * window.q[i] + w["kinds"][i] for i in window.there]
    latents = w["latents"]
    for layer in range(2):
        latents = block(w, f"blocks.{layer}", latents, np.concatenate(tokens))
    return read(w, window, latents.mean(0))


def early(w: Weights, window: Window) -> Array:
    width = window.h.shape[1]
    state = np.zeros(width)
    for part in range(8):
        row = []
        for i in range(len(window.m)):
            tokens, times = window.seen(i)
            place = np.minimum(np.floor((np.clip(times, -1, 0) + 1) * 8), 7)
            inside = tokens[place == part]
            mean = inside.mean(0) if len(inside) else np.zeros(width)
            row += [mean * window.q[i], [float(len(inside) > 0)]]
        state = gru_cell(w, "cell", np.concatenate(row), state)
    return read(w, window, state)


REFERENCES: dict[str, Callable[[Weights, Window], Array]] = {
    "late": late,
    "concat": concat,
    "early": early,
    "sum": plain_sum,
    "weighted_sum": weighted_sum,
    "conv": conv,
    "alignment": alignment,
    "self_attention": self_attention,
    "cross_attention": cross_attention,
    "gru": gru,
    "gmu": gmu,
    "gcn": gcn,
    "mfb": mfb,
    "mfh": mfh,
    "lmf": lmf,
    "tfn": tfn,
    "bottleneck": bottleneck,
    "residual": residual,
}
