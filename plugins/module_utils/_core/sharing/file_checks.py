# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the files that a plan needs, before its first step. Pure; each refusal has one wording."""

from __future__ import annotations

from posixpath import dirname
from shlex import quote

from ..errors import NotFound, Refused
from ..planner.planned_steps import added_disks, deleted_files, planned
from ..units import human_size, rounded_down
from .claims import FILE as FILE_CLAIM
from .claims import NEW
from .needed_files import (
    COPIED,
    DELETED,
    DEVICE,
    DISK,
    FILE,
    FOLDER,
    GROWN,
    IMAGE,
    ISO,
    REPLACED,
    SHARE,
    FileFacts,
    Image,
    changed_files,
    copied_files,
    needed_files,
)

_RAW, _SECTOR = "raw", 512
_LINKED = "linked to"
#: A disk beyond this is compared with the free space.
_VAST, _TIMES = 4 * 1024**4, 10
_USUAL = "Correct the path, or copy the file to it."
_INSTEAD = {DELETED: ", or keep it (delete_disks: none)", REPLACED: ", or restore the backup as another VM (new_name)"}


def check_files(host, space, released=frozenset()):
    """Raise NotFound or Refused for the first file that prevents the plan of ``host`` (FileFacts). Returns warnings.

    ``space`` are the bytes that the VMs of the task share (ReservedSpace). ``released`` are the claims that earlier
    plans of the task let go of.
    """
    deleted = {host.identity(path) for path in deleted_files(host.plan)}
    deleted |= {identity[1] for kind, identity in released if kind == FILE_CLAIM}
    steps, warnings = [needed_files(one, host) for one in planned(host.plan)], []
    for items in steps:
        for item in items:
            if item.purpose == GROWN:
                _check_growth(host, item)
            elif item.fetched:
                _check_fetched(host, item)
            elif item.purpose != NEW:
                _check_file(host, item)
        new = [item for item in items if item.purpose == NEW]
        warnings += _check_folders(host, new)
        for item in new:
            _check_new(host, item, deleted)
    for one in planned(host.plan):
        _check_sizes(host, one)
    _check_space(host, space, [item for items in steps for item in items])
    _check_deleted(host)
    for one, items in zip(planned(host.plan), steps):
        _check_locks(host, changed_files(one, items, host), copied_files(one, items))
    if any(step.verb == "start" for step in host.plan.steps):
        _check_attached(host)
    return [*warnings, *(text for items in steps for item in items for text in _beyond(host, item))]


def _check_locks(host, changed, copied):
    _check_writable(host, changed)
    check_free(host.name, changed, host.in_use, host.in_use_remedy)
    for item in filter(host.is_written, copied):
        done = [(item.option, item.path, _LINKED if item.linked else COPIED)]
        check_free(host.name, done, lambda _path: True, host.in_use_remedy)


def _check_deleted(host):
    """Reject files in a directory that is not writable, before the VM is stopped."""
    for path in deleted_files(host.plan):
        if not host.may_write(dirname(path)) and host.kind(path):
            kept = "" if host.plan.before.backups else ", or keep the disks (delete_disks: none)"
            raise Refused(
                f"{host.name}: {path} cannot be deleted, because its directory is not writable.",
                f"Run the task as a user who may write there (become: true){kept}.",
            )


def _check_writable(host, changed):
    for option, path, done in changed:
        if host.is_read_only(path):
            label = f"{host.name}: {f'{option}: ' if option else ''}{path}"
            raise Refused(f"{label} is on a read-only file system, so it cannot be {done}.", "Mount it for writing.")


def check_free(name, changed, in_use, remedy=FileFacts.in_use_remedy):
    """Raise Refused if another program has locked a file that a step deletes, changes or attaches.

    ``changed`` are (option, path, what is done). Checked before the first step, and by the driver directly before the
    step, because a program may open a file at any time: a deleted file is lost to its guest without an error.
    """
    for option, path, done in changed:
        if in_use(path):
            also = _INSTEAD.get(done, "")
            raise Refused(
                f"{name}: {f'{option}: ' if option else ''}{path} is open in another program, so it cannot be {done}.",
                f"{remedy.format(path=quote(path))}{also}.",
            )


def _shown(host, item):
    return f"{host.name}: {item.option}: {item.path}"


# Files that must exist ------------------------------------------------------------------------------------------------


