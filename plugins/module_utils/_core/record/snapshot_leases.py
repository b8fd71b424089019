# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the expiry of a snapshot is stored: at the end of its description, on platforms that store one with each
snapshot; else in the record of its VM.

It is text without quotes and line ends, because some tools escape neither. It names its VM: in a copy of the VM with
its snapshots, it has no meaning.
"""

from __future__ import annotations

import re

from .leases import NEVER_EXPIRES, is_stored_expiry, iso, read

_LEASE = re.compile(r" ?\[polyvirt: expires (?P<at>\S+) \((?P<text>\S+)\), VM (?P<id>[^]\s]+)\]\s*\Z")


def described(description, expires, vm_id):
    """Return the text to store for a snapshot of this VM: its description and its expiry."""
    if not expires:
        return description
    return f"{description}{' ' if description else ''}[polyvirt: expires {iso(expires.at)} ({expires}), VM {vm_id}]"


def in_text(text, vm_id):
    """Return ``{"description": ..., "expires": ...}`` as in a stored text."""
    found = _LEASE.search(text or "")
    expires = read_stored({"text": found["text"], "at": found["at"]}) if found else NEVER_EXPIRES
    if not expires or found["id"] != vm_id:
        return {"description": text or "", "expires": NEVER_EXPIRES}
    return {"description": text[: found.start()], "expires": expires}


def without(recorded, keys):
    """Return what is recorded of snapshots, without these."""
    return {key: value for key, value in recorded.items() if key not in keys}


def with_expiry(recorded, key, value):
    """Return the expiries of snapshots with that of one: replaced, or removed if ``value`` is None."""
    return {**without(recorded, [key]), **({} if value is None else {key: value})}


def read_stored(value):
    """Return the Expiry in a stored value, which a user may have edited; an empty one if it is not valid."""
    return read(value) if is_stored_expiry(value) else NEVER_EXPIRES
