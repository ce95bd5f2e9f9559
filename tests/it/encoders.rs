//! Encoders against the formulas of the libraries, and the same spikes on every backend.

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use spikegrad::Error;
use spikegrad::cpu::Cpu;
use spikegrad::data::{DataSet, Split};
use spikegrad::engine::{Batch, Budget, Core, Device, Input};
use spikegrad::kernels::{ActivityKind, EncodeRate, HISTORY, Kernels, Real, Shape, Window};
use spikegrad::learn::{Recipe, Trainer};
use spikegrad::network::Network;
use spikegrad::spikes::encode::*;
use spikegrad::spikes::{Random, Raster, Trace, pad};

fn still(units: usize, values: &[f32]) -> Trace {
    Trace::new(1, values.len() / units, units, values.to_vec()).unwrap()
}

/// Steps at which each unit of a sample spikes.
fn times(raster: &Raster, b: usize) -> Vec<Vec<usize>> {
    let of = |n| (0..raster.steps()).filter(|&t| raster.get(t, b, n)).collect();
    (0..raster.units()).map(of).collect()
}

fn spikes(encoder: &Encoder, values: &Trace) -> Raster {
    match encoder.encode(values, &stream(1, 0)).unwrap() {
        Encoded::Spikes(raster) => raster,
        Encoded::Rates(rates) => rates.draw(),
        Encoded::Values(_) => panic!("values"),
    }
}

#[test]
fn latency_is_that_of_snntorch_and_spikingjelly() {
    let values: Vec<f32> = (0..=50).map(|i| i as f32 / 50.0).collect();
    let at = |latency: &Latency| -> Vec<usize> {
        let raster = latency.encode(&still(values.len(), &values)).unwrap();
        assert!(times(&raster, 0).iter().all(|times| times.len() < 2));
        // 99 stands for no spike.
        times(&raster, 0).into_iter().map(|times| *times.first().unwrap_or(&99)).collect()
    };
    let round = |time: f64| time.round_ties_even() as usize;
    let steps = 40;
    // SpikingJelly: t = round((T − 1)(1 − x)), and round(−ln(α x + 1) + T − 1), α = e^(T−1) − 1.
    let linear = Latency { steps, threshold: 0.0, ..Latency::default() };
    let want: Vec<usize> = values.iter().map(|&x| round(39.0 * (1.0 - f64::from(x)))).collect();
    assert_eq!(at(&linear), want);
    let log = Latency { curve: Curve::LogRange, ..linear.clone() };
    let alpha = 39f64.exp() - 1.0;
    let want: Vec<usize> = values.iter().map(|&x| round(39.0 - (alpha * f64::from(x) + 1.0).ln())).collect();
    assert_eq!(at(&log), want);
    // e^(T−1) overflows here; the times do not.
    let long = Latency { steps: 2000, ..log };
    assert_eq!((long.time(0.0), long.time(1.0), long.time(0.5)), (Some(1999), Some(0), Some(1)));
    // snnTorch: min(−τ(x − 1), −τ(θ − 1)); τ ln(x/(x − θ)) with x ≥ θ + 1e-7; late ones in the last step.
    let plain = Latency { steps, tau: 7.0, threshold: 0.1, first: 3, normalise: false, ..Latency::default() };
    let want: Vec<usize> = values.iter().map(|&x| round((7.0 * (1.0 - f64::from(x))).min(7.0 * 0.9) + 3.0)).collect();
    assert_eq!(at(&plain), want);
    let charge = |x: f32| (f64::from(x).max(0.1 + 1e-7), 5.0);
    let time = |(x, tau): (f64, f64)| tau * (x / (x - 0.1)).ln();
    let log = Latency { curve: Curve::Log, tau: 5.0, ..plain.clone() };
    assert_eq!(
        at(&log),
        values.iter().map(|&x| round(time(charge(x)) + 3.0)).map(|t| if t > 39 { 99 } else { t }).collect::<Vec<_>>()
    );
    let log = Latency { normalise: true, ..log };
    let most = time((0.1 + 1e-7, 5.0));
    let want: Vec<usize> = values.iter().map(|&x| round(time(charge(x)) * 36.0 / most + 3.0)).collect();
    assert_eq!(at(&log), want);
    assert_eq!((want[0], *want.last().unwrap()), (39, 3), "stretched over all steps from the first on");
    // Clipped values are silent.
    let clipped = Latency { clip: true, ..plain }.encode(&still(3, &[0.05, 0.1, 0.09999])).unwrap();
    assert_eq!(times(&clipped, 0), [vec![], vec![9], vec![]]);
    let error = linear.encode(&still(2, &[0.0, 0.5, 0.2, 1.5])).unwrap_err().to_string();
    assert!(error.contains("sample 1, channel 1 is 1.5"), "{error}");
}

