//! Batches that are prepared while the device works on the one before.

use crate::error::{Error, Result};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// The items of an iterator in their order, each worked out by a thread of its own while the one before is used.
///
/// One item is prepared ahead, then the thread sleeps until it is taken: memory holds two, and no core is kept from the
/// device's work. An error is handed on in its place and ends the items; so does a panic, as an error. Dropping it ends the
/// thread, once what is being prepared is done.
///
/// ```
/// use spikegrad::learn::Prefetch;
///
/// let squares: Vec<u32> = std::thread::scope(|scope| {
///     let items = (0..4u32).map(|number| Ok(number * number));
///     Prefetch::new(scope, items)?.collect::<spikegrad::Result<_>>()
/// })?;
/// assert_eq!(squares, [0, 1, 4, 9]);
/// # Ok::<(), spikegrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Prefetch<'scope, T> {
    /// None once the thread has ended.
    items: Option<Receiver<Result<T>>>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope, T: Send + 'scope> Prefetch<'scope, T> {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Device`] where the system has no thread to give.
    pub fn new<'env>(
        scope: &'scope Scope<'scope, 'env>,
        items: impl Iterator<Item = Result<T>> + Send + 'scope,
    ) -> Result<Self> {
        // A channel without room: the thread waits with the item in its hand.
        let (sender, receiver) = sync_channel(0);
        let work = move || {
            for item in items {
                let failed = item.is_err();
                if sender.send(item).is_err() || failed {
                    return;
                }
            }
        };
        let thread = Builder::new().name("batches".into()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| Error::Device(format!("no thread to prepare batches: {error}")))?;
        Ok(Prefetch { items: Some(receiver), thread: Some(thread) })
    }
}

impl<T> Iterator for Prefetch<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if let Ok(item) = self.items.as_ref()?.recv() {
            return Some(item);
        }
        self.items = None;
        let panic = self.thread.take()?.join().err()?;
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown kind");
        Some(Err(Error::Input(format!("preparing a batch ended in a panic: {text}"))))
    }
}

impl<T> Drop for Prefetch<'_, T> {
    fn drop(&mut self) {
        // Whoever waits to hand an item over learns that nobody takes it.
        self.items = None;
        if let Some(thread) = self.thread.take() {
            // What ended it is of no interest any more.
            let _ = thread.join();
        }
    }
}
