// Constants of one neuron (contract: `constant`).
struct Constants {
    alpha: f32,
    beta: f32,
    gamma: f32,
    theta: f32,
}
