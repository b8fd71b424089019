# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watchdog, TPM and clock. A watchdog that is set counts before that of the machine type; both have the same action."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.hardware import (
    read_rtc,
    read_watchdog,
    write_rtc,
    write_tpm,
    write_watchdog,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import machine_xml, with_devices

ITCO, OTHER = "<watchdog model='itco' action='reset'/>", "<watchdog model='i6300esb' action='pause'/>"
NORMALIZE = virsh_traits("QEMU", "9.0.0", local=True).normalize


def change(attribute, new):
    return Change("watchdog", None, new, attribute=attribute)


@pytest.mark.parametrize(
    ("present", "model", "action", "written"),
    [
        ("", "i6300esb", "pause", {"i6300esb": "pause"}),
        (OTHER, "i6300esb", "none", {"i6300esb": "none"}),
        ("<watchdog model='ib700'/>", "i6300esb", "reset", {"i6300esb": "reset"}),
        (ITCO, "itco", "dump", {"itco": "dump"}),
        (ITCO, "i6300esb", "dump", {"itco": "dump", "i6300esb": "dump"}),
        (ITCO + OTHER, "itco", "pause", {"itco": "pause"}),
    ],
)
def test_watchdog_is_written_and_read_again(present, model, action, written):
    definition = Definition(machine_xml(with_devices(present)))
    write_watchdog(definition, change("model", model))
    write_watchdog(definition, change("action", action))
    assert {one.get("model"): one.get("action") for one in definition.devices.findall("watchdog")} == written
    assert read_watchdog(definition) == {"model": model, "action": action}


def test_one_value_keeps_the_other():
    definition = Definition(machine_xml(with_devices(OTHER)))
    write_watchdog(definition, change("model", "itco"))
    assert read_watchdog(definition) == {"model": "itco", "action": "pause"}
    assert read_watchdog(Definition(machine_xml())) == {}


@pytest.mark.parametrize(
    ("found", "normalized"),
    [({}, {"model": "i6300esb", "action": "none"}), ({"model": "itco", "action": "reset"}, {"action": "none"})],
)
def test_new_watchdog_has_defaults(found, normalized):
    assert NORMALIZE(Vm("a", config={"watchdog": found}), {"watchdog": {"action": "none"}})["watchdog"] == normalized


@pytest.mark.parametrize(("architecture", "model"), [("x86_64", "tpm-crb"), ("aarch64", None)])
def test_new_tpm_is_emulated(architecture, model):
    definition = Definition(machine_xml(("arch='x86_64'", f"arch='{architecture}'")))
    write_tpm(definition, Change("tpm", False, True))
    assert definition.native("devices/tpm@model") == model
    assert definition.root.find("devices/tpm/backend").attrib == {"type": "emulator", "version": "2.0"}


def test_clock_loses_attributes_that_would_change_its_offset_and_keeps_timers():
    clock = "<clock offset='variable' adjustment='60' basis='utc'><timer name='rtc'/></clock>"
    definition = Definition(f"<domain>{clock}</domain>")
    assert read_rtc(definition) == "variable"
    write_rtc(definition, Change("rtc", "variable", "localtime"))
    (element,) = definition.root.findall("clock")
    assert (element.attrib, [one.tag for one in element]) == ({"offset": "localtime"}, ["timer"])


def test_definition_without_clock_has_utc_and_gets_one():
    definition = Definition("<domain/>")
    assert read_rtc(definition) == "utc"
    write_rtc(definition, Change("rtc", "utc", "localtime"))
    assert read_rtc(definition) == "localtime"
