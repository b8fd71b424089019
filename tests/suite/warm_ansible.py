# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible and the modules that it transfers run in forks of warm processes: most plays of the tests are short.

A task with a transferred module takes 0.7 s of CPU time, 0.5 s of it for the start of Python and for compiling what the
module imports. In a fork it takes 0.2 s. The transferred file runs as it is, with its own archive; only
``ansible.module_utils`` was imported before, from the same ansible-core. For Ansible nothing differs: the interpreter
is the same, and its process ends as the fork does. ansible-playbook itself takes a second to be imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platforms import warm

_START = Path(__file__).with_name("warm_start")
_SOCKET = "POLYVIRT_TEST_WARM_MODULES_SOCKET"
#: What the modules of ansible-core import; none of it reads the environment when it is imported.
_OF_MODULES = (
    "collection_path",
    "hashlib",
    "ansible.module_utils.basic",
    "ansible.module_utils.common.file",
    "ansible.module_utils.urls",
)
#: First letters of variables that are settings of Ansible or Python, which both read when they start.
_SETTINGS = ("ANSIBLE_", "COLUMNS", "HOME", "LANG", "LC_", "PYTHON")
#: What ansible-playbook imports.
_OF_PLAYBOOKS = ("ansible.cli.playbook", "ansible.plugins.strategy.linear")


def environment(*paths):
    """The environment in which transferred modules run in forks; ``paths`` are added to those of Python."""
    path = os.pathsep.join(filter(None, [str(_START), *map(str, paths), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "POLYVIRT_TEST_WARM_MODULES": f"{sys.prefix}:{warm.server(_SOCKET, *_OF_MODULES)}"}


def playbooks(around):
    """A function that returns a command for words of ansible-playbook: by a server, unless the settings in its second
    argument, the environment, are not those in ``around``.
    """
    socket = warm.new_server(dict(around), *_OF_PLAYBOOKS)
    settings = _settings(around)

    def command(words, used):
        is_warm = _settings(used) == settings
        return (
            warm.command(socket, "suite.warm_playbook", *words) if is_warm else ["ansible-playbook", *map(str, words)]
        )

    return command


def _settings(around):
    return {name: value for name, value in around.items() if name.startswith(_SETTINGS)}
