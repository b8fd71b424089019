# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a VM or a snapshot: who owns it, and when it expires. Pure: the time is that of the controller, passed
by its action plugin, because a host with a wrong clock must not make a VM expire.

Times are seconds since 1970 in UTC.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ..errors import InvalidInput, Refused
from ..pattern import Pattern

#: The key of a mark with the time when the VM was created; no task can set it.
CREATED = "created"
#: Seconds by which two clocks may differ.
CLOCK_TOLERANCE = 300
#: The settings of a lease; a VM that is copied, or restored, does not take those of its source.
LEASE = ("owner", "expires")
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = Pattern(r"(?:\d+[mhdw])+", re.ASCII)
_PART = Pattern(r"(\d+)([mhdw])")
_DATE = Pattern(r"\d{4}-\d{2}-\d{2}")
_TIME = Pattern(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)? ?([Zz]|[+-]\d{2}:?\d{2}))?", re.ASCII
)
_DAY = 86400
#: In UTC, as all times here. The year 10000 has five digits.
_EPOCH, _END = datetime(1970, 1, 1), (datetime.max - datetime(1970, 1, 1)).total_seconds()
#: Hours between UTC and the zone that is farthest from it.
_FARTHEST_ZONE = 14
_REMEDY = (
    "Set a duration such as 8h or 14d, a date such as 2027-01-31, or a time with its zone such as"
    " 2027-01-31T18:00:00+01:00."
)
#: A VM that is not deleted within a century is not temporary; beyond it, some systems cannot store the time.
_LONGEST = 36525 * 86400


class Expiry(str):
    """When a VM expires: the text of the task, such as ``8h``, and the time ``at`` that followed from it.

    ``at`` is None until the time of the controller is known. ``is_stored``: it was read from a VM.
    """

    at = None
    is_stored = False

    def __new__(cls, text, at=None, is_stored=False):
        expiry = super().__new__(cls, text)
        expiry.at, expiry.is_stored = at, is_stored
        return expiry

    def __eq__(self, other):
        return isinstance(other, str) and str(self) == str(other) and self.at == getattr(other, "at", None)

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__

    @property
    def shown(self):
        """The text for diffs: that of a task if it depends on the time of the run, else the time."""
        return str(self) if self.at is None or not (self.is_stored or _is_absolute(self)) else iso(self.at)


#: A VM without an expiry.
NEVER_EXPIRES = Expiry("")


def expiry(text, option):
    """Return the Expiry that a task sets; an empty one removes it. Raises InvalidInput."""
    text = text.strip()
    if not text or _DURATION.fullmatch(text):
        return _checked_duration(text, option) if text else NEVER_EXPIRES
    at = _time_of(text)
    if at is None:
        raise InvalidInput(f"{option}: '{text}' is not a duration, a date or a time with a zone.", _REMEDY)
    # YAML, JSON and the shell write one time in several ways.
    return Expiry(text if _DATE.fullmatch(text) else iso(at), at)


def _checked_duration(text, option):
    if _seconds(text) > _LONGEST:
        raise InvalidInput(f"{option}: '{text}' is out of range.", "Set a duration up to 36525d; 0m is now.")
    return Expiry(text)


def _is_absolute(text):
    return _DURATION.fullmatch(text) is None


