#!/bin/sh
# Prints why something has failed that wrote this log: one line if it is the
# machine, otherwise the first errors and where the rest is.
#
#   explain.sh LOG
# The log may be on the full disk itself.
if grep -q 'No space left on device' "$1" || [ "$(df -k --output=avail build | tail -n 1)" -lt 1024 ]; then
	echo "The disk is full: $(df -h --output=avail,target build | tail -n 1 | sed 's/^ *\([^ ]*\) */\1 free on /')."
elif grep -qE 'Killed signal|Cannot allocate memory|virtual memory exhausted|signal: killed|\] Killed$' "$1"; then
	echo "There is not enough memory: $(awk '/^MemAvailable/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo) are available."
else
	grep -nE '(error|Error|ERROR|undefined reference|FAILED)' "$1" | grep -v 'Werror' | head -n 20
	grep -qE '(error|Error|ERROR)' "$1" || tail -n 20 "$1"
	echo "The whole log is in $1."
fi
