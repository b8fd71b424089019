# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benches: platforms that carry out generated tasks in the process of a test."""

from __future__ import annotations

import pytest

from platforms.hyperv.bench import OnHyperV
from platforms.libvirt.bench import Qemu, TestDriver
from platforms.proxmox.bench import OnProxmox
from platforms.vagrant.bench import WithHyperV, WithLibvirt, WithVirtualBox
from platforms.virtualbox.bench import VirtualBox
from platforms.vmm.bench import Vmd
from platforms.wsl.bench import OnWsl

BENCHES = (TestDriver, Qemu, VirtualBox, WithVirtualBox, WithHyperV, WithLibvirt, OnProxmox, Vmd, OnHyperV, OnWsl)
#: Those with generated pairs of a VM and a task, and those of them that are doubles.
WITH_PAIRS = [pytest.param(one, id=one.name) for one in BENCHES if one.cases is not None]
DOUBLES = [param for param in WITH_PAIRS if param.values != (TestDriver,)]
WITH_LISTS = [pytest.param(one, id=one.name) for one in BENCHES if one.words is not None]
