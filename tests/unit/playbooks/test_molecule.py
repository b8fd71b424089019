# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks for molecule, as far as no VM is needed: rejected scenarios, removed files, length of the examples."""

from __future__ import annotations

import json
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.catalogue_files import CatalogueFiles
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.image_of_host import image_of_host
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

#: Plays take seconds each.
pytestmark = pytest.mark.full

SIMULATION = "vm_module_options=\"{'uri': 'test:///default'}\""
#: The documentation promises scenarios with fewer lines.
LINE_LIMIT = 10


@pytest.fixture(name="play")
def _play(ansible_environment, ansible_playbook, monkeypatch, tmp_path):
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    for name in [name for name in ansible_environment if name.startswith("MOLECULE_")]:
        monkeypatch.delitem(ansible_environment, name)

    def play(playbook, hosts=f"web {SIMULATION}\n", folder=None):
        """Run a playbook as molecule does for the scenario in ``folder``; return (exit code, output)."""
        inventory = tmp_path / "hosts"
        inventory.write_text(hosts, encoding="utf-8")
        scenario = {} if folder is None else {"MOLECULE_EPHEMERAL_DIRECTORY": str(folder)}
        return ansible_playbook("-i", inventory, f"polyvirt.core.molecule_{playbook}", environment=scenario)

    return play


@pytest.mark.parametrize("playbook", ["create", "snapshot", "reset", "destroy"])
def test_playbooks_do_nothing_outside_of_molecule(play, playbook):
    code, output = play(playbook)
    assert code != 0
    assert "MOLECULE_EPHEMERAL_DIRECTORY is not set" in output
    assert "changed=0" in output
    assert "changed=1" not in output


def test_scenario_without_hosts_is_rejected(play, tmp_path):
    code, output = play("create", hosts="localhost ansible_connection=local\n", folder=tmp_path)
    assert code != 0
    assert "names no host but localhost" in output
    assert not (tmp_path / "key").exists()


def test_host_without_a_source_for_its_vm_is_rejected(play, tmp_path):
    code, output = play("create", folder=tmp_path)
    assert code != 0
    assert "To create it, set image, clone, appliance, iso or disks." in output


def test_vm_that_does_not_exist_cannot_be_reset(play, tmp_path):
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


def test_other_errors_do_not_offer_vms_without_snapshots(play, tmp_path):
    hosts = "web vm_platform=virtualbox vm_module_options=\"{'executable': '/nowhere/VBoxManage'}\"\n"
    code, output = play("create", hosts=hosts, folder=tmp_path)
    assert code != 0
    assert "/nowhere/VBoxManage" in output
    assert "molecule_snapshot=false" not in output
    assert "No VM was created." in output


def test_only_one_host_can_run_the_vms(play, tmp_path):
    code, output = play("create", hosts="web\n[molecule_hypervisor]\none\ntwo\n", folder=tmp_path)
    assert code != 0
    assert "must have one host, but it has 2: one, two." in " ".join(output.split())
    assert not (tmp_path / "key").exists()


def test_name_of_a_host_says_image_and_platform(play, tmp_path):
    code, output = play("create", hosts="debian-13-web.vmd\n", folder=tmp_path)
    assert code != 0
    assert "Snapshots are not supported on vmd." in output


def test_variables_win_over_the_name_of_a_host(play, tmp_path):
    """Each VM is rejected, and its error says what it was to be created from."""
    source = "/nonexistent.qcow2"
    given = {
        "debian-13-name.vmd": ({"vm_platform": "libvirt"}, "127.0.0.1:9/cloud.debian.org"),
        "debian-13-image": ({"vm_image": source}, source),
        "debian-13-clone": ({"vm_clone": "template"}, "template"),
        "debian-13-nothing": ({"vm_image": ""}, "To create it, set image, clone, appliance, iso or disks."),
        "debian-13-arm64": ({}, "architecture is not supported on libvirt. VMs of this connection are only simulated"),
        "debian-13-clone-arm64": ({"vm_clone": "template"}, "template"),
        "debian-13-option-clone": ({"vm_module_options": {"clone": {"source": "template"}}}, "template"),
        "debian-13-option-image": ({"vm_module_options": {"image": source}}, source),
        "debian-13-option-disks": ({"vm_module_options": {"disks": [{"source": source}]}}, source),
    }
    hosts = {}
    for host, (variables, _text) in given.items():
        options = {"uri": "test:///default", **variables.get("vm_module_options", {})}
        hosts[host] = {**variables, "vm_module_options": options}
    everywhere = {"molecule_snapshot": False, "polyvirt_mirrors": {"https://": "http://127.0.0.1:9/"}}
    inventory = {"all": {"hosts": hosts, "vars": everywhere}}
    code, output = play("create", hosts=json.dumps(inventory), folder=tmp_path)
    assert code != 0
    found = dict(re.findall(r"molecule-[0-9a-f]{8}-(debian-13-[a-z0-9-]+(?:[.]vmd)?): ([^\n]+)", output))
    assert set(found) == set(given), output
    assert [host for host, (_given, text) in given.items() if text not in found[host]] == [], output


