# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a test again, and records this, only if there is proof of a bug of the real platform itself.

pytest-rerunfailures cannot be used: its workers connect to a port of the main process, and ours have their own network.
"""

from __future__ import annotations

import json
import time

import pytest
from _pytest.runner import runtestprotocol

from collection_path import cache

#: Fixtures of real platforms. Their method ``faults(failure)``, if they have one, returns proofs of platform bugs.
_PLATFORM_FIXTURES = frozenset({"platform", "qemu", "aside", "alone", "box", "box_of_root"})
_ATTEMPTS = 4
#: The ledger: one line of JSON for each run of a test that did not count: {when, test, proof}.
LEDGER = cache() / "reruns.jsonl"


class PlatformFault(Exception):
    """A bug of the platform itself, proved by its logs: the test has no result."""


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Convert the failure of a test to a PlatformFault if there is proof of a bug of the platform itself."""
    try:
        return (yield)
    except (Exception, pytest.fail.Exception) as failure:
        platforms = [pyfuncitem.funcargs[name] for name in sorted(_PLATFORM_FIXTURES & set(pyfuncitem.funcargs))]
        found = [proof for one in platforms for proof in proofs(one, failure)]
        if found:
            raise PlatformFault("; ".join(found)) from failure
        raise


def proofs(platform, failure=""):
    """Proofs of bugs of the platform itself, also in the message ``failure``."""
    return platform.faults(failure) if hasattr(platform, "faults") else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Run a test on a real platform until its result counts, four times at most."""
    if not _PLATFORM_FIXTURES & set(getattr(item, "fixturenames", ())):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(1, _ATTEMPTS + 1):
        # The next item is this one while it may run again, so that fixtures of the session are not torn down.
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        proof = next(filter(None, map(_proof, reports)), None)
        if proof is None or attempt == _ATTEMPTS:
            break
        _record(item, proof)
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _proof(report):
    crash = getattr(report.longrepr, "reprcrash", None) if report.failed else None
    name = f"{PlatformFault.__module__}.{PlatformFault.__name__}: "
    return crash.message.partition(name)[2] if crash and name in crash.message else None


def _record(item, proof):
    line = {"when": time.strftime("%Y-%m-%d %H:%M:%S"), "test": item.nodeid, "proof": proof[:1000]}
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    with open(LEDGER, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Add the command that repeats a failed test to its report."""
    report = yield
    if report.failed:
        platform = item.callspec.params.get("platform_name", "") if hasattr(item, "callspec") else ""
        lines = [f"platform: {platform}"] if platform else []
        report.sections.append(("repeat", "\n".join([*lines, f"scripts/test.sh run '{item.nodeid}'"])))
    return report
