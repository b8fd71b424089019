# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Windows Setup: which answer file it finds, which settings it knows, and what its first logins run.

Facts of Microsoft's documentation: drives are searched by letter, removable writable ones first, and the letters of CDs
are not guaranteed; WinPE has drivers for SATA, IDE, USB and floppy only; first-logon commands start at the same time,
and one of more than 260 characters is skipped without an error; LogonCount 1 leads to two logins. Of PowerShell, it
knows only the statements of the role's script.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

NAMESPACE = "{urn:schemas-microsoft-com:unattend}"
IN_BOX = {"sata", "ide", "usb", "fdc"}
_LONGEST = 260
_FOR = re.compile(r"cmd\.exe /c for %d in \(([D-Z ]+)\) do if exist %d:\\(\S+) powershell\.exe .* -File %d:\\\2")
_STRING = re.compile("'((?:[^'\u2018-\u201b]|['\u2018-\u201b]{2})*)'")


def settings():
    """{path: (passes, longest value or None)}."""
    lines = (Path(__file__).parent / "settings.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {path: (passes.split(","), int(longest) if longest else None) for path, passes, longest in rows}


def problems_of(text):
    """What Setup would reject in an answer file: unknown settings, wrong passes, values that are too long."""
    known, found = settings(), []
    for one in ElementTree.fromstring(text.encode()).findall(f"{NAMESPACE}settings"):
        for component in one:
            for path, value in _paths(component, component.get("name")):
                passes, longest = known.get(path, ((), None))
                if one.get("pass") not in passes:
                    found.append(f"{one.get('pass')}: {path}")
                if longest is not None and len(value) > longest:
                    found.append(f"{path}: {len(value)} characters")
    return found


def _paths(element, path):
    for child in element:
        below = f"{path}/{child.tag.removeprefix(NAMESPACE)}"
        yield below, (child.text or "").strip()
        yield from _paths(child, below)


def answer_files(drives, wanted):
    """The answer files that Setup may use in a pass, for all orders of letters: one of None is "none found".

    ``drives`` are (bus, whether it is writable, {name in the root: content}). Names differ in case only at will.
    """
    seen = [(writable, _found(files)) for bus, writable, files in drives if bus in IN_BOX]
    results = set()
    for order in itertools.permutations(seen):
        ranked = [data for rank in (True, False) for writable, data in order if data and writable == rank]
        results.add(next((data for data in ranked if wanted in _passes(data)), None))
    return results


def _found(files):
    return next((data for name, data in files.items() if name.lower() == "autounattend.xml"), None)


def _passes(data):
    return {one.get("pass") for one in ElementTree.fromstring(data).findall(f"{NAMESPACE}settings")}


class Windows:
    """An installed Windows with its CDs, {letter: {name: text}}. ``exit_codes`` are those of lines that fail."""

    def __init__(self, answers, cds, exit_codes=()):
        self._root, self._cds, self._exit_codes = ElementTree.fromstring(answers.encode()), cds, dict(exit_codes)
        self.files = {r"C:\Windows\Panther\unattend.xml", r"C:\Windows\Panther\unattend-original.xml"}
        self.auto_logons = int(self._texts("LogonCount")[0]) + 1
        self.serial, self.ran, self.is_on, self.logins = [], [], True, 0
        self.firewall, self.skipped = [], []

    def first_logins(self):
        """Log in as often as Windows does. The first one starts all commands at the same time, so in any order."""
        commands = self._texts("CommandLine")
        self.skipped = [one for one in commands if len(one) > _LONGEST]
        while self.auto_logons > 0 and self.is_on:
            self.auto_logons, self.logins = self.auto_logons - 1, self.logins + 1
            for command in reversed([one for one in commands if one not in self.skipped]):
                self._start(command)

    def _texts(self, name):
        return [one.text for one in self._root.iter(f"{NAMESPACE}{name}")]

    def _start(self, command):
        letters, name = _FOR.fullmatch(command).groups()
        for letter in letters.split():
            files = {key.lower(): text for key, text in self._cds.get(letter, {}).items()}
            if name.lower() in files:
                self._run_script(files[name.lower()])

    def _run_script(self, text):
        assert text.startswith("\ufeff"), "Windows PowerShell would read it as ANSI"
        assert all(line.count("{") - line.count("}") < 2 for line in text.splitlines())
        if r"C:\ProgramData\polyvirt\setup.log" in self.files:
            assert r'if (Test-Path "$folder\setup.log") { exit }' in text
            return
        self.files.add(r"C:\ProgramData\polyvirt\setup.log")
        self._script = text
        # The directory and the log have the rights of the directory above, which all users read.
        self.is_log_private = "icacls.exe $folder /inheritance:r" in text.partition("Start-Transcript")[0]
        tried, _try, rest = text.partition("\ntry {\n")[2].partition("\n} catch {\n")
        failure = next(filter(None, map(self._step, re.split(r"(?m)^(?=  Step ')", tried)[1:])), None)
        if "Panther\\unattend*.xml" in rest.partition("if ($failure)")[0]:
            self.files = {one for one in self.files if "Panther" not in one}
        if failure:
            self.serial.append(f"polyvirt-failed: {failure}")
            return
        self.files.add(unquoted(rest.partition("\nSet-Content ")[2])[0])
        self.serial.append(unquoted(rest.partition("\nSet-Content ")[2].partition("\nReport ")[2])[0])
        # Hyper-V passes a value of a guest to the host only while it runs.
        is_reported = "Set-ItemProperty $guest polyvirt $line" in text
        assert rest.rstrip().endswith("shutdown.exe /s /t 0") != is_reported
        self.is_on = is_reported

    def _step(self, text):
        """Run a step; returns its failure."""
        name = unquoted(text)[0]
        self.serial.append(f"polyvirt-step: {name}")
        if "Set-ItemProperty $winlogon AutoLogonCount 0 -Type DWord" in text:
            self.auto_logons = 0
        self.firewall += re.findall(r"(?m)^    Open-Port '[\w-]+' ([\d, ]+)$", text)
        if "Invoke-Line " not in text:
            return None
        if "if ($done.ExitCode -notin 0, 3010) { throw" not in self._script:
            self._exit_codes = {}
        (line,) = unquoted(text.partition("Invoke-Line ")[2])
        self.ran.append(line)
        code = self._exit_codes.get(line, 0)
        shown = f": {line}" if "$line" in self._script.partition("{ throw ")[2].partition("\n")[0] else ""
        return f"{name}: exit code {code}{shown}" if code not in (0, 3010) else None


def unquoted(text):
    """The texts between single quotes, as PowerShell reads them: two quotes in a text, of any form, are the first."""
    return [re.sub("(['\u2018-\u201b])['\u2018-\u201b]", r"\1", found) for found in _STRING.findall(text)]
