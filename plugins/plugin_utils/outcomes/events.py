# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as lines of JSON. docs/events.schema.json describes them. Pure."""

from __future__ import annotations

import json

VERSION = 1
#: Keys of a record that are no part of an event: a VM's whole entry is long, and an event has what was changed.
_ONLY_IN_REPORTS = ("info",)
#: The longest event for syslog, in bytes; many receivers cut or drop longer messages.
_LONGEST, _LONGEST_MESSAGE = 8192, 1000


def event_from(record):
    """Return the event of a record (records.py), None if nothing has happened."""
    if record["event"] is None:
        return None
    kept = {name: value for name, value in record.items() if name not in _ONLY_IN_REPORTS}
    return {"version": VERSION, "progress": None, **kept}


def line_of(event):
    """Return the event as one line, without its end."""
    return json.dumps(event, sort_keys=True, separators=(",", ":"))


def short_line_of(event):
    """Return the event as a line that syslog accepts: a long one without its diff."""
    line = line_of(event)
    if len(line) <= _LONGEST:
        return line
    return line_of({**event, "diff": None, "message": event["message"][:_LONGEST_MESSAGE]})
