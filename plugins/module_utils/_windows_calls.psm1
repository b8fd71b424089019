# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Carries out a list of calls that the controller sends as JSON, and returns the answers as JSON.
# It knows no platform and decides nothing: the controller chooses the calls and interprets the answers.
# Syntax of Windows PowerShell 5.1. No value ever becomes part of a script text.

function Read-Property {
    <# The value of a property, or its getter's exception: PowerShell itself would turn the exception into null. #>
    param($Property)

    return , $Property.GetType().GetProperty('Value').GetValue($Property, $null)
}

function ConvertTo-Plain {
    <# A value in types of JSON: enums by name, times as ISO 8601 in UTC, durations in whole seconds. #>
    param($Value, $Show)

    if ($null -eq $Value) { return $null }
    if ($Value -is [string]) { return $Value.ToString() }
    if ($Value -is [enum]) { return $Value.ToString() }
    if ($Value -is [datetime]) { return $Value.ToUniversalTime().ToString('o', [cultureinfo]::InvariantCulture) }
    if ($Value -is [timespan]) { return [long][math]::Floor($Value.TotalSeconds) }
    if ($Value -is [char]) { return $Value.ToString() }
    if ($Value.GetType().IsPrimitive -or $Value -is [decimal]) { return $Value }
    if ($Value -is [System.Collections.IEnumerable] -and $Value -isnot [System.Collections.IDictionary]) {
        $items = New-Object -TypeName System.Collections.ArrayList
        foreach ($item in $Value) {
            $null = $items.Add((ConvertTo-Plain -Value $item -Show $Show))
        }
        return , $items.ToArray()
    }
    if ($Show -is [System.Management.Automation.PSCustomObject]) {
        $plain = @{}
        $unreadable = New-Object -TypeName System.Collections.ArrayList
        foreach ($wanted in $Show.PSObject.Properties) {
            $property = $Value.PSObject.Properties[$wanted.Name]
            if ($null -eq $property) { continue }
            try {
                $found = Read-Property -Property $property
            }
            catch {
                $null = $unreadable.Add($wanted.Name)
                continue
            }
            $plain[$wanted.Name] = ConvertTo-Plain -Value $found -Show $wanted.Value
        }
        if ($unreadable.Count -gt 0) { $plain['!unreadable'] = $unreadable.ToArray() }
        return $plain
    }
    return $Value.ToString()
}

function Get-Text {
    <# A text without its leading "=", which keeps PowerShell from reading dates into it. #>
    param([string]$Value)

    if (-not $Value.StartsWith('=', [StringComparison]::Ordinal)) {
        throw (New-CallError -Id 'BadText' -Message 'a text of the request does not begin with "="')
    }
    return $Value.Substring(1)
}

function Get-Argument {
    <#
    A value of the request: texts lose their "=", {"ref": name} becomes the objects kept under this name, and the parts
    of {"joined": [...]} become one text.
    #>
    param($Value, [hashtable]$Kept)

    if ($Value -is [string]) { return Get-Text -Value $Value }
    if ($Value -is [System.Management.Automation.PSCustomObject] -and $null -ne $Value.joined) {
        return -join @($Value.joined | ForEach-Object -Process { [string](Get-Argument -Value $_ -Kept $Kept) })
    }
    if ($Value -is [System.Management.Automation.PSCustomObject]) {
        $objects = $Kept[$Value.ref]
        if ($null -eq $objects -or $objects.Length -eq 0) {
            throw (New-CallError -Id 'NothingKept' -Message "nothing is kept as '$($Value.ref)'")
        }
        if ($objects.Length -eq 1) { return , $objects[0] }
        return , $objects
    }
    if ($Value -is [System.Collections.IList]) {
        $items = New-Object -TypeName System.Collections.ArrayList
        foreach ($item in $Value) {
            $null = $items.Add((Get-Argument -Value $item -Kept $Kept))
        }
        return , $items.ToArray()
    }
    return $Value
}

function New-CallError {
    param([string]$Id, [string]$Message)

    $exception = New-Object -TypeName System.InvalidOperationException -ArgumentList $Message
    New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList @(
        $exception, $Id, [System.Management.Automation.ErrorCategory]::InvalidOperation, $null
    )
}

