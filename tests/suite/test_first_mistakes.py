# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first mistakes of new users: each has one clear message, which says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite import front_door
from suite.by_ansible import module_of

pytestmark = pytest.mark.full

MISTAKES, FOLLOWED = (
    yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    for name in ("first_mistakes.yml", "followed_remedies.yml")
)
KNOWN = "web1"


def _task(label, options):
    options = dict(options)
    module = options.pop("module", "vm")
    return {"name": label, f"polyvirt.core.{module}": options, "ignore_errors": True}


def _problems(label, words, failed, result):
    message = result.get("msg", "")
    if not failed:
        yield f"{label}: it did not fail: {result}"
    if result.get("changed") or "Traceback" in str(result) or "\n" in message or "Unexpected" in message:
        yield f"{label}: this is no clear message: {message}"
    yield from (f"{label}: {word!r} is not in: {message}" for word in words if word not in message)


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_each_first_mistake_has_a_clear_message(platform, shim, tmp_path):
    platform.clean()
    platform.bring({KNOWN: STOPPED})
    platform.define_network()
    before = platform.truth([KNOWN])
    tasks = [_task(label, options) for label, options, *_words in MISTAKES + FOLLOWED]
    # What the remedy says is written instead.
    tasks += [
        {**_task(f"{label}, followed", given), "check_mode": True} for label, _options, _remedy, given in FOLLOWED
    ]
    defaults = {module_of(platform, about): platform.options(about) for about in ("vm", "snapshot")}
    play = {"vars": {"vm_platform": "libvirt"}, "module_defaults": defaults}
    results = front_door.play(platform, shim, tmp_path, tasks, play)
    mistakes = MISTAKES + [one[:-1] for one in FOLLOWED]
    problems = [one for label, _task, *words in mistakes for one in _problems(label, words, *results[label])]
    followed = {label: results[f"{label}, followed"] for label, *_others in FOLLOWED}
    problems += [f"{label}: {result.get('msg')}" for label, (failed, result) in followed.items() if failed]
    assert not problems, "\n".join(problems)
    assert platform.truth([KNOWN]) == before
