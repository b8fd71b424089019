# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that Ansible transfers run in forks of a warm process of the same Python.

Of the 0.7 s that Ansible needs for such a task, Python needs 0.5 s to start and to compile what the module imports. The
transferred file itself runs as it is, with its own archive: only ``ansible.module_utils`` is imported before, from the
same ansible-core. Ansible finds nothing else changed: the interpreter is the same, and its process ends as the fork does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platforms import warm

_START = Path(__file__).with_name("warm_start")
_SOCKET = "POLYVIRT_TEST_WARM_MODULES_SOCKET"
#: What the modules of ansible-core import; none of it reads the environment when it is imported.
_IMPORTED = (
    "suite.transferred",
    "ansible.module_utils.basic",
    "ansible.module_utils.common.file",
    "ansible.module_utils.urls",
)


def environment(*paths):
    """The environment for ansible-playbook; ``paths`` are added to those of Python."""
    path = os.pathsep.join(filter(None, [str(_START), *map(str, paths), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "POLYVIRT_TEST_WARM_MODULES": f"{sys.prefix}:{warm.server(_SOCKET, *_IMPORTED)}"}
