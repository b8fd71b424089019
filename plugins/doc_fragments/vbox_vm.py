# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The few options of ``vbox_vm`` alone (the argument spec ``vbox_vm``)."""

    DOCUMENTATION = r"""
options:
  storage_path:
    description:
      - Folder on the host in which a new machine gets a folder of its own, for its settings and for the disks that
        are made.
      - When left out, VirtualBox's own (C(VBoxManage list systemproperties), Default machine folder).
      - Used only when the machine is made.
    type: path
  groups:
    description:
      - Groups in which VirtualBox shows the machine, such as V(/web) or V(/web/staging). The list is complete.
      - The machine's folder moves along with its first group.
    type: list
    elements: str
  graphics_controller:
    description:
      - The emulated graphics card. A new machine gets V(vmsvga).
      - V(vboxsvga) suits Windows guests with Guest Additions, V(vboxvga) old systems.
    type: str
    choices: [none, vboxvga, vmsvga, vboxsvga]
  boot_order:
    description:
      - Kinds of devices to boot from, in this order. A new machine tries V(disk), then V(cdrom).
    type: list
    elements: str
    choices: [disk, cdrom, network, floppy]
  ssh_forward:
    description:
      - Whether a port of the host's V(127.0.0.1) leads to SSH in the guest (a rule named C(polyvirt-ssh) on the first
        card of the type V(nat)). A free port is chosen once and kept; RV(vms[].ssh) tells it.
      - A new machine with a card of the type V(nat) gets it when this is left out.
    type: bool
  start_type:
    description:
      - How a machine is started here. V(headless) - without a window. V(gui) - in a window on the desktop of the
        task's user. V(separate) - headless, with a window that can be closed.
      - A window needs VirtualBox's own, and C(DISPLAY) in the task's C(environment).
      - A machine that runs is left as it is.
    type: str
    choices: [headless, gui, separate]
    default: headless
"""
