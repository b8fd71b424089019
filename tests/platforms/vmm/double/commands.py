# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one program of the simulated host: from its arguments to its output."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from . import media, network, services, system, vmctl, vmd
from .options import Failure, Hang, NotRecorded, TimedOut
from .peer import Peer
from .pfctl import pfctl
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


#: {program: function(world, words) that returns (exit code, stdout, stderr)}.
PROGRAMS = {
    "arp": network.arp,
    "dhcpd": services.dhcpd,
    "dmesg": system.dmesg,
    "fw_update": system.fw_update,
    "ifconfig": network.ifconfig,
    "makefs": media.makefs,
    "mount": media.mount,
    "netstart": network.netstart,
    "netstat": network.netstat,
    "pfctl": pfctl,
    "rcctl": services.rcctl,
    "rdsetroot": media.rdsetroot,
    "stty": media.stty,
    "sysctl": system.sysctl,
    "umount": media.umount,
    "uname": system.uname,
    "vmctl": _vmctl,
    "vmd": vmd.check,
    "vnconfig": media.vnconfig,
}


def call(folder, argv, environment=None, cwd="", announce=str, patience=None):
    """Run a program on the host with its state in ``folder``; returns an Answer.

    A program that never ends passes its stderr to ``announce`` and sleeps. With ``patience``, it raises
    TimedOut instead after so many seconds of the host's time.
    """
    environment = os.environ if environment is None else environment
    state = State(folder, environment)
    world = World(state, cwd or os.getcwd(), patience)
    program, *words = [str(word) for word in argv]
    program = os.path.basename(program)
    if program == "sh" and words[:1] == ["/etc/netstart"]:
        program, words = "netstart", words[1:]
    order = world.take_order(program, words)
    try:
        answer = Answer(*_run(world, program, words, order, announce))
    except NotRecorded as error:
        state.note(
            time=state.look()["now"],
            uid=world.host.uid,
            argv=[program, *words],
            returncode=error.code,
            not_recorded=str(error),
        )
        raise
    state.note(time=state.look()["now"], uid=world.host.uid, argv=[program, *words], **answer._asdict())
    return answer


def _run(world, program, words, order, announce):
    world.pass_time(world.state.look()["tick"])
    if order and not order.get("lost"):
        return order.get("code", 1), "", order.get("stderr", "")
    try:
        answer = PROGRAMS[program](world, words)
    except Failure as failure:
        answer = (failure.code, "", failure.text)
    except Hang as hang:
        if world.deadline is not None:
            world.pass_time(max(world.deadline - world.state.look()["now"], 0))
            world.state.note(time=world.deadline, uid=world.host.uid, argv=[program, *words], returncode=None)
            raise TimedOut(hang.stderr) from None
        announce(hang.stderr)
        time.sleep(_FOR_EVER)
        return 1, "", hang.stderr
    return (order.get("code", 1), "", order.get("stderr", "")) if order else answer
