"""Writes encoders_*.safetensors: what an encoder of snnTorch, SpikingJelly or Norse makes of one input.

    python encoders.py
"""

import json
import math
import zlib

import numpy as np
import snntorch.spikegen
import torch
from norse.torch.functional.encode import population_encode
from spikingjelly.activation_based import encoding

from generate import FOLDER, single, write

BATCH, CHANNELS = 3, 9
ENCODERS = {}


def encoder(name, source, encode, input="unit", **about):
    """`encode(input) → {tensor: values}`; `about` is what a test needs to know."""
    ENCODERS[name] = (source, encode, input, about)


def draw(kind, rng):
    if kind == "unit":
        x = rng.random((BATCH, CHANNELS))
        x[0, :2], x[1, 3] = (0.0, 1.0), 0.01  # nothing, everything, and below the threshold
        return single(x)
    if kind == "signal":
        return single(np.cumsum(rng.normal(0.0, 0.4, (30, BATCH, CHANNELS)), 0))
    return single(rng.uniform(-1.2, 1.2, (BATCH, 2)))


def latency_cases():
    def snn(name, **options):
        words = ", ".join(f"{key}={value}" for key, value in options.items())
        encode = lambda x: dict(spikes=snntorch.spikegen.latency(x, **options))
        encoder(f"latency_{name}", f"snntorch 1.0.0, spikegen.latency({words})", encode, encoder="latency", **options)

    snn("log", num_steps=20, threshold=0.05, tau=1.25)
    snn("log_clip", num_steps=20, threshold=0.05, tau=1.25, clip=True)
    snn("log_late", num_steps=6, threshold=0.05, tau=8.0, clip=True, bypass=True)
    snn("log_normalize", num_steps=20, threshold=0.05, tau=5.0, normalize=True)
    snn("log_first", num_steps=20, threshold=0.05, tau=2.0, normalize=True, clip=True, first_spike_time=4)
    snn("linear", num_steps=20, threshold=0.05, tau=15.0, linear=True)
    snn("linear_clip", num_steps=20, threshold=0.3, tau=15.0, linear=True, clip=True)
    snn("linear_normalize", num_steps=20, threshold=0.05, tau=5.0, linear=True, normalize=True)
    snn("linear_first", num_steps=20, threshold=0.05, linear=True, normalize=True, clip=True, first_spike_time=4)
    for kind in ("linear", "log"):
        encode = lambda x, kind=kind: dict(spikes=encoding.LatencyEncoder(16, kind).single_step_encode(x))
        encoder(f"latency_spikingjelly_{kind}", f"spikingjelly 2.0.0, LatencyEncoder(16, {kind!r})", encode, encoder="latency_spikingjelly",
                num_steps=16, function=kind)  # fmt: skip


def delta_cases():
    for name, options in {
        "on": dict(threshold=0.3),
        "on_padding": dict(threshold=0.3, padding=True),
        "on_off": dict(threshold=0.25, off_spike=True),
        "on_off_padding": dict(threshold=0.4, off_spike=True, padding=True),
    }.items():

        def encode(x, options=options):
            out = snntorch.spikegen.delta(x, **options)
            both = dict(spikes=(out == 1).double())
            return both | dict(off=(out == -1).double()) if "off_spike" in options else both

        words = ", ".join(f"{key}={value}" for key, value in options.items())
        encoder(f"delta_{name}", f"snntorch 1.0.0, spikegen.delta({words})", encode, "signal", encoder="delta", **options)


def population_cases():
    fields, std = 7, math.sqrt(0.05)

    def spikingjelly(x):
        make = encoding.PopSpikeEncoderDeterministic(2, fields, 25, (-1.0, 1.0), std)
        return dict(spikes=make(x), values=encoding.PopEncoder(2, fields, 1, (-1.0, 1.0), std)(x)[0])

    encoder("population_spikingjelly", f"spikingjelly 2.0.0, PopSpikeEncoderDeterministic(2, {fields}, 25, (-1, 1), {std:.4f}), PopEncoder",
            spikingjelly, "points", encoder="population_spikingjelly", num_steps=25, fields=fields, low=-1.0, high=1.0, std=std,
            threshold=0.999)  # fmt: skip
    encoder("population_norse", "norse 1.1.0, functional.encode.population_encode(scale=1.5), gaussian_rbf sigma=1",
            lambda x: dict(values=population_encode(x, fields, scale=1.5)), encoder="population_norse", fields=fields, scale=1.5)  # fmt: skip


