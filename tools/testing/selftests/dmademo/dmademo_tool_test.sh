#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests the command-line tool dmademo: what it does with the device, and that it
# says in words what it cannot do.
#
# DMADEMO is the tool, if it is neither beside this script nor in PATH, and
# DMADEMO_DEVICE the device.  Without a device, what needs none is tested.

device=${DMADEMO_DEVICE:-/dev/dmademo0}
tool=${DMADEMO:-$(dirname "$0")/dmademo}
[ -n "${DMADEMO:-}" ] || [ -x "$tool" ] || tool=dmademo

need_nothing='help missing_command unknown_command unknown_option
	option_without_value option_of_another_command option_after_command
	unknown_strategy missing_operand superfluous_operand bad_number
	missing_file directory_as_file missing_device not_a_device no_permission
	full_output_of_help'
need_device='info alloc demo number_too_large too_much_in_all
	strategy_that_device_has_not unknown_way_to_bench unreadable_file
	copy_by_each_strategy copy_with_caches copy_of_user_memory
	copy_in_pieces copy_of_empty_file full_output_of_info
	full_output_of_copy interrupted_copy'

on_device() { "$tool" -d "$device" "$@"; }

# fail WORD...: the case that runs has failed, and why.
fail() {
	printf '%s\n' "$*" | sed 's/^/# /'
	result=fail
}

# skip WORD...: it cannot be run here, and why.
skip() {
	reason=$*
	result=skip
}

# prints TEXT COMMAND...: the command succeeds, and a line matches TEXT.
prints() {
	text=$1
	shift
	if ! "$@" >"$dir/out" 2>"$dir/err"; then
		fail "$*: $(cat "$dir/err")"
	elif ! grep -q -e "$text" "$dir/out"; then
		fail "$*: no \"$text\" in: $(cat "$dir/out")"
	elif [ -s "$dir/err" ]; then
		fail "$*: succeeds, and says: $(cat "$dir/err")"
	fi
}

# complains OUTPUT STATUS TEXT COMMAND...: the command, with its standard output to
# the file OUTPUT, exits with STATUS and has TEXT in what it says, which is a line,
# and perhaps one on what to do.
complains() {
	output=$1 want=$2 text=$3
	shift 3
	"$@" >"$output" 2>"$dir/err"
	status=$?
	[ $status = "$want" ] || fail "$*: exit status $status, not $want"
	grep -qF -e "$text" "$dir/err" ||
		fail "$*: no \"$text\" in: $(head -n 2 "$dir/err")"
	[ "$(wc -l <"$dir/err")" -le 2 ] || fail "$*: more than two lines"
}

# refuses STATUS TEXT COMMAND...: the same, and it prints nothing.
refuses() {
	complains "$dir/out" "$@"
	[ ! -s "$dir/out" ] || fail "... and prints: $(head -n 3 "$dir/out")"
}

# copies FILE COMMAND...: the command prints FILE.
copies() {
	file=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" || fail "$*: $(cat "$dir/err")"
	cmp "$file" "$dir/out" >"$dir/err" 2>&1 || fail "$*: $(cat "$dir/err")"
}

# bytes_after TEXT: so many as dmademo info has after TEXT, from the line's start.
bytes_after() { on_device info | sed -n "s/^$1 \([0-9]*\) bytes.*/\1/p"; }

# What needs no device.

help() {
	prints '^Usage: dmademo ' "$tool" --help
	prints '^Usage: dmademo ' "$tool" -h
}

missing_command() {
	refuses 2 'there is no command; try dmademo --help' "$tool"
	refuses 2 'there is no command; try dmademo --help' on_device
}

unknown_command() {
	refuses 2 'there is no command nosuch; try dmademo --help' "$tool" nosuch
}

unknown_option() {
	refuses 2 'x' "$tool" -x info
	refuses 2 '--nosuch' "$tool" --nosuch info
	refuses 2 'Try dmademo --help' "$tool" --nosuch info
}

option_without_value() {
	refuses 2 'Try dmademo --help' "$tool" -d
	refuses 2 'Try dmademo --help' "$tool" -s
}

