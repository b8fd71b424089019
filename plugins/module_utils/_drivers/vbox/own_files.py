# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: which files belong to a VM, which other VMs need them, and which images VirtualBox deletes with the VM.

VirtualBox deletes all disks that only this VM uses, in any directory, and images below them that no VM uses.
"""

from __future__ import annotations

import os
import re

from ..._core.frozen import replace
from ..._core.model import File
from ..._core.record.answer_media import ANSWER_MEDIA
from ..._core.record.mark import own_mark, why_elsewhere
from ..._ports import files, permits
from ..._tools.vboxmanage_output import chain, unused_below
from .mark import resolved_mark
from .settings.disks import base_name

_UNKNOWN = "another VM"
#: Bytes of a settings file that contain its version and the UUID of its VM.
_HEAD = 4096


def files_of(listing, vm):
    """The files of one VM. The bases of other VMs' disks cannot be kept without it."""
    vbox_vm = listing.vbox_vm_of(vm.id)
    if vbox_vm is None or vm.lost:
        return ()
    mark, names, found = resolved_mark(own_mark(vm), listing.media.values()), listing.names, {}
    for medium in _own_media(vbox_vm, mark):
        base = vbox_vm.chain(medium.uuid)[-1]
        # On top of an image that is never written, VirtualBox creates a differencing image for each VM.
        is_recorded = base.uuid in mark["disks"] or (base.is_never_written and base is not medium)
        is_base = bool(dependents(vbox_vm, names, medium))
        ours = vm.owned and is_recorded and not medium.is_replaced
        found[medium.location] = File(medium.location, "disk", ours, bound=is_base)
    for slot in vbox_vm.drives:
        if slot.medium != "emptydrive":
            is_seed = slot.medium in vbox_vm.seed_files()
            found[slot.medium] = File(slot.medium, "support" if is_seed else "medium", is_seed and vm.owned)
    stored, logs = vbox_vm.stored_mark or mark, vbox_vm.log_files()
    elsewhere = why_elsewhere(stored, files.host_name())
    others = (*replace(vbox_vm, mark=stored).seed_files(), *logs, *stored.get("making", ()))
    for path in others if vm.owned else ():
        if path not in found and files.exists(path):
            found[path] = File(path, "support", True, elsewhere="" if path in logs else elsewhere)
    return permits.with_kinds(found.values())


def _own_media(vbox_vm, mark):
    """The images that go with the VM, and those created for it that are detached now."""
    media = vbox_vm.media.values()
    used = [medium for medium in media if vbox_vm.uuid in medium.users]
    below = [one for medium in used for one in _deleted_with(vbox_vm, medium)]
    detached = [medium for medium in media if medium.uuid in mark["disks"] and not medium.users]
    return {one.uuid: one for one in (*used, *below, *detached, *vbox_vm.detached_images())}.values()


def dependents(vbox_vm, names, medium):
    """Names of the other VMs that have a differencing image of this image, or paths of such images without a VM."""
    found, own_detached = set(), vbox_vm.detached_images()
    for child in (one for one in vbox_vm.media.values() if one.parent == medium.uuid):
        if vbox_vm.uuid not in child.users and child not in own_detached:
            found |= {names.get(user, _UNKNOWN) for user in child.users} or {child.location}
    return sorted(found)


def _deleted_with(vbox_vm, medium):
    """The images that VirtualBox deletes with one of the VM: itself, unless another VM uses it, and some below."""
    return [*([] if set(medium.users) - {vbox_vm.uuid} else [medium]), *unused_below(vbox_vm.media, medium)]


def spared(vbox_vm, to_delete):
    """The slots of disks that must be detached before the VM is deleted, so that images which are kept remain."""
    return [slot for slot in vbox_vm.disks if _is_spared(vbox_vm, vbox_vm.image_in(slot)[0], to_delete)]


def _is_spared(vbox_vm, attached, to_delete):
    images = [] if attached is None else [attached, *_deleted_with(vbox_vm, attached)]
    return not images or any(one.location not in to_delete for one in images)


def deleted_by_platform(vbox_vm, to_delete):
    """The images that VirtualBox deletes with the VM after the ``spared`` disks were detached, by their UUIDs."""
    detached = {slot.values.get("ImageUUID") for slot in spared(vbox_vm, to_delete)}
    # A disk can be detached from the current state, but not from a snapshot.
    used = [
        one
        for one in vbox_vm.media.values()
        if one.users.get(vbox_vm.uuid) or (vbox_vm.uuid in one.users and one.uuid not in detached)
    ]
    return {one.uuid: one for medium in used for one in _deleted_with(vbox_vm, medium)}


def taken(vbox_vm, step):
    """The paths of files that are deleted with a step, and that it does not list: most by VirtualBox, with its call."""
    if step.verb == "delete":
        return taken_with_vm(vbox_vm)
    if step.verb == "restore":
        return _differencing(vbox_vm, {slot.values.get("ImageUUID") for slot in vbox_vm.disks})
    if step.verb == "drop_snapshot":
        snapshots, media = {*step.arguments["ids"]}, vbox_vm.media.values()
        within = {one.uuid for one in media if snapshots & {*one.users.get(vbox_vm.uuid, ())}}
        # VirtualBox merges each with the one above it, and deletes one of both. What linked clones are based on is not
        # lost: they get the merged image as their base.
        others = [one for one in media if {*one.users} - {vbox_vm.uuid}]
        bases = {below.uuid for one in others for below in chain(vbox_vm.media, one)}
        return _differencing(vbox_vm, (within | {one.uuid for one in media if one.parent in within}) - bases)
    return [os.path.join(vbox_vm.folder, name) for name in step.arguments.get(ANSWER_MEDIA, ())]


def _differencing(vbox_vm, uuids):
    """The paths of those images that have a base, and that no other VM uses."""
    found = [vbox_vm.media[uuid] for uuid in uuids if uuid in vbox_vm.media]
    return sorted(one.location for one in found if one.parent in vbox_vm.media and {*one.users} <= {vbox_vm.uuid})


def taken_with_vm(vbox_vm):
    """What is deleted with a VM besides its images, and what VirtualBox itself creates in the directory of the VM."""
    named = [vbox_vm.values.get("NvramFile") or "", *(vbox_vm.file.state_files if vbox_vm.file else ())]
    own = tuple(os.path.join(folder, "") for folder in (vbox_vm.folder, vbox_vm.values["SnapFldr"]))
    return [*(path for path in named if os.path.isabs(path) and not path.startswith(own)), *settings_backups(vbox_vm)]


def settings_backups(vbox_vm):
    """The copies that VirtualBox creates when it upgrades the format of a settings file.

    Such a file has the settings of this VM, and its name ends with their version (Settings.cpp): a user gives other
    copies other names.
    """
    backup, found = re.compile(rf"{re.escape(base_name(vbox_vm))}-(\d+\.\d+-\w+)\.vbox"), []
    for entry in files.entries(vbox_vm.folder):
        path, match = os.path.join(vbox_vm.folder, entry), backup.fullmatch(entry)
        head = files.read_part(path, 0, _HEAD).decode("utf-8", "replace") if match else ""
        if match and f'version="{match[1]}"' in head and f'uuid="{{{vbox_vm.uuid}}}"' in head:
            found.append(path)
    return found
