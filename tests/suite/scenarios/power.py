# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios made from the power table: every state that can be asked for, on every power that can be found."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import ABSENT, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.power import ENDS_IN, TABLE

MODES = ("graceful", "force")


@dataclass(frozen=True)
class Cell:
    """One cell of the table in one stop mode, on one platform."""

    asked: str
    found: str
    mode: str
    verbs: tuple
    refusal: str

    @property
    def name(self):
        return f"pvc-{self.asked}-{self.found}-{self.mode}"

    @property
    def ends(self):
        stays = self.found if self.refusal or self.found != ABSENT else STOPPED
        return stays if self.refusal else ENDS_IN[self.asked] or stays


def cells(asked, platform, traits):
    """The cells of a row. What the platform lacks is expected as a refusal that says what it has instead."""
    return [_cell(asked, found, mode, traits) for mode in MODES for found in platform.finds]


def _cell(asked, found, mode, traits):
    moves = TABLE[asked][found].choose(mode == "force")
    end = ENDS_IN[asked]
    refusal = ""
    if end not in (None, ABSENT) and end not in traits.powers:
        refusal = traits.instead[end]
    elif moves is None:
        refusal = TABLE[asked][found].refused
    verbs = () if refusal else tuple("create" if move == "make" else move for move in moves)
    if "reset" in verbs and "reset" not in traits.verbs:
        verbs = ("kill", "start")
    return Cell(asked, found, mode, verbs, refusal)
