# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of ``virsh_backup`` alone."""

    DOCUMENTATION = r"""
options:
  directory:
    description:
      - Absolute path of the directory for backups on the hypervisor. It can be a mounted file system of a server. It is
        created if it does not exist.
      - Each backup is a directory with the definition of the VM, its disks, its NVRAM and a manifest. Only the user of
        the task can read it.
      - A directory with disks of VMs, and one in such a directory, is rejected. If it is on the file system of a disk
        of the VM, the task warns.
    type: path
    required: true
  allow_shared_directory:
    description:
      - Permission to use a O(directory) in which other users than root and the user of the task can write, or that is
        below such a directory. Without it, the task fails.
      - Whoever can write there can exchange the files of a backup while it is created or restored, and so choose what
        the restored VM contains, and which files of the host the task reads and overwrites.
    type: bool
    default: false
  allow_host_access:
    description:
      - Permission to restore a definition with things of the host that the VM does not have now, such as shared
        directories, devices, sockets, log files, a kernel, a loader, or C(qemu:) elements. Without it, the task fails
        and names them. A VM that does not exist any more has none of them.
      - With O(new_name), they are never restored, and a warning names them. An ISO image is ejected if it is in no
        directory with disks of VMs. The VM always runs with the emulator that libvirt chooses.
    type: bool
    default: false
  disk_directory:
    description:
      - With O(state=restored), the directory for the new disks. If omitted, each disk is created in the directory where
        it was, or in libvirt's default directory if that does not exist. Required if that is neither in
        libvirt's directory of images nor has disks of VMs.
      - If omitted, a disk that was a block device or in memory (tmpfs) becomes a file in libvirt's default directory,
        with a warning.
      - It must exist. Not below C(/dev), C(/proc), C(/sys) or C(/run) (except C(/run/media) and C(/run/user)), nor in a
        directory with backups. A directory in memory gives a warning.
    type: path
"""
