# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: create, clone and delete VMs. A VM without its disks is rejected, so they exist before its block in vm.conf,
and they are deleted after that.
"""

from __future__ import annotations

from uuid import uuid4

from ..._core.model import ABSENT
from ..._core.record.mark import HOST, empty_mark, inputs_of, with_settings
from ..._kit.local_files import check_deletable
from ..._ports.files import host_name
from ..._ports.locks import is_locked_as_whole
from .definition import Definition
from .settings.disks import FIRST, create_disks, create_seed, disk_path, with_macs
from .settings.table import with_config


def create(driver, vm, step):
    image = step.arguments["creation"].get("image")
    content = {FIRST: (image["source"], image["linked"])} if image else {}
    _create(driver, vm, step, content)


def clone(driver, vm, step):
    """Create a VM with copies of all disks of the source, or with images that are based on them (linked clone)."""
    source, linked = step.arguments["source"], step.arguments["creation"]["clone"]["linked"]
    content = {slot: (disk["source"], linked) for slot, disk in (source.config.get("disks") or {}).items()}
    _create(driver, vm, step, content)


def _create(driver, vm, step, content):
    if driver.edit.found.definition(vm.name) is not None and not driver.edit.found.is_unfinished(vm.name):
        driver.creations.check_own(vm.name, vm.name)
        return
    config, parent = step.arguments["config"], step.arguments["creation"].get("instance_of")
    # vmd rejects an instance if its NIC has another MAC address than the NIC of the template.
    networks = config.get("networks") or {} if parent else with_macs(vm.name, config.get("networks"))
    created = create_disks(driver, vm, step, content)
    seeds = create_seed(driver, vm, step, with_macs(vm.name, step.arguments.get("networks") or networks))
    disks = [
        (disk.get("source") or disk_path(driver, vm.name, slot, disk.get("format")), disk.get("format"))
        for slot, disk in sorted((config.get("disks") or {}).items())
    ]
    mark = {
        **empty_mark(vm.name, birth=uuid4().hex),
        HOST: host_name(),
        "disks": created,
        "files": seeds,
        "description": config.get("description") or "",
        "inputs": {**inputs_of(step.arguments), **({"instance_of": parent} if parent else {})},
    }
    template = driver.edit.found.definition(parent) if parent else None
    definition = with_config(Definition(vm.name, parent, template), {**config, "networks": networks}, disks, seeds)
    driver.edit.define(definition, with_settings(mark, config), ABSENT)
    driver.creations.record(vm.name, vm.name)


def delete(driver, vm, step):
    paths = step.arguments.get("files", ())
    check_deletable(vm.name, paths, is_locked_as_whole)
    driver.edit.remove(vm.name, paths)
