#!/bin/sh
# "make demo-shared": two guests with one memory, a file that both have as the dax
# device dax0.0. One is killed and comes back. Fails if a guest has not seen what
# the other one has written.
set -u
. lab/scripts/base.sh
out=$build/shared
memory=$out/memory
rm -rf $out
mkdir -p $out

# Lines of a guest go to the terminal and to $out/HOST.
host() { # HOST ARGUMENTS: of shared.sh
	{
		CONSOLE=$out/console-$1 lab/scripts/guest.sh -s 1 -m 3 -f $memory -t 400 \
			-q "-pidfile $out/pid-$1" $build/plain/bzImage "sh /tests/shared.sh $2" 2> $out/errors-$1
		echo $? > $out/status-$1
	} | sed -u "s/^/host ${1%-*}: /" | tee $out/$1 | sed -u '/: saw: /d'
}
kill_guest() { # HOST
	[ ! -s $out/pid-$1 ] || kill -9 "$(cat $out/pid-$1)" 2> /dev/null
	rm -f $out/pid-$1
}
finish() {
	for h in 1 2 2-again; do kill_guest $h; done
	wait
	rm -f $memory
}
trap finish EXIT
trap 'exit 130' INT TERM

failed() { # HOST WHY
	[ ! -s "$out/errors-$1" ] || cat $out/errors-$1 >&2
	echo "FAIL: host ${1%-*} $2"
	exit 1
}
until_says() { # HOST TEXT
	until grep -qsF "$2" $out/$1; do
		[ ! -e $out/status-$1 ] || failed "$1" "has ended, but should have come to: $2"
		sleep 0.2
	done
}

echo "Two guests share 1 GiB, $memory."
host 1 1 &
host 2 2 &
until_says 2 'until it is killed'
sleep 1
[ -s $out/pid-2 ] || failed 2 "ended before it was killed"
kill_guest 2
echo "host 2: killed"
until_says 1 'ok: reads records until host 2 is silent'
host 2-again '2 again' &
wait

for h in 1 2-again; do
	[ "$(cat $out/status-$h)" = 0 ] || failed $h "has not come to its end"
done
for h in 1 2 2-again; do
	! lab/scripts/problems.sh $out/console-$h || failed $h "has this in its kernel's log"
done
printf '\nWhat each host saw:\n'
sed -n 's/ saw: / /p' $out/1 $out/2
echo "host 2 was killed while it wrote, and came back"
sed -n 's/ saw: / /p' $out/2-again
echo "$(cat $out/1 $out/2 $out/2-again | grep -c ': ok: ') passed, 0 failed"
