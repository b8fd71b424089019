# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM states of Vagrant's providers as power states of this collection, and Vagrant's index. Text in, values out."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from .._core import errors


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


HOME = "~/.vagrant.d"
_FILE = os.path.join("data", "machine-index", "index")


class Entry(NamedTuple):
    """``file`` is the name of the Vagrantfile in ``folder``; None if it has the default name."""

    name: str
    folder: str
    file: str | None


def read_index(files, home):
    """{Vagrant's id: Entry} of all VMs; empty if the index does not exist or cannot be read."""
    try:
        machines = json.loads(files.read(os.path.join(home, _FILE)))["machines"]
        return {index_id: _entry(machine) for index_id, machine in machines.items()}
    except (errors.PolyvirtError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(machine):
    names = machine.get("vagrantfile_name")
    file = (names[0] if names else None) if isinstance(names, list) else names
    return Entry(str(machine.get("name")), str(machine.get("vagrantfile_path")), file)


def vm_mistaken_for(index, name, own_id):
    """The Entry of another VM, if its id begins with ``name``, so that Vagrant would act on it; None if there is none.

    ``own_id`` is the id of the meant VM, None if it has none.
    """
    return next((entry for index_id, entry in index.items() if index_id.startswith(name) and index_id != own_id), None)
