# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of the expected power table: every requested state, with every power state of the VM."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, SUSPENDED

from suite.power_expected import expected

MODES = ("graceful", "force")


@dataclass(frozen=True)
class Cell:
    """One cell of the table in one stop mode, on one platform."""

    asked: str
    found: str
    mode: str
    verbs: tuple
    refusal: str
    #: The power state afterwards.
    ends: str

    @property
    def name(self):
        return f"pvc-{self.asked}-{self.found}-{self.mode}"


def cells(asked, platform, traits):
    """The cells of a row. For states that the platform does not support, the expected error names the alternative."""
    modes = [mode for mode in MODES if mode in traits.stop_modes]
    return [_cell(asked, found, mode, traits) for mode in modes for found in platform.finds]


def _cell(asked, found, mode, traits):
    verbs, refusal, ends = expected(asked, found, mode, traits.platform)
    if asked in (PAUSED, SUSPENDED) and asked not in traits.powers:
        verbs, refusal, ends = (), traits.instead[asked], found
    if "reset" in verbs and "reset" not in traits.verbs:
        verbs = ("kill", "start")
    return Cell(asked, found, mode, verbs, refusal, ends)
