# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: a distribution runs or not, and the only way to stop it is to end it.

The traits here are written by hand, because this platform has no driver yet.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEVER,
    NEXT_BOOT,
    POWER_OFF,
    RUNNING,
    STOPPED,
    Field,
    File,
    Traits,
)

from unit.tables.rows import Elsewhere, G, absent, ask, cost_by_key, found, rows_of

_GOOD_NAME = re.compile(r"[A-Za-z0-9._-]{1,256}")
SOURCE_STOPS = "its source is stopped for the copy, and started again if it ran"
NATIVE = {"default": LIVE, "default_user": POWER_OFF, "version": POWER_OFF, "location": POWER_OFF, "systemd": NEXT_BOOT}

TRAITS = Traits(
    platform="wsl",
    version="2.6.3",
    powers=frozenset({STOPPED, RUNNING}),
    verbs=frozenset({"create", "clone", "configure", "start", "kill", "delete"}),
    stop_modes=("force",),
    sources=("image", "clone"),
    name_fault=lambda name: None if _GOOD_NAME.fullmatch(name) else "only letters, digits, dot, minus and underscore",
    side_effects=lambda verb, vm, changes: (SOURCE_STOPS,) if verb == "clone" else (),
    instead={
        "cpus": "All distributions share one virtual machine: see .wslconfig.",
        "memory": "All distributions share one virtual machine: see .wslconfig.",
        "stop_mode": "A distribution is ended, not asked; leave stop_mode out.",
        "snapshot": "Export it.",
    },
    fields={
        "image": Field(),
        "image.linked": Field(choices=(False,), instead="A distribution has its disk to itself; leave linked out."),
        "clone": Field(),
        "disks.add": Field(cost=NEVER, instead="A distribution has one disk."),
        "disks.size": Field(cost=POWER_OFF),
        "native": Field(cost=cost_by_key(NATIVE)),
    },
)
row = rows_of(TRAITS)
INBOX = replace(
    TRAITS,
    version="inbox",
    fields={kind: field for kind, field in TRAITS.fields.items() if not kind.startswith("image")},
    instead={"image": "Installing under a name of your own needs WSL 2.4.4; update it."},
)
inbox = rows_of(INBOX)

TARBALL = {"source": "/tars/debian.tar"}
DISK = (File("ext4.vhdx", "disk", ours=True),)

ROWS = [
    Elsewhere(1, "tool", "no distribution at all is an empty list"),
    row(2, "a tarball is imported and stays off", absent(), ask(image=TARBALL), "create", after={"state": "stopped"}),
    row(2, "it has no overlay", absent(), ask(image={**TARBALL, "linked": True}), refused=("unsupported", "linked")),
    row(3, "imported already", found(), ask(image=TARBALL)),
    Elsewhere(4, "driver", "a name in other letters is the same name: a VM is reported as the task names it"),
    row(5, "a bad name is refused before anything", absent(), ask(name="my distro", image=TARBALL),
        refused=("refused", "Choose another name")),
    Elsewhere(6, "driver", "whether the tarball exists is looked at before anything is registered"),
    row(7, "from the list of the store", absent(), ask(image={"source": "Debian"}), "create"),
    inbox(7, "an old version says what it needs", absent(), ask(image={"source": "Debian"}),
          refused=("unsupported", "2.4.4")),
    row(8, "a stopped distribution is cloned", absent(), ask(clone={"source": "Ubuntu"}), "clone",
        source=found(name="Ubuntu")),
    row(9, "a running one too, and what that does to it is said", absent(), ask(clone={"source": "Ubuntu"}), "clone",
        source=found("running", name="Ubuntu"), also="started again"),
    row(10, "started", found(), ask("started"), "start"),
    row(10, "started already", found("running"), ask("started")),
    row(11, "ended", found("running"), ask("stopped"), "kill", after={"state": "stopped"}),
    row(11, "ended already", found(), ask("stopped")),
    row(11, "it cannot be asked", found("running"), ask("stopped", stop_mode="graceful"),
        refused=("unsupported", "stop_mode")),
    row(11, "restarted: ended and started", found("running"), ask("restarted"), "kill | start"),
    row(12, "unregistered", found(files=DISK), ask("absent"), "delete", files=("ext4.vhdx",)),
    row(12, "unregistered while it runs", found("running", files=DISK), ask("absent"), "kill | delete"),
    row(12, "what is not there is not unregistered", absent(), ask("absent"), known=("Ubuntu-22.04",)),
    Elsewhere(12, "driver", "only the exact name is looked at"),
    row(13, "made the default one", found("running", native={"default": False}), ask(native={"default": True}),
        "configure",
        costs={"native.default": LIVE}, after={"state": "running"}),
    row(14, "another default user ends it, so it needs consent", found("running", native={"default_user": "root"}),
        ask(native={"default_user": "me"}), refused=("refused", "allow_restart")),
    row(14, "another default user", found(native={"default_user": "root"}), ask(native={"default_user": "me"}),
        "configure",
        costs={"native.default_user": POWER_OFF}),
    Elsewhere(14, "driver", "whether the user exists, and the uid from the registry"),
    row(15, "from version 1 to 2", found(native={"version": 1}), ask(native={"version": 2}), "configure",
        costs={"native.version": POWER_OFF}),
    row(15, "version 2 already", found(native={"version": 2}), ask(native={"version": 2})),
    row(16, "systemd, in one that runs: started again", found("running", native={"systemd": False}),
        ask(native={"systemd": True}, allow_restart=True), "kill | configure start",
        costs={"native.systemd": NEXT_BOOT},
        after={"state": "running"}),
    row(16, "systemd, in one that does not: not started", found(native={"systemd": False}),
        ask(native={"systemd": True}, allow_restart=True), "configure", costs={"native.systemd": NEXT_BOOT},
        after={"state": "stopped"}),
    row(16, "without consent it waits for the next start", found("running", native={"systemd": False}),
        ask(native={"systemd": True}), "configure", costs={"native.systemd": NEXT_BOOT},
        restart_required=["native.systemd"]),
    Elsewhere(17, "role", "an export is no state of a machine"),
    row(18, "moved only while it is off: needs consent", found("running", native={"location": "C:\\a"}),
        ask(native={"location": "D:\\a"}), refused=("refused", "allow_restart")),
    row(18, "moved with consent", found("running", native={"location": "C:\\a"}),
        ask(native={"location": "D:\\a"}, allow_restart=True), "kill | configure start",
        costs={"native.location": POWER_OFF}),
    row(18, "its disk grows while it is off", found(disks={"disk0": {"size": 8 * G}}), ask(disks=[{"size": "16G"}]),
        "configure", costs={"disks.disk0.size": POWER_OFF}),
    row(18, "memory is none of its own", found(), ask(memory="4G"), refused=("unsupported", ".wslconfig")),
    Elsewhere(19, "tool", "nothing is read from localised text"),
    Elsewhere(20, "tool", "failures of the service have their own kinds"),
]  # fmt: skip
