"""Writes the golden files of this folder: one small network a file, run by another library (or by published equations).

    pip install -r requirements.txt
    python generate.py              # every case; or: python generate.py CASE...

Each case is computed twice: by its source, and by `reference`, the equations of the engine's contract with its
switches, taped by torch in f64. A file is written only where both agree: the same spikes, and gradients within TOLERANCE.
README.md beside this file describes the format.
"""

import contextlib
import json
import math
import pathlib
import struct
import sys
import unittest.mock
import zlib

import numpy as np
import torch
from safetensors import safe_open

import neuron_cases  # noqa: F401  (adds its cases)
from cases import CASES, largest_over_time
from contract import reference, toml

FOLDER = pathlib.Path(__file__).resolve().parent
TOLERANCE = {"f64": 1e-9, "f32": 1e-5}  # of the largest entry of a tensor
MARGIN = 1e-4  # no potential comes nearer to its threshold (but see Case.grid)
DENSITY = (0.03, 0.40)  # mean spikes a neuron and step, of every layer
DTYPE = {"f64": torch.float64, "f32": torch.float32}

torch.set_num_threads(1)


def single(array):
    """f32 values in an f64 array: an engine in f32 reads the same numbers."""
    return np.asarray(array, np.float32).astype(np.float64)


def draw(case, rng):
    """Parameters, input and upstream of one attempt. The scale of each layer's weights is drawn too."""
    p, fan_in = [], case.inputs
    for spec, _ in case.layers:
        n, units = spec["neuron"], spec["units"]
        scale = np.exp(rng.uniform(np.log(0.4), np.log(5.0)))
        if n.get("gain") == "one_minus_beta":
            scale /= 1 - np.mean(n["beta"]) if "beta" in n else 1 / n["tau_mem"]
        if "alpha" in n:
            scale *= 1 - np.mean(n["alpha"])
        columns = 4 * units if n["kind"] == "slstm" else units
        q = {"weight": single(scale * (rng.normal(size=(fan_in, columns)) + 0.25) / math.sqrt(fan_in))}
        if case.grid:
            q["weight"] = np.round(q["weight"] / case.grid) * case.grid
        if spec["recurrent"]:
            q["recurrent"] = single(0.4 * scale * rng.normal(size=(units, columns)) / math.sqrt(units))
        if spec["bias"]:
            q["bias"] = single(0.1 * scale * rng.normal(size=columns))
        if n["kind"] == "psn":
            q["time"] = single(2 * rng.normal(size=(case.steps, case.steps)) / math.sqrt(case.steps))
            q["time_bias"] = single(rng.normal(-0.5, 0.3, case.steps))
        if n["kind"] == "sliding_psn":
            q["time"] = single(0.5 ** np.arange(n["order"])[::-1] * rng.normal(1.0, 0.3, n["order"]))
            q["time_bias"] = single(rng.normal(0.0, 0.2, 1))
        p.append(q)
        fan_in = units
    shape = (case.steps, case.batch, case.inputs)
    x = single(rng.normal(0.2, 0.8, shape)) if case.values else (rng.random(shape) < 0.25).astype(np.uint8)
    upstream = {}
    if case.loss is None:
        for k, (spec, _) in enumerate(case.layers):
            for letter, name in (("O", "spikes"), ("V", "potential")):
                if letter in case.weigh(k):
                    upstream[k, name] = single(rng.normal(size=(case.steps, case.batch, spec["units"])))
    labels = rng.integers(0, case.layers[-1][0]["units"], case.batch)
    return p, x, upstream, labels


def forward(case, computations, p, x):
    traces, seq = [], x
    for (spec, _), q, computation in zip(case.layers, p, computations):
        traces.append(computation(spec, q, seq))
        seq = traces[-1].spikes
    return traces


def objective(case, traces, upstream, labels, loss):
    if loss is not None:
        rows = traces[-1].potential if traces[-1].rows is None else traces[-1].rows
        return loss(rows, torch.tensor(labels))
    total = 0.0
    for (k, name), weight in upstream.items():
        total = total + (torch.tensor(weight, dtype=torch.get_default_dtype()) * getattr(traces[k], name)).sum()
    return total


