# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that Windows Setup knows, and what can stop it only on some media.

Sources: the tables of the role (roles/unattended_install/files/windows.yml), pbatard/rufus src/wue.c and
cschneegans/unattend-generator Users.cs for accounts. A name that is not known stops Setup at a dialogue.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

#: Accounts of Windows. The names of Guest in other languages are taken on their media (assumed).
_ACCOUNTS = frozenset({
    "administrator", "defaultaccount", "gast", "guest", "helpassistant", "invitado", "krbtgt", "local", "none",
    "system", "vieras", "wdagutilityaccount",
})  # fmt: skip
_ZONE = re.compile(r"(?:[A-Z].* Standard Time|UTC[+-][0-9]{2})")
_KINDS = ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]")


def name_problems(values):
    """Yield a sentence for each name that Windows does not know; ``values["windows_names"]`` has the role's tables."""
    names = values.get("windows_names")
    if not names:
        return
    zone, locale, user = values["timezone"], values["locale"], values["user"]
    if not _knows_zone(names, zone) and not _ZONE.fullmatch(zone):
        near = get_close_matches(zone, names["zones"], 1) or ["W. Europe Standard Time"]
        yield f"timezone: '{zone}' is not a time zone of Windows, such as '{near[0]}', or Europe/Berlin."
    if not locale.startswith("C") and not _knows_locale(names, locale):
        yield f"locale: '{locale}' is not a locale of Windows, such as de_DE.UTF-8."
    others = {name.lower() for name in names["administrators"].values()}
    if user in _ACCOUNTS | others:
        yield f"user: '{user}' is an account of Windows. Choose another name, such as ansible."
    own = names["administrators"].get(values["windows_language"])
    if user == "Administrator" and own:
        where = f"user: in {values['windows_language']}, the administrator is {own}."
        yield f"{where} Choose another name, such as ansible."


def _knows_zone(names, zone):
    zone = zone.removesuffix("_dstoff")
    return zone in names["zones"] or any(zone in text.split() for text in names["zones"].values())


def _knows_locale(names, locale):
    name = locale.split(".")[0]
    name = names["spellings"].get(name, name.replace("_", "-"))
    return any(name in names[table].split() for table in ("locales", "user_locales"))


def warnings_of(values):
    """Yield a sentence for each value that stops Windows Setup on some media only."""
    names, editions = values.get("windows_names"), values.get("windows_editions")
    if names and not _knows_zone(names, values["timezone"]) and _ZONE.fullmatch(values["timezone"]):
        yield f"timezone: '{values['timezone']}' is not known here. Windows Setup stops if its media do not know it."
    if names and sum(bool(re.search(kind, values["password"])) for kind in _KINDS) < len(_KINDS) - 1:
        yield (
            "password: has less than three of lower-case letters, upper-case letters, digits and other characters."
            " Media since October 2022 can reject it."
        )
    if editions and not values["product_key"] and not any(one.endswith("Eval") for one in editions):
        yield (
            "product_key: is not set, and the ISO image is not an evaluation. Windows Setup can stop at its page for"
            " the key."
        )
