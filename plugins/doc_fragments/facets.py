# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What every ``<platform>_vm_info`` reads (the argument spec ``facets``)."""

    DOCUMENTATION = r"""
options:
  facets:
    description:
      - Values to read of each VM. All other values may be null or empty in the result.
      - V(power) is always read. On platforms that report settings for one VM at a time, V(power) alone is much faster
        for many VMs.
      - V(list) alone is the fastest way to read names, IDs and power states of many VMs. On Proxmox VE, one request
        reads the whole cluster; names and power states are then up to about ten seconds old. On VirtualBox, no
        addresses are read. On other platforms it is the same as V(power). With other values, V(list) has no effect.
      - V(counters) reads the resources that each VM uses on its host. It needs no further call on libvirt, Proxmox VE,
        vmd, Hyper-V and VirtualBox, and reports nothing on Vagrant and WSL.
    type: list
    elements: str
    choices: [list, power, config, addresses, snapshots, counters]
    default: [power, config, addresses, snapshots]
  filters:
    description:
      - Which VMs to return. A VM must match all suboptions that are set.
      - Filters by tags, fleet, owner, expiry or ownership read the settings of the VMs, as V(config) in O(facets).
    type: dict
    suboptions:
      state:
        description: The power state is one of these.
        type: list
        elements: str
        choices: [stopped, running, paused, suspended, failed, unknown, absent]
      tags:
        description: The VM has all of these tags.
        type: list
        elements: str
      fleet:
        description: The VM belongs to this fleet.
        type: str
      owner:
        description: The VM has this owner. An empty string selects VMs without an owner.
        type: str
      expired:
        description:
          - Whether the VM has expired, by the time of the controller. VMs that were copied without this collection
            never expire.
        type: bool
      owned:
        description: Whether the VM was created by this collection.
        type: bool
  controller_time:
    description: Set by the action plugin of the module only. A value in a task has no effect.
    type: int
  console:
    description:
      - How many of the last lines of each VM's console to return, at most 1000. See RV(vms[].console).
      - On libvirt, VirtualBox and Vagrant with these providers, the file is read to which the first serial port is
        written. It must be a regular file on the host where the task runs, and the task's user needs permission to read
        it (C(become)). At most the last 256 KiB are read.
      - vmd, Proxmox VE, Hyper-V and WSL keep no log. The result then contains how to connect to the console.
      - The lines are what the guest has printed, without control sequences of terminals. They may contain secrets that
        the guest prints. Only secrets that the task itself sets are masked; set C(no_log) if there may be others.
    type: int
  describe:
    description:
      - Whether to describe each VM as the task of M(polyvirt.core.vm) that keeps it as it is. In check mode, this task
        reports no change until somebody changes the VM.
      - A setting with a default value is omitted, and so is what identifies a VM, such as a MAC address. Secrets are
        never shown. All that is omitted is listed with the reason.
      - Settings that only O(polyvirt.core.vm#module:native) can set are described if a new VM has other values.
      - Reads V(config) too, whatever O(facets) is. The filter P(polyvirt.core.to_task#filter) writes the tasks as YAML.
    type: bool
    default: false
    version_added: 1.0.0
"""