function Get-Cause {
    <# The exception that a method has thrown, without PowerShell's wrappers. #>
    param([System.Exception]$Exception)

    $wrapper = [System.Management.Automation.MethodInvocationException]
    while ($Exception -is $wrapper -and $null -ne $Exception.InnerException) { $Exception = $Exception.InnerException }
    return $Exception
}

function Get-ErrorAnswer {
    <# An error as data, so that no caller depends on its message, which is in the language of the host. #>
    param([System.Management.Automation.ErrorRecord]$Record, [System.Exception]$Exception)

    # A record that was taken out of its exception holds only a placeholder for it.
    if ($Record.Exception -isnot [System.Management.Automation.ParentContainsErrorRecordException]) {
        $Exception = $Record.Exception
    }
    $Exception = Get-Cause -Exception $Exception
    @{
        id = $Record.FullyQualifiedErrorId
        category = $Record.CategoryInfo.Category.ToString()
        target = $Record.CategoryInfo.TargetName
        type = $Exception.GetType().FullName
        hresult = '0x{0:X8}' -f $Exception.HResult
        message = $Exception.Message
    }
}

function Test-Where {
    <#
    Whether each named property has one of the listed values ("!Name": has none of them), compared as text without
    regard to case. Any item of a list counts. A property that does not exist or cannot be read matches neither way.
    #>
    param($InputObject, $Where)

    foreach ($condition in $Where.PSObject.Properties) {
        $name = $condition.Name.TrimStart('!')
        $property = $InputObject.PSObject.Properties[$name]
        if ($null -eq $property) { return $false }
        try {
            $plain = ConvertTo-Plain -Value (Read-Property -Property $property)
        }
        catch {
            return $false
        }
        if ($plain -isnot [array]) { $plain = , $plain }
        $listed = $false
        foreach ($found in $plain) {
            foreach ($value in $condition.Value) {
                $wanted = Get-Argument -Value $value
                if ([string]::Equals([string]$found, [string]$wanted, [StringComparison]::OrdinalIgnoreCase)) {
                    $listed = $true
                }
            }
        }
        if ($listed -eq $condition.Name.StartsWith('!')) { return $false }
    }
    return $true
}

function Test-Until {
    param([object[]]$Objects, $Until)

    foreach ($where in $Until) {
        foreach ($object in $Objects) {
            if (Test-Where -InputObject $object -Where $where) { return $true }
        }
    }
    return $false
}

function Get-Followed {
    <# Calls the command again with the values of a property, until there are none (chains of disks). #>
    param($Command, [hashtable]$Arguments, [object[]]$Objects, [string]$Property, [string]$Argument)

    $all = @($Objects)
    $last = $all
    for ($depth = 0; $depth -lt 64; $depth++) {
        $names = @($last | ForEach-Object -Process { $_.$Property } | Where-Object -FilterScript { $_ })
        $names = @($names | Select-Object -Unique)
        if ($names.Length -eq 0) { break }
        $next = @{}
        foreach ($key in 'ErrorAction', 'ErrorVariable', 'WarningAction') {
            if ($Arguments.ContainsKey($key)) { $next[$key] = $Arguments[$key] }
        }
        $next[$Argument] = [string[]]$names
        $last = @(& $Command @next)
        $all += $last
    }
    return , $all
}

function Invoke-InBackground {
    <# Waits only a limited time for a call that may never return, such as a shutdown that the guest ignores. #>
    param($Command, [hashtable]$Arguments, [double]$Seconds)

    $shell = [powershell]::Create()
    $null = $shell.AddCommand($Command).AddParameters($Arguments)
    $running = $shell.BeginInvoke()
    if (-not $running.AsyncWaitHandle.WaitOne([int]($Seconds * 1000))) {
        return @{ ok = $true; pending = $true; objects = [object[]]@() }
    }
    try {
        $null = $shell.EndInvoke($running)
    }
    catch {
        $exception = Get-Cause -Exception $_.Exception
        $record = $_
        if ($exception -is [System.Management.Automation.IContainsErrorRecord]) { $record = $exception.ErrorRecord }
        return @{ ok = $false; error = (Get-ErrorAnswer -Record $record -Exception $exception) }
    }
    return @{ ok = $true; pending = $false; objects = [object[]]@() }
}

