#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: install_wait
short_description: Wait for the end of an unattended installation
version_added: 1.0.0
description:
  - Reads the power state of a VM and the log of its console until the installer in it has ended. Changes nothing.
  - The installation is complete if the VM has stopped, and the console shows that the last step was done.
  - Fails as soon as the installer asks a question or shows an error, with the title of the error; and if the VM stops
    before the last step.
  - While it waits, it shows the step at which the installer works, every 30 seconds.
  - Used by the role P(polyvirt.core.unattended_install#role).
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - polyvirt.core.vm
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: full
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: The task is skipped, because there may be no installation to wait for.
  connection:
    support: full
    details: The connection of the task is that to the host of the hypervisor, as with the module of the platform.
  delegation:
    support: full
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: all
options:
  name:
    description: Name of the VM.
    type: str
    required: true
  installer:
    description:
      - Kind of the installer, as in the entries of P(polyvirt.core.distribution#lookup).
      - Errors, questions and steps of all kinds are recognized. Of V(windows), only the end is recognized.
      - With V(manual), a user installs the VM. The installation ends when the VM is stopped.
    type: str
    choices: [alpine, autoinstall, kickstart, manual, openbsd, preseed, windows]
    required: true
  ends:
    description: Power state of the VM when the installer has ended.
    type: str
    choices: [stop, restart]
    default: stop
  console_log:
    description:
      - File on the host with the output of the VM's first serial port. Required unless a user installs the VM.
      - Hyper-V has none. Of V(windows), the last line is read from the guest while the VM runs, so use O(ends=restart).
    type: path
  start_timeout:
    description:
      - Seconds in which the installer must have written to a disk of the VM, such as V(300). If it has not, the task
        fails with the outcome V(not_started); the VM continues to run.
      - Without it, the task waits for O(timeout). It has no effect if the platform does not report how much space the
        disks use, or if they use all of it from the start.
    type: int
  timeout:
    description: Seconds to wait. After that the VM is not changed, so that another task can continue to wait.
    type: int
    default: 7200
seealso:
  - module: polyvirt.core.vm
  - module: polyvirt.core.install_medium
"""

EXAMPLES = r"""
- name: Wait until Debian is installed
  polyvirt.core.install_wait:
    name: web1
    platform: libvirt
    installer: preseed
    console_log: /var/log/libvirt/qemu/web1-console.log
"""

RETURN = r"""
outcome:
  description:
    - V(finished); V(failed), the installer has an error; V(not_started), see O(start_timeout); V(timeout); or
      V(unknown), the VM cannot be read.
  returned: except in check mode
  type: str
title:
  description: Title of the installer's error.
  returned: with the outcome V(failed)
  type: str
  sample: Bad archive mirror
seconds:
  description: How long the task has waited.
  returned: except in check mode
  type: int
"""

from ..module_utils._core.options.option import INSTALL_WAIT
from ..module_utils._front.any_platform import declaration
from ..module_utils._front.declaration import run_module

MODULE = declaration(INSTALL_WAIT)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
