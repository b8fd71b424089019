# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Carries out requests, one JSON text per line of a file, with the shipped module, and writes one answer per line.
# Each request finds the sample module as at its start.
param(
    [Parameter(Mandatory = $true)][string]$Shipped,
    [Parameter(Mandatory = $true)][string]$Quoting,
    [Parameter(Mandatory = $true)][string]$Sample,
    [Parameter(Mandatory = $true)][string]$Requests,
    [Parameter(Mandatory = $true)][string]$Answers
)

$ErrorActionPreference = 'Stop'
Import-Module -Name $Quoting -DisableNameChecking
Import-Module -Name $Shipped
$lines = foreach ($request in [System.IO.File]::ReadAllLines($Requests)) {
    Import-Module -Name $Sample -Force -DisableNameChecking
    Invoke-WindowsCall -Request $request
}
[System.IO.File]::WriteAllLines($Answers, [string[]]$lines)
