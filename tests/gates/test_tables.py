# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of documents name the variables, keys and options that exist: READMEs of roles, and the page on migration."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.inventory import vms as inventory
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.box import SYSTEMS

from collection_path import CHECKOUT

_MODULES = "ansible_collections.polyvirt.core.plugins.modules"
_SPAN = re.compile(r"`([^`]+)`")
_WORD = re.compile(r"[a-z_]\w*")
#: {heading in docs/migration.md or docs/molecule.md: the modules with the options that its table names}
_TO_MODULES = {
    "## community.libvirt": "virsh_vm",
    "## community.libvirt: virt_net": "virsh_network",
    "## community.libvirt: virt_pool": "virsh_pool",
    "## community.proxmox and community.general: proxmox_kvm": "proxmox_vm",
    "## Terraform provider bpg/proxmox": "proxmox_vm",
    "## kcli": "virsh_vm virsh_network",
    "## Templates of HAA-Gaia": "vm vbox_vm hyperv_vm wsl_distro proxmox_vm vagrant_instance",
    "## Inventory plugins": "proxmox_vm_info",
    "## From the driver for Vagrant": "vagrant_instance",
}
#: Words of values, and names that are no options.
_OTHERS = {"polyvirt", "qm", "addresses", "ip", "vm", "kept", "guest_scripts", "unattended_install",
           "unattended_install_late_commands"}  # fmt: skip


def _yaml(path):
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


def _section(path, heading):
    """The text below a heading, up to the next one of this or a higher level."""
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    level = heading.count("#", 0, heading.index(" "))
    return re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)[1]


def _rows(text):
    """The cells of all tables, without their headers."""
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    beginnings = [number for number, line in enumerate(lines) if re.fullmatch(r"[-| ]+", line)]
    return [line.split("|") for number, line in enumerate(lines) if not {number, number + 1} & set(beginnings)]


def _named(text):
    """The names in the first cells."""
    return {name for row in _rows(text) for name in _SPAN.findall(row[0])}


@pytest.mark.parametrize("role", ["agent", "vm"])
def test_variables_of_a_role(role):
    options = _yaml(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert _named(_section(f"roles/{role}/README.md", "## Variables")) == set(options)


def test_keys_of_profiles():
    schema = _yaml("roles/agent/vars/main.yml")["__agent_schema"]
    assert _named(_section("roles/agent/README.md", "## Profiles")) == {
        *schema["profile"]["keys"],
        *schema["family"]["keys"],
    }


def test_shipped_profiles():
    section = _section("roles/agent/README.md", "## Shipped profiles")
    shipped = {path.stem: _yaml(path) for path in (CHECKOUT / "roles/agent/profiles").glob("*.yml")}
    rows = {_SPAN.findall(row[0])[0]: set(re.split("[,;] ", row[1].strip())) for row in _rows(section.split("###")[0])}
    assert rows == {name: set(profile["families"]) for name, profile in shipped.items()}
    for name, profile in shipped.items():
        described = _named(_section("roles/agent/README.md", f"### {name}"))
        assert described <= set(profile["variables"]), name


def test_systems_with_a_box():
    """``-9`` after ``almalinux-8`` is ``almalinux-9``."""
    named = []
    for row in _rows(_section("docs/vagrant.md", "## Boxes")):
        for name in _SPAN.findall(row[1]):
            named.append(named[-1].rpartition("-")[0] + name if name.startswith("-") else name)
    assert sorted(named) == sorted(SYSTEMS)


@pytest.mark.parametrize("heading", _TO_MODULES)
def test_options_of_the_page_on_migration(heading):
    """The first word of each expression in the last column is an option, a suboption or a value of one."""
    path = "docs/molecule.md" if "driver" in heading else "docs/migration.md"
    modules = [import_module(f"{_MODULES}.{name}").MODULE for name in _TO_MODULES[heading].split()]
    role = _yaml("roles/vm/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    options = {name for module in modules for name in _options(module.argument_spec)}
    known = {*options, *role, *_OTHERS, *yaml.safe_load(inventory.DOCUMENTATION)["options"]}
    spans = [span for row in _rows(_section(path, heading)) for span in _SPAN.findall(row[-1])]
    words = {word[0] for span in spans for word in [_WORD.match(span)] if word}
    assert words - known == set()


def _options(spec):
    for name, one in spec.items():
        yield name
        yield from one.get("choices") or ()
        yield from _options(one.get("options") or {})
