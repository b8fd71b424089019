# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a plan needs on its host. Pure; ``file_checks.py`` compares them with the facts of a driver (FileFacts).

A plan reads images, attaches disks and ISO images, enlarges disks, and creates files that must not exist yet.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Optional

from ..frozen import Frozen, field
from ..model import SUSPENDED, Plan
from ..planner.contents import contents_of
from ..planner.drives import inserted_image, media_of
from ..planner.planned_steps import Planned, added_disks
from ..verbs import DELETING
from .claims import MERGE, NEW, SNAPSHOT, SNAPSHOTS, HoldsClaims

#: Purposes of files: an image to create a disk from, a disk of a clone's source, a disk to attach, an ISO image, a file
#: that is only read, a directory to share, a disk that is enlarged, and a new file (NEW).
IMAGE, COPIED, DISK, ISO, READ, SHARE, GROWN = "image", "copied", "disk", "iso", "read", "share", "grown"
#: Kinds of files.
FILE, FOLDER, DEVICE = "file", "directory", "block device"
_VERBS = ("create", "clone", "configure", "create_from_backup", "restore_backup")


class Needed(Frozen):
    """A file that a step needs, or creates (NEW).

    ``option`` is the option as the user wrote it. ``slot`` is that of the disk that the file is, or that gets its
    content, and ``disk`` its entry in the task. ``linked``: the disk will be linked to this file. ``more``: bytes by
    which a disk grows. ``content``: what a new file is created from, if it is not empty. ``details`` is for the driver.
    """

    purpose: str
    option: str
    path: str
    slot: str = ""
    disk: Mapping = field(default_factory=dict)
    linked: bool = False
    more: int = 0
    content: Optional[Needed] = None
    details: Any = None

    @property
    def fetched(self):
        """What is known of an image that the plan downloads first (``Fetch``), or None."""
        return self.details.get("fetch") if self.purpose == IMAGE and self.details else None


class Image(Frozen):
    """What a driver finds in a disk image. ``format`` is empty if it is none; ``size`` None if it cannot be read.

    ``fault`` is what is wrong with it, as the end of a sentence, and ``remedy`` what to do then.
    """

    format: str = ""
    size: Optional[int] = None
    fault: str = ""
    remedy: str = ""


