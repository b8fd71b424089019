# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped PowerShell code: recorded requests in a real PowerShell if available, and forbidden constructs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import ansible
import pytest

from collection_path import CHECKOUT
from platforms.windows.golden_answers import GOLDEN, comparable, recorded_requests

SHIPPED = CHECKOUT / "plugins" / "module_utils" / "_windows_calls.psm1"
MODULE = CHECKOUT / "plugins" / "modules" / "windows_calls.ps1"
QUOTING = Path(ansible.__file__).parent / "module_utils" / "powershell" / "Ansible.ModuleUtils.ArgvParser.psm1"
#: Calls that execute a text as a script, and syntax that Windows PowerShell 5.1 does not support.
FORBIDDEN = {
    "script from text": r"Invoke-Expression|\biex\b|ScriptBlock\]::Create|AddScript|ExpandString|Invoke-Command",
    "ternary or null operator": r"\?\?|\?\.|\s\?\s",
    "chain operator": r"&&|\|\|",
    "hash table from JSON": r"-AsHashtable|-DateKind|-NoEnumerate|-Parallel\b",
    "module of Ansible that needs compilation": r"Ansible\.Basic",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answers of a real PowerShell to all recorded requests."""
    powershell = os.environ.get("POLYVIRT_PWSH")
    if not powershell:
        pytest.skip("not run: POLYVIRT_PWSH names no PowerShell 7.5 or later")
    folder = tmp_path_factory.mktemp("windows")
    (folder / "files").mkdir()
    requests = "".join(json.dumps(case["request"]) + "\n" for case in recorded_requests())
    (folder / "requests").write_text(requests, encoding="utf-8")
    script = GOLDEN.parent / "run_golden.ps1"
    files = (SHIPPED, QUOTING, GOLDEN / "Sample.psm1", folder / "requests", folder / "answers")
    options = ("-Shipped", "-Quoting", "-Sample", "-Requests", "-Answers")
    words = [str(word) for pair in zip(options, files) for word in pair]
    command = [powershell, "-NoProfile", "-NonInteractive", "-File", str(script), *words]
    subprocess.run(command, cwd=folder, env={**os.environ, "POLY_DIR": str(folder / "files")}, check=True)
    replaced = [(f"{folder}/files", "DIR/files"), (f"'{folder}'", "'CWD'")]
    lines = (folder / "answers").read_text(encoding="utf-8").splitlines()
    return [comparable(json.loads(line), replaced) for line in lines]


@pytest.mark.parametrize("place", range(len(recorded_requests())))
def test_shipped_module_answers_as_recorded(place, answers):
    case = recorded_requests()[place]
    assert answers[place] == comparable(case["answer"]), case["name"]


@pytest.mark.parametrize("file", [SHIPPED, MODULE], ids=lambda file: file.name)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_text_has_no(what, file):
    code = re.sub(r"(?s)<#.*?#>|#(?!Requires).*?$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert re.findall(FORBIDDEN[what], code) == []


def test_lines_are_no_longer_than_the_style_of_powershell_allows():
    assert max(map(len, SHIPPED.read_text(encoding="utf-8").splitlines())) <= 160
