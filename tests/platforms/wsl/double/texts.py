# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of wsl.exe and of Windows in the languages of the double, copied from WSL's resources."""

from __future__ import annotations

ENGLISH = {
    "label": "Error code: {}",
    "success": "The operation completed successfully. ",
    "not_found": "There is no distribution with the supplied name.",
    "none": "Windows Subsystem for Linux has no installed distributions.\r\nYou can resolve this by installing a "
    "distribution with the instructions below:\r\n\r\nUse 'wsl.exe --list --online' to list available distributions\r\n"
    "and 'wsl.exe --install <Distro>' to install.",
    "none_inbox": "Windows Subsystem for Linux has no installed distributions.\r\nDistributions can be installed by "
    "visiting the Microsoft Store:\r\nhttps://aka.ms/wslstore",
    "none_running": "There are no running distributions.",
    "list": "Windows Subsystem for Linux Distributions:",
    "default": "{} (Default)",
    "user": "User not found.",
    "exists": "A distribution with the supplied name already exists. Use --name to choose a different name.",
    "location": "The supplied install location is already in use.",
    "name": 'Invalid distribution name: "{}".',
    "no_file": "The system cannot find the file specified. ",
    "no_path": "The system cannot find the path specified. ",
    "import": "Importing the distribution failed.",
    "not_linux": "The imported file is not a valid Linux distribution.",
    "looks_like_vhd": "This looks like a VHD file. Use --vhd to import a VHD instead of a tar.",
    "vhd_name": "The specified file must have the .vhdx file extension.",
    "wsl2": "This operation is only supported by WSL2.",
    "online": "Invalid distribution name: '{}'.\r\nTo get a list of valid distributions, use 'wsl.exe --list "
    "--online'.",
    "version": "The distribution is already the requested version.",
    "bad_version": "Invalid version number: {}",
    "running": "The operation could not be completed because the VHD is currently in use. To force WSL to stop use: "
    "wsl.exe --shutdown",
    "resize": "Failed to resize disk.",
    "size": "Invalid size: {}",
    "sparse": "Sparse VHD support is currently disabled due to potential data corruption.\r\nTo force a distribution "
    "to use a sparse VHD, please run:\r\nwsl.exe --manage <DistributionName> --set-sparse true --allow-unsafe",
    "busy": "An install, uninstall, or conversion is in progress for this distribution.",
    "argument": "Invalid command line argument: {}\r\nPlease use 'wsl.exe --help' to get a list of supported "
    "arguments.",
    "option": "Invalid command line option: {}",
    "usage": "Copyright (c) Microsoft Corporation. All rights reserved.\r\n\r\nUsage: wsl.exe [Argument] "
    "[Options...] [CommandLine]",
    "local_system": "Running WSL as local system is not supported.",
    "denied": "Access is denied. ",
    "access": "The file cannot be accessed by the system.",
    "components": 'WSL2 is not supported with your current machine configuration.\r\nPlease enable the "Virtual '
    'Machine Platform" optional component and ensure virtualization is enabled in the BIOS.',
    "no_disk": "Failed to attach disk '{}' to WSL2: The system cannot find the file specified. ",
    "denied_disk": "Failed to attach disk '{}' to WSL2: Access is denied. ",
    "create_vm": "Insufficient system resources exist to complete the requested service. ",
    "disk_full": "There is not enough space on the disk. ",
    "install": "Downloading: {0}\r\nInstalling: {0}\r\nDistribution successfully installed. It can be launched via "
    "'wsl.exe -d {1}'",
    "from_file": "Installing: {0}\r\nDistribution successfully installed. It can be launched via 'wsl.exe -d {1}'",
    "differences": "For information on key differences with WSL 2 please visit https://aka.ms/wsl2",
    "versions": "WSL version: {}\r\nKernel version: {}\r\nWSLg version: {}\r\nMSRDC version: 1.2.6353\r\nDirect3D "
    "version: 1.611.1-81528511\r\nDXCore version: 10.0.26100.1-240331-1435.ge-release\r\nWindows version: {}",
    "file": "Cannot find path '{name}' because it does not exist.",
    "task": "No MSFT_ScheduledTask objects found with property '{name}'.",
    "task_disabled": "The task is disabled.",
    "prompt": "Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available.",
}
_FRENCH = {
    "label": "Code d'erreur\u00a0: {}",
    "success": "L\u2019opération a réussi. ",
    "not_found": "Il n\u2019existe aucune distribution avec le nom fourni.",
    "none_running": "Aucune distribution en cours d'exécution.",
    "default": "{} (par défaut)",
    "exists": "Une distribution portant le nom fourni existe déjà. Utilisez --name pour choisir un autre nom.",
    "running": "L'opération n'a pas pu être effectuée car le VHD est actuellement utilisé. Pour forcer l'arrêt de WSL, "
    "utilisez : wsl.exe --shutdown",
    "versions": "Version WSL : {}\r\n\r\nVersion du noyau : {}\r\nVersion WSLg : {}\r\nVersion MSRDC : 1.2.6353\r\n"
    "Version direct3D : 1.611.1-81528511\r\nVersion de DXCore : 10.0.26100.1\r\nVersion de Windows : {}",
}
_GERMAN = {
    "label": "Fehlercode: {}",
    "success": "Der Vorgang wurde erfolgreich beendet. ",
    "not_found": "Es ist keine Distribution mit dem angegebenen Namen vorhanden.",
    "none_running": "Es werden keine Distributionen ausgeführt.",
    "default": "{} (Standard)",
    "running": "Der Vorgang konnte nicht abgeschlossen werden, da die VHD zurzeit verwendet wird. So erzwingen Sie, "
    "dass WSL die Verwendung beendet: wsl.exe --shutdown",
    "versions": "WSL-Version: {}\r\nKernelversion: {}\r\nWSLg-Version: {}\r\nMSRDC-Version: 1.2.6353\r\n"
    "Direct3D-Version: 1.611.1-81528511\r\nDXCore-Version: 10.0.26100.1\r\nWindows-Version: {}",
}
LANGUAGES = {"en-US": ENGLISH, "fr-FR": {**ENGLISH, **_FRENCH}, "de-DE": {**ENGLISH, **_GERMAN}}
#: The header of the list and the states, which only inbox versions translate.
STATES = {
    "en-US": ("NAME", "STATE", "VERSION", "Running", "Stopped"),
    "fr-FR": ("NOM", "ÉTAT", "VERSION", "En cours d\u2019exécution", "Arrêté"),
    "de-DE": ("NAME", "STATUS", "VERSION", "Wird ausgeführt", "Beendet"),
}