class FileFacts:
    """What a platform can do with files, as data, and what a driver finds out about those that a plan needs.

    ``formats``: {purpose: formats of images}; ``converts_to``: the format to which others can be converted.
    ``linked_from``: formats to which a disk can be linked, ``linked_format``: the format of a linked disk (None: any).
    ``first``: the slot of the disk that is created from an image (None: the first of the task's disks).
    ``by_platform``: options of new files that the platform itself creates, whatever permissions the task has.
    ``folder_option``: the option that sets the directory of new files; ``own_folder``: options of those elsewhere.
    ``iso_of_clone``: a clone gets the ISO image of its source by a separate call. ``reads``: options of other files.
    ``removes_leftovers``: files that an interrupted task has left are created again, so their content does not count.
    The other data are ends of sentences, and remedies; ``new_remedies``: {option: remedy if its new file exists}.
    """

    platform = ""
    where = "on the host"
    formats: Mapping = {}
    converts_to = ""
    linked_from: Optional[Sequence] = None
    linked_format: Optional[str] = None
    first: Optional[str] = None
    devices = False
    by_platform: Sequence = ()
    folder_option = ""
    own_folder: Sequence = ()
    iso_of_clone = removes_leftovers = False
    reads: Sequence = ()
    read_remedy = "Run the task with become, or make it readable."
    write_remedy = "Run the task with become, or use another directory."
    space_remedy = "use another directory"
    in_use_remedy = "Close {path} in that program first; a shared directory can be in use on another host, too"
    new_remedies: Mapping = {}

    def __init__(self, claims: HoldsClaims, plan: Plan):
        self.claims, self.plan, self.name = claims, plan, plan.after.name

    def remedy_if_missing(self, path: str) -> Optional[str]:
        """Return the remedy for a path that does not exist; None: the usual one."""
        return None

    def identity(self, path: str) -> Hashable:
        return self.claims.file_identity(path)

    def normalized(self, option: str, path: str) -> str:
        """Return the path that an option names, in the platform's form; empty if it names no file."""
        return path

    def kind(self, path: str) -> str:
        """Return FILE, FOLDER or DEVICE; empty if nothing exists there."""
        raise NotImplementedError

    def may_read(self, path: str) -> bool:
        return True

    def may_write(self, folder: str) -> bool:
        return True

    def is_read_only(self, path: str) -> bool:
        """Return whether the file system of a file is read-only: platforms may not report that they cannot write."""
        return False

    def in_use(self, path: str) -> bool:
        """Return whether another program has locked a file, such as a VM of another host that runs with it.

        False also if that cannot be asked, and for files of a VM of this connection that runs now: the driver asks for
        these after its stop, as for all others directly before the step (``check_free``).
        """
        return False

    def is_written(self, item: Needed) -> bool:
        """Return whether another program has a file open for writing, so that it cannot be copied. As ``in_use``."""
        return False

    def is_iso(self, path: str) -> bool:
        return True

    def folder(self, item: Needed) -> str:
        """Return the directory that must exist before a new file is created."""
        raise NotImplementedError

    def place_fault(self, folder: str) -> tuple:
        """Return (why no new disk may be in a directory, remedy), or nothing."""
        return ()

    def is_in_memory(self, folder: str) -> bool:
        """Return whether the files in a directory are lost when the host restarts."""
        return False

    def creates_folder(self, folder: str) -> bool:
        """Return whether the driver creates this directory if it is missing."""
        return False

    def is_leftover(self, item: Needed) -> bool:
        """Return whether an existing file at the path of a new one can be used, such as that of an interrupted task."""
        return False

    def new_files(self, one: Planned) -> Sequence[tuple]:
        """Return (option, path) of the files that a step creates."""
        return [file for mode, *file in self.claims.step_files(self.plan, one.step) if mode == NEW]

    def more(self, one: Planned) -> Sequence[Needed]:
        """Return further files that a step needs."""
        return ()

    def copied(self, one: Planned) -> Sequence[Needed]:
        """Return the files of a clone's source; none if the same task creates the source first."""
        return ()

    def attached(self) -> Sequence[tuple]:
        """Return (option, path, end of the remedy) of the files that the VM needs for its start."""
        return ()

    def image(self, item: Needed) -> Optional[Image]:
        """Return what is in an image; None: it is not checked."""
        return None

    def no_growth(self, item: Needed) -> tuple:
        """Return (why a disk cannot get larger than it or its image is, remedy), or nothing."""
        return ()

    def largest(self, slot: str, disk: Mapping) -> tuple:
        """Return (most bytes of a new or present disk, why not more), or nothing if no limit is known."""
        return ()

    def bytes_of(self, item: Needed) -> int:
        """Return the bytes that a new file (NEW), a copy of a file (COPIED) or the growth of a disk (GROWN) needs."""
        return 0

    def freed(self) -> int:
        """Return the bytes of files that the plan deletes before."""
        return 0

    def place(self, folder: str) -> str:
        """Return what has the free space: a directory or a drive."""
        return folder

    def free(self, folder: str) -> Optional[int]:
        """Return the free bytes; None: unknown."""
        return None


def needed_files(one: Planned, host: FileFacts) -> Sequence[Needed]:
    """Return the files that a planned step needs, in the order of their checks; those that it creates are last."""
    if one.step.verb not in _VERBS:
        return []
    contents = _contents(one, host)
    added = added_disks(one.step)
    attached = [
        Needed(DISK, f"disks.{slot}.source", disk["source"], slot, disk)
        for slot, disk in added.items()
        if disk.get("source")
    ]
    sources = {item.slot: item for item in contents}
    new = [_new_file(option, path, added, sources) for option, path in host.new_files(one)]
    return [*contents, *attached, *_media(one, host), *_shares(one, host), *host.more(one), *_grown(one), *new]


def _new_file(option, path, added, sources):
    slot = option.removeprefix("disks.")
    return Needed(NEW, option, path, slot, added.get(slot) or {}, content=sources.get(slot))