#[test]
fn rates_are_those_asked_for_and_belong_to_their_place() {
    let rate = Rate { steps: 4000, gain: 2.0, offset: 0.1, first: 10 };
    let values = [0.0, 0.1, 0.25, 0.5, -1.0];
    let encoder = Encoder::Rate(rate.clone());
    let raster = spikes(&encoder, &still(5, &values));
    for (n, times) in times(&raster, 0).iter().enumerate() {
        let p = (2.0 * f64::from(values[n]) + 0.1).clamp(0.0, 1.0);
        assert!(times.iter().all(|&t| t >= 10));
        let (mean, deviation) = (3990.0 * p, (3990.0 * p * (1.0 - p)).sqrt());
        assert!((times.len() as f64 - mean).abs() <= 4.0 * deviation, "{} spikes at p = {p}", times.len());
    }
    // A unit's spikes do not depend on the other samples and units, but on step, sample and key.
    let two = Rate { steps: 300, ..rate.clone() }.rates(&still(5, &[values, values].concat()), &stream(1, 0)).unwrap();
    let draw = two.draw();
    let one = Rates { batch: 1, units: 3, chances: two.chances[..3].to_vec(), ..two.clone() }.draw();
    for n in 0..3 {
        assert_eq!(times(&one, 0)[n], times(&draw, 0)[n]);
    }
    assert_ne!(times(&draw, 0)[1], times(&draw, 1)[1]);
    assert_ne!(times(&draw, 0)[1], times(&Rates { key: stream(1, 1).key(), ..two.clone() }.draw(), 0)[1]);
    assert_ne!(times(&draw, 0)[1], times(&Rates { key: stream(2, 0).key(), ..two.clone() }.draw(), 0)[1]);
    // Values that change with time: the same draws with the probability of each step.
    let trace = Trace::new(300, 1, 3, values[..3].repeat(300)).unwrap();
    let Encoded::Spikes(moving) = encoder.encode(&trace, &stream(1, 0)).unwrap() else { panic!() };
    assert_eq!(moving, one);
}

/// Step 0 to T − 1 of what a backend draws.
fn drawn<K: Kernels>(kernels: &mut K, rates: &Rates) -> Raster {
    let shape = Shape { steps: rates.steps, batch: rates.batch, units: rates.units };
    let mut chances = kernels.words("test", rates.batch * shape.row()).unwrap();
    let mut padded = Vec::new();
    for row in rates.chances.chunks(rates.units) {
        padded.extend(row);
        padded.resize(padded.len() + pad(rates.units) - rates.units, 0);
    }
    kernels.write_words(&mut chances, &padded);
    let mut out = kernels.activity("test", ActivityKind::Raster, shape).unwrap();
    // What stood there before is gone, and the history stays.
    let history: Vec<K::Real> =
        (0..shape.len(HISTORY)).map(|i| K::Real::from_f64(f64::from(u8::from(i % 3 == 0)))).collect();
    kernels.write_history(&mut out, &history);
    for key in [77, rates.key] {
        let (first, chances) = (rates.first, &chances);
        kernels.encode_rate(EncodeRate { shape, window: Window::whole(shape), first, key, chances, out: &mut out });
    }
    assert_eq!(kernels.read_activity(&out, 0..HISTORY).unwrap(), history);
    let values = kernels.read_activity(&out, HISTORY..HISTORY + rates.steps).unwrap();
    let bytes: Vec<u8> =
        values.chunks(shape.row()).flat_map(|row| &row[..rates.units]).map(|x| x.to_f64() as u8).collect();
    assert!(values.chunks(shape.row()).all(|row| row[rates.units..].iter().all(|x| x.to_f64() == 0.0)));
    Raster::from_bytes(rates.steps, rates.batch, rates.units, &bytes).unwrap()
}

