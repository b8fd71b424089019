# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of a driver for the steps of plans."""

from __future__ import annotations

from .._core.model import VERBS


def functions_of(*files):
    """Return {verb: function} of a driver's Python modules; the function for a verb has its name.

    A driver imports the modules when its first step is carried out, because a shipped module compiles what it imports.
    """
    return {verb: getattr(file, verb) for file in files for verb in VERBS if hasattr(file, verb)}


def carry_out(driver, vm, step):
    """Call the driver's function for the verb of a step; for ``in_rounds``, that returns a generator."""
    return driver.verbs[step.verb](driver, vm, step)