def _contents(one, host):
    """Return the files from which new disks are created."""
    arguments = one.step.arguments
    if one.step.verb == "clone":
        return list(host.copied(one))
    disks = (arguments.get("config") or {}).get("disks") or {}
    found = contents_of(arguments.get("creation") or {}, host.first or min(disks, default=None))
    option = "appliance.source" if (arguments.get("creation") or {}).get("appliance") else "image.source"
    paths = {slot: host.normalized(option, image["source"]) for slot, image in found.items()}
    return [
        Needed(IMAGE, option, path, slot, disks.get(slot) or {}, bool(found[slot].get("linked")), details=found[slot])
        for slot, path in paths.items()
        if path
    ]


def _media(one, host):
    """Return the ISO image, and other files that only the platform reads."""
    if one.step.verb == "clone":
        return _images(one.step.arguments["config"]) if host.iso_of_clone else []
    read = [change for change in one.changes if change.kind in host.reads and change.new]
    others = [Needed(READ, change.kind, change.new) for change in read]
    if one.step.verb == "create":
        return [*_images(one.step.arguments["config"]), *others]
    images = [(change.path, inserted_image(change)) for change in one.changes]
    return [*(Needed(ISO, option, path) for option, path in images if path), *others]


def _images(config):
    return [Needed(ISO, option, path) for option, path in media_of(config) if path]


def _shares(one, host):
    for change in one.changes:
        path = change.new if change.kind == "shared_folders.host_path" else None
        path = change.new.get("host_path") if change.kind == "shared_folders.add" else path
        option = f"shared_folders.{change.key}.host_path"
        if path:
            yield Needed(SHARE, option, host.normalized(option, path))


def _grown(one):
    """Yield the disks that are enlarged; one that the same plan creates has no path yet."""
    for change in one.changes:
        if change.kind == "disks.size":
            disk = (one.vm.config.get("disks") or {}).get(change.key) or {}
            more = change.new - (change.old or 0)
            yield Needed(GROWN, change.path, disk.get("source") or "", change.key, disk, more=more)


#: What a step does to a file for which its lock is asked: the end of "so it cannot be ...".
DELETED, REPLACED, ATTACHED, ENLARGED, CHANGED = "deleted", "replaced", "attached", "enlarged", "changed"
#: What verbs do to the files that they delete.
_DONE = {"delete": DELETED, "drop_backup": "removed"}


def changed_files(one: Planned, items: Sequence[Needed], host: FileFacts) -> Sequence[tuple]:
    """Return (option, path, what is done) of existing files that a step deletes, writes to, or attaches for writing.

    ``items`` are the ``needed_files`` of the step. A VM that is on writes to its own disks: the platform itself
    enlarges and merges these. Nothing has those of a suspended VM open.
    """
    verb, vm = one.step.verb, one.vm
    deleted = one.step.arguments.get("files", ()) if verb in DELETING else ()
    found = [("", path, _DONE.get(verb, REPLACED)) for path in deleted]
    for item in items:
        if item.purpose == DISK:
            found.append((item.option, item.path, ATTACHED))
        elif item.purpose == GROWN and item.path and not _is_running_with(vm, item.slot):
            found.append((item.option, item.path, ENLARGED))
    if vm.on and vm.power != SUSPENDED:
        return found
    if verb == "restore":
        disks = (vm.config.get("disks") or {}).values()
        found += [(SNAPSHOTS, disk["source"], CHANGED) for disk in disks if disk.get("source")]
    files = host.claims.step_files(host.plan, one.step) if verb in ("snapshot", "drop_snapshot") else ()
    return [*found, *((option, path, CHANGED) for mode, option, path in files if mode in (MERGE, SNAPSHOT))]


def _is_running_with(vm, slot):
    """A disk that is attached at the next start is not one of the running VM."""
    return vm.on and (vm.active is None or slot in (vm.active.get("disks") or {}))


def copied_files(one: Planned, items: Sequence[Needed]) -> Sequence[Needed]:
    """Return the existing files that a step copies, or links a disk to. A VM that is on backs up its own disks."""
    vm, step = one.vm, one.step
    if step.verb != "backup" or (vm.on and vm.power != SUSPENDED):
        return [item for item in items if item.purpose in (IMAGE, COPIED)]
    disks = (vm.config.get("disks") or {}).items()
    included = [(slot, disk) for slot, disk in disks if slot not in step.arguments["made"].excluded]
    return [Needed(COPIED, "", disk["source"], slot) for slot, disk in included if disk.get("source")]