#[test]
fn every_backend_draws_the_same_spikes() {
    let random = &mut Random::new(5, 5);
    for (steps, batch, units) in [(1, 1, 1), (7, 3, 33), (20, 2, 100), (3, 5, 32)] {
        let mut chances: Vec<u32> = (0..batch * units).map(|_| random.below(WHOLE as usize) as u32).collect();
        chances[0] = WHOLE;
        let rates = Rates { steps, batch, units, first: steps / 4, chances, key: random.bits() };
        let want = rates.draw();
        assert_eq!(drawn(&mut Cpu::<f32>::new(), &rates), want);
        assert_eq!(drawn(&mut Cpu::<f64>::smooth(), &rates), want);
        #[cfg(feature = "gpu")]
        if let Some(mut gpu) = crate::kernels::gpu() {
            assert_eq!(drawn(&mut gpu, &rates), want);
        }
    }
}

#[test]
fn a_batch_of_rates_is_the_batch_of_its_spikes() {
    let network =
        Network::builder(6).hidden(20, |layer| layer.init = spikegrad::network::Init::Constant { value: 0.4 });
    let mut core = Core::new(network.readout(3).build().unwrap(), Cpu::<f32>::new(), Budget::default()).unwrap();
    let rate = Rate { steps: 30, ..Rate::default() };
    let values = still(6, &[0.1, 0.9, 0.5, 0.0, 1.0, 0.3, 0.2, 0.8, 0.4, 0.7, 0.6, 0.0]);
    for step in 0..3 {
        let rates = rate.rates(&values, &stream(9, step)).unwrap();
        let spikes = Batch::spikes(rates.draw());
        let batch = Batch::new(Input::Rates(rates));
        let drawn = core.forward(&batch).unwrap().spikes(0).unwrap();
        assert!(drawn.count() > 0);
        assert_eq!(core.forward(&spikes).unwrap().spikes(0).unwrap(), drawn);
    }
    let wrong = Rates { chances: vec![WHOLE + 1; 12], ..rate.rates(&values, &stream(9, 0)).unwrap() };
    let error = core.forward(&Batch::new(Input::Rates(wrong))).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Input(_)), "{error}");
}

