//! Tokio tasks with an owner. Nothing else in the workspace may spawn one.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::exit::Failure;
use crate::node::locked;
use crate::panics::{Guarded, guarded};
use crate::path::ActorPath;

/// A panic in one of the tasks of a [`Tasks`].
#[derive(Clone, Debug)]
pub struct TaskPanic {
    /// The name that the task was spawned with.
    pub task: &'static str,
    /// What happened.
    pub failure: Failure,
}

type OnPanic = Box<dyn Fn(&TaskPanic) + Send + Sync>;

/// A set of tasks that belong to something. They are aborted when the set is dropped. A panic in one is
/// logged and told to [`on_panic`](Self::on_panic); the others go on.
pub struct Tasks {
    inner: Arc<Inner>,
    path: ActorPath,
    on_panic: Option<Arc<OnPanic>>,
}

#[derive(Default)]
struct Inner {
    running: Mutex<Running>,
    changed: Notify,
}

#[derive(Default)]
struct Running {
    next: u64,
    closed: bool,
    /// The handle is missing for the moment in which the task is being spawned.
    tasks: HashMap<u64, Option<AbortHandle>>,
}

impl Tasks {
    /// An empty set, whose tasks are called `#owner#task` in the log.
    pub fn new(owner: &str) -> Self {
        Self::of(ActorPath::detached(owner))
    }

    pub(crate) fn of(path: ActorPath) -> Self {
        Self {
            inner: Arc::default(),
            path,
            on_panic: None,
        }
    }

    /// Has panics of tasks that are spawned from now on told to `f`, on the thread of the task.
    pub fn on_panic(mut self, f: impl Fn(&TaskPanic) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Arc::new(Box::new(f)));
        self
    }

    /// Runs `future` on the runtime of the caller.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_on(&Handle::current(), name, future);
    }

    /// Runs `future` on the runtime of `handle`.
    #[expect(clippy::disallowed_methods, reason = "the set is the task's owner")]
    pub fn spawn_on<F>(&self, handle: &Handle, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.register(name, future, |task| handle.spawn(task).abort_handle());
    }

    /// Runs `future`, which need not be `Send`, on the calling arbiter.
    ///
    /// # Panics
    /// Outside of an arbiter.
    #[expect(clippy::disallowed_methods, reason = "the set is the task's owner")]
    pub fn spawn_local<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + 'static,
    {
        self.register(name, future, |task| tokio::task::spawn_local(task).abort_handle());
    }

    fn register<F>(&self, name: &'static str, future: F, start: impl FnOnce(Task<F>) -> AbortHandle)
    where
        F: Future<Output = ()>,
    {
        let id = {
            let mut running = locked(&self.inner.running);
            if running.closed {
                return;
            }
            running.next += 1;
            let id = running.next;
            running.tasks.insert(id, None);
            id
        };
        let place = Place {
            inner: Arc::downgrade(&self.inner),
            id,
        };
        // Not under the lock: a runtime that is shutting down drops the task here, and it leaves its place.
        let path = self.path.task(name);
        let handle = start(Task {
            name,
            future: Guarded::new(path.clone(), future),
            path,
            on_panic: self.on_panic.clone(),
            _place: place,
        });
        let mut running = locked(&self.inner.running);
        if running.closed {
            handle.abort();
        } else if let Some(kept) = running.tasks.get_mut(&id) {
            *kept = Some(handle);
        }
    }

    /// How many tasks run.
    pub fn len(&self) -> usize {
        locked(&self.inner.running).tasks.len()
    }

    /// Whether no task runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Aborts all tasks. Those spawned afterwards are dropped without having run.
    pub fn abort(&self) {
        let handles: Vec<_> = {
            let mut running = locked(&self.inner.running);
            running.closed = true;
            running.tasks.values_mut().filter_map(Option::take).collect()
        };
        for handle in handles {
            handle.abort();
        }
    }

    /// Waits until all tasks have ended.
    pub async fn idle(&self) {
        loop {
            let changed = self.inner.changed.notified();
            if self.is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Waits until all tasks have ended, `grace` long at most, then aborts the rest. Returns how many that
    /// were.
    pub async fn shutdown(self, grace: Duration) -> usize {
        if timeout(grace, self.idle()).await.is_ok() {
            return 0;
        }
        let left = self.len();
        self.abort();
        left
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort();
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("path", &self.path)
            .field("running", &self.len())
            .finish()
    }
}

/// The entry of a running task; it goes when the task ends, in whichever way.
struct Place {
    inner: Weak<Inner>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            locked(&inner.running).tasks.remove(&self.id);
            inner.changed.notify_waiters();
        }
    }
}

/// A task as tokio sees it: it never panics, and it leaves its place when it is dropped.
struct Task<F: Future<Output = ()>> {
    name: &'static str,
    path: ActorPath,
    future: Guarded<F>,
    on_panic: Option<Arc<OnPanic>>,
    /// Dropped after the future.
    _place: Place,
}

impl<F: Future<Output = ()>> Future for Task<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Err(failure) = ready!(Pin::new(&mut self.future).poll(cx)) else {
            return Poll::Ready(());
        };
        tracing::error!(task = %self.path, %failure, "a task panicked");
        if let Some(on_panic) = &self.on_panic {
            let panic = TaskPanic {
                task: self.name,
                failure,
            };
            if let Err(failure) = guarded(&self.path, || on_panic(&panic)) {
                tracing::error!(task = %self.path, %failure, "the handler of a task's panic panicked");
            }
        }
        Poll::Ready(())
    }
}

/// Runs `f` on a thread where it may block. It cannot be aborted: dropping the future only loses its result.
///
/// # Errors
/// If `f` panics, or the runtime shuts down before it has run.
pub async fn spawn_blocking<F, R>(name: &'static str, f: F) -> Result<R, Failure>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let path = ActorPath::detached(name);
    let running = tokio::task::spawn_blocking(move || guarded(&path, f));
    match running.await {
        Ok(result) => result,
        Err(error) => Err(Failure::new(error)),
    }
}
