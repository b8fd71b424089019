# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of ``vagrant_instance`` alone (the argument spec ``vagrant_instance``)."""

    DOCUMENTATION = r"""
options:
  provider:
    description:
      - What runs the machine - V(virtualbox), V(libvirt), V(hyperv), V(vmware_desktop) or V(proxmox).
      - When left out, C(VAGRANT_DEFAULT_PROVIDER), else V(virtualbox). A machine that was made changes it only by
        being rebuilt (O(allow_recreate)).
    type: str
  box:
    description:
      - Name of the box that the machine is made from. It is fetched at the first start where the host does not have it.
      - Another one for a machine that was made needs it rebuilt (O(allow_recreate)).
    type: str
  box_version:
    description: Version of the box, or a constraint such as V(>= 12.0, < 13). Needs a rebuild like O(box).
    type: str
  box_url:
    description: Where the box is fetched from, when it is not in the public catalogue.
    type: str
  box_checksum:
    description:
      - Checksum of the box, with its kind in front, such as V(sha256:0a1b...). It is looked at when it is fetched.
    type: str
  os_boxes:
    description:
      - Boxes of more systems for O(os_type), or others than this collection knows. A mapping of systems to mappings of
        providers to boxes.
    type: dict
  hostname:
    description: Name that the guest gives itself.
    type: str
  gui:
    description: Whether the machine has a window (V(virtualbox), V(vmware_desktop)).
    type: bool
  linked_clone:
    description:
      - Whether its disk stands on the box's (V(virtualbox), V(hyperv), V(vmware_desktop)). With V(libvirt) it always
        does.
    type: bool
  provisioners:
    description:
      - Shell scripts that set up the guest, in this order. They run when the machine is first started, and once more at
        the next start after they were changed here, or after a start that failed.
    type: list
    elements: dict
    suboptions:
      name:
        description: What Vagrant calls it.
        type: str
      inline:
        description: The script itself. It is stored in the Vagrantfile, which nobody but the task's user can read.
        type: str
      path:
        description: A script on the host, or a URL.
        type: path
      args:
        description: Its arguments.
        type: list
        elements: str
      env:
        description: Its environment. What the variables hold is shown nowhere.
        type: dict
      privileged:
        description: Whether it runs as root. Vagrant's own default is V(true).
        type: bool
      run:
        description: V(always) runs it at every start, V(never) only by hand.
        type: str
        choices: [once, always, never]
  environment:
    description:
      - Environment variables for the Vagrantfile, as for a proxy. All machines of a project share them.
      - What they hold is shown nowhere. A value that YAML takes for neither a text nor a number must be quoted.
      - Variables that begin with C(VAGRANT_) belong into the task's own C(environment).
    type: dict
"""