#[test]
fn delta_spikes_where_values_change() {
    // One channel over time: 0.5, 0.7, 0.75, 0.3, 0.3
    let trace = Trace::new(5, 1, 1, vec![0.5, 0.7, 0.75, 0.3, 0.3]).unwrap();
    let delta = Delta::default();
    assert_eq!(times(&delta.encode(&trace), 0), [vec![1], vec![3]]);
    let from_zero = Delta { padding: false, off: false, ..delta.clone() };
    assert_eq!(times(&from_zero.encode(&trace), 0), [vec![0, 1]]);
    // The threshold itself counts.
    let half = Delta { threshold: 0.5, ..from_zero };
    assert_eq!(times(&half.encode(&trace), 0), [vec![0]]);
    // Off-spikes of channel n stand in channel N + n.
    let two = Trace::new(2, 1, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    assert_eq!(times(&delta.encode(&two), 0), [vec![], vec![1], vec![1], vec![]]);
}

/// Files that other libraries made (`tests/golden/`).
#[test]
fn encoders_of_other_libraries_give_the_same() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let ours = |path: &std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().starts_with("encoders_");
    let paths: Vec<std::path::PathBuf> = paths.filter(ours).collect();
    assert!(paths.len() >= 17, "golden files of encoders are missing: {} are there", paths.len());
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let about: Value = serde_json::from_str(&header.metadata().clone().unwrap()["encoder"]).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let numbers = |name: &str| -> Option<Vec<f64>> {
            let view = file.tensor(name).ok()?;
            let wide = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().unwrap());
            Some(match view.dtype() {
                Dtype::F64 => view.data().chunks_exact(8).map(wide).collect(),
                _ => view.data().iter().map(|&byte| f64::from(byte)).collect(),
            })
        };
        let number = |key: &str| about[key].as_f64();
        let whole = |key: &str| about[key].as_u64().unwrap_or(0) as usize;
        let on = |key: &str| about[key].as_bool().unwrap_or(false);
        let shape = file.tensor("input").unwrap().shape().to_vec();
        let input: Vec<f32> = numbers("input").unwrap().into_iter().map(|x| x as f32).collect();
        let steps = if shape.len() == 3 { shape[0] } else { 1 };
        let [batch, units] = shape[shape.len() - 2..] else { panic!("{shape:?}") };
        let input = Trace::new(steps, batch, units, input).unwrap();
        let population = |placement, high, width| Population {
            fields: whole("fields"),
            low: number("low").unwrap_or(0.0),
            high,
            placement,
            width: Some(width),
            ..Population::default()
        };
        let got: Vec<f64> = match about["encoder"].as_str().unwrap() {
            "latency" => {
                let latency = Latency {
                    steps: whole("num_steps"),
                    curve: if on("linear") { Curve::Linear } else { Curve::Log },
                    tau: number("tau").unwrap_or(1.0),
                    threshold: number("threshold").unwrap(),
                    first: whole("first_spike_time"),
                    clip: on("clip"),
                    normalise: on("normalize"),
                };
                latency.encode(&input).unwrap().to_bytes().into_iter().map(f64::from).collect()
            }
            "latency_spikingjelly" => {
                let curve = if about["function"] == "log" { Curve::LogRange } else { Curve::Linear };
                let latency = Latency { steps: whole("num_steps"), curve, threshold: 0.0, ..Latency::default() };
                latency.encode(&input).unwrap().to_bytes().into_iter().map(f64::from).collect()
            }
            "delta" => {
                let threshold = number("threshold").unwrap();
                let delta = Delta { threshold, off: on("off_spike"), padding: on("padding") };
                let raster = delta.encode(&input);
                let part = |off: usize| {
                    let places =
                        (0..steps * batch * units).map(move |at| (at / units / batch, at / units % batch, at % units));
                    places.map(|(t, b, n)| f64::from(raster.get(t, b, off + n))).collect::<Vec<f64>>()
                };
                if let Some(want) = numbers("off") {
                    assert_eq!(part(units), want, "{path:?}: off-spikes");
                }
                part(0)
            }
            "population_norse" => {
                let scale = number("scale").unwrap();
                let norse = population(Placement::Even, scale, 1.0 / scale.sqrt());
                norse.responses(&input).values.into_iter().map(f64::from).collect()
            }
            "population_spikingjelly" => {
                let jelly = population(Placement::Even, number("high").unwrap(), number("std").unwrap());
                jelly.responses(&input).values.into_iter().map(f64::from).collect()
            }
            other => panic!("{path:?}: nobody knows the encoder {other}"),
        };
        let want = numbers("values").or(numbers("spikes")).unwrap();
        crate::kernels::assert_close(&path.to_string_lossy(), &got, &want, 1e-6);
    }
}

