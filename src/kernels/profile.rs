//! Where time goes: what a backend records of each call while it is asked to.

/// Rows of weights that are added where a source is active.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gather {
    /// Bytes of all rows that are added.
    pub bytes: f64,
    /// Bytes of the table that they stand in.
    pub table: f64,
}

/// What a call has to do whatever its form, counted from its shapes and from the activity that it meets (see
/// [`super::cost`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// How the sums are made: `events` (rows of active inputs are added), `product` (a matrix product), `pass` (entry by
    /// entry); on a GPU of recurrent layers the [`super::Form`].
    pub form: &'static str,
    /// Bytes of the arrays that are read or written, each once.
    pub bytes: f64,
    /// Floating-point operations of products, two for a multiply-add.
    pub operations: f64,
    /// Rows that are added by events.
    pub gathers: Vec<Gather>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The method of [`super::Kernels`].
    pub kernel: &'static str,
    /// The layer that it was for; None: all of them, or none.
    pub layer: Option<usize>,
    /// Seconds from the beginning of the profile.
    pub start: f64,
    /// Seconds.
    pub duration: f64,
    /// What it had to do.
    pub cost: Cost,
}

/// What was recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// In the order of the calls; no two overlap.
    pub spans: Vec<Span>,
    /// Seconds from the beginning to the end, what is between the calls included. The time that counting took is left out.
    /// None on a device with a clock of its own, which waits while the host counts.
    pub elapsed: Option<f64>,
}
