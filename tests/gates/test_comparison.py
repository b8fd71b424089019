# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/comparison.md says of this collection what its code has: its names, and the platforms of each feature.

tests/peers/test_comparison.py compares what the page says of other collections.
"""

from __future__ import annotations

import re
from importlib import import_module

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.connection import guest_agent
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

from collection_path import CHECKOUT

PAGE = (CHECKOUT / "docs/comparison.md").read_text(encoding="utf-8")
_NAMES = {"VirtualBox": "virtualbox", "Vagrant": "vagrant", "Proxmox VE": "proxmox", "Hyper-V": "hyperv", "WSL": "wsl"}
_CONTENT = ("plugins/modules", "plugins/connection", "plugins/inventory", "plugins/callback", "roles")


def _module(name):
    return import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}")


def _spec(platform):
    return _module(PLATFORMS[platform].vm).MODULE.argument_spec


def _reports_counters(platform):
    folder = CHECKOUT / "plugins/module_utils/_drivers" / PLATFORMS[platform].driver
    return any("counters=" in path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))


def _has_agent(platform):
    options = yaml.safe_load(guest_agent.DOCUMENTATION)["options"]
    return platform in options["platform"]["choices"]


#: {text before the names of platforms: whether a platform has it}. After "not on" and "not with", the others are named.
CLAIMS = {
    "`facets: [counters]` for what the VM uses on its host, on": _reports_counters,
    "`state: paused`, `started`; not on": lambda platform: "paused" in _spec(platform)["state"]["choices"],
    "without a network by the guest agent on": _has_agent,
    "an address, SSH, a port, a page; not on": lambda platform: "wait_for" in _spec(platform),
    "`port_forwards` on": lambda platform: "port_forwards" in _spec(platform),
    "`shared_folders` on": lambda platform: "shared_folders" in _spec(platform),
    "`memory` of an existing VM; not on": lambda platform: {"cpus", "memory"} <= {*_spec(platform)},
    "snapshots (not on": lambda platform: bool(PLATFORMS[platform].vm_snapshot),
    "clones (not with": lambda platform: "clone" in _spec(platform),
    "`cloud_init` (not with": lambda platform: "cloud_init" in _spec(platform),
    "retention, check and restore, on": lambda platform: bool(PLATFORMS[platform].vm_backup),
    "connection plugin `guest_agent`, on": _has_agent,
}


@pytest.mark.parametrize("text", CLAIMS)
def test_platforms_of_a_feature(text):
    after = PAGE.split(text)
    assert len(after) == 2, text
    names = re.match(r"(?: (?:and )?(?:libvirt|VirtualBox|Vagrant|Proxmox VE|vmd|Hyper-V|WSL),?)+", after[1])[0]
    named = {_NAMES.get(name, name) for name in re.split(r", (?:and )?| and ", names.strip(" ,"))}
    having = {platform for platform in PLATFORMS if CLAIMS[text](platform)}
    assert named == ({*PLATFORMS} - having if re.search(r"\bnot \w+$", text) else having)


def _keys(spec):
    for name, one in spec.items():
        yield name
        yield from map(str, one.get("choices") or ())
        yield from _keys(one.get("options") or one.get("contains") or {})


def _known():
    """Names of the content of this collection, and of the options and results of the modules for any platform."""
    for folder in _CONTENT:
        yield from (path.stem for path in (CHECKOUT / folder).iterdir())
    for name in ("vm", "vm_info", "vm_snapshot", "vm_backup", "image", "guest_status"):
        module = _module(name)
        yield from _keys(module.MODULE.argument_spec if hasattr(module, "MODULE") else {})
        yield from _keys(yaml.safe_load(module.RETURN) or {})
    # Of the module of a single platform.
    yield from ("provisioners", "polyvirt")


def test_names_are_those_of_the_code():
    docker, collections = re.findall(r"((?:^\|.*\n)+)", PAGE.partition("Where the others")[0], re.MULTILINE)
    cells = [line.split(" | ")[-1] for line in (docker + collections).splitlines()]
    spans = [re.match(r"[\w.]+", span) for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    assert len(spans) > 30
    assert {span[0].split(".")[-1] for span in spans} - {*_known()} == set()
