# shellcheck shell=bash
# What the other scripts share: messages, who may do what, and a PostgreSQL cluster of our own.
# Sourced, never run.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export PYTHON=/usr/bin/python3

# Make's own variables must not reach the makes that we start.
unset MAKEFLAGS MFLAGS MAKELEVEL

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf 'error: %s\n' "$*" >&2
	exit 1
}

is_root()
{
	[ "$(id -u)" -eq 0 ]
}

# The major version of the server that this distribution's package "postgresql" stands for; nothing
# while apt's lists are empty.  Releases have theirs for good.
distribution_pg_major()
{
	local codename
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null) || true
	case $codename in
		bookworm) echo 15 ;;
		trixie) echo 17 ;;
		*) apt-cache depends postgresql 2>/dev/null |
			sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p' ;;
	esac
}

# Sets PG_MAJOR, which server setup installs, and PG_CONFIG, which server is used: that one, unless
# another is named.  Both stay empty as long as the distribution does not say.
choose_server()
{
	if [ -z "${PG_MAJOR:-}" ]; then PG_MAJOR=$(distribution_pg_major); fi
	if [ -z "${PG_CONFIG:-}" ] && [ -n "$PG_MAJOR" ]; then
		PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
	fi
	export PG_MAJOR PG_CONFIG=${PG_CONFIG:-}
	[ -n "$PG_MAJOR" ]
}

# set_up SET: installs what is missing of a set of packages.
set_up()
{
	"$ROOT/scripts/setup" "$1"
	choose_server    # setup may have read apt's lists
}

# PostgreSQL refuses to run as root, so root borrows the user that Debian's package makes.
db_user()
{
	if is_root; then echo postgres; else id -un; fi
}

# Runs a command with root's rights.
as_root()
{
	if is_root; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root's rights and there is no sudo; run as root: $*"
	fi
}

# Becomes, in this (sub)shell, the command run as the database user.  It execs, so that the
# process id that the caller sees is the command's; from /, which that user can always enter.
exec_as_db()
{
	cd /
	if is_root; then
		local home
		home=$(getent passwd postgres | cut -d: -f6)
		exec setpriv --reuid=postgres --regid=postgres --init-groups \
			env HOME="$home" USER=postgres LOGNAME=postgres "$@"
	fi
	exec "$@"
}

as_db()
{
	(exec_as_db "$@")
}

pg_bin()
{
	local dir
	dir=$("$PG_CONFIG" --bindir) || die "$PG_CONFIG does not work"
	printf '%s/%s\n' "$dir" "$1"
}

# build_programs [make variables]
build_programs()
{
	make -s -C "$ROOT" -j"$(nproc)" all "$@"
}

