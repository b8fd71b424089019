# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of ``native`` that libvirt would drop: its test driver prints the network that would be stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import network_host
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_options import OPTIONS
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_plan import NetworkState
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer


class Printing:
    """libvirt's test driver: ``prints(text)`` is the network that it prints, ``errors`` are those of its commands."""

    def __init__(self, prints, errors=()):
        self.prints, self.errors, self.calls = prints, dict(errors), []

    def __call__(self, commands, executable, uri):
        assert (executable, uri) == ("/opt/virsh", "test:///default")
        return self

    def batch(self, requests):
        (define, path), (dump, name) = requests
        self.calls.append((define, dump))
        assert os.stat(path).st_mode & 0o777 == 0o600
        copy = Definition(Path(path).read_text(encoding="utf-8"))
        assert (copy.name, copy.uuid) == (name, None)
        texts = {define: "", dump: self.prints(copy.text())}
        return [Answer(text, self.errors.get(command)) for command, text in texts.items()]


def plan(monkeypatch, virsh, native, **options):
    """The changes of a task for a new network, or of an existing one (``stored``)."""
    monkeypatch.setattr(network_host, "Virsh", virsh)
    params = {name: option.default for name, option in OPTIONS.items()}
    given = {"name": "lab", "uri": "qemu:///system", "executable": "/opt/virsh", "state": "present", **options}
    host = network_host.make_host({**params, **given, "native": native})
    return [step.key for step in host.plan(NetworkState("lab"))]


KEPT = {"bridge@delay": 4, "dns@forwardPlainNames": True, "title": None}


@pytest.mark.parametrize(
    ("native", "printed", "message"),
    [
        (KEPT, str, None),
        ({"foo/bar": "x"}, lambda text: text.replace("<bar>x</bar>", ""), "'foo/bar' .*'x': libvirt does not store it"),
        (
            {"bridge@delay": "04"},
            lambda text: text.replace("04", "4"),
            "'bridge@delay' .*'04': libvirt stores '4' instead",
        ),
        # The test driver keeps no namespaces, and may add elements.
        ({"dnsmasq:options/dnsmasq:option[1]@value": "a"}, lambda text: "<network/>", None),
        ({"virtualport@type": "a"}, lambda text: text.replace("<virtualport", "<virtualport/><virtualport"), None),
    ],
)
def test_value_that_libvirt_drops_is_rejected(monkeypatch, native, printed, message):
    virsh = Printing(printed)
    if message is None:
        assert plan(monkeypatch, virsh, native) == ["lab"]
    else:
        with pytest.raises(Refused, match=f"lab: native: {message}") as raised:
            plan(monkeypatch, virsh, native)
        assert "formatnetwork.html" in raised.value.remedy
    assert virsh.calls == [("net-define", "net-dumpxml")]


@pytest.mark.parametrize("command", ["net-define", "net-dumpxml"])
def test_network_that_the_test_driver_rejects_is_left_to_the_connection_of_the_task(monkeypatch, command):
    assert plan(monkeypatch, Printing(lambda text: "<network/>", {command: "error"}), {"foo/bar": "x"}) == ["lab"]


def test_task_without_native_or_change_asks_nothing(monkeypatch):
    virsh = Printing(str)
    assert plan(monkeypatch, virsh, None) == ["lab"]
    assert plan(monkeypatch, virsh, {"foo/bar": "x"}, state="absent") == []
    assert virsh.calls == []
