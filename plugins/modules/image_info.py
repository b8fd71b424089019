#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: List the images of operating systems that a host keeps for VMs
version_added: 1.0.0
description:
  - Lists the images in the image directory of a host, or on a storage of a Proxmox VE node, with their age and the VMs
    that use them.
  - Other files of the directory, such as incomplete downloads, are not listed. On Proxmox VE, images are recognized by
    the names of their files, which end in 12 digits of the checksum.
  - A directory that does not exist has no images. If the platform is missing or does not answer, the images are listed,
    the VMs that use them are unknown, and a warning contains the reason. Without a connection to the Windows host or
    the cluster, the task fails.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.image_store
attributes:
  action_group:
    description: Use C(group/polyvirt.core.all) in C(module_defaults) to set defaults for this module.
    support: full
    details:
      - Defaults of the group of the platform apply, too, such as C(group/polyvirt.core.proxmox). Options of the group
        that this module does not have are ignored.
    membership:
      - polyvirt.core.all
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix, windows
options:
  platform:
    description: Platform of the VMs that use the images. It decides which directory is the default.
    type: str
    choices: [libvirt, virtualbox, vmd, hyperv, proxmox, wsl]
    required: true
  image_directory:
    description:
      - Absolute path of the directory for images on the host. Not supported on Proxmox VE; set O(image_storage) there.
      - If omitted, the variable C(polyvirt_image_directory), then the environment variable C(POLYVIRT_IMAGE_DIRECTORY)
        of the controller (not for Hyper-V and WSL), then the default of the platform, which
        O(polyvirt.core.image#module:image_directory) describes.
    type: path
  architecture:
    description: Only images of this architecture. If omitted, those of all.
    type: str
    choices: [amd64, arm64]
seealso:
  - module: polyvirt.core.image
"""

EXAMPLES = r"""
- name: List the images for VMs of libvirt
  polyvirt.core.image_info:
    platform: libvirt
  register: store

- name: List the images on a storage of Proxmox VE
  polyvirt.core.image_info:
    platform: proxmox
    node: pve1
    image_storage: local

- name: Remove the images that no VM uses
  polyvirt.core.image:
    platform: libvirt
    name: "{{ store.images | map(attribute='name') | difference(used) }}"
    state: absent
  vars:
    used: "{{ store.images | selectattr('users') | map(attribute='name') }}"
"""

RETURN = r"""
directory:
  description:
    - The directory for images on the host; on Proxmox VE the storage with its content, such as V(local:import).
  returned: success
  type: str
  sample: /var/lib/libvirt/images/polyvirt
node:
  description: Node that has the images.
  returned: on Proxmox VE
  type: str
  sample: pve1
images:
  description: The stored images, the newest one last. Several can have the same name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - Name in the catalogue, or address without credentials; on Proxmox VE the name of the file.
        - Of an ISO image that was prepared for O(polyvirt.core.vm#module:skip_boot_prompt), the path of the ISO image.
      type: str
      sample: debian-13
    path:
      description: Path of the image on the host; on Proxmox VE the volume, such as C(local:import/NAME).
      type: str
      sample: /var/lib/libvirt/images/polyvirt/debian-13-4f1c09ab12cd.qcow2
    digest:
      description:
        - The vendor's checksum of the downloaded file. Null if none is known, and on Proxmox VE, where only its first
          digits are in the name of the file.
      type: str
      sample: sha512:4f1c09ab12cd...
    size:
      description:
        - Size of the disk in the image in bytes. Null if it is not known, as for compressed files, and on Proxmox VE.
      type: int
      sample: 3221225472
    file_size:
      description: Size of the stored file in bytes.
      type: int
      sample: 431947776
    architecture:
      description: Architecture of the system in the image. Empty for a prepared ISO image.
      type: str
      sample: amd64
    format:
      description: Format of the stored file.
      type: str
      sample: qcow2
    fetched:
      description: Date of the download.
      type: str
      sample: '2026-07-01'
    age:
      description: Days since the download.
      type: int
      sample: 12
    checked:
      description:
        - How the image was verified. V(signature) and checksum, V(checksum) only, or V(none). Null on Proxmox VE.
      type: str
      sample: signature
    golden:
      description: The record of a golden image. Null for other images.
      type: dict
      contains:
        version:
          description: Number of the version.
          type: int
          sample: 2
        inputs:
          description: Digest of what it was built from.
          type: str
          sample: inputs-4f1c09ab12cd4f1c09ab12cd4f1c09ab
        vm:
          description: Name of the VM with the disk.
          type: str
          sample: shop-base-build
        firmware:
          description: Firmware of that VM.
          type: str
          sample: bios
        bus:
          description: Bus of the disk.
          type: str
          sample: virtio
        origin:
          description: Base image or VM that the role used. This and what follows is as the task recorded it.
          type: str
          sample: debian-13
        host:
          description: Host that built it.
          type: str
          sample: hypervisor
        users:
          description: Users of the image that can log in, and whether they have a password.
          type: list
          elements: str
          sample: ['root (password: false)']
        ssh_keys:
          description: Users with the SSH keys that the image accepts for them.
          type: list
          elements: str
    users:
      description:
        - Names of the VMs of the platform that use the image as a disk, as the backing file of a disk (linked), or in
          an optical drive.
        - Null if they are not known, because the platform does not answer. Always empty on Proxmox VE, where VMs have
          copies of images.
      type: list
      elements: str
      sample: [web1]
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.image_store import image_info_module

MODULE = image_info_module()


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
