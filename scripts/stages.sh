# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Stages of scripts/test, some at the same time.  To be sourced after lib.sh.

# stage CLASS NEEDS NAME COMMAND...: a command that counts as one test, and may
# tally more.  Of a class other than "-" one stage runs at a time.  NEEDS is "-" or
# the name of a stage, named before, that has to succeed first.
stages=() classes=() needs=() commands=()
stage() {
	classes+=("$1")
	needs+=("$2")
	stages+=("$3")
	shift 3
	commands+=("${*@Q}")
}

# tally PASSED FAILED: tests of the stage that calls it.
tally() {
	passed=$((passed + $1))
	failed=$((failed + $2))
}

# cpu_seconds FILE: the processor time in the output of times.  Unlike the time, it does
# not depend on what runs beside.
cpu_seconds() {
	tr -s ' s' '\n' <"$1" | awk -F m '{ n += 60 * $1 + $2 } END { printf "%.0f\n", n }'
}

# run_stage NUMBER: in a process of its own, with $scratch, a directory for what it
# needs no longer.
run_stage() {
	number=$1 passed=0 failed=0 SECONDS=0
	scratch=$(mktemp -d "$BUILD/scratch/XXXXXX")
	trap 'if (($?)); then tally 0 1; else tally 1 0; fi
		times >"$scratch/times"
		say "$SECONDS,$(cpu_seconds "$scratch/times"),$passed,$failed,${stages[number]}" >"$LOGS/stage-$number.csv"
		rm -rf "$scratch"' EXIT
	# "set -e" has no effect there: a stage says itself how it ends.
	eval "${commands[number]}" || exit 1
}

# The state of each stage: empty, left out, running, ok or failed.
states=()
declare -A running=()

# state NAME: of the stage of that name.
state() {
	local i
	for i in "${!stages[@]}"; do
		[[ ${stages[i]} != "$1" ]] || say "${states[i]}"
	done
}

# select_stages TEXT: those with TEXT in their name, and what they need.
select_stages() {
	local i j
	for ((i = ${#stages[@]} - 1; i >= 0; i--)); do
		states[i]=${states[i]:-'left out'}
		[[ ${stages[i]} != *"$1"* ]] || states[i]=''
		[[ -z ${states[i]} && ${needs[i]} != - ]] || continue
		for j in "${!stages[@]}"; do
			[[ ${stages[j]} != "${needs[i]}" ]] || states[j]=needed
		done
	done
	for i in "${!stages[@]}"; do
		[[ ${states[i]} != needed ]] || states[i]=''
	done
}

# may_start NUMBER
may_start() {
	local i
	[[ -z ${states[$1]} ]] || return 1
	for i in "${running[@]}"; do
		[[ ${classes[$1]} == - || ${classes[i]} != "${classes[$1]}" ]] || return 1
	done
	case $([[ ${needs[$1]} == - ]] || state "${needs[$1]}") in
	'' | running) [[ ${needs[$1]} == - ]] ;;
	failed)
		states[$1]=failed
		say "0,0,0,1,${stages[$1]}" >"$LOGS/stage-$1.csv"
		say "=== FAILED: ${stages[$1]}: it needs \"${needs[$1]}\", which failed"
		return 1
		;;
	esac
}

# end_stage PID STATUS
end_stage() {
	local number=${running[$1]}
	unset "running[$1]"
	say "=== ${stages[number]}"
	cat "$LOGS/stage-$number.log"
	if (($2)); then states[number]=failed; else states[number]=ok; fi
	[[ -e $LOGS/stage-$number.csv ]] || say "0,0,0,1,${stages[number]}" >"$LOGS/stage-$number.csv"
	say "=== ${states[number]/#f*/FAILED}: ${stages[number]} ($(cut -d , -f 1 "$LOGS/stage-$number.csv") s, after $((SECONDS / 60)) min)"
}

ticker=''

# Ctrl-C, or an error here, ends what runs, guests and builds, too.  UML leaves the
# process group that it was started in.
stop() {
	trap - EXIT INT TERM HUP
	local pid
	for pid in "${!running[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || true
	done
	[[ -z $ticker ]] || kill "$ticker" 2>/dev/null || true
	pkill -f "^$BUILD/kunit-[^ ]*/linux( |$)" 2>/dev/null || true
	wait
	rm -rf "$BUILD/scratch"
	say "stopped; what was built is kept in $BUILD"
	exit 130
}

# run_stages TEXT: those with TEXT in their name, and what they need.  Ends with a
# table, which is $LOGS/times.csv too, and the number of tests; false if one failed.
run_stages() {
	local i pid status slots
	# A guest waits a lot, and a build does at its end.
	slots=$(($(nproc) + 1))
	select_stages "$1"
	rm -rf "$LOGS"/stage-* "$BUILD/scratch"
	mkdir -p "$BUILD/scratch"
	trap stop EXIT INT TERM HUP
	while :; do
		for i in "${!stages[@]}"; do
			((${#running[@]} < slots)) || break
			may_start "$i" || continue
			states[i]=running
			say "=== starting: ${stages[i]}"
			# With a process group of its own.
			set -m
			run_stage "$i" >"$LOGS/stage-$i.log" 2>&1 </dev/null &
			set +m
			running[$!]=$i
		done
		((${#running[@]})) || break
		if [[ -z $ticker ]]; then
			sleep 120 &
			ticker=$!
		fi
		status=0
		wait -n -p pid "${!running[@]}" "$ticker" || status=$?
		if [[ $pid == "$ticker" ]]; then
			ticker=''
			say "    $((SECONDS / 60)) min; at work:$(for i in "${running[@]}"; do printf ' %s;' "${stages[i]}"; done)"
		else
			end_stage "$pid" "$status"
		fi
	done
	[[ -z $ticker ]] || kill "$ticker" 2>/dev/null || true
	trap - EXIT INT TERM HUP
	report_stages "$1"
}

report_stages() {
	local times=$LOGS/times.csv passed failed
	compgen -G "$LOGS/stage-*.csv" >/dev/null || die "no stage has \"$1\" in its name"
	{
		say 'seconds,cpu_seconds,passed,failed,stage'
		cat "$LOGS"/stage-*.csv | sort -t , -k 1,1nr
	} >"$times"
	step 'stages, slowest first'
	awk -F , '{ printf "%8s %12s %7s %7s  %s\n", $1, $2, $3, $4, $5 }' "$times"
	say "all of it: $SECONDS s"
	passed=$(awk -F , '{ n += $3 } END { print n }' "$times")
	failed=$(awk -F , '{ n += $4 } END { print n }' "$times")
	say "$passed passed, $failed failed"
	((failed == 0))
}
