// One step of a snippet: synapse and lag around its own step, and the threshold.
#import neuron/reset
#import neuron/generated

struct State {
    potential: f32,
    current: f32,
    // 1 where the neuron spiked.
    spike: f32,
    // J of the step.
    drive: f32,
    z: Neuron,
}

fn scan_step(c: Constants, before: State, x: f32) -> State {
    var now: State;
#ifdef SYNAPSE
    now.current = fma(c.alpha, before.current, x);
#else
    now.current = x;
#endif
#ifdef LAGGED
    now.drive = before.current;
#else
    now.drive = now.current;
#endif
    // Padding, whose threshold is NEVER, stays at 0.
    if (c.theta < NEVER) {
        now.z = neuron_step(c, before.spike, before.spike, now.drive, before.z);
        let theta = neuron_threshold(c, now.z);
        now.potential = now.z.potential;
        let reached = select(now.potential > theta, now.potential >= theta, params.inclusive != 0u);
        now.spike = select(0.0, 1.0, reached);
    }
    return now;
}
