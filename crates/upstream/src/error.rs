//! What can go wrong with an upstream: whose fault it is, and what may have happened there.

use remit_core::name::Name;
use remit_enforce::Cut;

/// Why a call, an act or a connection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server `{server}`: {kind}{}{detail}", if detail.is_empty() { "" } else { ": " })]
pub struct UpstreamError {
    /// The server.
    pub server: Name,
    /// What went wrong.
    pub kind: ErrorKind,
    /// How far the request got.
    pub sent: Sent,
    /// Particulars, scrubbed; may be empty.
    pub detail: String,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sent {
    /// Not one byte of it left.
    No,
    /// Some of it left and nothing certain came back.
    Maybe,
    /// The server got it and answered, if only with something we cannot use.
    Yes,
}

/// What went wrong. The list is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The permit was no longer fresh when it was to be used.
    #[error("the permission was no longer fresh, so nothing was sent")]
    NotFresh,
    /// The authority went away while the call was under way.
    #[error("cut off: the authority behind it went away")]
    Cut(Cut),
    /// The permit's deadline passed while the call was under way.
    #[error("cut off: the permission's deadline passed")]
    Deadline,
    /// The caller stopped listening.
    #[error("cancelled by the caller")]
    Cancelled,
    /// A permit for something else was presented.
    #[error("the permission is not for this")]
    WrongPermit,
    /// The server's description cannot be used.
    #[error("its configuration cannot be used")]
    BadSpec,
    /// What opens it could not be had.
    #[error("there is no credential for it")]
    NoCredential,
    /// The command could not be started.
    #[error("it could not be started")]
    CannotStart,
    /// The address is of a kind that must not be dialled.
    #[error("its address must not be dialled")]
    AddressRefused,
    /// It could not be resolved or connected to.
    #[error("it cannot be reached")]
    Unreachable,
    /// No trustworthy TLS session could be made.
    #[error("no trustworthy TLS session with it")]
    Tls,
    /// It did not answer in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// It ended or closed the connection.
    #[error("it went away")]
    Gone,
    /// It said something the protocol does not allow.
    #[error("it does not keep to the protocol")]
    Protocol,
    /// It sent more than we take.
    #[error("it sent too much")]
    TooLarge,
    /// It refused over HTTP without saying why in the protocol.
    #[error("it refused with HTTP status {0}")]
    Refused(u16),
    /// It no longer knew the session and did not take the call; a new session is open.
    #[error("it had lost the session and did not take the call: call again")]
    SessionLost,
    /// It does not offer this, or not in the revision it speaks.
    #[error("it does not offer this")]
    NotOffered,
    /// The connection was closed before.
    #[error("the connection is closed")]
    Closed,
}

impl ErrorKind {
    /// True when we stopped waiting while the server may still be working on it.
    pub(crate) const fn is_stop(self) -> bool {
        matches!(
            self,
            Self::Cut(_) | Self::Deadline | Self::Cancelled | Self::TimedOut
        )
    }
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The server's.
    Server,
    /// The network's, or nobody's.
    Network,
    /// Of who registered the server.
    Configuration,
    /// Nobody's: the authority ended.
    Authority,
    /// The caller's.
    Client,
    /// Ours.
    Remit,
}

impl UpstreamError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self.kind {
            ErrorKind::NotFresh | ErrorKind::Cut(_) | ErrorKind::Deadline => Fault::Authority,
            ErrorKind::Cancelled => Fault::Client,
            ErrorKind::WrongPermit => Fault::Remit,
            ErrorKind::BadSpec
            | ErrorKind::NoCredential
            | ErrorKind::CannotStart
            | ErrorKind::AddressRefused => Fault::Configuration,
            ErrorKind::Unreachable | ErrorKind::Closed => Fault::Network,
            ErrorKind::Tls
            | ErrorKind::TimedOut
            | ErrorKind::Gone
            | ErrorKind::Protocol
            | ErrorKind::TooLarge
            | ErrorKind::Refused(_)
            | ErrorKind::SessionLost
            | ErrorKind::NotOffered => Fault::Server,
        }
    }

    /// True when nothing can have happened at the server: the outcome is `failed`. Otherwise it is `indeterminate`.
    #[must_use]
    pub const fn is_certain_failure(&self) -> bool {
        matches!(self.sent, Sent::No)
            || matches!(self.kind, ErrorKind::SessionLost | ErrorKind::Refused(400..=499))
    }
}
