#!/usr/bin/env python3
"""Cuts the power below the page cache, again and again, and counts what was acknowledged and is gone.

One cut: an ext4 file system in a file, a writer on it that prints each acknowledgement; the writer is stopped, the
file system is shut down without flushing its journal (EXT4_IOC_SHUTDOWN, NOLOGFLUSH), the writer is killed, the file
system is mounted again, and the store is asked for every acknowledged record. What lay in the page cache is gone, as
after a power cut; a SIGKILL alone would lose nothing and prove nothing.

First the harness must catch a planted defect (`PRAGMA synchronous = NORMAL`, in the writer alone) within 20 cuts; only
then its silence about the store means something.

The writer is stopped before the cut: without that, an acknowledgement printed while the file system goes down counts
as lost although nobody could rely on it.

    cut.py WRITER [--short] [--cuts N]     WRITER: the built example `writer` of remit-store; needs root
"""

import argparse
import fcntl
import os
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NOLOGFLUSH = struct.pack("I", 2)
IMAGE_MIB = 96
WRITERS = "16"
# The planted defect must be caught within so many cuts.
PLANTED_CUTS = 20


class Skip(Exception):
    """This machine cannot do it."""


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Disk:
    """A file system of its own, in a file."""

    def __init__(self, folder):
        self.image = os.path.join(folder, "image")
        self.mount_point = os.path.join(folder, "disk")
        os.mkdir(self.mount_point)
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_MIB << 20)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.mount_point)

    def unmount(self):
        run("umount", self.mount_point)

    def cut(self):
        handle = os.open(self.mount_point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, NOLOGFLUSH)
        finally:
            os.close(handle)

    def gone(self):
        subprocess.run(["umount", "--lazy", self.mount_point], capture_output=True)


def one_cut(writer, folder, arguments, check, after_s):
    """One cut of power; how many records were acknowledged, how many of them are gone, and what the check said."""
    disk = Disk(folder)
    try:
        database = os.path.join(disk.mount_point, "remit.db")
        errors = open(os.path.join(folder, "errors"), "w+b")
        command = [writer, *(database if a == "DB" else a for a in arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        acks = read_for(process, after_s)
        # Stopped: what it has not said by now it never says.
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        disk.cut()
        process.kill()
        acks += process.stdout.read()
        process.wait()
        disk.unmount()
        disk.mount()
        checked = subprocess.run([writer, check, database], input=acks, capture_output=True)
        words = checked.stdout.decode().split()
        disk.unmount()
        if len(words) != 6:
            return acks.count(b"\n"), None, checked.stderr.decode().strip()
        return int(words[1]), int(words[5]), checked.stderr.decode().strip()
    finally:
        disk.gone()


def read_for(process, after_s):
    """Reads acknowledgements for so long, counted from the first one."""
    acks = b""
    until = None
    out = process.stdout.fileno()
    give_up = time.monotonic() + 30
    while until is None or time.monotonic() < until:
        wait = 0.01 if until is None else max(0.0, until - time.monotonic())
        if select.select([out], [], [], wait)[0]:
            some = os.read(out, 1 << 16)
            if not some:
                raise RuntimeError("the writer ended by itself")
            acks += some
            if until is None:
                until = time.monotonic() + after_s
        if time.monotonic() > give_up:
            raise RuntimeError("the writer acknowledges nothing")
    return acks


def in_own_namespace():
    """Starts over with mounts nobody else sees: a namespace made elsewhere meanwhile would keep a cut disk alive."""
    if os.geteuid() == 0 and "REMIT_CUT_ALONE" not in os.environ and shutil.which("unshare"):
        os.environ["REMIT_CUT_ALONE"] = "1"
        again = [sys.executable, os.path.abspath(__file__), *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", *again])


def capable(folder):
    """Refuses early, with the reason, where a cut cannot be made."""
    if os.geteuid() != 0:
        raise Skip("cutting power needs root (loop mounts)")
    try:
        probe = os.path.join(folder, "probe")
        os.mkdir(probe)
        disk = Disk(probe)
    except (RuntimeError, OSError) as error:
        raise Skip(f"no ext4 on a loop device here: {error}")
    try:
        disk.cut()
    except OSError as error:
        raise Skip(f"EXT4_IOC_SHUTDOWN is refused here: {error}")
    finally:
        disk.gone()


def cuts(writer, folder, arguments, check, count, seed):
    """Up to `count` cuts, until records are lost; acknowledged, lost, cuts made."""
    dice = random.Random(seed)
    acknowledged = 0
    for number in range(1, count + 1):
        place = os.path.join(folder, f"{arguments[0]}-{number}")
        os.mkdir(place)
        made, gone, why = one_cut(writer, place, arguments, check, dice.uniform(0.02, 0.25))
        os.remove(os.path.join(place, "image"))
        acknowledged += made
        if gone is None:
            raise RuntimeError(f"cut {number}: the database cannot be checked: {why}")
        if gone > 0:
            print(why, file=sys.stderr)
            return acknowledged, gone, number
    return acknowledged, 0, count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("writer")
    parser.add_argument("--short", action="store_true", help="20 cuts instead of 1,000")
    parser.add_argument("--cuts", type=int, help="this many cuts")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = options.cuts or (20 if options.short else 1000)
    in_own_namespace()
    with tempfile.TemporaryDirectory(prefix="remit-power-") as folder:
        # A build meanwhile must not change what is tested.
        writer = shutil.copy(options.writer, folder)
        try:
            capable(folder)
        except Skip as reason:
            print(f"SKIPPED: {reason}; durability below the page cache is NOT checked", file=sys.stderr)
            return 0
        start = time.monotonic()
        made, lost, number = cuts(writer, folder, ["plant", "DB"], "count", PLANTED_CUTS, options.seed)
        if lost == 0:
            print(f"FAILED: {number} cuts of a planted synchronous=NORMAL lost nothing of {made}: blind harness")
            return 1
        print(f"planted synchronous=NORMAL: caught at cut {number} ({lost} of {made} acknowledged records lost)")
        made, lost, number = cuts(writer, folder, ["run", "DB", WRITERS], "check", count, options.seed)
        took = time.monotonic() - start
        print(f"store: {number} cuts, {made} acknowledged records, {lost} lost, {took:.0f} s in all")
        return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
