"""The cases of the other neurons and surrogates; see `cases.py`."""

import math

import sinabs.activation

from cases import case
from contract import layer, peak, spread
from equation_neurons import baronig, bellec_2018, bellec_2020, bittar_garner, ml_genn, sparse_gradient, spyx_alif
from libraries import norse_layer, sinabs_layer, snntorch_layer, spikingjelly_layer
from library_neurons import (
    norse_adaptive,
    norse_refrac,
    sinabs_cell,
    snntorch_alpha,
    snntorch_lapicque,
    snntorch_slstm,
    spikingjelly_if,
    spikingjelly_izhikevich,
    spikingjelly_plif,
    spikingjelly_psn,
)

SINGLE, MULTI = sinabs.activation.SingleSpike, sinabs.activation.MultiSpike


def two(name, source, kind, cell, switches, surrogate, first=None, bias=True, units=(11, 5), **options):
    """inputs → 11 → 5, both layers of the same cell; `first` overrides switches of the first, which alone has a bias."""
    first = dict(first or {})
    recurrent = dict(recurrent=switches.get("recurrent", False))
    a = dict(bias=bias, surrogate=surrogate) | switches | first
    b = dict(surrogate=surrogate) | switches | recurrent
    case(name, source, [(layer(units[0], kind, **a), cell), (layer(units[1], kind, **b), cell)], **(dict(calm=True) | options))


def snntorch_neurons():
    text = "snntorch 1.0.0, {}; float() of a spike read as double()"
    atan, fast = ("atan", 2.0, 1.0), ("fast_sigmoid", 10.0, 1.0)
    resets = (("none", "none"), ("zero", "zero_after"), ("subtract", "subtract_after"))
    for reset, form in resets:
        common = dict(reset=form, detach_reset=True)
        two(f"snntorch_alpha_{reset}", text.format(f"Alpha reset_mechanism={reset}, {'fast_sigmoid(10)' if reset == 'zero' else 'atan(2)'};"
            " decays as tensors, threshold learned"), "alpha", snntorch_alpha(reset),
            dict(decay_excitatory=0.9, decay_inhibitory=0.75, **common), fast if reset == "zero" else atan,
            first=dict(decay_excitatory=spread(0.8, 0.95, 11), decay_inhibitory=spread(0.75, 0.5, 11), threshold=spread(0.7, 1.2, 11))
            if reset == "zero" else None)  # fmt: skip
        two(f"snntorch_lapicque_{reset}", text.format(f"Lapicque reset_mechanism={reset}, {'atan(2)' if reset == 'zero' else 'fast_sigmoid(10)'};"
            " R and C as tensors, threshold learned"), "lapicque", snntorch_lapicque(reset),
            dict(resistance=2.0, capacitance=4.0, **common), atan if reset == "zero" else fast,
            first=dict(resistance=spread(1.0, 3.0, 11), capacitance=spread(6.0, 3.0, 11)) if reset == "subtract" else None,
            values=reset == "zero")  # fmt: skip
        two(f"snntorch_slstm_{reset}", text.format(f"SLSTM reset_mechanism={reset}, fast_sigmoid(10); bias_hh = 0, threshold learned"),
            "slstm", snntorch_slstm(reset), dict(threshold=0.2, recurrent=True, **common), fast, units=(7, 7),
            values=reset == "none")  # fmt: skip

    lif = dict(beta=0.85, reset="subtract_after", detach_reset=True)
    two("snntorch_leaky_spike_rate_escape", "snntorch 1.0.0, Leaky (defaults), spike_rate_escape(beta=2, slope=1.5); beta, threshold learned;"
        " float() of a spike read as double()", "lif", snntorch_layer("Leaky"), lif,
        ("spike_rate_escape", 2.0, 1.5, dict(offset=2.0)), calm=False)  # fmt: skip


