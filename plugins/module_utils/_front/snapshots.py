# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that change snapshots: ``<platform>_snapshot``."""

from __future__ import annotations

from .._core.options.option import SNAPSHOT
from .._core.options.request import snapshot_requests
from .._engine.task import run
from .declaration import changing


def snapshot_module(platform, own_options, make_driver):
    """A ``<platform>_snapshot`` module: ``make_driver`` turns its parameters into a driver."""
    options = platform.supported({**SNAPSHOT, **own_options})

    def answer(params, check, approval):
        return run(make_driver(params), snapshot_requests(params, options), check, approval).result()

    return changing(options, answer, platform)
