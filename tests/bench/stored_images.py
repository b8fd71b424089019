# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second VM from the name of a stored image, against a VM from the path of the same file: calls, requests, seconds.

A test of the suite creates the VMs, on each platform with a host that keeps images. A store that is read by calls may
cost those.
"""

from __future__ import annotations

import os

import roles

_TEST = "tests/suite/test_images.py::test_second_vm_costs_no_more_than_one_from_a_path"


def against_path(bench):
    found = {one.pop("platform"): one for one in roles.recorded(bench, _TEST)}
    met = {
        f"{platform}: no request, and at most {one['calls to find it']} more calls": one["requests"] == "0"
        and int(one["calls by name"]) <= int(one["calls by path"]) + int(one["calls to find it"])
        for platform, one in found.items()
    }
    return {"rounds": 1, "load": os.getloadavg()[0], "platforms": found, "met": met}


def table(found):
    yield f"\na VM from a stored image, by name and by path (1 round, load {found['load']:.1f})"
    yield f"  {'':16} {'by name':>8} {'by path':>8} {'requests':>9} {'wall ratio':>11}"
    for platform, one in found["platforms"].items():
        ratio = float(one["seconds by name"]) / float(one["seconds by path"])
        calls = f"{one['calls by name']:>8} {one['calls by path']:>8}"
        yield f"  {platform:16} {calls} {one['requests']:>9} {ratio:11.2f}"
    for target, is_met in found["met"].items():
        yield f"  {'met   ' if is_met else 'MISSED'} {target}"
