//! The WGSL around a snippet: its structs by the names of its states and parameters, and what loads and stores them.

use super::shader::Permutation;
use crate::neuron::{Snippet, Tail};
use std::fmt::Write;

/// What `#import neuron/generated` stands for, but for the snippet's own text.
pub(super) fn generated(snippet: &Snippet) -> String {
    let states = snippet.states;
    let own: Vec<&str> = snippet.parameters.iter().map(|spec| spec.constant).collect();
    let tail = Tail::of(snippet);
    let mut out = String::new();
    let numbers = [
        ("STATES", tail.states),
        ("TAIL_STATE", 0),
        ("TAIL_START", tail.states - 1),
        ("TAIL_CARRY", tail.carry(0)),
        ("TAIL_CARRY_SPIKE", tail.carry_spike()),
        ("TAIL_CARRY_DRIVE", tail.carry_drive()),
        ("TAIL_GRADIENT", tail.gradient(0)),
    ];
    for (name, value) in numbers {
        let _ = writeln!(out, "const {name}: u32 = {value}u;");
    }
    let field = |name: &&str| format!("    {name}: f32,\n");
    let constants: Vec<&str> =
        ["alpha", "beta", "gamma", "theta", "v_reset"].into_iter().chain(own.iter().copied()).collect();
    let _ = write!(
        out,
        "struct Neuron {{\n{}}}\nstruct Constants {{\n{}}}\n",
        states.iter().map(field).collect::<String>(),
        constants.iter().map(field).collect::<String>()
    );
    out.push_str(
        "struct NeuronAdjoint {\n    before: Neuron,\n    spike: f32,\n    reset: f32,\n    drive: f32,\n    constants: Constants,\n}\n\
         struct ThresholdAdjoint {\n    after: Neuron,\n    constants: Constants,\n}\n",
    );
    let list = |items: Vec<String>| items.join(", ");
    let each =
        |make: &dyn Fn(usize, &str) -> String| list(states.iter().enumerate().map(|(k, s)| make(k, s)).collect());
    let rest = |make: &dyn Fn(usize, &str) -> String| -> String {
        states.iter().enumerate().skip(1).map(|(k, name)| make(k, name)).collect()
    };
    // Planes behind the common ones of a layer.
    out.push_str(
        "fn tail_at(plane: u32, cell: Cell) -> u32 {\n    \
         return ((PLANES + plane) * params.window_samples + params.window_sample + cell.sample) * params.row + cell.column;\n}\n",
    );
    // States but V, whose place is among the common planes.
    let loads = each(&|k, _| match k {
        0 => "potential".into(),
        k => format!("planes[tail_at(first + {}u, cell)]", k - 1),
    });
    let _ = writeln!(
        out,
        "fn load_states(first: u32, potential: f32, cell: Cell) -> Neuron {{\n    return Neuron({loads});\n}}"
    );
    let stores = rest(&|k, name| format!("    planes[tail_at(first + {}u, cell)] = z.{name};\n", k - 1));
    let _ = writeln!(out, "fn store_states(first: u32, cell: Cell, z: Neuron) {{\n{stores}}}");
    // All states.
    let loads = each(&|k, _| format!("planes[tail_at(first + {k}u, cell)]"));
    let _ = writeln!(out, "fn load_states_of(first: u32, cell: Cell) -> Neuron {{\n    return Neuron({loads});\n}}");
    let stores: String = states
        .iter()
        .enumerate()
        .map(|(k, name)| format!("    planes[tail_at(first + {k}u, cell)] = z.{name};\n"))
        .collect();
    let _ = writeln!(out, "fn store_states_of(first: u32, cell: Cell, z: Neuron) {{\n{stores}}}");
    let sums = each(&|_, name| format!("a.{name} + b.{name}"));
    let _ = writeln!(out, "fn add_states(a: Neuron, b: Neuron) -> Neuron {{\n    return Neuron({sums});\n}}");
    let sums = list(constants.iter().map(|name| format!("a.{name} + b.{name}")).collect());
    let _ = writeln!(
        out,
        "fn add_constants(a: Constants, b: Constants) -> Constants {{\n    return Constants({sums});\n}}"
    );
    let mut values: Vec<String> = ["ALPHA", "BETA", "GAMMA", "THETA"]
        .iter()
        .map(|name| format!("constants[CONSTANT_{name} * params.row + column]"))
        .collect();
    values.push("params.reset_potential".into());
    values.extend((0..own.len()).map(|p| format!("constants[(CONSTANTS + {p}u) * params.row + column]")));
    let _ = writeln!(out, "fn constants_of(column: u32) -> Constants {{\n    return Constants({});\n}}", list(values));
    // The tape; V's row is stored by the kernel.
    out.push_str("#ifdef TAPE\n");
    let stores = rest(&|k, name| format!("    tape[{k}u * whole + at] = z.{name};\n"));
    let _ = writeln!(out, "fn tape_states(at: u32, whole: u32, z: Neuron) {{\n{stores}}}");
    out.push_str("#endif\n#ifdef BACKWARD\n");
    let loads = each(&|k, _| format!("tape[{k}u * whole + at]"));
    let _ = writeln!(out, "fn taped_states(at: u32, whole: u32) -> Neuron {{\n    return Neuron({loads});\n}}");
    let learned = |of: &dyn Fn(usize, &str) -> String| -> String {
        let each = own.iter().enumerate();
        each.map(|(p, name)| format!("    if ((params.learned & {}u) != 0u) {{\n{}    }}\n", 16u32 << p, of(p, name)))
            .collect()
    };
    let loads = learned(&|p, name| format!("        sums.{name} = planes[tail_at(TAIL_GRADIENT + {p}u, cell)];\n"));
    let _ =
        writeln!(out, "fn load_own(cell: Cell) -> Constants {{\n    var sums: Constants;\n{loads}    return sums;\n}}");
    let stores = learned(&|p, name| format!("        planes[tail_at(TAIL_GRADIENT + {p}u, cell)] = sums.{name};\n"));
    let _ = writeln!(out, "fn store_own(cell: Cell, sums: Constants) {{\n{stores}}}");
    out.push_str("#endif\n");
    if !snippet.wgsl.contains("fn neuron_threshold(") {
        out.push_str("fn neuron_threshold(c: Constants, after: Neuron) -> f32 {\n    return c.theta;\n}\n");
    }
    if !snippet.wgsl.contains("fn neuron_threshold_adjoint(") {
        out.push_str(
            "fn neuron_threshold_adjoint(c: Constants, after: Neuron, g: f32) -> ThresholdAdjoint {\n    \
             var out: ThresholdAdjoint;\n    out.constants.theta = g;\n    return out;\n}\n",
        );
    }
    out
}

/// Whether naga takes the snippet in the kernels, in all its reset forms.
pub(crate) fn check(snippet: &'static Snippet) -> Result<(), String> {
    use wgpu::naga::front::wgsl::parse_str;
    use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};
    let forward = super::forward::of_snippet(snippet);
    let backward = super::backward::of_snippet(snippet);
    for permutation in forward.into_iter().chain(backward) {
        let source = Permutation::source(&permutation)?;
        let module = parse_str(&source).map_err(|error| error.emit_to_string(&source))?;
        // Some of the kernels use subgroups, where a device has them.
        Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP)
            .validate(&module)
            .map_err(|error| error.emit_to_string(&source))?;
    }
    Ok(())
}
