#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Download images of operating systems to a host before VMs need them, or remove them
version_added: 0.1.0
description:
  - Downloads and verifies images, and keeps them in the image directory of a host. VMs that are created there from the
    same name or address use the stored image without a request to the vendor.
  - An image is selected, downloaded, verified, unpacked and converted as for a new VM of the platform with default
    settings. You do not need this module to create a VM, because the modules for VMs download missing images, too. Use
    it on slow lines, and for hosts that have no network later.
  - Removes images that no VM uses.
  - Supported are libvirt, VirtualBox and OpenBSD vmd, because their hosts keep images in a directory.
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
    platforms: posix
options:
  name:
    description:
      - Names of the catalogue such as V(debian-13), or addresses (V(https://...)), as in the option C(image) of the
        modules for VMs.
      - The lookup P(polyvirt.core.distribution#lookup) lists the names. Your own catalogue directories, which the
        variable C(polyvirt_catalogue_directories) lists, count too.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(present) - the images are stored on the host.
      - V(absent) - no version of these images is stored. The task fails and removes nothing if a VM of the platform
        uses one of them as a disk or as the backing file of a disk. Incomplete files of downloads that were interrupted
        are removed as well, whatever their name is.
    type: str
    choices: [present, absent]
    default: present
  platform:
    description:
      - Platform of the VMs that use the images. It decides which formats are suitable, which directory is the default,
        and which VMs are checked with O(state=absent).
    type: str
    choices: [libvirt, virtualbox, vmd]
    required: true
  image_directory:
    description:
      - Absolute path of the directory for images on the host. It is created if it does not exist.
      - If omitted, the variable C(polyvirt_image_directory), then the environment variable C(POLYVIRT_IMAGE_DIRECTORY)
        of the controller, then the default of the platform.
      - The default of libvirt is C(/var/lib/libvirt/images/polyvirt), or C(~/.local/share/libvirt/images/polyvirt) with
        a session connection of a user. That of VirtualBox is C(~/.local/share/polyvirt/images), or
        C(/var/lib/polyvirt/images) for root. That of vmd is C(/var/vmm/polyvirt).
    type: path
  firmware:
    description:
      - Firmware of the VMs that are created from the image. It matters for operating systems with a separate image for
        each firmware, such as Alpine.
      - If omitted, V(bios). Not supported on vmd.
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
    description: HTTP headers that the server of an address requires, such as C(Authorization).
    type: dict
  require_signature:
    description:
      - Fail if the vendor's signature cannot be checked. Otherwise, the task warns. The checksum is always checked.
    type: bool
  catalogue:
    description: Set by this collection only. What the catalogue on the controller has for each name.
    type: dict
  timeout:
    description: Maximum number of seconds to wait for another task that downloads the same image.
    type: int
    default: 300
requirements:
  - On the host, the platform and its program
  - C(qemu-img) and C(zstd) for images that must be converted or unpacked with them
  - C(gpg) or C(signify) (C(signify-openbsd) on Debian) to check signatures
notes:
  - Proxies are taken from the environment of the task, such as C(https_proxy).
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

- name: Remove all versions of an image that no VM uses
  polyvirt.core.image:
    platform: libvirt
    name: debian-12
    state: absent
"""

RETURN = r"""
images:
  description: With O(state=present) the stored images, one for each name. With O(state=absent) the removed ones.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name in the catalogue, or address without credentials.
      type: str
      sample: debian-13
    path:
      description: Path of the image on the host.
      type: str
      sample: /var/lib/libvirt/images/polyvirt/debian-13-4f1c09ab12cd.qcow2
    digest:
      description: The vendor's checksum of the downloaded file. Null if none is known.
      type: str
      sample: sha512:4f1c09ab12cd...
    size:
      description: Size of the disk in the image in bytes. Null if it is not known, as for compressed files.
      type: int
      sample: 3221225472
    format:
      description: Format of the stored file.
      type: str
      sample: qcow2
    fetched:
      description: Date of the download.
      type: str
      sample: '2026-07-01'
    checked:
      description: How the image was verified. V(signature) and checksum, V(checksum) only, or V(none).
      type: str
      sample: signature
    users:
      description:
        - Names of the VMs of the platform that use the image as a disk, or as the backing file of a disk (linked).
        - Null if they are not known, because the platform does not answer.
      type: list
      elements: str
      sample: [web1]
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
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
      description: The directory for images.
      type: str
    after_header:
      description: The directory for images.
      type: str
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.image_store import image_module

MODULE = image_module()


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