option_of_another_command() {
	refuses 2 'info has no option -c' "$tool" -c info
	refuses 2 'alloc has no option -u' "$tool" -u alloc 1
	refuses 2 'bench has no option -d' on_device bench
	refuses 2 'no buffers for -c or -s' "$tool" -cu copy "$dir/data"
}

option_after_command() {
	refuses 2 '-d goes before the command' "$tool" info -d "$device"
}

unknown_strategy() {
	refuses 2 'there is no strategy nosuch' "$tool" -s nosuch alloc 1
	refuses 2 ' dma_mmap insert_page ' "$tool" -s nosuch alloc 1
}

missing_operand() {
	refuses 2 'alloc needs a number of bytes' "$tool" alloc
	refuses 2 'copy needs a file' "$tool" copy
}

superfluous_operand() {
	refuses 2 'info has no use for 1' "$tool" info 1
	refuses 2 'alloc has no use for 2' "$tool" alloc 1 2
	refuses 2 'demo has no use for 2' "$tool" demo 1 2
	refuses 2 'copy has no use for b' "$tool" copy a b
}

bad_number() {
	for word in '' x -1 +1 ' 1' 1x 1k 0x 1.5 08; do
		refuses 2 "\"$word\" is not a number of bytes" "$tool" alloc "$word"
	done
	refuses 2 'is not a number of bytes' "$tool" demo many
	refuses 2 '1 byte or more' "$tool" alloc 0
	refuses 2 '1 byte or more' "$tool" demo 0x0
	refuses 2 'too many' "$tool" alloc 18446744073709551616
	refuses 2 'too many' "$tool" demo 99999999999999999999999999
}

missing_file() {
	refuses 1 "cannot open $dir/nosuch: No such file" "$tool" copy "$dir/nosuch"
}

directory_as_file() {
	refuses 1 "$dir is a directory" "$tool" copy "$dir"
}

missing_device() {
	for command in info 'alloc 1' demo "copy $dir/data"; do
		# shellcheck disable=SC2086 # they are words
		refuses 1 'dmademo driver is not loaded' \
			"$tool" -d "$dir/nosuch" $command
	done
}

not_a_device() {
	refuses 1 '/dev/null is no DMA demo device' "$tool" -d /dev/null info
	refuses 1 "cannot open $dir: Is a directory" "$tool" -d "$dir" info
}

# Not even root may write this one.
no_permission() {
	refuses 1 'try as root: Permission denied' \
		"$tool" -d /sys/kernel/uevent_seqnum info
}

full_output_of_help() {
	complains /dev/full 1 'cannot write to standard output' "$tool" --help
}

# What does.

info() {
	prints '^version [0-9]*, requests of up to [0-9]* bytes, mode [a-z]*, ' \
		on_device info
	prints '^up to [0-9]* bytes in all buffers, [0-9]* buffers ' on_device info
	prints '^strategies: [a-z]' on_device info
}

alloc() {
	prints '^buffer 1: size 65536 bytes, ' on_device alloc 65536
	prints '^zeroed, contiguous, crc32 0x' on_device alloc 65536
	prints '^zeroed, contiguous, crc32 0x' on_device alloc 1
	prints '^zeroed, contiguous, crc32 0x' on_device -c alloc 1000000
}

demo() {
	prints '^copied and verified 4194304 bytes ' on_device demo
	prints '^copied and verified 12345 bytes ' on_device demo 12345
	prints '^result ok$' on_device -c demo 0x10001
}

number_too_large() {
	most=$(bytes_after '.*, requests of up to')
	refuses 2 "may have up to $most" on_device alloc $((most + 1))
	refuses 2 "may have up to $most" on_device demo 18446744073709551615
}

too_much_in_all() {
	most=$(bytes_after '.*, requests of up to')
	in_all=$(bytes_after 'up to')
	if [ "$most" -gt "$in_all" ]; then
		refuses 1 max_device_bytes= on_device alloc "$most"
	else
		skip "all buffers together may have $in_all bytes, and one has $most at most"
	fi
}

