# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by the scripts beside it: messages, packages, the kernel base, building
# and booting.  To be sourced, not run.

set -euo pipefail

# What the caller's environment and git configuration say is for other work.
export LC_ALL=C.UTF-8
unset LANGUAGE ARCH CROSS_COMPILE KBUILD_OUTPUT KCFLAGS LLVM MAKEFLAGS O CDPATH
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY
# mke2fs is there, which not everybody looks for.
PATH=$PATH:/usr/sbin:/sbin
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

# Everything goes below build/, and one script at a time, with those that it runs,
# works there.
enter_build() {
	[[ $TOP != *[[:space:]:]* ]] ||
		die "the path $TOP contains a space or a colon, which the kernel build does not support"
	mkdir -p "$LOGS" 2>/dev/null || true
	[[ -w $BUILD && -w $LOGS ]] ||
		die "cannot write to $BUILD; run this as root, or remove that directory first"
	if [[ -z ${DMA_BUILD_LOCKED:-} ]]; then
		exec 9>"$BUILD/.lock"
		flock -n 9 || die "another script is at work in $BUILD; wait for it to end"
		export DMA_BUILD_LOCKED=1
	fi
	# One cache for all clones on a machine, in ccache's own place: what is below
	# the project is known to it by relative names.  Depending on the compiler's
	# list of headers, it need not preprocess each file first.
	export CCACHE_BASEDIR=$TOP CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
}

# progress LOG STEPS: copies what make prints to LOG, and shows how much of so many
# steps is done and the minutes that are left, in place on a terminal, else every
# half minute.
progress() {
	local line done=0 start=$SECONDS shown=$SECONDS tty=''
	[[ ! -t 1 ]] || tty=1
	while IFS= read -r line; do
		printf '%s\n' "$line"
		[[ $line == '  '[A-Z]* ]] || continue
		done=$((done < $2 ? done + 1 : done))
		((SECONDS - shown >= (tty ? 1 : 30))) || continue
		shown=$SECONDS
		printf "${tty:+\\r}    %d %%, %d min left${tty:-\\n}" $((100 * done / $2)) \
			$(((shown - start) * ($2 - done) / done / 60 + 1)) >&3
	done 3>&1 >"$1"
	((shown == start)) || printf '%s' "${tty:+$'\n'}"
}

# --- packages -------------------------------------------------------------

# need_x86_64_host: only there the compilers have the names that are used here.
need_x86_64_host() {
	[[ $(uname -m) == x86_64 ]] ||
		die "this builds kernels on x86_64 only, and the machine is $(uname -m); scripts/series apply works here, too"
}

# The newest in the distribution; the kernel wants 17 or later.
CLANG_VERSION=19

have() { command -v "$1" >/dev/null 2>&1; }
have_header() { [[ -e /usr/include/$1 ]] || compgen -G "/usr/include/*/$1" >/dev/null; }

# need WHAT...: installs what is missing of the named groups: kernel, x86_64,
# i386, arm64, arm, arm64_user, guest, plot, lint.
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
		arm)
			have arm-linux-gnueabihf-gcc || pkgs+=(gcc-arm-linux-gnueabihf)
			have qemu-system-arm || pkgs+=(qemu-system-arm)
			;;
		riscv)
			have riscv64-linux-gnu-gcc || pkgs+=(gcc-riscv64-linux-gnu)
			have qemu-system-riscv64 || pkgs+=(qemu-system-misc)
			[[ -e /usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin ]] || pkgs+=(opensbi)
			;;
		s390)
			have s390x-linux-gnu-gcc || pkgs+=(gcc-s390x-linux-gnu)
			have qemu-system-s390x || pkgs+=(qemu-system-misc)
			;;
		clang)
			have "clang-$CLANG_VERSION" || pkgs+=("clang-$CLANG_VERSION")
			have "ld.lld-$CLANG_VERSION" || pkgs+=("lld-$CLANG_VERSION")
			have "llvm-nm-$CLANG_VERSION" || pkgs+=("llvm-$CLANG_VERSION")
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
			have sphinx-build || pkgs+=(python3-sphinx)
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
		BASE_TAG=7.3.4
		BASE_TARBALL=https://cdn.kernel.org/pub/linux/kernel/v7.x/linux-7.3.4.tar.xz
		BASE_PACKAGE=linux-source-7.3
		BASE_SUITES=(trixie-backports sid experimental)
		;;
	*) die "unknown base $BASE; known: v7.3" ;;
	esac
	LINUX=$BUILD/linux-$BASE
	SERIES_DIR=$PATCHES/$BASE
}

