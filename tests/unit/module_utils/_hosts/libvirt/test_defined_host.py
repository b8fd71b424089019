# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps for networks and pools while another client changes them, and if libvirt rejects a start."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Stale
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.course import run
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import pool_host
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.defined_host import DefinedHost
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_options import OPTIONS, checked
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_plan import (
    NetworkState,
    plan_network,
)
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.pool_plan import PoolState

STORED = """\
<network><name>lab</name><uuid>0f6f3f2e-5b0e-4b3c-9f4e-5f7d3f0d8a11</uuid><bridge name='virbr7'/>
<ip address='10.7.0.1' netmask='255.255.255.0'><dhcp>{0}</dhcp></ip></network>"""
ONE, OTHER = (f"<host mac='52:54:00:00:07:{place}' ip='10.7.0.{place}'/>" for place in (10, 11))
HOST = {"mac": "52:54:00:00:07:10", "id": None, "name": None, "address": "10.7.0.10"}


def _failed(text):
    return CommandFailed(["virsh"], 1, text)


class Libvirt:
    """virsh with one network that does not run. ``meanwhile``: what another client stores before the first change."""

    def __init__(self, text, meanwhile=None, errors=()):
        self.text, self._meanwhile, self._errors, self.done = text, meanwhile, dict(errors), []

    def run(self, *words, stdin=None):
        if self._meanwhile:
            self.text, self._meanwhile = self._meanwhile, None
        if words[0] == "net-dumpxml":
            return self.text
        self.done.append(words[0])
        if words[0] in self._errors:
            raise self._errors.pop(words[0])
        if words[0] == "net-define":
            self.text = stdin
        elif words[0] == "net-update":
            root = ET.fromstring(self.text)
            root.find("ip/dhcp").append(ET.fromstring(words[4]))
            self.text = ET.tostring(root, encoding="unicode")
        return ""


class Host(DefinedHost):
    def read(self):
        self._read = NetworkState("lab", None, ET.fromstring(self._virsh.text))
        return self._read

    def plan(self, state):
        steps, self._after = plan_network(self._wanted, state)
        return steps

    def facts(self, state, steps):
        return {"hosts": state.values["hosts"], "mtu": state.values["mtu"]}


def _run(virsh, **options):
    defaults = {name: option.default for name, option in OPTIONS.items()}
    wanted = checked({**defaults, "name": "lab", "state": "present", **options})
    return run(Host(wanted, virsh), False, Approval())


@pytest.mark.parametrize("options", [{"hosts": [HOST]}, {"hosts": [HOST], "mtu": 1400}])
def test_entry_that_another_client_adds_remains(options):
    """An entry alone is added without the rest of the definition, which is read again before it is stored."""
    virsh = Libvirt(STORED.format(""), STORED.format(OTHER))
    result = _run(virsh, **options)
    assert not result.get("failed"), result
    assert sorted(one["address"] for one in result["hosts"]) == ["10.7.0.10", "10.7.0.11"]
    assert virsh.done == ["net-define" if "mtu" in options else "net-update"]
    assert result["mtu"] == options.get("mtu")


def test_change_that_another_client_made_is_no_error():
    error = _failed("error: there is an existing dhcp host entry in network 'lab' that matches")
    virsh = Libvirt(STORED.format(""), STORED.format(ONE), {"net-update": error})
    result = _run(virsh, hosts=[HOST])
    assert not result.get("failed"), result
    assert virsh.done == ["net-update"]


def test_error_that_remains_ends_the_task():
    text = "there is an existing dhcp host entry in network 'lab' that matches"
    virsh = Libvirt(STORED.format(""))
    virsh.run = lambda *words, **more: (_ for _ in ()).throw(_failed(text))
    result = _run(virsh, hosts=[HOST])
    assert (result["failed"], text in result["msg"]) == (True, True)


def test_failed_restart_says_that_the_network_is_stopped():
    state = NetworkState("lab", ET.fromstring(STORED.format("")), ET.fromstring(STORED.format("")))
    wanted = {name: option.default for name, option in OPTIONS.items()}
    host = Host(
        checked({**wanted, "name": "lab", "mtu": 1400, "allow_restart": True}),
        Libvirt(STORED.format(""), errors={"net-start": _failed("no such device")}),
    )
    host._read = state
    with pytest.raises(CommandFailed, match=r"no such device\. It is stopped now\.") as caught:
        host.apply(host.plan(state))
    assert not isinstance(caught.value, Stale)


@pytest.mark.parametrize(
    ("running", "directory", "is_lost"),
    [("/srv/a", None, True), ("/srv/a", {"mode": "0711"}, False), ("/srv/b", None, False), (None, None, False)],
)
def test_running_pool_without_its_directory_is_a_warning(running, directory, is_lost):
    roots = [
        path and ET.fromstring(f"<pool type='dir'><target><path>{path}</path></target></pool>")
        for path in (running, "/srv/a")
    ]
    warnings = pool_host._lost_directory(PoolState("images", *roots, directory=directory), "/srv/a")
    assert ["/srv/a does not exist any more" in one for one in warnings] == [True] * is_lost
