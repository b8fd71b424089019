# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command that runs in the simulated host: its state, its files, and the passing of time."""

from __future__ import annotations

import time
from contextlib import contextmanager

from .vmd import Vmd


class World:
    """The state as one caller sees it, who has ``patience`` for so many seconds."""

    def __init__(self, state, cwd="", clock=time, patience=None):
        self.state, self._clock = state, clock
        #: When the caller ends this call, in the time of the host; None is never.
        self.deadline = None if patience is None else state.look()["now"] + patience
        self.host = state.host(state.look(), cwd)

    @contextmanager
    def vmd(self):
        """The daemon, with all that has happened until now; changes are kept."""
        with self.state.open() as state:
            vmd = Vmd(state, self.host)
            vmd.guests.advance(state["now"])
            yield vmd

    def pass_time(self, seconds):
        with self.vmd() as vmd:
            vmd.guests.advance(vmd.state["now"] + seconds)

    def take_order(self, program, words):
        """The first order for this call, which is done once: how it fails."""
        with self.state.open() as state:
            orders = state["fail"]
            found = (one for one in orders if one["program"] == program and words[: len(one["words"])] == one["words"])
            order = next(found, None)
            if order:
                orders.remove(order)
            return order

    def wait_for_end(self, number):
        """Pass the time until this VM does not run; False if nothing would end it, or the caller does not wait."""
        while True:
            with self.vmd() as vmd:
                if number not in [vm["id"] for vm in vmd.guests.running()]:
                    return True
                due, is_real = vmd.guests.next_event(), vmd.state["waits"] == "real"
                if due is None or (self.deadline is not None and due > self.deadline):
                    return False
                pause = due - vmd.state["now"]
                if not is_real:
                    vmd.guests.advance(due)
            if is_real:
                self._clock.sleep(pause)
                self.pass_time(pause)

    def start_daemon(self):
        if self.host.uid:
            return 1, "", "vmd: need root privileges\n"
        with self.vmd() as vmd:
            return (0 if vmd.boot() else 1), "", ""
