# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A small module with the shapes that Hyper-V's has: typed objects, enums, lists, parameter sets, non-terminating errors,
# warnings, prompts, a call that hangs. The golden answers were recorded with it.

Add-Type -TypeDefinition @'
using System;
using System.Collections.Generic;
namespace Sample {
    public enum Power { Other = 1, Running = 2, Off = 3, Stopping = 4, Saved = 6 }
    public class Disk { public string Path { get; set; } public string ParentPath { get; set; } public ulong Size { get; set; } }
    public class Adapter { public string Name { get; set; } public string Id { get; set; } public string[] Addresses { get; set; } public bool? Connected { get; set; } }
    public class Machine {
        public Guid Id { get; set; } public string Name { get; set; } public Power State { get; set; } public long Memory { get; set; }
        public string Notes { get; set; } public DateTime Created { get; set; } public TimeSpan Uptime { get; set; } public Version Version { get; set; }
        public int? Heartbeat { get; set; } public double Load { get; set; } public List<Adapter> Adapters { get; set; } public Disk[] Disks { get; set; }
        public Power[] States { get; set; } public ulong Big { get; set; } public char Letter { get; set; } public Dictionary<string, int> Table { get; set; }
        public string Broken { get { throw new InvalidOperationException("gone"); } }
    }
}
'@

function New-Sample {
    param([int]$Number, [string]$Name, [Sample.Power]$State)
    $machine = New-Object -TypeName Sample.Machine
    $machine.Id = [guid]('{0:d8}-0000-4000-8000-000000000000' -f $Number)
    $machine.Name = $Name
    $machine.State = $State
    $machine.Memory = 2GB * $Number
    $machine.Created = [datetime]::new(2026, 1, 2, 3, 4, 5, [System.DateTimeKind]::Utc)
    $machine.Uptime = [timespan]::FromSeconds(90061.9)
    $machine.Version = [version]'10.0'
    $machine.Load = 0.5
    $machine.Big = [uint64]::MaxValue
    $machine.Letter = 'C'
    $machine.States = [Sample.Power[]]@($(if ($Number -eq 2) { 'Running', 'Saved' } else { 'Running' }))
    $machine.Table = New-Object -TypeName 'System.Collections.Generic.Dictionary[string,int]'
    $machine.Table['a'] = 1
    $machine.Adapters = New-Object -TypeName 'System.Collections.Generic.List[Sample.Adapter]'
    for ($index = 1; $index -lt $Number; $index++) {
        $machine.Adapters.Add((New-Object -TypeName Sample.Adapter -Property @{ Name = "nic $index"; Id = "$Number-$index"; Addresses = [string[]]@("10.0.0.$index") }))
    }
    $machine.Disks = [Sample.Disk[]]@((New-Object -TypeName Sample.Disk -Property @{ Path = "C:\$Name.vhdx"; ParentPath = 'C:\base.vhdx'; Size = 10GB }))
    $machine
}

$script:machines = @(
    (New-Sample -Number 1 -Name 'alpha' -State Off)
    (New-Sample -Number 2 -Name 'beta' -State Running)
    (New-Sample -Number 3 -Name 'gamma [x] * ''q'' `b $(throw) "d"' -State Saved)
)
$script:looks = 0

function Get-SampleMachine {
    [CmdletBinding(DefaultParameterSetName = 'Name')]
    [OutputType([Sample.Machine])]
    param(
        [Parameter(ParameterSetName = 'Name', Position = 0)][string[]]$Name,
        [Parameter(ParameterSetName = 'Id')][Nullable[guid]]$Id
    )
    $script:looks++
    if ($PSCmdlet.ParameterSetName -eq 'Id') {
        $found = @($script:machines | Where-Object -FilterScript { $_.Id -eq $Id })
        if ($found.Length -eq 0) {
            $record = New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList @(
                (New-Object -TypeName System.ArgumentException -ArgumentList "no machine with id $Id"), 'ObjectNotFound', 'ObjectNotFound', $Id)
            $PSCmdlet.WriteError($record)
        }
        return $found
    }
    if (-not $Name) { return $script:machines }
    foreach ($one in $Name) {
        $found = @($script:machines | Where-Object -FilterScript { $_.Name -like $one })
        if ($found.Length -eq 0 -and -not [WildcardPattern]::ContainsWildcardCharacters($one)) {
            $record = New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList @(
                (New-Object -TypeName System.ArgumentException -ArgumentList "no machine named $one"), 'InvalidParameter', 'InvalidArgument', $one)
            $PSCmdlet.WriteError($record)
        }
        $found
    }
}

