#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vmm_marked_lines
short_description: Maintain a block of lines in a configuration file of a host with vmd
version_added: 1.0.0
description:
  - Used by the roles P(polyvirt.core.vmm_host#role) and P(polyvirt.core.vmm_network#role). It adds a block of lines to
    a file such as C(/etc/vm.conf) or C(/etc/pf.conf), between the comments C(# BEGIN polyvirt.core NAME) and C(# END
    polyvirt.core NAME). All other bytes of the file, its mode and its owner are kept.
  - A new version of the file is validated before it replaces the old one in one step. A file that is invalid already is
    reported and not changed.
  - If the program that reads the file fails with the new version, the old version is restored.
  - Takes the same lock as M(polyvirt.core.vmm_vm), so that no task overwrites the changes of another one.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
attributes:
  action_group:
    description: Use C(group/polyvirt.core.vmd) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.vmd
  check_mode:
    support: full
    details: Validates the file as it is. A new version is validated only when it is written.
  diff_mode:
    support: full
    details: Shows the block.
  platform:
    platforms: OpenBSD
options:
  path:
    description: The file. It is created if it does not exist, and removed if nothing remains in it.
    type: path
    required: true
  name:
    description: Name of the block; a file can have several blocks.
    type: str
    choices: [host, network]
    required: true
  lines:
    description: Lines of the block. An empty list removes the block.
    type: list
    elements: str
    default: []
  validate:
    description: Command that validates a file. The path of the file is added as the last argument.
    type: list
    elements: str
    default: []
  apply:
    description:
      - Command that makes a program read the file again. C({path}) stands for the file, C({lines}) for a temporary file
        with O(lines) alone.
      - It runs if the lines have changed, if an interrupted task has not run it, or with O(in_force=false).
    type: list
    elements: str
    default: []
  in_force:
    description: Whether the lines are in effect in the running program.
    type: bool
    default: true
  defer:
    description: Do not run O(apply) now. A later task without this option does so.
    type: bool
    default: false
  mode:
    description: Mode of a new file, as an octal number.
    type: str
    default: "0600"
requirements:
  - Python 3.9 or later on the host (C(pkg_add python3))
seealso:
  - module: polyvirt.core.vmm_network_info
"""

EXAMPLES = r"""
- name: Start VMs two by two
  polyvirt.core.vmm_marked_lines:
    path: /etc/vm.conf
    name: host
    lines: [staggered start parallel 2 delay 30]
    validate: [vmd, -n, -f]
    apply: [vmctl, reload]
  become: true
"""

RETURN = r"""
pending:
  description: Whether the lines are in the file, but O(apply) was deferred.
  returned: success
  type: bool
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: The lines of the block, before and after the task.
  returned: success
  type: dict
  contains:
    before:
      description: The lines before the task.
      type: str
    after:
      description: The lines after the task.
      type: str
    before_header:
      description: Path of the file.
      type: str
    after_header:
      description: Path of the file.
      type: str
"""

from ..module_utils._front.declaration import changing, run_module
from ..module_utils._hosts.openbsd.marked_lines import OPTIONS, answer

MODULE = changing(OPTIONS, answer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
