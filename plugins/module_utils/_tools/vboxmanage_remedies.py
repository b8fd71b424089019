# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of VirtualBox, and how to fix them. docs/errors.md lists them."""

from __future__ import annotations

#: Rows (texts of the error, remedy), see remedy_for. A row is used only if no row above it applies.
REMEDIES = (
    (
        ("VERR_VM_DRIVER_NOT_INSTALLED", "rc=-1908", "/dev/vboxdrv does not exist", "VERR_SUPDRV"),
        "Load the kernel module vboxdrv; it must be built for the running kernel (/sbin/vboxconfig), and with secure"
        " boot its key must be enrolled.",
    ),
    (("VERR_SUP_DRIVERLESS",), "Without the kernel module vboxdrv, a VM can only have NICs of type nat."),
    (("/dev/vboxnetctl",), "Host-only networks need a kernel module: modprobe vboxnetadp."),
    (
        ("VERR_VMX_IN_VMX_ROOT_MODE", "VERR_SVM_IN_USE"),
        "Another hypervisor (KVM) uses the CPU's virtualization: stop its VMs, or unload its kernel module.",
    ),
    (("VERR_VMX_NO_VMX", "VERR_SVM_DISABLED"), "Enable VT-x or AMD-V in the firmware of the host."),
    (
        ("Cannot enable nested",),
        "This host's CPU does not support nested virtualization: set nested_virtualization: false.",
    ),
    (("terminated unexpectedly",), "Check Logs/VBox.log and VBoxHardening.log in the VM's directory."),
    (
        ("Nonexistent host networking interface",),
        "Set networks[].source to an existing interface (VBoxManage list bridgedifs, list hostonlyifs).",
    ),
    (
        ("Failed to attach the network LUN", "Cannot attach to '..."),
        "The network of this NIC needs VirtualBox's kernel modules: load them, or set type: nat.",
    ),
    (("Locking of attached media failed",), "Another running VM uses one of its disks; stop that VM."),
    (
        ("opening image file '...' (VERR_FILE_NOT_FOUND)",),
        "An image of the VM is missing: restore the file, or detach it.",
    ),
    (("VERR_FILE_NOT_FOUND",), "A required file is missing: check Logs/VBox.log in the VM's directory."),
    (
        ("Could not find a registered machine",),
        "The VM was deleted, or belongs to another user (become_user) or another VBOX_USER_HOME.",
    ),
    (
        ("already locked for a session", "already locked by a session", "while it is locked"),
        "Another program uses the VM: close its settings window in VirtualBox, or run the task again later.",
    ),
    (("The machine is not mutable",), "The VM is suspended or running: set allow_restart: true, or stop it first."),
    (
        ("Invalid machine state: ", "Machine in invalid state ", "Already paused", "machine as it is not paused"),
        "Another client changed the power state in the meantime. Run the task again.",
    ),
    (("Failed to create the VirtualBox object!",), "Check that the user's home directory exists and is writable."),
    (("Unknown or invalid guest OS type",), "See VBoxManage list ostypes for the types of this version."),
    (("graphics controller does not support",), "3D needs graphics_controller: vmsvga."),
    (("Invalid NIC number",), "Remove NICs, or set native: {chipset: ich9}."),
    (
        ("Too many storage controllers of this type", "Invalid port count"),
        "Use a slot on another bus, or with a lower number.",
    ),
    (
        ("does not support hot-plugging", "No drive attached to device slot"),
        "This is possible only while the VM is off: set allow_restart: true.",
    ),
    (("VERR_ALREADY_EXISTS",), "A file with this name exists: attach it with disks[].source, or move it away."),
    (
        ("Cannot register the hard disk '...' already exists",),
        "The file is a copy of that disk: give it another UUID (VBoxManage internalcommands sethduuid FILE).",
    ),
    (("Could not get the storage format",), "The file is not a disk image: use another one."),
    (("Resizing to new size ... is not yet supported",), "Convert it: VBoxManage clonemedium with --variant Standard."),
    (("A NAT rule of this name", "A NAT rule for this host port"), "Use another name or another host_port."),
    (("Shared folder named '...' already exists",), "Another client created it in the meantime. Run the task again."),
    (("autostart database is not set",), "Set up VirtualBox's autostart service first; see docs/virtualbox.md."),
    (("Failed to lock source media", "Failed to lock media when resizing"), "The disk is in use: stop its VM first."),
    (
        ("has more than one child hard disk", "because it has ... child media"),
        "Linked clones depend on it: remove them first.",
    ),
    (("while it is changing state",), "Another client works on the VM. Run the task again."),
    (("VERR_VM_INVALID_VM_STATE",), "The VM has failed, and cannot be saved: stop it first (state: stopped)."),
)
