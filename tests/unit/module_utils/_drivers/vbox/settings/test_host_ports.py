# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Automatically chosen ports of the host: not used by others, and always the same for one rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.port_forwards import HostPorts
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_machine import Forward

RULE = Forward("web", "tcp", "", 0, "", 80)
ALL_PORTS = frozenset(range(20000, 30000))


@dataclass
class _Vm:
    """The attributes of a VBoxVm that HostPorts reads."""

    uuid: str
    values: dict = field(default_factory=lambda: {"name": "web"})


@pytest.fixture(autouse=True)
def _all_ports_are_free(monkeypatch):
    monkeypatch.setattr(net, "is_free", lambda *_any: True)


def vms_with_the_same_first_port():
    """Two VMs with rules for which the search for a free port begins at the same port."""
    first_ports = {}
    for number in range(10001):
        port = HostPorts().choose(_Vm(str(number)), RULE, frozenset())
        if port in first_ports:
            return first_ports[port], _Vm(str(number))
        first_ports[port] = _Vm(str(number))
    raise AssertionError("10,001 VMs have 10,000 ports")


def test_two_vms_of_one_task_have_two_ports():
    ports, pair = HostPorts(), vms_with_the_same_first_port()
    first, second = (ports.choose(one, RULE, frozenset()) for one in pair)
    assert first != second
    assert [ports.choose(one, RULE, frozenset()) for one in pair] == [first, second]


def test_port_of_another_rule_is_not_chosen():
    last = max(ALL_PORTS)
    assert HostPorts().choose(_Vm("any"), RULE, ALL_PORTS - {last}) == last
    with pytest.raises(Refused, match=r"web: port_forwards\.web: no host port is free"):
        HostPorts().choose(_Vm("any"), RULE, ALL_PORTS)
