# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenBSD host is that of the tests of the driver."""

from __future__ import annotations

from unit.module_utils._drivers.vmm.conftest import _host

__all__ = ["_host"]
