# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the modules on a simulated cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from collection_path import collections_path
from simulators.proxmox import worlds
from suite.answer import Answer
from suite.carry import carry_one
from suite.forked import as_kept
from suite.limits import scaled
from suite.shim import Shim


def connection_to(server):
    """The options of a task that uses a simulated cluster."""
    return {
        "api_host": "localhost",
        "api_port": server.port,
        "api_user": "root@pam",
        "api_token_id": "test",
        "api_token_secret": worlds.TOKEN_SECRET,
        "ca_path": str(server.authority),
    }


class Modules:
    """Runs modules on a server; ``folder`` is the test's directory. Has the attributes that ``carry_one`` uses."""

    family, word, programs = "polyvirt.core.proxmox", "vm", None

    def __init__(self, server, folder):
        self.server, self.folder, self.connection = server, Path(folder), connection_to(server)
        self._shim = Shim(self.folder / "shim", [])
        collections = self.folder / "collections" / "ansible_collections"
        if not collections.exists():
            collections.mkdir(parents=True)
            (collections / "polyvirt").symlink_to(collections_path() / "ansible_collections" / "polyvirt")

    def options(self, _about):
        return self.connection

    def ours(self, about="vm", check=False, **options):
        """Run the module ``about`` something in a fork."""
        return carry_one(self, self._shim, self.folder, options, about, check)

    def run_in_python(self, module, check, options, paths=()):
        """Run a module in a new Python process; ``paths`` come first in its PYTHONPATH."""
        arguments = self.folder / "arguments.json"
        given = {**self.connection, **options, "_ansible_check_mode": check, "_ansible_remote_tmp": str(self.folder)}
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
        completed = subprocess.run(
            [sys.executable, "-m", f"ansible_collections.{module}", arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join((*paths, str(self.folder / "collections")))},
            capture_output=True,
            text=True,
            timeout=scaled(300),
            check=False,
        )
        output = completed.stdout.strip()
        result = json.loads(as_kept(output)) if output.startswith("{") else {"msg": output + completed.stderr}
        return Answer(result, completed.returncode)
