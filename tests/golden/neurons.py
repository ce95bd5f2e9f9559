"""The steps of the engine's neurons, for `contract.reference`.

A step is made for one layer and called once a time step: `(V_{t-1}, S_{t-1}, gained current d) → (V_t, S_t, threshold)`. It keeps
its other states itself. The parameters `a` are leaves, one value or one a neuron.
"""

import math

import numpy as np
import torch

from contract import Spike, Trace, derivative, full, shape


def stopped(n):
    """What S_{t-1} is in the reset, and in the update of an adaptation."""
    stop = lambda yes: (lambda S: S.detach()) if yes else (lambda S: S)
    reset = n.get("detach_reset", False)
    return stop(reset), stop(n.get("detach_adaptation", False))


def fire(spec, x):
    return Spike.apply(x, spec["surrogate"], spec["neuron"]["comparison"] == "greater_equal")


def just_reset(n, a, V, S):
    """The potential right after its reset, without decay."""
    return V - a["threshold"] * S if n["reset"].startswith("subtract") else V * (1 - S) + n["reset_potential"] * S


def li(spec, a, leaves):
    return lambda V, S, d: (a["beta"] * V + d, None, None)


def lif(spec, a, leaves):
    n = spec["neuron"]
    in_reset, _ = stopped(n)

    def step(V, S, d):
        V = shape(n["reset"], a["beta"], V, in_reset(S), a["threshold"], d, n)
        return V, fire(spec, V - a["threshold"]), a["threshold"].detach().expand_as(V)

    return step


def integrate(spec, a, leaves):
    a["beta"] = torch.ones(1)
    return lif(spec, a, leaves)


def plif(spec, a, leaves):
    p = leaves("leak", [-math.log(spec["neuron"]["tau_mem"] - 1)])
    a["beta"] = torch.sigmoid(-p)
    return lif(spec, a, leaves)


def alif(spec, a, leaves):
    """A_t = rho A_{t-1} + g S_{t-1}; the threshold is theta + kappa A_t."""
    n = spec["neuron"]
    in_reset, in_adaptation = stopped(n)
    g = 1 - a["rho"] if n["normalised_adaptation"] else 1.0
    A = 0.0

    def step(V, S, d):
        nonlocal A
        fired_at = a["threshold"] + (a["adaptation"] * A if n["reset_by"] == "adapted" else 0.0)
        V = shape(n["reset"], a["beta"], V, in_reset(S), fired_at, d, n)
        A = a["rho"] * A + g * in_adaptation(S)
        theta = a["threshold"] + a["adaptation"] * A
        seen = theta.detach() if n["detach_threshold"] else theta
        return V, fire(spec, V - seen), theta.detach()

    return step


def adlif(spec, a, leaves):
    """The gain multiplies the adaptation too: gamma (J_t − w_t)."""
    n = spec["neuron"]
    in_reset, in_adaptation = stopped(n)
    gamma = 1 - a["beta"] if n["gain"] == "one_minus_beta" else 1.0
    w = 0.0

    def step(V, S, d):
        nonlocal w
        if n["kind"] == "adlif":
            w = a["rho"] * w + a["a"] * V + a["b"] * in_adaptation(S)
        else:
            w = a["rho"] * w + (1 - a["rho"]) * (a["a"] * V * (1 - in_reset(S)) + a["b"] * in_adaptation(S))
        V = shape(n["reset"], a["beta"], V, in_reset(S), a["threshold"], d - gamma * w, n)
        return V, fire(spec, V - a["threshold"]), a["threshold"].detach().expand_as(V)

    return step


def refractory(spec, a, leaves):
    n = spec["neuron"]
    in_reset, _ = stopped(n)
    count = 0.0

    def step(V, S, d):
        nonlocal count
        count = torch.where(S.detach() > 0, float(n["refractory"]), (count - torch.ones_like(V)).clamp(min=0))
        held = count > 0
        after = shape(n["reset"], a["beta"], V, in_reset(S), a["threshold"], d, n)
        if not n["integrating"]:
            after = torch.where(held, just_reset(n, a, V, in_reset(S)), after)
        spikes = torch.where(held, 0.0, fire(spec, after - a["threshold"]))
        return after, spikes, a["threshold"].detach().expand_as(after)

    return step


def alpha(spec, a, leaves):
    """snnTorch's: e decays slowly, i fast; V = tau (e + i). What a spike does to the three is the library's."""
    n = spec["neuron"]
    in_reset, _ = stopped(n)
    slow, fast = a["decay_excitatory"], a["decay_inhibitory"]
    tau = 1 + torch.log(slow) / (torch.log(fast) - torch.log(slow))
    e = i = 0.0

    def step(V, S, d):
        nonlocal e, i
        S, theta, before = in_reset(S), a["threshold"], i
        e, i = slow * e + d, fast * i - d
        V = tau * (e + i)
        match n["reset"]:
            case "subtract_after":
                e, i, V = e - theta * S, i * (1 - S), V + S * before
            case "zero_after":
                e, i, V = e * (1 - S), i * (1 - S), V * (1 - S)
        return V, fire(spec, V - theta), theta.detach().expand_as(V)

    return step


