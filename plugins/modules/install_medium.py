#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: install_medium
short_description: Download and verify installation media and images of operating systems
version_added: 1.0.0
description:
  - Downloads an installation medium or an image to a directory of the host, and verifies it with the checksum file and
    the signature of its vendor.
  - A file that is there already, with the checksum that the vendor publishes now, is not downloaded again.
  - A download that breaks off is continued, in the same task or in the next one. A file with a wrong checksum or a
    wrong signature is not kept, and the former file at its path is not changed.
  - Of tasks that download to the same directory at the same time, one downloads, and the others wait.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
attributes:
  action_group:
    description: Use C(group/polyvirt.core.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
  check_mode:
    support: full
    details: The checksum file is downloaded and its signature is checked, but the medium is not downloaded.
  diff_mode:
    support: full
    details: Shows the names of the files that are downloaded.
  platform:
    platforms: posix
options:
  medium:
    description: The file to download, in the form of the entries of P(polyvirt.core.distribution#lookup).
    type: dict
    required: true
    suboptions:
      type:
        description: Kind of the medium. The module does not use it.
        type: str
      bases:
        description: Addresses of directories that may have the file. The first one that lists its checksum is used.
        type: list
        elements: str
      file:
        description: Name of the file. With C(*) in it, the newest file that the checksum file lists.
        type: str
      initrd:
        description: Name of a second file that belongs to it, such as the initial RAM disk of a kernel.
        type: str
      checksums:
        description:
          - Name of the checksum file in the same directory, with SHA-256 or SHA-512 checksums.
          - C(.treeinfo) is the file list of an installation tree of the Red Hat family, with the checksums of its
            kernel.
        type: str
      signature:
        description: The signature of the vendor, if there is one.
        type: dict
        suboptions:
          tool:
            description: Program that verifies the signature.
            type: str
            choices: [gpg, signify]
            required: true
          key:
            description: For V(gpg), the fingerprint of the vendor's primary key. For V(signify), the key file's name.
            type: str
            required: true
          key_url:
            description: Address of the key. A key of V(gpg) must have the fingerprint O(medium.signature.key).
            type: str
          file:
            description:
              - Name of the file with the signature. Without it, the checksum file itself is signed (a clear-signed
                message).
              - For V(signify), this file contains the checksums, too.
            type: str
          signs:
            description: The signed file, which is the checksum file or the medium itself.
            type: str
            choices: [checksums, file]
            default: checksums
      manual:
        description: Address where users can download the medium by hand. The module fails and reports it.
        type: str
      architecture:
        description: Architecture of the medium. It is compared with O(architecture).
        type: str
      unverified:
        description:
          - Keys of the medium with facts that nobody has verified.
          - With V(signature), a signature that is missing or wrong is only a warning.
        type: list
        elements: str
      image:
        description: What an image contains, such as its format. The module does not use it.
        type: dict
      url:
        description:
          - Address of any other file, with O(medium.checksum), instead of the suboptions that describe a file in a
            vendor's list. The file gets the name that it has in the address.
        type: str
      checksum:
        description:
          - Checksum of the file at O(medium.url), such as V(sha256:4f1c...), or V(sha512:) followed by the address of a
            list of checksums.
        type: str
  architecture:
    description:
      - Architecture of the VM that the medium is for. The task fails if O(medium) is for another one, or does not say
        for which one it is.
      - If omitted, the medium may be for any architecture.
    type: str
    choices: [amd64, arm64]
  directory:
    description: Directory for the files on the host. It is created if it does not exist.
    type: path
    required: true
  require_signature:
    description:
      - Whether the task fails if the signature cannot be checked, because the vendor publishes none, or because the
        program that checks it is not installed on the host.
      - A wrong signature is an error in any case, unless O(medium.unverified) contains V(signature). Then it is a
        warning, and an error only with this option.
    type: bool
    default: false
  key_file:
    description: File on the host with the key of the vendor, instead of O(medium.signature.key_url).
    type: path
  timeout:
    description: Seconds to wait for a server that sends nothing.
    type: int
    default: 60
requirements:
  - C(gpg) or C(signify) (C(signify-openbsd) on Debian) on the host, to check signatures
notes:
  - Proxies are taken from the environment of the task, such as C(https_proxy).
seealso:
  - plugin: polyvirt.core.distribution
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Download the installation ISO of Debian 13
  polyvirt.core.install_medium:
    medium: "{{ lookup('polyvirt.core.distribution', 'debian-13').media | selectattr('type', 'eq', 'iso') | first }}"
    directory: /var/lib/libvirt/images/iso
    require_signature: true
  register: iso

- name: Download the kernel and the initial RAM disk of Debian's installer for VMs of arm64
  polyvirt.core.install_medium:
    medium: "{{ entry.media | selectattr('type', 'eq', 'netboot') | first }}"
    architecture: arm64
    directory: /var/lib/libvirt/images/netboot/arm64
  vars:
    entry: "{{ lookup('polyvirt.core.distribution', 'debian-13', architecture='arm64') }}"

- name: Download an image from your own server
  polyvirt.core.install_medium:
    medium:
      url: https://images.example.com/appliance.qcow2
      checksum: sha256:https://images.example.com/SHA256SUMS
    directory: /var/lib/libvirt/images
"""

RETURN = r"""
path:
  description: Path of the file on the host.
  returned: success
  type: str
  sample: /var/lib/libvirt/images/iso/debian-13.7.0-amd64-netinst.iso
initrd:
  description: Path of the second file, or null.
  returned: success
  type: str
checksum:
  description: Checksum of the file, as the vendor publishes it.
  returned: success
  type: str
  sample: sha512:cf83e1357eefb8bd...
url:
  description: Address from which the file is or was downloaded.
  returned: success
  type: str
signature:
  description:
    - V(verified), V(not_checked), or V(none) because the vendor publishes none.
    - V(not_checked) if the program for it is not installed, or if the signature is not valid and unverified in the
      catalogue.
  returned: success
  type: str
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: The names of the files that were downloaded.
  returned: success
  type: dict
  contains:
    before:
      description: Empty.
      type: str
    after:
      description: The names of the files.
      type: str
    before_header:
      description: The directory.
      type: str
    after_header:
      description: The directory.
      type: str
"""

from ..module_utils._front.declaration import changing, run_module
from ..module_utils._media.install_medium import OPTIONS, answer

MODULE = changing(OPTIONS, answer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
