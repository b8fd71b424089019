# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a plan of power and snapshot steps, before the first step."""

from __future__ import annotations

from .settings.disk_checks import check_media
from .settings.port_forwards import check_ports
from .snapshots import check_dropping


def check_plan(driver, plan):
    """Raise NotFound or Refused for steps that would fail after others were executed."""
    listing = driver.listing()
    check_dropping(listing, plan)
    check_media(listing, plan)
    check_ports(listing, plan)
