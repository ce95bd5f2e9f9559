"""Writes losses_*.safetensors: the value and gradient of a loss on one recording, by snnTorch, SpikingJelly or torch.

    python losses.py
"""

import json
import unittest.mock
import zlib

import numpy as np
import snntorch.functional
import snntorch.functional.loss
import snntorch.spikegen
import torch
import torch.nn.functional as F
from spikingjelly.activation_based.functional.loss import temporal_efficient_training_cross_entropy

from generate import FOLDER, single, write

STEPS, BATCH, UNITS = 20, 4, 6
WEIGHT = [0.5, 2.0, 1.0, 1.5, 0.25, 3.0]


def double():
    """snnTorch makes its sums and targets in f32: in f64 here."""
    patches = [
        unittest.mock.patch.object(snntorch.functional.loss, "dtype", torch.float64),
        unittest.mock.patch.object(snntorch.spikegen, "dtype", torch.float64),
        unittest.mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
    ]
    return patches


LOSSES = {}


def loss(name, recording, source, compute, units=UNITS, batch=BATCH, labels=None, density=0.15, **options):
    """`compute(recording, labels, weight, targets) → loss`. `options` are what a test needs to know beside the tensors."""
    assert name not in LOSSES
    LOSSES[name] = (recording, source, compute, units, batch, labels, density, options)


def tensors_of(name):
    recording, source, compute, units, batch, kind, density, options = LOSSES[name]
    rng = np.random.default_rng([zlib.crc32(name.encode())])
    shape = (STEPS, batch, units)
    x = (rng.random(shape) < density).astype(np.uint8) if recording == "spikes" else single(rng.normal(0.2, 1.0, shape))
    if recording == "spikes" and batch > 1:
        x[:, 0, 0] = 0  # a neuron that is silent
    classes = options.get("classes", units)
    labels = rng.integers(0, classes, batch)
    out = {recording: x, "labels": labels.astype(np.int64)}
    targets = None
    if kind == "per_step":
        labels = rng.integers(0, classes, (STEPS, batch))
        labels[rng.random((STEPS, batch)) < 0.4] = -1
        out["labels"] = labels.astype(np.int64)
    elif kind in ("times", "trace"):
        targets = rng.integers(0, STEPS, (batch, units)) if kind == "times" else single(rng.normal(size=shape))
        del out["labels"]
        out["targets"] = targets.astype(np.int64) if kind == "times" else targets
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    weight = None
    if options.get("weighted"):
        out["weight"] = np.array(WEIGHT)
        weight = torch.tensor(WEIGHT, dtype=torch.float64)
    value = compute(leaf, torch.tensor(labels), weight, None if targets is None else torch.tensor(targets))
    value.sum().backward()
    assert value.dtype == torch.float64 and value.numel() == 1
    again = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    ours = reference(options, again, torch.tensor(labels), weight, None if targets is None else torch.tensor(targets))
    ours.backward()
    assert (ours - value).abs().item() < 1e-12 * max(1, value.item()), (name, ours.item(), value.item())
    assert (again.grad - leaf.grad).abs().max() < 1e-12 * leaf.grad.abs().max(), name
    out["loss"] = value.detach().numpy().reshape(1)
    out[f"grad.{recording}"] = leaf.grad.numpy()
    about = {key: value for key, value in options.items() if key != "weighted"}
    return out, dict(loss=json.dumps(about, sort_keys=True), source=source, dtype="f64")


