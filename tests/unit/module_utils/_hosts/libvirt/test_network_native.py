# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of ``native`` that libvirt would drop: its test driver prints the network that would be stored."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused, Unavailable
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


def plan(monkeypatch, virsh, native, stored=None, **options):
    """The changes of a task for a new network, or for one that is stored."""
    monkeypatch.setattr(network_host, "Virsh", virsh)
    params = {name: option.default for name, option in OPTIONS.items()}
    given = {"name": "lab", "uri": "qemu:///system", "executable": "/opt/virsh", "state": "present", **options}
    host = network_host.make_host({**params, **given, "native": native})
    return [step.key for step in host.plan(NetworkState("lab", stored=stored))]


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


UPPER = {
    "mac@address": "52:54:00:AA:BB:CC",
    "virtualport/parameters@interfaceid": f"ABCDEF00{'-0000' * 3}-00000000ABCD",
}


def in_small_letters(text):
    for value in UPPER.values():
        text = text.replace(value, value.lower())
    return text


def test_addresses_and_uuids_are_stored_in_small_letters(monkeypatch):
    assert plan(monkeypatch, Printing(in_small_letters), UPPER) == ["lab"]
    stored = Element("network")
    for path, value in UPPER.items():
        Definition.of(stored).set_native(path, value.lower())
    assert plan(monkeypatch, Printing(str), UPPER, stored=stored) == []
    other = {**UPPER, "mac@address": "52:54:00:AA:BB:CD"}
    assert plan(monkeypatch, Printing(in_small_letters), other, stored=stored) == ["lab.native.mac@address"]


def test_letters_of_other_values_count(monkeypatch):
    with pytest.raises(Refused, match=r"'title' .*'LAB': libvirt stores 'lab' instead"):
        plan(monkeypatch, Printing(lambda text: text.replace("LAB", "lab")), {"title": "LAB"})


def test_virsh_without_a_test_driver_judges_nothing(monkeypatch):
    def unavailable(text):
        raise Unavailable("no connection driver available for test:///default", why="not_responding", remedy="")

    assert plan(monkeypatch, Printing(unavailable), {"foo/bar": "x"}) == ["lab"]
    with pytest.raises(CommandFailed):
        plan(monkeypatch, Printing(failing), {"foo/bar": "x"})


def failing(text):
    raise CommandFailed(("virsh",), 1, "virsh exited before its last command.")
