"""One layer of the networks, computed by snnTorch, SpikingJelly, Norse and sinabs.

Each function gives a computation: `(spec, parameters, input [T, B, in]) → Trace`. A library's time constants and thresholds
are read from the spec, and learned where it can learn them.
"""

import importlib
import unittest.mock

import numpy as np
import sinabs.activation
import sinabs.layers
import snntorch
import snntorch.surrogate
import torch
from spikingjelly.activation_based import neuron as spikingjelly_neuron
from spikingjelly.activation_based import surrogate as spikingjelly_surrogate

from contract import Leaves, Trace, full

norse_lif = importlib.import_module("norse.torch.functional.lif")


def snntorch_surrogate(s):
    match s["kind"]:
        case "atan":
            return snntorch.surrogate.atan(alpha=s["slope"])
        case "fast_sigmoid":
            return snntorch.surrogate.fast_sigmoid(slope=s["slope"])
        case "sigmoid":
            return snntorch.surrogate.sigmoid(slope=s["slope"])
        case "straight_through":
            return snntorch.surrogate.straight_through_estimator()
        case "spike_rate_escape":
            assert s["offset"] == s["slope"]
            return snntorch.surrogate.spike_rate_escape(beta=s["slope"], slope=s["scale"])


def snntorch_layer(name, reset="subtract", reset_delay=True):
    """alpha, beta and threshold are learned by the library itself. `fire` sees the potential before reset: it is watched."""

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        kind = getattr(snntorch, name)
        leaves = Leaves()
        drive = leaves.drive(p, x)
        seen = []

        class Watched(kind):
            def fire(self, mem):
                seen.append(mem)
                return super().fire(mem)

        options = dict(
            beta=torch.tensor(n["beta"]), learn_beta=True, threshold=torch.tensor(n.get("threshold", 1.0)), learn_threshold=True,
            reset_mechanism=reset, reset_delay=reset_delay,
        )  # fmt: skip
        if "surrogate" in spec:
            options["spike_grad"] = snntorch_surrogate(spec["surrogate"])
        synapse, recurrent = name.endswith("Synaptic"), name.startswith("R")
        if synapse:
            options |= dict(alpha=torch.tensor(n["alpha"]), learn_alpha=True)
        if recurrent:
            options |= dict(all_to_all=True, linear_features=units)
        cell = Watched(**options)
        if recurrent:
            with torch.no_grad():
                cell.recurrent.weight.copy_(torch.tensor(p["recurrent"]).T)
                cell.recurrent.bias.zero_()
        spike = full(x, units, 0.0)
        current, potential = full(x, units, n["initial_current"]), full(x, units, n["initial_potential"])
        spikes, potentials = [], []
        for t in range(len(x)):
            state = ([spike] if recurrent else []) + ([current] if synapse else []) + [potential]
            spike, *rest, potential = cell(drive[t], *state)
            current = rest[0] if synapse else current
            spikes.append(spike)
            potentials.append(potential)
        assert reset_delay is False or all(a is b for a, b in zip(seen, potentials))
        grads = leaves.grads | {"beta": lambda: cell.beta.grad}
        if n["kind"] == "li":
            return Trace(None, torch.stack(seen), grads)
        grads["threshold"] = lambda: cell.threshold.grad
        if synapse:
            grads["alpha"] = lambda: cell.alpha.grad
        if recurrent:
            grads["recurrent"] = lambda: cell.recurrent.weight.grad.T
        return Trace(torch.stack(spikes), torch.stack(seen), grads)

    return run


def spikingjelly_spike(s):
    if s["kind"] == "leaky_relu":
        return spikingjelly_surrogate.LeakyKReLU(leak=s["leak"] * s["scale"], k=s["scale"])
    names = dict(
        sigmoid="Sigmoid", atan="ATan", triangle="PiecewiseQuadratic", exponential="PiecewiseExp", gaussian="Erf",
        fast_sigmoid="SoftSign", boxcar="Rect",
    )  # fmt: skip
    return getattr(spikingjelly_surrogate, names[s["kind"]])(alpha=s["slope"])


def spikingjelly_layer(tau, *, v_reset=None, detach_reset, decay_input, parametric=False, watch=True):
    """beta = 1 − 1/tau. The surrogate is called with V − theta: it is watched (not in f32, where a watched one would
    leave the library's own forward and backward kernels). v_reset ≠ 0 is also the rest: it is taken out of the bias."""

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        leaves = Leaves()
        if v_reset:
            rest = v_reset if decay_input else n["beta"] * -v_reset + v_reset
            p = p | {"bias": p["bias"] - rest}
        drive = leaves.drive(p, x)
        spike = spikingjelly_spike(spec["surrogate"])
        seen = []

        def watched(u):
            seen.append(u + n["threshold"])
            return spike(u)

        options = dict(
            decay_input=decay_input, v_threshold=n["threshold"], v_reset=v_reset, surrogate_function=watched if watch else spike,
            detach_reset=detach_reset, step_mode="s" if spec["recurrent"] else "m",
        )  # fmt: skip
        if parametric:
            node = spikingjelly_neuron.ParametricLIFNode(init_tau=tau, **options)
        else:
            node = spikingjelly_neuron.LIFNode(tau=tau, **options)
        if spec["recurrent"]:
            R = leaves("recurrent", p["recurrent"])
            out, emitted = full(x, units, 0.0), []
            for t in range(len(x)):
                out = node(drive[t] + out @ R)
                emitted.append(out)
            emitted = torch.stack(emitted)
        else:
            emitted = node(drive)
        grads = leaves.grads
        if parametric:  # 1 − beta = logistic(w)
            grads["beta"] = lambda: -node.w.grad / (torch.sigmoid(node.w) * torch.sigmoid(-node.w)).detach()
        return Trace(emitted, torch.stack(seen) if watch else None, grads)

    return run