# With caches no device has this one.
strategy_that_device_has_not() {
	refuses 1 'has no strategy huge' on_device -c -s huge alloc 1
	refuses 1 'has no strategy huge' on_device -c -s huge copy "$dir/data"
}

unknown_way_to_bench() {
	refuses 1 'there is no way nosuch' "$tool" bench nosuch
}

# It can be opened, but there is nothing at its start.
unreadable_file() {
	refuses 1 'cannot read /proc/self/mem' on_device copy /proc/self/mem
}

copy_by_each_strategy() {
	strategies=$(on_device info | sed -n 's/^strategies: //p')
	[ -n "$strategies" ] || fail 'the device has none'
	for strategy in default $strategies; do
		copies "$dir/data" on_device -s "$strategy" copy "$dir/data"
	done
}

copy_with_caches() { copies "$dir/data" on_device -c copy "$dir/data"; }
copy_of_user_memory() { copies "$dir/data" on_device -u copy "$dir/data"; }

# More than a buffer has.
copy_in_pieces() {
	cat "$dir/data" "$dir/data" "$dir/data" >"$dir/long"
	copies "$dir/long" on_device copy "$dir/long"
	rm "$dir/long"
}

copy_of_empty_file() {
	: >"$dir/empty"
	copies "$dir/empty" on_device copy "$dir/empty"
	copies "$dir/empty" on_device -u copy "$dir/empty"
}

full_output_of_info() {
	complains /dev/full 1 'cannot write to standard output' on_device info
}

full_output_of_copy() {
	complains /dev/full 1 'cannot write to standard output' \
		on_device copy "$dir/data"
}

# By Ctrl-C, in the middle of a file that has no end.  Not by kill: what the shell
# has in the background ignores it.  128 + 2 is what a process that it ends exits
# with, and 124 what some versions of timeout say then.
interrupted_copy() {
	for option in '' -c -u; do
		# shellcheck disable=SC2086 # it is a word, or none
		timeout -s INT -k 60 1 "$tool" -d "$device" $option \
			copy /dev/zero >/dev/null 2>"$dir/err"
		status=$?
		[ $status = 130 ] || [ $status = 124 ] ||
			fail "copy $option: exit status $status: $(cat "$dir/err")"
		prints '^version ' on_device info
		copies "$dir/data" on_device copy "$dir/data"
	done
}

# run CASE...: runs each and prints what became of it.
run() {
	for name; do
		result=pass
		nr=$((nr + 1))
		if [ -n "$no_device" ]; then
			skip "$no_device"
		else
			$name
		fi
		case $result in
		pass)
			passed=$((passed + 1))
			echo "ok $nr $name"
			;;
		skip)
			skipped=$((skipped + 1))
			echo "ok $nr $name # SKIP $reason"
			;;
		fail)
			failed=$((failed + 1))
			echo "not ok $nr $name"
			;;
		esac
	done
}

echo 'TAP version 13'
if ! command -v "$tool" >/dev/null; then
	echo "Bail out! there is no $tool; set DMADEMO to where it is"
	exit 1
fi
if ! dir=$(mktemp -d); then
	echo 'Bail out! no directory for temporary files'
	exit 1
fi
trap 'rm -rf "$dir"' EXIT
# A length that is no multiple of anything, and no two pages are the same.
seq 600000 | head -c $((3 * 1024 * 1024 + 12345)) >"$dir/data"

nr=0 passed=0 failed=0 skipped=0 no_device=''
# shellcheck disable=SC2086 # they are words
set -- $need_nothing $need_device
echo "1..$#"
# shellcheck disable=SC2086
run $need_nothing
if [ ! -e "$device" ]; then
	no_device="there is no $device"
elif [ ! -r "$device" ] || [ ! -w "$device" ]; then
	no_device="$device is not for this user"
fi
# shellcheck disable=SC2086
run $need_device
echo "# Totals: pass:$passed fail:$failed xfail:0 xpass:0 skip:$skipped error:0"

[ $failed = 0 ] || exit 1
[ -z "$no_device" ] || exit 4
