#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Download images of operating systems to a host before VMs need them, or remove them
version_added: 1.0.0
description:
  - Downloads and verifies images, and keeps them in the image directory of a host, or on a storage of a Proxmox VE
    node. VMs that are created there from the same name or address use the stored image without a request to the vendor.
  - An image is selected, downloaded, verified, unpacked and converted as for a new VM of the platform with default
    settings. You do not need this module to create a VM, because the modules for VMs download missing images, too. Use
    it on slow lines, and for hosts that have no network later.
  - Removes images that no VM uses.
  - Supported are libvirt, VirtualBox, OpenBSD vmd, Hyper-V, Proxmox VE, and WSL, except for names of its online list.
  - On Hyper-V and WSL, the controller downloads an image, then copies it to the host in pieces. For Hyper-V, it also
    converts it. On Proxmox VE, the node downloads it, or the host of the task if it must be unpacked or converted.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
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
    details:
      - The checksum file and its signature are checked, and the first 4 KiB of the image are read. The image is not
        downloaded.
      - A stored image needs no request in check mode either.
  diff_mode:
    support: full
    details: Shows the paths of the files that are added or removed.
  platform:
    platforms: posix, windows
options:
  name:
    description:
      - Names of the catalogue such as V(debian-13), or addresses (V(https://...)), as in the option C(image) of the
        modules for VMs.
      - The lookup P(polyvirt.core.distribution#lookup) lists the names. Your own catalogue directories, which the
        variable C(polyvirt_catalogue_directories) lists, count too.
      - With O(state=absent) also the path of an ISO image, for what O(polyvirt.core.vm#module:skip_boot_prompt) has
        prepared from it. The ISO image itself is never removed.
      - Required, except with O(path).
    type: list
    elements: str
  path:
    description:
      - With O(state=absent), the absolute path of a single image on the host that is in no O(image_directory), such as
        one of the role P(polyvirt.core.guest_image#role). It is removed with its record, C(PATH.polyvirt.json).
      - The task fails if a VM of the platform, or a disk file that no VM has, needs the image. It also fails unless the
        record fits the size and the SHA-256 checksum of the file, and names the command that removes it by hand.
      - Only on libvirt, VirtualBox and vmd, and not together with O(name).
    type: path
  state:
    description:
      - V(present) - the images are stored on the host.
      - V(absent) - no version of these images is stored. The task fails and removes nothing if a VM of the platform
        uses one of them as a disk or as the backing file of a disk, or if a disk file that no VM has needs one, in a
        directory with disks. Incomplete files of downloads that were interrupted
        are removed as well, whatever their name is.
      - On Hyper-V, V(absent) also fails if a disk of a VM cannot be read, because it may need the image. It removes
        incomplete copies on the host. If another controller is making such a copy, that copy starts again. Images that
        the controller keeps are not removed.
      - On Proxmox VE, VMs have copies of images, so V(absent) does not check VMs. A node records only the name of a
        file. So an address stands for all images with the same file name, from any server.
      - On WSL, distributions have copies of images, so V(absent) does not check them.
    type: str
    choices: [present, absent]
    default: present
  platform:
    description:
      - Platform of the VMs that use the images. It decides which formats are suitable, which directory is the default,
        and which VMs are checked with O(state=absent).
      - With V(hyperv) and V(wsl), the task needs the same connection to the Windows host as
        M(polyvirt.core.hyperv_vm) and M(polyvirt.core.wsl_distro).
    type: str
    choices: [libvirt, virtualbox, vmd, hyperv, proxmox, wsl]
    required: true
  image_directory:
    description:
      - Absolute path of the directory for images on the host. It is created if it does not exist. Not supported on
        Proxmox VE; set O(image_storage) there.
      - If omitted, the variable C(polyvirt_image_directory), then the environment variable C(POLYVIRT_IMAGE_DIRECTORY)
        of the controller, then the default of the platform.
      - The default of libvirt is C(/var/lib/libvirt/images/polyvirt), or C(~/.local/share/libvirt/images/polyvirt) with
        a session connection of a user. That of VirtualBox is C(~/.local/share/polyvirt/images), or
        C(/var/lib/polyvirt/images) for root. That of vmd is C(/var/vmm/polyvirt).
      - On Hyper-V, the default is V(C:\\ProgramData\\polyvirt\\images), and the environment variable sets the directory
        on the controller instead, where downloaded images are kept. The same is true on WSL, where the default is
        V(C:\\Users\\NAME\\AppData\\Local\\polyvirt\\images).
    type: path
  architecture:
    description:
      - Architecture of the VMs that are created from the image. Only on libvirt, Proxmox VE and VirtualBox,
        where it is that of the host.
      - If omitted, that of the host. With O(state=absent), images of all architectures are removed.
    type: str
    choices: [amd64, arm64]
  firmware:
    description:
      - Firmware of the VMs that are created from the image. It matters for operating systems with a separate image for
        each firmware, such as Alpine.
      - If omitted, V(bios); on Hyper-V, and for arm64, V(uefi). Not supported on vmd and WSL.
    type: str
    choices: [bios, uefi]
  checksum:
    description:
      - Checksum of the image at an address, such as V(sha256:4f1c...), or V(sha512:) followed by the address of a list
        of checksums. Without it, the task warns that nothing was verified.
      - It can be used with only one name. A VM that uses the image must set the same value.
    type: str
  refresh:
    description:
      - Ask the vendor for the newest image of each name or address, even if one is stored. A newer image is stored next
        to the old one, which O(state=absent) removes.
    type: bool
  headers:
    description:
      - HTTP headers that the server of an address requires, such as C(Authorization). They are sent to that server
        only, not to a mirror, the server of a checksum list, or where it redirects to.
      - Not supported on Proxmox VE, because the node would show them in its task log.
    type: dict
  require_signature:
    description:
      - Fail if the vendor's signature cannot be checked. Otherwise, the task warns. The checksum is always checked.
    type: bool
  from_vm:
    description:
      - Store the disk of a stopped VM as a version of a golden image, instead of a download. Only on libvirt. The role
        P(polyvirt.core.golden_image#role) does all that is needed for such an image.
      - The VM must have been created by this collection with O(polyvirt.core.vm#module:owner) set to C(golden image)
        and the name of the image, and have a single disk that is a file. The disk is copied; the VM is not changed.
      - Only users who can read the disk of the VM can read the image.
      - Versions that are not the newest one are removed, unless a VM needs them or a program has them open.
      - O(name) must be one name, which no downloaded image has.
    type: dict
    suboptions:
      name:
        description: Name of the VM.
        type: str
        required: true
      inputs:
        description:
          - Digest of all that the image is built from. If a version with the same digest is stored, the VM is not read
            and need not exist.
        type: str
        required: true
      sealed:
        description:
          - ID of the VM, as its guest printed it when it was sealed. The task fails if O(from_vm.name) has another ID.
          - Required unless a version with the same digest is stored.
        type: str
      record:
        description: What the record of the image also contains, such as the users that remain in it. No secrets.
        type: dict
        default: {}
  catalogue:
    description: Set by this collection only. What the catalogue on the controller has for each name.
    type: dict
  timeout:
    description:
      - Maximum number of seconds to wait for another task that downloads or copies the same image.
      - The download itself is not limited by it. On Proxmox VE, it may take as many seconds as the environment variable
        E(POLYVIRT_CALL_TIMEOUT) sets, by default 3600.
    type: int
    default: 300
requirements:
  - On the host, the platform and its program
  - C(qemu-img) and C(zstd) for images that must be converted or unpacked with them. For Hyper-V, they are needed on the
    controller, and for Proxmox VE on the host where the task runs.
  - C(gpg) or C(signify) (C(signify-openbsd) on Debian) to check signatures
  - For Proxmox VE, version 8.4 or later, an active storage with files and the content Import, and the Python libraries
    proxmoxer (2.1 or later) and requests on the host where the task runs
notes:
  - Proxies are taken from the environment of the task, such as C(https_proxy). For Hyper-V and WSL, those of the
    controller apply. A Proxmox VE node uses the proxy of the datacenter.
  - On Proxmox VE, the privilege C(Datastore.AllocateTemplate) on the storage is needed to download an image, with
    C(Sys.AccessNetwork) on the node, or C(Sys.Audit) and C(Sys.Modify) on C(/). C(Datastore.Allocate) is needed to
    remove it.
  - The variable C(polyvirt_mirrors), or the environment variable C(POLYVIRT_MIRRORS) of the controller as JSON, is a
    dictionary that replaces the beginnings of addresses of the catalogue with those of your mirrors.
seealso:
  - module: polyvirt.core.image_info
  - module: polyvirt.core.vm
  - plugin: polyvirt.core.distribution
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Fetch two images for VMs of libvirt
  polyvirt.core.image:
    platform: libvirt
    name: [debian-13, alpine-3.23]

- name: Fetch the newest image of Debian 13 that has a valid signature
  polyvirt.core.image:
    platform: libvirt
    name: debian-13
    refresh: true
    require_signature: true

- name: Fetch an image from your own server
  polyvirt.core.image:
    platform: virtualbox
    name: https://images.example.com/appliance.qcow2
    checksum: sha256:https://images.example.com/SHA256SUMS

- name: Copy an image to a Windows host with Hyper-V
  polyvirt.core.image:
    platform: hyperv
    name: debian-13
    image_directory: D:\images

- name: Let a node of Proxmox VE download an image to its storage
  polyvirt.core.image:
    platform: proxmox
    api_host: pve1.example.com
    api_user: ansible@pve
    api_token_id: ci
    api_token_secret: "{{ vault_token }}"
    node: pve1
    image_storage: local
    name: debian-13

- name: Store the disk of a stopped VM as an image
  polyvirt.core.image:
    platform: libvirt
    name: shop-base
    from_vm:
      name: shop-base-build
      inputs: "2026-11"
      sealed: 3f078c8c-2819-40bf-b3cd-6a6ef2079e51

- name: Remove an image that the role guest_image has created, if nobody needs it
  polyvirt.core.image:
    platform: libvirt
    path: /srv/images/base.qcow2
    state: absent

- name: Remove all versions of an image that no VM uses
  polyvirt.core.image:
    platform: libvirt
    name: debian-12
    state: absent
"""

RETURN = r"""
images:
  description:
    - With O(state=present) the stored images, one for each name. With O(state=absent) the removed ones.
    - Also if the image at O(path) cannot be removed, with its users.
    - In check mode, a golden image that would be stored is not in the list.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name in the catalogue, or address without credentials.
      type: str
      sample: debian-13
    path:
      description: Path of the image on the host; on Proxmox VE the volume, such as C(local:import/NAME).
      type: str
      sample: /var/lib/libvirt/images/polyvirt/debian-13-4f1c09ab12cd.qcow2
    digest:
      description:
        - The vendor's checksum of the downloaded file. Null if none is known.
        - Proxmox VE does not record it. It is null there for an image that was stored already, unless the task sets
          O(checksum).
      type: str
      sample: sha512:4f1c09ab12cd...
    size:
      description:
        - Size of the disk in the image in bytes. Null if it is not known, as for compressed files, and on Proxmox VE
          for images that were stored already.
      type: int
      sample: 3221225472
    architecture:
      description: Architecture of the system in the image.
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
    checked:
      description:
        - How the image was verified. V(signature) and checksum, V(checksum) only, or V(none).
        - Null on Proxmox VE for images that were stored already, because a node does not record it.
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
        - Names of the VMs of the platform that use the image as a disk, or as the backing file of a disk (linked).
        - Null if they are not known, because the platform does not answer. Always empty on Proxmox VE.
      type: list
      elements: str
      sample: [web1]
recorded:
  description: Whether the record beside the image at O(path) fits it.
  returned: if the image at O(path) cannot be removed
  type: bool
  sample: true
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
node:
  description: Node that has the images.
  returned: on Proxmox VE
  type: str
  sample: pve1
diff:
  description: The files before and after the task.
  returned: success
  type: dict
  contains:
    before:
      description: With O(state=present) the paths of the named images that were stored, else those that are removed.
      type: str
    after:
      description: With O(state=present) the paths of the named images that are stored, else empty.
      type: str
    before_header:
      description: The directory for images; on Proxmox VE the storage with its content, such as V(local:import).
      type: str
    after_header:
      description: The same as RV(diff.before_header).
      type: str
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.image_store import image_module

MODULE = image_module()


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