function Invoke-Cmdlet {
    <# Calls one command with bound arguments. #>
    param($Call, [hashtable]$Kept)

    $command = Get-Command -Name $Call.command -CommandType Cmdlet, Function -ErrorAction Stop
    $arguments = @{}
    if ($null -ne $Call.with) {
        foreach ($item in $Call.with.PSObject.Properties) {
            $arguments[$item.Name] = Get-Argument -Value $item.Value -Kept $Kept
        }
    }
    $common = @{ Confirm = $false; ErrorAction = 'Stop'; WarningAction = 'SilentlyContinue' }
    if ($null -eq $Call.background) { $common['WarningVariable'] = 'warned' }
    if ($Call.partial) {
        $common['ErrorAction'] = 'SilentlyContinue'
        $common['ErrorVariable'] = '+failed'
    }
    foreach ($name in $common.Keys) {
        if ($command.Parameters.ContainsKey($name)) { $arguments[$name] = $common[$name] }
    }
    if ($null -ne $Call.background) {
        return Invoke-InBackground -Command $command -Arguments $arguments -Seconds $Call.background
    }
    $warned = @()
    $failed = New-Object -TypeName System.Collections.ArrayList
    $met = $null
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        $failed.Clear()
        $objects = @(& $command @arguments)
        if ($null -eq $Call.until) { break }
        $met = Test-Until -Objects $objects -Until $Call.until
        if ($met -or $watch.Elapsed.TotalSeconds -ge [double]$Call.for) { break }
        Start-Sleep -Milliseconds ([int](1000 * $Call.every))
    }
    if ($null -ne $Call.follow) {
        $followed = @{ Property = $Call.follow.property; Argument = $Call.follow.argument }
        $objects = Get-Followed -Command $command -Arguments $arguments -Objects $objects @followed
    }
    if ($null -ne $Call.keep) { $Kept[$Call.keep] = [object[]]$objects }
    $answer = @{ ok = $true; objects = [object[]]@() }
    if ($null -ne $Call.show) { $answer.objects = [object[]](ConvertTo-Plain -Value $objects -Show $Call.show) }
    if ($null -ne $met) { $answer.met = $met }
    if ($failed.Count -gt 0) {
        $answer.errors = [object[]]@($failed | ForEach-Object -Process { Get-ErrorAnswer -Record $_ })
    }
    if (@($warned).Length -gt 0) { $answer.warnings = [object[]]@($warned | ForEach-Object -Process { $_.ToString() }) }
    return $answer
}

function Select-Kept {
    <# Selects among objects that an earlier call kept, or among the items of a property of them. #>
    param($Call, [hashtable]$Kept)

    $objects = @($Kept[$Call.from] | Where-Object -FilterScript { $null -ne $_ })
    if ($null -ne $Call.path) {
        foreach ($step in $Call.path) {
            $objects = @($objects | ForEach-Object -Process { $_.$step } | Where-Object -FilterScript { $null -ne $_ })
        }
    }
    if ($null -ne $Call.where) {
        $objects = @($objects | Where-Object -FilterScript { Test-Where -InputObject $_ -Where $Call.where })
    }
    if ($Call.expect -eq 'one' -and $objects.Length -ne 1) {
        throw (New-CallError -Id 'NotOne' -Message "$($objects.Length) objects fit, one was expected")
    }
    if ($null -ne $Call.fewer -and $objects.Length -ge $Call.fewer) {
        throw (New-CallError -Id 'NotFewer' -Message "$($objects.Length) objects fit, fewer than $($Call.fewer) were expected")
    }
    $Kept[$Call.keep] = [object[]]$objects
    $answer = @{ ok = $true; objects = [object[]]@(); count = $objects.Length }
    if ($null -ne $Call.show) { $answer.objects = [object[]](ConvertTo-Plain -Value $objects -Show $Call.show) }
    return $answer
}

