//! Who hears how a session ends.

use std::sync::Arc;

use super::{Session, SessionEvent, SessionListener};

/// Who answers for a session. When it goes, in whichever way (an actor crashed, a message was never handled), the
/// connection ends: no session lives on without anybody who hears how it ends.
#[derive(Debug)]
pub struct SessionOwner(Arc<Session>);

impl SessionOwner {
    /// Takes the responsibility for a session.
    #[must_use]
    pub fn of(session: Arc<Session>) -> Self {
        Self(session)
    }
}

impl std::ops::Deref for SessionOwner {
    type Target = Arc<Session>;

    fn deref(&self) -> &Arc<Session> {
        &self.0
    }
}

impl Drop for SessionOwner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Closes a session and tells its listener, once, also when the task that runs it is aborted or panics.
pub(super) struct EndOfSession<'a> {
    pub(super) session: &'a Session,
    pub(super) listener: &'a SessionListener,
    pub(super) detail: String,
    pub(super) protocol_broken: bool,
}

impl Drop for EndOfSession<'_> {
    fn drop(&mut self) {
        self.session.outbound.close();
        let orphans = self.session.streams().close();
        (self.listener)(SessionEvent::Ended {
            detail: std::mem::take(&mut self.detail),
            protocol_broken: self.protocol_broken,
            orphans,
        });
    }
}
