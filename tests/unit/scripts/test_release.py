# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release works in a copy of the checkout: the version in preparation, a candidate of the next one, and that one."""

from __future__ import annotations

import pytest
import yaml

import check_release
from collection_path import CHECKOUT
from unit.scripts.published import Copy

pytestmark = pytest.mark.full

GALAXY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
#: Versions that no release has yet.
CANDIDATE = "99.0.0-rc.1"
NEXT = "99.0.0"
REFRESH = ("antsibull-changelog", "release", "--refresh", "--reload-plugins", "--update-existing")


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("release"))


def test_entry_of_the_version_in_preparation_can_be_refreshed(copy):
    version = str(GALAXY["version"])
    before = copy.releases()
    late = copy.path / "changelogs" / "fragments" / "late.yml"
    late.write_text("---\nbugfixes: [x - y.]\n", encoding="utf-8")
    found = check_release.problems(copy.path, version)
    assert "late.yml" in found[0]
    assert "Run antsibull-changelog release again." in found[0]
    copy.run(*REFRESH)
    assert check_release.problems(copy.path, version) == []
    assert "x - y." in copy.releases()[version]["changes"]["bugfixes"]
    late.unlink()
    copy.run(*REFRESH)
    assert "x - y." not in copy.releases()[version]["changes"].get("bugfixes", [])
    # Only fragments name playbooks, which a refresh without always_refresh would remove.
    for release, entry in before.items():
        assert _names(copy.releases()[release]) >= _names(entry), release


def _names(entry):
    return {one["name"] for kind in entry.get("objects", {}).values() for one in kind}


def test_next_release_works_in_a_copy(copy):
    before = {name for release in copy.releases().values() for name in release.get("fragments", ())}
    (copy.path / "changelogs" / "fragments" / "new.yml").write_text("---\nbugfixes: [x - z.]\n", encoding="utf-8")
    fragments = {path.name for path in (copy.path / "changelogs" / "fragments").glob("*.yml")}
    copy.set_version(CANDIDATE)
    assert check_release.problems(copy.path, CANDIDATE) == [
        f"changelogs/changelog.yaml has no entry {CANDIDATE}: run antsibull-changelog release."
    ]
    copy.run("antsibull-changelog", "release", "--reload-plugins")
    assert set(copy.releases()[CANDIDATE]["fragments"]) == fragments - before
    assert check_release.problems(copy.path, CANDIDATE) == []
    assert check_release.problems(copy.path, NEXT)[0] == f"galaxy.yml has the version {CANDIDATE}, not {NEXT}."
    summary = copy.path / "changelogs" / "fragments" / f"{NEXT}.yml"
    summary.write_text("---\nrelease_summary: All platforms.\n", encoding="utf-8")
    copy.set_version(NEXT)
    copy.run("antsibull-changelog", "release")
    assert check_release.problems(copy.path, NEXT) == []
    copy.run("antsibull-changelog", "lint")
    # The sections of the candidates are parts of the one of the release.
    assert copy.sections()[0] == NEXT
    assert CANDIDATE not in copy.sections()


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "01.0.0", "1.0.0rc1"])
def test_version_must_be_a_semantic_one(copy, version, capsys):
    assert check_release.main([version], copy.path) == 1
    assert f"{version} is not a version such as 1.0.0" in capsys.readouterr().err
