# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the files that a VM names, which of them this collection created, and what is not known of files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..._core.errors import NotFound, PolyvirtError
from ..._core.frozen import replace
from ..._core.model import STOPPED, SUSPENDED, File
from ..._core.record.mark import making_of, proven_of, why_elsewhere
from ..._core.sharing.claims import FILE, READ, SNAPSHOT, WRITE
from ..._media.prepared import medium_of
from ..._ports import files, permits
from ..._tools.domain_xml import Definition, backing_files, file_of, target_of
from .settings.firmware import nvram_of
from .snapshots import SnapshotXml
from .traits import EXTERNAL

#: Why a file is kept that an interrupted task may have created.
_UNPROVEN = "there is no proof that it is the file that an interrupted task has created"


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
    paths of ``snapshot_files``. The mark is the stored one: that of ``vm`` lacks files that another host has.
    """
    found, marks = {}, [one.mark for one in definitions if not one.is_saved and one.mark]
    mark = (marks or [vm.mark or {}])[-1]
    for definition in definitions:
        for drive in definition.drives("disk", "lun", "cdrom", "floppy"):
            file = _file_of_drive(drive, mark)
            # If a file is removable media in one of the definitions, it is treated as such, and so kept.
            if file is not None and (file.path not in found or file.role == "medium"):
                found[file.path] = file
        nvram = nvram_of(definition)
        if nvram and is_local and files.exists(nvram):
            found[nvram] = File(nvram, "nvram", vm.owned and nvram in mark.get("nvram", ()))
        found.update({path: File(path, "tpm") for path in tpm_states(definition, is_local)})
    # Before those of the mark, which replace them.
    others = [File(path, "support") for path in frozen if path not in found]
    elsewhere = why_elsewhere(mark, files.host_name())
    for one in _detached(mark, found) if vm.owned else ():
        others.append(replace(one, elsewhere="" if one.path in frozen else elsewhere or one.elsewhere))
    for file in others:
        if not is_local or files.exists(file.path):
            found[file.path] = file
    if is_local:
        return permits.with_kinds(found.values())
    return tuple(replace(file, used_by=("another host",)) for file in found.values())


#: Directories with the state of emulated TPMs, by UUID: of the system, and of a user's own libvirt. They are fixed.
_TPM_STATES = ("/var/lib/libvirt/swtpm", "~/.config/libvirt/qemu/swtpm")


def tpm_states(definition, is_local):
    """The directories with the state of the VM's TPM. It remains there if the TPM is removed from the definition."""
    paths = [os.path.expanduser(os.path.join(folder, definition.uuid)) for folder in _TPM_STATES]
    if is_local:
        return [path for path in paths if files.exists(path)]
    return paths[:1] if definition.root.find("devices/tpm/backend[@type='emulator']") is not None else []


def lost_state(definition, arguments, is_local):
    """What libvirt deletes with the VM, by the ``arguments`` of the step: NVRAM and TPM state."""
    if arguments.get("keep_state"):
        return []
    return [*filter(None, [nvram_of(definition)]), *tpm_states(definition, is_local)]


def only_created(vm):
    """The VM whose files are kept unless this process has created them, or has taken them over with proof."""
    kept = [one for one in vm.files if not permits.is_created(one.path, files.identity(one.path))]
    return vm.having(files=tuple(replace(one, elsewhere=_UNPROVEN) if one in kept else one for one in vm.files))


def _file_of_drive(drive, mark):
    path = file_of(drive)
    if not path:
        name = _source_name(drive)
        return File(name, "no file") if name else None
    if drive.get("device", "disk") in ("cdrom", "floppy"):
        return File(path, "support" if path in mark.get("files", ()) else "medium", path in mark.get("files", ()))
    ours = path in mark.get("disks", ()) or path in proven_of(mark, files.identity)
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


def _detached(mark, attached):
    """Files in the VM's mark that are not attached now."""
    recorded = [("disk", path) for path in mark.get("disks", ())]
    # The mark lists the NVRAM file of each firmware that the VM ever had.
    recorded += [("nvram", path) for path in mark.get("nvram", ())]
    recorded += [("support", path) for path in mark.get("files", ())]
    found = [File(path, role, True) for role, path in recorded if path not in attached]
    # Those that a task has begun to create are ours, too, if they are what it has created.
    proven = proven_of(mark, files.identity)
    begun = [path for path in making_of(mark) if path not in attached]
    return [*found, *(File(path, "disk", True, elsewhere="" if path in proven else _UNPROVEN) for path in begun)]


#: Options of these claims: the log of a serial port has one, all others can be set with native only.
LOG, NATIVE = "serial_log", "native"
#: The option of what an argument of QEMU names: an existing file is attached by it, not created.
ARGUMENT = f"{NATIVE}.qemu:commandline"
#: Types of character devices whose source is a file, a device or a socket of the host.
_WITH_PATH = ("file", "dev", "pipe", "unix")
#: Roles of a socket that connect to one that another program has created.
_CONNECTING = ("connect", "client")
_READ_AT_BOOT = ("os/kernel", "os/initrd", "os/dtb", "os/acpi/table")
#: Arguments of QEMU, and the directories of packages, whose files it only reads; paths in all others may be written.
_ONLY_READING = ("-fw_cfg", "-kernel", "-initrd", "-dtb", "-bios", "-acpitable", "-smbios", "-L")
_OF_PACKAGES = ("/usr/", "/lib", "/proc/", "/sys/")
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
_PATH = re.compile(r'(?:^|[=:,"])(/[^,"]+)')
_LISTENING = ("devices/graphics", "devices/graphics/listen")


