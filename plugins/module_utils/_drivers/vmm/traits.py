# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: what it supports, as data: settings and the cost of changing them, limits, alternatives."""

from __future__ import annotations

import re
from functools import partial

from ..._core.model import LIVE, NEVER, PAUSED, RUNNING, STOPPED, UNKNOWN, Field, Traits
from ..._core.pattern import Pattern
from ..._core.record.mark import IN_MARK
from ..._core.units import GIB
from ..._kit.settings import defaults, normalized, supported
from ..._tools.vmctl import Busy, NotNow
from .definition import LOCAL, slot_name
from .options import VMM
from .settings.table import SETTINGS, config_inherited

#: vmd's limits, from vmd.h.
_LONGEST_NAME, MOST_DISKS, MOST_NICS = 63, 4, 4
_NAME = Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_CREATION = {
    "image": Field(),
    "image.slot": Field(choices=(), instead=VMM.lacks["image.slot"]),
    "clone": Field(
        cost=lambda source, _change: LIVE if source.power == STOPPED else NEVER,
        instead="Stop it first: its disks change while it runs.",
    ),
    "cloud_init": Field(),
    "cloud_init.state": Field(choices=()),
    "instance_of": Field(),
}
_VERBS = frozenset({"create", "clone", "configure", "start", "stop", "kill", "pause", "resume", "delete", "fetch"})


def vmm_traits(reader):
    """Return the Traits of the vmd that ``reader`` reads."""

    def side_effects(verb, vm, changes=()):
        if verb == "stop" and not reader.options.get("guest_shutdown"):
            return (
                "a guest without the driver vmmci(4), such as most Linux systems, is powered off without a shutdown",
            )
        is_stored_only = verb == "configure" and (vm.on or all(change.kind in UNREAD for change in changes))
        if verb not in READ_AGAIN or is_stored_only or reader.found is None:
            return ()
        others = reader.found.others_started({vm.name})
        return tuple(f"{name}: vmd starts it when it reads vm.conf again; it is stopped immediately" for name in others)

    def inherited(creation):
        template = reader.found.definition(creation["instance_of"]) if creation.get("instance_of") else None
        return config_inherited(template) if template else {}

    return Traits(
        platform=VMM.name,
        powers=frozenset({STOPPED, RUNNING, PAUSED}),
        verbs=_VERBS,
        fields={**supported(SETTINGS), **_CREATION},
        defaults={**defaults(SETTINGS), "disk_size": 20 * GIB, "networks": {"0": {"type": LOCAL}}},
        instead={
            **VMM.lacks,
            "suspended": VMM.lacks["state=suspended"],
            "snapshot": "vmd has no snapshots. Stop the VM, and clone it.",
            UNKNOWN: "Check the VM with vmctl status and the log /var/log/daemon.",
        },
        slot=slot_name,
        name_fault=_name_fault,
        linked_format="qcow2",
        cloned_with=frozenset({"memory", "autostart", "iso", "boot", "boot_device", "vmd_owner", "native"}),
        # All VMs share vm.conf.
        lanes_at_once=1,
        transient=lambda error: isinstance(error, (Busy, NotNow)),
        side_effects=side_effects,
        # The guest has 3 s to acknowledge and 120 s to finish; then vmd powers it off.
        stop_timeout=130,
        inherited=inherited,
        normalize=partial(normalized, SETTINGS),
        moving="Stop the VM, copy its disks to the other host, and describe it there with disks[].source.",
        console="vmd keeps no log. On the host, vmctl console <name> connects to the console of the running VM; leave"
        " it with ~. at the beginning of a line.",
    )


def _name_fault(name):
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return f"vmd allows at most {_LONGEST_NAME} bytes"
    if not _NAME.fullmatch(name):
        return "vmd allows letters, digits, dots, hyphens and underscores, and a letter or digit first"
    return "vmctl would read a number as the number of a VM" if name.isdigit() else None


#: Verbs after which vmd has to read vm.conf again, and settings that can change without that.
READ_AGAIN = ("create", "clone", "configure", "delete")
UNREAD = ("description", *IN_MARK, "autostart")