def norse_layer(step, method="super", strength=100.0):
    """alpha = 1 − dt/tau_syn, beta = 1 − dt/tau_mem. `threshold` is called with V − theta: it is watched."""
    dt = 0.001

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        leaves = Leaves()
        parameters = norse_lif.LIFParameters(
            tau_syn_inv=leaves("alpha", (1 - np.array(n["alpha"])) / dt, lambda g: -g / dt),
            tau_mem_inv=leaves("beta", (1 - np.array(n["beta"])) / dt, lambda g: -g / dt),
            v_leak=torch.tensor(0.0),
            v_th=leaves("threshold", n["threshold"]),
            v_reset=torch.tensor(n["reset_potential"]),
            method=method,
            alpha=strength,
        )
        seen = []
        fire = norse_lif.threshold

        def watched(u, method, alpha):
            seen.append(u + parameters.v_th)
            return fire(u, method, alpha)

        zero = full(x, units, 0.0)
        emitted = []
        with unittest.mock.patch.object(norse_lif, "threshold", watched):
            if step == "lif_step":
                back = lambda g: g.T
                W, R = leaves("weight", p["weight"].T, back), leaves("recurrent", p["recurrent"].T, back)
                state = norse_lif.LIFState(z=zero, v=zero, i=zero)
                for t in range(len(x)):
                    z, state = norse_lif.lif_step(x[t], state, W, R, parameters, dt)
                    emitted.append(z)
            else:
                drive = leaves.drive(p, x)
                state = norse_lif.LIFFeedForwardState(v=zero, i=zero)
                for t in range(len(x)):
                    z, state = norse_lif.lif_feed_forward_step(drive[t], state, parameters, dt)
                    emitted.append(z)
        return Trace(torch.stack(emitted), torch.stack(seen), leaves.grads)

    return run


def sinabs_layer(*, reset, norm_input, surrogate):
    """SingleSpike; its argument is the potential before reset: it is watched. With a synapse the library decays the fresh input
    too, I_t = alpha (I_{t-1} + X_t): its weights are the file's divided by alpha, and dL/dalpha is carried over by the chain rule."""

    def run(spec, p, x):
        n, units = spec["neuron"], spec["units"]
        synapse = "alpha" in n
        scale = n["alpha"] if synapse else 1.0
        own = {name: value / scale for name, value in p.items()}
        leaves = Leaves()
        drive = x @ leaves("weight", own["weight"], lambda g: g / scale)
        if "bias" in p:
            drive = drive + leaves("bias", own["bias"], lambda g: g / scale)
        seen = []

        class Watched:
            required_states = sinabs.activation.SingleSpike.required_states

            @staticmethod
            def apply(v_mem, spike_threshold, surrogate_grad_fn):
                seen.append(v_mem)
                return sinabs.activation.SingleSpike.apply(v_mem, spike_threshold, surrogate_grad_fn)

        options = dict(
            tau_mem=1.0, tau_syn=1.0 if synapse else None, train_alphas=True, spike_threshold=torch.tensor(n["threshold"]),
            spike_fn=Watched, reset_fn=reset, surrogate_grad_fn=surrogate, norm_input=norm_input,
        )  # fmt: skip
        if spec["recurrent"]:
            connect = torch.nn.Linear(units, units, bias=False)
            with torch.no_grad():
                connect.weight.copy_(torch.tensor(own["recurrent"]).T)
            leaves.grads["recurrent"] = lambda: connect.weight.grad.T / scale
            cell = sinabs.layers.LIFRecurrent(rec_connect=connect, **options)
        else:
            cell = sinabs.layers.LIF(**options)
        cell.alpha_mem = torch.nn.Parameter(torch.tensor(n["beta"]))
        if synapse:
            cell.alpha_syn = torch.nn.Parameter(torch.tensor(n["alpha"]))
        emitted = cell(drive.transpose(0, 1)).transpose(0, 1)
        grads = leaves.grads
        weights = dict(grads)
        grads["beta"] = lambda: cell.alpha_mem.grad
        if synapse:
            moved = lambda: sum((g() * torch.tensor(own[name])).sum() for name, g in weights.items())
            grads["alpha"] = lambda: cell.alpha_syn.grad - moved()
        return Trace(emitted, torch.stack(seen), grads)

    return run
