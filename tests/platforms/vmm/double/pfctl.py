# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``pfctl``: the calls of the roles and of their tests.

Verdicts and messages for files are recorded. Assumed, from the source of pfctl: the texts of ``-e``, ``-d``, ``-F`` and
``-s info``, the answer to an unknown anchor, and what the kernel keeps when a file is loaded.
"""

from __future__ import annotations

from copy import deepcopy

from . import pf_rules
from .options import Failure, NotRecorded

_NEW = {"enabled": True, "since": 0, "main": [], "anchors": {}}
_DAY, _HOUR, _MINUTE = 86400, 3600, 60


def pfctl(world, words):
    anchor, rest = (words[1], words[2:]) if words[:1] == ["-a"] and len(words) > 1 else ("", words)
    if len(rest) == 2 and rest[0] in ("-nf", "-f"):
        return _load(world, rest[1], anchor, is_dry=rest[0] == "-nf")
    answer = (_OF_AN_ANCHOR if anchor else _OF_THE_HOST).get(tuple(rest))
    if answer is None:
        raise NotRecorded(f"pfctl {' '.join(words)}")
    _check_root(world)
    with world.state.open() as state:
        return answer(state, state.setdefault("pf", deepcopy(_NEW)), anchor)


def _check_root(world):
    if world.host.uid:
        raise Failure("pfctl: /dev/pf: Permission denied\n")


def _load(world, path, anchor, is_dry):
    if not is_dry:
        _check_root(world)
    loaded, messages = pf_rules.load(path, world.host.read, anchor)
    if loaded is None and not is_dry:
        # pfctl adds this line after the messages of the file, before the one of the file that loads it.
        at = len(messages) - (messages[-1] == "pfctl: load anchors")
        messages.insert(at, "pfctl: Syntax error in config file: pf rules not loaded")
    if loaded is not None and not is_dry:
        with world.state.open() as state:
            pf = state.setdefault("pf", deepcopy(_NEW))
            for name, rules in loaded:
                if name:
                    pf["anchors"][name] = rules
                else:
                    pf["main"] = rules
    return int(loaded is None), "", "".join(f"{line}\n" for line in messages)


def _show(_state, pf, _anchor):
    return 0, "".join(f"{line}\n" for line in pf["main"]), ""


def _show_anchor(_state, pf, anchor):
    if anchor not in pf["anchors"] and f'anchor "{anchor}" all' not in pf["main"]:
        return 0, "", "pfctl: Anchor does not exist\n"
    return 0, "".join(f"{line}\n" for line in pf["anchors"].get(anchor, ())), ""


def _info(state, pf, _anchor):
    seconds = int(state["now"] - pf["since"])
    clock = f"{seconds % _DAY // _HOUR:02}:{seconds % _HOUR // _MINUTE:02}:{seconds % _MINUTE:02}"
    status = f"Status: {'Enabled' if pf['enabled'] else 'Disabled'} for {seconds // _DAY} days {clock}"
    return 0, f"{status:<44}{'Debug: err':>15}\n\n", ""


def _flush(_state, pf, anchor):
    pf["anchors"].pop(anchor, None)
    return 0, "", "rules cleared\n"


def _enable(state, pf, _anchor):
    return _switch(state, pf, True, "pfctl: pf already enabled\n")


def _disable(state, pf, _anchor):
    return _switch(state, pf, False, "pfctl: pf not enabled\n")


def _switch(state, pf, enabled, refusal):
    if pf["enabled"] == enabled:
        raise Failure(refusal)
    pf.update(enabled=enabled, since=state["now"])
    return 0, "", f"pf {'enabled' if enabled else 'disabled'}\n"


_OF_THE_HOST = {("-s", "rules"): _show, ("-s", "info"): _info, ("-e",): _enable, ("-d",): _disable}
_OF_AN_ANCHOR = {("-s", "rules"): _show_anchor, ("-F", "rules"): _flush}
