"""Adaptive and refractory neurons by published equations, each written in the index of its source."""

import numpy as np
import torch

from contract import LEARNED, Leaves, Spike, Trace, full


def equations(body):
    """`body(a, n, x, fire)` gives the emitted spikes and the potentials, lists over t. `a` holds the drive's weights W, V, the
    neuron's parameters by their names in the file, and `zero`; `n` is the neuron of the file; `fire` is H with its surrogate."""

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        leaves = Leaves()
        a = {name: leaves(name, np.atleast_1d(value)) for name, value in n.items() if name in LEARNED}
        a["W"] = leaves("weight", p["weight"])
        a["V"] = leaves("recurrent", p["recurrent"]) if "recurrent" in p else x.new_zeros(units, units)
        a["bias"] = leaves("bias", p["bias"]) if "bias" in p else 0.0
        a["zero"] = full(x, units, 0.0)
        fire = lambda u: Spike.apply(u, spec["surrogate"], n["comparison"] == "greater_equal")
        emitted, potential = body(a, n, x, fire)
        return Trace(torch.stack(emitted), torch.stack(potential), leaves.grads)

    return run


@equations
def spyx_alif(a, n, x, fire):
    """Spyx ALIF: fires from the old potential over the moving threshold, subtracts that threshold, no stop-gradient.
    The spike of the start values is a given constant."""
    V, T, emitted, potential = a["zero"], a["zero"], [], []
    for t in range(len(x)):
        threshold = a["threshold"] + a["adaptation"] * T
        spikes = fire(V - threshold) if t else a["zero"]
        V = a["beta"] * V + x[t] @ a["W"] + spikes @ a["V"] - spikes * threshold
        T = a["rho"] * T + (1 - a["rho"]) * spikes
        emitted.append(spikes)
        potential.append(V)
    return emitted, potential


@equations
def sparse_gradient(a, n, x, fire):
    """The leaky integrate-and-fire neuron of Perez-Nieves & Goodman 2021, resting at 0 and reset to 0:
    V[t+1] = αV[t] + W S_in − V_th S[t]; a surrogate that is 0 where |V − V_th| ≥ B."""
    V, S, emitted, potential = a["zero"], a["zero"], [], []
    for t in range(len(x)):
        V = a["beta"] * V + x[t] @ a["W"] + a["bias"] - a["threshold"] * S
        S = fire(V - a["threshold"])
        emitted.append(S)
        potential.append(V)
    return emitted, potential


@equations
def bellec_2018(a, n, x, fire):
    """Bellec et al. 2018, eq. 1 to 3 (dt = 1, R_m = 1): V(t+1) = αV(t) + (1 − α) I(t) − B(t) z(t), b(t+1) = ρ b(t) + (1 − ρ) z(t),
    B = b_0 + β b. The published surrogate is of (V − B)/B; that of the file is of V − B."""
    V, b, z, emitted, potential = a["zero"], a["zero"], a["zero"], [], []
    for t in range(len(x)):
        B = a["threshold"] + a["adaptation"] * b
        I = x[t] @ a["W"] + z @ a["V"]
        V = a["beta"] * V + (1 - a["beta"]) * I - B * z
        b = a["rho"] * b + (1 - a["rho"]) * z
        z = fire(V - (a["threshold"] + a["adaptation"] * b))
        emitted.append(z)
        potential.append(V)
    return emitted, potential


@equations
def bellec_2020(a, n, x, fire):
    """Bellec et al. 2020, eq. 6 to 9 and methods: v(t+1) = αv(t) + Σ W_rec z(t) + Σ W_in x(t+1) − z(t) v_th, a(t+1) = ρ a(t) + z(t),
    A = v_th + βa. No gradient through the z of the reset; that of the adaptation has one."""
    v, adaptation, z, emitted, potential = a["zero"], a["zero"], a["zero"], [], []
    for t in range(len(x)):
        v = a["beta"] * v + z @ a["V"] + x[t] @ a["W"] - z.detach() * a["threshold"]
        adaptation = a["rho"] * adaptation + z
        A = a["threshold"] + a["adaptation"] * adaptation
        z = fire(v - A)
        emitted.append(z)
        potential.append(v)
    return emitted, potential


@equations
def bittar_garner(a, n, x, fire):
    """Bittar & Garner 2022, adLIF and RadLIF: w(t) = βw(t−1) + a u(t−1) + b s(t−1), u(t) = α(u(t−1) − s(t−1)) + (1 − α)(I(t) − w(t)),
    threshold 1. (V's diagonal is zero there.)"""
    u, w, s, emitted, potential = a["zero"], a["zero"], a["zero"], [], []
    for t in range(len(x)):
        I = x[t] @ a["W"] + a["bias"] + s @ a["V"]
        w = a["rho"] * w + a["a"] * u + a["b"] * s
        u = a["beta"] * (u - a["threshold"] * s) + (1 - a["beta"]) * (I - w)
        s = fire(u - a["threshold"])
        emitted.append(s)
        potential.append(u)
    return emitted, potential


@equations
def baronig(a, n, x, fire):
    """Baronig et al. 2025, symplectic Euler: û(t) = αu(t−1) + (1 − α)(I(t) − w(t−1)), s(t) = H(û(t) − θ), u(t) = û(t)(1 − s(t)),
    w(t) = βw(t−1) + (1 − β)(a u(t) + b s(t)). As in the authors' code, no gradient through the s of the reset; a and b hold their q."""
    u, w, s, emitted, potential = a["zero"], a["zero"], a["zero"], [], []
    stop = (lambda s: s.detach()) if n["detach_reset"] else (lambda s: s)
    for t in range(len(x)):
        I = x[t] @ a["W"] + a["bias"] + s @ a["V"]
        before = a["beta"] * u + (1 - a["beta"]) * (I - w)
        s = fire(before - a["threshold"])
        u = before * (1 - stop(s))
        w = a["rho"] * w + (1 - a["rho"]) * (a["a"] * u + a["b"] * s)
        emitted.append(s)
        potential.append(before)
    return emitted, potential


def ml_genn(integrating):
    """mlGeNN LeakyIntegrateFire: the counter is lowered before the threshold is tested, so that of an integrating neuron starts one
    step longer than the file's `refractory`. Relative reset where integrating, else to 0. (There the last held step is tested again, at
    rest: that test, which fails, is left out, so that it has no gradient.)"""

    @equations
    def body(a, n, x, fire):
        start = n["refractory"] + 1 if integrating else n["refractory"]
        V, left, z, emitted, potential = a["zero"], a["zero"], a["zero"], [], []
        for t in range(len(x)):
            drive = x[t] @ a["W"] + a["bias"] + z @ a["V"]
            held = left > 0
            V = a["beta"] * V + drive if integrating else torch.where(held, V, a["beta"] * V + drive)
            left = torch.where(held, left - 1, left)
            z = torch.where((left <= 0) if integrating else ~held, fire(V - a["threshold"]), 0.0)
            emitted.append(z)
            potential.append(V)
            V = V - a["threshold"] * z if integrating else torch.where(z > 0, 0.0, V)
            left = torch.where(z > 0, float(start), left)
        return emitted, potential

    return body
