# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wait_for with a port, a page or WinRM of the guest: where it is probed, and what the error names."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Address
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.guest_conditions import page

from unit.module_utils._engine.waits import FORWARD, answers, ask, carry_out, running
from unit.module_utils._engine.world import Machine, World

PAGE = page(":8080/health", "wait_for.http")
WEB = {"protocol": "tcp", "host_address": "", "host_port": 18080, "guest_port": 8080}
#: (wait_for, its detail): what is probed at an address, at a forwarded port.
SERVICES = {"port": ((8080,), ["port"], ["answer"]), "http": ((PAGE,), ["http /health"], ["http /health"])}


def texts(asked):
    """Return the last elements of probes as text."""
    return [one if isinstance(one, str) else f"{one.scheme} {one.path}" for _host, _port, one in asked]


@pytest.mark.parametrize("kind", SERVICES)
def test_service_is_probed_at_each_address_until_one_answers(kind):
    (detail,), at_address, _forwarded = SERVICES[kind]
    addresses = (Address("10.0.0.7", "lease"), Address("10.0.0.9", "agent"))
    world = World(running(addresses=addresses, ssh={"host": "10.0.0.7", "port": 22, "user": "me", "scope": "host"}))
    probe = answers(world, ("10.0.0.9", 4))
    outcome = carry_out(world, ask("web", "started", wait_for=kind, wait_detail=detail), probe=probe)
    assert (outcome.failed, outcome.changed) == (False, False)
    assert {(host, port) for host, port, _what in probe.asked} == {("10.0.0.7", 8080), ("10.0.0.9", 8080)}
    assert set(texts(probe.asked)) == set(at_address)
    assert 4 <= world.clock.now() <= 5
    # The guest has the address that answered; its SSH port is another one.
    assert outcome.vms[0]["ssh"] == {"host": "10.0.0.9", "port": 22, "user": "me", "scope": "host"}


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("addresses", [(), (Address("10.0.0.9", "agent"),)])
def test_service_is_probed_through_its_forwarded_port(kind, addresses):
    """A forwarded port is open before the guest has booted, so an open port is no proof there."""
    (detail,), _at_address, through_forward = SERVICES[kind]
    world = World(running(addresses=addresses, ssh=FORWARD, config={"port_forwards": {"web": WEB}}))
    probe = answers(world, ("127.0.0.1", 0))
    outcome = carry_out(world, ask("web", "started", wait_for=kind, wait_detail=detail), probe=probe)
    assert (outcome.failed, outcome.vms[0]["ssh"]) == (False, FORWARD)
    assert [(host, port) for host, port, _what in probe.asked] == [("127.0.0.1", 18080)]
    assert texts(probe.asked) == through_forward


def test_forward_whose_port_is_chosen_at_the_start_is_used():
    class Forwarding(World):
        def _start(self, vm, step):
            super()._start(vm, step)
            self._existing(vm).config["port_forwards"] = {"web": WEB}

    world = Forwarding(Machine("web", "1", addresses=(Address("10.0.0.9", "lease"),)))
    probe = answers(world, ("127.0.0.1", 0))
    assert not carry_out(world, ask("web", "started", wait_for="port", wait_detail=8080), probe=probe).failed
    assert probe.asked == [("127.0.0.1", 18080, "answer")]


def test_winrm_answers_at_one_of_two_ports():
    world = World(running(addresses=(Address("10.0.0.9", "lease"),)))
    probe = answers(world, ("10.0.0.9", 2))
    assert not carry_out(world, ask("web", "started", wait_for="winrm"), probe=probe).failed
    assert {port for _host, port, _what in probe.asked} == {5985, 5986}
    assert set(texts(probe.asked)) == {"http /wsman", "https /wsman"}


@pytest.mark.parametrize(("kind", "text"), [("port", "port 8080"), ("http", "http :8080/health")])
def test_timeout_names_the_service(kind, text):
    world = World(running(addresses=(Address("10.0.0.9", "lease"),)))
    (detail,) = SERVICES[kind][0]
    outcome = carry_out(
        world, ask("web", "started", wait_for=kind, wait_detail=detail, timeout=5), probe=answers(world)
    )
    assert outcome.msg.startswith(f"web: no {text} within 5 s; last tried: 10.0.0.9:8080 (lease).")
