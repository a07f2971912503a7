@echo off
rem start_worker.bat [DEVICE ...]: one worker process for each device; without arguments all of GPU_DEVICES.
setlocal

rem .env and the packages are found beside this file, wherever it is called from.
cd /d "%~dp0"
if errorlevel 1 exit /b 1

rem The file and not `where python`: a Python on PATH has none of the packages.
rem No block in parentheses: a folder such as "Program Files (x86)" would end it.
if exist ".venv\Scripts\python.exe" goto start

rem Installing is the operator's decision: a start must not wait for a download, or change what runs.
echo No virtual environment in "%~dp0.venv": make one here with 1>&2
echo   py -3.11 -m venv .venv 1>&2
echo   .venv\Scripts\pip install -e .[directml] 1>&2
exit /b 1

:start
".venv\Scripts\python.exe" -m actors.launch %*
exit /b %ERRORLEVEL%
