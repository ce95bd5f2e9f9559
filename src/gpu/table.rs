//! The table of shaders: every kernel's file with the size of its parameter block, and the pieces that files import.

use super::shader::{Permutation, Shader};
use super::*;
use std::mem::size_of;

macro_rules! shader {
    ($name:literal, $params:ty) => {
        Shader {
            name: $name,
            text: include_str!(concat!("../../shaders/", $name, ".wgsl")),
            params: size_of::<$params>(),
        }
    };
}

macro_rules! piece {
    ($name:literal) => {
        ($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))
    };
}

/// All kernels.
pub(super) static SHADERS: &[Shader] = &[
    shader!("advance", advance::Params),
    shader!("arriving", arriving::Params),
    shader!("arriving_theta", arriving::Params),
    shader!("backward", backward::Params),
    shader!("backward_resident", backward::Params),
    shader!("backward_silent", backward::Params),
    shader!("band", time::BandParams),
    shader!("band_gradient", time::BandParams),
    shader!("clamp", clamp::Params),
    shader!("collapse", collapse::Params),
    shader!("column_sum", column_sum::Params),
    shader!("constants", constants::Params),
    shader!("constrain", constrain::Params),
    shader!("control", control::Params),
    shader!("copy", copy::Params),
    shader!("count", count::Params),
    shader!("drive", drive::Params),
    shader!("drive_current", drive::CurrentParams),
    shader!("drive_backward_current", drive_backward::CurrentParams),
    shader!("dropout", dropout::Params),
    shader!("dropout_backward", dropout::Params),
    shader!("encode_rate", encode_rate::Params),
    shader!("fill", memory::FillParams),
    shader!("finish", finish::Params),
    shader!("forward", forward::Params),
    shader!("forward_resident", forward::Params),
    shader!("halve", halve::Params),
    shader!("loss", loss::Params),
    shader!("lstm_backward", lstm::BackwardParams),
    shader!("lstm_forward", lstm::Params),
    shader!("neuron_gradient", neuron_gradient::Params),
    shader!("normalise", normalise::Params),
    shader!("normalise_backward", normalise::Params),
    shader!("planes", planes::Params),
    shader!("prepare", prepare::Params),
    shader!("product", product::Params),
    shader!("product_cooperative", product::Params),
    shader!("product_silent", silent::Params),
    shader!("regularise", regularise::Params),
    shader!("regularise_l2", regularise::L2Params),
    shader!("spread", spread::Params),
    shader!("scale", scale::Params),
    shader!("square_sum", square_sum::Params),
    shader!("step_sum", column_sum::StepParams),
    shader!("sum_chunks", weight_gradient::SumParams),
    shader!("tally", tally::Params),
    shader!("time_forward", time::Params),
    shader!("unhalve", halve::Params),
    shader!("update", update::Params),
    shader!("weight_gradient", weight_gradient::Params),
    shader!("weight_gradient_current", weight_gradient::Params),
    shader!("weight_gradient_dense", weight_gradient::Params),
];

/// All pieces.
pub(super) static PIECES: &[(&str, &str)] = &[
    piece!("neuron/adjoint"),
    piece!("neuron/arriving"),
    piece!("neuron/backward"),
    piece!("neuron/forward"),
    piece!("neuron/gates"),
    piece!("neuron/lif"),
    piece!("neuron/lif_constants"),
    piece!("neuron/reset"),
    piece!("neuron/snippet"),
    piece!("neuron/snippet_backward"),
    piece!("shared/columns"),
    piece!("shared/dropout"),
    piece!("shared/exponential"),
    piece!("shared/finite"),
    piece!("shared/grid"),
    piece!("shared/half"),
    piece!("shared/lane"),
    piece!("shared/pair"),
    piece!("shared/part"),
    piece!("shared/random"),
    piece!("shared/recording"),
    piece!("shared/rows"),
    piece!("shared/spikes"),
    piece!("shared/source"),
    piece!("shared/strips"),
    piece!("shared/tree"),
    piece!("surrogate/surrogate"),
];

/// Every shader in every combination of compile-time choices that the kernels ask for; sizes of the resident kernels by
/// examples.
pub fn permutations() -> Vec<Permutation> {
    let flats = [
        "advance",
        "clamp",
        "constants",
        "copy",
        "count",
        "drive_backward_current",
        "encode_rate",
        "fill",
        "halve",
        "spread",
        "unhalve",
    ];
    let sums = ["band_gradient", "finish", "regularise", "regularise_l2", "square_sum"];
    let mut all: Vec<Permutation> = flats.map(flat).to_vec();
    all.extend(sums.into_iter().flat_map(trees));
    all.extend(["control", "tally"].map(Permutation::new));
    all.extend([false, true].map(prepare::permutation));
    all.extend(constrain::permutations());
    all.extend(dropout::permutations());
    all.extend(normalise::permutations());
    all.extend(scale::permutations());
    all.push(flat("constants").define("OWN", true));
    all.extend(["band", "column_sum", "step_sum", "time_forward"].map(flat));
    all.extend(arriving::permutations());
    all.push(flat("count").define("BYTES", true));
    all.extend(collapse::permutations());
    all.extend(cooperative::permutations());
    all.extend(drive::permutations());
    all.extend(loss::permutations());
    all.extend(lstm::permutations());
    all.extend(neuron_gradient::permutations());
    all.extend(planes::permutations());
    all.extend(product::permutations());
    all.extend(update::permutations());
    all.extend(weight_gradient::permutations());
    all.extend(forward::permutations());
    all.extend(backward::permutations());
    all
}
