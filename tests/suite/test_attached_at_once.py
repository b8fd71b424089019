# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two tasks attach one existing file to two VMs at the same time: one of them fails, as if it had come later."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._engine.execute import Execution

from platforms.benches import WITH_LISTS

WITH_FILES = [param for param in WITH_LISTS if param.values[0].name != "wsl" and not param.id.startswith("vagrant")]


@pytest.mark.parametrize("bench", WITH_FILES)
@pytest.mark.parametrize("is_new", [False, True], ids=["changed", "created"])
def test_file_that_another_task_attaches_meanwhile_is_not_attached_again(ground, bench, is_new, monkeypatch):
    with bench.opened(0, ground) as platform:
        words, (first, second) = platform.words, platform.words.names[:2]
        made = {**platform.common, "image": {"source": words.image[0]}}
        attaching = {"disks": [{"slot": words.slots[1], "source": words.files[0][0]}]}
        for name in (first,) if is_new else (first, second):
            _done(platform, {**made, "name": name})
        late = {**made, **attaching, "name": second}

        def run(execution, carry_out=Execution.run):
            """All is planned and compared, and another task is quicker."""
            monkeypatch.undo()
            _done(platform, {**platform.common, **attaching, "name": first})
            ends.append(platform.state())
            carry_out(execution)

        ends = []
        monkeypatch.setattr(Execution, "run", run)
        failed = platform.run([late])
        assert (failed.failed, failed.changed, platform.state()) == (True, False, ends[0]), failed.msg
        later = platform.run([late], check=True)
        assert later.failed
        assert (failed.msg, failed.diff) == (later.msg, [])


def _done(platform, entry):
    outcome = platform.run([entry])
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