kernel_git() { git -C "$LINUX" "$@"; }

# The base_from functions make a source tree in $1.  They are called where "set
# -e" has no effect.

base_from_tree() {
	[[ -n ${KERNEL_SRC:-} ]] || { BASE_TRIED+=("KERNEL_SRC: not set"); return 1; }
	[[ -e $KERNEL_SRC ]] || die "KERNEL_SRC=$KERNEL_SRC does not exist"
	[[ -f $KERNEL_SRC/Kbuild && -f $KERNEL_SRC/Makefile ]] ||
		die "KERNEL_SRC=$KERNEL_SRC is not a kernel source tree"
	step "copying the kernel from $KERNEL_SRC"
	if [[ $(git -C "$KERNEL_SRC" rev-parse --show-toplevel 2>/dev/null) == "$(realpath "$KERNEL_SRC")" ]] &&
		git -C "$KERNEL_SRC" rev-parse -q --verify HEAD >/dev/null; then
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
	local file=$BUILD/download/${BASE_TARBALL##*/} sums=$BUILD/download/sha256sums.asc
	if [[ ! -e $file ]]; then
		have curl || { BASE_TRIED+=("$BASE_TARBALL: curl is not installed"); return 1; }
		mkdir -p "$BUILD/download"
		if ! { curl -fsSL --connect-timeout 5 --max-time 60 -o "$sums" \
			"${BASE_TARBALL%/*}/sha256sums.asc" &&
			curl -fsSL --connect-timeout 5 --max-time 1800 -o "$file.part" \
				"$BASE_TARBALL"; } 2>"$LOGS/download.log"; then
			rm -f "$file.part"
			BASE_TRIED+=("$BASE_TARBALL: $(tail -n 1 "$LOGS/download.log")")
			return 1
		fi
		if ! grep -qxF "$(sha256sum "$file.part" | cut -d ' ' -f 1)  ${file##*/}" "$sums"; then
			rm -f "$file.part"
			BASE_TRIED+=("$BASE_TARBALL: the checksum is not the one in sha256sums.asc beside it")
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

# nearest_version: of the versions of a Debian package, one of $BASE_TAG, else of the
# nearest release.  Any release is nearer than a release candidate.
nearest_version() {
	awk -v tag="$BASE_TAG" '
		function level(version) {
			sub(/-[^-]*$/, "", version)
			if (version ~ /~rc/) { sub(/.*~rc/, "", version); return version - 1000 }
			return version ~ /^[0-9]+\.[0-9]+\.[0-9]+/ ? substr(version, match(version, /[0-9]+[^.]*$/)) + 0 : 0
		}
		{
			distance = level($1) - level(tag "-1")
			if (distance < 0) distance = -distance
			if (NR == 1 || distance < best) { best = distance; nearest = $1 }
		}
		END { print nearest }'
}

base_from_debian() {
	local dir=$BUILD/download versions version deb
	step "asking apt for $BASE_PACKAGE"
	# One of the suites may be out of date, or not there.
	private_apt_update "${BASE_SUITES[@]}" || say "    note: apt complains, see $LOGS/apt-private.log"
	versions=$(private_apt apt-cache madison "$BASE_PACKAGE" 2>/dev/null | awk '{ print $3 }')
	if [[ -z $versions ]]; then
		BASE_TRIED+=("Debian package $BASE_PACKAGE: apt finds none in ${BASE_SUITES[*]}, see $LOGS/apt-private.log")
		return 1
	fi
	version=$(nearest_version <<<"$versions")
	[[ $version == "$BASE_TAG"-* ]] || say "    there is no $BASE_TAG, taking $version"
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

# from_base TREE: false if the base is from elsewhere than TREE, if that is named.
from_base() { [[ -z $1 || $(kernel_git log -1 --format=%b base) == *"the tree $1."* ]]; }

# get_base: makes sure that $LINUX is a git repository whose branch "base" is
# the pristine base.
get_base() {
	local tmp=$LINUX.tmp version
	if [[ -d $LINUX ]]; then
		version=$(base_version)
		[[ $version == "$BASE_TAG" ]] ||
			say "    note: $LINUX is $version, and the series is made for $BASE_TAG; remove that to start over"
		from_base "${KERNEL_SRC:-}" ||
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
		die "$BASE_ORIGIN does not contain a kernel source tree"
	say "    got $version from $BASE_ORIGIN"
	[[ $version == "$BASE_TAG" ]] ||
		say "    note: the series is made for $BASE_TAG; scripts/series check tells whether it does for $version"
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

# base_version: the kernel that $LINUX has, such as 7.3.4.
base_version() { kernel_git log -1 --format=%s base | sed 's/^Linux //'; }

# checkpatch PATCH
checkpatch() {
	# For its SPDX check Debian's python3 has the modules, where another one
	# that is first in PATH may not.
	# The base has no history in which what a patch fixes could be.
	PATH=/usr/bin:$PATH "$LINUX/scripts/checkpatch.pl" --root="$LINUX" --strict -q \
		--ignore UNKNOWN_COMMIT_ID "$1"
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

# finish_interrupted_apply: what was killed while it applied the series has left no work
# of anybody.  The branch had not moved yet.
finish_interrupted_apply() {
	[[ -n $(recorded applying) ]] || return 0
	say "    note: applying the series to $LINUX was interrupted; starting over"
	rm -f "$LINUX/.git/index.lock"
	kernel_git am --abort >/dev/null 2>&1 || true
	kernel_git checkout -q -f "$(kernel_git rev-parse -q --verify --abbrev-ref series || echo base)"
	kernel_git config --unset series.applying
}

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
	finish_interrupted_apply
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

# --- kernels --------------------------------------------------------------

# cross_compile ARCH: the prefix of the compiler for ARCH, empty for the machine's
# own.
cross_compile() {
	case $1 in
	arm64) echo aarch64-linux-gnu- ;;
	arm) echo arm-linux-gnueabihf- ;;
	riscv) echo riscv64-linux-gnu- ;;
	s390) echo s390x-linux-gnu- ;;
	esac
}

compiler() {
	local cc
	cc=$(cross_compile "$1")gcc
	! have ccache || cc="$TOP/scripts/cc $cc"
	printf '%s\n' "$cc"
}

# make_kernel ARCH ARGUMENT...: runs make for ARCH in the kernel tree.  The version of
# rustc, if there is one, would be in each configuration, and ccache would find nothing
# that was compiled without it.
make_kernel() {
	local arch=$1
	shift
	make -C "$LINUX" -j"$(nproc)" ARCH="$arch" CROSS_COMPILE="$(cross_compile "$arch")" \
		CC="$(compiler "$arch")" RUSTC=false "$@"
}

# build_kernel ARCH DIR NAME TARGET...: what is configured in DIR.
build_kernel() {
	local arch=$1 dir=$2 log=$LOGS/$3.log steps file
	shift 3
	# What there is to do is known once the headers are there.
	if ! { make_kernel "$arch" O="$dir" prepare >"$log" 2>&1 &&
		steps=$(steps_of "$arch" O="$dir" "$@") &&
		make_kernel "$arch" O="$dir" "$@" 2>&1 | progress "$log" $((steps + 1)); }; then
		die "cannot build the kernel: $(grep -m 5 -E 'error:|Error [0-9]' "$log")
The whole output is in $log"
	fi
	# It is compiled again next time, to warn again.
	file=$(grep 'warning:' "$log" | grep -o -F -f <(series_files) | head -n 1 || true)
	[[ -z $file ]] || {
		rm -f "$dir/${file%.c}.o"
		die "the compiler warns of $file, see $log"
	}
}

# series_files: what the series, as it is in $LINUX, adds or changes.
series_files() { kernel_git diff --name-only base; }

# steps_of ARCH ARGUMENT...: how many lines make_kernel will print.  Without the
# objects it cannot go through to the end.
steps_of() {
	{ make_kernel "$@" -n -k 2>/dev/null || true; } | grep -c "echo '  [A-Z]" || true
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
			die "$1 requests $line, but .config does not contain it: something that it depends on is missing"
	done < <(grep '^CONFIG_' "$1")
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
