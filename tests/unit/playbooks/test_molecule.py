# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks for molecule where no machine is needed: what they refuse, what they clear away, what they ask for."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

SIMULATION = "vm_module_options=\"{'uri': 'test:///default'}\""
PROMISED = 10


@pytest.fixture(name="play")
def _play(ansible_environment, tmp_path):
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    environment = {name: value for name, value in ansible_environment.items() if not name.startswith("MOLECULE_")}

    def play(playbook, hosts=f"web {SIMULATION}\n", folder=None):
        """(exit code, output) of one of the playbooks, as molecule runs it for the scenario of ``folder``."""
        inventory = tmp_path / "hosts"
        inventory.write_text(hosts, encoding="utf-8")
        scenario = {} if folder is None else {"MOLECULE_EPHEMERAL_DIRECTORY": str(folder)}
        done = subprocess.run(
            ["ansible-playbook", "-i", str(inventory), f"polyvirt.core.molecule_{playbook}"],
            env={**environment, **scenario},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return play


@pytest.mark.parametrize("playbook", ["create", "snapshot", "reset", "destroy"])
def test_outside_of_molecule_nothing_is_done(play, playbook):
    code, output = play(playbook)
    assert code != 0
    assert "MOLECULE_EPHEMERAL_DIRECTORY is not set" in output
    assert "changed=0" in output
    assert "changed=1" not in output


def test_a_scenario_without_hosts_is_refused(play, tmp_path):
    code, output = play("create", hosts="localhost ansible_connection=local\n", folder=tmp_path)
    assert code != 0
    assert "names no host but localhost" in output
    assert not (tmp_path / "key").exists()


def test_a_host_that_says_not_what_it_is_made_from_is_refused(play, tmp_path):
    code, output = play("create", folder=tmp_path)
    assert code != 0
    assert "To create it, set image, clone, iso or disks." in output


def test_a_machine_that_was_not_made_cannot_be_taken_back(play, tmp_path):
    code, output = play("reset", folder=tmp_path)
    assert code != 0
    assert "it has no snapshot 'molecule-clean'" in output


def test_platform_without_snapshots_is_rejected_before_there_are_vms(play, tmp_path):
    hosts = "web vm_platform=vmd\ndb vm_module_options=\"{'uri': 'test:///default'}\" molecule_snapshot=false\n"
    code, output = play("create", hosts=hosts, folder=tmp_path)
    assert code != 0
    assert "Snapshots are not supported on vmd." in output
    assert "set molecule_snapshot=false for the hosts concerned. No VM was created." in " ".join(output.split())
    assert "TASK [Create the VMs and wait for SSH]" not in output


def test_only_one_host_can_run_the_vms(play, tmp_path):
    code, output = play("create", hosts="web\n[molecule_hypervisor]\none\ntwo\n", folder=tmp_path)
    assert code != 0
    assert "must have one host, but it has 2: one, two." in " ".join(output.split())
    assert not (tmp_path / "key").exists()


def test_scenarios_have_machines_of_their_own(play, tmp_path):
    names = set()
    for scenario in ("one", "two"):
        folder = tmp_path / scenario
        folder.mkdir()
        names |= set(re.findall(r"molecule-[0-9a-f]{8}-web", play("reset", folder=folder)[1]))
    assert len(names) == 2


def test_destroy_clears_the_folder_and_does_not_mind_what_is_gone(play, tmp_path):
    theirs = tmp_path / "scenario" / "state.yml"
    (theirs.parent / "inventory").mkdir(parents=True)
    (theirs.parent / "known_hosts" / "web").mkdir(parents=True)
    for file in (
        theirs,
        theirs.parent / "key",
        theirs.parent / "key.pub",
        theirs.parent / "inventory" / "polyvirt.yml",
    ):
        file.touch()
    for _run in range(2):
        code, output = play("destroy", folder=theirs.parent)
        assert code == 0, output
        assert sorted(path.name for path in theirs.parent.rglob("*")) == ["inventory", "state.yml"]


def _lines(text):
    """The lines that say something: no comments, no marks of a document's beginning."""
    return [line for line in text.splitlines() if line.strip() not in ("", "---") and not line.startswith("#")]


def test_the_example_of_the_scenario_keeps_the_promise(checkout):
    scenario = checkout / "extensions" / "molecule" / "reset"
    files = ["molecule.yml", "hosts", "create.yml", "prepare.yml", "destroy.yml"]
    lines = [line for name in files for line in _lines((scenario / name).read_text(encoding="utf-8"))]
    assert 0 < len(lines) < PROMISED


def test_the_example_of_the_guide_keeps_the_promise(checkout):
    guide = (checkout / "docs" / "molecule.md").read_text(encoding="utf-8")
    section = re.search(r"## Files of a scenario\n(.*?)\n## ", guide, re.DOTALL)[1]
    lines = [line for block in re.findall(r"```\w+\n(.*?)```", section, re.DOTALL) for line in _lines(block)]
    assert len(lines) == 8
    assert "eight lines" in section
    assert len(lines) < PROMISED
