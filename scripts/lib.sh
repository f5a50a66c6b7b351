# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by the scripts beside it: messages, packages, the kernel base, building
# and booting.  To be sourced, not run.

set -euo pipefail

# What the caller's environment and git configuration say is for other work.
export LC_ALL=C.UTF-8
unset LANGUAGE ARCH CROSS_COMPILE KBUILD_OUTPUT KCFLAGS MAKEFLAGS O
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
LOGS=$BUILD/logs
PATCHES=$TOP/patches
MAINTAINER_NAME='DMA custom ops maintainers'
MAINTAINER_EMAIL='dma-custom-ops@example.org'

# --- messages -------------------------------------------------------------

say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}
bad_usage() {
	printf '%s: %s\nTry %s --help.\n' "$(basename "$0")" "$*" "$0" >&2
	exit 2
}

# The header comment of the script is its help, from its third line on.
print_help() { sed -n '3,/^$/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

# --- build/ ---------------------------------------------------------------

# Everything goes below build/, and one script at a time works there.
enter_build() {
	[[ $TOP != *[[:space:]:]* ]] ||
		die "a kernel cannot be built below $TOP: its name has a space or a colon"
	mkdir -p "$LOGS" 2>/dev/null || true
	[[ -w $BUILD && -w $LOGS ]] ||
		die "cannot write to $BUILD; run this as root, or remove that directory first"
	if [[ -z ${DMA_BUILD_LOCKED:-} ]]; then
		exec 9>"$BUILD/.lock"
		flock -n 9 || die "another script is at work in $BUILD; wait for it to end"
		export DMA_BUILD_LOCKED=1
	fi
	export CCACHE_DIR=${CCACHE_DIR:-$BUILD/ccache}
}

# progress LOG: copies its input to LOG and shows how many lines there are, in
# place on a terminal, else a line for every 200.
progress() {
	awk -v log_file="$1" -v tty="$([[ -t 1 ]] && echo 1 || echo 0)" '
		{ print > log_file; fflush(log_file) }
		tty { printf "\r    %d steps", NR; fflush() }
		!tty && NR % 200 == 0 { printf "    %d steps\n", NR; fflush() }
		END { if (tty && NR) printf "\n" }'
}

# --- packages -------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }
have_header() { [[ -e /usr/include/$1 ]] || compgen -G "/usr/include/*/$1" >/dev/null; }

# need WHAT...: installs what is missing of the named groups: kernel, x86_64,
# i386, arm64, arm64_user, guest, plot, lint.
need() {
	local -a pkgs=()
	local group
	# command or header, and the Debian package that has it
	for group; do
		case $group in
		kernel)
			have git || pkgs+=(git)
			have gcc || pkgs+=(gcc)
			have make || pkgs+=(make)
			have flex || pkgs+=(flex)
			have bison || pkgs+=(bison)
			have bc || pkgs+=(bc)
			have perl || pkgs+=(perl)
			have python3 || pkgs+=(python3)
			have xz || pkgs+=(xz-utils)
			have ccache || pkgs+=(ccache)
			have_header stdlib.h || pkgs+=(libc6-dev)
			have_header libelf.h || pkgs+=(libelf-dev)
			have_header openssl/ssl.h || pkgs+=(libssl-dev)
			;;
		x86_64 | i386)
			have "qemu-system-$group" || pkgs+=(qemu-system-x86)
			;;
		arm64)
			have aarch64-linux-gnu-gcc || pkgs+=(gcc-aarch64-linux-gnu)
			have qemu-system-aarch64 || pkgs+=(qemu-system-arm)
			;;
		guest)
			have qemu-system-x86_64 || pkgs+=(qemu-system-x86)
			have mke2fs || pkgs+=(e2fsprogs)
			[[ -x /bin/busybox ]] && ! ldd /bin/busybox >/dev/null 2>&1 ||
				pkgs+=(busybox-static)
			;;
		arm64_user)
			[[ -e /usr/aarch64-linux-gnu/lib/libc.a ]] || pkgs+=(libc6-dev-arm64-cross)
			have dtc || pkgs+=(device-tree-compiler)
			;;
		plot)
			have gnuplot || pkgs+=(gnuplot-nox)
			;;
		lint)
			have shellcheck || pkgs+=(shellcheck)
			have yamllint || pkgs+=(yamllint)
			have dt-doc-validate || pkgs+=(dt-schema)
			have dtc || pkgs+=(device-tree-compiler)
			# checkpatch.pl wants more than the perl of a minimal system
			perl -MTerm::ANSIColor -e 1 2>/dev/null || pkgs+=(perl)
			/usr/bin/python3 -c 'import git, ply' 2>/dev/null ||
				pkgs+=(python3-git python3-ply)
			;;
		*) die "need: unknown group $group" ;;
		esac
	done
	((${#pkgs[@]})) || return 0

	have apt-get || die "missing: ${pkgs[*]} (named as Debian names them); install them and run this again"
	if ((EUID)); then
		die "missing packages; run this as root: apt-get update && apt-get install -y ${pkgs[*]}"
	fi
	step "installing ${pkgs[*]}"
	apt-get update >"$LOGS/apt-update.log" 2>&1 ||
		die "apt-get update failed, see $LOGS/apt-update.log"
	DEBIAN_FRONTEND=noninteractive apt-get install -y \
		--no-install-recommends "${pkgs[@]}" >"$LOGS/apt-install.log" 2>&1 ||
		die "apt-get install ${pkgs[*]} failed, see $LOGS/apt-install.log"
}

# private_apt COMMAND...: apt with suites of the machine's own mirror that the
# system may not have enabled, without touching the system's configuration.
private_apt() {
	local dir=$BUILD/apt tool=$1
	shift
	"$tool" -o Dir::Etc::sourcelist="$dir/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" \
		-o APT::Sandbox::User=root "$@"
}

private_apt_update() {
	local dir=$BUILD/apt mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg suite
	have apt-get || return 1
	# shellcheck disable=SC2016 # the dollars are apt's
	mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' \
		'Created-By: Packages' | awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
	if [[ -z $mirror ]]; then
		# The lists may never have been fetched, then origin is unknown.
		# shellcheck disable=SC2016
		mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
			grep -E '/debian/?$' | head -n 1)
	fi
	[[ -n $mirror ]] || return 1
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	for suite; do
		say "deb [signed-by=$keyring] $mirror $suite main"
	done >"$dir/sources.list"
	private_apt apt-get update >"$LOGS/apt-private.log" 2>&1
}

# --- the base -------------------------------------------------------------

# select_base NAME: sets what belongs to a base.
select_base() {
	BASE=$1
	case $BASE in
	v7.3)
		BASE_TAG=7.3-rc7
		BASE_TARBALL=https://git.kernel.org/torvalds/t/linux-7.3-rc7.tar.gz
		BASE_PACKAGE=linux-source-7.3
		BASE_PINNED='7.3~rc7-1~exp1'
		BASE_SUITES=(experimental sid)
		;;
	*) die "there is no base $BASE; known: v7.3" ;;
	esac
	LINUX=$BUILD/linux-$BASE
	SERIES_DIR=$PATCHES/$BASE
	use_guest debug
}

