//! The way out of a network namespace: one listener on its loopback, handed to the supervisor.
//!
//! A socket belongs to the namespace it was made in, wherever its descriptor goes. So the supervisor accepts outside what
//! connects inside: nothing runs in the namespace but the command, and no route leads out of it.

use crate::Confinement;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, UnixAddr, recv,
    sendmsg, sendto, socket,
};
use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};

/// `lo` is the first interface of every namespace.
const LOOPBACK: i32 = 1;
/// `RTM_NEWLINK` (rtnetlink(7)).
const NEW_LINK: u16 = 16;
/// `NLM_F_REQUEST | NLM_F_ACK` (netlink(7)).
const REQUEST_AND_ACK: u16 = 1 | 4;
/// `NLMSG_ERROR`: how a request is acknowledged too.
const ACKNOWLEDGED: u16 = 2;
/// `IFF_UP` (netdevice(7)).
const UP: u32 = 1;
/// Bytes: `nlmsghdr` and `ifinfomsg`.
const MESSAGE: u32 = 32;

/// Opens the listener at a loopback address and hands it over. Where the network was not taken away there is nothing to lead out of.
pub(super) fn open(at: SocketAddr, handover: RawFd, done: &mut Confinement) -> io::Result<()> {
    if done.netns {
        set_loopback_up().map_err(|e| io::Error::new(e.kind(), format!("loopback of the namespace: {e}")))?;
        let listener = TcpListener::bind(at)?;
        let handed = [listener.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&handed)];
        sendmsg::<UnixAddr>(
            handover,
            &[IoSlice::new(&[1])],
            &rights,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        done.way_out = true;
    }
    nix::unistd::close(handover)?;
    Ok(())
}

fn set_loopback_up() -> io::Result<()> {
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let mut message = Vec::with_capacity(MESSAGE as usize);
    // Header: length, kind, flags, sequence, sender.
    message.extend_from_slice(&MESSAGE.to_ne_bytes());
    message.extend_from_slice(&NEW_LINK.to_ne_bytes());
    message.extend_from_slice(&REQUEST_AND_ACK.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    // Interface: family and kind unsaid, index, flags, which of them change.
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&LOOPBACK.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    sendto(
        netlink.as_raw_fd(),
        &message,
        &NetlinkAddr::new(0, 0),
        MsgFlags::empty(),
    )?;
    let mut answer = [0; 1024];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let answer = answer.get(..length).unwrap_or_default();
    let (kind, error) = (answer.get(4..6), answer.get(16..20));
    let kind = kind
        .and_then(|bytes| bytes.try_into().ok())
        .map(u16::from_ne_bytes);
    let error = error
        .and_then(|bytes| bytes.try_into().ok())
        .map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(ACKNOWLEDGED), Some(0)) => Ok(()),
        (Some(ACKNOWLEDGED), Some(error)) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
        _ => Err(io::Error::other("the kernel's answer cannot be read")),
    }
}
