"""Networks as data, and the engine's contract taped by torch: every other computation is compared with `reference`."""

import json
import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch


def layer(units, kind, *, recurrent=False, bias=False, surrogate=None, **switches):
    """One layer with every switch written out; `surrogate` is (kind, slope, scale)."""
    if kind == "li":
        names = dict(beta=None, lag=0, input_delay=0, gain="one", initial_potential=0.0, initial_current=0.0)
    else:
        names = dict(
            beta=None, threshold=1.0, reset=None, detach_reset=None, lag=0, emit_lag=0, recurrent_lag=1, input_delay=0,
            gain="one", comparison="greater", reset_potential=0.0, initial_potential=0.0, initial_current=0.0,
        )  # fmt: skip
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
        name, slope, scale = surrogate
        spec["surrogate"] = dict(kind=name, slope=float(slope), scale=float(scale))
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


FORMS = {
    "fast_sigmoid": lambda z: 1 / (1 + z.abs()) ** 2,
    "sigmoid": lambda z: 4 * torch.sigmoid(z) * torch.sigmoid(-z),
    "triangle": lambda z: (1 - z.abs()).clamp(min=0),
    "exponential": lambda z: torch.exp(-z.abs()),
    "atan": lambda z: 1 / (1 + (math.pi * z / 2) ** 2),
    "gaussian": lambda z: torch.exp(-(z**2)),
    "boxcar": lambda z: (z.abs() < 0.5).to(z.dtype),
    "straight_through": torch.ones_like,
}


class Spike(torch.autograd.Function):
    """S = H(x); dS/dx = c f(kx)."""

    @staticmethod
    def forward(ctx, x, surrogate, or_equal):
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate
        return (x >= 0 if or_equal else x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = ctx.surrogate
        return g * s["scale"] * FORMS[s["kind"]](s["slope"] * x), None, None


def reference(spec, p, x):
    n, units = spec["neuron"], spec["units"]
    leaves = Leaves()
    w = {name: leaves(name, value) for name, value in p.items()}
    alpha, beta, theta = (leaves(k, np.atleast_1d(n[k])) if k in n else None for k in ("alpha", "beta", "threshold"))
    fires = n["kind"] != "li"
    reset = n.get("reset", "none")
    gamma = 1 - beta if n["gain"] == "one_minus_beta" else 1
    zero = full(x, units, 0.0)
    current, potential = full(x, units, n["initial_current"]), full(x, units, n["initial_potential"])
    S, V = {}, []
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
        last = S.get(t - 1, zero)
        if n.get("detach_reset"):
            last = last.detach()
        match reset:
            case "subtract_before":
                potential = beta * (potential - theta * last) + gamma * J
            case "subtract_after":
                potential = beta * potential - theta * last + gamma * J
            case "zero_before":
                potential = beta * potential * (1 - last) + beta * n["reset_potential"] * last + gamma * J
            case "zero_after":
                potential = (beta * potential + gamma * J) * (1 - last)
            case "none":
                potential = beta * potential + gamma * J
        V.append(potential)
        if fires:
            S[t] = Spike.apply(potential - theta, spec["surrogate"], n["comparison"] == "greater_equal")
    emitted = torch.stack([S.get(t - n["emit_lag"], zero) for t in range(len(x))]) if fires else None
    return Trace(emitted, torch.stack(V), leaves.grads)
