# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release works in a copy of the checkout: a candidate of 1.0.0, then 1.0.0, and the collection that is published."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

import check_release
from collection_path import CHECKOUT

pytestmark = pytest.mark.full

CANDIDATE = "1.0.0-rc.1"


class Copy:
    """A copy of what git would commit, as a collection in a directory of its own."""

    def __init__(self, folder):
        self.path = folder / "ansible_collections" / "polyvirt" / "core"
        self._folder = folder
        command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (CHECKOUT / name).is_file() and not name.startswith("tests/"):
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(CHECKOUT / name, self.path / name)

    def set_version(self, version):
        file = self.path / "galaxy.yml"
        text = re.sub(r"^version: .*$", f"version: {version}", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        file.write_text(text, encoding="utf-8")

    def run(self, program, *words):
        programs = Path(sys.executable).parent
        around = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self._folder),
        }
        done = subprocess.run(
            [programs / program, *words], cwd=self.path, env=around, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def releases(self):
        return yaml.safe_load((self.path / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))["releases"]

    def sections(self):
        return re.findall(r"^v(\d\S*)$", (self.path / "CHANGELOG.rst").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("release"))


def test_release_works_in_a_copy(copy):
    before = {name for release in copy.releases().values() for name in release.get("fragments", ())}
    fragments = {path.name for path in (copy.path / "changelogs" / "fragments").glob("*.yml")}
    copy.set_version(CANDIDATE)
    assert check_release.problems(copy.path, CANDIDATE) == [
        f"changelogs/changelog.yaml has no entry {CANDIDATE}: run antsibull-changelog release."
    ]
    copy.run("antsibull-changelog", "release", "--reload-plugins")
    assert set(copy.releases()[CANDIDATE]["fragments"]) == fragments - before
    assert check_release.problems(copy.path, CANDIDATE) == []
    assert check_release.problems(copy.path, "1.0.0")[0] == f"galaxy.yml has the version {CANDIDATE}, not 1.0.0."
    summary = copy.path / "changelogs" / "fragments" / "1.0.0.yml"
    summary.write_text("---\nrelease_summary: All platforms.\n", encoding="utf-8")
    copy.set_version("1.0.0")
    copy.run("antsibull-changelog", "release")
    assert check_release.problems(copy.path, "1.0.0") == []
    copy.run("antsibull-changelog", "lint")
    # The sections of the candidates are parts of the one of 1.0.0.
    assert copy.sections()[0] == "1.0.0"
    assert CANDIDATE not in copy.sections()
    (copy.path / "changelogs" / "fragments" / "late.yml").write_text("---\nbugfixes: [x - y.]\n", encoding="utf-8")
    assert check_release.problems(copy.path, "1.0.0") == [
        "These fragments are in no release: late.yml. Run antsibull-changelog release again."
    ]


def test_published_collection_has_no_files_of_developers(copy):
    copy.set_version("1.0.0")
    copy.run("ansible-galaxy", "collection", "build", "--force")
    with tarfile.open(copy.path / "polyvirt-core-1.0.0.tar.gz") as archive:
        names = archive.getnames()
    assert {name for name in names if name.startswith((".git", ".ci", "scripts", "tests/unit"))} == set()
    assert {"README.md", "MANIFEST.json", "docs/versions.md", "plugins/modules/vm.py"} <= set(names)


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "01.0.0", "1.0.0rc1"])
def test_version_must_be_a_semantic_one(copy, version, capsys):
    assert check_release.main([version], copy.path) == 1
    assert f"{version} is not a version such as 1.0.0" in capsys.readouterr().err
