# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM as its provider reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class ProviderVm:
    """``ssh`` is (host, port) if the provider forwards a port to the VM; ``snapshots`` is set only if requested.

    ``running`` are settings with which the VM runs, if the provider reports them without another call.
    """

    power: str
    busy: Optional[str] = None
    reason: str = ""
    addresses: tuple = ()
    ssh: Optional[tuple] = None
    snapshots: tuple = ()
    running: Mapping = field(default_factory=dict)
