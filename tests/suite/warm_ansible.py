# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible and the modules that it transfers run in forks of warm processes: most plays of the tests are short.

A task with a transferred module takes 0.7 s of CPU time, 0.5 s of it for the start of Python and for compiling what the
module imports. In a fork it takes 0.2 s. The transferred file runs as it is, with its own archive; only
``ansible.module_utils`` was imported before, from the same ansible-core. For Ansible nothing differs: the interpreter
is the same, and its process ends as the fork does. ansible-playbook itself needs 1.3 s before its first task: 0.3 s in
a fork of a process with the same settings, which those that are used again and again get, and 0.8 s of one without any.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

from platforms import warm

_START = Path(__file__).with_name("warm_start")
_SOCKET = "POLYVIRT_TEST_WARM_MODULES_SOCKET"
#: What the modules of ansible-core import; none of it reads the environment when it is imported.
_OF_MODULES = (
    "collection_path",
    "suite.kept_code",
    "ansible.module_utils.basic",
    "ansible.module_utils.common.file",
    "ansible.module_utils.urls",
)
#: First letters of variables that are settings of Ansible or Python, which both read when they start.
_SETTINGS = ("ANSIBLE_", "COLUMNS", "HOME", "LANG", "LC_", "PYTHON")
#: What ansible-playbook imports.
_OF_PLAYBOOKS = ("suite.warm_playbook", "ansible.plugins.strategy.linear")
#: What Ansible's programs import before they read their settings, and what the connection plugin winrm imports.
_OF_PROGRAMS = (
    "suite.transferred",
    "ansible.config.manager",
    "ansible.utils.collection_loader",
    "cryptography.hazmat.primitives.ciphers",
    "jinja2.nativetypes",
    "multiprocessing.queues",
    "packaging.version",
    "winrm",
)
#: First letters of variables that a process reads at its start only.
_OF_STARTS = ("LANG", "LC_", "LD_", "PYTHON")
#: {settings: how often ansible-playbook was run with them}. From this number on, they are worth a process.
_USES, _OFTEN = Counter(), 3
#: Part of the paths of a single test.
_OF_A_TEST = "/pytest-of-"


@cache
def folder():
    """A directory of this process for Ansible, so that its plays have the same settings, and an empty configuration."""
    path = Path(tempfile.mkdtemp(prefix="polyvirt-ansible-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    (path / "empty.cfg").touch()  # Newer versions of Ansible refuse other endings.
    return path


def environment(*paths):
    """The environment in which transferred modules run in forks; ``paths`` are added to those of Python."""
    path = os.pathsep.join(filter(None, [str(_START), *map(str, paths), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "POLYVIRT_TEST_WARM_MODULES": f"{sys.prefix}:{warm.server(_SOCKET, *_OF_MODULES)}"}


def program(name, *words, environment):
    """The command of one of Ansible's programs with an environment, which may have any settings of Ansible."""
    path = Path(sys.executable).with_name(name)
    if name == "ansible-playbook" and (socket := _of_settings(environment)):
        return warm.command(socket, "suite.warm_playbook", *words)
    socket, started = _programs()
    if {**_named(environment, _OF_STARTS), "PYTHONPATH": None} != {**started, "PYTHONPATH": None}:
        return [str(path), *map(str, words)]
    return warm.command(socket, "suite.transferred", path, *words)


def _of_settings(environment):
    """The socket of a process with the settings in ``environment``; None if they are used seldom or by one test."""
    settings = frozenset(_named(environment, (*_SETTINGS, "LD_")).items())
    if any(_OF_A_TEST in value for _name, value in settings):
        return None
    _USES[settings] += 1
    return _server(settings) if _USES[settings] >= _OFTEN else None


@cache
def _server(settings):
    others = {name: value for name, value in os.environ.items() if not name.startswith((*_SETTINGS, "LD_"))}
    return warm.new_server({**others, **dict(settings)}, *_OF_PLAYBOOKS)


@cache
def _programs():
    return warm.new_server(dict(os.environ), *_OF_PROGRAMS), _named(os.environ, _OF_STARTS)


def _named(around, beginnings):
    return {name: value for name, value in around.items() if name.startswith(beginnings)}
