# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator against recordings of the real API 9.2.11: all scenarios in process, and a limit for differences."""

from __future__ import annotations

from collections import Counter

from unit.simulators.proxmox import corpus

#: The part of the steps that may differ in what a client decides by.
LIMIT = 0.02


def test_it_answers_like_the_recorded_server(checkout, record_property):
    paths = sorted((checkout / "tests/unit/fixtures/proxmox/9.2.11").glob("*.json.xz"))
    files = {path.name: corpus.load(path) for path in paths}
    found = {
        name: {one["name"]: corpus.Scenario(recorded["about"], one).outcome() for one in recorded["scenarios"]}
        for name, recorded in files.items()
    }
    outcomes = {name: outcome for of_file in found.values() for name, outcome in of_file.items()}
    counts = sum((outcome.counts for outcome in outcomes.values()), Counter())
    differing, steps = sum(outcome.differing for outcome in outcomes.values()), counts.total()
    kinds = ", ".join(f"{counts[kind]} in {kind}" for kind in corpus.KINDS if counts[kind])
    shown = [
        f"{steps - differing} of {steps} recorded steps of the Proxmox VE API agree in what a client decides by;"
        f" differences: {kinds or 'none'}"
    ]
    shown += [f"  {name}: {_first(outcome)}" for name, outcome in outcomes.items() if outcome.first]
    record_property("summary", "\n".join(shown))
    assert [crash for outcome in outcomes.values() for crash in outcome.crashes] == []
    assert steps == sum(recorded["about"]["counts"]["steps"] for recorded in files.values()) == 3536
    assert len(outcomes) == sum(len(recorded["scenarios"]) for recorded in files.values()) == 83
    assert {name for name, of_file in found.items() if _differs_too_often(of_file.values())} == set()


def _differs_too_often(outcomes):
    steps = sum(outcome.counts.total() for outcome in outcomes)
    return sum(outcome.differing for outcome in outcomes) > LIMIT * steps


def _first(outcome):
    number, kind, real, here = outcome.first
    return f"step {number}: {kind}: recorded {str(real)[:80]}, simulated {str(here)[:80]}"
