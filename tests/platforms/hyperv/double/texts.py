# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of Hyper-V in the languages of the double. Tests that pass only in one of them are wrong."""

from __future__ import annotations

ENGLISH = {
    "found": 'Hyper-V was unable to find a virtual machine with name "{name}".',
    "found_id": 'Hyper-V was unable to find a virtual machine with id "{name}".',
    "switch": 'Hyper-V was unable to find a virtual switch with name "{name}".',
    "nic": "No network adapter was found with the given criteria.",
    "snapshot": "Unable to find a snapshot matching the given criteria.",
    "snapshots": "More than one snapshot was found matching the given criteria.",
    "state": "The operation cannot be performed while the virtual machine is in its current state.",
    "object_state": "The operation cannot be performed while the object is in its current state.",
    "device": "Failed to modify device '{name}'.",
    "denied": "You do not have the required permission to complete this task. Contact the administrator of the "
    "authorization policy for the computer '{name}'.",
    "service": "Hyper-V encountered an error trying to access an object on computer '{name}' because the object was "
    "not found. Verify that the Virtual Machine Management service on the computer is running.",
    "already": "The virtual machine is already in the specified state.",
    "paused": 'The virtual machine "{name}" was paused. Use the Resume-VM cmdlet to resume it.',
    "prompt": "Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available.",
    "checkpoint": "Checkpoint operation failed.",
    "checkpoints": "Checkpoints have been disabled for '{name}'.",
    "start": "'{name}' failed to start.",
    "memory": "Not enough memory in the system to start the virtual machine {name}.",
    "stop": "Failed to stop.",
    "delete": "Deleting '{name}' failed.",
    "vhd": "Failed to create the virtual hard disk.",
    "vhd_file": "The system failed to {verb} '{name}'.",
    "in_use": "The operation cannot be performed while the object is in use.",
    "file_id": "File ID is",
    "attached": "Cannot add '{name}'. The disk is already connected to the virtual machine.",
    "attachment": "User account does not have permission required to open attachment '{name}'.",
    "file": "The file or directory '{name}' was not found.",
    "generation": 'The virtual machine or snapshot "{name}" is of a generation that does not support this cmdlet.',
    "ide": "Generation 2 virtual machines do not support IDE.",
    "template": "'{name}' matches none of the secure boot templates.",
    "parameter": "The parameter '{name}' is not valid.",
    "wait": "This command stopped operation because the specified condition is not satisfied in the specified "
    "time-out.",
    "protector": "A valid key protector is needed to change the security settings.",
    "failed": "The operation failed.",
    "Operating normally": "Operating normally",
    "Merging disks": "Merging disks",
    "Shutting down": "Shutting down...",
}
_GERMAN = {
    "found": 'Von Hyper-V wurde kein virtueller Computer mit dem Namen "{name}" gefunden.',
    "found_id": 'Von Hyper-V wurde kein virtueller Computer mit der ID "{name}" gefunden.',
    "state": "Der Vorgang kann im aktuellen Status des virtuellen Computers nicht ausgeführt werden.",
    "already": "Der virtuelle Computer befindet sich bereits im angegebenen Zustand.",
    "prompt": "Windows PowerShell befindet sich im NonInteractive-Modus.",
    "denied": "Sie verfügen nicht über die erforderliche Berechtigung für den Computer '{name}'.",
    "in_use": "Der Vorgang kann nicht ausgeführt werden, während das Objekt verwendet wird.",
    "stop": "Fehler beim Beenden.",
    "Operating normally": "Normaler Betrieb",
    "Merging disks": "Datenträger werden zusammengeführt",
    "Shutting down": "Wird heruntergefahren...",
    "Network Adapter": "Netzwerkadapter",
    "Legacy Network Adapter": "Ältere Netzwerkkarte",
    "Hard Drive": "Festplatte",
    "DVD Drive": "DVD-Laufwerk",
    "Default Switch": "Standardswitch",
    "Guest Service Interface": "Gastdienstschnittstelle",
    "Heartbeat": "Takt",
    "Key-Value Pair Exchange": "Austausch von Schlüsselwertepaaren",
    "Shutdown": "Herunterfahren",
    "Time Synchronization": "Zeitsynchronisierung",
    "VSS": "VSS (Volumeschattenkopie-Dienst)",
    "Automatic Checkpoint": "Automatischer Prüfpunkt",
}
_JAPANESE = {
    "found": 'Hyper-V で名前 "{name}" の仮想マシンが見つかりませんでした。',
    "state": "仮想マシンが現在の状態にある間は、操作を実行できません。",
    "already": "仮想マシンは既に指定された状態になっています。",
    "prompt": "Windows PowerShell は NonInteractive モードです。",
    "Operating normally": "正常に稼働中",
    "Merging disks": "ディスクの結合",
    "Network Adapter": "ネットワーク アダプター",
    "Hard Drive": "ハード ドライブ",
    "DVD Drive": "DVD ドライブ",
    "Default Switch": "既定のスイッチ",
    "Guest Service Interface": "ゲスト サービス インターフェイス",
    "Heartbeat": "ハートビート",
    "Key-Value Pair Exchange": "キー値ペア交換",
    "Shutdown": "シャットダウン",
    "Time Synchronization": "時刻の同期",
    "VSS": "ボリューム シャドウ コピー",
    "Automatic Checkpoint": "自動チェックポイント",
}
#: {culture: (mark, texts)}. A text without a translation is the English text with a mark, so no driver can depend on
#: the English one.
_OTHERS = {"de-DE": ("[de] ", _GERMAN), "ja-JP": ("[ja] ", _JAPANESE)}
CULTURES = ("en-US", *_OTHERS)


def text(culture, key, **values):
    """The text of a key in a language; a key without an entry is itself the English text."""
    english = ENGLISH.get(key, key)
    mark, own = _OTHERS.get(culture, ("", {}))
    return own.get(key, mark + english).format(**values)
