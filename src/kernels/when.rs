//! Which form a kernel takes that has several.

/// Whether a kernel takes a form that it has besides another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Where the cost model expects it to be faster.
    #[default]
    Planned,
    /// Nowhere.
    Never,
    /// Wherever it can.
    Always,
}

impl When {
    /// The choice, where the cost model says `planned`.
    pub(crate) fn or(self, planned: impl FnOnce() -> bool) -> bool {
        match self {
            When::Planned => planned(),
            When::Never => false,
            When::Always => true,
        }
    }
}
