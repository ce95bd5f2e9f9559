"""The other neurons of snnTorch, SpikingJelly, Norse and sinabs, one layer each (see `libraries.py`)."""

import importlib
import unittest.mock

import numpy as np
import sinabs.activation
import sinabs.layers
import snntorch
import torch
from spikingjelly.activation_based import neuron as spikingjelly_neuron

from contract import Leaves, Trace, full
from libraries import norse_lif, snntorch_surrogate, spikingjelly_spike

norse_lsnn = importlib.import_module("norse.torch.functional.lsnn")
norse_refractory = importlib.import_module("norse.torch.functional.lif_refrac")


def leaves_of(leaves, n, *names):
    """One leaf a name: one value, or one a neuron."""
    return {name: leaves(name, n[name]) for name in names}


# snnTorch


def snntorch_options(spec, reset):
    n = spec["neuron"]
    return dict(
        threshold=torch.tensor(n["threshold"]), learn_threshold=True, reset_mechanism=reset,
        spike_grad=snntorch_surrogate(spec["surrogate"]),
    )  # fmt: skip


def stepped(cell, drive, states):
    """`cell(x, *states) → (spikes, *states)`; its last state is the potential that its threshold sees."""
    spikes, potentials = [], []
    for row in drive:
        spike, *states = cell(row, *states)
        spikes.append(spike)
        potentials.append(states[-1])
    return torch.stack(spikes), torch.stack(potentials)


def snntorch_alpha(reset):
    """`learn_alpha=True` cannot be constructed: the decays are given as tensors that want a gradient."""

    def run(spec, p, x):
        leaves = Leaves()
        decays = leaves_of(leaves, spec["neuron"], "decay_excitatory", "decay_inhibitory")
        cell = snntorch.Alpha(alpha=decays["decay_excitatory"], beta=decays["decay_inhibitory"], **snntorch_options(spec, reset))
        zero = full(x, spec["units"], 0.0)
        spikes, potential = stepped(cell, leaves.drive(p, x), [zero, zero, zero])
        return Trace(spikes, potential, leaves.grads | {"threshold": lambda: cell.threshold.grad})

    return run


def snntorch_lapicque(reset):
    """The library does not learn R and C: its buffers are replaced by tensors that want a gradient."""

    def run(spec, p, x):
        leaves = Leaves()
        values = leaves_of(leaves, spec["neuron"], "resistance", "capacitance")
        cell = snntorch.Lapicque(R=1.0, C=5.0, time_step=1, **snntorch_options(spec, reset))
        cell.R, cell.C = values["resistance"], values["capacitance"]
        spikes, potential = stepped(cell, leaves.drive(p, x), [full(x, spec["units"], 0.0)])
        return Trace(spikes, potential, leaves.grads | {"threshold": lambda: cell.threshold.grad})

    return run


def snntorch_slstm(reset):
    def run(spec, p, x):
        units = spec["units"]
        assert x.shape[2] == units  # else the library clears its state at every step
        cell = snntorch.SLSTM(units, units, bias=spec["bias"], **snntorch_options(spec, reset))
        lstm = cell.lstm_cell
        with torch.no_grad():
            lstm.weight_ih.copy_(torch.tensor(p["weight"]).T)
            lstm.weight_hh.copy_(torch.tensor(p["recurrent"]).T)
            if spec["bias"]:
                lstm.bias_ih.copy_(torch.tensor(p["bias"]))
                lstm.bias_hh.zero_()
        zero = full(x, units, 0.0)
        spikes, potential = stepped(cell, x, [zero, zero])
        grads = {"weight": lambda: lstm.weight_ih.grad.T, "recurrent": lambda: lstm.weight_hh.grad.T}
        if spec["bias"]:
            grads["bias"] = lambda: lstm.bias_ih.grad
        return Trace(spikes, potential, grads | {"threshold": lambda: cell.threshold.grad})

    return run


# SpikingJelly


def spikingjelly_node(make, learned=()):
    """`make(spec, options, leaves) → node`. The surrogate is called with V − theta: it is watched."""

    def run(spec, p, x):
        n = spec["neuron"]
        leaves = Leaves()
        drive = leaves.drive(p, x)
        theta = leaves("threshold", n["threshold"])
        spike = spikingjelly_spike(spec["surrogate"])
        seen = []

        def watched(u):
            seen.append(u + theta)
            return spike(u)

        options = dict(
            v_threshold=1.0, v_reset=None if n["reset"].startswith("subtract") else n["reset_potential"], surrogate_function=watched,
            detach_reset=n["detach_reset"], step_mode="s" if spec["recurrent"] else "m",
        )  # fmt: skip
        node = make(n, options, leaves)
        node.v_threshold = theta
        if spec["recurrent"]:
            R = leaves("recurrent", p["recurrent"])
            out, emitted = full(x, spec["units"], 0.0), []
            for row in drive:
                out = node(row + out @ R)
                emitted.append(out)
            emitted = torch.stack(emitted)
        else:
            emitted = node(drive)
        return Trace(emitted, torch.stack(seen), leaves.grads)

    return run


