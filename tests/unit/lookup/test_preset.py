# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: shipped ones are valid and suit their operating system; options can be overridden."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import parse_size
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.box import SYSTEMS
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import catalogue, presets

from collection_path import CHECKOUT

FILES = {path.stem: path for path in sorted((CHECKOUT / "templates" / "presets").glob("*.yml"))}
_CATALOGUE = sorted((CHECKOUT / "templates" / "catalogue").glob("*.yml"))
DISTRIBUTIONS = catalogue.merged(
    catalogue.entries_of(yaml.safe_load(path.read_text()), path.name) for path in _CATALOGUE
)
SCRIPTS = {path.stem: path.read_text() for path in sorted((CHECKOUT / "templates/presets/scripts").glob("*.sh"))}
#: Alternatives to scripts of presets.
UNUSED = {"podman"}
OWN = {"title": "Own", "platform": "libvirt", "distribution": "debian-13", "vm": {"memory": "1G"}}
REQUIRED = {
    *("virtualbox-ubuntu", "virtualbox-debian", "hyperv-windows-server", "hyperv-ubuntu", "proxmox-ubuntu"),
    "wsl-ubuntu-dev",
    *("vmm-openbsd", "vmm-alpine", "libvirt-debian", "vagrant-debian-13", "vagrant-ubuntu-24.04", "vagrant-rocky-9"),
}


def test_all_presets_exist():
    assert set(FILES) >= REQUIRED


@pytest.mark.parametrize("name", FILES)
def test_preset_suits_its_operating_system(name):
    preset = presets.checked(yaml.safe_load(FILES[name].read_text()), name)
    assert set(preset["vm"]) <= {*VM, "options"} - {"name", "platform", "iso"}
    assert "image" not in preset["vm"] or preset["platform"] == "wsl"
    # A new VM of Hyper-V has no NIC by default.
    assert preset["platform"] != "hyperv" or preset["vm"]["networks"]
    if preset["platform"] == "vagrant":
        assert preset["vm"]["os_type"] in SYSTEMS
        return
    entry = DISTRIBUTIONS[preset["distribution"]]
    if preset["platform"] == "wsl":
        return
    assert preset["platform"] in entry["platforms"]
    assert parse_size(preset["vm"]["memory"], "memory") >= parse_size(entry["minimum"]["memory"], "memory")
    assert parse_size(preset["vm"]["disks"][0]["size"], "size") >= parse_size(entry["minimum"]["disk"], "size")


def test_options_are_merged():
    shipped = yaml.safe_load(FILES["hyperv-ubuntu"].read_text())
    overrides = {"name": "web1", "memory": "8G", "cpus": None, "options": {"automatic_checkpoints": True}}
    found = presets.vm_from_preset(shipped, overrides)
    assert (found["name"], found["memory"], found["platform"]) == ("web1", "8G", "hyperv")
    assert "cpus" not in found
    assert found["options"] == {**shipped["vm"]["options"], "automatic_checkpoints": True}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"platform": "libvrt"}, "platform 'libvrt' is unknown"),
        ({"vm": None}, "'vm' must be a dict"),
        ({"memory": "1G"}, "unknown key 'memory'"),
        ({"memory": "1G", 2: 3}, "unknown key '2'"),
        ({"scripts": "containers"}, "'scripts' must be a list"),
        ({"scripts": ["../../etc/passwd"]}, "scripts: '../../etc/passwd' is not a name"),
        ({"scripts": [1]}, "scripts: 1 is not a name"),
    ],
)
def test_invalid_presets_are_rejected(change, error):
    with pytest.raises(presets.InvalidPreset, match=rf"own\.yml: {error}"):
        presets.checked({**OWN, **change}, "own.yml")


