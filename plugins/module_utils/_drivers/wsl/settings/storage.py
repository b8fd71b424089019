# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: version, directory, disk and export: settings that wsl.exe changes while the distribution is stopped.

``write(distro, change)`` returns the arguments of wsl.exe; None if nothing is to be done.
"""

from __future__ import annotations

from functools import partial

from ...._core.errors import Refused
from ...._core.model import NEVER, POWER_OFF
from ...._core.units import GIB, MIB
from ...._kit.settings import Setting
from ...._tools.windows_files import is_on_share, is_root, key_of, windows_path
from ...._tools.wsl import disk_of, folder_of, is_vm

FOLDER = "C:\\WSL"
#: The remedy for an existing file: it may be the only copy of something else.
OTHER_NAME = "Set another name for the file."
#: The slot of the only disk.
DISK = "disk0"
#: The first versions of WSL that can move and resize disks, have sparse disks, regard them as unsafe, compress exports.
MANAGE, SPARSE, UNSAFE_SPARSE, FORMATS = (2, 4, 4), (2, 0, 0), (2, 5, 0), (2, 5, 10)
_INSTEAD_OF_SPARSE = (
    "A sparse disk needs version 2 and WSL 2.0 or later. Since 2.5, WSL regards it as unsafe: data can be damaged. To"
    " have it nevertheless, set allow_unsafe_sparse: true."
)


def _needs(version, what):
    return f"To {what} a distribution, update WSL to {'.'.join(map(str, version))} or later."


# Costs ----------------------------------------------------------------------------------------------------------------


def _version(observer):
    """Return the version of WSL; if none was read, a version above all others."""
    return observer.host.version if observer and observer.host else (9,)


def _since(version, observer, vm, _change):
    return POWER_OFF if _version(observer) >= version and vm.config.get("version") != 1 else NEVER


def _cost_of_sparse(observer, vm, change):
    is_unsafe = change.new and _version(observer) >= UNSAFE_SPARSE
    if is_unsafe and not (observer and observer.options.get("allow_unsafe_sparse")):
        return NEVER
    return _since(SPARSE, observer, vm, change)


# Reading, normalizing and writing -------------------------------------------------------------------------------------


def _version_of(distro):
    return 2 if is_vm(distro.raw) else 1


def _read_disk(distro):
    if not is_vm(distro.raw):
        return None
    path = disk_of(distro.raw)
    size = distro.host.sizes.get(key_of(path))
    return {DISK: {"source": path, **({} if size is None else {"size": size})}}


def _read_sparse(distro):
    file = distro.host.files.get(key_of(disk_of(distro.raw))) if is_vm(distro.raw) else None
    return None if file is None else "SparseFile" in str(file.get("Attributes"))


def _read_export(distro):
    """Return the file if it exists. Before a deletion, it must be the current copy that an interrupted task wrote.

    Others could have written an existing file, and the distribution could have run since.
    """
    found = distro.host.exported
    is_copy = found is True or (found and found == distro.recorded_copy and not distro.host.runs(distro.raw))
    return distro.options.get("export") if is_copy else None


def _normalized_disks(vm, disks, _observer):
    for slot in disks:
        if slot != DISK:
            message = f"{vm.name}: disks.{slot}: a distribution has one disk, disk0. Its size can be set."
            raise Refused(message, "Omit the slot.")
    return disks


def _normalized_path(option, vm, path, _observer):
    return windows_path(vm, option, path) if path else path


def _normalized_location(vm, path, observer):
    """Return the directory of a distribution. Raises Refused for one in which WSL cannot create or start it."""
    path = _normalized_path("install_location", vm, path, observer)
    if not path or _is_same_path(vm.config.get("install_location"), path):
        return path
    label = f"{vm.name}: install_location: {path}"
    if is_root(path):
        raise Refused(
            f"{label} is the root directory of a drive, and WSL cannot install a distribution there.",
            "Set a directory on it, such as D:\\WSL\\NAME.",
        )
    if is_on_share(path):
        raise Refused(
            f"{label} is on a share, and WSL cannot start a distribution from there: it attaches the disk without the"
            " credentials of the user.",
            "Set a directory on a drive of the host.",
        )
    return path


def _is_same_path(found, requested):
    return found is not None and key_of(found) == key_of(requested)


def _is_converted(distro):
    """Return whether this step, sent before, has made it a distribution of version 1, which has no disk to change."""
    return not is_vm(distro.raw)


def _convert(distro, change):
    is_same = change.new == _version_of(distro)
    return None if is_same else ["--set-version", distro.name, str(change.new)]


def _move(distro, change):
    is_same = key_of(change.new) == key_of(folder_of(distro.raw))
    return None if is_same else ["--manage", distro.name, "--move", change.new]


def _resize(distro, change):
    size = change.new if change.attribute else change.new.get("size")
    if not size or _is_converted(distro):
        return None
    text = f"{size // GIB}GB" if size % GIB == 0 else f"{size // MIB}MB"
    return ["--manage", distro.name, "--resize", text]


def _make_sparse(distro, change):
    if _is_converted(distro):
        return None
    unsafe = ["--allow-unsafe"] if change.new and distro.host.version >= UNSAFE_SPARSE else []
    return ["--manage", distro.name, "--set-sparse", "true" if change.new else "false", *unsafe]


STORAGE = {
    "install_location": Setting(
        cost_with=partial(_since, MANAGE),
        same=_is_same_path,
        instead=_needs(MANAGE, "move"),
        read=lambda distro: folder_of(distro.raw),
        normalize=_normalized_location,
        write=_move,
    ),
    "disks": Setting(read=_read_disk, normalize=_normalized_disks, write=_resize),
    "disks.add": Setting(NEVER, instead="Only a distribution of version 2 has a disk."),
    "disks.size": Setting(cost_with=partial(_since, MANAGE), instead=_needs(MANAGE, "resize"), whole=MIB),
    "sparse": Setting(cost_with=_cost_of_sparse, instead=_INSTEAD_OF_SPARSE, read=_read_sparse, write=_make_sparse),
    # After those above: a distribution of version 1 has no disk that could be moved or changed.
    "version": Setting(POWER_OFF, choices=(1, 2), unset=2, read=_version_of, write=_convert),
    "export": Setting(
        POWER_OFF,
        same=_is_same_path,
        read=_read_export,
        normalize=partial(_normalized_path, "export"),
        saves=True,
    ),
}
