# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of pfctl gives the recorded results of OpenBSD's own pfctl, or reports that it has no answer."""

from __future__ import annotations

import errno
import json
import os
import subprocess

import pytest

from collection_path import CHECKOUT
from platforms.vmm.double import pf_rules
from platforms.vmm.double.options import NotRecorded
from platforms.vmm.double_host import OpenBSD

_FOLDER = "/recorded"
CASES = json.loads((CHECKOUT / "tests/platforms/vmm/golden/pf.json").read_text(encoding="utf-8"))["cases"]


def _answer(case):
    """(exit code, standard error, rules), or None if the double has no answer."""
    files = {"pf.conf": case["text"], **case.get("extra", {})}
    texts = {f"{_FOLDER}/{name}": text.replace("@DIR@", _FOLDER) for name, text in files.items()}

    def read(name):
        if name not in texts:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return texts[name]

    try:
        loaded, messages = pf_rules.load(f"{_FOLDER}/pf.conf", read)
    except NotRecorded:
        return None
    rules = None if loaded is None else [line for _anchor, lines in loaded for line in lines]
    return int(loaded is None), "".join(f"{line}\n" for line in messages).replace(_FOLDER, "@DIR@"), rules


def _recorded(case):
    # Options are printed first; only their verdict is compared.
    rules = [line for line in case["rules"] if not line.startswith("set ")] if case["rc"] == 0 else None
    return case["rc"], case["stderr"], rules


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_answer_is_the_recorded_one_or_none(case):
    assert _answer(case) in (_recorded(case), None)


def test_role_and_new_host_have_answers():
    answered = [case for case in CASES if _answer(case)]
    assert {case["id"] for case in CASES if case["kind"] == "stock+block"} < {case["id"] for case in answered}
    assert len(answered) >= 226


@pytest.mark.parametrize("words", [("-f", "/etc/pf.conf"), ("-a", "polyvirt_vmm", "-sr")])
def test_call_without_an_answer_ends_the_test(tmp_path, words):
    host = OpenBSD(tmp_path)
    host.write("/etc/pf.conf", "pass\nblock probability 5%\n")
    with pytest.raises(NotRecorded):
        host.call("pfctl", *words)
    done = subprocess.run(
        [host.bin / "pfctl", *words], capture_output=True, text=True, env=host.environment(), check=False
    )
    assert (done.returncode, done.stdout) == (NotRecorded.code, "")
    assert host.not_recorded() == [done.stderr.rstrip("\n")] * 2