def test_scenarios_have_their_own_vms(play, tmp_path):
    names = set()
    for scenario in ("one", "two"):
        folder = tmp_path / scenario
        folder.mkdir()
        names |= set(re.findall(r"molecule-[0-9a-f]{8}-web", play("reset", folder=folder)[1]))
    assert len(names) == 2


def test_destroy_deletes_its_files_and_can_be_repeated(play, tmp_path):
    state = tmp_path / "scenario" / "state.yml"
    (state.parent / "inventory").mkdir(parents=True)
    (state.parent / "known_hosts" / "web").mkdir(parents=True)
    for file in (state, state.parent / "key", state.parent / "key.pub", state.parent / "inventory" / "polyvirt.yml"):
        file.touch()
    for _run in range(2):
        code, output = play("destroy", folder=state.parent)
        assert code == 0, output
        assert sorted(path.name for path in state.parent.rglob("*")) == ["inventory", "state.yml"]


@pytest.mark.parametrize(
    "broken",
    ["vm_cpus=many vm_memory=lots", "vm_memroy=2G", "vm_adopt=true"],
)
def test_destroy_needs_no_variable_with_which_a_vm_is_created(play, tmp_path, broken):
    """A scenario with such variables is rejected by create, and its VMs, of an earlier run, can be removed."""
    code, output = play("create", hosts=f"web {SIMULATION} {broken}\n", folder=tmp_path)
    assert code != 0
    code, output = play("destroy", hosts=f"web {SIMULATION} {broken}\n", folder=tmp_path)
    assert code == 0, output


def test_destroy_removes_the_vm_of_its_connection(play, tmp_path):
    """On a platform that does not answer here: the platform and the options of the connection are passed on."""
    hosts = "web vm_platform=virtualbox vm_cpus=many vm_module_options=\"{'executable': '/nowhere/VBoxManage'}\"\n"
    code, output = play("destroy", hosts=hosts, folder=tmp_path)
    assert code != 0
    assert "/nowhere/VBoxManage" in output


def _lines(text):
    """The lines without empty lines, comments and ``---``."""
    return [line for line in text.splitlines() if line.strip() not in ("", "---") and not line.startswith("#")]


def test_example_scenario_has_fewer_than_ten_lines(checkout):
    scenario = checkout / "extensions" / "molecule" / "reset"
    files = ["molecule.yml", "hosts", "create.yml", "prepare.yml", "destroy.yml"]
    lines = [line for name in files for line in _lines((scenario / name).read_text(encoding="utf-8"))]
    assert 0 < len(lines) < LINE_LIMIT


def test_guide_explains_all_files_of_molecule_init(checkout):
    guide = (checkout / "docs" / "molecule.md").read_text(encoding="utf-8")
    (explained,) = re.findall("`molecule init scenario` has created.*?\n\n", guide, re.DOTALL)
    created = [path.stem for path in (resources.files("molecule") / "data" / "templates" / "scenario").iterdir()]
    assert len(created) > 3
    assert [name for name in created if f"`{name}`" not in explained] == []


def test_example_in_the_guide_has_eight_lines(checkout):
    guide = (checkout / "docs" / "molecule.md").read_text(encoding="utf-8")
    section = re.search(r"## Files of a scenario\n(.*?)\n## ", guide, re.DOTALL)[1]
    lines = [line for block in re.findall(r"```\w+\n(.*?)```", section, re.DOTALL) for line in _lines(block)]
    assert len(lines) == 8
    assert "eight lines" in section
    assert len(lines) < LINE_LIMIT


def test_inventory_of_the_guide_names_images_and_platforms(checkout):
    guide = (checkout / "docs" / "molecule.md").read_text(encoding="utf-8")
    section = re.search(r"## Several operating systems and platforms\n(.*?)\n## ", guide, re.DOTALL)[1]
    lines = _lines(re.search(r"```ini\n(.*?)```", section, re.DOTALL)[1])
    files = CatalogueFiles(lambda path: yaml.safe_load(Path(path).read_text(encoding="utf-8")))
    found = [image_of_host(line.split()[0], lambda name: files.find(name) is not None, PLATFORMS) for line in lines]
    assert len(lines) <= LINE_LIMIT
    assert len({one["image"] for one in found} - {""}) == 4
    assert {one["platform"] for one in found} == {"", "virtualbox"}
    assert all(one["image"] for one in found)
