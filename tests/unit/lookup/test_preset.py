# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: shipped ones are valid and suit their operating system; options can be overridden."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import parse_size
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.box import SYSTEMS
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import catalogue, presets

from collection_path import CHECKOUT

FILES = {path.stem: path for path in sorted((CHECKOUT / "templates" / "presets").glob("*.yml"))}
_CATALOGUE = sorted((CHECKOUT / "templates" / "catalogue").glob("*.yml"))
DISTRIBUTIONS = catalogue.merged(
    catalogue.entries_of(yaml.safe_load(path.read_text()), path.name) for path in _CATALOGUE
)
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


def test_each_preset_is_created_in_the_suite():
    created = {"libvirt", "virtualbox", "vagrant", "proxmox", "vmd", "hyperv", "wsl"}
    assert {yaml.safe_load(path.read_text())["platform"] for path in FILES.values()} == created