@contextlib.contextmanager
def precision(dtype, library):
    """snnTorch and sinabs write a spike as `(…).float()`; in f64 that would round every gradient that passes it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(DTYPE[dtype])
    patch = dtype == "f64" and library in ("snntorch", "sinabs")
    with unittest.mock.patch.object(torch.Tensor, "float", torch.Tensor.double) if patch else contextlib.nullcontext():
        yield
    torch.set_default_dtype(before)


def compute(case, computations, p, x, upstream, labels, loss, dtype, library=""):
    """Traces, loss and gradients as f64 arrays, named as in the file."""
    with precision(dtype, library):
        leaf = torch.tensor(x, dtype=DTYPE[dtype], requires_grad=True)
        traces = forward(case, computations, p, leaf)
        total = objective(case, traces, upstream, labels, loss)
        total.backward()
        out = {"loss": np.array([total.item()])} if loss else {}
        grads = {"grad.input": leaf.grad}
        for k, trace in enumerate(traces):
            for name in ("spikes", "potential"):
                value = getattr(trace, name)
                if value is not None:
                    out[f"layer{k}.{name}"] = value.detach().double().numpy()
            for name, grad in trace.grads.items():
                grads[f"grad.layer{k}.{name}"] = grad()
        for name, grad in grads.items():
            value = np.atleast_1d(grad.detach().double().numpy())
            out[name] = value.copy()
    return out


def usable(case, p, x):
    """Whether a draw keeps its distance from thresholds (and from the jumps of a surrogate, and from ties of a maximum)."""
    with torch.no_grad(), precision("f64", ""):
        traces = forward(case, [reference] * len(case.layers), p, torch.tensor(x, dtype=torch.float64))
    for (spec, _), trace in zip(case.layers, traces):
        V = trace.potential.numpy()
        if spec["neuron"]["kind"] == "li":
            if case.loss:
                start = np.full_like(V[:1], spec["neuron"]["initial_potential"])  # some sources reduce over it too
                top = np.sort(np.concatenate([start, V]), 0)
                if (top[-1] - top[-2]).min() < MARGIN:
                    return False
            continue
        theta, s, density = trace.theta.numpy(), spec["surrogate"], DENSITY
        u = V - theta
        if spec["neuron"]["kind"] == "multi_spike":
            most = spec["neuron"]["max_spikes"]
            u = V - theta * np.clip(np.round(V / theta), 1, most)
            density = (0.1, 1.0)
            at_most = trace.spikes.max() == most
            if (trace.spikes > 1).sum() < 10 or at_most != (most < 10):  # a low maximum is met, a high one is not
                return False
        if case.grid:
            before = np.concatenate([np.zeros_like(V[:1]), (V * (1 - trace.spikes.numpy()))[:-1]])
            if (u == 0).sum() < 10 or before[u == 0].any():
                return False
        if np.abs(u[u != 0] if case.grid else u).min() < MARGIN or not density[0] <= trace.spikes.mean() <= density[1]:
            return False
        if s["kind"] == "boxcar" and np.abs(np.abs(u) - 0.5 / s["slope"]).min() < MARGIN:
            return False
        if s["kind"] == "sparse_fast_sigmoid" and np.abs(np.abs(u) - s["bound"]).min() < MARGIN:
            return False
        if case.low_potential and (u > theta - MARGIN).any():
            return False
    return True


def deviation(ours, theirs):
    return np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-300)


def calm(case, same, ours):
    """Whether f32 takes the same course: some neurons amplify rounding."""
    rounded = compute(case, [reference] * len(case.layers), *same, None, "f32")
    if any(not np.array_equal(rounded[name], ours[name]) for name in ours if name.endswith("spikes")):
        return False
    return all(deviation(rounded[name], ours[name]) < 2e-5 for name in ours if not name.endswith("spikes"))


def generate(case):
    library = case.source.split()[0]
    seed = zlib.crc32(case.name.encode())
    for attempt in range(20000):
        p, x, upstream, labels = draw(case, np.random.default_rng([seed, attempt]))
        if not usable(case, p, x):
            continue
        same = (p, x, upstream, labels)
        ours = compute(case, [reference] * len(case.layers), *same, case.loss and largest_over_time, "f64")
        sizes = [np.abs(value).max() for name, value in ours.items() if name.endswith("weight")]
        if 1e-5 < min(sizes) and max(sizes) < 1e4 and (not case.calm or calm(case, same, ours)):
            break
    else:
        raise SystemExit(f"{case.name}: no draw was usable")
    theirs = compute(case, [c for _, c in case.layers], *same, case.loss, case.dtype, library)

    worst = {"potential": 0.0, "gradient": 0.0}
    for name, value in theirs.items():
        assert value.shape == ours[name].shape, (case.name, name, value.shape, ours[name].shape)
        if name.endswith("spikes"):
            assert np.array_equal(value, ours[name]), f"{case.name}: {name} differs in {(value != ours[name]).sum()} places"
            continue
        kind = "gradient" if name.startswith("grad.") else "potential"
        worst[kind] = max(worst[kind], deviation(ours[name], value))
        assert deviation(ours[name], value) < TOLERANCE[case.dtype], f"{case.name}: {name} off by {deviation(ours[name], value):.2e}"

    tensors = {"input": x}
    for k, q in enumerate(p):
        tensors |= {f"layer{k}.{name}": value for name, value in q.items()}
    tensors |= {f"upstream.layer{k}.{name}": value for (k, name), value in upstream.items()}
    if case.loss:
        tensors["labels"] = labels.astype(np.int64)
    tensors |= {name: value.astype(np.uint8) if name.endswith("spikes") else value for name, value in theirs.items()}
    steep = any(spec["neuron"].get("reset", "").startswith("subtract") and spec["surrogate"]["slope"] >= 25 for spec, _ in case.layers)
    metadata = dict(network=toml(case.net), source=case.source, dtype=case.dtype, steep="true" if steep else "false")
    path = FOLDER / f"{case.name}.safetensors"
    write(path, tensors, metadata)
    density = [ours[f"layer{k}.spikes"].mean() for k in range(len(p)) if f"layer{k}.spikes" in ours]
    return worst, attempt + 1, density, path.stat().st_size


def write(path, tensors, metadata):
    """A safetensors file whose bytes depend on its content only."""
    codes = {np.dtype(np.float64): "F64", np.dtype(np.int64): "I64", np.dtype(np.uint8): "U8"}
    header, chunks, at = {"__metadata__": dict(sorted(metadata.items()))}, [], 0
    for name, value in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        chunk = np.ascontiguousarray(value).tobytes()
        header[name] = dict(dtype=codes[value.dtype], shape=list(value.shape), data_offsets=[at, at + len(chunk)])
        chunks.append(chunk)
        at += len(chunk)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    with safe_open(path, "np") as file:
        assert set(file.keys()) == set(tensors) and file.metadata() == metadata
        for name, value in tensors.items():
            assert np.array_equal(file.get_tensor(name), value), name


def main(names):
    chosen = [CASES[name] for name in names] or list(CASES.values())
    if not names:
        for path in FOLDER.glob("*.safetensors"):
            if not path.name.startswith(("losses_", "encoders_")):
                path.unlink()
    rows, total = [], 0
    for case in chosen:
        worst, attempts, density, size = generate(case)
        total += size
        spikes = " ".join(f"{100 * d:4.0f}%" for d in density)
        rows.append((max(worst.values()), f"{case.name:36} {case.dtype} {case.steps:3}x{case.batch} {spikes:12} {attempts:6} {size / 1000:7.1f}"
                     f"   {worst['potential']:8.1e} {worst['gradient']:9.1e}"))  # fmt: skip
        print(rows[-1][1], flush=True)
    print(f"\n{'case':36} type  TxB spikes        draws      kB  potential  gradient   (deviation over the largest entry)")
    for _, row in sorted(rows, reverse=True):
        print(row)
    print(f"{len(rows)} cases, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
