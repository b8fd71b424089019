# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this thread may destroy: the ports and tools refuse everything else. Without a grant, that is nothing.

The engine grants what the plans of a batch lose: check mode has listed it, and it was compared with what all VMs hold.
A store grants itself what its own record lists. What this process has created needs no grant.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import contextmanager

from .._core.errors import Refused
from .._core.frozen import replace
from .._core.verbs import Permit

#: The permit of tests that are about something else; no task has it.
ANYTHING = object()
_thread = threading.local()
#: {path without links in its directory: identity} of the files that this process has created.
_created = {}
#: What has a name but is no regular file. Such a thing is never removed, nor another file put in its place.
_KINDS = {
    stat.S_IFLNK: "a link", stat.S_IFDIR: "a directory", stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket",
}  # fmt: skip


@contextmanager
def granted(*permits):
    """A context in which these Permits are all that may be destroyed; ANYTHING may be one of them."""
    before = _granted()
    _thread.permits = permits
    try:
        yield
    finally:
        _thread.permits = before


def also(paths=(), things=(), locked=()):
    """A context in which a store may destroy these, too: its own record lists the files, whatever is in them."""
    return granted(*_granted(), Permit([(path, None) for path in paths], frozenset(things), locked))


def _granted():
    return getattr(_thread, "permits", ())


def created(path, identity):
    """Called by the ports for a file that this process has created."""
    _created[_place(path)] = identity


def is_created(path, identity):
    """Return whether this process has created the file of this identity, or another program has for it."""
    return _created.get(_place(path), ...) == identity


def special_kind(path):
    """Return what is at a path, such as "a link"; empty for a regular file, and if there is nothing to be seen."""
    try:
        return _KINDS.get(stat.S_IFMT(os.lstat(path).st_mode), "")
    except OSError:
        return ""


def with_kinds(vm_files):
    """Return Files with what is at their paths. The state of a TPM is a directory."""
    return tuple(one if one.role == "tpm" else replace(one, special=special_kind(one.path)) for one in vm_files)


def check_here(path, identity, verb):
    """Raise Refused unless this file of this host may be lost; only a port removes directories."""
    kind = special_kind(path)
    if verb in ("delete", "replace") and kind not in ("", "a directory"):
        raise Refused(f"{path} is {kind}, and only regular files are removed.", "Remove it yourself, or move it.")
    check(path, identity, verb)


def check(path, identity, verb="delete"):
    """Raise Refused unless the file of this identity may be lost."""
    place = _place(path)
    if ANYTHING in _granted() or is_created(path, identity):
        return
    known = [found for permit in _granted() for one, found in permit.files if _place(one) == place]
    locked = [_place(one) for permit in _granted() for one in permit.locked]
    is_locked = any(place == one or place.startswith(f"{one}.") for one in locked)
    if not is_locked and not any(found in (None, identity) for found in known):
        raise Refused(
            f"{path}: a step was about to {verb} this file, which the plan of the task does not list.",
            "Nothing was done to it. Run the task again in check mode, and compare.",
        )


def check_thing(*thing):
    """Raise Refused unless a plan destroys ``thing``, such as ("snapshot", id of the VM, name), or the whole VM."""
    allowed = [one for permit in _granted() if permit is not ANYTHING for one in permit.things]
    is_listed = any(thing[: len(one)] == one for one in allowed) or ("vm", *thing[1:2]) in allowed
    if ANYTHING not in _granted() and not is_listed:
        raise Refused(
            f"A step was about to destroy the {' '.join(map(str, thing))}, which the plan of the task does not list.",
            "Nothing was done to it. Run the task again in check mode, and compare.",
        )


def check_command(command, harmless, loses=()):
    """Raise Refused for a command that destroys the thing ``loses`` if no plan lists that, or that no table has."""
    if command not in harmless:
        check_thing(*(loses or (command,)))


def check_named(about, path):
    """Raise Refused unless a stored definition may name the file: a plan names it, or this process has created it."""
    named = (one for permit in _granted() if permit is not ANYTHING for one in permit.named)
    if ANYTHING not in _granted() and _place(path) not in {*_created, *map(_place, named)}:
        raise Refused(
            f"{about}: a step was about to give it {path}, which the plan of the task does not list.",
            "Nothing was stored. Run the task again in check mode, and compare.",
        )


def _place(path):
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)
