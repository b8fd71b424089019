# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the tables of what each platform has, from the traits of its driver: options with their costs, and states."""

from __future__ import annotations

import textwrap

from lib.cost_notes import note_of

COST_NAMES = {
    "live": "live",
    "next_boot": "next start",
    "power_off": "while off",
    "destructive": "rebuild",
    "never": "at creation",
}


#: {row of the table: whether a platform has the feature, by its traits}.
FEATURES = {
    "snapshots": lambda traits: "snapshot" in traits.verbs,
    "live migration": lambda traits: traits.live_migration,
}
#: {option of the first optical drive: the kinds of changes that it makes}; vmd has ``iso`` itself.
_OF_FIRST_DRIVE = {"iso": ("cdroms.add", "cdroms.source"), "skip_boot_prompt": ("cdroms.skip_boot_prompt",)}


class _Numbers(dict):
    """{note: its number}, in the order of the first use."""

    def __missing__(self, note):
        self[note] = len(self) + 1
        return self[note]


def option_lines(options, platforms, creation):
    """Return the table of options and its notes; ``platforms`` are {platform: [Traits]}. A dash: not supported."""
    lines = [f"| option | {' | '.join(platforms)} |", f"|---|{'---|' * len(platforms)}"]
    numbers = _Numbers()
    for option in options:
        # All providers have the same costs.
        cells = [_cell(traits[0], option, option in creation, numbers) for traits in platforms.values()]
        lines.append(f"| `{option}` | {' | '.join(cells)} |")
    return [*lines, "", *(line for note, number in numbers.items() for line in _wrapped(f"{number}. {note}"))]


def _wrapped(text):
    return textwrap.wrap(text, 120, subsequent_indent=" " * (text.index(" ") + 1), break_on_hyphens=False)


def state_lines(platforms):
    """Return the table of states and features."""
    lines = [f"| state or feature | {' | '.join(platforms)} |", f"|---|{'---|' * len(platforms)}"]
    for power in ("running", "stopped", "paused", "suspended"):
        lines.append(f"| {power} | {' | '.join(_power_cell(traits, power) for traits in platforms.values())} |")
    for feature, has in FEATURES.items():
        lines.append(f"| {feature} | {' | '.join('yes' if has(traits[0]) else '–' for traits in platforms.values())} |")
    return lines


def _power_cell(traits, power):
    found = [power in one.powers for one in traits]
    return "yes" if all(found) else "by provider" if any(found) else "–"


def _cell(traits, option, is_creation, numbers):
    kinds = [kind for kind in traits.fields if kind.split(".")[0] == option]
    kinds += [kind for kind in _OF_FIRST_DRIVE.get(option, ()) if kind in traits.fields]
    if not kinds:
        return "–"
    if is_creation and option in traits.fields:
        return COST_NAMES["never"]
    fields = [traits.fields[kind] for kind in kinds]
    notes = [note_of(one.cost) for one in fields if callable(one.cost)]
    notes += [note for one in fields if not callable(one.cost) for note in _suspended(one)]
    costs = {one.cost for one in fields if not callable(one.cost)}
    # Of a list, what changes is shown.
    costs = costs - {"never"} or costs
    words = "depends" if any(callable(one.cost) for one in fields) else _words(costs)
    found = ", ".join(map(str, sorted({numbers[note] for note in notes})))
    return f"{words} ({found})" if found else words


def _words(costs):
    return ", ".join(word for cost, word in COST_NAMES.items() if cost in costs)


def _suspended(field):
    """The note about a VM with saved memory, for which a change costs more."""
    rank = list(COST_NAMES).index
    least = field.least.get("suspended", field.cost)
    return [f"If the VM is suspended: {COST_NAMES[least]}."] if rank(least) > rank(field.cost) else []
