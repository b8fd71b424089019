# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a VM, and which of them this collection created."""

from __future__ import annotations

from dataclasses import replace

from ..._core.model import File
from ..._core.record.mark import making_of
from ..._ports import files
from ..._tools.domain_xml import file_of, target_of
from .settings.firmware import nvram_of
from .snapshots import SnapshotXml
from .traits import EXTERNAL


def snapshot_files(virsh, vm):
    """The paths of all files that the external snapshots of a VM need, whoever created them."""
    names = [one.name for one in vm.snapshots if one.kind == EXTERNAL]
    answers = virsh.batch([("snapshot-dumpxml", vm.id, "--snapshotname", name) for name in names]) if names else ()
    snapshots = [SnapshotXml.parse(answer.stdout) for answer in answers if not answer.error]
    found = [(*one.disk_files.values(), *one.overlays, one.memory_file) for one in snapshots]
    return [path for paths in found for path in paths if path]


def files_of(vm, definitions, is_local, frozen=()):
    """The files of one VM as File objects. Not ``is_local``: they are on another host, where they cannot be deleted.

    ``definitions`` are the VM's running and stored definition, which may contain different files; ``frozen`` are the
    paths of ``snapshot_files``.
    """
    found = {}
    for definition in definitions:
        for drive in definition.drives("disk", "lun", "cdrom", "floppy"):
            file = _file_of_drive(drive, vm.mark or {})
            # If a file is removable media in one of the definitions, it is treated as such, and so kept.
            if file is not None and (file.path not in found or file.role == "medium"):
                found[file.path] = file
        nvram = nvram_of(definition)
        if nvram and is_local and files.exists(nvram):
            found[nvram] = File(nvram, "nvram", vm.owned and nvram in vm.mark.get("nvram", ()))
    # Before those of the mark, which replace them.
    others = [File(path, "support") for path in frozen if path not in found]
    for file in (*others, *_detached(vm, found)):
        if not is_local or files.exists(file.path):
            found[file.path] = file
    return tuple(found.values() if is_local else (replace(file, used_by=("another host",)) for file in found.values()))


def _file_of_drive(drive, mark):
    path = file_of(drive)
    if not path:
        name = _source_name(drive)
        return File(name, "no file") if name else None
    if drive.get("device", "disk") in ("cdrom", "floppy"):
        return File(path, "support" if path in mark.get("files", ()) else "medium", path in mark.get("files", ()))
    ours = path in mark.get("disks", ()) or path in making_of(mark)
    if drive.find("shareable") is not None or drive.find("readonly") is not None:
        return File(path, "support" if ours else "medium", ours)
    return File(path, "disk", ours)


def _source_name(drive):
    """A name to report for a drive's volume, network image, device or directory; empty if the drive is empty."""
    source = drive.find("source")
    if source is None or drive.get("type", "file") == "file":
        return ""
    if source.get("volume"):
        return f"{source.get('pool')}/{source.get('volume')}"
    if source.get("protocol"):
        return f"{source.get('protocol')}:{source.get('name') or ''}"
    return source.get("dev") or source.get("dir") or f"{drive.get('type')}:{target_of(drive)}"


def _detached(vm, attached):
    """Files in the VM's mark that are not attached now; none if the mark belongs to another VM."""
    if not vm.owned:
        return []
    # Those that a task has begun to create are ours, too, if they exist.
    recorded = [("disk", path) for path in (*vm.mark.get("disks", ()), *making_of(vm.mark))]
    # The mark lists the NVRAM file of each firmware that the VM ever had.
    recorded += [("nvram", path) for path in vm.mark.get("nvram", ())]
    recorded += [("support", path) for path in vm.mark.get("files", ())]
    return [File(path, role, True) for role, path in recorded if path not in attached]