def spikingjelly_neurons():
    text = "spikingjelly 2.0.0, {}"
    atan, sigmoid = ("atan", 2.0, 1.0), ("sigmoid", 4.0, 1.0)
    hard, soft = (
        dict(reset="zero_before", comparison="greater_equal"),
        dict(reset="subtract_before", comparison="greater_equal"),
    )
    live, stopped = dict(detach_reset=False), dict(detach_reset=True)
    two("spikingjelly_if_soft", text.format("IFNode v_reset=None, ATan; threshold as a tensor"), "if", spikingjelly_if, soft | live, atan,
        values=True)  # fmt: skip
    two("spikingjelly_if_hard", text.format("IFNode v_reset=0, Sigmoid, detach_reset; threshold as a tensor"), "if", spikingjelly_if,
        hard | stopped, sigmoid, values=True)  # fmt: skip
    two("spikingjelly_if_recurrent", text.format("IFNode v_reset=0, Sigmoid, W s_in + R s_{t-1} stepped outside; threshold as a tensor"),
        "if", spikingjelly_if, hard | live, sigmoid, first=dict(recurrent=True), values=True)  # fmt: skip
    two("spikingjelly_plif_leak_soft", text.format("ParametricLIFNode v_reset=None, decay_input=True, Sigmoid; dL/dw"), "plif",
        spikingjelly_plif, dict(tau_mem=4.0, gain="one_minus_beta") | soft | live, sigmoid, first=dict(tau_mem=2.5))  # fmt: skip
    two("spikingjelly_plif_leak_hard", text.format("ParametricLIFNode v_reset=0, decay_input=False, ATan, detach_reset; dL/dw"), "plif",
        spikingjelly_plif, dict(tau_mem=3.0) | hard | stopped, atan, first=dict(tau_mem=6.0, recurrent=True))  # fmt: skip

    izhikevich = dict(
        tau_mem=4.0, tau_adaptation=10.0, v_rest=-0.1, v_critical=0.8, quadratic=0.5, a=0.1, b=0.3, comparison="greater_equal",
    )  # fmt: skip
    words = "IzhikevichNode v_reset={}, detach_reset={}, {}; attributes as tensors"
    two("spikingjelly_izhikevich_hard", text.format(words.format(0, False, "ATan")), "izhikevich", spikingjelly_izhikevich,
        izhikevich | hard | live, atan, first=dict(a=0.3, b=0.1))  # fmt: skip
    two("spikingjelly_izhikevich_soft", text.format(words.format(None, False, "Sigmoid")), "izhikevich", spikingjelly_izhikevich,
        izhikevich | soft | live, sigmoid)  # fmt: skip
    two("spikingjelly_izhikevich_recurrent", text.format(words.format(0, False, "Sigmoid") + "; W s_in + R s_{t-1} stepped outside"),
        "izhikevich", spikingjelly_izhikevich, izhikevich | hard | live, sigmoid, first=dict(recurrent=True))  # fmt: skip
    two("spikingjelly_izhikevich_hard_detach", text.format(words.format(0, True, "ATan") + " (b S has its gradient all the same)"),
        "izhikevich", spikingjelly_izhikevich, izhikevich | hard | stopped, atan)  # fmt: skip

    over_time = dict(comparison="greater_equal")
    two("spikingjelly_psn", text.format("PSN, ATan; bias and potential plus the threshold"), "psn", spikingjelly_psn, over_time, atan)
    two("spikingjelly_sliding_psn", text.format("SlidingPSN k=5, ATan; bias and potential plus the threshold"), "sliding_psn",
        spikingjelly_psn, dict(order=5, **over_time), atan, values=True)  # fmt: skip
    two("spikingjelly_lif_leaky_relu", text.format("LIFNode tau=4.0 v_reset=0, detach_reset, decay_input=False, LeakyKReLU leak=0.1 k=0.5"),
        "lif", spikingjelly_layer(4.0, v_reset=0.0, detach_reset=True, decay_input=False), dict(beta=0.75) | hard | stopped,
        ("leaky_relu", 1.0, 0.5, dict(leak=0.2)), calm=False)  # fmt: skip


