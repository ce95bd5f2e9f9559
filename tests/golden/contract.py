"""Networks as data, and the engine's contract taped by torch (its neurons: `neurons.py`): every other computation is compared
with `reference`."""

import json
import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch


COMMON = dict(
    threshold=1.0, reset=None, detach_reset=None, lag=0, emit_lag=0, recurrent_lag=1, input_delay=0,
    gain="one", comparison="greater", reset_potential=0.0, initial_potential=0.0, initial_current=0.0,
)  # fmt: skip
STOPS = dict(detach_adaptation=False, detach_threshold=False)
# What each kind has beside; None must be given.
KINDS = {
    "li": dict(beta=None, lag=0, input_delay=0, gain="one", initial_potential=0.0, initial_current=0.0),
    "lif": dict(beta=None) | COMMON,
    "cuba_lif": dict(beta=None) | COMMON,
    "if": COMMON,
    "plif": dict(tau_mem=None) | COMMON,
    "alif": dict(beta=None, rho=None, adaptation=None, normalised_adaptation=None, reset_by=None, **STOPS) | COMMON,
    "adlif": dict(beta=None, rho=None, a=None, b=None, detach_adaptation=False) | COMMON,
    "adlif_symplectic": dict(beta=None, rho=None, a=None, b=None, detach_adaptation=False) | COMMON,
    "refractory": dict(beta=None, refractory=None, integrating=None) | COMMON,
    "alpha": dict(decay_excitatory=None, decay_inhibitory=None) | COMMON,
    "lapicque": dict(resistance=None, capacitance=None) | COMMON,
    "izhikevich": dict(tau_mem=None, tau_adaptation=None, v_rest=None, v_critical=None, quadratic=None, a=None, b=None) | COMMON,
    "multi_spike": dict(beta=None, max_spikes=None, periodic=False) | COMMON,
    "psn": dict(threshold=1.0, emit_lag=0, input_delay=0, comparison="greater"),
    "sliding_psn": dict(order=None, threshold=1.0, emit_lag=0, input_delay=0, comparison="greater"),
    "slstm": dict(threshold=None, reset=None, detach_reset=None, emit_lag=0, input_delay=0, comparison="greater"),
}


def layer(units, kind, *, recurrent=False, bias=False, surrogate=None, **switches):
    """One layer with every switch written out; `surrogate` is (kind, slope, scale) or (kind, slope, scale, {more})."""
    names = KINDS[kind]
    if kind == "cuba_lif" or "alpha" in switches:
        names = dict(alpha=None) | names
    elif kind == "li":
        names = dict(tau_syn=False) | names  # says that there is no synapse: a preset may have one
    unknown = set(switches) - set(names)
    assert not unknown, unknown
    neuron = dict(kind=kind) | names | switches
    missing = [name for name, value in neuron.items() if value is None]
    assert not missing, missing
    spec = dict(units=units, recurrent=recurrent, bias=bias, neuron=neuron)
    if kind != "li":
        name, slope, scale, *more = surrogate
        spec["surrogate"] = dict(kind=name, slope=float(slope), scale=float(scale)) | (more[0] if more else {})
    return spec


def spread(low, high, units):
    """One value a neuron, in an order that is not sorted."""
    return [round(low + (high - low) * ((7 * j + 3) % units) / (units - 1), 4) for j in range(units)]


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return "{ " + ", ".join(f"{name} = {toml_value(v)}" for name, v in value.items()) + " }"


def toml(net):
    lines = [f"dt = {net['dt']}", f"inputs = {net['inputs']}"]
    for spec in net["layer"]:
        lines += ["", "[[layer]]"] + [f"{name} = {toml_value(value)}" for name, value in spec.items()]
    if "readout" in net:
        lines += ["", "[readout]"] + [f"{name} = {toml_value(value)}" for name, value in net["readout"].items()]
    text = "\n".join(lines) + "\n"
    assert tomllib.loads(text) == net
    return text


@dataclass
class Trace:
    """One layer over time, `[T, B, n]`, still on the tape."""

    spikes: torch.Tensor | None  # O_t, what the layer emits
    potential: torch.Tensor | None  # V_t, before reset; None where the library does not show it
    grads: dict[str, Callable[[], torch.Tensor]]  # valid after backward
    rows: torch.Tensor | None = None  # the rows that the loss reduces, where not `potential`
    theta: torch.Tensor | None = None  # the threshold of each step, where it moves


class Leaves:
    """Makes leaf tensors and remembers how their gradients read in the engine's terms."""

    def __init__(self):
        self.grads = {}

    def __call__(self, name, value, back=lambda g: g):
        leaf = torch.tensor(value, dtype=torch.get_default_dtype(), requires_grad=True)
        self.grads[name] = lambda: back(leaf.grad)
        return leaf

    def drive(self, p, x):
        """x W + b"""
        drive = x @ self("weight", p["weight"])
        return drive + self("bias", p["bias"]) if "bias" in p else drive


