#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsl_distro
short_description: Manage distributions of WSL
version_added: 1.0.0
description:
  - Creates, changes, starts, stops and deletes distributions of the Windows Subsystem for Linux, version 1 and 2.
  - Ten options are enough for most tasks - O(name), O(state), O(image), O(clone), O(default_user), O(systemd),
    O(keep_running), O(cloud_init), O(timeout) and O(allow_restart).
  - Runs on the controller and sends its calls to the host through the connection of the task. The host needs no Python.
  - Options you omit are never changed. Options you set are enforced on existing distributions, too; if that is
    impossible, the task fails and says why.
  - In the texts of shared options, the VM is the distribution.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.wsl
  - polyvirt.core.wsl_distro
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - It cannot foresee the following, each with the reason after the dash. The guide has what remains afterwards.
      # begin generated: unforeseen
      - a tarball is not one of a root file system - only WSL unpacks it.
      - the virtual machine of WSL does not start - Windows decides when it starts, by its features, policies
        and session.
      - C(useradd) fails - a program of the distribution decides.
      - the scheduled task of C(keep_running) may not log on - the policy of the host is read when the task is
        registered.
      - the disk cannot be enlarged - WSL checks the file system when it is enlarged.
      - 'Windows does not create a directory: too long a name, or a right is missing - PowerShell reports it
        when it creates one.'
      - an image of the online list cannot be downloaded - WSL downloads it itself.
      # end generated
  diff_mode:
    support: full
  platform:
    platforms: windows
options:
  name:
    description:
      - Name of the distribution, or names of several that are treated alike. WSL compares names without regard to case.
      - At least one of O(name) and O(id) is required.
  id:
    description:
      - ID (GUID in braces) of an existing distribution. With O(name), a distribution that was deleted and created again
        under the same name is not touched.
  state:
    description:
      - V(present) - the distribution exists as described. It is not started; a new one stays stopped.
      - V(started) - it exists and runs. See O(keep_running) for how long.
      - V(stopped) - it exists, and none of its programs runs.
      - V(restarted) - it is stopped and started once in every run, which always reports a change.
      - V(absent) - it does not exist. Its virtual disk is deleted with it.
      - A distribution is created only if the task sets O(image) or O(clone). Otherwise an unknown name is an error
        with every state but V(absent), which protects from typing errors.
  stop_mode:
    description:
      - WSL ends a distribution without asking it, so V(force) is the only choice.
  allow_restart:
    description:
      - Permission to stop and start the distribution for changes that are possible only while it is stopped, and for
        those listed in C(restart_required). Its previous power state is restored.
  disks:
    description:
      - The virtual disk of a distribution of version 2. It grows and never shrinks, and only while the distribution is
        stopped. Needs WSL 2.4.4 or later.
  image:
    description:
      - Source of the distribution. Used only when it is created, and not compared later.
      - The path on the host of a tarball, a C(.vhdx) file (which is copied) or a C(.wsl) file; or a name in the list
        C(wsl --list --online), such as V(Debian). A C(.wsl) file and a name need WSL 2.4.4 or later.
  clone:
    description:
      - Another distribution to create this one from. Used only when it is created.
      - The source is exported and imported. If it runs, it is stopped for the export and started again. The clone has
        the same users and settings, and a new ID.
  native:
    description:
      - Keys of C(/etc/wsl.conf) without an option here, such as V(automount.options) or V(network.hostname). A key with
        the value null is removed. Other keys and comments of the file stay as they are.
      - Settings of this file can be read only while the distribution runs. If the task sets one of them, O(systemd) or
        O(default_user), a stopped distribution is started for a moment to read them, in check mode, too.
seealso:
  - module: polyvirt.core.wsl_distro_info
  - name: The WSL guide of this collection
    description: A first distribution, WSL under services, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/wsl.md
"""

EXAMPLES = r"""
- name: Create a distribution for development, with systemd and a user
  polyvirt.core.wsl_distro:
    name: dev
    state: started
    image: debian-13
    default_user: anna
    systemd: true
    keep_running: true

- name: Create a distribution from a tarball, on another drive
  polyvirt.core.wsl_distro:
    name: build
    image: C:\images\alpine-minirootfs.tar.gz
    install_location: D:\WSL\build
    native:
      automount.enabled: false
      network.hostname: build

