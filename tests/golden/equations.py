"""One layer of the networks by published equations, each written in the index of its source."""

import numpy as np
import torch

from contract import Leaves, Trace, full


class SuperSpike(torch.autograd.Function):
    """Step forwards, 1/(k|x| + 1)² backwards."""

    @staticmethod
    def forward(ctx, x, k):
        ctx.save_for_backward(x)
        ctx.k = k
        return torch.where(x > 0, 1.0, 0.0)

    @staticmethod
    def backward(ctx, g):
        return g / (ctx.k * torch.abs(ctx.saved_tensors[0]) + 1.0) ** 2, None


def equations(body):
    """`body(a, x, fire)` gives the emitted spikes and the potentials, lists over t. `a` holds W, V (recurrent), alpha, beta,
    theta, start values and the reset's stop-gradient. `fire` is the spike of a potential; that of the start value is a given
    constant, so it has no part in dL/dtheta (the sources have no learned threshold: they do not say)."""

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        leaves = Leaves()
        a = {"W": leaves("weight", p["weight"])}
        a["V"] = leaves("recurrent", p["recurrent"]) if "recurrent" in p else x.new_zeros(units, units)
        for own, name in (("alpha", "alpha"), ("beta", "beta"), ("theta", "threshold")):
            if name in n:
                a[own] = leaves(name, np.atleast_1d(n[name]))
        a["U0"], a["zero"] = full(x, units, n["initial_potential"]), full(x, units, 0.0)
        a["through_reset"] = (lambda s: s.detach()) if n.get("detach_reset") else (lambda s: s)

        def fire(U):
            S = SuperSpike.apply(U - a["theta"], spec["surrogate"]["slope"])
            return S.detach() if U is a["U0"] else S

        emitted, potential, *rows = body(a, x, fire)
        return Trace(
            torch.stack(emitted) if emitted else None, torch.stack(potential), leaves.grads, torch.stack(rows[0]) if rows else None
        )

    return run


def spytorch_hidden(current_gain):
    """SpyTorch's loop: the spike of the old potential, then both states. Recurrence sees the spikes of the iteration before."""

    def body(a, x, fire):
        I, U, out = a["zero"], a["U0"], a["zero"]
        gain = current_gain(a)
        emitted, potential = [], []
        for t in range(len(x)):
            h = x[t] @ a["W"] + out @ a["V"]
            out = fire(U)
            keep = 1.0 - a["through_reset"](out)
            I, U = a["alpha"] * I + h, (a["beta"] * U + gain * I) * keep
            emitted.append(out)
            potential.append(U)
        return emitted, potential

    return equations(body)


def spytorch_readout(current_gain):
    """Two leaky filters in a row; the trace that is reduced has the initial zeros in front."""

    def body(a, x, fire):
        flt, out, trace = a["zero"], a["U0"], [a["U0"]]
        gain = current_gain(a)
        for t in range(len(x)):
            flt, out = a["alpha"] * flt + x[t] @ a["W"], a["beta"] * out + gain * flt
            trace.append(out)
        return [], trace[1:], trace

    return equations(body)


UNSCALED, SCALED = (lambda a: 1.0), (lambda a: 1.0 - a["beta"])


@equations
def zenke_vogels(a, x, fire):
    """Zenke & Vogels 2021, section 4.2: S[n] = H(U[n] − 1), U[n+1] = (b_mem U[n] + (1 − b_mem) I[n]) (1 − S[n]),
    I[n+1] = b_syn I[n] + W S_in[n] + V S[n]. Every S[n], U[n], I[n] is kept."""
    U, I, S = [a["U0"]], [a["zero"]], []
    for n in range(len(x)):
        S.append(fire(U[n]))
        U.append((a["beta"] * U[n] + (1 - a["beta"]) * I[n]) * (1 - a["through_reset"](S[n])))
        I.append(a["alpha"] * I[n] + x[n] @ a["W"] + S[n] @ a["V"])
    return S, U[1:]


@equations
def zenke_vogels_readout(a, x, fire):
    U, I = [a["U0"]], [a["zero"]]
    for n in range(len(x)):
        U.append(a["beta"] * U[n] + (1 - a["beta"]) * I[n])
        I.append(a["alpha"] * I[n] + x[n] @ a["W"])
    return [], U[1:]


@equations
def stork_group(a, x, fire):
    """stork: at each step every group evolves from the input gathered before, then every connection gathers its source's output."""
    mem, syn, gathered = a["U0"], a["zero"], a["zero"]
    emitted, potential = [], []
    for t in range(len(x)):
        out = fire(mem)
        keep = 1.0 - a["through_reset"](out)
        mem, syn = (a["beta"] * mem + (1.0 - a["beta"]) * syn) * keep, a["alpha"] * syn + gathered
        gathered = x[t] @ a["W"] + out @ a["V"]
        emitted.append(out)
        potential.append(mem)
    return emitted, potential


@equations
def stork_readout(a, x, fire):
    out, syn, gathered, trace = a["U0"], a["zero"], a["zero"], []
    for t in range(len(x)):
        out, syn = a["beta"] * out + (1.0 - a["beta"]) * syn, a["alpha"] * syn + gathered
        gathered = x[t] @ a["W"]
        trace.append(out)
    return [], trace


@equations
def neftci(a, x, fire):
    """Neftci, Mostafa & Zenke 2019, eq. 4 and 5: I[n+1] = alpha I[n] + W S_in[n] + V S[n], U[n+1] = beta U[n] + I[n] − S[n]."""
    U, I, S = [a["U0"]], [a["zero"]], []
    for n in range(len(x)):
        S.append(fire(U[n]))
        U.append(a["beta"] * U[n] + I[n] - a["theta"] * a["through_reset"](S[n]))
        I.append(a["alpha"] * I[n] + x[n] @ a["W"] + S[n] @ a["V"])
    return S, U[1:]


@equations
def spyx_lif(a, x, fire):
    """Spyx LIF, RLIF: fires from the old potential, feeds back in the same step, subtracts without a stop-gradient."""
    V, emitted, potential = a["U0"], [], []
    for t in range(len(x)):
        spikes = fire(V)
        V = a["beta"] * V + x[t] @ a["W"] + spikes @ a["V"] - spikes * a["theta"]
        emitted.append(spikes)
        potential.append(V)
    return emitted, potential


@equations
def spyx_cuba(a, x, fire):
    """Spyx CuBaLIF, RCuBaLIF."""
    V, I, emitted, potential = a["U0"], a["zero"], [], []
    for t in range(len(x)):
        spikes = fire(V)
        I = a["alpha"] * I + x[t] @ a["W"] + spikes @ a["V"]
        V = a["beta"] * (V - spikes * a["theta"]) + I
        emitted.append(spikes)
        potential.append(V)
    return emitted, potential
