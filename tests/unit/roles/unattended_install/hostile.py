# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that try to leave their place in an answer file, among ordinary ones."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.plugin_utils.answer_values import problems_of
from hypothesis import strategies as st

from unit.roles.unattended_install.rendering import values

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
_KEYS = st.lists(st.builds("ssh-ed25519 AAAAC3Nz {}".format, TEXT), min_size=1, max_size=2)

#: {value of the role: how one is made that an installer may reject}.
FIELDS = {
    "hostname": st.one_of(_NAME, TEXT),
    "domain": st.one_of(st.builds("{}.example".format, _NAME), TEXT),
    "user": st.one_of(_NAME, TEXT),
    "full_name": TEXT,
    "ssh_keys": _KEYS,
    "packages": st.lists(st.one_of(_NAME, TEXT), min_size=1, max_size=3),
    "early_commands": st.lists(TEXT, min_size=1, max_size=2),
    "late_commands": st.lists(TEXT, min_size=1, max_size=3),
    "password_hash": TEXT,
    "locale": TEXT,
    "keyboard": TEXT,
    "timezone": TEXT,
    "disk": TEXT,
    "mirror": st.one_of(st.builds("http://m.example/{}".format, TEXT), TEXT),
    "proxy": st.one_of(st.builds("http://p.example:3128/{}".format, TEXT), TEXT),
    "sets": st.lists(TEXT, min_size=1, max_size=2),
    "windows_image": TEXT,
    "product_key": TEXT,
    "disk_layout": st.builds(
        lambda mount: [
            {"mount": "/", "size": "4G", "grow": True, "filesystem": ""},
            {"mount": mount, "size": "1G", "grow": False, "filesystem": ""},
        ],
        TEXT,
    ),
}


def cases(installer):
    """Values for one installer in which one or two are hostile; the others are such that it accepts them."""
    changes = st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names})
    )
    return changes.map(lambda made: values(installer, **made))


def is_accepted(given):
    return not problems_of(given)