def test_own_presets_replace_shipped_ones(ansible_playbook, tmp_path):
    (tmp_path / "libvirt-debian.yml").write_text(yaml.safe_dump(OWN))
    own = {"content": "{{ lookup('polyvirt.core.preset', 'libvirt-debian') }}", "dest": str(tmp_path / "own")}
    unknown = {"msg": "{{ lookup('polyvirt.core.preset', 'debian') }}"}
    tasks = [{"ansible.builtin.copy": own}, {"ansible.builtin.debug": unknown}]
    variables = {"polyvirt_preset_directories": [str(tmp_path)]}
    play = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    code, output = ansible_playbook(tmp_path / "play.yml")
    assert yaml.safe_load((tmp_path / "own").read_text()) == {"platform": "libvirt", "memory": "1G"}
    assert code
    assert "There is no preset 'debian'. There are: hyperv-ubuntu, " in output


def test_each_script_is_valid_and_in_a_preset():
    used = {name for path in FILES.values() for name in yaml.safe_load(path.read_text()).get("scripts", ())}
    assert used == set(SCRIPTS) - {presets.COMMON} - UNUSED
    for text in SCRIPTS.values():
        subprocess.run(["sh", "-n"], input=SCRIPTS[presets.COMMON] + text, check=True, text=True)


def test_scripts_are_a_part_of_the_vm_only_where_cloud_init_runs_them():
    preset = {**OWN, "scripts": ["one", "two"], "platform": "wsl"}
    texts = ["echo one\n", "exit 3\n"]
    own = {"cloud_init": {"user_data": {"packages": ["curl"]}}}
    data = presets.vm_from_preset(preset, own, texts)["cloud_init"]["user_data"]
    (command,) = data["runcmd"]
    assert data["packages"] == ["curl"]
    done = subprocess.run([*command], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "one\n")
    first_fails = presets.user_data(preset, ["exit 4\n", "echo two\n"])["runcmd"][0]
    done = subprocess.run(first_fails, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (4, "")
    assert "cloud_init" not in presets.vm_from_preset({**preset, "platform": "libvirt"}, {}, texts)


@pytest.mark.parametrize(
    ("platform", "image", "by_ssh"), [("libvirt", "debian-13", True), ("vagrant", "", True), ("wsl", "", False)]
)
def test_whole_preset_has_its_image_and_its_scripts(platform, image, by_ssh):
    found = presets.whole({**OWN, "platform": platform, "scripts": ["one"]}, ["echo one\n"])
    assert (found["image"], found["distribution"], found["vm"]) == (image, "debian-13", {"memory": "1G"})
    assert found["scripts"] == ([{"name": "one", "script": "echo one\n"}] if by_ssh else [])
    assert bool(found["user_data"]) is not by_ssh


def test_own_scripts_replace_shipped_ones(ansible_playbook, tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    (tmp_path / "mine.yml").write_text(yaml.safe_dump({**OWN, "scripts": ["nodejs", "python"]}))
    (tmp_path / "none.yml").write_text(yaml.safe_dump({**OWN, "scripts": ["nothing"]}))
    (folder / "nodejs.sh").write_text("echo mine\n")
    found = "{{ lookup('polyvirt.core.preset', 'mine', whole=true).scripts | to_json }}"
    tasks = [
        {"ansible.builtin.copy": {"content": found, "dest": str(tmp_path / "found")}},
        {"ansible.builtin.debug": {"msg": "{{ lookup('polyvirt.core.preset', 'none') }}"}},
    ]
    variables = {"polyvirt_preset_directories": [str(tmp_path)]}
    play = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]
    (tmp_path / "play.json").write_text(yaml.safe_dump(play))
    code, output = ansible_playbook(tmp_path / "play.json")
    shipped = SCRIPTS[presets.COMMON] + SCRIPTS["python"]
    assert yaml.safe_load((tmp_path / "found").read_text()) == [
        {"name": "nodejs", "script": "echo mine\n"},
        {"name": "python", "script": shipped},
    ]
    assert code
    assert "There is no script 'nothing'. Searched: " in output


def test_each_preset_is_created_in_the_suite():
    created = {"libvirt", "virtualbox", "vagrant", "proxmox", "vmd", "hyperv", "wsl"}
    assert {yaml.safe_load(path.read_text())["platform"] for path in FILES.values()} == created