def full(x, units, value):
    return x.new_full((x.shape[1], units), value)


FORMS = {  # of z = slope · x
    "fast_sigmoid": lambda z: 1 / (1 + z.abs()) ** 2,
    "sigmoid": lambda z: 4 * torch.sigmoid(z) * torch.sigmoid(-z),
    "triangle": lambda z: (1 - z.abs()).clamp(min=0),
    "exponential": lambda z: torch.exp(-z.abs()),
    "atan": lambda z: 1 / (1 + (math.pi * z / 2) ** 2),
    "gaussian": lambda z: torch.exp(-(z**2)),
    "boxcar": lambda z: (z.abs() < 0.5).to(z.dtype),
    "straight_through": torch.ones_like,
    "tanh": lambda z: 1 - torch.tanh(z) ** 2,
}


def multi_gaussian(z, h, s):
    bell = lambda z: torch.exp(-(z**2) / 2)
    return ((1 + h) * bell(z) - h / s * (bell((z - 1) / s) + bell((z + 1) / s))) / peak(h, s)


def peak(h, s):
    """The value at 0 that a multi-gaussian is divided by."""
    return 1 + h - 2 * h / s * math.exp(-1 / (2 * s**2))


def derivative(x, s):
    """The surrogate derivative of x = V − theta."""
    k, c = s["slope"], s["scale"]
    match s["kind"]:
        case "leaky_relu":
            return c * torch.where(x >= 0, 1.0, s["leak"])
        case "sparse_fast_sigmoid":
            return c * FORMS["fast_sigmoid"](k * x) * (x.abs() < s["bound"])
        case "spike_rate_escape":
            return c * torch.exp(-(k * x - s["offset"]).abs())
        case "multi_gaussian":
            return c * multi_gaussian(k * x, s["height"], s["ratio"])
        case kind:
            return c * FORMS[kind](k * x)


class Spike(torch.autograd.Function):
    """S = H(x); dS/dx is the surrogate's."""

    @staticmethod
    def forward(ctx, x, surrogate, or_equal):
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate
        return (x >= 0 if or_equal else x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        return g * derivative(*ctx.saved_tensors, ctx.surrogate), None, None


def shape(reset, beta, V, S, theta, d, n):
    """The reset forms: V_t of V_{t-1}, S_{t-1} and the gained current d."""
    match reset:
        case "subtract_before":
            return beta * (V - theta * S) + d
        case "subtract_after":
            return beta * V - theta * S + d
        case "zero_before":
            return beta * V * (1 - S) + beta * n["reset_potential"] * S + d
        case "zero_after":
            return (beta * V + d) * (1 - S)
        case "none":
            return beta * V + d


LEARNED = {
    "alpha", "beta", "threshold", "rho", "adaptation", "a", "b", "decay_excitatory", "decay_inhibitory", "resistance", "capacitance",
    "v_rest", "v_critical", "quadratic",
}  # fmt: skip


def reference(spec, p, x):
    """A layer by the engine's equations."""
    import neurons

    n, units = spec["neuron"], spec["units"]
    leaves = Leaves()
    w = {name: leaves(name, value) for name, value in p.items()}
    a = {name: leaves(name, np.atleast_1d(value)) for name, value in n.items() if name in LEARNED}
    if n["kind"] in neurons.WHOLE:
        return neurons.WHOLE[n["kind"]](spec, w, a, x, leaves)
    step = neurons.STEPS[n["kind"]](spec, a, leaves)
    gamma = 1 - a["beta"] if n["gain"] == "one_minus_beta" else 1
    fires = n["kind"] != "li"
    alpha, zero = a.get("alpha"), full(x, units, 0.0)
    current, potential = full(x, units, n["initial_current"]), full(x, units, n["initial_potential"])
    S, V, theta = {}, [], []
    for t in range(len(x)):
        X = zero
        if t >= n["input_delay"]:
            X = X + x[t - n["input_delay"]] @ w["weight"]
        if "recurrent" in w:
            X = X + S.get(t - n["recurrent_lag"], zero) @ w["recurrent"]
        if "bias" in w:
            X = X + w["bias"]
        before, current = current, X if alpha is None else alpha * current + X
        J = before if n["lag"] else current
        potential, S[t], threshold = step(potential, S.get(t - 1, zero), gamma * J)
        V.append(potential)
        theta.append(threshold)
    emitted = torch.stack([S.get(t - n["emit_lag"], zero) for t in range(len(x))]) if fires else None
    return Trace(emitted, torch.stack(V), leaves.grads, theta=torch.stack(theta) if fires else None)
