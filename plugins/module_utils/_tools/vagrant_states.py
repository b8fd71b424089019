# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words by which Vagrant's providers tell a machine's state, in this collection's words.

A state that a machine passes through by itself has a word for where it goes through, too: ``State.passing``.
"""

from __future__ import annotations

from typing import NamedTuple


class State(NamedTuple):
    """``power`` is a word of the power table, or ``absent`` or ``unknown``."""

    power: str
    passing: bool = False


_COMMON = {
    "not_created": State("absent"),
    "preparing": State("unknown", passing=True),
    "running": State("running"),
    "paused": State("paused"),
}
_OF = {
    "libvirt": {
        # Running, and without an address yet.
        "inaccessible": State("running"),
        "blocked": State("running"),
        "nostate": State("running"),
        "shutoff": State("stopped"),
        "shutting_down": State("running", passing=True),
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
        "starting": State("running", passing=True),
        "restoring": State("running", passing=True),
        "stopping": State("running", passing=True),
        "saving": State("running", passing=True),
        "livesnapshotting": State("running", passing=True),
        "onlinesnapshotting": State("running", passing=True),
        "deletingsnapshotlive": State("running", passing=True),
        "deletingsnapshotlivepaused": State("paused", passing=True),
        "snapshotting": State("stopped", passing=True),
        "restoringsnapshot": State("stopped", passing=True),
        "deletingsnapshot": State("stopped", passing=True),
        "settingup": State("stopped", passing=True),
        "inaccessible": State("unknown"),
    },
    "hyperv": {
        "off": State("stopped"),
        "saved": State("suspended"),
        "starting": State("running", passing=True),
        "resuming": State("running", passing=True),
        "stopping": State("running", passing=True),
        "saving": State("running", passing=True),
        "pausing": State("running", passing=True),
        "reset": State("running", passing=True),
    },
    "vmware_desktop": {"not_running": State("stopped"), "suspended": State("suspended")},
    "proxmox": {"stopped": State("stopped")},
}


def state(provider, word):
    """The State that a provider's word means. A word that nobody knows is ``unknown``, and nothing is done then."""
    plain = word.replace("-", "_")
    return _OF.get(provider, {}).get(plain) or _COMMON.get(plain) or State("unknown")
