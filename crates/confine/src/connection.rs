//! Which process holds the other end of a loopback TCP connection: asked of the kernel, socket by socket.
//!
//! The kernel names a socket by its inode (`sock_diag(7)`); whether a run's processes hold that inode is read from their
//! `/proc/PID/fd`. Only the run's own tree is searched, so what another user's processes hide does not matter.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use crate::process::{ProcessId, Stat};

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST` (linux/netlink.h).
const REQUEST: u16 = 1;
/// `NLMSG_ERROR` (linux/netlink.h).
const ERROR: u16 = 2;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// Where `idiag_inode` stands: 16 bytes of netlink head, 4 of state, 48 of socket id, 4 of timer, queues and user.
const INODE_AT: usize = 16 + 4 + 48 + 16;

/// Who holds a socket, as far as a run is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This process of the run's tree.
    Run(ProcessId),
    /// Nobody in the run's tree.
    Other,
    /// Some process of the run's tree does not let us look.
    Hidden,
}

/// The inode of the socket that `client` has for its connection to `server`, both as `server`'s side sees them.
///
/// # Errors
/// `NotFound` when there is no such socket in our network namespace; others when the kernel does not tell.
pub fn socket_inode(client: SocketAddr, server: SocketAddr) -> io::Result<u32> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    send(&socket, &question(client, server)?, SendFlags::empty())?;
    let mut answer = [0_u8; 1024];
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let answer = answer.get(..length).unwrap_or_default();
    let kind = answer
        .get(4..6)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u16::from_ne_bytes);
    if kind == Some(ERROR) {
        let code = answer
            .get(16..20)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, i32::from_ne_bytes);
        return Err(io::Error::from_raw_os_error(-code));
    }
    let inode = answer
        .get(INODE_AT..INODE_AT + 4)
        .and_then(|bytes| bytes.try_into().ok());
    match (kind, inode.map(u32::from_ne_bytes)) {
        (Some(BY_FAMILY), Some(inode)) if inode != 0 => Ok(inode),
        // A socket whose process closed it has no inode any more.
        (Some(BY_FAMILY), Some(_)) => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the socket is closed already",
        )),
        _ => Err(io::Error::other(
            "the kernel's answer about a socket is not understood",
        )),
    }
}

/// `inet_diag_req_v2` for exactly one socket (linux/inet_diag.h).
fn question(client: SocketAddr, server: SocketAddr) -> io::Result<Vec<u8>> {
    let (family, from, to) = match (client.ip().to_canonical(), server.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let wide = |address: std::net::Ipv4Addr| {
                let mut bytes = [0_u8; 16];
                for (place, byte) in bytes.iter_mut().zip(address.octets()) {
                    *place = byte;
                }
                bytes
            };
            (2_u8, wide(from), wide(to))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => (10, from.octets(), to.octets()),
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "two address families",
            ));
        }
    };
    let mut body = vec![family, TCP, 0, 0];
    body.extend_from_slice(&u32::MAX.to_ne_bytes());
    body.extend_from_slice(&client.port().to_be_bytes());
    body.extend_from_slice(&server.port().to_be_bytes());
    body.extend_from_slice(&from);
    body.extend_from_slice(&to);
    // Any interface, no cookie.
    body.extend_from_slice(&0_u32.to_ne_bytes());
    body.extend_from_slice(&[0xff; 8]);
    let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&REQUEST.to_ne_bytes());
    message.extend_from_slice(&1_u32.to_ne_bytes());
    message.extend_from_slice(&0_u32.to_ne_bytes());
    message.extend_from_slice(&body);
    Ok(message)
}

/// Who of the run's processes holds the socket `inode`.
///
/// # Errors
/// `/proc` cannot be read.
pub fn holder(inode: u32, run: ProcessId) -> io::Result<Holder> {
    let wanted = format!("socket:[{inode}]");
    let mut hidden = false;
    for member in tree(run)? {
        match holds(member, &wanted) {
            Ok(true) => return Ok(Holder::Run(member)),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => hidden = true,
            // It ended while we looked; what it held is closed.
            Err(_) => {}
        }
    }
    Ok(if hidden { Holder::Hidden } else { Holder::Other })
}

/// Whoever holds the socket `inode`, of the processes we may look into.
#[must_use]
pub fn anybody(inode: u32) -> Option<ProcessId> {
    let wanted = format!("socket:[{inode}]");
    let all = Stat::all().ok()?;
    all.into_iter()
        .map(|stat| stat.id)
        .find(|process| holds(*process, &wanted).unwrap_or(false))
}

fn holds(process: ProcessId, wanted: &str) -> io::Result<bool> {
    for entry in std::fs::read_dir(format!("/proc/{}/fd", process.pid))? {
        let Ok(target) = entry.and_then(|entry| std::fs::read_link(entry.path())) else {
            continue;
        };
        if target.as_os_str() == wanted {
            // The descriptor was of this process, and this process is still the one we mean.
            return Ok(Stat::of(process.pid).is_ok_and(|stat| stat.id == process));
        }
    }
    Ok(false)
}

/// The processes of a run: its first one, what descends from it, and what descends from the `remit run` that supervises it
/// and collects those that left their line of ancestors.
///
/// # Errors
/// `/proc` cannot be read.
pub fn tree(run: ProcessId) -> io::Result<Vec<ProcessId>> {
    let all = Stat::all()?;
    let mut roots: Vec<u32> = Vec::new();
    if let Some(first) = all.iter().find(|stat| stat.id == run) {
        roots.push(run.pid);
        if is_ours(first.parent) {
            roots.extend(
                all.iter()
                    .filter(|stat| stat.parent == first.parent)
                    .map(|stat| stat.id.pid),
            );
        }
    }
    let mut members: Vec<ProcessId> = Vec::new();
    while let Some(pid) = roots.pop() {
        if members.iter().any(|member| member.pid == pid) {
            continue;
        }
        members.extend(all.iter().find(|stat| stat.id.pid == pid).map(|stat| stat.id));
        roots.extend(
            all.iter()
                .filter(|stat| stat.parent == pid)
                .map(|stat| stat.id.pid),
        );
    }
    Ok(members)
}

/// True when `caller` is the `remit run` that supervises the run, and the run is in another network than it: what the run
/// connects to is accepted by its supervisor, which passes it on ([`crate::Netns::Listener`]).
#[must_use]
pub fn relays(caller: ProcessId, run: ProcessId) -> bool {
    let network = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net"));
    let supervises = || {
        Stat::of(run.pid).is_ok_and(|stat| stat.id == run && stat.parent == caller.pid) && is_ours(caller.pid)
    };
    let apart = || match (network(caller.pid), network(run.pid)) {
        (Ok(callers), Ok(runs)) => callers != runs,
        _ => false,
    };
    caller.is_alive() && supervises() && apart()
}

/// True when the process runs the very program we are.
fn is_ours(pid: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: String| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    match (
        identity(format!("/proc/{pid}/exe")),
        identity("/proc/self/exe".to_owned()),
    ) {
        // We are not our own supervisor: what we start is a server, not a run.
        (Ok(theirs), Ok(ours)) => theirs == ours && !ProcessId::own().is_ok_and(|own| own.pid == pid),
        _ => false,
    }
}
