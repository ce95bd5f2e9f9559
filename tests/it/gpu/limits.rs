//! Limits of a device: arrays above them are refused with a remedy, kernels stay within them.

use super::layer;
use spikegrad::Error;
use spikegrad::cpu::Cpu;
use spikegrad::gpu::{Choice, Gpu, Options, adapters};
use spikegrad::kernels::*;

/// A device at WebGPU's floor.
fn floor() -> Option<Gpu> {
    open(Options { checked: true, ..Options::floor() })
}

fn open(options: Options) -> Option<Gpu> {
    (!adapters().is_empty()).then(|| Gpu::new(&Choice { adapter: Some(0), options }).unwrap())
}

#[test]
fn an_array_above_the_limit_is_out_of_memory_and_says_what_to_do() {
    let Some(mut gpu) = floor() else { return };
    match gpu.values("tape of layer 1", (128 << 20) / 4 + 1) {
        Err(error @ Error::Memory { .. }) => {
            let text = error.to_string();
            assert!(text.contains("tape of layer 1") && text.contains("smaller batch"), "{text}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("there is no room"),
    }
    assert_eq!(gpu.allocated(), 0);
}

#[test]
fn an_adapter_that_is_not_there_is_named() {
    let Err(error) = Gpu::new(Some(1000)) else { panic!("there is no gpu:1000") };
    assert!(error.to_string().contains("gpu:1000"), "{error}");
}

#[test]
fn more_workgroups_than_one_dimension_holds_reach_every_entry() {
    let Some(mut gpu) = floor() else { return };
    // 128 entries a workgroup, 65535 workgroups a dimension.
    let len = 128 * 65535 + 1000;
    let mut values = gpu.values("values", len).unwrap();
    gpu.fill(&mut values, 1..len - 1, 3.0);
    let read = gpu.read(&values, 0..len).unwrap();
    assert_eq!((read[0], read[len - 1]), (0.0, 0.0));
    assert!(read[1..len - 1].iter().all(|&value| value == 3.0));
}

#[test]
fn freed_arrays_give_their_bytes_back() {
    let Some(mut gpu) = floor() else { return };
    let mut values = gpu.values("values", 1000).unwrap();
    gpu.fill(&mut values, 0..1000, 1.0);
    assert_eq!(gpu.allocated(), 4000);
    drop(values);
    assert_eq!(gpu.allocated(), 0);
}

/// What does not fit is refused, and with less the same device goes on; a kernel's own memory counts as well.
#[test]
fn arrays_past_the_memory_of_a_device_are_refused_and_it_goes_on() {
    let refused = |outcome: spikegrad::Result<()>| match outcome {
        Err(error @ Error::Memory { .. }) => {
            let text = error.to_string();
            assert!(text.contains("no room left") && text.contains("smaller batch"), "{text}");
        }
        other => panic!("{other:?}"),
    };
    let shape = Shape { steps: 200, batch: 5, units: 40 };
    let (inputs, row) = (100, shape.row());
    let own = 4 * (shape.len(shape.steps) + inputs * row) as u64;
    let source_bytes = ((HISTORY + shape.steps) * shape.batch * 4 * 4) as u64;
    let Some(gpu) = open(Options { checked: true, ..Options::default() }) else { return };
    let scratch =
        gpu.weight_gradient_bytes(Projection::Dense, ActivityKind::Raster, inputs, shape, shape.batch, shape.batch);
    assert!(scratch > 0);
    for (spare, fits) in [(scratch, true), (scratch - 4, false)] {
        let memory = own + source_bytes + spare;
        let Some(mut gpu) = open(Options { checked: true, memory: Some(memory), ..Options::default() }) else { return };
        let chi = gpu.values("chi", shape.len(shape.steps)).unwrap();
        let mut out = gpu.values("gradient", inputs * row).unwrap();
        let source = gpu.activity("input", ActivityKind::Raster, Shape { units: inputs, ..shape }).unwrap();
        refused(gpu.values("one too many", (spare / 4 + 4) as usize).map(drop));
        let call = WeightGradient {
            projection: Projection::Dense,
            inputs,
            shape,
            window: Window::whole(shape),
            source: &source,
            lag: 0,
            chi: &chi,
            samples: 0..shape.batch,
            accumulate: false,
            out: &mut out,
        };
        gpu.weight_gradient(call);
        let read = gpu.read(&out, 0..1);
        if fits {
            assert_eq!(read.unwrap(), [0.0]);
            assert_eq!(gpu.allocated(), memory);
            assert_eq!(gpu.peak(), memory);
        } else {
            refused(read.map(drop));
            assert_eq!(gpu.read(&out, 0..1).unwrap(), [0.0], "the device goes on");
        }
        drop(chi);
        assert!(gpu.values("in the place of another", shape.len(shape.steps)).is_ok());
    }
}

/// With 256 invocations and 16 KiB, wide resident layers take several neurons an invocation and wider ones fall back to
/// stepwise: the result is that of the CPU.
#[test]
fn widths_around_what_the_floor_can_hold_agree_with_the_cpu() {
    let Some(mut gpu) = floor() else { return };
    for (units, recurrent_lag) in [(257, 1), (800, 2), (1056, 1), (1400, 2)] {
        let form = Form::Resident { tile: 3, quantum: 2 };
        let shape = Shape { steps: 5, batch: 4, units };
        let (spikes, chi) = layer::run(&mut gpu, shape, recurrent_lag, form);
        let (expected_spikes, expected_chi) = layer::run(&mut Cpu::<f32>::new(), shape, recurrent_lag, form);
        assert_eq!(spikes, expected_spikes, "{units} units");
        let largest = expected_chi.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 0.0);
        for (value, expected) in chi.iter().zip(&expected_chi) {
            assert!((value - expected).abs() <= 1e-5 * largest, "{units} units: {value}, not {expected}");
        }
    }
}

/// What runs in release: no checks in the shaders, workgroup memory as the last kernel left it.
#[test]
fn without_checks_the_result_is_the_same() {
    let shape = Shape { steps: 7, batch: 3, units: 100 };
    let form = Form::Resident { tile: 2, quantum: 3 };
    let run = |checked| {
        let mut gpu = open(Options { checked, ..Options::default() })?;
        Some([form, Form::Stepwise].map(|form| layer::run(&mut gpu, shape, 2, form)))
    };
    assert_eq!(run(true), run(false));
}