@spikingjelly_node
def spikingjelly_if(n, options, leaves):
    return spikingjelly_neuron.IFNode(**options)


@spikingjelly_node
def spikingjelly_plif(n, options, leaves):
    """The library's parameter w is the file's `leak`."""
    node = spikingjelly_neuron.ParametricLIFNode(init_tau=n["tau_mem"], decay_input=n["gain"] == "one_minus_beta", **options)
    leaves.grads["leak"] = lambda: node.w.grad
    return node


@spikingjelly_node
def spikingjelly_izhikevich(n, options, leaves):
    """The library does not learn these: its attributes are replaced by tensors that want a gradient."""
    node = spikingjelly_neuron.IzhikevichNode(tau=2.0, **options)
    own = dict(
        tau="tau_mem", tau_w="tau_adaptation", v_rest="v_rest", v_c="v_critical", a0="quadratic", a="a", b="b"
    )  # fmt: skip
    for attribute, name in own.items():
        setattr(node, attribute, leaves(name, n[name]))
    return node


def spikingjelly_psn(spec, p, x):
    """Fires where h ≥ 0: the file's potential and bias are h and the library's bias plus the threshold."""
    n = spec["neuron"]
    leaves = Leaves()
    drive = leaves.drive(p, x)
    spike = spikingjelly_spike(spec["surrogate"])
    seen = []

    def watched(h):
        seen.append(h + n["threshold"])
        return spike(h)

    own = p["time_bias"] - n["threshold"]
    if n["kind"] == "psn":
        node = spikingjelly_neuron.PSN(T=len(x), surrogate_function=watched)
        leaves.grads["time_bias"] = lambda: node.bias.grad[:, 0]
    else:
        node = spikingjelly_neuron.SlidingPSN(k=n["order"], surrogate_function=watched, step_mode="m")
        leaves.grads["time_bias"] = lambda: node.bias.grad
    leaves.grads["time"] = lambda: node.weight.grad
    with torch.no_grad():
        node.weight.copy_(torch.tensor(p["time"]))
        node.bias.copy_(torch.tensor(own).reshape(node.bias.shape))
    return Trace(node(drive), seen[0].reshape(drive.shape), leaves.grads)


# Norse


def inverse_times(leaves, n, dt, **names):
    """Leaves of the library's inverse time constants; a decay is 1 − dt/tau."""
    return {own: leaves(name, (1 - np.array(n[name])) / dt, lambda g: -g / dt) for own, name in names.items()}


def norse_adaptive(step, method="super", strength=100.0):
    """lsnn_step, lsnn_feed_forward_step (b is the threshold, and relaxes to v_th), ada_lif_step (b is a current). In the first two the
    jump decays at once: the file's adaptation is rho times the library's beta, and dL/drho is carried over."""
    dt = 0.001

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        leaves = Leaves()
        rho = torch.tensor(n["rho"])
        theta = leaves("threshold", n["threshold"])
        if n["kind"] == "alif":
            jump = leaves("adaptation", (np.array(n["adaptation"]) / np.array(n["rho"])), lambda g: g / rho)
        else:
            jump = leaves("b", n["b"])
        parameters = norse_lsnn.LSNNParameters(
            **inverse_times(leaves, n, dt, tau_syn_inv="alpha", tau_mem_inv="beta", tau_adapt_inv="rho"),
            v_leak=torch.tensor(0.0), v_th=theta, v_reset=torch.tensor(n["reset_potential"]), beta=jump, method=method, alpha=strength,
        )  # fmt: skip
        grads = leaves.grads
        if n["kind"] == "alif":
            plain = grads["rho"]
            grads["rho"] = lambda: plain() - jump.detach() * grads["adaptation"]()
        at = [None]
        seen, emitted = [], []
        fire = norse_lsnn.threshold

        def watched(u, method, alpha):
            seen.append(u + at[0])
            return fire(u, method, alpha)

        zero = full(x, units, 0.0)
        b = zero + theta if n["kind"] == "alif" else zero
        forward = step == "lsnn_feed_forward_step"
        if forward:
            drive = leaves.drive(p, x)
            state = norse_lsnn.LSNNFeedForwardState(v=zero, i=zero, b=b)
        else:
            back = lambda g: g.T
            W, R = leaves("weight", p["weight"].T, back), leaves("recurrent", p["recurrent"].T, back)
            state = norse_lsnn.LSNNState(z=zero, v=zero, i=zero, b=b)
        with unittest.mock.patch.object(norse_lsnn, "threshold", watched):
            for t in range(len(x)):
                at[0] = theta if n["kind"] == "adlif" else state.b + dt * parameters.tau_adapt_inv * (theta - state.b)
                if forward:
                    z, state = norse_lsnn.lsnn_feed_forward_step(drive[t], state, parameters, dt)
                else:
                    z, state = getattr(norse_lsnn, step)(x[t], state, W, R, parameters, dt)
                emitted.append(z)
        return Trace(torch.stack(emitted), torch.stack(seen), grads)

    return run