function Set-SampleMachine {
    [CmdletBinding(SupportsShouldProcess = $true, DefaultParameterSetName = 'Name')]
    param(
        [Parameter(ParameterSetName = 'Machine', Mandatory = $true)][Sample.Machine[]]$Machine,
        [Parameter(ParameterSetName = 'Name', Mandatory = $true)][string[]]$Name,
        [Nullable[long]]$Memory,
        [string]$Notes,
        [Sample.Power]$State,
        [bool]$Flag,
        [switch]$Passthru
    )
    $targets = $Machine
    if ($PSCmdlet.ParameterSetName -eq 'Name') { $targets = Get-SampleMachine -Name $Name -ErrorAction Stop }
    foreach ($one in $targets) {
        if (-not $PSCmdlet.ShouldProcess($one.Name, 'set')) { continue }
        if ($PSBoundParameters.ContainsKey('Memory')) { $one.Memory = $Memory }
        if ($PSBoundParameters.ContainsKey('Notes')) { $one.Notes = $Notes }
        if ($PSBoundParameters.ContainsKey('State')) {
            if ($one.State -eq $State) { Write-Warning -Message 'The machine is already in the specified state.' }
            $one.State = $State
        }
        if ($Passthru) { $one }
    }
}

function Stop-SampleMachine {
    <# Asks, as Stop-VM does without its integration service: -Confirm:$false does not answer that question. #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([Parameter(Mandatory = $true)][Sample.Machine[]]$Machine, [switch]$Force)
    foreach ($one in $Machine) {
        if (-not $PSCmdlet.ShouldProcess($one.Name, 'stop')) { continue }
        if (-not $Force -and -not $PSCmdlet.ShouldContinue('turn off?', 'no service')) { continue }
        $one.State = 'Off'
    }
}

function Remove-SampleMachine {
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    param([Parameter(Mandatory = $true)][Sample.Machine]$Machine)
    if ($PSCmdlet.ShouldProcess($Machine.Name, 'remove')) { $script:machines = @($script:machines | Where-Object -FilterScript { $_.Id -ne $Machine.Id }) }
}

function Get-SampleDisk {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)][string[]]$Path)
    foreach ($one in $Path) {
        $parent = $null
        if ($one -match '^C:\\(alpha|beta)') { $parent = 'C:\middle.vhdx' }
        if ($one -eq 'C:\middle.vhdx') { $parent = 'C:\base.vhdx' }
        New-Object -TypeName Sample.Disk -Property @{ Path = $one; ParentPath = $parent; Size = 5GB }
    }
}

function Get-SampleLook {
    <# Off from the third look on. #>
    [CmdletBinding()]
    param()
    $script:looks++
    New-Object -TypeName psobject -Property @{ Name = 'alpha'; State = [Sample.Power]$(if ($script:looks -ge 3) { 'Off' } else { 'Stopping' }); Looks = $script:looks }
}

function Reset-SampleLook {
    [CmdletBinding()]
    param()
    $script:looks = 0
}

function Wait-Sample {
    [CmdletBinding()]
    param([double]$Seconds, [switch]$Fail)
    Start-Sleep -Milliseconds ([int](1000 * $Seconds))
    if ($Fail) {
        $record = New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList @(
            (New-Object -TypeName System.TimeoutException -ArgumentList 'Failed to stop.'), 'OperationFailed', 'NotSpecified', $null)
        $PSCmdlet.WriteError($record)
    }
}

function Get-SampleValue {
    <# Returns what it was given, and its type: what a request's values arrive as. #>
    [CmdletBinding()]
    param($Value, [string]$Text, [string[]]$Texts, [Nullable[long]]$Long, [uint64]$Big, [bool]$Flag, [switch]$Switch, [guid]$Guid)
    $type = $null
    if ($null -ne $Value) { $type = $Value.GetType().Name }
    New-Object -TypeName psobject -Property @{
        Value = $Value; Type = $type; Text = $Text; Texts = $Texts; Long = $Long; Big = $Big; Flag = $Flag; Switch = [bool]$Switch; Guid = $Guid
        Bound = @($PSBoundParameters.Keys | Where-Object -FilterScript { $_ -notmatch '^(Error|Warning)' } | Sort-Object)
    }
}

function Get-SampleNothing {
    [CmdletBinding()]
    param()
}

Export-ModuleMember -Function *-Sample*, Wait-Sample
