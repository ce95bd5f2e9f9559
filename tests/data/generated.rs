//! The generated tasks: Yin-Yang and random rasters.

use super::events;
use spikegrad::data::{Parameters, Poisson, YinYang};
use spikegrad::engine::Device;
use spikegrad::learn::{Recipe, Trainer};

#[test]
fn a_yin_yang_sign_is_half_yin_and_half_yang_turned_by_half_a_turn() {
    let task = YinYang::default();
    let (mut counts, mut points) = ([0; 3], 0);
    for row in 0..400 {
        for column in 0..400 {
            let (x, y) = ((f64::from(column) + 0.5) / 400.0, (f64::from(row) + 0.5) / 400.0);
            if (x - 0.5).hypot(y - 0.5) > 0.5 {
                continue;
            }
            let class = task.class(x, y);
            // Half a turn changes yin and yang, and a dot for the other.
            let turned = [1, 0, 2][class as usize];
            assert_eq!(task.class(1.0 - x, 1.0 - y), turned, "({x}, {y})");
            counts[class as usize] += 1;
            points += 1;
        }
    }
    assert_eq!(counts[0], counts[1]);
    // Two dots of a fifth of the radius.
    assert!((f64::from(counts[2]) / f64::from(points) - 0.08).abs() < 0.002, "{counts:?}");
    // The paper's picture: yin is the upper half, with the left bulge and without the right one.
    assert_eq!([task.class(0.5, 0.9), task.class(0.5, 0.1)], [1, 0]);
    assert_eq!([task.class(0.25, 0.35), task.class(0.75, 0.65)], [1, 0]);
    assert_eq!([task.class(0.25, 0.5), task.class(0.75, 0.5)], [2, 2]);
}

#[test]
fn yin_yang_samples_are_balanced_mirrored_and_a_function_of_the_seed() {
    let task = YinYang { train: 300, valid: 30, test: 60, ..YinYang::default() };
    let split = task.load(1).unwrap();
    assert_eq!(split, task.load(1).unwrap());
    assert_ne!(split.train, task.load(2).unwrap().train);
    assert_ne!(split.valid.sample(0).unwrap(), split.test.sample(0).unwrap());
    for (part, samples) in [(&split.train, 300), (&split.valid, 30), (&split.test, 60)] {
        assert_eq!((part.len(), part.steps(), part.inputs(), part.classes()), (samples, 1, 5, 3));
        for class in 0..3 {
            assert_eq!(part.labels().iter().filter(|&&label| label == class).count(), samples / 3);
        }
        for index in 0..samples {
            let sample = part.sample(index).unwrap();
            let &[x, y, without_x, without_y, bias] = sample.values() else { panic!("five values") };
            assert!((x + without_x - 1.0).abs() < 1e-6 && (y + without_y - 1.0).abs() < 1e-6 && bias == 1.0);
            assert_eq!(task.class(x.into(), y.into()), part.labels()[index]);
        }
    }
    let without = YinYang { bias: false, ..task }.load(1).unwrap();
    assert_eq!(without.train.inputs(), 4);
}

#[test]
fn poisson_rasters_have_their_rate_and_are_learned_by_heart() {
    let task = Poisson::default();
    let split = task.load(1).unwrap();
    assert_eq!((split.train.len(), split.train.steps(), split.train.inputs()), (256, 200, 100));
    // Nothing to generalise: what is tested are the samples that were trained on.
    assert_eq!(split.train, split.test);
    assert!(split.valid.is_empty());
    let all: Vec<(u32, u32)> = (0..256).flat_map(|sample| events(&split.train, sample)).collect();
    // 256 × 100 channels × 0.2 s × 5 Hz, with a deviation of 160.
    assert!((all.len() as f64 - 25_600.0).abs() < 800.0, "{} spikes", all.len());
    // Evenly over time and channels.
    let early = all.iter().filter(|event| event.0 < 100).count() as f64 / all.len() as f64;
    let low = all.iter().filter(|event| event.1 < 50).count() as f64 / all.len() as f64;
    assert!((early - 0.5).abs() < 0.02 && (low - 0.5).abs() < 0.02, "{early} {low}");
    let ones = split.train.labels().iter().filter(|&&label| label == 1).count();
    assert!((90..166).contains(&ones), "{ones}");
    assert_eq!(split, task.load(1).unwrap());
    assert_ne!(split, task.load(2).unwrap());
    // A certain spike is everywhere; an impossible rate is refused.
    let full = Poisson { samples: 2, units: 3, steps: 4, rate: 1000.0, ..task.clone() }.load(1).unwrap();
    assert_eq!(events(&full.train, 0).len(), 12);
    let error = Poisson { rate: 1001.0, ..task }.load(1).unwrap_err().to_string();
    assert!(error.contains("data.rate"), "{error}");
}

#[test]
fn classes_that_are_confused_are_counted() {
    let text = "inputs = 5\n[[layer]]\nunits = 30\ninit = { kind = \"uniform\", gain = 8.0 }\n[[layer]]\nunits = 3\n\
                [train]\ndata = \"yin-yang\"\nepochs = 3\nbatch = 16\noptimiser = { kind = \"adam\", rate = 0.01 }\n\
                [encode]\nkind = \"latency\"\nsteps = 20\n[data]\ntrain = 200\nvalid = 30\ntest = 100\n";
    let recipe = Recipe::from_toml(text, "yin").unwrap();
    let split = recipe.data.load(1).unwrap();
    let test = split.test.clone();
    let mut trainer = Trainer::new(recipe, split, Device::Cpu).unwrap();
    (0..3).for_each(|_| drop(trainer.epoch(|_| ()).unwrap()));
    let accuracy = trainer.test().unwrap().accuracy;
    let confusion = trainer.confusion(&test).unwrap();
    let (answers, right) = confusion.totals();
    assert_eq!(answers, 100);
    assert!((right as f64 / 100.0 - accuracy).abs() < 1e-12, "{right} {accuracy}");
    // 100 samples of three classes in turn.
    let rows: Vec<u64> = (0..3).map(|class| confusion.row(class).iter().sum()).collect();
    assert_eq!(rows, [34, 33, 33]);
}
