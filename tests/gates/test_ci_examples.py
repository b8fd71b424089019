# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows are valid by the schemas of GitHub and GitLab, which check-jsonschema contains."""

from __future__ import annotations

import subprocess
import sys

import pytest

from collection_path import CHECKOUT

EXAMPLES = CHECKOUT / "docs/examples/ci"
WORKFLOWS = {
    "vendor.github-workflows": [*EXAMPLES.glob("github-*.yml"), *CHECKOUT.glob(".github/workflows/*.yml")],
    "vendor.gitlab-ci": [EXAMPLES / "gitlab-ci.yml"],
}


def _check(schema, *files):
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("schema", WORKFLOWS)
def test_workflows_have_the_schema_of_their_vendor(schema):
    assert WORKFLOWS[schema]
    done = _check(schema, *WORKFLOWS[schema])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("schema", "file", "old", "new"),
    [
        ("vendor.github-workflows", "github-proxmox.yml", "runs-on:", "runs_on:"),
        ("vendor.gitlab-ci", "gitlab-ci.yml", "  script:\n    - python3", "  scripts:\n    - python3"),
    ],
)
def test_misspelt_key_is_found(tmp_path, schema, file, old, new):
    text = (EXAMPLES / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), encoding="utf-8")
    assert _check(schema, tmp_path / file).returncode == 1
