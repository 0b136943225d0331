//! Own user, few capabilities, no new privileges.

use crate::{Confinement, Identity};
use rustix::process::{Gid, Uid, getegid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::io;

/// What root work in a project directory takes. Everything that reaches around a confinement (mounts, raw devices,
/// modules, ptrace, file handles, network setup) is not among it.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::NET_BIND_SERVICE);

pub(super) fn reduce(own: Option<Identity>, done: &mut Confinement) -> io::Result<()> {
    match own {
        Some(identity) if may_become_another() && !done.userns => {
            drop_capabilities(CapabilitySet::SETUID | CapabilitySet::SETGID)?;
            become_user(identity)?;
            done.own_uid = Some(identity.uid);
        }
        Some(Identity { uid, .. }) => {
            done.gaps.push(format!(
                "the child keeps our user: becoming user {uid} takes root"
            ));
            drop_capabilities(KEPT)?;
        }
        None => drop_capabilities(if geteuid().is_root() {
            KEPT
        } else {
            CapabilitySet::empty()
        })?,
    }
    set_no_new_privs(true)?;
    done.no_new_privs = true;
    Ok(())
}

fn may_become_another() -> bool {
    capabilities(None).is_ok_and(|c| {
        c.effective
            .contains(CapabilitySet::SETUID | CapabilitySet::SETGID)
    })
}

fn become_user(Identity { uid, gid }: Identity) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    set_exactly(CapabilitySet::empty())?;
    if geteuid() == uid && getegid() == gid {
        return Ok(());
    }
    Err(io::Error::other("the user did not change"))
}

fn drop_capabilities(keep: CapabilitySet) -> io::Result<()> {
    let held = capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        // Bit by bit, also those newer than our list: the kernel says when there are no more.
        for bit in 0..u64::BITS {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            if keep.contains(one) {
                continue;
            }
            match remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                Err(rustix::io::Errno::INVAL) => break,
                Err(e) => return Err(e.into()),
            }
        }
    }
    set_exactly(held.permitted & keep)
}

fn set_exactly(caps: CapabilitySet) -> io::Result<()> {
    match clear_ambient_capability_set() {
        // Kernels without ambient capabilities have none to clear.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(e) => return Err(e.into()),
    }
    set_capabilities(
        None,
        CapabilitySets {
            effective: caps,
            permitted: caps,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}
