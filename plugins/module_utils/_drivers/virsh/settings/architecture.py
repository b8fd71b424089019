# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what depends on the architecture of a guest: one row for each, and checks of values that it lacks.

libvirt stores many of these values, and then QEMU does not start the VM, or the firmware does not start the guest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ...._core.errors import Refused, Unsupported
from ...._core.frozen import Frozen, replace
from ...._core.model import DESTRUCTIVE
from ...._core.pattern import Pattern
from ...._core.texts import removal
from ...._core.units import MIB, human_size
from ...._kit.settings import Setting
from ...._ports import files
from ...._tools import virsh_output
from ...._tools.virsh_output import version_numbers


class Architecture(Frozen, eq=False):
    """``name`` is the word of the catalogue, ``arch`` that of libvirt. ``features`` and ``cpus`` are by type of domain.

    ``cpus`` are cpu@mode and cpu/model of a new VM; ``writes_cpu``: the types of which libvirt would choose another
    one. ``expected`` are paths that every VM has, ``usual`` matches parts of new VMs (described.py). ``buses``: those
    from which the firmware starts a guest. ``tpm`` is the model of a TPM if libvirt does not choose it, ``video`` that
    of a new video device. ``firmware`` is the only one, if it is set.
    ``plugs_cpus``: a running VM can get more CPUs. ``least_memory``: what the firmware needs at least.
    """

    name: str
    arch: str
    machine: str
    features: Mapping
    cpus: Mapping
    writes_cpu: tuple
    devices: str
    expected: tuple
    usual: Pattern
    buses: tuple
    video: str
    tpm: Optional[str]
    emulators: str
    firmware: str = ""
    has_smm: bool = True
    plugs_cpus: bool = True
    least_memory: int = 0

    def cpu_of(self, virt_type):
        """The CPU of a new VM as XML; empty if libvirt chooses the same."""
        if virt_type not in self.writes_cpu:
            return ""
        mode, model = self.cpus[virt_type]
        return f"<cpu mode='{mode}'>{f'<model>{model}</model>' if model else ''}</cpu>"


AMD64 = Architecture(
    name="amd64",
    arch="x86_64",
    machine="q35",
    features=dict.fromkeys(("kvm", "qemu"), "<acpi/><apic/>"),
    cpus={"kvm": ("host-passthrough", None), "qemu": ("custom", "qemu64")},
    writes_cpu=("kvm",),
    # Without a video device, GRUB hangs in its graphics mode, which is the default of Debian and Ubuntu.
    devices="<video><model type='vga'/></video>",
    expected=("features/acpi", "features/apic", "devices/video"),
    usual=Pattern(
        r"features/apic|devices/(input@(type=(mouse|keyboard)|bus=ps2)|video/model@type=vga|tpm@model=tpm-crb)"
    ),
    buses=("virtio", "scsi", "sata", "ide", "usb"),
    video="vga",
    tpm="tpm-crb",
    emulators="qemu-system-x86 (Debian, Ubuntu, Arch), qemu-system-x86-core (Fedora), qemu-x86 (SUSE) or"
    " qemu-system-x86_64 (Alpine)",
)
ARM64 = Architecture(
    name="arm64",
    arch="aarch64",
    machine="virt",
    # The interrupt controller that libvirt chooses without KVM has only 8 CPUs. With KVM, the host decides.
    features={"kvm": "<acpi/>", "qemu": "<acpi/><gic version='3'/>"},
    # Without a model, libvirt chooses a CPU of 32 bits. The model max is several times slower than this one.
    cpus={"kvm": ("host-passthrough", None), "qemu": ("custom", "cortex-a72")},
    writes_cpu=("kvm", "qemu"),
    # libvirt adds none of these itself.
    devices="<controller type='usb' model='qemu-xhci'/><input type='keyboard' bus='usb'/>"
    "<input type='tablet' bus='usb'/><memballoon model='virtio'/>",
    expected=("features/acpi",),
    usual=Pattern(
        r"features/gic@version=[23]"
        r"|devices/(input@(type=(keyboard|tablet)|bus=usb)|video/model@type=virtio|tpm@model=tpm-tis"
        r"|cdrom/target@bus=scsi)"
    ),
    buses=("virtio", "scsi", "usb"),
    video="virtio",
    tpm=None,
    emulators="qemu-system-arm (Debian, Ubuntu), qemu-system-aarch64-core (Fedora), qemu-arm (SUSE) or"
    " qemu-system-aarch64 (Arch, Alpine)",
    firmware="uefi",
    has_smm=False,
    plugs_cpus=False,
    least_memory=256 * MIB,
)
_ROWS = (AMD64, ARM64)
#: VMs of these are managed, but not created.
_OTHERS = {"i686": replace(AMD64, name="i686", arch="i686")}
_OTHER = replace(AMD64, tpm=None)
_BY_NAME = {**{row.name: row for row in _ROWS}, **_OTHERS}
_BY_ARCH = {**{row.arch: row for row in _ROWS}, **_OTHERS}


