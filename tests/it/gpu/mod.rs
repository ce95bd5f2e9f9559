//! What only the GPU backend can get wrong: shaders, reuse, order of work, limits. The kernels' numbers are tested for
//! every backend in `kernels`.

mod forms;
mod half;
mod half_forward;
mod layer;
mod limits;
mod long;
mod memory;
mod order;
mod pieces;
mod replan;
mod reuse;
mod shaders;
mod subgroups;