function Invoke-Program {
    <# Runs a program without a shell. Listed arguments are quoted; a text is the rest of the command line, unchanged. #>
    param($Call)

    # Without this, .NET Framework writes a byte order mark to the input of the program.
    try {
        [Console]::InputEncoding = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
    }
    catch [System.IO.IOException] {
        $null = $_
    }
    $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
    $start.FileName = [Environment]::ExpandEnvironmentVariables((Get-Text -Value $Call.file))
    $arguments = Get-Argument -Value $Call.arguments
    if ($arguments -isnot [string]) { $arguments = Argv-ToString -arguments $arguments }
    $start.Arguments = $arguments
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    if ($null -ne $Call.environment) {
        foreach ($item in $Call.environment.PSObject.Properties) {
            $start.EnvironmentVariables[$item.Name] = Get-Text -Value $item.Value
        }
    }
    $process = [System.Diagnostics.Process]::Start($start)
    try {
        $out = New-Object -TypeName System.IO.MemoryStream
        $errors = New-Object -TypeName System.IO.MemoryStream
        $outTask = $process.StandardOutput.BaseStream.CopyToAsync($out)
        $errorTask = $process.StandardError.BaseStream.CopyToAsync($errors)
        $watch = [System.Diagnostics.Stopwatch]::StartNew()
        $limit = [int](1000 * $Call.for)
        $written = $true
        if ($null -ne $Call.stdin) {
            $bytes = [Convert]::FromBase64String($Call.stdin)
            try {
                $written = $process.StandardInput.BaseStream.WriteAsync($bytes, 0, $bytes.Length).Wait($limit)
            }
            catch {
                # The program does not read its input.
                $null = $_
            }
        }
        if ($written) {
            try {
                $process.StandardInput.Close()
            }
            catch [System.IO.IOException] {
                $null = $_
            }
        }
        $left = [int][math]::Max(0, $limit - $watch.ElapsedMilliseconds)
        $ended = $written -and $process.WaitForExit($left)
        if (-not $ended) {
            try {
                $process.Kill()
            }
            catch [System.InvalidOperationException] {
                $null = $_
            }
            $null = $process.WaitForExit(5000)
        }
        $null = $outTask.Wait(5000)
        $null = $errorTask.Wait(5000)
        $answer = @{
            ok = $true
            ended = $ended
            stdout = [Convert]::ToBase64String($out.ToArray())
            stderr = [Convert]::ToBase64String($errors.ToArray())
            exit_code = $null
        }
        if ($ended) { $answer.exit_code = $process.ExitCode }
        return $answer
    }
    finally { $process.Dispose() }
}

function Read-File {
    param($Call)

    $path = [Environment]::ExpandEnvironmentVariables((Get-Text -Value $Call.path))
    if (-not [System.IO.File]::Exists($path)) { return @{ ok = $true; exists = $false } }
    $size = (New-Object -TypeName System.IO.FileInfo -ArgumentList $path).Length
    if ($size -gt $Call.limit) {
        throw (New-CallError -Id 'FileTooLarge' -Message "$path has $size bytes, more than $($Call.limit)")
    }
    return @{ ok = $true; exists = $true; base64 = [Convert]::ToBase64String([System.IO.File]::ReadAllBytes($path)) }
}

function Write-File {
    <# Replaces a file in one step, so that readers find either the old or the new content. #>
    param($Call)

    $path = [Environment]::ExpandEnvironmentVariables((Get-Text -Value $Call.path))
    $temporary = $path + '.' + [guid]::NewGuid().ToString('N') + '.tmp'
    try {
        [System.IO.File]::WriteAllBytes($temporary, [Convert]::FromBase64String($Call.base64))
        if ([System.IO.File]::Exists($path)) {
            [System.IO.File]::Replace($temporary, $path, [NullString]::Value)
        }
        else {
            [System.IO.File]::Move($temporary, $path)
        }
    }
    finally {
        if ([System.IO.File]::Exists($temporary)) { [System.IO.File]::Delete($temporary) }
    }
    return @{ ok = $true }
}

