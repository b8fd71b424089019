# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: a machine comes from its Vagrantfile, and runs as soon as it is made."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.traits import vagrant_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    VERBS,
    Field,
    Snapshot,
    Traits,
)

from unit.tables.rows import Elsewhere, M, absent, ask, ask_snapshot, found, rows_of

SNAPSHOTS = {kind: Field(cost=LIVE) for kind in ("snapshot.take", "snapshot.drop", "snapshot.restore")}
WITH_LIBVIRT = Traits(
    platform="vagrant",
    version="2.3.4",
    powers=frozenset({STOPPED, RUNNING, PAUSED}),
    verbs=frozenset(VERBS) - {"clone", "suspend", "reset"},
    sources=("image",),
    made_as=RUNNING,
    instead={"suspended": "With the libvirt provider, vagrant suspend keeps the memory in place: state: paused."},
    fields={"image": Field(), **SNAPSHOTS},
)
WITH_VIRTUALBOX = Traits(
    platform="vagrant",
    version="2.3.4",
    powers=frozenset({STOPPED, RUNNING, SUSPENDED}),
    verbs=frozenset(VERBS) - {"clone", "pause", "resume", "reset"},
    sources=("image",),
    made_as=RUNNING,
    fields={"image": Field(), **SNAPSHOTS},
)
#: In a file of this collection's own a machine is described first, and comes into being at its first start.
MANAGED = vagrant_traits({"libvirt"})
row = rows_of(WITH_LIBVIRT)
managed = rows_of(MANAGED)
virtualbox = rows_of(WITH_VIRTUALBOX)
DESCRIBED = absent(recipe="/project/Vagrantfile")
KNOWN = ("db", "web")
BOX, OTHER_BOX = "debian/bookworm64", "debian/trixie64"
LIBVIRT = {"provider": "libvirt", "box": BOX}


def _ask(state="present", **own):
    """A request with options of Vagrant's own."""
    plain = ask(state, **{key: own.pop(key) for key in ("memory", "allow_restart", "allow_recreate") if key in own})
    return replace(plain, config={**plain.config, **own})


def _described(**more):
    """A machine that was never started."""
    return found(id=None, mark=None, **{**LIBVIRT, **more})


ROWS = [
    row(1, "what the Vagrantfile describes is made and runs at once", DESCRIBED, ask("started"), "create",
        after={"state": "running"}),
    row(1, "a second run finds it running", found("running"), ask("started")),
    managed(1, "what is only described is started by Vagrant, which makes it", _described(), _ask("started"), "start",
            after={"state": "running"}),
    managed(1, "a box is enough to make one, and nothing is started unasked", absent(), _ask(box=BOX), "create",
            after={"state": "stopped", "box": BOX, "provider": "virtualbox"}),
    managed(3, "what is only described is stopped", _described(), _ask("stopped")),
    managed(5, "and goes without Vagrant", _described(), _ask("absent"), "delete"),
    managed(1, "memory waits for a start", found("running", **LIBVIRT, memory=M << 9), _ask(memory="1G"), "configure",
            costs={"memory": "next_boot"}, restart_required=["memory"]),
    managed(1, "which takes consent", found("running", **LIBVIRT, memory=M << 9), _ask(memory="1G", allow_restart=True),
            "stop | configure start", costs={"memory": "next_boot"}, restart_required=[]),
    managed(1, "another box takes another machine", found(**LIBVIRT), _ask(box=OTHER_BOX),
            refused=("refused", "rebuilt")),
    managed(1, "with consent", found(**LIBVIRT), _ask(box=OTHER_BOX, allow_recreate=True), "delete | create"),
    managed(1, "but not while it is only described", _described(), _ask(box=OTHER_BOX), "configure",
            costs={"box": "next_boot"}),
    Elsewhere(2, "driver", "states are read from files, because vagrant status writes"),
    row(3, "a running machine is halted", found("running"), ask("stopped"), "stop"),
    row(3, "a halted machine is not halted again", found(), ask("stopped")),
    row(3, "one not made yet is made and halted", DESCRIBED, ask("stopped"), "create | stop",
        after={"state": "stopped"}),
    row(3, "one that nobody describes is not", absent(), ask("stopped"),
        refused=("not_found", "what to make one from")),
    row(4, "forced", found("running"), ask("stopped", stop_mode="force"), "kill"),
    row(5, "a running machine is destroyed", found("running"), ask("absent"), "stop | delete"),
    row(5, "a machine not made is not destroyed", DESCRIBED, ask("absent")),
    row(6, "suspended by the libvirt provider is paused: resumed", found("paused"), ask("started"), "resume"),
    row(6, "which has nothing that suspends to disk", found("running"), ask("suspended"),
        refused=("unsupported", "paused")),
    virtualbox(6, "saved by the VirtualBox provider is brought up again", found("suspended"), ask("started"), "start"),
    Elsewhere(7, "runner", "a lock is waited for by the loop for transient errors"),
    Elsewhere(8, "tool", "the escapes of machine-readable output"),
    Elsewhere(9, "tool", "the error's class is read from error-exit"),
    Elsewhere(10, "tool", "a syntax error comes as plain text"),
    row(11, "one machine of a project is started, its neighbour is not asked", found("stopped"),
        ask("started"), "start"),
    row(11, "a name the project does not know names those it knows", absent(), ask("started", name="wbe"), known=KNOWN,
        refused=("not_found", "db, web")),
    Elsewhere(12, "driver", "the Vagrantfile option is a file's name, not a path"),
    Elsewhere(13, "driver", "a failed first up may leave no machine or a running one: it is looked at again"),
    row(14, "a snapshot that exists is not saved again", found(snapshots=(Snapshot("s1"),)), ask_snapshot("s1")),
    row(14, "one that does not exist is not restored", found(snapshots=(Snapshot("s1"),)),
        ask_snapshot("s2", "restored"),
        refused=("not_found", "s1")),
    Elsewhere(14, "tool", "the text for an empty list is no snapshot's name"),
    Elsewhere(15, "driver", "one process, or files only, for all machines"),
]  # fmt: skip