kernel_git() { git -C "$LINUX" "$@"; }

# The base_from functions make a source tree in $1.  They are called where "set
# -e" has no effect.

base_from_tree() {
	[[ -n ${KERNEL_SRC:-} ]] || { BASE_TRIED+=("KERNEL_SRC: not set"); return 1; }
	[[ -f $KERNEL_SRC/Kbuild && -f $KERNEL_SRC/Makefile ]] ||
		die "KERNEL_SRC=$KERNEL_SRC is no kernel source tree"
	step "copying the kernel from $KERNEL_SRC"
	if [[ $(git -C "$KERNEL_SRC" rev-parse --show-toplevel 2>/dev/null) == "$(realpath "$KERNEL_SRC")" ]]; then
		[[ -z $(git -C "$KERNEL_SRC" status --porcelain -uno) ]] ||
			say "    note: changes there that are not committed are left out"
		git -C "$KERNEL_SRC" archive HEAD | tar -x -C "$1" ||
			die "cannot copy $KERNEL_SRC"
	else
		[[ ! -e $KERNEL_SRC/.config && ! -e $KERNEL_SRC/include/config ]] ||
			die "KERNEL_SRC=$KERNEL_SRC has been built in; run make mrproper there first"
		tar -C "$KERNEL_SRC" --exclude=./.git -cf - . | tar -x -C "$1" ||
			die "cannot copy $KERNEL_SRC"
	fi
	BASE_ORIGIN="the tree $KERNEL_SRC"
}