def row_of(config):
    """The Architecture of a VM with these settings."""
    return _BY_NAME.get(config.get("architecture"), _OTHER if config.get("architecture") else AMD64)


def row_in(definition):
    return _BY_ARCH.get(definition.native("os/type@arch"), _OTHER)


def name_of(arch):
    """The name of an architecture of libvirt: of those without a row, it is libvirt's."""
    return _BY_ARCH[arch].name if arch in _BY_ARCH else arch


def read_architecture(definition):
    return name_of(definition.native("os/type@arch"))


def machine_type(config):
    """The machine type of a new VM: the one set through ``native``, else the default."""
    return str((config.get("native") or {}).get("os/type@machine") or row_of(config).machine)


#: First libvirt version that selects firmware, without which a VM of arm64 does not start.
_SINCE = (7, 2)
ARCHITECTURE = {
    "architecture": Setting(
        DESTRUCTIVE,
        read=read_architecture,
        native=(r"os/type@arch$",),
        choices=tuple(row.name for row in _ROWS),
    )
}


# Checking what is requested -------------------------------------------------------------------------------------------

#: Paths of ``native`` with which QEMU for arm64 does not start.
_OF_X86 = ("features/hyperv", "features/kvm", "features/smm", "features/apic", "features/vmport")
#: Values of ``native`` that libvirt stores differently, or with which a guest stops silently (CPUs of 32 bits).
_UNUSABLE = {
    "devices/serial/target@type": Pattern(r"isa-"),
    "cpu/model": Pattern(r"(arm|pxa|sa1|ti9)\w*|cortex-(a[5789]|a1[57]|a32|[mr]\d+\w*)$"),
}


def with_firmware(vm, config):
    """``config`` with the firmware of an architecture that has only one."""
    row = row_of({**vm.config, **config})
    present, is_other = vm.config.get("firmware"), row is not row_of(vm.config)
    if not row.firmware or (present and not is_other and config.get("firmware", present) == present):
        return config
    if config.get("firmware", row.firmware) != row.firmware:
        raise Refused(
            f"{vm.name}: firmware: {config['firmware']} does not exist for {row.name}.",
            f"Set firmware: {row.firmware}, or omit it.",
        )
    return {**config, "firmware": row.firmware}


def kept_as(before, after):
    """A switch of a feature of the CPU that is off means nothing for another architecture (Traits)."""
    is_other = row_of(after) is ARM64 and row_of(before) is not ARM64
    return {"nested_virtualization": None} if is_other and before.get("nested_virtualization") is False else {}


def check_values(vm, config, buses):
    """Raise Refused for requested values that the architecture does not have. An existing VM may have them.

    ``buses`` is {option: function of a slot and its entry that returns the bus}.
    """
    row = row_of({**vm.config, **config})
    if row is not ARM64:
        return
    if "nested_virtualization" in config:
        raise Unsupported(
            f"{vm.name}: nested_virtualization is supported only for {AMD64.name}, and the VM is {row.name}.",
            "Omit the option.",
        )
    for path in config.get("native") or ():
        if path.startswith(_OF_X86):
            raise Refused(f"{vm.name}: native: '{path}' exists only on x86, and the VM is {row.name}.", "Omit it.")
    for path, unusable in _UNUSABLE.items():
        value = str((config.get("native") or {}).get(path) or "")
        if unusable.match(value):
            raise Refused(f"{vm.name}: native: '{path}': {value} does not work in a VM of {row.name}.", "Omit it.")
    added = {
        name: {
            slot: entry for slot, entry in (config.get(name) or {}).items() if slot not in (vm.config.get(name) or {})
        }
        for name in buses
    }
    check_buses(vm.name, row, added, buses)


