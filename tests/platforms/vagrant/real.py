# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Vagrant with libvirt in its own directories. At the end, its VMs, networks and pools are deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from suite.limits import scaled
from suite.own_world import require_world

BOX = "polyvirt/fast"
POOL, NETWORK = "polyvirt-vagrant", "vagrant-libvirt"
_BUILD = Path(__file__).with_name("build.sh")
NOT_AVAILABLE = 77


class NotAvailable(Exception):
    """Vagrant is not available on this host; the message contains the reason."""


def build():
    """The path of the box file, which is created if it is missing. Raises NotAvailable."""
    done = subprocess.run(["bash", _BUILD], capture_output=True, text=True, check=False)
    if done.returncode == NOT_AVAILABLE:
        raise NotAvailable(done.stderr.strip().split("\n")[-1])
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip().removeprefix("box="))


class Vagrant:
    """A project in ``folder``/NAME; in libvirt, the names of its VMs are NAME_VM.

    ``box`` is a file that is added with the name BOX; without it no VM can be created.
    """

    def __init__(self, folder, name, box=None):
        require_world()
        self.folder = Path(folder)
        self.project, self.home = self.folder / name, self.folder / "home"
        self.project.mkdir()
        if box:
            _make_pool()
            self._add(box)

    def use(self, monkeypatch):
        """Have the modules that run in this process use the directory of boxes and the provider of the project."""
        for name, value in self.environment().items():
            if name in ("VAGRANT_HOME", "VAGRANT_DEFAULT_PROVIDER", "VAGRANT_CHECKPOINT_DISABLE"):
                monkeypatch.setenv(name, value)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if any(self.project.rglob("machines/*/*/id")):
            self.call("destroy", "-f")
        for name in _virsh("list", "--all", "--name").split("\n"):
            if name.startswith(f"{self.project.name}_"):
                _virsh("destroy", name)
                _virsh("undefine", name, "--snapshots-metadata", "--managed-save", "--nvram")
        # The name of a private network is the project's name and a number.
        networks = [name for name in _virsh("net-list", "--all", "--name").split("\n") if self._is_ours(name)]
        for kind, name in (("pool", POOL), *(("net", name) for name in networks)):
            _virsh(f"{kind}-destroy", name)
            _virsh(f"{kind}-undefine", name)
        shutil.rmtree(_pool_folder(), ignore_errors=True)

    def _is_ours(self, network):
        return network == NETWORK or network.startswith(self.project.name)

    def environment(self):
        return {
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_CWD": str(self.project),
            "VAGRANT_DEFAULT_PROVIDER": "libvirt",
            "VAGRANT_HOME": str(self.home),
            "VAGRANT_VAGRANTFILE": "Vagrantfile.polyvirt",
        }

    def call(self, *words):
        """Run one command; returns its exit code and output."""
        return subprocess.run(
            ["vagrant", *words],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
            timeout=scaled(600),
        )

    def write(self, text):
        (self.project / "Vagrantfile.polyvirt").write_text(text, encoding="utf-8")

    def _add(self, box):
        done = self.call("box", "add", "--name", BOX, str(box))
        assert done.returncode == 0, done.stdout + done.stderr


def _make_pool():
    """Create the pool. Vagrant creates a pool itself only if its name is default."""
    folder = _pool_folder()
    folder.mkdir(mode=0o711, exist_ok=True)
    _virsh("pool-define-as", POOL, "dir", "--target", str(folder))
    _virsh("pool-start", POOL)


def _pool_folder():
    images = os.environ.get("POLYVIRT_TEST_IMAGES", "/var/lib/libvirt/images/polyvirt-tests")
    return Path(images) / "vagrant-pool"


def _virsh(*words):
    command = ["virsh", "-q", "-c", "qemu:///system", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=scaled(120)).stdout