base_from_kernel_org() {
	local file=$BUILD/download/${BASE_TARBALL##*/}
	if [[ ! -e $file ]]; then
		have curl || { BASE_TRIED+=("$BASE_TARBALL: curl is not installed"); return 1; }
		mkdir -p "$BUILD/download"
		if ! curl -fsSL --connect-timeout 5 --max-time 1800 -o "$file.part" \
			"$BASE_TARBALL" 2>"$LOGS/download.log"; then
			rm -f "$file.part"
			BASE_TRIED+=("$BASE_TARBALL: $(tail -n 1 "$LOGS/download.log")")
			return 1
		fi
		mv "$file.part" "$file"
	fi
	step "unpacking ${file##*/}"
	if ! tar -xf "$file" -C "$1" --strip-components=1 2>"$LOGS/unpack.log"; then
		BASE_TRIED+=("$BASE_TARBALL: $(tail -n 1 "$LOGS/unpack.log")")
		rm -rf "$file" "${1:?}"/*
		return 1
	fi
	BASE_ORIGIN=${file##*/}
}

base_from_debian() {
	local dir=$BUILD/download versions version deb
	step "asking apt for $BASE_PACKAGE"
	if ! private_apt_update "${BASE_SUITES[@]}"; then
		BASE_TRIED+=("Debian package $BASE_PACKAGE: apt cannot read ${BASE_SUITES[*]}, see $LOGS/apt-private.log")
		return 1
	fi
	versions=$(private_apt apt-cache madison "$BASE_PACKAGE" 2>/dev/null | awk '{ print $3 }')
	if [[ -z $versions ]]; then
		BASE_TRIED+=("Debian package $BASE_PACKAGE: not in ${BASE_SUITES[*]}")
		return 1
	fi
	if grep -qxF "$BASE_PINNED" <<<"$versions"; then
		version=$BASE_PINNED
	else
		version=$(head -n 1 <<<"$versions")
		say "    $BASE_PINNED is gone, taking $version"
	fi
	mkdir -p "$dir"
	deb=$dir/${BASE_PACKAGE}_$version.deb
	if [[ ! -e $deb ]]; then
		step "downloading $BASE_PACKAGE $version (about 165 MB)"
		mkdir -p "$dir/part"
		if ! (cd "$dir/part" && private_apt apt-get download \
			"$BASE_PACKAGE=$version" >"$LOGS/download.log" 2>&1); then
			BASE_TRIED+=("Debian package $BASE_PACKAGE $version: download failed, see $LOGS/download.log")
			return 1
		fi
		mv "$dir/part/${BASE_PACKAGE}"_*.deb "$deb"
	fi
	step "unpacking $BASE_PACKAGE $version"
	if ! dpkg-deb --fsys-tarfile "$deb" |
		tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ -C "$1" --strip-components=1; then
		BASE_TRIED+=("Debian package $BASE_PACKAGE $version: cannot be unpacked")
		rm -f "$deb"
		return 1
	fi
	# Debian's packaging makes git ignore all of the tree.
	sed -i '/^# Debian packaging: ignore/,$d' "$1/.gitignore"
	BASE_ORIGIN="Debian package $BASE_PACKAGE $version"
}

