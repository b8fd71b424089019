# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of libvirt and QEMU, and how to fix them. docs/errors.md lists them."""

from __future__ import annotations

#: Rows (texts of the error, remedy), see remedy_for. A row is used only if no row above it applies.
REMEDIES = (
    (
        ("Cannot access storage file '...' (as uid...): No such file",),
        "Restore the file, or detach it from the VM.",
    ),
    (
        ("Cannot access storage file '...' (as uid...): Permission denied", "Could not open '...': Permission denied"),
        "The hypervisor's user cannot read the file or enter one of its directories: move the file to"
        " /var/lib/libvirt/images, or change the permissions.",
    ),
    (
        ('Failed to get "write" lock', "Failed to get shared", "Is another process using the image"),
        "Another VM or program uses this disk; stop that VM, or use a separate disk for each VM.",
    ),
    (
        ("Cannot open log file",),
        "Another VM writes to the same log file; set a different serial_log for each VM.",
    ),
    (
        ("conversion of the nvram template to another target format is not supported",),
        "The definition is from an older libvirt. While the VM is off, remove firmware='efi' and <firmware> from its"
        " <os>, and the template of <nvram>; set templateFormat='qcow2' there (virsh edit VM).",
    ),
    (("network '...' is not active",), "Start it (virsh net-start NAME), or set allow_network_start: true."),
    (("Network not found",), "Set networks[].source to an existing network (virsh net-list --all)."),
    (
        ("Resetting the Virtual Machine is required",),
        "The hypervisor cannot run this guest; the reason is in /var/log/libvirt/qemu. If it is a KVM internal error,"
        " create the VM with virt_type: qemu. To try again, set state: restarted and stop_mode: force.",
    ),
    (
        ("Could not access KVM kernel module: Permission denied",),
        "QEMU's user cannot open /dev/kvm: add it to the group kvm, or create the VM with virt_type: qemu.",
    ),
    (
        ("Could not access KVM kernel module", "Domain requires KVM", "type=kvm"),
        "This host has no /dev/kvm: enable VT-x or AMD-V in its firmware and load the module kvm_intel or kvm_amd, or"
        " create the VM with virt_type: qemu.",
    ),
    (
        ("kvm version too old", "Inappropriate ioctl for device"),
        "/dev/kvm on this host is not the device of KVM: correct it (in a container, its device mapping), or create the"
        " VM with virt_type: qemu.",
    ),
    (
        ("KVM_CREATE_VM...Device or resource busy",),
        "Another hypervisor, such as VirtualBox or VMware, uses the virtualization of the CPU: stop its VMs, or create"
        " this VM with virt_type: qemu.",
    ),
    (
        ("host doesn't support requested feature", "guest CPU doesn't match specification: missing features"),
        "The CPU model of the VM needs features that the CPU of this host does not have: use an older CPU model.",
    ),
    (
        ("failed to set MSR", "kvm_init_vcpu", "kvm_buf_set_msrs", "KVM"),
        "KVM does not work on this host, although /dev/kvm exists, for example because the host is a VM itself: create"
        " the VM with virt_type: qemu and cpus: 1.",
    ),
    (
        ("Unable to find any firmware", "Unable to find 'efi' firmware"),
        "Install UEFI firmware on the hypervisor: ovmf (Debian, Ubuntu, Alpine), edk2-ovmf (Fedora, RHEL, Arch) or"
        " qemu-ovmf-x86_64 (SUSE); for arm64 qemu-efi-aarch64 (Debian, Ubuntu), edk2-aarch64 (Fedora, RHEL, Arch),"
        " qemu-uefi-aarch64 (SUSE) or aavmf (Alpine). Use the machine type q35 for secure_boot, and virt for arm64"
        " (native: os/type@machine).",
    ),
    (
        ("does not support machine type", "No PCI buses available"),
        "Use the machine type q35, and virt for arm64 (native: os/type@machine), or omit it.",
    ),
    (
        ("TPM version '...' is not supported", "Unable to find 'swtpm'"),
        "Install a TPM emulator on the hypervisor (packages swtpm and swtpm-tools), or omit tpm.",
    ),
    (
        ("graphics are not supported with this QEMU",),
        "Use another display.type, or install what it needs, such as qemu-system-modules-spice of Debian 13.",
    ),
    (
        ("unknown watchdog model 'itco'", "itco model of watchdog is only part of q35"),
        "Set watchdog.model: i6300esb. The model itco requires libvirt 9.1 and the machine type q35.",
    ),
    (
        ("cannot translate CPU model", "Unknown CPU model"),
        "Set native: cpu/model to a model that virsh domcapabilities --arch x86_64 (aarch64 for arm64) lists.",
    ),
    (
        ("swtpm",),
        "Check /var/log/swtpm/libvirt/qemu, and that the user of swtpm can enter /run/libvirt (chmod 755).",
    ),
    (
        ("attribute 'type' in element 'backend': 'passt'",),
        "This libvirt does not support port forwards: omit port_forwards, and connect to the address of the guest.",
    ),
    (("QEMU guest agent is not connected",), "Install and start qemu-guest-agent in the guest."),
    (
        ("QEMU guest agent is not configured",),
        "Add a channel for the guest agent to the VM; VMs created by this collection have one.",
    ),
    (
        ("max allowable vcpus", "higher than max memory"),
        "Raise max_cpus or max_memory, which takes effect at the next start (allow_restart: true).",
    ),
    (
        ("Setting different DAC user or group",),
        "The guest has not released the disk yet: run the task again, or stop the VM first.",
    ),
    (
        (
            "duplicated for disk sources", "No disk found whose source path or target", "No interface with MAC address",
            "already exists with uuid", "is already defined with uuid",
        ),
        "Another client changed the VM in the meantime. Run the task again.",
    ),
    (
        (
            "cannot undefine transient domain", "transient domains do not have any persistent config",
            "cannot set autostart for transient domain", "cannot do managed save for transient domain",
        ),
        "The VM exists only while it runs: define it permanently first (virsh define).",
    ),
    (
        ("internal snapshot for disk ... unsupported for storage type",),
        "Set kind: external, or convert the disk to qcow2.",
    ),
    (("snapshots of a VM with pflash based firmware",), "Stop the VM first, or set kind: external."),
    (("revert to external snapshot not supported",), "Update to libvirt 9.9, or clone the snapshot."),
    (("external disk snapshots not supported",), "Update to libvirt 9.0."),
    (("external snapshot that has internal snapshot as parent",), "Delete the internal snapshots first."),
    (
        ("could not find base disk source in disk source chain",),
        "The disk was committed without libvirt: delete only the record (virsh snapshot-delete --metadata).",
    ),
    (("read only access prevents",), "This connection is read-only: set another uri."),
    (("not supported by the connection driver",), "Use a connection that supports it, such as qemu:///system."),
)  # fmt: skip
#: The same for a libvirt that cannot be reached.
UNREACHABLE = (
    (
        ("no connection driver available",),
        "Correct the uri, such as qemu:///system, or install libvirt's driver for it (libvirt-daemon-driver-qemu).",
    ),
    (("Connection refused",), "No server listens there: start it, or connect through ssh (qemu+ssh://)."),
)
