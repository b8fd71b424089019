# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection between ``vmctl`` and vmd. A request locks the state for changes, but not while it waits."""

from __future__ import annotations

import errno
import os

from .host import text_of

_WHEEL = 0


class Peer:
    """The side of vmd: it answers requests of ``vmctl``."""

    def __init__(self, world):
        self.world = world

    def connect(self):
        state, host = self.world.state.look(), self.world.host
        daemon = state["vmd"]
        if not daemon["socket"]:
            raise FileNotFoundError(errno.ENOENT, text_of("ENOENT"))
        owner = daemon["settings"].get("socket_owner", [0, _WHEEL])
        gids = {ids[1] for ids in host.users.values() if ids[0] == host.uid}
        if host.uid not in (0, owner[0]) and owner[1] not in gids:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not daemon["running"]:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    def request(self, message):
        kind = message["type"]
        if kind == "IMSG_VMDOP_GET_INFO_VM_REQUEST":
            with self.world.vmd() as vmd:
                yield from vmd.info()
            yield {"type": "IMSG_VMDOP_GET_INFO_VM_END_DATA"}
        elif kind == "IMSG_VMDOP_START_VM_REQUEST":
            with self.world.vmd() as vmd:
                answer = vmd.start(message)
            yield {"type": "IMSG_VMDOP_START_VM_RESPONSE", **answer}
        elif kind == "IMSG_VMDOP_TERMINATE_VM_REQUEST":
            yield from self._terminate(message)
        elif kind in ("IMSG_VMDOP_PAUSE_VM", "IMSG_VMDOP_UNPAUSE_VM"):
            with self.world.vmd() as vmd:
                answer, never_comes = vmd.pause(message, kind == "IMSG_VMDOP_PAUSE_VM")
            yield {"type": "hang"} if never_comes else {"type": f"{kind}_RESPONSE", **answer}
        else:
            yield self._control(message)

    def _terminate(self, message):
        by_force = "FORCE" in message["vid_flags"]
        with self.world.vmd() as vmd:
            vm = vmd.find(message)
            refusal = vmd.refusal(vm, by_force)
            number = vm["id"] if vm else 0
            if not refusal:
                vmd.guests.stop(vm, by_force)
        if refusal:
            yield self._terminated("RESPONSE", number, {"vmr_result": {"name": refusal, "number": 1}})
            return
        if "WAIT" in message["vid_flags"]:
            if not self.world.wait_for_end(number):
                yield {"type": "hang"}
            yield self._terminated("EVENT", number)
        elif by_force and self.world.state.look()["release"] < "7.5":
            yield self._terminated("EVENT", number)
        else:
            yield self._terminated("RESPONSE", number)

    def _terminated(self, kind, number, more=None):
        return {"type": f"IMSG_VMDOP_TERMINATE_VM_{kind}", "vmr_id": number, **(more or {})}

    def _control(self, message):
        if self.world.host.uid:
            return {"type": "IMSG_CTL_FAIL", "errno": {"name": "EPERM", "number": 1}}
        is_good = True
        with self.world.vmd() as vmd:
            if message["type"] == "IMSG_VMDOP_RELOAD":
                is_good = vmd.reload()
            elif message["type"] == "IMSG_VMDOP_LOAD":
                is_good = vmd.load(message["path"])
            elif message["type"] == "IMSG_CTL_RESET":
                vmd.reset(message["mode"])
            if not vmd.daemon["running"]:
                return {"type": "close"}
        return {"type": "IMSG_CTL_OK" if is_good else "IMSG_CTL_FAIL"}
