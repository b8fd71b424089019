# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``networks[].address`` on real libvirt: the guest gets the address, and the reservation is removed with its VM."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from suite.carry import carry_one

FIRST, SECOND, THIRD = (f"192.168.157.{place}" for place in (150, 151, 152))


@pytest.fixture
def lan(qemu):
    qemu.clean()
    qemu.start_network()
    yield qemu
    qemu.clean()


def _reserved(qemu):
    """{MAC: address} of the running and of the stored network, as virsh shows them."""
    texts = [qemu.virsh("net-dumpxml", qemu.guests_network, *more) for more in ((), ("--inactive",))]
    return [{host.get("mac"): host.get("ip") for host in ET.fromstring(text).iter("host")} for text in texts]


def _nic(qemu, address, **more):
    return {"type": "network", "source": qemu.guests_network, "address": address, **more}


def _mac(run):
    (vm,) = run.result["vms"]
    return vm["mac_addresses"][0]


def test_reservation_lives_as_long_as_its_vm(lan, shim, tmp_path):
    def run(check=False, **options):
        return carry_one(lan, shim, tmp_path, {"name": [name], **options}, check=check)

    name = f"{lan.prefix}fixed"
    new = {**lan.creation, "state": "stopped", "networks": [_nic(lan, FIRST)]}
    assert run(check=True, **new).result["changed"]
    assert _reserved(lan) == [{}, {}]
    created = run(**new)
    assert created.rc == 0, created.result
    mac = _mac(created)
    assert created.result["vms"][0]["networks"][0]["address"] == FIRST
    assert _reserved(lan) == [{mac: FIRST}] * 2
    again = run(**new)
    assert not again.result["changed"], again.result
    # Without the option, the address is kept and reported.
    plain = run(memory="96M")
    assert plain.result["changed"]
    assert plain.result["vms"][0]["networks"][0]["address"] == FIRST
    moved = run(networks=[{"address": SECOND}])
    assert moved.rc == 0, moved.result
    assert _reserved(lan) == [{mac: SECOND}] * 2
    lan.virsh("net-update", lan.guests_network, "delete", "ip-dhcp-host", f"<host mac='{mac}'/>", "--live")
    repaired = run(networks=[{"address": SECOND}])
    assert repaired.result["changed"]
    assert _reserved(lan) == [{mac: SECOND}] * 2
    other = carry_one(lan, shim, tmp_path, {"name": [f"{lan.prefix}other"], **new, "networks": [_nic(lan, SECOND)]})
    assert other.result["failed"]
    assert name in other.result["msg"]
    assert SECOND in other.result["msg"]
    lan.virsh(
        "net-update", lan.guests_network, "add", "ip-dhcp-host", f"<host name='a' ip='{THIRD}'/>", "--live", "--config"
    )
    reserved = run(networks=[{"address": THIRD}])
    assert f"reserves {THIRD}" in reserved.result["msg"]
    gone = run(state="absent")
    assert gone.rc == 0, gone.result
    assert _reserved(lan) == [{None: THIRD}] * 2


def test_vms_of_one_task_take_turns(lan, shim, tmp_path):
    """A released address can be taken by another VM of the same task, and one address by one VM only."""
    names = [f"{lan.prefix}{one}" for one in ("old", "new")]
    new = {**lan.creation, "state": "stopped", "networks": [_nic(lan, FIRST)]}
    first = carry_one(lan, shim, tmp_path, {"name": names[:1], **new})
    assert first.rc == 0, first.result
    machines = [{"name": names[0], "state": "absent"}, {"name": names[1], **new}]
    turned = carry_one(lan, shim, tmp_path, {"machines": machines})
    assert turned.rc == 0, turned.result
    (_old, made) = turned.result["vms"]
    assert _reserved(lan) == [{made["mac_addresses"][0]: FIRST}] * 2


@pytest.mark.parametrize(
    ("nic", "words"),
    [
        ({"address": "10.9.0.5"}, ("10.9.0.5", "192.168.157.0/24")),
        ({"address": "192.168.157.1"}, ("address of the host",)),
        ({"address": "192.168.157.300"}, ("not an IP address",)),
        ({"type": "user", "source": None, "address": FIRST}, ("type user", "cloud_init.ip_config")),
    ],
)
def test_address_that_cannot_be_promised_is_rejected(lan, shim, tmp_path, nic, words):
    name = f"{lan.prefix}bad"
    options = {**lan.creation, "name": [name], "networks": [{**_nic(lan, FIRST), **nic}]}
    run = carry_one(lan, shim, tmp_path, options)
    assert [word for word in (name, *words) if word not in run.result["msg"]] == []
    assert name not in lan.ids()
    assert _reserved(lan) == [{}, {}]


@pytest.mark.deep
def test_guest_gets_its_address(lan, shim, tmp_path):
    options = {**lan.guest, "name": [f"{lan.prefix}guest"], "state": "started", "wait_for": "address", "timeout": 240}
    run = carry_one(lan, shim, tmp_path, {**options, "networks": [_nic(lan, FIRST)]})
    assert run.rc == 0, run.result
    assert FIRST in [one["address"] for one in run.result["vms"][0]["addresses"]]
