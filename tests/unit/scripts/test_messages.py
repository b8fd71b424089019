# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading error messages from the code."""

from __future__ import annotations

import pytest

from error_catalogue import AREAS, catalogue_lines
from messages import messages


def _found(tmp_path, source):
    folder = tmp_path / "plugins/module_utils/_drivers/virsh"
    folder.mkdir(parents=True)
    (folder / "checks.py").write_text(source, encoding="utf-8")
    return [(one.text, one.remedy) for one in messages(tmp_path)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            'raise Refused(f"{vm.name}: disks.{slot}: {human_size(new)} is too small.", f"Set {old} or more.")',
            [("disks.<slot>: <new> is too small.", "Set <old> or more.")],
        ),
        ('raise Refused("no such option", remedy="Remove it.")', [("no such option", "Remove it.")]),
        ('raise Timeout(f"{name}: SSH did not answer", 5, "Wait.")', [("SSH did not answer", "Wait.")]),
        ('raise Unavailable(f"no {tool} here", "missing", remedy="Install it.")', []),
        (
            'raise Unavailable(f"{tool} is missing", "missing", remedy="Install it.")',
            [("<tool> is missing", "Install it.")],
        ),
        (
            'raise CommandFailed(["virsh"], 1, said, f"{names[0]}: it is locked", "Try again.")',
            [("<names>: it is locked", "Try again.")],
        ),
        ('raise Refused(f"{name}: it is {state}.", "Stop it.")', []),
        ('raise Refused("there is no remedy for this one")', []),
        ('raise ValueError("not an error of ours", "Remove it.")', []),
        (
            'raise Refused("there is a choice", "Do it." if one else "Leave it.")',
            [("there is a choice", "Do it."), ("there is a choice", "Leave it.")],
        ),
        (
            "def check():\n"
            '    message, remedy = None, None\n    text = "too much memory"\n    advice = "Set less."\n'
            '    if few:\n        text = "too little memory"\n        advice = "Set more."\n'
            "    raise Refused(text, advice)",
            [("too little memory", "Set more."), ("too much memory", "Set less.")],
        ),
        (
            'class Busy(Refused):\n    """Locked."""\nraise Busy("another task runs", "Try again.")',
            [("another task runs", "Try again.")],
        ),
    ],
)
def test_message_and_remedy_are_found(tmp_path, source, expected):
    errors = "class Refused(PolyvirtError):\n    pass\n"
    assert _found(tmp_path, errors + source) == expected


def test_area_has_each_message_once_with_all_its_remedies(tmp_path):
    _found(
        tmp_path, 'raise Refusal("one | two is <odd>", "Use *one*.")\nraise Refusal("one | two is <odd>", "Or not.")'
    )
    lines = catalogue_lines(tmp_path)
    assert "| `one \\| two is <odd>` | Or not. *Or:* Use \\*one\\*. |" in lines
    assert [line[3:] for line in lines if line.startswith("## ")][:2] == ["All platforms", "libvirt"]
    assert sum(line.startswith("## ") for line in lines) == len(AREAS)


def test_message_that_begins_with_an_option_is_not_in_the_tables(tmp_path):
    _found(tmp_path, 'raise Refusal(f"disks.{slot}.size: it is too small.", "Set more.")')
    assert "too small" not in "\n".join(catalogue_lines(tmp_path))


def test_errors_of_a_platform_are_in_the_section_of_its_tool(tmp_path):
    folder = tmp_path / "plugins/module_utils/_tools"
    folder.mkdir(parents=True)
    (folder / "virsh.py").write_text('REMEDIES = ((("no \'...\' here", "none"), "Make *one*."),)', encoding="utf-8")
    lines = catalogue_lines(tmp_path)
    place = lines.index("| `no '...' here`, `none` | Make \\*one\\*. |")
    assert [line for line in lines[:place] if line.startswith("## ")][-1] == "## libvirt"