def snntorch_losses():
    # No negative off_target: where it is below on_target the library takes max(on · one-hot, off), which is 0 for the other classes
    # (so the default of mse_temporal_loss, 0 and −1, aims at step 0 for every class).
    def add(name, function, recording, *, column=False, text="", batch=BATCH, units=UNITS, labels=None, **options):
        """`column`: the library's weight[targets] of [B] meets a [B, C] loss; a column of weights makes it one weight a sample."""
        own = {key: value for key, value in options.items() if key not in ("function", "weighted", "classes")}
        if "classes" in options:
            own |= dict(population_code=True, num_classes=options["classes"])

        def compute(x, labels, weight, targets):
            if weight is not None:
                own["weight"] = weight[:, None] if column else weight
            given = labels if targets is None else targets.double()
            return getattr(snntorch.functional, f"{function}_loss")(**own)(x, given)

        words = ", ".join(f"{key}={value}" for key, value in own.items())
        source = f"snntorch 1.0.0, functional.{function}_loss({words}{', weight' if options.get('weighted') else ''}){text}, in f64"
        loss(name, recording, source, compute, units=units, batch=batch, labels=labels, function=function, **options)

    add("ce_rate", "ce_rate", "spikes")
    add("ce_rate_sum", "ce_rate", "spikes", reduction="sum")
    add("ce_rate_weight", "ce_rate", "spikes", weighted=True)
    add("ce_count", "ce_count", "spikes")
    add("ce_count_sum", "ce_count", "spikes", reduction="sum")
    add("ce_count_weight", "ce_count", "spikes", weighted=True)
    add("ce_count_population", "ce_count", "spikes", units=12, classes=4)
    add("ce_max_membrane", "ce_max_membrane", "potential")
    add("ce_max_membrane_sum", "ce_max_membrane", "potential", reduction="sum")
    add("ce_max_membrane_weight", "ce_max_membrane", "potential", weighted=True)
    rates = dict(correct_rate=0.8, incorrect_rate=0.1)
    column = dict(weighted=True, column=True, text=", weights as a column")
    add("mse_count", "mse_count", "spikes", **rates)
    add("mse_count_sum", "mse_count", "spikes", reduction="sum", **rates)
    add("mse_count_weight", "mse_count", "spikes", **column, **rates)
    add("mse_count_population", "mse_count", "spikes", units=12, classes=4, **rates)
    add("mse_membrane", "mse_membrane", "potential", on_target=1.25, off_target=0.25)
    add("mse_membrane_sum", "mse_membrane", "potential", reduction="sum", on_target=1.25, off_target=0.25)
    add("mse_membrane_weight", "mse_membrane", "potential", on_target=1.25, off_target=0.25, **column)
    add("mse_temporal", "mse_temporal", "spikes", on_target=0, off_target=STEPS - 1)
    add("mse_temporal_targets", "mse_temporal", "spikes", on_target=3, off_target=15)
    add("mse_temporal_tolerance", "mse_temporal", "spikes", on_target=2, off_target=STEPS - 1, tolerance=5)
    add("mse_temporal_times", "mse_temporal", "spikes", labels="times", target_is_time=True)
    add("mse_temporal_weight", "mse_temporal", "spikes", on_target=0, off_target=STEPS - 1, **column)
    add("mse_multi_temporal", "mse_temporal", "spikes", units=1, batch=1, multi_spike=True, on_target=[1, 4, 9], off_target=[0, 0, 0],
        text=", one sample and neuron (with more, the library takes a spike from all of them at once)")  # fmt: skip
    add("ce_temporal_negate", "ce_temporal", "spikes", inverse="negate")
    add("ce_temporal_reciprocal", "ce_temporal", "spikes", inverse="reciprocal")
    add("ce_temporal_sum", "ce_temporal", "spikes", inverse="negate", reduction="sum")
    add("ce_temporal_weight", "ce_temporal", "spikes", inverse="negate", weighted=True)


class FirstSpike(torch.autograd.Function):
    """The step of the n-th spike, T − 1 where there is none; the gradient is −1 at that step."""

    @staticmethod
    def forward(ctx, x, nth):
        at = torch.where((x > 0) & (x.cumsum(0) == nth), 1.0, 0.0)
        time = torch.where(at.sum(0) > 0, at.argmax(0), len(x) - 1)
        ctx.save_for_backward(time)
        ctx.steps = len(x)
        return time.to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        (time,) = ctx.saved_tensors
        return -g * F.one_hot(time, ctx.steps).permute(2, 0, 1), None


def reference(about, x, labels, weight, targets):
    """The losses by the formulas of README.md."""
    steps, batch, units = x.shape
    classes = about.get("classes", units)
    if targets is None and labels.dim() == 1:
        hot = F.one_hot(labels, classes).double()
    w = torch.ones(batch) if weight is None else weight[labels]
    total = about.get("reduction") == "sum"
    over_batch = lambda values: values.sum() if total else values.mean()
    surprise = lambda rows: -(torch.log_softmax(rows, -1) * hot).sum(-1)
    counts = x.sum(0).reshape(batch, classes, -1).sum(-1)
    first = lambda nth=1: FirstSpike.apply(x, nth)
    match about["function"]:
        case "ce_rate":
            return over_batch(w * surprise(x).mean(0))
        case "ce_count":
            return over_batch(w * surprise(counts))
        case "ce_max_membrane":
            return over_batch(w * surprise(x.amax(0)))
        case "mse_count":
            on, off = (int(steps * about[rate] * (units / classes)) for rate in ("correct_rate", "incorrect_rate"))
            return over_batch(w[:, None] * (counts - torch.where(hot > 0, on, off)) ** 2) / steps
        case "mse_membrane":
            error = (x - torch.where(hot > 0, about["on_target"], about["off_target"])) ** 2
            return over_batch(w[:, None] * error.mean(0))
        case "mse_temporal":
            if about.get("multi_spike"):
                aims = [torch.full((batch, units), float(aim)) for aim in about["on_target"]]
                return torch.stack([((first(k + 1) - aim) / steps) ** 2 for k, aim in enumerate(aims)]).mean()
            if targets is None:
                targets = torch.where(hot > 0, about["on_target"], about["off_target"])
            error = (first() - targets) / steps
            error = torch.where(error.abs() * steps < about.get("tolerance", 0), 0.0, error)
            return over_batch(w[:, None] * error**2)
        case "ce_temporal":
            rows = -first() if about["inverse"] == "negate" else 1 / (first() + 1)
            values = w * surprise(rows)
            return values.sum() if total else values.sum() / w.sum()
        case "mse":
            return ((x - targets) ** 2).mean()
        case "cross_entropy":
            rows = x if about["reduce"] == "every_step" else REDUCE[about["reduce"]](x)[None]
            y = labels if labels.dim() == 2 else labels.expand(len(rows), -1)
            seen = (y >= 0).double()
            hot = F.one_hot(y.clamp(min=0), units).double()
            weights = torch.ones(units) if weight is None else weight
            smooth = about.get("label_smoothing", 0.0)
            spread = (1 - smooth) * hot + smooth / units
            values = -(torch.log_softmax(rows, -1) * spread * weights).sum(-1) * seen
            return values.sum() / ((hot * weights).sum(-1) * seen).sum()


