# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of Windows in an answer file, and what is only a warning."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import answer_values
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.answer_values import problems_of
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.answer_windows import warnings_of

from unit.roles.unattended_install.rendering import WINDOWS_NAMES, values


@pytest.mark.parametrize(
    ("installer", "changes", "problem"),
    [
        (
            "windows",
            {"timezone": "Central Europe Time"},
            "timezone: 'Central Europe Time' is not a time zone of Windows, such as 'Central Europe Standard Time'",
        ),
        ("windows", {"timezone": "Europe/Berln"}, "timezone: 'Europe/Berln' is not a time zone of Windows"),
        ("windows", {"timezone": "Antarctica/Troll"}, "timezone: 'Antarctica/Troll' is not a time zone of Windows"),
        ("windows", {"locale": "xx_YY"}, "locale: 'xx_YY' is not a locale of Windows, such as de_DE.UTF-8."),
        ("windows", {"locale": "fy_DE.UTF-8"}, "locale: 'fy_DE.UTF-8' is not a locale of Windows"),
        *(
            (
                "windows",
                {"user": name},
                f"user: '{name}' is an account of Windows. Choose another name, such as ansible.",
            )
            for name in (
                "guest",
                "system",
                "none",
                "local",
                "krbtgt",
                "defaultaccount",
                "wdagutilityaccount",
                "helpassistant",
                "administrator",
                "administrateur",
                "administrador",
                "rendszergazda",
            )
        ),
        *(
            (
                "windows",
                {"user": "Administrator", "windows_language": language},
                f"user: in {language}, the administrator is {name}. Choose another name, such as ansible.",
            )
            for language, name in WINDOWS_NAMES["administrators"].items()
        ),
    ],
)
def test_problem_is_named(installer, changes, problem):
    (found,) = problems_of(values(installer, **changes))
    assert found.startswith(problem)


class TestNamesOfWindows:
    @pytest.mark.parametrize("name", [*WINDOWS_NAMES["zones"], *" ".join(WINDOWS_NAMES["zones"].values()).split()])
    def test_zone_of_the_table_is_accepted_without_a_warning(self, name):
        given = values("windows", timezone=name, password="Very-Secret-1")
        assert (problems_of(given), list(warnings_of(given))) == ([], [])

    def test_tables_have_all_names_once(self):
        zones = WINDOWS_NAMES["zones"]
        names = " ".join(zones.values()).split()
        locales = f"{WINDOWS_NAMES['locales']} {WINDOWS_NAMES['user_locales']}".split()
        assert (len(zones), len(names), len(names) - len(set(names))) == (139, 594, 0)
        assert (len(locales) - len(set(locales)), set(WINDOWS_NAMES["spellings"].values()) - set(locales)) == (0, set())

    @pytest.mark.parametrize(
        "locale", ["de_DE.UTF-8", "no_NO", "nb_NO.UTF-8", "sr_RS", "zh_CN.UTF-8", "hi_IN", "C", "C.UTF-8", "en_DE"]
    )
    def test_locale_is_accepted(self, locale):
        assert problems_of(values("windows", locale=locale)) == []

    @pytest.mark.parametrize("name", ["Alberta Standard Time", "UTC+14", "Alberta Standard Time_dstoff"])
    def test_newer_zone_is_accepted_with_a_warning(self, name):
        given = values("windows", timezone=name.removesuffix("_dstoff"), password="Very-Secret-1")
        assert problems_of(given) == []
        (warning,) = warnings_of(given)
        assert warning.startswith(f"timezone: '{given['timezone']}' is not known here.")

    @pytest.mark.parametrize(
        ("password", "is_weak"), [("secret", True), ("Secret", True), ("secret-1", False), ("Secret1", False)]
    )
    def test_weak_password_is_a_warning(self, password, is_weak):
        given = values("windows", password=password)
        assert problems_of(given) == []
        assert [one for one in warnings_of(given) if password in one] == []
        assert any(one.startswith("password: has less than three") for one in warnings_of(given)) == is_weak

    @pytest.mark.parametrize(
        ("editions", "key", "is_warned"),
        [
            (["ServerStandardEval"], "", False), (["ServerStandard", "ServerDatacenter"], "", True), ([], "", False),
            (["ServerStandard"], "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", False), (["ServerStandard", "AEval"], "", False),
        ],
    )  # fmt: skip
    def test_missing_key_is_a_warning(self, editions, key, is_warned):
        given = values("windows", windows_editions=editions, product_key=key, password="Very-Secret-1")
        assert (problems_of(given), any("product_key" in one for one in warnings_of(given))) == ([], is_warned)

    def test_other_installers_are_not_warned(self):
        assert list(warnings_of(values("preseed", password="x", password_hash=""))) == []

    def test_filter_warns_of_values_that_can_be_used(self, monkeypatch):
        shown = []
        monkeypatch.setattr(answer_values.Display, "warning", lambda _self, text: shown.append(text))
        assert answer_values.checked(values("windows", timezone="UTC+14")) == []
        assert [one.partition(":")[0] for one in shown] == [
            "unattended_install_timezone",
            "unattended_install_password",
        ]
        assert answer_values.checked(values("windows", locale="xx_YY")) != []
        assert len(shown) == 2