def _check_file(host, item):
    file, kind, is_source = _shown(host, item), host.kind(item.path), item.purpose == COPIED
    if not kind:
        of_directory = "Create it, or use another directory." if item.purpose == SHARE else _USUAL
        usual = "Restore the file." if is_source else of_directory
        raise missing(file, host.where, host.remedy_if_missing(item.path) or usual)
    if item.purpose == SHARE:
        if kind != FOLDER:
            raise Refused(f"{file} is not a directory.", "Use the path of a directory.")
        return
    if kind != FILE and not (kind == DEVICE and host.devices and item.purpose == DISK):
        wanted = f"file or a {DEVICE}" if host.devices and item.purpose == DISK else "file"
        raise Refused(f"{file} is not a {wanted}.", f"Use the path of a {wanted}.")
    if not host.may_read(item.path):
        raise Refused(f"{file} is not readable.", host.read_remedy)
    if item.purpose == ISO and not host.is_iso(item.path):
        raise Refused(f"{file} is not an ISO image.", "Use an ISO 9660 or UDF image.")
    image = host.image(item) if item.purpose in (IMAGE, COPIED, DISK) else None
    if image is not None:
        _check_image(host, item, image)
        _check_size(host, item, image)


def _check_fetched(host, item):
    """Check an image that is not on the host yet with what its vendor's server has reported."""
    image = Image(item.details["format"], item.details["size"])
    _check_linked(host, item, image)
    _check_size(host, item, image)


def missing(file, where, remedy=_USUAL):
    """Return the error about a file that does not exist."""
    return NotFound(f"{file} does not exist {where}.", remedy)


def _check_attached(host):
    for option, path, more in host.attached():
        if not host.kind(path):
            raise NotFound(
                f"{host.name}: {option}: {path} does not exist, so the VM cannot start.", f"Restore the file{more}."
            )


def _check_image(host, item, image: Image):
    file, formats = _shown(host, item), host.formats.get(item.purpose, ())
    if image.fault:
        raise Refused(f"{file} {image.fault}.", image.remedy)
    is_declared = item.purpose != IMAGE and item.disk.get("format")
    is_other = image.format == _RAW and not is_declared and (image.size or 0) % _SECTOR
    if not image.format or is_other:
        raise Refused(f"{file} is not a disk image.", f"Use an image in one of these formats: {', '.join(formats)}.")
    if image.size == 0:
        raise Refused(f"{file} is empty (0 bytes).", "Download, copy or create it again.")
    if formats and image.format not in formats:
        copy = f"{item.path.rpartition('.')[0] or item.path}.{host.converts_to}"
        raise Refused(
            f"{file} has the format {image.format}, which {host.platform} cannot use for this option.",
            f"Convert it: qemu-img convert -f {image.format} -O {host.converts_to} {quote(item.path)} {quote(copy)}",
        )
    if image.size is None:
        raise Refused(f"{file} is a damaged {image.format} image: it has no size.", "Use another image.")
    requested, option = item.disk.get("format"), f"disks.{item.slot}.format"
    if item.purpose == DISK and requested not in (None, image.format):
        raise Refused(
            f"{host.name}: {option}: {requested} is set, but {item.path} has the format {image.format}.",
            "Omit the option format.",
        )
    _check_linked(host, item, image)


def _check_linked(host, item, image):
    requested, only = item.disk.get("format"), host.linked_format
    if not item.linked:
        return
    if host.linked_from is not None and image.format not in host.linked_from:
        file, known = _shown(host, item), " or ".join(host.linked_from)
        raise Refused(
            f"{file} has the format {image.format}, and a disk can be linked only to {known}.",
            "Omit linked.",
        )
    if item.purpose == IMAGE and only and requested not in (None, only):
        raise Refused(
            f"{host.name}: disks.{item.slot}.format: a linked disk always has the format {only}, not {requested}.",
            "Omit the option format.",
        )


def _check_size(host, item, image):
    """Reject a size that a disk with this content cannot have."""
    size = item.disk.get("size")
    if item.purpose != IMAGE or not size or image.size is None:
        return
    check_not_smaller(host.name, item.slot, size, item.path, image.size)
    reason = host.no_growth(item) if size > image.size else ()
    if reason:
        about, known = f"{host.name}: disks.{item.slot}.size: {human_size(size)} is", human_size(image.size)
        raise Refused(f"{about} larger than the image {item.path} ({known}), and {reason[0]}.", reason[1])


def check_not_smaller(name, slot, size, image, least):
    """Reject a ``size`` of a new disk below ``least``, the size of the image that it is created from."""
    if size and size < least:
        raise Refused(
            f"{name}: disks.{slot}.size: {human_size(size)} is smaller than the image {image} ({human_size(least)});"
            " disks are never shrunk.",
            f"Set a size of at least {human_size(least)}, or remove the option.",
        )


def _check_growth(host, item):
    reason = host.no_growth(item)
    if reason:
        raise Refused(f"{host.name}: {item.option}: {reason[0]}.", reason[1])