# get_base: makes sure that $LINUX is a git repository whose branch "base" is
# the pristine base.
get_base() {
	local tmp=$LINUX.tmp version
	if [[ -d $LINUX ]]; then
		[[ -z ${KERNEL_SRC:-} || $(kernel_git log -1 --format=%b base) == *"$KERNEL_SRC."* ]] ||
			say "    note: KERNEL_SRC is not used, as $LINUX is there already; remove that to start over"
		return 0
	fi
	need kernel
	BASE_TRIED=()
	rm -rf "$tmp"
	mkdir -p "$tmp"
	if ! { base_from_tree "$tmp" || base_from_kernel_org "$tmp" ||
		base_from_debian "$tmp"; }; then
		rm -rf "$tmp"
		die "cannot get the kernel $BASE_TAG.  Tried:$(printf '\n    %s' "${BASE_TRIED[@]}")
Point KERNEL_SRC to a source tree of $BASE_TAG and run this again."
	fi
	version=$(make -s -C "$tmp" kernelversion) || version=''
	[[ -n $version && -f $tmp/MAINTAINERS ]] ||
		die "what came from $BASE_ORIGIN is no kernel source"
	say "    got $version from $BASE_ORIGIN"
	[[ $version == "${BASE_TAG/-rc/.0-rc}" || $version == "$BASE_TAG" ]] ||
		say "    note: the series is made for $BASE_TAG"
	step "putting the base under git (half a minute)"
	if ! { git -C "$tmp" init -q -b base &&
		git -C "$tmp" config user.name "$MAINTAINER_NAME" &&
		git -C "$tmp" config user.email "$MAINTAINER_EMAIL" &&
		git -C "$tmp" config gc.auto 0 &&
		git -C "$tmp" add -A -f . &&
		git -C "$tmp" commit -q -m "Linux $version" -m "From $BASE_ORIGIN." &&
		mv "$tmp" "$LINUX"; }; then
		die "cannot put the base under git in $tmp"
	fi
}

