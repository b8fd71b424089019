# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of pfctl gives the same results for pf.conf files as OpenBSD's own pfctl."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from platforms.vmm.double import pf
from platforms.vmm.double.pf.pfctl import Pfctl

_FOLDER = "/recorded"
_GOLDEN = Path(pf.__file__).parents[2] / "golden" / "pf.json"
GOLDEN = json.loads(_GOLDEN.read_text(encoding="utf-8"))


def _pfctl(case, *options):
    files = {"pf.conf": case["text"], **case.get("extra", {})}
    texts = {f"{_FOLDER}/{name}": text.replace("@DIR@", _FOLDER) for name, text in files.items()}

    def read(name):
        if name not in texts:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return texts[name]

    answer = Pfctl({"interfaces": GOLDEN["hosts"][case["host"]]}, read).run([*options, f"{_FOLDER}/pf.conf"])
    return tuple(text.replace(_FOLDER, "@DIR@") if isinstance(text, str) else text for text in answer)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["id"])
def test_pf_conf_is_judged_and_printed_as_openbsd_does(case):
    assert _pfctl(case, "-nf") == (case["rc"], "", case["stderr"])
    if case["rc"] == 0:
        assert _pfctl(case, "-o", "none", "-nvf")[1].splitlines() == case["rules"]
        assert _pfctl(case, "-nvf")[1].splitlines() == case.get("rules_optimized", case["rules"])
