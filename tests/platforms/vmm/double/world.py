# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of one command on the simulated host: its state, its files and its time."""

from __future__ import annotations

from contextlib import contextmanager

from .vmd import Vmd


class World:
    """The state for one caller, who ends the call after ``patience`` seconds of the host's time."""

    def __init__(self, state, cwd="", patience=None):
        self.state = state
        #: The host's time at which the caller ends this call, or None.
        self.deadline = None if patience is None else state.look()["now"] + patience
        self.host = state.host(state.look(), cwd)

    @contextmanager
    def vmd(self):
        """A context with vmd, after all events up to the present; changes are saved."""
        with self.state.open() as state:
            vmd = Vmd(state, self.host)
            vmd.guests.advance(state["now"])
            yield vmd

    def pass_time(self, seconds):
        with self.vmd() as vmd:
            vmd.guests.advance(vmd.state["now"] + seconds)

    def take_order(self, program, words):
        """Remove and return the first planned failure of this call (``OpenBSD.fails``), or None."""
        with self.state.open() as state:
            orders = state["fail"]
            found = (one for one in orders if one["program"] == program and words[: len(one["words"])] == one["words"])
            order = next(found, None)
            if order:
                orders.remove(order)
            return order

    def wait_for_end(self, number):
        """Let time pass until this VM has stopped; returns False if it never stops, or not before the deadline."""
        while True:
            with self.vmd() as vmd:
                if number not in [vm["id"] for vm in vmd.guests.running()]:
                    return True
                due = vmd.guests.next_event()
                if due is None or (self.deadline is not None and due > self.deadline):
                    return False
                vmd.guests.advance(due)