#[test]
fn fields_of_a_population_tile_the_range() {
    // Bohté et al. 2002: centre i = 1..m at low + (2i − 3)/2 · range/(m − 2), σ = range/(1.5 (m − 2)).
    let bohte = Population { fields: 6, low: -1.0, high: 3.0, ..Population::default() };
    let values = still(2, &[0.3, 2.0]);
    let responses = bohte.responses(&values);
    assert_eq!((responses.steps, responses.units), (1, 12));
    for (n, x) in [0.3f64, 2.0].into_iter().enumerate() {
        for i in 1..=6 {
            let centre = -1.0 + (2.0 * i as f64 - 3.0) / 2.0 * 4.0 / 4.0;
            let want = (-(x - centre).powi(2) / (2.0 * (4.0f64 / (1.5 * 4.0)).powi(2))).exp();
            let got = f64::from(responses.get(0, 0, n * 6 + i - 1));
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
    }
    // Norse: exp(−(x − c)²/2σ²), centres from 0 to scale.
    let even = Population { placement: Placement::Even, width: Some(0.5), ..bohte };
    let centres: Vec<f64> = (0..6).map(|i| even.centre(i)).collect();
    for (i, want) in [-1.0, -0.2, 0.6, 1.4, 2.2, 3.0].into_iter().enumerate() {
        assert!((centres[i] - want).abs() < 1e-12);
    }
    let then = Encoder::Latency(Latency { steps: 10, threshold: 0.0, ..Latency::default() });
    let encoder = Encoder::Population(Population { then: Box::new(then), ..even });
    let raster = spikes(&encoder, &values);
    assert_eq!((raster.steps(), raster.units(), encoder.channels(2), encoder.steps(1)), (10, 12, 12, 10));
    let first = times(&raster, 0)[..6].iter().map(|times| times[0]).enumerate().min_by_key(|(_, t)| *t).unwrap().0;
    assert_eq!(first, 2, "the field nearest to 0.3 spikes first");
}

/// Static values of two classes: which of the channels are high.
fn two_classes() -> Split {
    let part = |samples: usize, seed: u64| {
        let random = &mut Random::new(seed, 0);
        let labels: Vec<u32> = (0..samples).map(|i| (i % 2) as u32).collect();
        let value = |label: u32, n: usize, noise: f64| if n / 3 == label as usize { 0.7 } else { 0.2 } + 0.2 * noise;
        let values: Vec<f32> =
            (0..samples * 6).map(|at| value(labels[at / 6], at % 6, random.uniform()) as f32).collect();
        DataSet::values(1, 6, 2, values, labels).unwrap()
    };
    Split { train: part(60, 1), valid: part(20, 2), test: part(20, 3) }
}

fn recipe(inputs: usize, encode: &str) -> spikegrad::Result<Recipe> {
    let text = format!(
        "inputs = {inputs}\npreset = \"snntorch\"\n[[layer]]\nunits = 20\ninit = {{ kind = \"uniform\", gain = 2.0 }}\n\
         [[layer]]\nunits = 2\n[train]\ndata = \"braille\"\nepochs = 12\nbatch = 20\n\
         optimiser = {{ kind = \"adam\", rate = 0.02 }}\n[encode]\n{encode}\n"
    );
    Recipe::from_toml(&text, "run")
}

#[test]
fn data_of_values_train_through_an_encoder() {
    for (inputs, encode) in [
        (6, "kind = \"rate\"\nsteps = 25"),
        (6, "kind = \"latency\"\nsteps = 25"),
        (6, "kind = \"current\"\nsteps = 25"),
        (48, "kind = \"population\"\nfields = 8\nthen = { kind = \"rate\", steps = 25 }"),
    ] {
        let recipe = recipe(inputs, encode).unwrap();
        assert_eq!(Recipe::from_toml(&recipe.to_toml(), "run").unwrap(), recipe, "{}", recipe.to_toml());
        let run = || {
            let mut trainer = Trainer::new(recipe.clone(), two_classes(), Device::Cpu).unwrap();
            while !trainer.finished() {
                trainer.epoch(|_| {}).unwrap();
            }
            let data = trainer.split().test.clone();
            let result = trainer.evaluate(&data).unwrap();
            (result, trainer.engine().parameters().unwrap())
        };
        let (result, parameters) = run();
        assert!(result.accuracy > 0.9, "{encode}: {result:?}");
        assert_eq!(run(), (result, parameters), "{encode}: the same seed gives the same run");
    }
}

#[test]
fn a_wrong_encoder_is_named() {
    let refused = |encode: &str, words: &[&str]| {
        let error = recipe(6, encode).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    };
    refused("kind = \"latancy\"", &["encode", "did you mean latency?"]);
    refused("kind = \"latency\"\nstep = 3", &["encode", "did you mean steps?"]);
    refused("kind = \"latency\"\nsteps = 0", &["encode.steps (line 15)", "1 to"]);
    refused("kind = \"latency\"\ncurve = \"log\"\nthreshold = 0.0", &["encode.threshold", "above 0"]);
    refused("kind = \"rate\"\nfirst = 100", &["encode.first", "below the 100 steps"]);
    refused("kind = \"delta\"\nthreshold = -1", &["encode.threshold", "above 0"]);
    refused("kind = \"population\"\nfields = 2", &["encode.fields"]);
    refused("kind = \"population\"\nthen = { kind = \"rate\", gain = inf }", &["encode.then.gain"]);
    let recipe = recipe(6, "kind = \"population\"\nfields = 8").unwrap();
    let error = Trainer::new(recipe, two_classes(), Device::Cpu).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("inputs") && error.contains("48 channels"), "{error}");
}
