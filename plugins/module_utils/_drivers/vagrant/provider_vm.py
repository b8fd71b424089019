# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: one VM as its provider reports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ..._core.frozen import Frozen, field


class Drive(Frozen):
    """A disk or a medium in the stored definition of a VM; ``slot`` is where it is attached, None: in snapshots only.

    ``role`` is that of a File. ``ours``: Vagrant created it with the VM, under the name that it gives such a disk.
    ``named``: Vagrant created it, or used it, because the Vagrantfile names it. ``used_by`` are other VMs, ``held_by``
    is a snapshot that contains it.

    Of VirtualBox: ``id`` is the UUID of a disk in the folder of the VM, where Vagrant creates disks, and users often,
    too; ``based_on`` are the ids of VMs with an image below it; ``below`` is the path of the disk that is based on it.
    """

    slot: Optional[str]
    path: str
    role: str
    ours: bool = False
    named: bool = False
    used_by: tuple = ()
    held_by: str = ""
    id: str = ""
    based_on: frozenset = frozenset()
    below: Optional[str] = None


class ProviderVm(Frozen):
    """``ssh`` is (host, port) if the provider forwards a port to the VM; ``snapshots`` and ``drives`` are set only if
    requested.

    ``running`` are settings with which the VM runs, if the provider reports them without another call. ``nics`` is the
    number of its NICs, ``is_unwritten``: it is certain that no guest has ever run on it; None: not known.
    """

    power: str
    busy: Optional[str] = None
    reason: str = ""
    addresses: tuple = ()
    ssh: Optional[tuple] = None
    snapshots: tuple = ()
    running: Mapping = field(default_factory=dict)
    drives: tuple = ()
    nics: Optional[int] = None
    is_unwritten: Optional[bool] = None
