# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks for a folder of tests on real platforms: where a platform broke by itself, the test is run again."""

from __future__ import annotations

import pytest

#: The fixtures that are a platform; one with ``faults(failure)`` tells what proves that it broke.
PLATFORM_FIXTURES = ("platform", "qemu", "aside", "box", "box_of_root")


class PlatformFault(Exception):
    """The platform itself broke, as it wrote down somewhere: the test has found nothing out."""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("flaky") is None:
            item.add_marker(pytest.mark.flaky(reruns=3, only_rerun=[PlatformFault.__name__]))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Nothing but a proven fault of the platform's own makes a test run again, and the report says that it did."""
    try:
        return (yield)
    except (Exception, pytest.fail.Exception) as failure:
        proofs = [
            proof
            for name in PLATFORM_FIXTURES
            for proof in getattr(pyfuncitem.funcargs.get(name), "faults", lambda _failure: [])(failure)
        ]
        if proofs:
            raise PlatformFault("; ".join(proofs)) from failure
        raise
