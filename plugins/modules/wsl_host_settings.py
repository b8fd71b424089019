#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wsl_host_settings
short_description: Install WSL and change its settings on a Windows host
version_added: 1.0.0
description:
  - Used by the role P(polyvirt.core.wsl_host#role). It enables the optional features that WSL needs, updates WSL, and
    sets the default version and keys of C(.wslconfig).
  - Options you omit are never changed. In C(.wslconfig), all other keys, comments and odd spacing stay as they are,
    and so does its encoding (UTF-8, or UTF-16LE with a byte order mark). With any other encoding, the task fails.
  - The default version and C(.wslconfig) belong to the user of the connection. The features and the package of WSL are
    those of the host.
  - New features can be used only after a restart of the host. Without O(reboot), settings that need them are listed in
    RV(pending) until then, and the next run after the restart does it.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
attributes:
  action_group:
    description: Use C(group/polyvirt.core.wsl) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.wsl
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows each setting that differs, and of C(.wslconfig) each key.
  platform:
    platforms: windows
options:
  minimum_version:
    description:
      - Version of WSL that is needed at least, such as V(2.4.4). If the installed one is older, or a part of Windows,
        WSL is updated to the newest one from Microsoft's server (C(wsl --update --web-download)).
    type: str
  default_version:
    description: Version of new distributions, where their creation does not set another one.
    type: int
    choices: [1, 2]
  config:
    description:
      - Keys of C(.wslconfig) by section. V(null) removes a key. Names are checked against those of WSL 2.9; upper and
        lower case are the same. The sizes C(memory), C(swap) and C(defaultVhdSize) are checked and compared as sizes.
      - They take effect when WSL starts the next time, see O(shutdown).
    type: dict
    suboptions:
      wsl2:
        description: Keys of the section, such as C(memory), C(processors) and C(networkingMode).
        type: dict
      general:
        description: Keys of the section, such as C(instanceIdleTimeout).
        type: dict
      experimental:
        description: Keys of the section, such as C(autoMemoryReclaim) and C(sparseVhd).
        type: dict
  shutdown:
    description:
      - Permission to stop all distributions of the user (C(wsl --shutdown)) if O(config) differs, so that the new
        values take effect.
    type: bool
    default: false
  reboot:
    description: Permission to restart the host if its features need that. The module then waits until it is ready.
    type: bool
    default: false
  reboot_timeout:
    description: Seconds that a restart may take.
    type: int
    default: 1800
requirements:
  - Windows 10 2004 or later, Windows 11, or Windows Server 2022 or later
notes:
  - The task needs a connection to the host, such as C(winrm), C(psrp), or C(ssh) with C(ansible_shell_type=powershell),
    as an administrator, who is the user that owns the distributions. SYSTEM cannot use WSL.
  - The module runs on the controller only, through an action plugin. C(async) is not supported.
"""

EXAMPLES = r"""
- name: Install WSL 2 with at most 8 GiB of memory, and restart the host if that is needed
  polyvirt.core.wsl_host_settings:
    minimum_version: 2.4.4
    default_version: 2
    config:
      wsl2: {memory: 8GB, networkingMode: mirrored}
    shutdown: true
    reboot: true
"""

RETURN = r"""
reboot_required:
  description: Whether the host has to be restarted before WSL can be used.
  returned: success
  type: bool
rebooted:
  description: Whether the module has restarted the host.
  returned: success
  type: bool
shutdown_required:
  description: Whether C(.wslconfig) was changed, and WSL has to be stopped (C(wsl --shutdown)) for it to take effect.
  returned: success
  type: bool
pending:
  description: Settings that are made by the next run after a restart.
  returned: success
  type: list
  elements: str
  sample: [version, default_version]
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: Each setting that differs, before and after the task.
  returned: success
  type: dict
  contains:
    before:
      description: Values before the task.
      type: dict
    after:
      description: Values after the task.
      type: dict
host:
  description: The host as it was read last.
  returned: success
  type: dict
  contains:
    features:
      description: State of each feature - V(enabled), V(pending) (after a restart), V(disabled) or V(unknown).
      type: dict
      contains:
        VirtualMachinePlatform:
          description: State of the feature of this name.
          type: str
    version:
      description: Version of the package of WSL; null for a release that is a part of Windows.
      type: str
      sample: 2.6.3
    default_version:
      description: Version of new distributions, as the user has set it; null if it was never set.
      type: int
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.hosts import host_module
from ..module_utils._hosts.windows.wsl_settings import OPTIONS, make_host

MODULE = host_module(OPTIONS, make_host)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
