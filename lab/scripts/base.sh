# Which Linux the series goes on, and where that is built. Sourced by the
# other scripts, which run in the top directory of the repository.
default_base=7.3
BASE=${BASE:-$default_base}
case $BASE in
7.3) version=7.3.4 ;;
7.0) version=7.0.13 ;;
*) echo "BASE is 7.3 or 7.0, not $BASE" >&2; exit 2 ;;
esac
export BASE
build=${BUILD:-build/$BASE}
linux=build/$BASE/linux