REDUCE = {
    "max": lambda x: x.max(0).values,
    "sum": lambda x: x.sum(0),
    "mean": lambda x: x.mean(0),
    "last": lambda x: x[-1],
}


def torch_losses():
    loss("tet", "potential", "spikingjelly 2.0.0, functional.temporal_efficient_training_cross_entropy, in f64",
         lambda x, y, w, _: temporal_efficient_training_cross_entropy(x, y), function="cross_entropy", reduce="every_step")  # fmt: skip

    def every_step(smoothing=0.0):
        def compute(x, y, w, _):
            y = y if y.dim() == 2 else y.expand(STEPS, -1)
            return F.cross_entropy(x.flatten(0, 1), y.flatten(), weight=w, ignore_index=-1, label_smoothing=smoothing)

        return compute

    words = "torch 2.11.0, cross_entropy of {}{}, in f64"
    loss("every_step_smoothing", "potential", words.format("every step", ", label_smoothing=0.1"), every_step(0.1), function="cross_entropy",
         reduce="every_step", label_smoothing=0.1)  # fmt: skip
    loss("every_step_mask", "potential", words.format("every step", " with its own label, ignore_index=-1"), every_step(), labels="per_step",
         function="cross_entropy", reduce="every_step", mask=-1)  # fmt: skip
    loss("every_step_spikes", "spikes", words.format("every step", ""), every_step(), function="cross_entropy", reduce="every_step")
    for reduce, rows in REDUCE.items():
        for suffix, extra in (("", {}), ("_smoothing", dict(label_smoothing=0.2)), ("_weight", dict(weighted=True))):
            smoothing = extra.get("label_smoothing", 0.0)

            def compute(x, y, w, _, rows=rows, smoothing=smoothing):
                return F.cross_entropy(rows(x), y, weight=w, label_smoothing=smoothing)

            more = ", weight (a weighted mean)" if extra.get("weighted") else f", label_smoothing={smoothing}" if smoothing else ""
            loss(f"cross_entropy_{reduce}{suffix}", "potential", words.format(f"the {reduce} over time", more), compute,
                 function="cross_entropy", reduce=reduce, **extra)  # fmt: skip
    loss("cross_entropy_smoothing_weight", "potential", words.format("the max over time", ", weight, label_smoothing=0.1"),
         lambda x, y, w, _: F.cross_entropy(REDUCE["max"](x), y, weight=w, label_smoothing=0.1), function="cross_entropy", reduce="max",
         label_smoothing=0.1, weighted=True)  # fmt: skip
    loss("mse_every_step", "potential", "torch 2.11.0, mse_loss of every step to targets, in f64",
         lambda x, y, w, targets: F.mse_loss(x, targets), labels="trace", function="mse", reduce="every_step")  # fmt: skip


snntorch_losses()
torch_losses()


def main():
    torch.set_default_dtype(torch.float64)
    for path in FOLDER.glob("losses_*.safetensors"):
        path.unlink()
    patches = double()
    for patch in patches:
        patch.start()
    total = 0
    for name in LOSSES:
        tensors, metadata = tensors_of(name)
        path = FOLDER / f"losses_{name}.safetensors"
        write(path, tensors, metadata)
        total += path.stat().st_size
        print(f"{name:32} {tensors['loss'][0]:12.6f} {metadata['loss']}")
    print(f"{len(LOSSES)} losses, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