def norse_refrac(step):
    """lif_refrac_step, lif_refrac_feed_forward_step. The library differentiates its counter as if that were a potential: here it is not."""
    dt = 0.001
    forward = "feed_forward" in step

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        leaves = Leaves()
        theta = leaves("threshold", n["threshold"])
        lif = norse_lif.LIFParameters(
            **inverse_times(leaves, n, dt, tau_syn_inv="alpha", tau_mem_inv="beta"),
            v_leak=torch.tensor(0.0), v_th=theta, v_reset=torch.tensor(n["reset_potential"]), method="super", alpha=100.0,
        )  # fmt: skip
        parameters = norse_refractory.LIFRefracParameters(lif=lif, rho_reset=torch.tensor(float(n["refractory"])))
        fire = norse_lif.threshold
        seen, emitted, potential = [], [], []

        def watched(u, method, alpha):
            seen.append(u + theta)
            return fire(u, method, alpha)

        zero = full(x, units, 0.0)
        if forward:
            rows, weights = leaves.drive(p, x), ()
            state = norse_refractory.LIFRefracFeedForwardState(lif=norse_lif.LIFFeedForwardState(v=zero, i=zero), rho=zero)
        else:
            back = lambda g: g.T
            rows, weights = x, (leaves("weight", p["weight"].T, back), leaves("recurrent", p["recurrent"].T, back))
            state = norse_refractory.LIFRefracState(lif=norse_lif.LIFState(z=zero, v=zero, i=zero), rho=zero)
        with (
            unittest.mock.patch.object(norse_lif, "threshold", watched),
            unittest.mock.patch.object(norse_refractory, "threshold", lambda u, method, alpha: fire(u.detach(), method, alpha)),
        ):
            for row in rows:
                held, before = state.rho > 0, state.lif.v
                z, state = getattr(norse_refractory, step)(row, state, *weights, parameters, dt)
                emitted.append(z)
                potential.append(torch.where(held, before, seen[-1]))
        return Trace(torch.stack(emitted), torch.stack(potential), leaves.grads)

    return run


# sinabs


def watching(spike_fn, seen, through_threshold=False):
    """The spike function, with its argument (the potential before reset) remembered. sinabs gives thresholds no gradient through a
    spike; with `through_threshold` they get one, by way of the potential."""

    class Watched:
        required_states = spike_fn.required_states

        @staticmethod
        def apply(v_mem, *rest):
            seen.append(v_mem)
            if through_threshold:
                theta, surrogate = rest
                return spike_fn.apply(v_mem - theta + theta.detach(), theta.detach(), surrogate)
            return spike_fn.apply(v_mem, *rest)

    return Watched


def sinabs_cell(kind, spike_fn, reset_fn, surrogate, through_threshold=False):
    """LIF (alpha_mem learned), IAF, ALIF (alpha_mem, alpha_adapt, adapt_scale, and the threshold as far as the library lets it)."""

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        leaves = Leaves()
        drive = leaves.drive(p, x)
        seen = []
        options = dict(
            spike_threshold=torch.tensor(n["threshold"]), spike_fn=watching(spike_fn, seen, through_threshold), reset_fn=reset_fn,
            surrogate_grad_fn=surrogate,
        )  # fmt: skip
        if kind != "IAF":
            options |= dict(tau_mem=1.0, train_alphas=True, norm_input=n["gain"] == "one_minus_beta")
        if kind == "ALIF":
            options |= dict(tau_adapt=1.0, adapt_scale=leaves("adaptation", n["adaptation"]))
            options["spike_threshold"] = leaves("threshold", n["threshold"])
        if spec["recurrent"]:
            options["rec_connect"] = connect = torch.nn.Linear(units, units, bias=False)
            with torch.no_grad():
                connect.weight.copy_(torch.tensor(p["recurrent"]).T)
            leaves.grads["recurrent"] = lambda: connect.weight.grad.T
        cell = getattr(sinabs.layers, kind + ("Recurrent" if spec["recurrent"] else ""))(**options)
        if kind != "IAF":
            cell.alpha_mem = torch.nn.Parameter(torch.tensor(n["beta"]))
            leaves.grads["beta"] = lambda: cell.alpha_mem.grad
        if kind == "ALIF":
            cell.alpha_adapt = torch.nn.Parameter(torch.tensor(n["rho"]))
            leaves.grads["rho"] = lambda: cell.alpha_adapt.grad
        emitted = cell(drive.transpose(0, 1)).transpose(0, 1)
        return Trace(emitted, torch.stack(seen), leaves.grads)

    return run
