# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cost of a change depends on, in words: a note for each cost function of the drivers."""

from __future__ import annotations

_IMAGE = "An image: live in a drive of the running VM; all else at the next start."
_HOTPLUG = "Live if the VM's setting `hotplug` contains this kind of device, else at the next start."
#: {driver and function, or the module of a function _cost: note}
NOTES = {
    "virsh _cost_of_value": "Live up to the maximum with which the VM was started (`max_cpus`, `max_memory`); more than"
    " that, and fewer CPUs, at the next start.",
    "virsh _cost_of_source": _IMAGE,
    "virsh _cost_of_prompt": "`skip_boot_prompt`: with another image as that, else at the next start.",
    "virsh _cost_of_hot_plug": "Disks: added live on the buses virtio and scsi, else at the next start.",
    "virsh _cost_of_detaching": "A paused guest releases no disk and no NIC: at the next start.",
    "virsh _cost_of_size": "Size: live, of a suspended VM while off; of a disk of the next start only, then.",
    "virsh cost_if_attached": "Limits of disks: live; of a disk that is attached at the next start only, then.",
    "virsh _cost_of_adding": "NICs: live if the running VM has the NICs of its definition, else at the next start.",
    "virsh _cost_of_removing": "A paused guest releases no disk and no NIC: at the next start.",
    "virsh _cost_of_moving": "Another network of the same type: live; another type, MAC address or model:"
    " at the next start.",
    "virsh devices": "USB live, PCI at the next start.",
    "vbox _next_boot_if_saved": "While off; of a suspended VM, at the next start.",
    "vbox _off_or_saved": "While off or suspended.",
    "vbox _cost_of_autostart": "Enabled live; disabled while off or suspended.",
    "vbox native": "Keys that `VBoxManage controlvm` has: live; all others while off.",
    "vbox while_on": "Live, unless the VM is suspended; the memory of the graphics card while off.",
    "vbox cost_of_adding": "Added live to a SATA controller; everything else while off.",
    "vagrant _at_creation": "Before the first start of the VM: at that start. Later: the VM is rebuilt.",
    "vagrant _as_applied": "At the next start if the provider applies the option to an existing VM, else the VM is"
    " rebuilt.",
    "vagrant _of_native": "At the next start for keys that are applied to an existing VM; for others the VM is"
    " rebuilt.",
    "proxmox _cost_of_secure_boot": "At the next start, until the VM has an EFI disk; then never.",
    "proxmox _cost_of_source": _IMAGE,
    "proxmox cost_by_hotplug": _HOTPLUG,
    "proxmox native": "Some keys live, the others at the next start; disks, NICs and USB devices as"
    " the setting `hotplug` allows.",
    "proxmox devices": "USB: live if the VM's setting `hotplug` contains usb; PCI at the next start.",
    "proxmox cost_of_disk": _HOTPLUG,
    "proxmox _cost_of_state": "The cloud-init drive: at the next start, on SCSI as a disk.",
    "proxmox _cost_of_growth": "Size, storage and limits: live; while off for a disk that the running VM"
    " does not have yet.",
    "hyperv _cost_of_memory": "Live without dynamic memory on Windows 10 or later and Windows Server 2016 or later, if"
    " no key of `native` for memory changes in the same task; else while off.",
    "hyperv native": "Some keys live, the others while off.",
    "hyperv cost_of_disk": "Added and removed live on the SCSI controller, else while off.",
    "hyperv _cost_of_size": "Size: live for a VHDX file on the SCSI controller, else while off; never while the VM has"
    " snapshots.",
    "hyperv _cost_of_nic": "Live; with BIOS firmware, while off. MAC addresses while off.",
    "wsl _since": "Size: while off, from WSL 2.4.4 on; other changes never.",
}


def note_of(cost):
    """Return the note for a cost function; KeyError: it has none."""
    while hasattr(cost, "func"):
        cost = cost.func
    driver, *_rooms, module = cost.__module__.partition("._drivers.")[2].split(".")
    return NOTES[f"{driver} {module if cost.__name__ == '_cost' else cost.__name__}"]
