# apt with one suite of the mirror that apt is configured with, and nothing else. It
# checks the signature of the index and, by the sums in there, what it downloads.
# Sourced by the other scripts.

mirrors() { apt-get indextargets --format '$(REPO_URI)' | sort -u; }

# COMMAND runs in the directory archives, and downloads to there.
with_suite() { # SUITE MIRROR COMMAND...
	(
		dir=$PWD/build/cache/apt/$1
		mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/sources"
		printf '%s\n' 'Types: deb deb-src' "URIs: $2" "Suites: $1" 'Components: main' \
			'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' \
			> "$dir/sources/suite.sources"
		shift 2
		cd "$dir/archives" && "$@" -o Dir::Etc::SourceList=/dev/null \
			-o Dir::Etc::SourceParts="$dir/sources" -o Dir::State::Lists="$dir/lists" \
			-o Dir::Cache="$dir" 2> "$dir/log"
	)
}
