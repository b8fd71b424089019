# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordinary values, and values that try to inject something into an answer file."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.answer_values import is_line, problems_of
from hypothesis import strategies as st

from unit.roles.unattended_install.rendering import BCRYPT, HASH, layout, values

PIECES = [
    *(
        "$(reboot)",
        "`reboot`",
        "'; reboot #",
        '"; reboot #',
        "a b",
        " a",
        "a ",
        "a\\",
        "-rf",
        "--lock",
        "#",
        "a #b",
        "'",
        '"',
    ),
    *("\n%end\nreboot", "%end", "\n%include /etc/passwd", "\r\n", "\n", "\t", "\0", "\x7f", "\x85", "\u2028", "\ufeff"),
    *(
        "</Name><Name>x",
        "&amp;",
        "]]>",
        "<!--",
        "{{ 7*7 }}",
        "{% raw %}",
        "a: b",
        "- a",
        "{a: b}",
        "*a",
        "!!x",
        "| a",
        "=",
        "a=b",
    ),
    *(
        "d-i passwd/root-login boolean true",
        "Password for root account = x",
        "EOF",
        "END_OF_PACKAGES",
        "${HOME}",
        "%s%n",
        "\\n",
    ),
    *("ä", "日本", "\U0001f600", "\u202e", "null", "no", "0123", "1e3", "~", "..", "/", "é" * 40),
]
_LETTERS = st.text(min_size=1, max_size=12)
TEXT = st.one_of(
    st.sampled_from(PIECES),
    _LETTERS,
    st.builds("".join, st.lists(st.one_of(st.sampled_from(PIECES), st.text("abc-_.'\"\\$ ", max_size=4)), max_size=3)),
)
_NAME = st.from_regex("[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)


def _after(valid):
    """Valid values, valid values with any text appended, and any text."""
    return st.one_of(valid, st.builds("{}{}".format, valid, TEXT), TEXT)


def _usable(texts, without=""):
    """The texts without characters that are not allowed in one line, so that values built from them are accepted."""
    return texts.map(lambda text: "".join(one for one in text if is_line(one) and one not in without).strip())


_LINE = _usable(TEXT).filter(bool)
_COMMAND = st.one_of(_LINE, _LINE, TEXT)
#: Free text: either the checks reject it, or an installer accepts it.
_FREE = {
    "full_name": _usable(TEXT, ":,=\\"),
    "ssh_keys": st.lists(st.builds("ssh-ed25519 AAAAC3Nz {}".format, _LINE), min_size=1, max_size=2),
    "early_commands": st.lists(_COMMAND, max_size=2),
    "late_commands": st.lists(_COMMAND, min_size=1, max_size=3),
}
#: Values of a fixed form.
_STRICT = {
    "hostname": _after(_NAME),
    "domain": _after(st.builds("{}.example".format, _NAME)),
    "user": _after(_NAME),
    "packages": st.lists(_after(_NAME), min_size=1, max_size=3),
    "password_hash": _after(st.sampled_from([HASH, BCRYPT])),
    "locale": _after(st.just("en_US.UTF-8")),
    "keyboard": _after(st.just("us")),
    "timezone": _after(st.just("Europe/Berlin")),
    "disk": _after(st.just("/dev/vda")),
    "mirror": st.one_of(st.builds("http://m.example/{}".format, TEXT), TEXT),
    "proxy": st.one_of(st.builds("http://p.example:3128/{}".format, TEXT), TEXT),
    "sets": st.lists(_after(st.just("-game*")), min_size=1, max_size=2),
    "windows_image": _after(st.just("Windows Server 2022")),
    "product_key": _after(st.just("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")),
    "disk_layout": st.builds(lambda mount: layout(("/", "4G", True), (mount, "1G", False)), _after(st.just("/srv"))),
}
#: {installer: the free texts that it supports}; the others are rejected for it.
_FREE_OF = {
    "alpine": ("ssh_keys", "early_commands", "late_commands"),
    "openbsd": ("full_name", "ssh_keys", "late_commands"),
    "windows": ("ssh_keys", "late_commands"),
}


def cases(installer):
    """Values for one installer: all free texts are hostile, and at most one value with a fixed form."""
    free = st.fixed_dictionaries({name: _FREE[name] for name in _FREE_OF.get(installer, _FREE)})
    strict = st.sampled_from([None, *sorted(_STRICT)]).flatmap(
        lambda name: st.fixed_dictionaries({name: _STRICT[name]} if name else {})
    )
    return st.builds(lambda one, other: values(installer, **one, **other), free, st.one_of(st.just({}), strict, strict))


def is_accepted(given):
    return not problems_of(given)