def _seconds(duration):
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def _time_of(text):
    """Return the time of a date (its end in UTC) or of a text in ISO 8601 with a zone; None if it is neither."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    offset = _offset(found[7] or "Z")
    try:
        begin = datetime(*(int(part or 0) for part in found.group(1, 2, 3, 4, 5, 6)))
    except ValueError:
        return None
    if offset is None:
        return None
    at = int((begin - _EPOCH).total_seconds()) + (_DAY if found[4] is None else -offset)
    # Others could not be read again.
    return at if 0 <= at < _END else None


def _offset(zone):
    """Return the seconds by which the clocks of a zone are ahead of UTC; None if no zone has this offset."""
    if zone in ("Z", "z"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > _FARTHEST_ZONE or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def iso(at):
    """Return a time such as 2027-01-31T17:00:00Z; None if it is None."""
    return None if at is None else f"{(_EPOCH + timedelta(seconds=int(at))).isoformat()}Z"


def beginning(config, now):
    """Return the settings that a task sets, with the time of an expiry that is a duration from ``now``."""
    asked = config.get("expires")
    if not asked or asked.at is not None:
        return config
    if now is None:
        raise InvalidInput("expires: the time of the controller is not known.", "Set a date.")
    return {**config, "expires": Expiry(asked, now + _seconds(asked))}


def with_lease_of(vm, request):
    """Return the settings of a request with the expiry of the VM if the task sets the same.

    The same text never moves an expiry, unless the task extends it. Raises Refused if a new one has passed.
    """
    found, asked = vm.config.get("expires"), request.config.get("expires")
    if asked is None:
        return request.config
    check_not_past(request.label, found, asked, request.policy.controller_time)
    return {**request.config, "expires": unmoved(found, asked, request.policy.extend)}


def check_not_past(label, found, asked, now):
    """Raise Refused if a task sets a new expiry that has passed already: the next task that ends leases would delete
    the VM, and a date of last year is more likely a mistake. ``0m`` is intended.
    """
    is_new = bool(asked) and unmoved(found, asked, extend=False) is asked
    if is_new and now is not None and _is_absolute(asked) and asked.at <= now:
        raise Refused(
            f"{label}: expires: '{asked}' has passed: for the controller it is {iso(now)} now.",
            "Remove it, or set a new date. To let it expire now, set 0m.",
        )


def unmoved(found, asked, extend):
    """Return the expiry that a task asks for: the one that was ``found`` if it is the same, unless it is extended."""
    if not found or extend:
        return asked
    is_same = str(found) == str(asked) or (asked and _is_absolute(asked) and found.at == asked.at)
    return found if is_same else asked


def leased(config, other):
    """Return the settings of a snapshot with the lease of ``other``, the VM before its restore."""
    return {**config, **{name: other[name] for name in LEASE if name in other}}


def seconds(text, option):
    """Return the seconds of a duration that a task sets. Raises InvalidInput."""
    if not _DURATION.fullmatch(text.strip()) or _seconds(text) > _LONGEST:
        raise InvalidInput(f"{option}: '{text}' is not a duration.", "Set one such as 0m, 2h or 7d.")
    return _seconds(text)


def must_be_kept(vm, policy):
    """Return whether a task that only ends leases leaves a VM alone: it has not expired for long enough, or it is not
    known whose VM it is. Raises Refused if a clock must be wrong.
    """
    return _must_be_kept("it", vm, vm.config.get("expires") if vm.is_proven else None, created_at(vm), policy)


def snapshot_must_be_kept(vm, snapshot, policy):
    """Return the same for a snapshot."""
    return _must_be_kept(f"snapshot '{snapshot.name}'", vm, snapshot.expires, snapshot.created, policy)


def _must_be_kept(what, vm, expires, created, policy):
    if policy.expired_for is None:
        return False
    now = policy.controller_time
    if now is None or not _has_passed(expires, now - policy.expired_for):
        return True
    if created is not None and created > now + CLOCK_TOLERANCE:
        raise Refused(
            f"{vm.name}: {what} was created at {iso(created)}, and for the controller it is {iso(now)} now.",
            "If the clock of the controller is wrong, correct it. If it was wrong at the creation, delete it without"
            " expired_for, or set expires again.",
        )
    return False


def created_at(vm):
    """Return when a VM was created; None if that is not known."""
    return read_time(vm.mark.get(CREATED)) if vm.owned else None


def timed_by(request, plan):
    """Return the option by which a plan depends on the clock of the controller: it ends what is old, or begins a lease
    now; empty if none does.
    """
    if not plan.changed or request.policy.expired_for is not None:
        return "expired_for" if plan.changed else ""
    deletes = any(step.verb == "drop_backup" for step in plan.steps)
    if deletes and request.backup.keep.within is not None:
        return "keep_within"
    expiries = [plan.after.config.get("expires"), *(step.arguments.get("expires") for step in plan.steps)]
    durations = [one for one in expiries if one and not _is_absolute(one) and not getattr(one, "is_stored", True)]
    return "expires" if durations else ""


#: {option: how to do without the same time on both}
_WITHOUT_CLOCKS = {"expires": ", or set expires to a time such as 2027-01-31T18:00:00Z"}


def check_clocks(option, host, controller):
    """Raise Refused if the time of a host differs too much from that of the controller, which an option uses."""
    if abs(host - controller) > CLOCK_TOLERANCE:
        raise Refused(
            f"{option}: the clock of the host shows {iso(host)}, and that of the controller {iso(controller)}.",
            f"Correct the wrong one{_WITHOUT_CLOCKS.get(option, '')}. Nothing was changed.",
        )


def stored(value):
    """Return an Expiry as it is in a mark."""
    return {"text": str(value), "at": iso(value.at)}


def is_stored_expiry(value):
    """Return whether a part of a mark, which a user may have edited, is an expiry."""
    return isinstance(value, dict) and isinstance(value.get("text"), str) and _time_of(str(value.get("at"))) is not None


def read(value):
    """Return the Expiry in a mark; an empty one if there is none."""
    return Expiry(value["text"], _time_of(value["at"]), is_stored=True) if value else NEVER_EXPIRES


def read_time(text):
    """Return the time of a text in a mark, such as when the VM was created; None if there is none."""
    return _time_of(text) if isinstance(text, str) else None


def is_expired(vm, now):
    """Return whether a VM with a mark of its own has expired."""
    return bool(vm.owned and now is not None and _has_passed(vm.config.get("expires"), now))


def _has_passed(expires, now):
    return bool(expires and expires.at is not None and expires.at <= now)


_LEASE = Pattern(r" ?\[polyvirt: expires (?P<at>\S+) \((?P<text>\S+)\), VM (?P<id>[^]\s]+)\]\s*\Z")


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
