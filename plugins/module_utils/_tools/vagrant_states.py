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


def _states(temporary=False, **names):
    """Return {state of a provider: State} of {power: names of these states}."""
    return {name: State(power, temporary) for power, known in names.items() for name in known.split()}


_COMMON = {**_states(absent="not_created", running="running", paused="paused"), **_states(True, unknown="preparing")}
#: {provider: {its state: State}}. Of libvirt, "inaccessible" is a VM that runs, but without an address yet.
_BY_PROVIDER = {
    "libvirt": {
        **_states(running="inaccessible blocked nostate", stopped="shutoff", failed="crashed", paused="pmsuspended"),
        **_states(True, running="shutting_down"),
    },
    "virtualbox": {
        **_states(stopped="poweroff aborted", suspended="saved aborted_saved", failed="gurumeditation stuck"),
        **_states(unknown="inaccessible"),
        **_states(
            True,
            running="starting restoring stopping saving livesnapshotting onlinesnapshotting deletingsnapshotlive",
            paused="deletingsnapshotlivepaused",
            stopped="snapshotting restoringsnapshot deletingsnapshot settingup",
        ),
    },
    "hyperv": {
        **_states(stopped="off", suspended="saved"),
        **_states(True, running="starting resuming stopping saving pausing reset"),
    },
    "vmware_desktop": _states(stopped="not_running", suspended="suspended"),
    "proxmox": _states(stopped="stopped"),
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