def _check_sizes(host, one):
    """Reject a new or enlarged disk that is larger than its format or its file system permits."""
    present = one.vm.config.get("disks") or {}
    sizes = [(slot, disk, disk.get("size")) for slot, disk in added_disks(one.step).items()]
    grown = [change for change in one.changes if change.kind == "disks.size"]
    sizes += [(change.key, present.get(change.key) or {}, change.new) for change in grown]
    for slot, disk, size in sizes:
        most, reason = (size and host.largest(slot, disk)) or (None, "")
        if most is not None and size > most:
            raise Refused(
                f"{host.name}: disks.{slot}.size: {human_size(size)} is too large: {reason}.",
                f"Set a size of at most {rounded_down(most)}.",
            )


# New files ------------------------------------------------------------------------------------------------------------


def _check_folders(host, new):
    """Yield warnings about the directories of new files."""
    folders = {}
    for item in new:
        folders.setdefault(host.folder(item), []).append(item)
    for folder, items in folders.items():
        has_disks = any(item.option not in host.own_folder for item in items)
        option = items[0].option if items[0].option in host.own_folder else _folder_option(host, items[0])
        is_written = not all(item.option in host.by_platform for item in items)
        yield from check_folder(host, f"{host.name}: {option}", folder, is_written, has_disks)


def check_folder(host, about, folder, is_written=True, has_disks=True):
    """Reject a directory in which no new file, or no new disk, may be created. Yields warnings."""
    kind = host.kind(folder)
    if not kind and not host.creates_folder(folder):
        raise NotFound(
            f"{about}: the directory {folder} does not exist {host.where}.",
            host.remedy_if_missing(folder) or "Create it, or use another directory.",
        )
    if kind not in ("", FOLDER):
        raise Refused(f"{about}: {folder} is not a directory.", "Use another directory.")
    fault = host.place_fault(folder) if has_disks else ()
    if fault:
        raise Refused(f"{about}: {folder} {fault[0]}.", fault[1])
    if kind and is_written and not host.may_write(folder):
        raise Refused(f"{about}: {folder} is not writable.", host.write_remedy)
    if has_disks and not host.creates_folder(folder) and host.is_in_memory(folder):
        yield f"{about}: {folder} is in memory: new disks in it are lost when the host restarts."


def _folder_option(host, item):
    """Return the option that sets the directory of a new file."""
    return f"{item.option}.directory" if item.disk.get("directory") else host.folder_option


def _check_new(host, item, deleted):
    if host.kind(item.path) and host.identity(item.path) not in deleted and not _is_leftover(host, item):
        more = ", or attach it with disks[].source" if item.option.startswith("disks.") else ""
        raise Refused(
            f"{_shown(host, item)} already exists, and existing files are never overwritten.",
            host.new_remedies.get(item.option, "Move it to another directory{more}.").format(path=item.path, more=more),
        )


def _is_leftover(host, item):
    """The content of an image that is not on the host yet cannot be compared."""
    is_unknown = item.content and item.content.fetched and not host.removes_leftovers
    return not is_unknown and host.is_leftover(item)


# Free space -----------------------------------------------------------------------------------------------------------


def _check_space(host, space, items):
    """A disk that the same plan creates and enlarges counts as new."""
    filled = {item.slot for item in items if item.purpose == NEW}
    parts = []
    for item in items:
        if item.purpose == GROWN and item.path:
            remedy = f"set a smaller size: {item.path} has a fixed size"
            _reserve(host, space, item.option, host.bytes_of(item), host.folder(item), remedy)
        elif item.purpose in (NEW, GROWN) or (item.purpose in (IMAGE, COPIED) and item.slot not in filled):
            parts.append(item)
    elsewhere = [item for item in parts if item.disk.get("directory")]
    for item in elsewhere:
        remedy = "set another directory"
        _reserve(host, space, _folder_option(host, item), _bytes(host, item), host.folder(item), remedy)
    parts = [item for item in parts if item not in elsewhere]
    needed = sum(_bytes(host, item) for item in parts) - (host.freed() if parts else 0)
    if parts:
        _reserve(host, space, host.folder_option, needed, host.folder(parts[0]), host.space_remedy)


def _beyond(host, item):
    """Yield a warning about a disk that the host could never fill: files grow as they are written, and never shrink."""
    size = item.more or item.disk.get("size") or 0
    if size > _VAST and item.purpose in (NEW, GROWN):
        folder = host.folder(item)
        free = host.free(folder)
        if free is not None and size > _TIMES * free:
            yield (
                f"{host.name}: {item.option}.size: {human_size(size)} is more than {_TIMES} times the free space of"
                f" {folder}, {rounded_down(free)}. Disks are never shrunk: a smaller one needs a new VM."
            )


def _reserve(host, space, option, needed, folder, remedy):
    if needed > 0:
        space.reserve(host.name, option, host.place(folder), needed, host.free(folder), remedy)


def _bytes(host, item):
    """The bytes that a new disk needs. An image that is not on the host yet unpacks to an unknown size."""
    content = item.content or item
    if content.fetched is None:
        return host.bytes_of(item)
    return 0 if content.linked else content.fetched.extent or 0
