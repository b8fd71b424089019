# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for Vagrant on one that only remembers: no machine is started, so anything can go wrong."""

from __future__ import annotations

import hashlib
import os

from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

from suite.carry import carry_one
from suite.shim import Shim
from vagrant import double, real

FILE = "Vagrantfile.polyvirt"


class Played:
    """A project of machines of one provider; ``run`` is one task, and all calls are noted by ``shim``."""

    family, word = "polyvirt.core.vagrant", "instance"

    def __init__(self, folder, provider="hyperv"):
        boxes = [{"name": real.BOX, "provider": provider, "version": "0"}]
        self.vagrant = double.Vagrant(folder, usable=[provider], boxes=boxes)
        self.provider, self.project, self.programs = provider, self.vagrant.project, self.vagrant.bin
        self._folder = folder
        self.shim = Shim(folder / "shim", ["vagrant", "virsh", "VBoxManage"])

    def environment(self):
        """What a task of a user of this Vagrant has."""
        return {"VAGRANT_HOME": str(self._folder / "home"), "VAGRANT_DEFAULT_PROVIDER": self.provider}

    def options(self, _about):
        return {"project_dir": str(self.project)}

    def run(self, name="web", about="vm", **options):
        """One task; ``check`` for one that only looks. With a state that needs a machine there is a box, too."""
        check = options.pop("check", False)
        names = {} if name is None else {"name": [name] if isinstance(name, str) else name}
        return carry_one(self, self.shim, self._folder, {**names, **options, "_ansible_check_mode": check}, about)

    def make(self, name="web", **options):
        return self.run(name, box=real.BOX, **options)

    def called(self):
        """First words of the calls of vagrant since the last task began."""
        return [call.argv[1] for call in self.shim.calls() if call.argv[0] == "vagrant"]

    def describe(self, names):
        """A managed file, without the module."""
        machines = [{"name": name, "box": real.BOX, "provider": self.provider} for name in names]
        self.vagrant.write(vagrantfile.render({"machines": machines}))

    def files(self):
        """{path: digest} of all files of the project."""
        paths = [path for path in self.project.rglob("*") if path.is_file()]
        return {os.path.relpath(path, self.project): _digest(path) for path in paths}

    def words(self):
        """{name: state} of the machines that the provider has."""
        return {one["name"]: one["state"] for one in self.vagrant.state()["machines"].values()}


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def told(run):
    """The one machine of a task that went well."""
    assert run.rc == 0, run.result.get("msg")
    (vm,) = run.result["vms"]
    return vm


def failed(run):
    """What a task that was refused, or failed, said."""
    assert run.rc == 1, run.result
    assert "Unexpected" not in run.result["msg"]
    return run.result["msg"]
