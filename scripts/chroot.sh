# shellcheck shell=bash
# Chroots of Debian's releases, which debootstrap makes and which are kept for the next run.  Sourced
# after common.sh, by scripts whose last lines are
#
#	if [ "${1:-}" = --inside ]; then shift; inside "$@"; else main "$@"; fi
#
# As root only.  MIRROR=URL is of Debian's packages; without it the one that apt uses here.

CHROOTS=${CHROOTS:-/var/tmp/telemetry-chroots}
COPY=/srv/telemetry    # the checkout, inside the chroot

RUNNING=    # what kill_namespace is to end

# The mirror that this system's own packages come from.
choose_mirror()
{
	if [ -n "${MIRROR:-}" ]; then return; fi
	# shellcheck disable=SC2016
	MIRROR=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian Debian //p' | head -n 1) || true
	[ -n "$MIRROR" ] || die "apt has no mirror of Debian here; name one: MIRROR="
}

# A mount and a process namespace of its own: whatever ends it, nothing of it stays mounted or running.
# in_namespace FUNCTION ARGUMENT…
in_namespace()
{
	local rc=0
	setpriv --pdeathsig=KILL unshare --mount --pid --fork --kill-child=KILL \
		"$BASH" "$ROOT/scripts/$(basename "$0")" --inside "$@" </dev/null &
	RUNNING=$!
	wait "$RUNNING" || rc=$?
	RUNNING=
	return "$rc"
}

kill_namespace()
{
	if [ -n "$RUNNING" ]; then kill -KILL "$RUNNING" 2>/dev/null || true; fi
}

# need_chroot NAME SUITE: makes $CHROOTS/NAME if it is not there.
need_chroot()
{
	if [ -d "$CHROOTS/$1" ]; then return; fi
	say "making $CHROOTS/$1"
	if ! in_namespace make_chroot "$1" "$2" "$MIRROR" >"$CHROOTS/$1.debootstrap.log" 2>&1; then
		tail -n 20 "$CHROOTS/$1.debootstrap.log" >&2
		die "debootstrap could not make $1; its whole output is $CHROOTS/$1.debootstrap.log"
	fi
}

# The rest, up to inside(), runs in the namespaces.

# make_chroot NAME SUITE MIRROR: on the side, so that what is there is complete.
make_chroot()
{
	rm -rf --one-file-system "$CHROOTS/$1.new"
	mount -t proc proc /proc    # debootstrap looks for processes that it left
	debootstrap --variant=minbase --include=ca-certificates,make "$2" "$CHROOTS/$1.new" "$3"
	mv "$CHROOTS/$1.new" "$CHROOTS/$1"
}

mount_system()
{
	mount -t proc proc "$1/proc"
	mount -t sysfs -o ro sysfs "$1/sys" 2>/dev/null || true
	mount -t tmpfs -o mode=755 tmpfs "$1/run"
	mount --bind /dev "$1/dev"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$1/dev/pts"
	mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
	# Some tests use files that may lie beside the checkout.
	if [ -d "$ROOT/../shared/data" ]; then
		mkdir -p "$1/$COPY/../shared/data"
		mount --bind -o ro "$ROOT/../shared/data" "$1/$COPY/../shared/data"
	fi
}

# in_chroot DIR COMMAND…: with nothing of the caller's environment.
in_chroot()
{
	local dir=$1
	shift
	chroot "$dir" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive http_proxy="${http_proxy:-}" "$@"
}

# No package may start a service: the processes would be of this machine.  And what a power cut
# would break is made anew, so dpkg need not wait for the disk.
configure_packages()
{
	echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/no-sync"
	# A mirror that is some weeks behind is good enough for tests; signatures are checked all the same.
	echo 'Acquire::Check-Valid-Until "false";' >"$1/etc/apt/apt.conf.d/90late-mirror"
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
}

# prepare_chroot NAME: up to date, with $CHROOTS/NAME.tar as the checkout in it.
prepare_chroot()
{
	local dir=$CHROOTS/$1
	find "$dir/tmp" -mindepth 1 -delete
	rm -rf "${dir:?}$COPY"
	mkdir -p "$dir$COPY"
	mount_system "$dir"
	configure_packages "$dir"
	cp /etc/hosts /etc/resolv.conf "$dir/etc/"
	tar --extract --directory="$dir$COPY" --file="$CHROOTS/$1.tar" --no-same-owner
	if ! in_chroot "$dir" sh -c 'apt-get -qq update && apt-get -qq -y dist-upgrade' >"$CHROOTS/$1.apt.log" 2>&1; then
		cat "$CHROOTS/$1.apt.log" >&2
		die "the packages of $1 could not be brought up to date"
	fi
}

inside()
{
	mount --make-rprivate /
	"$@"
}