def norse_neurons():
    text = "norse 1.1.0, functional.{}, dt=0.001; tau_syn_inv, tau_mem_inv, v_th learned"
    fast = ("fast_sigmoid", 1.0, 1.0)
    zero = dict(alpha=0.7, beta=0.8, reset="zero_before", gain="one_minus_beta")
    stopped = zero | dict(detach_reset=True, recurrent=True)
    adaptive = dict(rho=0.9, adaptation=0.6, normalised_adaptation=False, reset_by="base", lag=1)
    two("norse_lsnn", text.format("lsnn_feed_forward_step, method super; tau_adapt_inv, beta learned"), "alif",
        norse_adaptive("lsnn_feed_forward_step"), zero | dict(detach_reset=False) | adaptive, fast,
        first=dict(rho=spread(0.85, 0.97, 11), adaptation=spread(0.8, 0.3, 11)))  # fmt: skip
    two("norse_lsnn_recurrent", text.format("lsnn_step, method super; tau_adapt_inv, beta learned"), "alif", norse_adaptive("lsnn_step"),
        stopped | adaptive | dict(detach_adaptation=True), fast, bias=False, steps=61)  # fmt: skip
    two("norse_ada_lif", text.format("ada_lif_step, method super; tau_adapt_inv, beta learned"), "adlif", norse_adaptive("ada_lif_step"),
        dict(alpha=0.7, beta=0.8, gain="one_minus_beta", reset="subtract_before", detach_reset=False, lag=1, recurrent=True, rho=0.9,
             a=0.0, b=0.4), fast, bias=False)  # fmt: skip
    two("norse_lif_refrac_feed_forward", text.format("lif_refrac.lif_refrac_feed_forward_step, method super, the counter without a gradient"),
        "refractory", norse_refrac("lif_refrac_feed_forward_step"),
        zero | dict(detach_reset=False, refractory=3, integrating=False, reset_potential=-0.2), fast, first=dict(refractory=2))  # fmt: skip
    two("norse_lif_refrac", text.format("lif_refrac.lif_refrac_step, method super, the counter without a gradient"), "refractory",
        norse_refrac("lif_refrac_step"), stopped | dict(refractory=3, integrating=False), fast, bias=False, first=dict(refractory=2))  # fmt: skip
    two("norse_lif_refrac_v_reset", text.format("lif_refrac.lif_refrac_step, method super, v_reset=-0.3, the counter without a gradient"),
        "refractory", norse_refrac("lif_refrac_step"), stopped | dict(refractory=5, integrating=False, reset_potential=-0.3), fast, bias=False)  # fmt: skip
    two("norse_feed_forward_tanh", text.format("lif.lif_feed_forward_step, method tanh, alpha=2"), "cuba_lif",
        norse_layer("forward", "tanh", 2.0), zero | dict(detach_reset=False), ("tanh", 2.0, 1.0), calm=False)  # fmt: skip


