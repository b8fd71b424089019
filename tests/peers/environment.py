# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python environment with the peers, and the one way to run tasks of theirs and of ours in the same situation."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from collection_path import cache
from suite.answer import Answer
from suite.by_ansible import ansible_playbook, run_ansible
from suite.carry import carry_one
from suite.shim import Shim

#: The only Python for which Debian has libvirt's bindings.
DEBIAN_PYTHON = "/usr/bin/python3"
_INSTALL = "scripts/test.sh peers installs it"


class Sides:
    """A situation for both sides; ``platform`` is what ``carry_one`` needs, ``folder`` belongs to one test."""

    #: The module of theirs, the options that each of its tasks gets, and variables of ansible-playbook.
    module, connection, variables = "", (), ()

    def __init__(self, platform, folder):
        self.platform, self.folder = platform, Path(folder)
        self._shim = Shim(self.folder / "both", [])

    def ours(self, about="vm", check=False, **options):
        """The Answer to one task of ours."""
        return carry_one(self.platform, self._shim, self.folder, options, about, check)

    def theirs(self, *tasks, module=None):
        """The Answers to tasks of theirs, run in one play with diff mode; ``check`` among the options is check mode."""
        module, results = module or self.module, self.folder / "results.json"
        listed = [_task(module, number, {**dict(self.connection), **task}) for number, task in enumerate(tasks)]
        content = f"{{{{ [{', '.join(one['register'] for one in listed)}] | to_json }}}}"
        listed.append({"ansible.builtin.copy": {"content": content, "dest": str(results)}})
        play = {"hosts": "localhost", "gather_facts": False, "tasks": listed}
        ansible_playbook(self.folder, play, environment=self._variables(), programs=root() / "bin")
        return [Answer(one, int(one["failed"])) for one in json.loads(results.read_text(encoding="utf-8"))]

    def their_inventory(self, plugin, file):
        """(hosts with their variables, the names of their groups) that a plugin finds; ``file`` names its source."""
        source = self.folder / file
        source.write_text(json.dumps({"plugin": plugin}), encoding="utf-8")
        words = ["-i", source, "--list"]
        done = run_ansible(self.folder, "ansible-inventory", words, self._variables(), root() / "bin")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout, object_hook=lambda one: one.get("__ansible_unsafe", one))
        return found.pop("_meta")["hostvars"], set(found) - {"all", "ungrouped"}

    def _variables(self):
        return {
            "ANSIBLE_PYTHON_INTERPRETER": str(root() / "bin" / "python"),
            **self._shim.environment(programs=self.platform.programs),
            **dict(self.variables),
        }


def root():
    """The folder of the peers' environment; without one the test is skipped."""
    named = os.environ.get("POLYVIRT_PEERS")
    made = sorted((cache() / "environments").glob("peers-*/complete"), key=lambda mark: mark.stat().st_mtime)
    found = [Path(named)] if named else [mark.parent for mark in made[-1:]]
    if not found:
        pytest.skip(f"the environment with the peers is not installed: {_INSTALL}")
    return found[0]


def packages():
    """The folder of the environment's Python packages, in which the collections are."""
    return next(root().glob("lib/python3*/site-packages"))


def version(peer):
    """The installed version of a collection or Python package."""
    manifest = packages() / "ansible_collections" / peer.replace(".", "/") / "MANIFEST.json"
    if manifest.exists():
        return json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    return next(packages().glob(f"{peer.replace('-', '_')}-*.dist-info")).stem.partition("-")[2]


def needs_libvirt_bindings():
    """Skip the test where the Python that runs community.libvirt cannot."""
    done = subprocess.run([DEBIAN_PYTHON, "-c", "import libvirt, lxml.etree"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"python3-libvirt or python3-lxml is not installed: {_INSTALL}")


def _task(module, number, options):
    check = options.pop("check", False)
    return {module: options, "check_mode": check, "diff": True, "ignore_errors": True, "register": f"result_{number}"}
