# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of any program of the simulated host: from words to what it prints."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from . import network, services, system, vmctl, vmd
from .options import Failure, Hang
from .peer import Peer
from .state import State
from .world import World

_FOR_EVER = 10**6


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def _vmctl(world, words):
    call = vmctl.Call(Peer(world), world.host, world.state.look()["release"])
    try:
        code = vmctl.run(call, words)
    except Hang as hang:
        hang.stderr = "".join(call.err)
        raise
    return code, "".join(call.out), "".join(call.err)


#: Each returns (exit code, stdout, stderr).
PROGRAMS = {
    "arp": network.arp,
    "dhcpd": services.dhcpd,
    "dmesg": system.dmesg,
    "fw_update": system.fw_update,
    "id": system.identity,
    "ifconfig": network.ifconfig,
    "netstart": network.netstart,
    "rcctl": services.rcctl,
    "sysctl": system.sysctl,
    "uname": system.uname,
    "vmctl": _vmctl,
    "vmd": vmd.check,
}


def call(folder, argv, environment=None, cwd="", clock=time, announce=str):
    """What the program answers in the host of ``folder``.

    One that never ends hands what it has written to stderr to ``announce``, and sleeps by ``clock``.
    """
    environment = os.environ if environment is None else environment
    state = State(folder, environment)
    world = World(state, cwd or os.getcwd(), clock)
    program, *words = [str(word) for word in argv]
    program = os.path.basename(program)
    if program == "sh" and words[:1] == ["/etc/netstart"]:
        program, words = "netstart", words[1:]
    if program == "doas":
        return _doas(folder, world, words, environment, cwd, clock, announce)
    order = world.take_order(program, words)
    answer = Answer(*_run(world, program, words, order, clock, announce))
    state.note(time=state.look()["now"], uid=world.host.uid, argv=[program, *words], **answer._asdict())
    return answer


def _run(world, program, words, order, clock, announce):
    world.pass_time(world.state.look()["tick"])
    if order and not order.get("lost"):
        return order.get("code", 1), "", order.get("stderr", "")
    try:
        answer = PROGRAMS[program](world, words)
    except Failure as failure:
        answer = (failure.code, "", failure.text)
    except Hang as hang:
        announce(hang.stderr)
        clock.sleep(_FOR_EVER)
        return 1, "", hang.stderr
    return (order.get("code", 1), "", order.get("stderr", "")) if order else answer


def _doas(folder, world, words, environment, cwd, clock, announce):
    """Another program, as root."""
    failure, words = system.doas(world, words)
    if failure:
        world.state.note(time=0, uid=world.host.uid, argv=["doas", *words], returncode=1, stdout="", stderr=failure)
        return Answer(1, "", failure)
    return call(folder, words, {**environment, "POLYVIRT_VMM_UID": "0"}, cwd, clock, announce)
