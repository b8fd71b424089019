# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that change settings of a host: ``<platform>_host_settings``."""

from __future__ import annotations

from .._hosts.course import run
from .declaration import changing


def host_module(options, make_host):
    """A module about a host: ``make_host`` turns its parameters into one, or raises for a wrong form."""

    def answer(params, check, approval):
        return run(make_host(params), check, approval)

    return changing(options, answer)
