# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from a state of WSL on a host to the requested settings, as a table."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.windows.wsl_plan import plan_host
from ansible_collections.polyvirt.core.plugins.module_utils._tools.wsl_conf import parse
from ansible_collections.polyvirt.core.plugins.module_utils._tools.wsl_host import FEATURES, PROGRAMS, WslState

ON, OFF = dict.fromkeys(FEATURES, "enabled"), dict.fromkeys(FEATURES, "disabled")
PENDING = dict.fromkeys(FEATURES, "pending")
NOTHING = {"minimum_version": None, "default_version": None, "config": {}, "shutdown": False, "reboot": False}
FILE = "[wsl2]\nmemory = 8GB\nguiApplications = TRUE\nmemory=1GB\n"


def host(features=None, version=(2, 6, 3), default=None, text="", program=PROGRAMS[0]):
    return WslState(dict(ON if features is None else features), program, version, default, text, values=parse(text))


def config(**values):
    return {"config": {f"wsl2.{name}": value for name, value in values.items()}}


#: (host, options, keys of the steps; those that wait for a restart in parentheses)
STEPS = [
    (host(), {}, ""),
    (host(OFF), {}, "features"),
    (host(PENDING), {"reboot": True}, "reboot"),
    (host(PENDING), {"default_version": 1, "reboot": True}, "reboot default_version"),
    (host(), {"minimum_version": (2, 4, 4)}, ""),
    (host(), {"minimum_version": (2, 6, 4)}, "version"),
    (host(version=()), {"minimum_version": (1, 0)}, "version"),
    (host(), {"default_version": 2}, ""),
    (host(), {"default_version": 1}, "default_version"),
    (host(version=()), {"default_version": 2}, "default_version"),
    (host(version=(), default=2), {"default_version": 2}, ""),
    (host(version=()), {"default_version": 2, "minimum_version": (2, 0)}, "version"),
    (host(text=FILE), config(memory="8GB", guiApplications="true"), ""),
    (host(text=FILE), config(swap=None), ""),
    (host(program=None), {**config(memory="8GB"), "shutdown": True}, "config"),
    (host(OFF, version=()), {**config(memory="8GB"), "shutdown": True}, "features config"),
    (host(OFF), {**config(memory="8GB"), "shutdown": True}, "features shutdown config"),
    (host(OFF), {**config(memory="8GB"), "shutdown": True, "reboot": True}, "features config reboot"),
]


@pytest.mark.parametrize(("found", "options", "expected"), STEPS)
def test_steps(found, options, expected):
    steps = plan_host({**NOTHING, **options}, found)
    assert " ".join(f"({one.key})" if one.waits else one.key for one in steps) == expected
