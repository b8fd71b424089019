# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM states of Vagrant's providers as power states of this collection. Pure: text in, values out."""

from __future__ import annotations

from typing import NamedTuple


class State(NamedTuple):
    """``power`` is a power state of the power table, or ``absent`` or ``unknown``.

    ``temporary``: an operation is in progress, after which the VM has another state; ``power`` is used in the meantime.
    """

    power: str
    temporary: bool = False


_COMMON = {
    "not_created": State("absent"),
    "preparing": State("unknown", temporary=True),
    "running": State("running"),
    "paused": State("paused"),
}
#: {provider: {its state: State}}
_BY_PROVIDER = {
    "libvirt": {
        # Running, but without an address yet.
        "inaccessible": State("running"),
        "blocked": State("running"),
        "nostate": State("running"),
        "shutoff": State("stopped"),
        "shutting_down": State("running", temporary=True),
        "crashed": State("failed"),
        "pmsuspended": State("paused"),
    },
    "virtualbox": {
        "poweroff": State("stopped"),
        "saved": State("suspended"),
        "aborted": State("stopped"),
        "aborted_saved": State("suspended"),
        "gurumeditation": State("failed"),
        "stuck": State("failed"),
        "starting": State("running", temporary=True),
        "restoring": State("running", temporary=True),
        "stopping": State("running", temporary=True),
        "saving": State("running", temporary=True),
        "livesnapshotting": State("running", temporary=True),
        "onlinesnapshotting": State("running", temporary=True),
        "deletingsnapshotlive": State("running", temporary=True),
        "deletingsnapshotlivepaused": State("paused", temporary=True),
        "snapshotting": State("stopped", temporary=True),
        "restoringsnapshot": State("stopped", temporary=True),
        "deletingsnapshot": State("stopped", temporary=True),
        "settingup": State("stopped", temporary=True),
        "inaccessible": State("unknown"),
    },
    "hyperv": {
        "off": State("stopped"),
        "saved": State("suspended"),
        "starting": State("running", temporary=True),
        "resuming": State("running", temporary=True),
        "stopping": State("running", temporary=True),
        "saving": State("running", temporary=True),
        "pausing": State("running", temporary=True),
        "reset": State("running", temporary=True),
    },
    "vmware_desktop": {"not_running": State("stopped"), "suspended": State("suspended")},
    "proxmox": {"stopped": State("stopped")},
}


def state(provider, provider_state):
    """The State for a provider's own state. Other states are ``unknown``; VMs in them are not changed."""
    name = provider_state.replace("-", "_")
    return _BY_PROVIDER.get(provider, {}).get(name) or _COMMON.get(name) or State("unknown")