def sinabs_neurons():
    text = "sinabs 3.1.3, layers.{}; float() of a spike read as double()"
    subtract = dict(reset="subtract_before", detach_reset=False, comparison="greater_equal")
    minus, narrow = sinabs.activation.MembraneSubtract(), sinabs.activation.SingleExponential(grad_width=0.5)
    exponential = ("exponential", 2.0, 2.0)
    words = "IAF{} SingleSpike, MembraneSubtract, SingleExponential(0.5)"
    iaf = sinabs_cell("IAF", SINGLE, minus, narrow)
    two("sinabs_iaf", text.format(words.format("")), "if", iaf, subtract, exponential, values=True)
    two("sinabs_iaf_recurrent", text.format(words.format("Recurrent")), "if", iaf, subtract | dict(recurrent=True), exponential, values=True)

    several = subtract | dict(beta=0.85)
    wide = sinabs.activation.PeriodicExponential(grad_width=0.5)
    one = dict(max_spikes=15, periodic=False)
    two("sinabs_multi_spike", text.format("LIF MultiSpike, MembraneSubtract, SingleExponential(0.5), norm_input=True; alpha_mem learned"),
        "multi_spike", sinabs_cell("LIF", MULTI, minus, narrow), several | one | dict(gain="one_minus_beta"), exponential)  # fmt: skip
    two("sinabs_multi_spike_periodic", text.format("LIF MultiSpike, MembraneSubtract, PeriodicExponential(0.5), norm_input=False;"
        " alpha_mem learned"), "multi_spike", sinabs_cell("LIF", MULTI, minus, wide),
        several | dict(max_spikes=15, periodic=True, threshold=1.25), ("exponential", 2.0, 1.0), values=True)  # fmt: skip
    two("sinabs_max_spike", text.format("LIF MaxSpike(3), MembraneSubtract, PeriodicExponential(0.5), norm_input=False; alpha_mem learned"),
        "multi_spike", sinabs_cell("LIF", sinabs.activation.MaxSpike(3), minus, wide), several | dict(max_spikes=3, periodic=True),
        ("exponential", 2.0, 1.0))  # fmt: skip
    two("sinabs_multi_spike_recurrent", text.format("LIFRecurrent MultiSpike, MembraneSubtract, SingleExponential(0.5), norm_input=True;"
        " alpha_mem learned"), "multi_spike", sinabs_cell("LIF", MULTI, minus, narrow),
        several | one | dict(gain="one_minus_beta", recurrent=True), exponential)  # fmt: skip

    sigma = 0.5
    bell = ("gaussian", 1 / (sigma * math.sqrt(2)), 1 / (sigma * math.sqrt(2 * math.pi)))
    two_bells = ("multi_gaussian", 1 / sigma, peak(0.15, 6.0) / (sigma * math.sqrt(2 * math.pi)), dict(height=0.15, ratio=6.0))
    adaptive = subtract | dict(beta=0.85, rho=0.9, adaptation=1.8, normalised_adaptation=True, reset_by="adapted")
    words = "ALIF{} SingleSpike, MembraneSubtract, {}, norm_input={}; alphas, adapt_scale, spike_threshold learned"
    gaussian, multi = sinabs.activation.Gaussian(sigma=sigma), sinabs.activation.MultiGaussian(sigma=sigma)
    normed = dict(gain="one_minus_beta")
    two("sinabs_alif", text.format(words.format("", "Gaussian(0.5)", True) + "; no gradient through the threshold of a spike"), "alif",
        sinabs_cell("ALIF", SINGLE, minus, gaussian), adaptive | normed | dict(detach_threshold=True), bell)  # fmt: skip
    two("sinabs_alif_through_threshold", text.format(words.format("", "Gaussian(0.5)", True) + "; its spikes given a gradient to the threshold"),
        "alif", sinabs_cell("ALIF", SINGLE, minus, gaussian, True), adaptive | normed, bell)  # fmt: skip
    two("sinabs_alif_recurrent", text.format(words.format("Recurrent", "MultiGaussian(0.5)", False)
        + "; its spikes given a gradient to the threshold"), "alif", sinabs_cell("ALIF", SINGLE, minus, multi, True),
        adaptive | dict(recurrent=True), two_bells)  # fmt: skip
    two("sinabs_multi_gaussian", "sinabs 3.1.3, layers.LIF SingleSpike, MembraneSubtract, norm_input=True, MultiGaussian(0.5); alphas learned;"
        " float() of a spike read as double()", "lif", sinabs_layer(reset=minus, norm_input=True, surrogate=multi),
        subtract | normed | dict(beta=0.85), two_bells, calm=False)  # fmt: skip