series_patches() {
	local patch
	for patch in "$SERIES_DIR"/0*.patch; do
		[[ ! -e $patch || ${patch##*/} == 0000-* ]] || printf '%s\n' "$patch"
	done
}

# The identity of the exported series, kept in the repository it was applied to.
series_id() { cat "$SERIES_DIR"/0*.patch 2>/dev/null | sha256sum | cut -d ' ' -f 1; }

# recorded WHAT: of the series as it was last applied or exported: head,
# description or id.
recorded() { kernel_git config --get "series.$1" || true; }

# on_series: true if the branch "series" is what is checked out in $LINUX.
on_series() {
	[[ $(kernel_git symbolic-ref -q HEAD || true) == refs/heads/series &&
		! -e $LINUX/.git/rebase-merge && ! -e $LINUX/.git/rebase-apply ]]
}

# git_am DIR: applies the series to the tree in DIR.
git_am() {
	local -a patches
	mapfile -t patches < <(series_patches)
	((${#patches[@]})) || die "no patches in $SERIES_DIR"
	git -C "$1" am --abort >/dev/null 2>&1 || true # left by an interrupted run
	if ! git -C "$1" am --quiet --committer-date-is-author-date "${patches[@]}" \
		>"$LOGS/am.log" 2>&1; then
		cat "$LOGS/am.log" >&2
		git -C "$1" am --abort >/dev/null 2>&1 || true
		die "the series does not apply to $BASE: the patch and the place are named above"
	fi
}

# get_series: makes sure that $LINUX has the series checked out as exported, or
# that somebody is working on it there.
get_series() {
	get_base
	if kernel_git rev-parse -q --verify series >/dev/null; then
		if ! on_series || [[ $(kernel_git rev-parse series) != $(recorded head) ||
			-n $(kernel_git status --porcelain) ]]; then
			say "    note: this takes what is checked out in $LINUX, not $SERIES_DIR"
			return 0
		fi
		if [[ $(recorded id) == "$(series_id)" ]]; then
			return 0
		fi
	fi
	"$TOP/scripts/series" apply --base "$BASE"
}

# --- kernels and guests ---------------------------------------------------

# cross_compile ARCH: the prefix of the compiler for ARCH, empty for the machine's
# own.
cross_compile() { [[ $1 != arm64 ]] || echo aarch64-linux-gnu-; }

compiler() {
	local cc
	cc=$(cross_compile "$1")gcc
	! have ccache || cc="ccache $cc"
	printf '%s\n' "$cc"
}

# make_kernel ARCH ARGUMENT...: runs make for ARCH in the kernel tree.
make_kernel() {
	local arch=$1
	shift
	make -C "$LINUX" -j"$(nproc)" ARCH="$arch" CROSS_COMPILE="$(cross_compile "$arch")" \
		CC="$(compiler "$arch")" "$@"
}

# kvm_works IMAGE: true if this machine's KVM can boot the kernel IMAGE.  Some
# have a /dev/kvm on which a guest hangs or aborts, so it is tried, for at most
# 20 seconds, with a kernel that has nothing to do but panic.
kvm_works() {
	local verdict
	verdict=$BUILD/kvm-$(</proc/sys/kernel/random/boot_id)
	if [[ ! -e $verdict ]]; then
		if [[ ! -w /dev/kvm ]]; then
			echo 'no usable /dev/kvm' >"$verdict"
		else
			timeout -k 5 20 qemu-system-x86_64 -accel kvm -m 512 -nodefaults \
				-display none -serial stdio -no-reboot -kernel "$1" \
				-append 'console=ttyS0 panic=-1 kunit.enable=0' \
				</dev/null >"$LOGS/kvm.log" 2>&1 || true
			if grep -q 'Kernel panic - not syncing' "$LOGS/kvm.log"; then
				echo works >"$verdict"
			else
				echo 'a guest on /dev/kvm does not boot' >"$verdict"
			fi
		fi
		[[ $(<"$verdict") == works ]] ||
			say "    $(<"$verdict"): emulating the CPU instead"
	fi
	[[ $(<"$verdict") == works ]]
}

# Signs in a kernel log that something went wrong even if all tests passed.
SPLATS='WARNING: |BUG: |KASAN: |UBSAN: |KCSAN: |Oops|general protection fault|'
SPLATS+='possible circular locking|possible recursive locking|suspicious RCU|'
SPLATS+='inconsistent lock state|Invalid wait context|sleeping function called|'
SPLATS+='Bad page |DMA-API: .*: |kmemleak: [0-9]+ new|list_(add|del) corruption|'
SPLATS+='non-static key|DMA-API: debugging out of memory|Kernel panic|'
SPLATS+='blocked for more than|soft lockup|rcu.*detected stall|Call Trace:'

# expect_no_splats LOG: false, and the lines, if the log has any or is empty.
expect_no_splats() {
	[[ -s $1 ]] || { say "$1 is empty"; return 1; }
	! grep -nE "$SPLATS" "$1"
}

use_guest() {
	GUEST_ARCH=${2:-x86_64}
	GUEST=$BUILD/guest-$1
	GUEST_KERNEL=$GUEST/arch/x86/boot/bzImage
	GUEST_BUSYBOX=/bin/busybox
	GUEST_QEMU=qemu-system-x86_64
	GUEST_CONSOLE=ttyS0
	if [[ $GUEST_ARCH == arm64 ]]; then
		GUEST+=-arm64
		GUEST_KERNEL=$GUEST/arch/arm64/boot/Image
		GUEST_BUSYBOX=$BUILD/busybox-arm64/bin/busybox
		GUEST_QEMU=qemu-system-aarch64
		GUEST_CONSOLE=ttyAMA0
	fi
	GUEST_PROGRAMS=("$GUEST/kselftest/dmademo/"{dmademo,dmademo_{test,map_test,transfer_test,dmabuf_test,args_test,unbind_test}}
		"$LINUX/tools/testing/selftests/dmademo/dmademo_tool_test.sh")
}
QEMU_DEVICES=()

# get_guest VARIANT [ARCH]: makes sure that there are a guest kernel, $GUEST_KERNEL,
# and the user programs, built from the series, for x86_64 or arm64.  The kernel is
#   debug       one that looks for mistakes
#   drivers     the same with drivers that know nothing of the custom DMA ops
#   plain       for measuring
#   bystander   the same without the custom DMA ops
get_guest() {
	local variant=$1 out part config
	local -a parts configs=() targets
	case $variant in
	debug) parts=(debug leaks) ;;
	plain) parts=(plain) ;;
	drivers) parts=(debug drivers) ;;
	bystander) parts=(plain bystander) ;;
	*) die "get_guest: unknown variant $variant" ;;
	esac
	use_guest "$@"
	out=$GUEST
	[[ $(uname -m) == x86_64 ]] || die "the guest can be built on x86_64 only, this is $(uname -m)"
	need kernel guest
	if [[ $GUEST_ARCH == arm64 ]]; then
		need arm64 arm64_user
		get_busybox_arm64
	fi
	get_series
	mkdir -p "$out"

	step "building the guest kernel, $variant${2:+ for $2} (some minutes the first time)"
	for part in common "$GUEST_ARCH" "${parts[@]}"; do
		for config in "$TOP/scripts/guest/$part"{,"-$GUEST_ARCH"}.config; do
			[[ ! -e $config ]] || configs+=("$config")
		done
	done
	merge_configs "${configs[@]}" >"$out/guest.config"
	make_kernel "$GUEST_ARCH" O="$out" KCONFIG_ALLCONFIG="$out/guest.config" allnoconfig \
		>"$LOGS/guest-config.log" 2>&1 ||
		die "cannot configure the guest kernel, see $LOGS/guest-config.log"
	check_config "$out/guest.config" "$out/.config"
	targets=("${GUEST_KERNEL##*/}")
	! grep -q '^CONFIG_MODULES=y' "$out/.config" || targets+=(modules)
	make_kernel "$GUEST_ARCH" O="$out" "${targets[@]}" 2>&1 | progress "$LOGS/guest-kernel.log" ||
		die "cannot build the guest kernel: $(grep -m 5 -E 'error|Error' "$LOGS/guest-kernel.log")
The whole output is in $LOGS/guest-kernel.log"

	[[ $variant != bystander ]] || return 0 # no driver to talk to
	step "building the user programs"
	{ make_kernel "$GUEST_ARCH" O="$out" headers &&
		make_kernel "$GUEST_ARCH" O="$out" -C "$LINUX/tools/testing/selftests" \
			TARGETS=dmademo; } >"$LOGS/guest-user.log" 2>&1 ||
		die "cannot build the user programs, see $LOGS/guest-user.log"
}

# get_busybox_arm64: the same as Debian's package for this machine, for arm64.
get_busybox_arm64() {
	local dir=$BUILD/busybox-arm64 apt=$BUILD/apt-arm64
	local -a foreign
	[[ ! -x $dir/bin/busybox ]] || return 0
	foreign=(-o APT::Architecture=arm64 -o APT::Architectures=arm64
		-o Dir::State="$apt" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache"
		-o APT::Sandbox::User=root)
	step "getting busybox for arm64"
	rm -rf "$dir" "$apt"
	mkdir -p "$dir" "$apt/lists/partial" "$apt/cache/archives/partial"
	(cd "$dir" && apt-get "${foreign[@]}" update &&
		apt-get "${foreign[@]}" download busybox-static &&
		dpkg-deb -x ./*.deb .) >"$LOGS/busybox-arm64.log" 2>&1 ||
		die "cannot get the Debian package busybox-static for arm64, see $LOGS/busybox-arm64.log"
}

# merge_configs FILE...: what they set, a later one over an earlier one.
merge_configs() {
	awk 'match($0, /CONFIG_[A-Z0-9_]+/) && /^(CONFIG_|# CONFIG_.* is not set$)/ {
			name = substr($0, RSTART, RLENGTH)
			if (!(name in line)) order[++n] = name
			line[name] = $0
		}
		END { for (i = 1; i <= n; i++) print line[order[i]] }' "$@"
}

# check_config WANTED CONFIG: each option that WANTED sets has to be in CONFIG.
check_config() {
	local line
	while read -r line; do
		grep -qxF "$line" "$2" ||
			die "$1 wants $line, but the kernel's configuration has no such thing"
	done < <(grep '^CONFIG_' "$1")
}

# QEMU's machine on arm64, and its device tree with demo devices added.
ARM64_MACHINE=(-machine virt -cpu 'max,pauth-impdef=on' -smp 2 -m 1024)
arm64_device_tree() {
	{
		"$GUEST_QEMU" "${ARM64_MACHINE[@]}" -machine "dumpdtb=$1/qemu.dtb" -display none &&
			dtc -q -I dtb -O dts -o "$1/virt.dts" "$1/qemu.dtb" &&
			cat "$TOP/scripts/guest/dmademo.dtsi" >>"$1/virt.dts" &&
			dtc -q -I dts -O dtb -o "$1/virt.dtb" "$1/virt.dts"
	} >"$LOGS/device-tree.log" 2>&1
}

# run_guest LOG CMDLINE COMMANDS [FILE]: boots the guest kernel with CMDLINE
# added to its command line and runs the shell COMMANDS there, with FILE as
# /input.  Shows what they print, and keeps the console in LOG.  True if the
# last command was.  Arrays change the machine: QEMU_MACHINE replaces processors
# and memory, QEMU_DEVICES adds devices.  GUEST_DISK is the image of the disk
# (default: an empty one of 4 MiB), GUEST_PROGRAMS, an array, what is in /bin
# besides busybox, and GUEST_TIMEOUT how long it may take, in seconds.  A disk
# called none is none.
run_guest() {
	local log=$1 cmdline=$2 commands=$3 file=${4:-} accel=tcg program
	local -a machine
	local -a devices=("${QEMU_DEVICES[@]}")
	local dir=$GUEST/initramfs disk=${GUEST_DISK:-$GUEST/initramfs/disk}

	rm -rf "$dir"
	mkdir -p "$dir"
	printf '%s\n' "$commands" >"$dir/guest.sh"
	{
		printf 'dir %s 0755 0 0\n' /bin /dev /proc /sys /tmp /mnt
		say "nod /dev/console 0600 0 0 c 5 1"
		say "file /init $TOP/scripts/guest/init 0755 0 0"
		say "file /bin/load-dmademo $TOP/scripts/guest/load-dmademo 0755 0 0"
		say "file /guest.sh $dir/guest.sh 0644 0 0"
		say "file /bin/busybox $GUEST_BUSYBOX 0755 0 0"
		[[ ! -e $GUEST/drivers/misc/dmademo/dmademo.ko ]] ||
			say "file /dmademo.ko $GUEST/drivers/misc/dmademo/dmademo.ko 0644 0 0"
		for program in "${GUEST_PROGRAMS[@]}"; do
			say "file /bin/${program##*/} $program 0755 0 0"
		done
		if [[ -n $file ]]; then
			# Its list has no way to write a path with a space.
			ln -s "$(realpath "$file")" "$dir/input"
			say "file /input $dir/input 0644 0 0"
		fi
	} >"$dir/list"
	"$GUEST/usr/gen_init_cpio" "$dir/list" >"$dir/initramfs" ||
		die "cannot make the initramfs"

	# A disk that the tests may write to; through the DMA API, as on a real
	# machine.
	[[ -n ${GUEST_DISK:-} ]] || truncate -s 4M "$disk"
	[[ $disk == none ]] || devices=(
		-drive "file=$disk,format=raw,if=none,id=disk"
		-device 'virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=on'
		"${devices[@]}")

	if [[ -n ${QEMU_MACHINE[*]:-} ]]; then
		machine=("${QEMU_MACHINE[@]}")
	elif [[ $GUEST_ARCH == arm64 ]]; then
		machine=("${ARM64_MACHINE[@]}")
		arm64_device_tree "$dir" || die "cannot make the device tree, see $LOGS/device-tree.log"
		machine+=(-dtb "$dir/virt.dtb")
	else
		! kvm_works "$GUEST_KERNEL" || accel=kvm
		# What looks for mistakes leaves single pages everywhere, and large
		# buffers need room between them.
		machine=(-accel "$accel" -smp 2 -m 2048)
	fi
	# A terminal must not stay as the guest's console leaves it, hence the
	# pipe and no standard input.
	timeout --foreground -k 5 "${GUEST_TIMEOUT:-600}" "$GUEST_QEMU" "${machine[@]}" \
		-nodefaults -display none -serial stdio -no-reboot \
		"${devices[@]}" \
		-kernel "$GUEST_KERNEL" -initrd "$dir/initramfs" \
		-append "console=$GUEST_CONSOLE panic=-1 oops=panic loglevel=5 page_poison=1 $cmdline" \
		</dev/null 2>&1 | tee "$log" |
		sed -un 's/\r$//;/^guest: begin/,/^guest: exit/{/^guest: /!s/^/    /p}' || true
	tr -d '\r' <"$log" | grep -qx 'guest: exit 0'
}
