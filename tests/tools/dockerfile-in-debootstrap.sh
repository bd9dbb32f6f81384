#!/usr/bin/env bash
# Shows that deploy/Dockerfile works where there is no container engine: takes its steps from the file itself and runs
# them in folders made by debootstrap, then starts the image's program as its user on a read-only root, sends an event,
# runs the HEALTHCHECK and stops it. Needs root, debootstrap and a Debian mirror; takes some minutes.
#   dockerfile-in-debootstrap.sh [FOLDER]     FOLDER: where to work (default: a new one, removed at the end)
# Understood: FROM [AS], WORKDIR, COPY [--from], RUN, ARG, ENV, USER; VOLUME, EXPOSE, CMD and ENTRYPOINT are read where
# the program is started. Anything else ends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
tree=$PWD dockerfile=deploy/Dockerfile
PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo "must be root: debootstrap, chroot" >&2; exit 1; }

made=
[ $# -gt 0 ] || { made=$(mktemp -d); set -- "$made"; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
end() {
	[ -z "${pid:-}" ] || kill -9 "$pid" 2>/dev/null || true
	[ -z "$made" ] || rm -rf "$made"
}
trap end EXIT

[ -e "$work/base/etc/debian_version" ] || { echo "== debootstrap"; debootstrap --variant=minbase bookworm "$work/base" >"$work/debootstrap.log"; }

# One instruction a line, comments gone.
instructions() { sed -e '/^#/d' -e '/^[[:space:]]*$/d' "$dockerfile" | sed -e ':a' -e '/\\$/{N;s/\\\n[[:space:]]*//;ba' -e '}'; }

stage_root='' stage=0 directory=/ user=root volume='' entrypoint='' command='' health=''
declare -A named
environment=()
in_stage() { # in_stage USER SHELL-LINE: in namespaces of its own, so that no mount and no process is left behind
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "${environment[@]}" \
		unshare --mount --pid --fork -- sh -ec 'mount -t proc proc "$1/proc"; exec chroot --userspec="$2" "$1" sh -ec "cd $3; $4"' \
		sh "$stage_root" "$1" "$directory" "$2"
}
from() {
	stage=$((stage + 1))
	stage_root=$work/stage$stage directory=/ user=root environment=()
	[ "$1" = debian:bookworm-slim ] || { echo "not the base that debootstrap made: $1" >&2; exit 1; }
	[ "${2:-}" != AS ] || named[$3]=$stage_root
	rm -rf "$stage_root"
	cp -a "$work/base" "$stage_root"
	cp /etc/resolv.conf "$stage_root/etc/resolv.conf"
}
# What deploy/Dockerfile.dockerignore lets through; as patterns there are only `*` and `!path`.
copy() {
	local origin=$tree to path
	case $1 in --from=*) origin=${named[${1#--from=}]}; shift ;; esac
	to=$stage_root$(case $2 in /*) echo "$2" ;; *) echo "$directory/$2" ;; esac)
	if [ "$origin" != "$tree" ]; then
		cp -a "$origin$1." "$to"
	elif [ "$1" = . ]; then
		sed -n 's/^!//p' "$dockerfile.dockerignore" | while read -r path; do
			mkdir -p "$to/$(dirname "$path")"
			cp -a "$tree/$path" "$to/$(dirname "$path")/"
		done
	else
		mkdir -p "$(dirname "$to")"
		cp -a "$tree/$1" "$to"
	fi
}

while read -r name rest; do
	echo "== $name $rest"
	# shellcheck disable=SC2086 # words of the instruction
	case $name in
	FROM) from $rest ;;
	WORKDIR) directory=$rest; mkdir -p "$stage_root$rest" ;;
	COPY) copy $rest ;;
	ARG | ENV) for word in $rest; do environment+=("$word"); done ;;
	RUN) in_stage root "$rest" >"$work/run.log" 2>&1 || { tail -30 "$work/run.log"; exit 1; } ;;
	USER) user=$rest ;;
	VOLUME) volume=$rest ;;
	EXPOSE) ;;
	HEALTHCHECK) health=${rest#*CMD } ;;
	ENTRYPOINT) entrypoint=$rest ;;
	CMD) command=$rest ;;
	*) echo "unknown instruction: $name" >&2; exit 1 ;;
	esac
done < <(instructions)

# Exec form to shell words.
words() { node -e 'console.log(JSON.parse(process.argv[1]).map((w) => "\x27" + w.replace(/\x27/g, "\x27\\\x27\x27") + "\x27").join(" "))' "$1"; }
main="$(words "$entrypoint") $(words "$command")"
environment+=(HEADGATE_ALLOW_DEV_KEY=true HEADGATE_LISTEN=127.0.0.1:18080)

echo "== start as $user: root file system read-only, $volume writable"
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${environment[@]}" unshare --mount -- sh -ec '
	mount --bind "$1" "$1"; mount --bind "$1$2" "$1$2"; mount -o remount,ro,bind "$1"; mount -t proc proc "$1/proc"
	exec chroot --userspec="$3" "$1" sh -ec "cd $2; if touch /tmp/x 2>/dev/null; then exit 99; fi; exec $4"' \
	sh "$stage_root" "$volume" "$user" "$main" >"$work/stdout" 2>"$work/stderr" &
pid=$!
for _ in $(seq 100); do grep -q listening "$work/stdout" && break; sleep 0.1; done
cat "$work/stdout"
grep -q listening "$work/stdout" || { cat "$work/stderr"; exit 1; }
answer=$(curl -sS -H 'X-Write-Key: dev' -H 'Content-Type: application/json' -d '{"event":"page_view"}' http://127.0.0.1:18080/v1/events)
echo "$answer"
grep -q '"accepted":1' <<<"$answer"
echo "== HEALTHCHECK"
in_stage "$user" "$(words "$health")"
echo "== stop"
kill -TERM "$pid"
wait "$pid"
pid=
grep -c '"event":"page_view"' "$stage_root$volume"/events/headgate.events/*/*.ndjson
! in_stage "$user" "$(words "$health")" 2>/dev/null || { echo "healthy although stopped" >&2; exit 1; }
du -sh --apparent-size "$stage_root/usr/bin/headgate"
echo "ok"