function Invoke-OneCall {
    param($Call, [hashtable]$Kept)

    try {
        switch ($Call.op) {
            'call' { return Invoke-Cmdlet -Call $Call -Kept $Kept }
            'pick' { return Select-Kept -Call $Call -Kept $Kept }
            'run' { return Invoke-Program -Call $Call }
            'read' { return Read-File -Call $Call }
            'write' { return Write-File -Call $Call }
            default { throw (New-CallError -Id 'UnknownOp' -Message "no operation '$($Call.op)'") }
        }
    }
    catch {
        return @{ ok = $false; error = (Get-ErrorAnswer -Record $_) }
    }
}

function Invoke-Chain {
    <# The calls for one VM, in order. A failure ends the chain, except of calls with on_error: go_on. #>
    param($Chain)

    $kept = @{}
    $answers = New-Object -TypeName System.Collections.ArrayList
    foreach ($call in $Chain.calls) {
        $answer = Invoke-OneCall -Call $call -Kept $kept
        $null = $answers.Add($answer)
        if (-not $answer.ok -and $call.on_error -ne 'go_on') { break }
    }
    return @{ name = $Chain.name; calls = $answers.ToArray() }
}

function Get-About {
    <# Facts about the session; null where the system does not have them. #>
    $about = @{
        powershell = $PSVersionTable.PSVersion.ToString()
        edition = [string]$PSVersionTable.PSEdition
        build = [Environment]::OSVersion.Version.Build
        computer = [Environment]::MachineName
        user = [Environment]::UserName
        culture = [cultureinfo]::CurrentUICulture.Name
        session = [System.Diagnostics.Process]::GetCurrentProcess().SessionId
        now = [datetime]::UtcNow.ToString('o', [cultureinfo]::InvariantCulture)
        elevated = $null
        sid = $null
        local_system = $null
    }
    try {
        $identity = [System.Security.Principal.WindowsIdentity]::GetCurrent()
        $about.sid = $identity.User.Value
        $about.local_system = $identity.IsSystem
        $principal = New-Object -TypeName System.Security.Principal.WindowsPrincipal -ArgumentList $identity
        $about.elevated = $principal.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)
    }
    catch [System.PlatformNotSupportedException] { $null = $_ }
    return $about
}

function Invoke-WindowsCall {
    <#
    .SYNOPSIS
    Carry out a request (JSON text) and return the answer (JSON text, ASCII only).
    #>
    param([Parameter(Mandatory = $true)][string]$Request)

    Set-StrictMode -Off
    $ErrorActionPreference = 'Stop'
    $ConfirmPreference = 'None'
    $ProgressPreference = 'SilentlyContinue'

    $requested = ConvertFrom-Json -InputObject $Request
    $answer = @{ version = 1; missing = [object[]]@(); chains = [object[]]@() }
    if ($requested.about) { $answer.about = Get-About }
    $missing = New-Object -TypeName System.Collections.ArrayList
    foreach ($name in $requested.modules) {
        try {
            Import-Module -Name $name -ErrorAction Stop -WarningAction SilentlyContinue
            $module = Get-Module -Name $name
            if ($module.PrivateData -is [hashtable] -and $module.PrivateData['ImplicitRemoting']) {
                $proxied = @{ id = 'ImplicitRemoting'; message = 'loaded as a proxy for Windows PowerShell' }
                $null = $missing.Add(@{ name = $name; error = $proxied })
            }
        }
        catch {
            $null = $missing.Add(@{ name = $name; error = (Get-ErrorAnswer -Record $_) })
        }
    }
    $answer.missing = $missing.ToArray()
    if ($missing.Count -eq 0) {
        $chains = New-Object -TypeName System.Collections.ArrayList
        foreach ($chain in $requested.chains) { $null = $chains.Add((Invoke-Chain -Chain $chain)) }
        $answer.chains = $chains.ToArray()
    }
    if ($PSVersionTable.PSEdition -ne 'Core') {
        # Windows PowerShell 5.1 adds a Count to arrays, and then writes some of them as objects with value and Count.
        Remove-TypeData -TypeName System.Array -ErrorAction SilentlyContinue
    }
    $json = ConvertTo-Json -InputObject $answer -Depth 30 -Compress
    [regex]::Replace($json, '[^\x20-\x7e]', { '\u{0:x4}' -f [int][char]$args[0].Value })
}

Export-ModuleMember -Function Invoke-WindowsCall