- name: Clone a distribution
  polyvirt.core.wsl_distro:
    name: dev2
    clone: dev

- name: Save a distribution, in place of a snapshot
  polyvirt.core.wsl_distro:
    name: dev
    export: C:\backup\dev-before-upgrade.tar
    allow_restart: true

- name: Delete a distribution with its disk
  polyvirt.core.wsl_distro:
    name: dev
    state: absent
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode, as it would be after the task.
    - An entry always has all keys. Unknown and missing values are null or empty.
  returned: unless the options are wrong in form, or WSL cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: dev
    id:
      description: GUID of the distribution; null for one that does not exist (yet).
      type: str
      sample: '{8f3c2a51-6d0e-4b7a-9c1d-2e5f7a904b13}'
    platform:
      description: Always V(wsl).
      type: str
      sample: wsl
    state:
      description: Power state - absent, stopped, running or unknown.
      type: str
      sample: running
    reason:
      description: Why the power state is unknown.
      type: str
      sample: State 9 in the registry
    cpus:
      description: Always null; all distributions share one virtual machine.
      type: int
      sample: 2
    memory_mib:
      description: Always null; all distributions share one virtual machine.
      type: int
      sample: 2048
    description:
      description: Free-text description.
      type: str
    tags:
      description: Tags.
      type: list
      elements: str
    fleet:
      description: The group of VMs to which it belongs; null if to none.
      type: str
    owner:
      description: Who is responsible for it; null if nobody.
      type: str
    created:
      description: When this collection created it, in ISO 8601 and UTC; null if that is not known.
      type: str
    expires:
      description: When it expires, in ISO 8601 and UTC; null if it does not.
      type: str
    autostart:
      description: Always null; see C(settings.keep_running).
      type: bool
    iso:
      description: Always null.
      type: str
    image:
      description: The image that the VM was created from, or null if that is not known.
      type: dict
      contains:
        name:
          description: Name of the catalogue, address, path or volume, as the task has set it.
          type: str
        digest:
          description: Checksum of the vendor's file, or null if none is known.
          type: str
        fetched:
          description: Date of the download, or null if it was not downloaded by this collection.
          type: str
      sample:
        name: debian-13
        digest: sha512:4f1c09ab12cd
        fetched: '2026-11-25'
    addresses:
      description: Always empty; a distribution is reached through its host.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
          type: str
        source:
          description: Always empty.
          type: str
      sample: []
    mac_addresses:
      description: Always empty.
      type: list
      elements: str
    ssh:
      description: Always null.
      type: dict
      contains:
        host:
          description: Address to connect to.
          type: str
        port:
          description: Port to connect to.
          type: int
        user:
          description: User to log in as, or null if the platform does not know one.
          type: str
        scope:
          description: V(host) - the address can be reached only from the hypervisor's host, such as a forwarded
            port. V(network) - it can be reached from the network.
          type: str
      sample:
        host: 192.168.122.14
        port: 22
        user: null
        scope: host
    guest_tools:
      description: The Guest Additions of VirtualBox in the guest; null if the VM is off, and on other platforms.
      type: dict
      contains:
        installed:
          description: V(true) if the guest has reported a version, in this boot or an earlier one; otherwise null,
            because a guest that still starts has not reported it yet.
          type: bool
        running:
          description: Whether the guest has reported the version since it booted.
          type: bool
        version:
          description: Their version, or null.
          type: str
          sample: 7.2.22
        run_level:
          description: V(none), V(system), V(userland) or V(desktop); null if it was not read. It is read for VMs
            with running Guest Additions, if the task reads addresses.
          type: str
          sample: userland
    cdroms:
      description: Optical drives of the VM, without that of the cloud-init seed ISO. Empty on platforms without
        the option.
      type: list
      elements: dict
      contains:
        slot:
          description: Slot of the drive.
          type: str
          sample: sata0
        source:
          description: ISO image in the drive; empty for none.
          type: str
    disks:
      description: The virtual disk; empty for version 1.
      type: list
      elements: dict
      contains:
        slot:
          description: Slot of the disk.
          type: str
          sample: disk0
        size:
          description: Size, as a task sets it; null if it cannot be read.
          type: str
          sample: 20G
        source:
          description: File of the disk.
          type: str
          sample: C:\WSL\dev\ext4.vhdx
    networks:
      description: Always empty.
      type: list
      elements: dict
      contains:
        type:
          description: Never returned.
          type: str
    snapshots:
      description: Snapshots of the VM, each before its children. Empty if the task does not read snapshots.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the snapshot.
          type: str
          sample: before-upgrade
        id:
          description: Never returned; the platform has no snapshots.
          type: str
        parent:
          description: Name of the parent snapshot, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: Never returned; the platform has no snapshots.
          type: str
        created:
          description: Time of the snapshot in seconds since 1970.
          type: int
          sample: 1795172368
        expires:
          description: When it expires, in ISO 8601 and UTC; null if it does not.
          type: str
        current:
          description: Whether the disks are based on it. It does not contain data that was written since.
          type: bool
        unfinished:
          description: Never returned; the platform has no snapshots.
          type: str
    settings:
      description: All other settings of the distribution, by the name of their option. Those that are stored in
        it (systemd, default_user) only if it runs, or if the task sets one of them.
      type: dict
      sample:
        version: 2
        default: true
        keep_running: 'true'
        systemd: true
    native:
      description: Values of the keys in O(native).
      type: dict
    restart_required:
      description: Paths of settings that are stored and take effect at the next start.
      type: list
      elements: str
      sample:
        - memory
    changed:
      description: Whether this VM was changed.
      type: bool
    failed:
      description: Whether the task failed for this VM.
      type: bool
    msg:
      description: Why it failed; empty if it did not.
      type: str
    steps:
      description: Steps of the task, in order.
      type: list
      elements: dict
      contains:
        verb:
          description: Action, such as V(fetch), V(create), V(configure), V(start) or V(stop).
          type: str
        changes:
          description: Changes to settings that are part of the step.
          type: list
          elements: dict
          contains:
            path:
              description: Path of the setting.
              type: str
              sample: disks.vda.size
            before:
              description: Value before; null if it was not set.
              type: raw
            after:
              description: Value after; null if it is removed.
              type: raw
            cost:
              description: V(live) - takes effect immediately. V(next_boot) - at the next start. V(power_off) -
                the VM must be stopped. V(destructive) - the VM must be created again.
              type: str
        cost:
          description: The highest cost of its changes.
          type: str
        also:
          description: Effects on anything other than this VM.
          type: list
          elements: str
        done:
          description: Whether the step was completed; in check mode, whether it would be. If the task stopped the
            VM and then failed, later steps bring the VM back to its previous power state.
          type: bool
        note:
          description: Further information, such as how the guest was stopped.
          type: str
      sample:
        - verb: start
          changes: []
          cost: live
          also: []
          done: true
          note: ''
    not_compared:
      description: Options that are used only when a VM is created, and had no effect on the existing one.
      type: list
      elements: str
      sample:
        - image
    plan:
      description: Digest of what the task does to this VM; empty if nothing is to be done, null if the task was
        rejected.
      type: str
      sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
    not_carried:
      description: What a new VM does not get from its C(appliance), in check mode too; empty without one.
      type: list
      elements: str
      sample:
        - sound card
    deleted:
      description: Files that the task deletes, in check mode too. If a step failed, some of them may exist still.
      type: list
      elements: str
      sample:
        - /var/lib/libvirt/images/web1-vda.qcow2
    kept:
      description: Files that were not deleted with the VM.
      type: list
      elements: dict
      contains:
        path:
          description: File.
          type: str
        reason:
          description: Why it was not deleted.
          type: str
      sample:
        - path: /srv/iso/debian.iso
          reason: an ISO image is never deleted
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  type: str
  returned: unless the options are wrong in form
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: Differences before and after the task. One entry for each VM that was changed, or would be in check
    mode.
  type: list
  elements: dict
  contains:
    before_header:
      description: Name of the VM.
      type: str
      sample: web1
    after_header:
      description: Name of the VM.
      type: str
      sample: web1
    before:
      description: Settings before, only those that differ.
      type: dict
      sample:
        memory: 2G
    after:
      description: Settings after, only those that differ.
      type: dict
      sample:
        memory: 4G
  returned: unless the options are wrong in form
# end generated
"""

from ..module_utils._drivers.wsl.driver import make_driver
from ..module_utils._drivers.wsl.options import VM, WSL
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(WSL, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
