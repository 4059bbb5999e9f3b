//! Panics of supervised code: caught, described, logged.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context as TaskContext, Poll};

use crate::exit::Failure;
use crate::path::ActorPath;

thread_local! {
    /// Whose code runs on this thread, if it is supervised.
    static CURRENT: RefCell<Option<ActorPath>> = const { RefCell::new(None) };
    /// Where the last panic of supervised code on this thread happened.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics of supervised actors and tasks events of `tracing`, with the actor's path and the place,
/// instead of text on the standard error that looks as if the process had died. Panics of other code go to
/// the hook that was there before.
///
/// Acts once per process; calling it again does nothing.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match CURRENT.with_borrow(Clone::clone) {
            Some(path) => report(&path, info),
            None => previous(info),
        }));
    });
}

fn report(path: &ActorPath, info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    tracing::error!(
        actor = %path,
        location = location.as_deref().unwrap_or("unknown"),
        message = describe(info.payload()),
        "an actor panicked"
    );
    LOCATION.set(location);
}

/// What a panic said, if it said it in words.
fn describe(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        message
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else {
        "a panic without a message"
    }
}

/// Runs `f` in the name of `path`; a panic in it comes back as a failure.
///
/// Asserting unwind safety is right because whoever calls this throws away what `f` could have left
/// half-changed.
pub(crate) fn guarded<R>(path: &ActorPath, f: impl FnOnce() -> R) -> Result<R, Failure> {
    let _named = Named::enter(path);
    catch_unwind(AssertUnwindSafe(f))
        .map_err(|payload| Failure::new(describe(payload.as_ref())).at(LOCATION.take()))
}

/// Drops `value`; a panic in its `Drop` is logged and goes no further.
pub(crate) fn drop_guarded<T>(path: &ActorPath, value: T) {
    if let Err(failure) = guarded(path, || drop(value)) {
        tracing::error!(actor = %path, %failure, "a value panicked while it was dropped");
    }
}

/// Names the running code for as long as it lives; the name from before comes back after it.
struct Named(Option<ActorPath>);

impl Named {
    fn enter(path: &ActorPath) -> Self {
        Self(CURRENT.replace(Some(path.clone())))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// A future whose panics, in `poll` and in `Drop`, come back as failures.
pub(crate) struct Guarded<F: Future> {
    path: ActorPath,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Guarded<F> {
    pub(crate) fn new(path: ActorPath, future: F) -> Self {
        Self {
            path,
            future: Some(Box::pin(future)),
        }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let future = this
            .future
            .as_mut()
            .expect("a future is not polled after it has ended");
        let polled = guarded(&this.path, || future.as_mut().poll(cx));
        let output = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(failure) => Err(failure),
        };
        drop_guarded(&this.path, this.future.take());
        Poll::Ready(output)
    }
}

impl<F: Future> Drop for Guarded<F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            drop_guarded(&self.path, future);
        }
    }
}