def lapicque(spec, a, leaves):
    n = spec["neuron"]
    in_reset, _ = stopped(n)
    R, C = a["resistance"], a["capacitance"]

    def step(V, S, d):
        V = shape(n["reset"], 1 - 1 / (R * C), V, in_reset(S), a["threshold"], d / C, n)
        return V, fire(spec, V - a["threshold"]), a["threshold"].detach().expand_as(V)

    return step


def izhikevich(spec, a, leaves):
    n = spec["neuron"]
    in_reset, in_adaptation = stopped(n)
    tau, tau_w = (leaves(name, np.atleast_1d(n[name])) for name in ("tau_mem", "tau_adaptation"))
    w = 0.0

    def step(V, S, d):
        nonlocal w
        v = just_reset(n, a, V, in_reset(S))
        w = w + a["b"] * in_adaptation(S)
        V = v + (d + a["quadratic"] * (v - a["v_rest"]) * (v - a["v_critical"]) - w) / tau
        w = w + (a["a"] * (V - a["v_rest"]) - w) / tau_w
        return V, fire(spec, V - a["threshold"]), a["threshold"].detach().expand_as(V)

    return step


class Spikes(torch.autograd.Function):
    """clamp(floor(V / theta), 0, max). The surrogate is that of the first spike, or repeated at each multiple of theta."""

    @staticmethod
    def forward(ctx, V, theta, most, surrogate, periodic):
        ctx.save_for_backward(V, theta)
        ctx.surrogate, ctx.periodic = surrogate, periodic
        return torch.floor(V / theta).clamp(0, most)

    @staticmethod
    def backward(ctx, g):
        V, theta = ctx.saved_tensors
        x = V - theta
        if ctx.periodic:
            x = torch.where(x < 0, x, 2 * (V - theta * torch.floor(V / theta + 0.5)))
        return g * derivative(x, ctx.surrogate), None, None, None, None


def multi_spike(spec, a, leaves):
    n = spec["neuron"]
    in_reset, _ = stopped(n)

    def step(V, S, d):
        V = shape(n["reset"], a["beta"], V, in_reset(S), a["threshold"], d, n)
        spikes = Spikes.apply(V, a["threshold"], n["max_spikes"], spec["surrogate"], n["periodic"])
        return V, spikes, a["threshold"].detach().expand_as(V)

    return step


STEPS = {
    "li": li, "lif": lif, "cuba_lif": lif, "if": integrate, "plif": plif, "alif": alif, "adlif": adlif, "adlif_symplectic": adlif,
    "refractory": refractory, "alpha": alpha, "lapicque": lapicque, "izhikevich": izhikevich, "multi_spike": multi_spike,
}  # fmt: skip


def psn(spec, w, a, x, leaves):
    """V = W_time X + b over all steps at once. The last of a sliding neuron's taps is that of the current step."""
    n = spec["neuron"]
    X = x @ w["weight"] + w.get("bias", 0.0)
    steps, time = len(x), w["time"]
    if n["kind"] == "sliding_psn":
        band = torch.zeros(steps, steps)
        for back in range(min(n["order"], steps)):
            band = band + torch.diag(time[-1 - back].expand(steps - back), -back)
        time = band
    V = torch.einsum("ts,sbn->tbn", time, X) + w["time_bias"][:, None, None]
    return Trace(fire(spec, V - a["threshold"]), V, leaves.grads, theta=a["threshold"].detach().expand_as(V))


def slstm(spec, w, a, x, leaves):
    """An LSTM cell whose output h is the potential; h after its reset is what the cell is fed back."""
    n, units = spec["neuron"], spec["units"]
    in_reset, _ = stopped(n)
    h = c = S = full(x, units, 0.0)
    spikes, V = [], []
    for row in x:
        i, f, g, o = torch.split(row @ w["weight"] + h @ w["recurrent"] + w.get("bias", 0.0), units, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = shape(n["reset"], 0.0, 0.0 * h, in_reset(S), a["threshold"], torch.sigmoid(o) * torch.tanh(c), n)
        S = fire(spec, h - a["threshold"])
        spikes.append(S)
        V.append(h)
    V = torch.stack(V)
    return Trace(torch.stack(spikes), V, leaves.grads, theta=a["threshold"].detach().expand_as(V))


WHOLE = {"psn": psn, "sliding_psn": psn, "slstm": slstm}
