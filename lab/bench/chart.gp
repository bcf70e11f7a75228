# Draws build/bench/bench.csv. Variables: csv, svg.
set terminal svg size 1100,520 font "sans,12" background "white"
set output svg
set datafile separator ","
set title "Instructions per operation (lower is better)"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set logscale y
set yrange [30:20000]
set grid ytics lc rgb "#dddddd"
set xtics rotate by -25 nomirror
set key outside top center horizontal
set bmargin 7
set rmargin 8
rows = "< grep -e ^row -e fault -e ^unmap -e '1 byte' -e '4 KiB,' -e '^open + close,' " . csv . " | grep -v -e upcalls -e '1 GiB'"
name(i) = word("devdax ext4 tmpfs tmpfs-huge famfs", i)
color(i) = word("#9e9e9e #4e79a7 #76b7b2 #59a14f #d62728", i)
plot for [i=1:5] rows using name(i):xtic(1) title name(i) lc rgb color(i)
