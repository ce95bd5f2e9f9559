//! Where kernels use subgroup operations: invocations that run together add or count without a barrier.
//!
//! No kernel relies on how wide subgroups are, whether all are equally wide, or which invocations stand in one. Lists come out the
//! same with and without them. Sums over a workgroup are made in the order of the subgroups: the same on one device, but not that
//! of the tree which is made without them.

use super::Gpu;

/// What a scan over a subgroup costs, in loads from workgroup memory: a few shuffles, one after the other.
const SCAN: usize = 5;
/// Neurons in a hundred whose surrogate derivative is not 0, where it can be.
const NEAR: usize = 10;

impl Gpu {
    /// The fewest invocations of a subgroup; None without subgroup operations.
    fn lanes(&self) -> Option<usize> {
        Some(self.recorder.device.limits.lanes as usize).filter(|&lanes| lanes > 0)
    }

    /// Whether a sum over a workgroup is made by subgroups: two barriers in place of two and one for each level of a tree.
    pub(super) fn sums_by_subgroups(&self) -> bool {
        self.lanes().is_some()
    }

    /// Whether the set bits of so many words are listed by subgroups.
    pub(super) fn lists_by_subgroups(&self, words: usize) -> bool {
        self.lanes().is_some_and(|lanes| self.options.subgroups.or(|| pays_for_lists(words, lanes)))
    }

    /// Whether a list in no order is made by subgroups.
    pub(super) fn appends_by_subgroups(&self) -> bool {
        self.lanes().is_some_and(|lanes| self.options.subgroups.or(|| pays_for_appending(lanes)))
    }
}

/// Without subgroups every invocation loads, counts and compares every word; with them it loads one in `lanes` and makes two
/// scans for each.
fn pays_for_lists(words: usize, lanes: usize) -> bool {
    3 * words > words.div_ceil(lanes) * (3 + 2 * SCAN)
}

/// Without subgroups the length of the list is added to once for each neuron in it, one after the other; with them once for each
/// subgroup.
fn pays_for_appending(lanes: usize) -> bool {
    NEAR * lanes > 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subgroups_list_the_spikes_of_wide_layers_where_they_are_wide() {
        assert!(pays_for_lists(32, 32) && pays_for_lists(8, 32) && pays_for_lists(32, 8));
        assert!(!pays_for_lists(1, 32) && !pays_for_lists(4, 64), "two scans cost more than a few words");
        assert!(!pays_for_lists(32, 4));
        assert!(pays_for_appending(32) && !pays_for_appending(4));
    }
}
