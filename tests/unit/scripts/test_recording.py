# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The animated picture of a recorded session: its text, its order and its size."""

from __future__ import annotations

import json
import re
import sys
from xml.etree import ElementTree

import pytest

from collection_path import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "scripts" / "docsite"))

import recording

SESSION = json.loads((CHECKOUT / "scripts/docsite/first-run.json").read_text(encoding="utf-8"))
PICTURE = (CHECKOUT / "docs/images/first-run.svg").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"
STEP = {"command": "ls <a>", "output": "\n\x1b[0;31mred & bold\x1b[0m plain\n\n"}


def texts(picture):
    """The lines of each screen."""
    groups = ElementTree.fromstring(picture).findall(f"{SVG}g")
    return [["".join(text.itertext()) for text in group.findall(f"{SVG}text")] for group in groups]


@pytest.mark.parametrize("name", ["first-run", "error"])
def test_picture_is_drawn_from_the_session(name):
    session = json.loads((CHECKOUT / f"scripts/docsite/{name}.json").read_text(encoding="utf-8"))
    assert recording.draw(session) == (CHECKOUT / f"docs/images/{name}.svg").read_text(encoding="utf-8")


def test_long_lines_are_wrapped():
    long = f"\x1b[0;31m{'a' * recording.COLUMNS}\x1b[0m{'b' * 3}\x1b[0m"
    picture = recording.draw({"title": "", "steps": [{"command": "ls", "output": long}]})
    assert texts(picture) == [["$ ls", "a" * recording.COLUMNS, "bbb"]]


def test_picture_has_each_line_of_the_session():
    for step, lines in zip(SESSION["steps"], texts(PICTURE), strict=True):
        plain = re.sub(r"\x1b\[[\d;]*m", "", step["output"]).strip("\n").split("\n")
        assert lines == [f"$ {step['command']}", *(line[: recording.COLUMNS] for line in plain if line)]


def test_picture_is_small_and_needs_nothing_else():
    assert len(PICTURE.encode()) < 150_000
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)|<script|<image|@import|url\(", PICTURE) == []


def test_screens_follow_each_other_within_twenty_seconds():
    screens = recording.screens(SESSION)
    assert screens[0].begin == 0
    assert [one.begin for one in screens[1:]] == [one.end for one in screens[:-1]]
    assert screens[-1].end == pytest.approx(recording.DURATION)
    assert recording.DURATION <= 20
    for screen in screens:
        times = [screen.begin, *(line.at for line in screen.lines), screen.end]
        assert times == sorted(times)


def test_session_shows_check_mode_the_run_no_change_and_a_change():
    changes = [int(re.search(r"changed=(\d)", step["output"])[1]) for step in SESSION["steps"]]
    assert changes == [1, 1, 0, 1]
    assert "--check" in SESSION["steps"][0]["command"]


def test_text_is_escaped_and_colors_are_classes():
    picture = recording.draw({"title": "A & B", "steps": [STEP]})
    assert texts(picture) == [["$ ls <a>", "red & bold plain"]]
    assert '<tspan class="r">red &amp; bold</tspan> plain' in picture


@pytest.mark.parametrize("output", ["x\n" * 40, "x\n" * 20])
def test_session_that_does_not_fit_is_rejected(output):
    with pytest.raises(ValueError, match=r"lines, and the screen|too long"):
        recording.draw({"title": "", "steps": [{"command": "ls", "output": output}] * 8})