is_installed()
{
	local file share
	share=$("$PG_CONFIG" --sharedir)/extension
	cmp -s "$ROOT/extension/telemetry.so" "$("$PG_CONFIG" --pkglibdir)/telemetry.so" || return
	while read -r file; do
		cmp -s "$file" "$share/$(basename "$file")" || return
	done < <(ls "$ROOT"/extension/*.control && install_scripts)
}

# The files that CREATE EXTENSION runs: of the engine, and of each app.
install_scripts()
{
	local version
	version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$ROOT/extension/telemetry.control")
	ls "$ROOT"/extension/*--"$version".sql
}

# The extensions that are apps: a file each.
app_extensions()
{
	local file
	for file in "$ROOT"/extension/apps/*.sql; do echo "telemetry_$(basename "$file" .sql)"; done
}

# install_programs [make variables]: only if something changed, so that a second start asks for
# no password.
install_programs()
{
	if is_installed; then return; fi
	say "installing"
	as_root make -s -C "$ROOT" install PG_CONFIG="$PG_CONFIG" "$@" >/dev/null
}

# The files of the checkout, each with a null byte at its end: what git knows of and what it would add, as it
# is now.  Where there is no git, as in a chroot, all there is.
checkout_files()
{
	if [ -e "$ROOT/.git" ]; then
		git -C "$ROOT" -c safe.directory="$ROOT" ls-files -z --cached --others --exclude-standard
	else
		(cd "$ROOT" && find . -path ./build -prune -o ! -type d -print0)
	fi
}

# pack_checkout FILE
pack_checkout()
{
	checkout_files | (cd "$ROOT" && tar --create --file="$1" --null --no-recursion --ignore-failed-read --files-from=-)
}

# Short and stable name for this checkout, for things that must live outside it.
checkout_id()
{
	printf '%s' "$ROOT" | cksum | cut -d' ' -f1
}

port_in_use()
{
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# first_free_port FROM COUNT
first_free_port()
{
	local port
	for ((port = $1; port < $1 + $2; port++)); do
		if ! port_in_use "$port"; then
			echo "$port"
			return
		fi
	done
	die "ports $1 to $((port - 1)) are all in use"
}

# wait_until SECONDS COMMAND…: polls a command, at most so long.
wait_until()
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

is_gone()
{
	! kill -0 "$1" 2>/dev/null
}

# stop_process PID SECONDS: asks, waits, then insists.
stop_process()
{
	is_gone "$1" && return
	kill -TERM "$1" 2>/dev/null || true
	if ! wait_until "$2" is_gone "$1"; then
		say "process $1 did not stop in $2 s: killed"
		kill -KILL "$1" 2>/dev/null || true
	fi
}

#
# A cluster: DIR/data, DIR/socket, DIR/log, all owned by the database user.  The socket
# directory is that user's alone, which is what makes "trust" on it safe; over TCP a
# password is asked for.
#

cluster_make_dirs()
{
	local dir=$1 sub
	for sub in socket log; do
		mkdir -p "$dir/$sub"
		if is_root; then chown postgres:postgres "$dir/$sub"; fi
	done
	chmod 700 "$dir/socket"
	chmod 755 "$dir/log"
}

# cluster_init DIR [initdb options]
cluster_init()
{
	local dir=$1
	shift
	mkdir -p "$dir/data"
	if is_root; then chown postgres:postgres "$dir/data"; fi
	as_db "$(pg_bin initdb)" --pgdata="$dir/data" --username=postgres --locale=C.UTF-8 \
		--encoding=UTF8 --auth-local=trust --auth-host=reject "$@" >"$dir/initdb.log" 2>&1 ||
		{
			cat "$dir/initdb.log" >&2
			die "initdb failed"
		}
	as_db tee "$dir/data/pg_hba.conf" >/dev/null <<-HBA
		local all all trust
		host all all 127.0.0.1/32 scram-sha-256
	HBA
	echo "include_if_exists = 'our.conf'" | as_db tee -a "$dir/data/postgresql.conf" >/dev/null
}

# cluster_configure DIR, settings on standard input; written anew on every start.
cluster_configure()
{
	as_db tee "$1/data/our.conf" >/dev/null
}

cluster_is_running()
{
	as_db "$(pg_bin pg_ctl)" --pgdata="$1/data" status >/dev/null 2>&1
}

cluster_is_down()
{
	! cluster_is_running "$1"
}

# cluster_start DIR [NAME=VALUE…]: with these in the server's environment
cluster_start()
{
	local dir=$1
	shift
	# pg_ctl starts the server in a session of its own: a Ctrl-C here does not reach it.
	if ! as_db env "$@" "$(pg_bin pg_ctl)" --pgdata="$dir/data" --log="$dir/log/server.log" \
		--wait --timeout=120 start >/dev/null 2>&1; then
		tail -n 20 "$dir/log/server.log" >&2 || true
		die "the database server did not start; the whole log is $dir/log/server.log"
	fi
}

cluster_stop()
{
	as_db "$(pg_bin pg_ctl)" --pgdata="$1/data" --mode=fast --wait --timeout=60 stop \
		>/dev/null 2>&1 ||
		as_db "$(pg_bin pg_ctl)" --pgdata="$1/data" --mode=immediate --wait --timeout=30 stop \
			>/dev/null 2>&1
}

choose_server || true
