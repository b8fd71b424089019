#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: windows_medium_info
short_description: List the languages and images on an installation medium of Windows
version_added: 1.0.0
description:
  - Reads an ISO image of Windows on the host, without mounting it, and needs no other program. Only its directories and
    the description of its images are read.
  - Windows Setup asks a question if its answer file has another language, or an image that the medium does not contain.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  action_group:
    description: Use C(group/polyvirt.core.all) in C(module_defaults) to set defaults for this module.
    support: full
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
  path:
    description:
      - Absolute path of the ISO image on the host. On Windows, such as V(D:\\iso\\server2025.iso); the module then runs
        on the controller, and reads parts of the file by the connection of the task.
    type: path
    required: true
seealso:
  - ref: ansible_collections.polyvirt.core.unattended_install_role
    description: The role C(polyvirt.core.unattended_install) writes answers for Windows Setup.
"""

EXAMPLES = r"""
- name: Read which images are on the ISO image
  polyvirt.core.windows_medium_info:
    path: /srv/iso/server2025.iso
  register: medium

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ medium.images | map(attribute='title') }}"
"""

RETURN = r"""
label:
  description: Label of the volume.
  returned: success
  type: str
  sample: SSS_X64FREE_EN-US_DV9
languages:
  description: Languages of Windows Setup. Empty if the medium does not list them.
  returned: success
  type: list
  elements: str
  sample: [en-US]
starts_without_key:
  description:
    - Whether the medium starts under UEFI without a key press. V(null) if it does not have the program for that.
  returned: success
  type: bool
  sample: false
images:
  description: The images that Windows Setup can install.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: Number of the image.
      type: int
      sample: 2
    name:
      description: Name by which an answer file selects the image.
      type: str
      sample: Windows Server 2025 SERVERSTANDARD
    title:
      description: Name that Windows Setup shows.
      type: str
      sample: Windows Server 2025 Standard Evaluation (Desktop Experience)
    edition:
      description: Edition of Windows.
      type: str
      sample: ServerStandardEval
    installation:
      description: V(Client), V(Server) with a desktop, or V(Server Core).
      type: str
      sample: Server
    architecture:
      description: Architecture of the image. Empty if it is not known.
      type: str
      sample: amd64
    build:
      description: Version of Windows.
      type: str
      sample: 10.0.26100
    language:
      description: Language of the image.
      type: str
      sample: en-US
"""

from ..module_utils._front.declaration import Declaration, run_module
from ..module_utils._media.windows_medium import OPTIONS, answer

MODULE = Declaration(OPTIONS, answer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
