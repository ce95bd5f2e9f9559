"""The cases: which network, which source, which input."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import sinabs.activation
import snntorch.functional
import torch

from contract import layer, spread
from equations import (
    SCALED,
    UNSCALED,
    neftci,
    spytorch_hidden,
    spytorch_readout,
    spyx_cuba,
    spyx_lif,
    stork_group,
    stork_readout,
    zenke_vogels,
    zenke_vogels_readout,
)
from libraries import norse_layer, sinabs_layer, snntorch_layer, spikingjelly_layer, spikingjelly_spike


@dataclass
class Case:
    name: str
    source: str
    layers: list  # (spec, computation) a layer
    inputs: int = 7
    steps: int = 53
    batch: int = 2
    values: bool = False  # input of values, not spikes
    dtype: str = "f64"
    upstream: dict = field(default_factory=dict)  # layer → "O", "V" or "OV"; the default is chosen by `weigh`
    loss: Callable | None = None  # rows [T, B, classes], labels → loss
    low_potential: bool = False  # redraw until V ≤ 2 theta everywhere
    calm: bool = False  # redraw until f32 agrees too
    grid: float = 0.0  # weights are multiples of it; a potential that was just reset then meets its threshold, exactly in f32 too

    @property
    def net(self):
        net = dict(dt=1.0, inputs=self.inputs, layer=[spec for spec, _ in self.layers])
        return net | dict(readout=dict(reduce="max", loss="cross_entropy")) if self.loss else net

    def weigh(self, k):
        if self.upstream:
            return self.upstream.get(k, "")
        spec, _ = self.layers[k]
        if spec["neuron"]["kind"] == "li":
            return "V"
        return "OV" if k == len(self.layers) - 1 else "O"


CASES: dict[str, Case] = {}


def case(name, source, layers, **options):
    assert name not in CASES
    CASES[name] = Case(name, source, layers, **options)


def largest_over_time(rows, labels):
    return torch.nn.functional.nll_loss(torch.log_softmax(rows.max(0).values, 1), labels)


def snntorch_cases():
    text = "snntorch 1.0.0, {}; alpha, beta, threshold learned; float() of a spike read as double()"
    subtract = dict(reset="subtract_after", detach_reset=True)
    zero_before = dict(reset="zero_before", detach_reset=True)
    zero_after = dict(reset="zero_after", detach_reset=True)
    atan, steep = ("atan", 2.0, 1.0), ("fast_sigmoid", 25.0, 1.0)

    def two(name, words, kind, cell, switches, surrogate, first=None, **options):
        """7 → 11 → 5, both layers of the same cell; `first` overrides switches of the first."""
        a = dict(bias=True, surrogate=surrogate) | switches | (first or {})
        b = dict(surrogate=surrogate, recurrent=a.get("recurrent", False)) | switches
        source = text.format(words) if options.get("dtype") != "f32" else f"snntorch 1.0.0, {words}, in f32 as it stands"
        case(name, source, [(layer(11, kind, **a), cell), (layer(5, kind, **b), cell)], **options)

    leaky = lambda **o: snntorch_layer("Leaky", **o)
    two("snntorch_leaky_subtract", "Leaky (defaults), atan(2)", "lif", leaky(), dict(beta=0.9, **subtract), atan,
        upstream={0: "OV", 1: "OV"})  # fmt: skip
    two("snntorch_leaky_zero", "Leaky reset_mechanism=zero, fast_sigmoid(25)", "lif", leaky(reset="zero"),
        dict(beta=0.85, **zero_before), steep, values=True)  # fmt: skip
    two("snntorch_leaky_none", "Leaky reset_mechanism=none, sigmoid(6)", "lif", leaky(reset="none"),
        dict(beta=0.7, reset="none", detach_reset=True), ("sigmoid", 6.0, 1.5))  # fmt: skip
    live = dict(detach_reset=False)
    two("snntorch_leaky_subtract_immediate", "Leaky reset_delay=False, fast_sigmoid(10)", "lif", leaky(reset_delay=False),
        dict(beta=0.8, reset="subtract_before", **live), ("fast_sigmoid", 10.0, 1.0), low_potential=True, upstream={0: "V", 1: "OV"})  # fmt: skip
    two("snntorch_leaky_zero_immediate", "Leaky reset_mechanism=zero reset_delay=False, atan(2)", "lif",
        leaky(reset="zero", reset_delay=False), dict(beta=0.8, reset="zero_before", **live), atan, values=True)  # fmt: skip
    two("snntorch_leaky_straight_through", "Leaky, straight_through_estimator", "lif", leaky(), dict(beta=0.75, **subtract),
        ("straight_through", 1.0, 1.0), values=True)  # fmt: skip
    two("snntorch_leaky_sigmoid", "Leaky reset_mechanism=zero, sigmoid(5)", "lif", leaky(reset="zero"), dict(beta=0.8, **zero_before),
        ("sigmoid", 5.0, 1.25))  # fmt: skip
    two("snntorch_leaky_per_neuron", "Leaky, beta and threshold per neuron, fast_sigmoid(25)", "lif", leaky(),
        dict(beta=0.8, **subtract), steep, first=dict(beta=spread(0.6, 0.97, 11), threshold=spread(0.7, 1.4, 11)), batch=3)  # fmt: skip

    rec = dict(recurrent=True)
    two("snntorch_rleaky_subtract", "RLeaky all_to_all, fast_sigmoid(25)", "lif", snntorch_layer("RLeaky"),
        dict(beta=0.9, **subtract), steep, first=rec, steps=61)  # fmt: skip
    two("snntorch_rleaky_zero", "RLeaky all_to_all reset_mechanism=zero, atan(2)", "lif", snntorch_layer("RLeaky", "zero"),
        dict(beta=0.9, **zero_after), atan, first=rec, values=True)  # fmt: skip
    two("snntorch_rleaky_subtract_immediate", "RLeaky all_to_all reset_delay=False, fast_sigmoid(10)", "lif",
        snntorch_layer("RLeaky", reset_delay=False), dict(beta=0.8, reset="subtract_before", **live), ("fast_sigmoid", 10.0, 1.0),
        first=rec, low_potential=True)  # fmt: skip
    two("snntorch_rleaky_zero_immediate", "RLeaky all_to_all reset_mechanism=zero reset_delay=False, fast_sigmoid(5)", "lif",
        snntorch_layer("RLeaky", "zero", False), dict(beta=0.8, reset="zero_before", **live), ("fast_sigmoid", 5.0, 1.0), first=rec)  # fmt: skip

    two("snntorch_synaptic_subtract", "Synaptic, alpha, beta and threshold per neuron, atan(2)", "cuba_lif", snntorch_layer("Synaptic"),
        dict(alpha=0.7, beta=0.8, **subtract), atan,
        first=dict(alpha=spread(0.5, 0.9, 11), beta=spread(0.95, 0.7, 11), threshold=spread(0.8, 1.3, 11)))  # fmt: skip
    two("snntorch_synaptic_zero", "Synaptic reset_mechanism=zero, fast_sigmoid(25)", "cuba_lif", snntorch_layer("Synaptic", "zero"),
        dict(alpha=0.75, beta=0.85, **zero_after), steep)  # fmt: skip
    two("snntorch_synaptic_subtract_immediate", "Synaptic reset_delay=False, fast_sigmoid(10)", "cuba_lif",
        snntorch_layer("Synaptic", reset_delay=False), dict(alpha=0.6, beta=0.7, reset="subtract_before", **live),
        ("fast_sigmoid", 10.0, 1.0), low_potential=True)  # fmt: skip
    two("snntorch_synaptic_zero_immediate", "Synaptic reset_mechanism=zero reset_delay=False, sigmoid(4)", "cuba_lif",
        snntorch_layer("Synaptic", "zero", False), dict(alpha=0.7, beta=0.8, reset="zero_before", **live), ("sigmoid", 4.0, 1.0))  # fmt: skip
    two("snntorch_synaptic_start", "Synaptic, given start values of mem (0.3) and syn (0.2), atan(2)", "cuba_lif",
        snntorch_layer("Synaptic"), dict(alpha=0.8, beta=0.9, initial_potential=0.3, initial_current=0.2, **subtract), atan)  # fmt: skip
    two("snntorch_rsynaptic_subtract", "RSynaptic all_to_all, fast_sigmoid(25)", "cuba_lif", snntorch_layer("RSynaptic"),
        dict(alpha=0.8, beta=0.9, **subtract), steep, first=rec)  # fmt: skip
    two("snntorch_rsynaptic_zero", "RSynaptic all_to_all reset_mechanism=zero, atan(2)", "cuba_lif", snntorch_layer("RSynaptic", "zero"),
        dict(alpha=0.7, beta=0.85, **zero_after), atan, first=rec, values=True)  # fmt: skip
    two("snntorch_rsynaptic_reset_delay", "RSynaptic all_to_all reset_delay=False (no effect there), atan(2)", "cuba_lif",
        snntorch_layer("RSynaptic", reset_delay=False), dict(alpha=0.6, beta=0.8, **subtract), atan, first=rec)  # fmt: skip

    case("snntorch_readout_loss", text.format("Synaptic, then the mem of Leaky reset_mechanism=none; functional.ce_max_membrane_loss"),
         [(layer(11, "cuba_lif", bias=True, alpha=0.8, beta=0.9, surrogate=atan, **subtract), snntorch_layer("Synaptic")),
          (layer(5, "li", bias=True, beta=0.9), leaky(reset="none"))],
         batch=3, loss=lambda rows, labels: snntorch.functional.ce_max_membrane_loss()(rows, labels))  # fmt: skip
    two("snntorch_leaky_meets_threshold", "Leaky reset_mechanism=zero, potentials that equal the threshold, fast_sigmoid(5)", "lif",
        leaky(reset="zero"), dict(beta=0.7, **zero_before), ("fast_sigmoid", 5.0, 1.0), first=dict(bias=False), grid=0.25)  # fmt: skip
    two("snntorch_leaky_subtract_f32", "Leaky (defaults), atan(2)", "lif", leaky(), dict(beta=0.875, **subtract), atan, dtype="f32")


def spikingjelly_cases():
    text = "spikingjelly 2.0.0, {} v_reset={}, detach_reset={}, decay_input={}, {}"

    def two(name, tau, surrogate, *, v_reset, detach_reset, decay_input, parametric=False, recurrent=False, dtype="f64", **options):
        soft = v_reset is None
        bias = bool(v_reset)  # the rest is there
        switches = dict(
            beta=1 - 1 / tau, reset="subtract_before" if soft else "zero_before", detach_reset=detach_reset, comparison="greater_equal",
            gain="one_minus_beta" if decay_input else "one", reset_potential=v_reset or 0.0, initial_potential=v_reset or 0.0,
            surrogate=surrogate,
        )  # fmt: skip
        cell = spikingjelly_layer(
            tau, v_reset=v_reset, detach_reset=detach_reset, decay_input=decay_input, parametric=parametric, watch=dtype == "f64"
        )
        kind = "ParametricLIFNode" if parametric else f"LIFNode tau={tau}"
        words = text.format(kind, v_reset, detach_reset, decay_input, type(spikingjelly_spike(dict(kind=surrogate[0], slope=1.0))).__name__)
        if dtype == "f32":
            words += ", its own forward and backward kernels in f32 (potential not shown)"
            options = dict(upstream={0: "O", 1: "O"}) | options
        if "grid" in options:
            words += ", potentials that equal the threshold"
        case(name, words + (", W s_in + R s_{t-1} stepped outside" if recurrent else ""),
             [(layer(11, "lif", bias=bias or not (recurrent or options.get("grid")), recurrent=recurrent, **switches), cell),
              (layer(5, "lif", bias=bias, **switches), cell)], dtype=dtype, **options)  # fmt: skip

    root = math.sqrt(math.pi)
    two("spikingjelly_soft", 2.0, ("sigmoid", 4.0, 1.0), v_reset=None, detach_reset=False, decay_input=True)
    two("spikingjelly_soft_detach", 5.0, ("atan", 2.0, 1.0), v_reset=None, detach_reset=True, decay_input=True, values=True)
    two("spikingjelly_soft_undecayed", 5.0, ("triangle", 1.5, 1.5), v_reset=None, detach_reset=False, decay_input=False,
        upstream={0: "OV", 1: "O"})  # fmt: skip
    two("spikingjelly_soft_detach_undecayed", 8.0, ("exponential", 2.0, 1.0), v_reset=None, detach_reset=True, decay_input=False)
    two("spikingjelly_hard", 2.0, ("gaussian", 2.0, 2 / root), v_reset=0.0, detach_reset=False, decay_input=True, values=True)
    two("spikingjelly_hard_detach", 5.0, ("fast_sigmoid", 2.0, 1.0), v_reset=0.0, detach_reset=True, decay_input=True)
    two("spikingjelly_hard_undecayed", 8.0, ("sigmoid", 4.0, 1.0), v_reset=0.0, detach_reset=False, decay_input=False)
    two("spikingjelly_hard_detach_undecayed", 4.0, ("boxcar", 1.0, 1.0), v_reset=0.0, detach_reset=True, decay_input=False, batch=3)
    two("spikingjelly_v_reset", 5.0, ("atan", 2.0, 1.0), v_reset=-0.25, detach_reset=False, decay_input=True)
    two("spikingjelly_v_reset_undecayed", 4.0, ("triangle", 1.0, 1.0), v_reset=0.125, detach_reset=True, decay_input=False)
    two("spikingjelly_plif_soft", 4.0, ("sigmoid", 4.0, 1.0), v_reset=None, detach_reset=False, decay_input=True, parametric=True)
    two("spikingjelly_plif_hard", 5.0, ("atan", 3.0, 1.5), v_reset=0.0, detach_reset=True, decay_input=False, parametric=True)
    two("spikingjelly_plif_v_reset", 4.0, ("exponential", 2.0, 1.0), v_reset=-0.25, detach_reset=True, decay_input=True, parametric=True)
    two("spikingjelly_soft_recurrent", 5.0, ("atan", 2.0, 1.0), v_reset=None, detach_reset=False, decay_input=False, recurrent=True)
    two("spikingjelly_hard_meets_threshold", 3.3, ("atan", 2.0, 1.0), v_reset=0.0, detach_reset=False, decay_input=False, grid=0.25)
    two("spikingjelly_soft_f32", 4.0, ("sigmoid", 4.0, 1.0), v_reset=None, detach_reset=False, decay_input=True, dtype="f32")
    two("spikingjelly_hard_f32", 8.0, ("atan", 2.0, 1.0), v_reset=0.0, detach_reset=False, decay_input=False, dtype="f32")


def norse_cases():
    text = "norse 1.1.0, functional.{}, dt=0.001; tau_syn_inv, tau_mem_inv, v_th learned"
    forward = dict(reset="zero_before", detach_reset=False, gain="one_minus_beta")
    recurrent = dict(reset="zero_before", detach_reset=True, gain="one_minus_beta", recurrent=True)
    surrogate = ("fast_sigmoid", 1.0, 1.0)

    def two(name, words, step, switches, bias, surrogate=surrogate, method=("super", 100.0), first=None, **options):
        cell = norse_layer(step, *method)
        a = dict(alpha=0.8, beta=0.9, bias=bias, surrogate=surrogate) | switches | (first or {})
        b = dict(alpha=0.7, beta=0.8, surrogate=surrogate) | switches
        case(name, text.format(words), [(layer(11, "cuba_lif", **a), cell), (layer(5, "cuba_lif", **b), cell)], **options)

    two("norse_feed_forward", "lif_feed_forward_step, method super (its alpha=100 is not used)", "forward", forward, True)
    two(
        "norse_feed_forward_v_reset",
        "lif_feed_forward_step, v_reset=-0.3",
        "forward",
        forward | dict(reset_potential=-0.3),
        True,
        values=True,
    )
    two("norse_feed_forward_triangle", "lif_feed_forward_step, method triangle, alpha=0.3", "forward", forward, False,
        ("triangle", 1.0, 0.3), ("triangle", 0.3))  # fmt: skip
    two("norse_feed_forward_erfc", "lif_feed_forward_step, method heavi_erfc, alpha=2; time constants and threshold per neuron", "forward",
        forward, False, ("gaussian", 2.0, 2 / math.sqrt(math.pi)), ("heavi_erfc", 2.0),
        first=dict(alpha=spread(0.6, 0.9, 11), beta=spread(0.95, 0.8, 11), threshold=spread(0.5, 1.2, 11)))  # fmt: skip
    two("norse_recurrent", "lif_step, method super", "lif_step", recurrent, False, steps=61)
    two("norse_recurrent_v_reset", "lif_step, method super, v_reset=-0.2", "lif_step", recurrent | dict(reset_potential=-0.2), False)


def sinabs_cases():
    text = "sinabs 3.1.3, layers.LIF{} SingleSpike, {}, norm_input={}, {}{}; alphas learned; float() of a spike read as double()"

    def two(name, subtract, norm_input, threshold=1.0, width=0.5, alpha=None, recurrent=False, gaussian=False, **options):
        switches = dict(
            beta=0.85, threshold=threshold, comparison="greater_equal", gain="one_minus_beta" if norm_input else "one",
            reset="subtract_before" if subtract else "zero_before", detach_reset=not subtract,
        )  # fmt: skip
        kind = "lif" if alpha is None else "cuba_lif"
        if alpha is not None:
            switches["alpha"] = alpha
        if gaussian:
            fn, words = sinabs.activation.Gaussian(sigma=width), f"Gaussian({width})"
            switches["surrogate"] = ("gaussian", 1 / (width * math.sqrt(2)), 1 / (width * math.sqrt(2 * math.pi)))
        else:
            fn, words = sinabs.activation.SingleExponential(grad_width=width), f"SingleExponential({width})"
            k = 1 / (width * threshold)
            switches["surrogate"] = ("exponential", k, k)
        reset = sinabs.activation.MembraneSubtract() if subtract else sinabs.activation.MembraneReset()
        cell = sinabs_layer(reset=reset, norm_input=norm_input, surrogate=fn)
        source = text.format(
            "Recurrent" if recurrent else "", type(reset).__name__, norm_input, words, "" if alpha is None else ", with tau_syn"
        )
        case(name, source, [(layer(11, kind, bias=True, recurrent=recurrent, **switches), cell),
                            (layer(5, kind, recurrent=recurrent, **switches), cell)], **options)  # fmt: skip

    two("sinabs_subtract", True, True)
    two("sinabs_subtract_unnormed", True, False, threshold=1.25, values=True)
    two("sinabs_reset", False, True, threshold=0.75)
    two("sinabs_reset_unnormed", False, False, gaussian=True)
    two("sinabs_synapse_subtract", True, True, alpha=0.7)
    two("sinabs_synapse_reset", False, False, alpha=0.6, width=1.0, values=True)
    two("sinabs_recurrent", True, True, width=1.0, recurrent=True)


def equation_cases():
    def slope(k):
        return ("fast_sigmoid", float(k), 1.0)

    # SpyTorch: no bias, threshold 1, dt 1 ms, tau_mem 10 ms, tau_syn 5 ms (tutorial 5: 20 ms and 10 ms).
    a, b = round(math.exp(-1 / 5), 6), round(math.exp(-1 / 10), 6)
    spy = dict(alpha=a, beta=b, reset="zero_after", detach_reset=True, lag=1, emit_lag=1)
    spy5 = dict(alpha=b, beta=round(math.exp(-1 / 20), 6), reset="zero_after", detach_reset=True, lag=1, emit_lag=1, recurrent_lag=2,
                gain="one_minus_beta", initial_potential=-0.001, recurrent=True, surrogate=slope(20))  # fmt: skip
    plain = (layer(5, "li", alpha=a, beta=b, lag=1), spytorch_readout(UNSCALED))
    tutorials = {
        "spytorch_1": ("tutorials 1-3", [(layer(11, "cuba_lif", surrogate=slope(100), **spy), spytorch_hidden(UNSCALED)), plain]),
        "spytorch_4": ("tutorial 4", [(layer(11, "cuba_lif", recurrent=True, recurrent_lag=2, surrogate=slope(100), **spy),
                                       spytorch_hidden(UNSCALED)), plain]),
        "spytorch_5": ("tutorial 5, without its encoder", [(layer(11, "cuba_lif", **spy5), spytorch_hidden(SCALED)),
                       (layer(5, "li", alpha=b, beta=spy5["beta"], lag=1, gain="one_minus_beta"), spytorch_readout(SCALED))]),
    }  # fmt: skip
    for name, (words, layers) in tutorials.items():
        words = f"by equations: SpyTorch {words} (github.com/fzenke/spytorch, d363dbf)"
        case(name, words, layers, upstream={0: "OV", 1: "V"})
        case(f"{name}_loss", words + ", negative log-likelihood of the maximum over time", layers, batch=3, loss=largest_over_time)

    # Zenke & Vogels 2021: two hidden layers and a readout. dt 1 ms, tau_mem 10 ms, tau_syn 5 ms, tau_readout 20 ms.
    zv = dict(reset="zero_after", detach_reset=True, lag=1, emit_lag=1, gain="one_minus_beta", surrogate=slope(10))
    out = (layer(5, "li", alpha=a, beta=round(math.exp(-1 / 20), 6), lag=1, gain="one_minus_beta", initial_potential=-0.01),
           zenke_vogels_readout)  # fmt: skip
    words = "by equations: Zenke & Vogels 2021, Neural Computation 33, section 4.2"
    same = dict(alpha=a, beta=b)
    deep = [(layer(11, "cuba_lif", **same, **zv), zenke_vogels), (layer(9, "cuba_lif", **same, **zv), zenke_vogels), out]
    own = dict(alpha=spread(0.6, 0.9, 11), beta=spread(0.95, 0.8, 11), threshold=spread(0.8, 1.2, 11))
    recurrent = [(layer(11, "cuba_lif", recurrent=True, **own, **zv), zenke_vogels),
                 (layer(9, "cuba_lif", recurrent=True, **same, **zv), zenke_vogels), out]  # fmt: skip
    case("zenke_vogels", words, deep)
    case("zenke_vogels_loss", words + ", cross-entropy of the maximum over time", deep, batch=3, loss=largest_over_time)
    case(
        "zenke_vogels_recurrent", words + ", recurrent, one time constant and threshold a neuron in the first layer", recurrent, values=True
    )
    case(
        "zenke_vogels_recurrent_loss",
        words + ", recurrent, cross-entropy of the maximum over time",
        recurrent,
        batch=3,
        loss=largest_over_time,
    )
    live = zv | dict(detach_reset=False)
    case("zenke_vogels_through_reset", words + ", gradient through the reset",
         [(layer(11, "cuba_lif", **same, **live), zenke_vogels), (layer(9, "cuba_lif", **same, **live), zenke_vogels), out])  # fmt: skip

    # stork: every connection adds a step, the readout's too.
    stork = dict(
        alpha=a, beta=b, reset="zero_after", lag=1, emit_lag=1, input_delay=1, recurrent_lag=2, gain="one_minus_beta", surrogate=slope(20)
    )
    out = (layer(5, "li", alpha=a, beta=b, lag=1, input_delay=1, gain="one_minus_beta", initial_potential=-0.001), stork_readout)
    for name, words, through, recurrent, options in (
        ("stork", "LIFGroup diff_reset=False", False, False, {}),
        ("stork_diff_reset", "LIFGroup diff_reset=True, recurrent", True, True, {}),
        ("stork_recurrent_loss", "LIFGroup diff_reset=False, recurrent, cross-entropy of the maximum over time", False, True,
         dict(batch=3, loss=largest_over_time)),
    ):  # fmt: skip
        case(name, f"by equations: stork {words} (github.com/fmi-basel/stork, 258a2d6)",
             [(layer(11, "cuba_lif", recurrent=recurrent, detach_reset=not through, **stork), stork_group), out], **options)  # fmt: skip

    words = "by equations: Neftci, Mostafa & Zenke 2019, IEEE Signal Processing Magazine 36, eq. 4 and 5"
    eq = dict(alpha=a, beta=b, reset="subtract_after", detach_reset=True, lag=1, emit_lag=1, surrogate=slope(100))
    for name, recurrent in (("neftci", False), ("neftci_recurrent", True)):
        case(name, words + (", recurrent" if recurrent else ""),
             [(layer(11, "cuba_lif", recurrent=recurrent, **eq), neftci), (layer(5, "cuba_lif", **eq), neftci)])  # fmt: skip

    for name, words, kind, body, switches, recurrent in (
        ("spyx_lif", "LIF", "lif", spyx_lif, dict(beta=0.8, reset="subtract_after"), False),
        ("spyx_rlif", "RLIF", "lif", spyx_lif, dict(beta=0.9, reset="subtract_after"), True),
        ("spyx_cubalif", "CuBaLIF", "cuba_lif", spyx_cuba, dict(alpha=0.6, beta=0.7, reset="subtract_before"), False),
        ("spyx_rcubalif", "RCuBaLIF", "cuba_lif", spyx_cuba, dict(alpha=0.7, beta=0.8, reset="subtract_before"), True),
    ):
        switches |= dict(emit_lag=1, detach_reset=False, surrogate=slope(25))
        case(name, f"by equations: Spyx 1.0.0 {words}",
             [(layer(11, kind, recurrent=recurrent, **switches), body), (layer(5, kind, recurrent=recurrent, **switches), body)])  # fmt: skip


snntorch_cases()
spikingjelly_cases()
norse_cases()
sinabs_cases()
equation_cases()
