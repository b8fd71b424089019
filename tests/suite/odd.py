# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd values of each option, made from its declaration: the largest and smallest ones, empty, Unicode, other spellings.

Most of them are rejected. Then check mode and the run give one message, and nothing has changed; all others behave like
usual values.
"""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import CREATION, SETTING
from hypothesis import strategies as st

_TEXTS = (
    *(
        "",
        " ",
        "0",
        "-",
        "é",
        "ü ß",
        "日本",
        "e\u0301",
        "a" * 300,
        "ü" * 130,
        " a ",
        "a\nb",
        "a\tb",
        'a "b"',
        "a'b",
        "a\\b",
    ),
    *("{{ a }}", "$HOME", "%PATH%", "a,b=c", "a;b", "<a>&amp;", "#a", "-a", "a/b", "../a", "NULL", "true", "A" * 5000),
)
#: The first four are 64 MiB; the sizes of the existing VMs are in other spellings, too.
_SIZES = (
    *("64M", "65536K", "0.0625G", "64 MiB", "67108864", "64m", "64MB", "16M", "20480K", "0.5G", "512M", "1G", "1024M"),
    *("0", "0G", "1", "1K", "1.5", "1.0001M", "33M", "2T", "1P", "8191P", "-1G", "1e3M", "١G", "", " 64M "),
)
#: Keys that YAML reads as other values than text, and names that a platform has for its own values.
_KEYS = (1, 1.5, True, None, "State", "MemoryStartup", "name", "vm", "id")
_NUMBERS = (0, 1, 2, 3, -1, 64, 255, 65535, 65536, 1 << 31, 1 << 63)
_PATHS = ("", "/", "/nowhere/ü.iso", "/tmp", "//tmp", "/tmp/../tmp/", "C:\\", "c:/x y/ü.vhdx", "\\\\?\\C:\\x", "~/x")
_WORDS = {
    "mac": ("", "00:00:00:00:00:00", "FF:FF:FF:FF:FF:FF", "02-00-00-00-00-0a", "0200.0000.000A", "01:00:00:00:00:01"),
    "expires": ("", "2999-01-01", "0s", "9999-12-31T23:59:59Z", "1970-01-01", "tomorrow"),
    "id": ("", "0000:01:00.0", "1:0.0", "01:00.0", "046D:C52B", "46d:c52b", "0"),
}


def odd_options(bench):
    """A strategy of {option: odd value} for one or two of the options that VMs are created from or compared with."""
    values = {
        name: _value(name, option)
        for name, option in bench.module.MODULE.options.items()
        if option.role in (SETTING, CREATION) and not option.hidden and name not in bench.unforeseen
    }
    some = st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=2, unique=True)
    return some.flatmap(lambda names: st.fixed_dictionaries({name: values[name] for name in names}))


def _value(name, option):
    if option.type == "list":
        element = _entry(option.options) if option.options else _one(name, option.elements, option)
        return st.lists(element, max_size=3) | st.lists(element, min_size=1, max_size=1)
    return _entry(option.options) if option.options else _one(name, option.type, option)


def _entry(options):
    values = {name: _value(name, option) for name, option in options.items()}
    needed = {name: values.pop(name) for name, option in options.items() if option.required}
    return st.fixed_dictionaries(needed, optional=values)


def _one(name, kind, option):
    if option.choices:
        return st.sampled_from(list(option.choices))
    if kind == "bool":
        return st.booleans()
    if kind == "int":
        return st.sampled_from([*_NUMBERS, *(limit for limit in option.limits if limit is not None)])
    if kind == "dict":
        return st.dictionaries(
            st.sampled_from([*_TEXTS, *_KEYS]), st.sampled_from([*_TEXTS, *_NUMBERS, True, None, []]), max_size=2
        )
    return st.sampled_from(_WORDS.get(name) or (_SIZES if option.unit else _PATHS if kind == "path" else _TEXTS))
