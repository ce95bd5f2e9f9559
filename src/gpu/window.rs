//! A window in a parameter block, as every shader that knows one declares it.

use crate::kernels;

#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Window {
    step: u32,
    steps: u32,
    sample: u32,
    samples: u32,
}

impl From<kernels::Window> for Window {
    fn from(window: kernels::Window) -> Self {
        let kernels::Window { step, steps, sample, samples } = window;
        let [step, steps, sample, samples] = [step, steps, sample, samples].map(|number| number as u32);
        Window { step, steps, sample, samples }
    }
}
