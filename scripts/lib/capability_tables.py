# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the tables of what each platform has, from the traits of its driver: options with their costs, and states."""

from __future__ import annotations

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


def option_lines(options, platforms, creation):
    """Return the table of options; ``platforms`` are {platform: [Traits]}. A dash means not supported."""
    lines = [f"| option | {' | '.join(platforms)} |", f"|---|{'---|' * len(platforms)}"]
    for option in options:
        # All providers have the same costs.
        cells = [_cell(traits[0], option, option in creation) for traits in platforms.values()]
        lines.append(f"| `{option}` | {' | '.join(cells)} |")
    return lines


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


def _cell(traits, option, is_creation):
    kinds = [kind for kind in traits.fields if kind.split(".")[0] == option]
    if not kinds:
        return "–"
    if is_creation and option in traits.fields:
        return COST_NAMES["never"]
    fields = [traits.fields[kind] for kind in kinds]
    rank = list(COST_NAMES).index
    if any(callable(one.cost) or rank(one.cost) < max(map(rank, one.least.values()), default=0) for one in fields):
        return "depends"
    costs = {one.cost for one in fields} - {"never"}
    return ", ".join(word for cost, word in COST_NAMES.items() if cost in costs)
