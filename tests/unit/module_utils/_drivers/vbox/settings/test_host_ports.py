# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Automatically chosen ports of the host: not used by others, and always the same for one rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.port_forwards import HostPorts
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_machine import Forward

RULE = Forward("web", "tcp", "", 0, "", 80)
ALL = frozenset(range(20000, 30000))


@dataclass
class _Sight:
    uuid: str
    values: dict = field(default_factory=lambda: {"name": "web"})


@pytest.fixture(autouse=True)
def _all_are_free(monkeypatch):
    monkeypatch.setattr(net, "is_free", lambda *_any: True)


def twins():
    """Two VMs with rules for which the search for a free port begins at the same port."""
    begun = {}
    for number in range(10001):
        port = HostPorts().choose(_Sight(str(number)), RULE, frozenset())
        if port in begun:
            return begun[port], _Sight(str(number))
        begun[port] = _Sight(str(number))
    raise AssertionError("10,001 machines have 10,000 ports")


def test_two_machines_of_one_task_have_two_ports():
    ports, pair = HostPorts(), twins()
    first, second = (ports.choose(one, RULE, frozenset()) for one in pair)
    assert first != second
    assert [ports.choose(one, RULE, frozenset()) for one in pair] == [first, second]


def test_what_others_have_is_not_chosen():
    last = max(ALL)
    assert HostPorts().choose(_Sight("any"), RULE, ALL - {last}) == last
    with pytest.raises(Refused, match=r"web: port_forwards\.web: no free host port was found"):
        HostPorts().choose(_Sight("any"), RULE, ALL)


def test_where_somebody_listens_is_not_chosen(monkeypatch):
    expected = HostPorts().choose(_Sight("any"), RULE, frozenset())
    monkeypatch.setattr(net, "is_free", lambda _host, port, _protocol: port != expected)
    assert HostPorts().choose(_Sight("any"), RULE, frozenset()) != expected