def reference(about, x):
    """The encoders by the formulas of README.md."""
    steps, theta, first = about.get("num_steps"), about.get("threshold"), about.get("first_spike_time", 0)
    late = lambda time: (np.arange(steps)[:, None, None] == np.round(time)).astype(float)
    match about["encoder"]:
        case "latency":
            if about.get("linear"):
                tau = steps - 1 - first if about.get("normalize") else about["tau"]
                time = tau * (1 - np.maximum(x, theta))
            else:
                over = np.maximum(x, theta + 1e-7)
                time = about["tau"] * np.log(over / (over - theta))
                if about.get("normalize"):
                    time *= (steps - 1 - first) / time.max()
            return dict(spikes=late(time + first) * ((x >= theta) if about.get("clip") else 1))
        case "latency_spikingjelly":
            log = about["function"] == "log"
            return dict(spikes=late(steps - 1 - np.log((math.exp(steps - 1) - 1) * x + 1) if log else (steps - 1) * (1 - x)))
        case "delta":
            step = np.diff(x, axis=0, prepend=x[:1] if about.get("padding") else 0 * x[:1])
            return dict(spikes=step >= theta) | (dict(off=step <= -theta) if about.get("off_spike") else {})
        case "population_spikingjelly":
            centres = np.linspace(about["low"], about["high"], about["fields"])
            values = np.exp(-0.5 * ((x[:, :, None] - centres) / about["std"]) ** 2).reshape(len(x), -1)
            V, spikes = 0 * values, []
            for _ in range(steps):
                V = V + values
                spikes.append(V >= theta)
                V = V - theta * spikes[-1]
            return dict(spikes=np.array(spikes), values=values)
        case "population_norse":
            centres = np.linspace(0, about["scale"], about["fields"])
            return dict(values=np.exp(-about["scale"] * (x[:, :, None] - centres) ** 2 / 2))


latency_cases()
delta_cases()
population_cases()


def encoded(encode, x, dtype):
    torch.set_default_dtype(dtype)
    with torch.no_grad():
        return {name: value.double().numpy() for name, value in encode(torch.tensor(x, dtype=dtype)).items()}


def usable(encode, x):
    """The input may move by a part in 1e4 without moving a spike, and f32 gives the same."""
    spikes = lambda x, dtype=torch.float64: encoded(encode, x, dtype).get("spikes", np.zeros(1))
    here = spikes(x)
    moved = [x * (1 + 1e-4), x * (1 - 1e-4)]
    if x.min() >= 0:
        moved = [np.minimum(y, 1.0) for y in moved]
    return all(np.array_equal(spikes(y), here) for y in moved) and np.array_equal(spikes(x, torch.float32), here)


def main():
    for path in FOLDER.glob("encoders_*.safetensors"):
        path.unlink()
    total = 0
    for name, (source, encode, kind, about) in ENCODERS.items():
        for attempt in range(1000):
            x = draw(kind, np.random.default_rng([zlib.crc32(name.encode()), attempt]))
            if usable(encode, x):
                break
        else:
            raise SystemExit(f"{name}: no draw was usable")
        out = encoded(encode, x, torch.float64)
        ours = reference(about, x)
        assert ours.keys() == out.keys() and all(np.abs(ours[key] - out[key]).max() < 1e-12 for key in out), name
        tensors = {"input": x} | {key: value if key == "values" else value.astype(np.uint8) for key, value in out.items()}
        path = FOLDER / f"encoders_{name}.safetensors"
        write(path, tensors, dict(encoder=json.dumps(about, sort_keys=True), source=source, dtype="f64"))
        total += path.stat().st_size
        print(f"{name:28} {attempt:4} {int(out['spikes'].sum()) if 'spikes' in out else 0:5} {json.dumps(about)}")
    print(f"{len(ENCODERS)} encoders, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
