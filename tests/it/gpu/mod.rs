//! What only the GPU backend can get wrong: shaders, reuse, forms, limits. The kernels' numbers are tested for every
//! backend elsewhere.

mod shaders;
