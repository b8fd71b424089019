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


class Restart(Exception):
    """Windows restarts: an installer, an update or a power cut."""


class Windows:
    """An installed Windows with its CDs, {letter: {name: text}}. ``exit_codes`` are those of lines that fail.

    ``lasting``: lines that leave a program running, such as one with an icon. ``restarts``: names of the steps in which
    Windows restarts, one entry for each time. ``broken``: {name of a step: its error}.
    """

    def __init__(self, answers, cds, exit_codes=(), lasting=(), restarts=(), broken=()):
        self._root, self._cds, self._exit_codes = ElementTree.fromstring(answers.encode()), cds, dict(exit_codes)
        self._lasting, self._restarts, self._broken = set(lasting), list(restarts), dict(broken)
        self.files = {r"C:\Windows\Panther\unattend.xml", r"C:\Windows\Panther\unattend-original.xml"}
        self.auto_logons = int(self._texts("LogonCount")[0]) + 1
        self.serial, self.ran, self.is_on, self.logins, self.hangs = [], [], True, 0, False
        self.firewall, self.skipped, self.lasting_passwords = [], [], False
        #: The script that the start task runs as SYSTEM, and the steps that are recorded as done.
        self.start_task, self.done, self.is_resumed = None, [], False

    @property
    def state(self):
        """The state in the table of docs/windows.md."""
        last = self.serial[-1] if self.serial else ""
        if not last:
            return "new"
        if last.startswith("polyvirt-failed"):
            return "failed"
        if last == "polyvirt-installed":
            return "installed"
        return "resumed" if self.is_resumed else "commands" if "step: command" in last else "own steps"

    def first_logins(self):
        """Log in as often as Windows does. The first one starts all commands at the same time, so in any order."""
        commands = self._texts("CommandLine")
        self.skipped = [one for one in commands if len(one) > _LONGEST]
        while self.auto_logons > 0 and self.is_on and not self.hangs:
            self.log_in()

    def log_in(self):
        """One login."""
        self.auto_logons, self.logins = self.auto_logons - 1, self.logins + 1
        for command in reversed([one for one in self._texts("CommandLine") if one not in self.skipped]):
            self._start(command)

    def next_start(self):
        """Start Windows again: after a restart, or because somebody has started the VM."""
        self.is_on = True
        if self.start_task:
            self.is_resumed = True
            self._run_script(self.start_task)

    def _texts(self, name):
        return [one.text for one in self._root.iter(f"{NAMESPACE}{name}")]

    def _start(self, command):
        letters, name = _FOR.fullmatch(command).groups()
        for letter in letters.split():
            files = {key.lower(): text for key, text in self._cds.get(letter, {}).items()}
            if name.lower() in files and self.is_on:
                self._run_script(files[name.lower()])

    def _run_script(self, text):
        assert text.startswith("\ufeff"), "Windows PowerShell would read it as ANSI"
        assert all(line.count("{") - line.count("}") < 2 for line in text.splitlines())
        if r"C:\ProgramData\polyvirt\setup.log" in self.files and not self.is_resumed:
            assert "if (-not $isResumed -and (Test-Path $log)) { exit }" in text
            return
        self.files.add(r"C:\ProgramData\polyvirt\setup.log")
        self._script = text
        tried, _catch, rest = text.partition("\ntry {\n")[2].partition("\n} catch {\n")
        # The directory and the logs have the rights of the directory above, which all users read.
        self.is_log_private = "icacls.exe $folder /inheritance:r" in tried.partition("Start-Transcript")[0]
        if self.is_resumed and "if ($isResumed) { Report" in tried:
            self.serial.append(unquoted(tried.partition("if ($isResumed) { Report")[2])[0])
        try:
            failure = next(filter(None, map(self._step, re.split(r"(?m)^(?=  Step ')", tried)[1:])), None)
        except Restart:
            self.is_on = False
            return
        if not self.hangs:
            self._end(rest, failure)

    def _end(self, rest, failure):
        if "Panther\\unattend*.xml" in rest.partition("if ($failure)")[0]:
            self.files = {one for one in self.files if "Panther" not in one}
        assert "schtasks.exe /delete /f /tn $task" in rest
        in_failure, _brace, after = rest.partition("if ($failure) {\n")[2].partition("\n}\n")
        if "Stop-Resuming" in (in_failure if failure else after):
            self.start_task = None
            self.files = {one for one in self.files if not one.endswith("polyvirt.ps1")}
        if failure:
            self.serial.append(f"polyvirt-failed: {failure}")
            return
        self.files.add(unquoted(rest.partition("\nSet-Content ")[2])[0])
        self.serial.append(unquoted(rest.partition("\nSet-Content ")[2].partition("\nReport ")[2])[0])
        # Hyper-V passes a value of a guest to the host only while it runs.
        is_reported = "Set-ItemProperty $guest polyvirt $line" in self._script
        assert rest.rstrip().endswith("shutdown.exe /s /t 0") != is_reported
        self.is_on = is_reported

    def _step(self, text):
        """Run a step; returns its failure."""
        name = unquoted(text)[0]
        if self.hangs or (name in self.done and "if ($done -contains $name) { return }" in self._script):
            return None
        self.serial.append(f"polyvirt-step: {name}")
        if name in self._restarts:
            self._restarts.remove(name)
            self._begin_command(text)
            raise Restart
        if name in self._broken:
            return f"{name}: {self._broken[name]}"
        if (
            "schtasks.exe /create /f /tn $task /sc onstart /ru SYSTEM" in text
            and "Copy-Item $PSCommandPath $copy" in text
        ):
            self.start_task = self._script
            self.files.add(r"C:\ProgramData\polyvirt\polyvirt.ps1")
        if "Set-ItemProperty $winlogon AutoLogonCount 0 -Type DWord" in text:
            self.auto_logons = 0
        self.lasting_passwords |= "-PasswordNeverExpires $true" in text
        self.firewall += re.findall(r"(?m)^    Open-Port '[\w-]+' ([\d, ]+)$", text)
        failure = self._command(name, text)
        if not failure and "  Add-Content $progress $name" in self._script:
            self.done.append(name)
        return failure

    def _begin_command(self, text):
        if "Invoke-Line " in text and not self.is_resumed:
            self.ran += unquoted(text.partition("Invoke-Line ")[2])

    def _command(self, name, text):
        """Run the command of a step; returns its failure."""
        if "Invoke-Line " not in text:
            return None
        runner = self._script.partition("function Invoke-Line(")[2].partition("\n}\n")[0]
        if self.is_resumed and "if ($isResumed) { throw " in runner:
            return f"{name}: {unquoted(runner.partition('if ($isResumed) { throw ')[2])[0]}"
        self._begin_command(text)
        line = self.ran[-1]
        if line in self._lasting and ("-Wait" in runner.partition("#")[0] or ".WaitForExit()" not in runner):
            self.hangs = True
            return None
        number = re.search(r"Invoke-Line (\d+) ", text)[1]
        if '-RedirectStandardOutput "$output.log"' in runner and '$output = "$folder\\command-$number"' in runner:
            self.files.add(rf"C:\ProgramData\polyvirt\command-{number}.log")
        # Without the handle, the object forgets the exit code of a process that has ended.
        code = self._exit_codes.get(line, 0) if "$null = $process.Handle" in runner else ""
        shown = f": {line}" if "$line" in runner.rpartition("{ throw ")[2].partition("\n")[0] else ""
        is_good = code in (0, 3010) and "if ($process.ExitCode -notin 0, 3010) { throw" in runner
        return None if is_good else f"{name}: exit code {code}{shown}"


def unquoted(text):
    """The texts between single quotes, as PowerShell reads them: two quotes in a text, of any form, are the first."""
    return [re.sub("(['\u2018-\u201b])['\u2018-\u201b]", r"\1", found) for found in _STRING.findall(text)]
