# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marked lines in files of the administrator: nothing else changes, and interrupted tasks are completed."""

from __future__ import annotations

import stat

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.openbsd.marked_lines import answer
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.pairs import number_of_pairs

PENDING = "# These lines are not in force yet.\n"
BEGIN, END = "# BEGIN polyvirt.core network\n", "# END polyvirt.core network\n"
#: Pieces of files of administrators.
PIECES = st.sampled_from(
    [
        'ext = "em0"\n',
        "pass \\\n",
        "# a } {\n",
        "# ends \\\n",
        "# ends \\",
        "\r\n",
        "\xe4\xff",
        "\n",
        "  ",
        "vm x {\n",
        "}",
    ]
)
NOTHING = {"name": "network", "validate": [], "apply": [], "in_force": True, "defer": False, "mode": "0600"}


@pytest.fixture(name="file")
def _file(tmp_path):
    return tmp_path / "pf.conf"


def edit(file, *lines, check=False, approval=None, **more):
    return answer({**NOTHING, "path": str(file), "lines": list(lines), **more}, check, approval or Approval())


def planned(file, **more):
    """The Approval of what check mode plans."""
    approval = Approval()
    edit(file, "x", check=True, approval=approval, **more)
    return approval


@settings(max_examples=number_of_pairs(200), deadline=None)
@given(st.lists(PIECES).map("".join))
def test_all_other_bytes_are_kept(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("etc") / "vm.conf"
    file.write_bytes(text.encode("latin-1"))
    for lines in (["one"], ["two", "three"], ["one"]):
        assert edit(file, *lines)["changed"]
        assert not edit(file, *lines)["changed"]
        found = file.read_bytes().decode("latin-1")
        own = "".join(f"{line}\n" for line in lines) + END
        before, _own, after = found.partition(own)
        assert (before.startswith(text), after) == (True, "")
        # Only newlines are added before the marked line, and no backslash continues the text into it.
        added, _begin, _number = before[len(text) :].partition(BEGIN.rstrip("\n"))
        assert added in ("", "\n", "\n\n")
        assert not (text + added).endswith("\\\n")
    assert edit(file)["changed"]
    assert (file.read_bytes().decode("latin-1") if file.exists() else "").strip() == text.strip()
    assert not file.exists() or file.read_bytes().decode("latin-1") == text
    assert not edit(file)["changed"]


def test_text_after_the_lines_is_kept(file):
    file.write_text(f"a\n{BEGIN}old\n{END}b\n# END other\n", encoding="utf-8")
    edit(file, "new")
    assert file.read_text(encoding="utf-8") == f"a\n{BEGIN}new\n{END}b\n# END other\n"


def test_mode_is_kept_and_a_new_file_has_the_given_one(file):
    edit(file, "x", mode="0640")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    edit(file, "y", mode="0600")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_check_mode_writes_nothing_and_predicts(file):
    predicted = edit(file, "x", check=True, apply=["false"])
    assert not file.exists()
    assert predicted == edit(file, "x", apply=["true"])
    assert predicted["diff"]["after"] == "x\n"


def test_file_that_is_invalid_already_is_not_changed(file):
    file.write_text("bad\n", encoding="utf-8")
    with pytest.raises(Refused, match=r"is invalid already: line 1 .*Nothing was changed"):
        edit(file, "x", validate=["sh", "-c", 'grep -q bad "$0" && echo line 1 && exit 1; exit 0'], check=True)
    assert file.read_text(encoding="utf-8") == "bad\n"


def test_new_version_that_is_invalid_is_not_written(file):
    file.write_text("good\n", encoding="utf-8")
    judge = ["sh", "-c", 'grep -q bad "$0" && echo "$0:2: syntax error" && exit 1; exit 0']
    with pytest.raises(Refused, match=r"pf\.conf would become invalid: .*/pf\.conf:2: syntax error"):
        edit(file, "bad", validate=judge)
    assert [path.name for path in file.parent.iterdir()] == ["pf.conf"]
    assert file.read_text(encoding="utf-8") == "good\n"


def test_old_file_is_restored_if_the_program_fails(file):
    file.write_text("good\n", encoding="utf-8")
    with pytest.raises(CommandFailed, match="is as it was before"):
        edit(file, "x", apply=["grep", "-v", "not in force", "{path}", "--no-such-option"])
    assert file.read_text(encoding="utf-8") == "good\n"


def test_program_reads_the_file_or_the_lines_alone(file, tmp_path):
    file.write_text("good\n", encoding="utf-8")
    edit(file, "x", apply=["cp", "{path}", str(tmp_path / "whole")])
    assert (tmp_path / "whole").read_text(encoding="utf-8") == f"good\n{BEGIN}{PENDING}x\n{END}"
    edit(file, "y", apply=["cp", "{lines}", str(tmp_path / "alone")])
    assert (tmp_path / "alone").read_text(encoding="utf-8") == "y\n"
    assert PENDING not in file.read_text(encoding="utf-8")


def test_interrupted_task_is_completed(file, tmp_path):
    file.write_text(f"{BEGIN}{PENDING}x\n{END}", encoding="utf-8")
    done = edit(file, "x", apply=["touch", str(tmp_path / "applied")])
    assert done["changed"]
    assert (tmp_path / "applied").exists()
    assert file.read_text(encoding="utf-8") == f"{BEGIN}x\n{END}"


def test_deferred_lines_wait_for_the_next_task(file, tmp_path):
    apply = ["touch", str(tmp_path / "applied")]
    assert edit(file, "x", apply=apply, defer=True)["pending"]
    again = edit(file, "x", apply=apply, defer=True)
    assert (again["changed"], again["pending"]) == (False, True)
    assert not (tmp_path / "applied").exists()
    assert edit(file, "x", apply=apply)["changed"]
    assert (tmp_path / "applied").exists()


@pytest.mark.parametrize(
    "other",
    [{"apply": ["false"]}, {"validate": ["false"]}, {"mode": "0644"}, {"defer": True}, {"lines": ["y"]}],
    ids=str,
)
def test_programs_of_the_task_are_part_of_its_plan(file, other):
    given = {"apply": ["touch", "{path}"], "validate": ["true"]}
    approved = planned(file, **given)
    assert "run touch {path}" in approved.artifacts()["data"]["polyvirt_plans"][0]["lines"]
    with pytest.raises(Refused, match="was not approved"):
        edit(file, "x", approval=Approval({"polyvirt_approved_plans": [approved.plan]}), **{**given, **other})
    assert not file.exists()
    assert edit(file, "x", approval=Approval({"polyvirt_approved_plans": [approved.plan]}), **given)["changed"]


def test_lines_that_are_not_in_force_are_applied_again(file, tmp_path):
    edit(file, "x")
    assert edit(file, "x", in_force=False, apply=["touch", str(tmp_path / "applied")])["changed"]
    assert (tmp_path / "applied").exists()


@pytest.mark.parametrize("text", [BEGIN, END, END + BEGIN, BEGIN + BEGIN + END], ids=["begin", "end", "order", "twice"])
def test_damaged_marks_are_reported(file, text):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match="must both exist once"):
        edit(file, "x")
    assert file.read_text(encoding="utf-8") == text


def test_lines_are_written_as_utf_8(file):
    done = edit(file, "# ąö")
    assert (done["changed"], done["diff"]["after"]) == (True, "# ąö\n")
    assert file.read_text(encoding="utf-8") == BEGIN + "# ąö\n" + END
    again = edit(file, "# ąö")
    assert (again["changed"], again["diff"]["before"]) == (False, "# ąö\n")


def test_symbolic_link_to_the_file_stays(file):
    real = file.with_name("real.conf")
    real.write_text("pass\n", encoding="utf-8")
    file.symlink_to(real)
    edit(file, "x")
    assert (file.is_symlink(), real.read_text(encoding="utf-8")) == (True, "pass\n" + BEGIN + "x\n" + END)
