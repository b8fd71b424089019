# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage that has passed is skipped while the files are the same."""

from __future__ import annotations

import subprocess

import pytest

SCRIPT = """
set -euo pipefail
. "$1"
CHECKOUT=$2 POLYVIRT_CACHE=$3 DEEP=$4 FULL=$5
note=$(note_of name roles plugins/lookup)
if has_passed "$note"; then echo skipped; else note_passed "$note"; echo run; fi
"""


@pytest.fixture(name="run")
def _run(checkout, tmp_path):
    """Run the stage; returns ``run`` or ``skipped``."""
    folder = tmp_path / "checkout"
    (folder / "roles").mkdir(parents=True)
    (folder / "roles" / "main.yml").write_text("a\n", encoding="utf-8")
    (folder / "other").write_text("b\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q", folder], check=True)

    def run(deep="false", full="false"):
        words = [checkout / "scripts" / "lib" / "stages_text.sh", folder, tmp_path / "cache", deep, full]
        done = subprocess.run(["bash", "-c", SCRIPT, "bash", *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run.folder = folder
    return run


def test_stage_with_the_same_files_is_skipped(run):
    assert [run(), run()] == ["run", "skipped"]
    (run.folder / "other").write_text("changed\n", encoding="utf-8")
    assert run() == "skipped"


def test_stage_with_changed_added_or_removed_files_runs(run):
    run()
    (run.folder / "roles" / "main.yml").write_text("changed\n", encoding="utf-8")
    assert run() == "run"
    (run.folder / "roles" / "new.yml").touch()
    assert run() == "run"
    (run.folder / "roles" / "new.yml").rename(run.folder / "roles" / "renamed.yml")
    assert run() == "run"


def test_full_or_deep_run_runs_everything(run):
    assert [run(), run(deep="true"), run(full="true")] == ["run", "run", "run"]
