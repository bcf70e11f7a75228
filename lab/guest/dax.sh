# Shell functions for dax devices in the guest; sourced.

DAX=/sys/bus/dax

dax_mode() { # DEVICE -> mode, in daxctl's words
	case $(basename "$(readlink $DAX/devices/$1/driver)") in
	device_dax) echo devdax ;;
	fsdev_dax) echo famfs ;;
	kmem) echo system-ram ;;
	*) echo disabled ;;
	esac
}

dax_driver() { # MODE -> driver
	case $1 in
	devdax) echo device_dax ;;
	famfs) echo fsdev_dax ;;
	system-ram) echo kmem ;;
	*) return 1 ;;
	esac
}

dax_disable() { # DEVICE
	local drv
	drv=$(basename "$(readlink $DAX/devices/$1/driver)") || return 0
	[ -n "$drv" ] || return 0
	echo "$1" > $DAX/drivers/$drv/unbind || return 1
	echo "$1" > $DAX/drivers/$drv/remove_id 2>/dev/null
	return 0
}

# The same steps as "daxctl reconfigure-device --mode=MODE DEVICE".
dax_set_mode() { # DEVICE MODE
	local drv
	drv=$(dax_driver "$2") || return 1
	dax_disable "$1" || return 1
	echo "$1" > $DAX/drivers/$drv/new_id || return 1
	[ "$(dax_mode "$1")" = "$2" ] ||
		echo "$1" > $DAX/drivers/$drv/bind
	[ "$(dax_mode "$1")" = "$2" ]
}

dax_set_folio() { # DEVICE BYTES: of each folio, when it gets into famfs mode
	dax_disable "$1" && echo "$2" > $DAX/devices/$1/folio_size
}

dax_region() { # DEVICE -> sysfs directory of its region
	readlink -f $DAX/devices/$1/.. | sed 's,$,/dax_region,'
}

dax_resize() { # DEVICE BYTES; the device is disabled
	echo "$2" > $DAX/devices/$1/size
}

dax_create() { # DEVICE-OF-THE-REGION BYTES [ALIGN] -> name of the new device
	local region new
	region=$(dax_region "$1")
	echo 1 > $region/create
	new=$(cat $region/create)
	[ -z "${3:-}" ] || echo "$3" > $DAX/devices/$new/align || return 1
	echo "$2" > $DAX/devices/$new/size || return 1
	echo $new
}

within() { # SECONDS COMMAND...: wait until it succeeds; fails if it does not
	local tenths=$(($1 * 10))
	shift
	until "$@"; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		usleep 100000
	done
}

# Mounts what /tmp/layout says, returns when NAME is there.
serve() { # DIRECTORY NAME [OPTION]
	mkdir -p $1
	setsid famfs_server ${3:-} /tmp/layout $1 /tmp/stats &
	server=$!
	within 30 [ -e $1/$2 ] || { echo "$1/$2 does not appear" >&2; return 1; }
}
