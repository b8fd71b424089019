# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that a guest reported before its last start are ignored; those of the current start are used."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import make_driver

CARD = "/VirtualBox/GuestInfo/Net/0"


def observed(box, name="web"):
    driver = make_driver({"executable": str(box.executable)})
    (vm,) = driver.observe([Target(name=name)], frozenset({"power", "config", "addresses"})).vms
    return vm


def addresses(box):
    vm = observed(box)
    return [(one.address, one.source) for one in vm.addresses]


def say(box, uuid, address):
    """Report an address like the Guest Additions."""
    for key, value in {"V4/IP": address, "MAC": "080027AABBCC"}.items():
        box.run("guestproperty", "set", uuid, f"{CARD}/{key}", value, "--flags", "TRANSIENT")


def start(box, uuid):
    box.run("startvm", uuid, "--type", "headless")
    box.wait_for(uuid, "running")


def test_address_of_a_former_boot_is_not_reported(box):
    """If a VM was saved and restored, VirtualBox keeps the guest's properties, even after a cold start."""
    uuid = box.make("web", "ignores")
    start(box, uuid)
    say(box, uuid, "192.168.56.7")
    assert addresses(box) == [("192.168.56.7", "agent")]
    box.run("controlvm", uuid, "pause")
    box.run("controlvm", uuid, "resume")
    assert addresses(box) == [("192.168.56.7", "agent")]
    box.run("controlvm", uuid, "savestate")
    start(box, uuid)
    box.run("controlvm", uuid, "poweroff")
    start(box, uuid)
    assert "192.168.56.7" in box.run("guestproperty", "enumerate", uuid)
    assert addresses(box) == []
    say(box, uuid, "192.168.56.8")
    assert addresses(box) == [("192.168.56.8", "agent")]


def test_version_of_the_guest_additions_is_reported(box):
    """The real VirtualBox has no guest with Guest Additions here: they are installed, and their run level is none."""
    uuid = box.make("web", "ignores")
    assert observed(box).guest_tools is None
    start(box, uuid)
    assert observed(box).guest_tools == {"installed": None, "running": False, "version": None, "run_level": None}
    box.run("guestproperty", "set", uuid, "/VirtualBox/GuestAdd/VersionExt", "7.0.14_Debian")
    reported = {"installed": True, "running": True, "version": "7.0.14_Debian", "run_level": "none"}
    assert observed(box).guest_tools == reported
