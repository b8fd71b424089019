# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first task of README runs from the published collection, without the checkout and without other collections."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from suite.by_ansible import CORES, has_changed
from suite.media_server import vendor_of
from unit.scripts.published import Copy, Installed

pytestmark = pytest.mark.full

VM = "demo1"


@pytest.fixture(name="tarball", scope="module")
def _tarball(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("build")).build()


def play_of_readme(installed):
    """The first play of README, as a dictionary."""
    text = (installed.path / "README.md").read_text(encoding="utf-8")
    (play,) = yaml.safe_load(re.search(r"^```yaml\n(# demo[.]yml\n.*?)^```", text, re.MULTILINE | re.DOTALL)[1])
    return play


@pytest.mark.parametrize("core", CORES, ids=lambda path: path.name)
def test_first_task_of_readme_runs_from_the_published_collection(core, tarball, qemu, shim, tmp_path):
    qemu.clean()
    installed = Installed(tarball, core, tmp_path)
    vendor = vendor_of(qemu, ["debian-13"], tmp_path)
    # The guest needs little memory, no network and no time to boot; the image comes from a server of the test.
    options = {**qemu.options("vm"), "memory": "128M", "networks": [], "image_directory": str(tmp_path / "images")}
    play = {**play_of_readme(installed), "gather_facts": False, "module_defaults": {"polyvirt.core.virsh_vm": options}}
    (tmp_path / "demo.yml").write_text(json.dumps([play]), encoding="utf-8")
    variables = json.dumps({"polyvirt_mirrors": vendor.mirrors, "wait_for": "state", "ansible_connection": "local"})
    words = ["ansible-playbook", "-i", "hypervisor,", tmp_path / "demo.yml", "-e", variables]
    around = shim.environment(programs=qemu.programs)
    around = {name: value for name, value in around.items() if not name.startswith(("ANSIBLE_", "PYTHONPATH"))}
    try:
        runs = [installed.run(*words, *more, **around) for more in (["--check"], [], [])]
        assert [run.returncode for run in runs] == [0, 0, 0], "".join(run.stdout + run.stderr for run in runs)
        assert [has_changed(run.stdout) for run in runs] == [True, True, False]
        assert qemu.virsh("domstate", VM).strip() == "running"
    finally:
        vendor.close()
        qemu.virsh("destroy", VM)
        qemu.virsh("undefine", VM)
