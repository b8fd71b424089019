# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytecode of this collection's files: kept only where nobody else can write, and without it all is as before."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest
from ansible import constants
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.bytecode import bytecode

from collection_path import CHECKOUT
from suite.by_ansible import newest_core, run_ansible

PACKAGE = "ansible_collections.polyvirt.core.plugins.module_utils"
CACHE = "polyvirt_bytecode"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """ANSIBLE_HOME of this test. Python keeps bytecode where it does without any setting."""
    path = tmp_path / "home"
    monkeypatch.setattr(constants, "ANSIBLE_HOME", str(path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    return path


class Probe:
    """A file of the collection with one constant, and loading it as an import within the block does."""

    def __init__(self, folder):
        folder.mkdir()
        self._file = folder / "probe.py"
        self.write("old")

    def write(self, value):
        """Change the constant, but neither size nor time of the file: only bytecode still has the old one."""
        self._file.write_text(f"VALUE = '{value}'\n", encoding="utf-8")
        os.utime(self._file, (1_000_000_000, 1_000_000_000))

    def load(self):
        name = f"{PACKAGE}.probe"
        with bytecode():
            spec = sys.meta_path[0].find_spec(name, [str(self._file.parent)])
        found = {}
        exec(spec.loader.get_code(name), found)
        return found["VALUE"]

    def files(self):
        return [path for path in self._file.parent.rglob("*") if path.is_file()]

    def uses_bytecode(self):
        self.load()
        self.write("new")
        assert self.files() == [self._file]  # Never next to the file.
        return self.load() == "old"


@pytest.fixture
def probe(tmp_path):
    return Probe(tmp_path / "plugins")


def test_bytecode_is_below_ansible_home(home, probe):
    assert probe.uses_bytecode()
    assert (home / CACHE).stat().st_mode & 0o777 == 0o700


def test_changed_file_is_compiled_again(home, probe):
    probe.load()
    probe.write("longer")
    assert probe.load() == "longer"


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_folder_that_others_can_enter_is_not_used(home, probe, mode):
    (home / CACHE).mkdir(parents=True)
    (home / CACHE).chmod(mode)
    assert not probe.uses_bytecode()
    assert list((home / CACHE).iterdir()) == []


def test_folder_of_another_user_is_not_used(home, probe, monkeypatch):
    assert probe.load() == "old"
    before = sorted((home / CACHE).rglob("*"))
    probe.write("new")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert probe.load() == "new"
    assert sorted((home / CACHE).rglob("*")) == before


def test_link_to_a_folder_is_not_used(home, probe, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    home.mkdir()
    (home / CACHE).symlink_to(tmp_path / "elsewhere")
    assert not probe.uses_bytecode()


def test_home_that_cannot_be_written(monkeypatch, probe):
    monkeypatch.setattr(constants, "ANSIBLE_HOME", "/proc/no/such/home")
    assert not probe.uses_bytecode()


def test_folder_that_cannot_be_written(home, probe):
    (home / CACHE).mkdir(parents=True, mode=0o700)
    # Not even root can make a folder where a file is.
    (home / CACHE / str(probe.files()[0]).split("/")[1]).touch()
    assert not probe.uses_bytecode()


@pytest.mark.parametrize("home_is_usable", [True, False])
def test_bytecode_of_an_administrator_is_read(monkeypatch, probe, home_is_usable):
    """``compileall`` in an execution environment, where each job begins with an empty home."""
    if not home_is_usable:
        monkeypatch.setattr(constants, "ANSIBLE_HOME", "/proc/no/such/home")
    import compileall

    compileall.compile_file(probe.files()[0], quiet=1)
    probe.write("new")
    assert probe.load() == "old"


def test_finder_is_there_only_within_the_block_and_only_for_this_collection():
    before = list(sys.meta_path)
    with pytest.raises(RuntimeError), bytecode():
        finder = sys.meta_path[0]
        raise RuntimeError
    assert sys.meta_path == before
    assert finder.find_spec("ansible_collections.polyvirt.corex.plugins.probe", ["/"]) is None
    assert finder.find_spec(f"{PACKAGE}._core", [str(CHECKOUT / "plugins/module_utils")]) is None
    assert finder.find_spec(f"{PACKAGE}.probe") is None


# By Ansible -----------------------------------------------------------------------------------------------------------

TASKS = [
    {"polyvirt.core.virsh_vm_info": {"uri": "test:///default"}},
    {"polyvirt.core.virsh_vm": {"uri": "test:///default", "name": "test", "cpus": 2}},
    {"polyvirt.core.virsh_vm": {"uri": "test:///default", "name": "test", "cpus": "no number"}},
    {"polyvirt.core.virsh_vm": {"uri": "test:///default", "name": "test", "bootdisk": "vda"}},
    {"polyvirt.core.virsh_vm": {"uri": "test:///default", "nmae": "test"}},
]


@pytest.fixture
def collection(tmp_path):
    """A copy of the collection, as it is installed: with no bytecode in it."""
    installed = tmp_path / "collections/ansible_collections/polyvirt/core"
    for part in ("plugins", "meta", "templates"):
        shutil.copytree(CHECKOUT / part, installed / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "galaxy.yml", installed)
    return installed


def _results(core, folder, home):
    """Results of TASKS in process and shipped, by the ansible-core of an environment."""
    ways = [{}, {"environment": {"ANY": "thing"}}]
    listed = [
        {"name": "task", **task, **way, "check_mode": True, "ignore_errors": True, "register": f"found_{number}"}
        for number, (task, way) in enumerate((task, way) for way in ways for task in TASKS)
    ]
    names = ", ".join(f"found_{number}" for number in range(len(listed)))
    written = {
        "ansible.builtin.copy": {"dest": str(folder / "results.json"), "content": f"{{{{ [{names}] | to_json }}}}"}
    }
    play = [{"hosts": "all", "connection": "local", "gather_facts": False, "tasks": [*listed, written]}]
    (folder / "play.json").write_text(json.dumps(play), encoding="utf-8")
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_PYTHON_INTERPRETER": str(core / "bin/python"),
        # Empty: as if they were not set.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": "",
    }
    done = run_ansible(
        folder, "ansible-playbook", ["-i", "localhost,", folder / "play.json"], environment, core / "bin"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return json.loads((folder / "results.json").read_text(encoding="utf-8")), done.stderr


def _files(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


_CORES = newest_core("the newest ansible-core; other tests have each core, in process and shipped")


@pytest.mark.parametrize("core", _CORES, ids=lambda path: path.name)
def test_results_are_equal_with_and_without_bytecode(core, home, collection, tmp_path):
    (tmp_path / "without" / CACHE).mkdir(parents=True)
    (tmp_path / "without" / CACHE).chmod(0o755)
    without = _results(core, tmp_path, tmp_path / "without")
    left = _files(collection).keys()
    assert _results(core, tmp_path, home) == without
    kept = _files(home / CACHE)
    assert {path.stem.partition(".")[0] for path in kept} >= {"virsh_vm", "in_process", "driver", "task", "masking"}
    assert _results(core, tmp_path, home) == without
    assert _files(home / CACHE) == kept
    # ansible-galaxy collection verify finds no file that it would not find without bytecode.
    assert _files(collection).keys() == left
    assert [result["failed"] for result in without[0]] == [False, False, True, True, True] * 2
