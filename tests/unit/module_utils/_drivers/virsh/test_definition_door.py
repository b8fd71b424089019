# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The function that stores a definition refuses a file that the VM does not have and that no plan names."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import empty_mark
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import VirshDriver
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

UUID, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
#: Parts of a definition that name the file of somebody else.
PARTS = {
    "disk": "<disk device='disk'><source file='/srv/theirs'/><target dev='vdb'/></disk>",
    "medium": "<disk device='cdrom'><source file='/srv/theirs'/><target dev='sda'/></disk>",
    "log": "<serial type='pty'><log file='/srv/theirs'/></serial>",
    "serial port": "<serial type='file'><source path='/srv/theirs'/></serial>",
    "memory": "<memory model='nvdimm'><source><path>/srv/theirs</path></source></memory>",
}


class Virsh:
    """It counts what is stored."""

    uri = "test:///default"

    def __init__(self):
        self.stored = []

    def run(self, *words, stdin=None):
        self.stored.append((words[0], stdin))


@pytest.fixture(name="driver")
def _driver():
    return VirshDriver(Virsh(), None, {})


def _definition(part="", uuid=UUID):
    return Definition(f"<domain><name>web</name><uuid>{uuid}</uuid><os/><devices>{part}</devices></domain>")


def _with(definition, part):
    definition.devices.append(_definition(part).devices[0])
    return definition


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_file_that_no_plan_names(driver, part):
    with pytest.raises(Refused, match="web: a step was about to give it /srv/theirs, which the plan"):
        driver.define(_with(_definition(), part))
    assert driver.virsh.stored == []


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_file_that_the_plan_names_or_the_vm_has(driver, part):
    with permits.granted(Permit(named=["/srv/theirs"])):
        driver.define(_with(_definition(), part))
    driver.define(_definition(part))
    assert [verb for verb, _text in driver.virsh.stored] == ["define", "define"]


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_what_the_source_of_a_clone_or_a_backup_names_is_not_what_the_vm_has(driver, part):
    clone, restored = _definition(part), _definition(part)
    clone.set("uuid", OTHER)
    restored.stored = ""
    for definition in (clone, restored):
        with pytest.raises(Refused):
            driver.define(definition)
    assert driver.virsh.stored == []


def test_clone_reads_the_kernel_of_its_source(driver):
    clone = _definition()
    clone.set("os/kernel", "/srv/kernel")
    clone = Definition(clone.text())
    clone.set("uuid", OTHER)
    driver.define(clone)
    assert len(driver.virsh.stored) == 1


def test_own_files_are_in_the_record(driver):
    """It is stored before they are created."""
    definition = _definition()
    definition.set_mark({**empty_mark(UUID), "disks": ["/srv/theirs"]})
    driver.define(_with(definition, PARTS["disk"]))
    assert len(driver.virsh.stored) == 1


def test_files_of_packages_that_a_vm_only_reads(driver):
    definition = _definition()
    definition.set("os/loader", "/usr/share/OVMF/OVMF_CODE.fd")
    driver.define(definition)
    assert len(driver.virsh.stored) == 1
