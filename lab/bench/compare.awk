# compare.awk BASELINE.csv NEW.csv: fails if a value of famfs has grown by more
# than 3 %. Values that only one of the two has do not count, nor do those that
# contain the work of the server, which depends on who is scheduled when.
BEGIN { FS = "," }
FNR == 1 {
	for (i = 2; i <= NF; i++)
		head[FILENAME, i] = $i
	next
}
FNR == NR {
	for (i = 2; i <= NF; i++)
		old[$1, head[FILENAME, i]] = $i
	next
}
/with upcalls|first open/ { next }
{
	for (i = 2; i <= NF; i++) {
		c = head[FILENAME, i]
		was = old[$1, c]
		if (c !~ /^famfs/ || $i == "" || was == "")
			continue
		n++
		if ($i > was * 1.03) {
			printf "%s, %s: %s, the baseline is %s\n", $1, c, $i, was
			bad++
		} else if ($i < was * 0.97) {
			better++
		}
	}
}
END {
	printf "%d values, %d more than 3 %% above the baseline, %d below it\n", n, bad, better
	exit bad || !n
}