def named_files(definition: Definition) -> Iterator:
    """Yield (mode, option, path); libvirt lists the first serial port as a console too."""
    found = [*_of_logs(definition), *_of_devices(definition), *_of_memory(definition), *_of_boot(definition)]
    found += _of_arguments(definition)
    yield from dict.fromkeys((mode, option, path) for mode, option, path in found if path)


def log_files(definition: Definition) -> list:
    """Return the paths of the logs of serial ports, which libvirt empties at each start."""
    return [log.get("file") for log in definition.devices.iter("log")]


def new_files(definition: Definition) -> set:
    """Return the files that a definition names, and that its VM does not have and its record does not list."""
    mark = definition.mark or {}
    known = {*making_of(mark), *(path for key in ("disks", "nvram", "files") for path in mark.get(key, ()))}
    before = Definition(definition.stored) if definition.stored else None
    if before is not None:  # A clone shares with its source only what both read.
        known |= {path for how, path in attached_files(before) if how == READ or before.uuid == definition.uuid}
    return {path for _how, path in attached_files(definition)} - known


def attached_files(definition):
    """Return (mode, path) of all files that a definition names, without those of packages that its VM only reads."""
    claimed = ((how, path) for how, _option, path in named_files(definition))
    named = [one for one in claimed if one[0] == WRITE or not one[1].startswith(_OF_PACKAGES)]
    # An ISO image that was prepared without its prompt stands for the one of the vendor.
    named += [(WRITE, medium_of(file_of(one))) for one in definition.drives("disk", "lun", "cdrom", "floppy")]
    return [one for one in (*named, (WRITE, nvram_of(definition))) if one[1]]


def _of_logs(definition):
    return [(WRITE, LOG, path) for path in log_files(definition)]


def _of_devices(definition):
    """The sources of character devices, and the few other devices that name a path."""
    for device in definition.devices.iter():
        for source in device.findall("source"):
            kind = source.get("type") or device.get("type")
            is_exclusive = kind in (*_WITH_PATH, "vhostuser") and source.get("mode") not in _CONNECTING
            if source.get("path") and is_exclusive and device.tag != "disk":
                yield WRITE, NATIVE, source.get("path")
    for path in _LISTENING:
        yield from ((WRITE, NATIVE, one.get("socket")) for one in definition.root.iterfind(path))
    yield from ((WRITE, NATIVE, one.get("path")) for one in definition.root.iterfind("devices/audio[@type='file']"))
    yield from ((WRITE, NATIVE, one.text) for one in definition.root.iterfind("devices/pstore/path"))


def _of_arguments(definition):
    """The files in arguments of QEMU, which libvirt does not know: their locks and labels are nobody's."""
    option = ""
    for argument in definition.root.iterfind(f"{QEMU}commandline/{QEMU}arg"):
        value = argument.get("value") or ""
        for path in _PATH.findall(value):
            is_read = option in _ONLY_READING or "readonly=on" in value or files.is_folder(path)
            yield READ if is_read or path.startswith(_OF_PACKAGES) else WRITE, ARGUMENT, path
        option = value


def _of_memory(definition):
    """NVDIMMs and other memory with the content of a file."""
    for memory in definition.root.iterfind("devices/memory"):
        mode = WRITE if memory.find("target/readonly") is None else READ
        yield mode, NATIVE, (memory.findtext("source/path") or "").strip()


def _of_boot(definition):
    yield from ((READ, NATIVE, definition.get(path)) for path in _READ_AT_BOOT)
    loader = definition.root.find("os/loader")
    if loader is not None:
        is_written = loader.get("type") == "pflash" and loader.get("readonly") == "no"
        yield WRITE if is_written else READ, NATIVE, (loader.text or "").strip()
    yield from ((WRITE, NATIVE, one.get("path")) for one in definition.root.iterfind("os/varstore"))


# What is not known ----------------------------------------------------------------------------------------------------


def is_missing(path):
    """Whether it is certain that a file does not exist; a file in an unreadable directory may exist."""
    try:
        files.size(path)
    except NotFound:
        return True
    except PolyvirtError:
        return False
    return False


def reported_chains(definition):
    """{path: files below it} of disks that only the user of a running QEMU may read, as libvirt reports them."""
    drives = [one for one in definition.drives("disk", "lun") if file_of(one) and one.find("backingStore") is not None]
    is_running = definition.root.get("id")
    return {file_of(one): backing_files(one) for one in drives if is_running and not files.is_readable(file_of(one))}


def is_raw(drive):
    driver = drive.find("driver")
    return driver is None or driver.get("type", "raw") == "raw"


def written_images(vm):
    """The images that libvirt itself changes when an internal snapshot of a VM without QEMU is created or deleted.

    QEMU has locked one that is the backing file of a running VM, or open elsewhere. libvirt does not report that it
    could not remove a snapshot from such an image.
    """
    disks = (vm.config.get("disks") or {}) if vm.power in (STOPPED, SUSPENDED) else {}
    return [(SNAPSHOT, f"disks.{slot}", disk["source"]) for slot, disk in disks.items() if disk.get("source")]


def is_new_file(claim):
    return (claim.kind, claim.mode, claim.option) == (FILE, WRITE, NATIVE)