def check_buses(name, row, config, buses):
    """Raise Refused for a disk or an optical drive on a bus that the firmware does not read."""
    for option, bus_of in buses.items():
        slots = "vda (virtio) or sdb (SCSI)" if option == "disks" else "sdb (SCSI)"
        for slot, entry in (config.get(option) or {}).items():
            if entry is not None and bus_of(slot, entry) not in row.buses:
                raise Refused(
                    f"{name}: {option}.{slot}: the firmware of {row.name} does not start from the bus"
                    f" {bus_of(slot, entry)}.",
                    f"Use a slot such as {slots}. If the VM has it already, set {removal(option, slot)}.",
                )


# Checking the host ----------------------------------------------------------------------------------------------------

#: Debian's QEMU for arm64 only recommends the package of this file, and does not start a VM with a NIC without it.
_ROM, _ROM_PACKAGE = "efi-virtio.rom", "ipxe-qemu"
_ROM_FOLDERS = ("/usr/lib/ipxe/qemu", "/usr/share/qemu")


def check_architecture(driver, name, config):
    """Raise Unsupported if the host has no emulator for a new VM, or Refused if it lacks what QEMU needs for it."""
    if driver.hypervisor == "TEST":
        return
    row = _BY_NAME.get(config.get("architecture"), AMD64 if "architecture" not in config else None)
    if row not in _ROWS:
        raise Unsupported(
            f"{name}: VMs of the architecture {config['architecture']} cannot be created, only of"
            f" {' and '.join(one.name for one in _ROWS)}.",
            "Define the VM with virsh; power and settings of existing VMs are managed on any host.",
        )
    if row is ARM64 and version_numbers(driver.library) < _SINCE:
        raise Unsupported(
            f"{name}: architecture: VMs of {row.name} require libvirt {'.'.join(map(str, _SINCE))} or later.",
            "Update libvirt, or define the VM with virsh.",
        )
    types, virt_type = driver.guests.get(row.arch), driver.virt_type_for_new_vm(row)
    if types is None:
        raise Unsupported(
            f"{name}: architecture: the hypervisor has no emulator for {row.name}.",
            f"Install {row.emulators} on the hypervisor.",
        )
    if virt_type not in types:
        raise Unsupported(
            f"{name}: virt_type: the hypervisor cannot run {row.name} with {virt_type}, only with"
            f" {', '.join(sorted(types))}.",
            "Omit virt_type.",
        )


def check_rom(driver, plan, one):
    """Raise Refused if QEMU would not start a VM that gets a NIC."""
    config, has_rom = plan.after.config, any(files.exists(f"{folder}/{_ROM}") for folder in _ROM_FOLDERS)
    if row_of(config) is ARM64 and config.get("networks") and driver.is_from_debian() and not has_rom:
        raise Refused(
            f"{plan.after.name}: networks: QEMU needs {_ROM} for a NIC of {ARM64.name}, and it is not installed.",
            f"Install {_ROM_PACKAGE} on the hypervisor.",
        )


def host_architecture(driver):
    """The architecture of the hypervisor, which may not be that of the process, in the words of the catalogue.

    libvirt's test driver reports i686 on any host; its VMs have none.
    """
    if driver.hypervisor == "TEST":
        return AMD64.name
    return name_of(virsh_output.host_architecture(driver.capabilities()) or AMD64.arch)


def architecture_warnings(driver, plan):
    """Return the warnings about a new VM that is emulated, or about memory that is too small for the firmware."""
    row, memory = row_of(plan.after.config), plan.after.config.get("memory")
    is_new = any(step.verb == "create" for step in plan.steps)
    found = []
    if is_new and driver.hypervisor != "TEST" and row.name != driver.host_architecture:
        found.append(
            f"{plan.after.name}: architecture: {row.name} is emulated on this {driver.host_architecture} host, which is"
            " many times slower than a VM of its own architecture."
        )
    if memory and memory < row.least_memory:
        found.append(
            f"{plan.after.name}: memory: {human_size(memory)} may be too small for the firmware of {row.name}, which"
            f" then stops without a message. Set at least {human_size(row.least_memory)}."
        )
    return found