def equation_neurons():
    live, stopped = dict(detach_reset=False), dict(detach_reset=True)
    adaptive = dict(beta=0.9, rho=0.95, adaptation=1.6)
    alif = adaptive | dict(normalised_adaptation=True, reset_by="adapted", reset="subtract_after") | live
    triangle = ("triangle", 1.0, 0.3)
    own = dict(beta=spread(0.95, 0.8, 11), rho=spread(0.85, 0.97, 11), adaptation=spread(0.5, 1.8, 11))
    two("spyx_alif", "by equations: Spyx 1.0.0 ALIF", "alif", spyx_alif, alif | dict(adaptation=1.0, emit_lag=1), ("fast_sigmoid", 10.0, 1.0),
        bias=False)  # fmt: skip
    words = "by equations: Bellec, Salaj, Subramoney, Legenstein & Maass 2018, NeurIPS 31, eq. 1 to 3"
    two("bellec_2018", words, "alif", bellec_2018, alif | dict(gain="one_minus_beta", recurrent=True), triangle, bias=False, first=own)
    words = "by equations: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass 2020, Nature Communications 11, ALIF of methods"
    two("bellec_2020", words, "alif", bellec_2020,
        adaptive | stopped | dict(reset="subtract_after", normalised_adaptation=False, reset_by="base", adaptation=0.2, recurrent=True),
        triangle, bias=False)  # fmt: skip

    euler = dict(beta=0.85, rho=0.97, a=0.2, b=0.8, reset="subtract_before", gain="one_minus_beta") | live
    own = dict(beta=spread(0.82, 0.96, 11), rho=spread(0.99, 0.967, 11), a=spread(-0.4, 0.6, 11), b=spread(0.2, 1.8, 11))
    words = "by equations: Bittar & Garner 2022, Frontiers in Neuroscience 16, {}"
    two("adlif", words.format("adLIF"), "adlif", bittar_garner, euler, ("boxcar", 1.0, 1.0), first=own)
    two("adlif_recurrent", words.format("RadLIF, with V's diagonal"), "adlif", bittar_garner, euler | dict(recurrent=True),
        ("boxcar", 1.0, 1.0), first=own, values=True)  # fmt: skip
    symplectic = euler | dict(reset="zero_before", rho=0.95, a=2.0, b=5.0)
    own = own | dict(a=spread(0.5, 8.0, 11), b=spread(2.0, 10.0, 11), rho=spread(0.97, 0.93, 11))
    slayer = ("exponential", 5.0, 1.0)
    words = "by equations: Baronig, Ferrand, Sabathiel & Legenstein 2025, Nature Communications 16, SE-adLIF{}"
    two("adlif_symplectic", words.format(", gradient through the reset"), "adlif_symplectic", baronig, symplectic, slayer, first=own)
    two("adlif_symplectic_recurrent", words.format(", recurrent, gradient through the reset"), "adlif_symplectic", baronig,
        symplectic | dict(recurrent=True), slayer, first=own, values=True)  # fmt: skip
    two("adlif_symplectic_detach", words.format(", recurrent, no gradient through the reset (as in the authors' code)"), "adlif_symplectic",
        baronig, symplectic | stopped | dict(recurrent=True), slayer, first=own)  # fmt: skip

    held = dict(beta=0.85, comparison="greater_equal")
    words = "by equations: mlGeNN LeakyIntegrateFire, {}"
    two("ml_genn_refractory_integrating", words.format("integrate_during_refrac, relative_reset, tau_refrac 4 and 3 steps"), "refractory",
        ml_genn(True), held | live | dict(refractory=2, integrating=True, reset="subtract_before"), ("fast_sigmoid", 5.0, 1.0),
        first=dict(refractory=3, recurrent=True))  # fmt: skip
    two("ml_genn_refractory", words.format("integrate_during_refrac=False, relative_reset=False, tau_refrac 3 and 2 steps"), "refractory",
        ml_genn(False), held | stopped | dict(refractory=2, integrating=False, reset="zero_before"), ("fast_sigmoid", 5.0, 1.0),
        first=dict(refractory=3, recurrent=True))  # fmt: skip

    sparse = ("sparse_fast_sigmoid", 5.0, 1.0, dict(bound=0.4))
    two("sparse_fast_sigmoid", "by equations: Perez-Nieves & Goodman 2021, NeurIPS 34, LIF and surrogate; B = 0.4", "lif", sparse_gradient,
        dict(beta=0.85, reset="subtract_after") | live, sparse, calm=False)  # fmt: skip


snntorch_neurons()
spikingjelly_neurons()
norse_neurons()
sinabs_neurons()
equation_neurons()
