# SPDX-License-Identifier: Apache-2.0
# blast: throughput by number of threads
# To draw it again: gnuplot -c contention-blast-gnuplot.gp svg (or png)
format = exists("ARG1") && ARG1 ne "" ? ARG1 : "svg"
if (format eq "png") {
    set terminal pngcairo noenhanced size 1520,1313 font "DejaVu Sans,10.5" fontscale 2 linewidth 2 pointscale 2
} else {
    set terminal svg noenhanced size 730,630 font "DejaVu Sans,10.5" background "white"
}
set output "contention-blast-gnuplot." . format
data = "contention-blast-gnuplot.dat"

unset key
set border 3 linecolor rgb "#999999"
set tics nomirror scale 0.5 textcolor rgb "#222222"
set grid linecolor rgb "#E4E4E4" linetype 1 linewidth 0.8
set style fill transparent solid 0.16 noborder
set logscale x 2
set xrange [2.7606:5.4337]
set xtics (3, 5)
set yrange [0.0279054:1.80567]
set logscale y 10
set ytics ("0.05" 0.05, "0.1" 0.1, "0.2" 0.2, "0.5" 0.5, "1" 1)

set multiplot layout 1,1 margins screen 0.1118,0.9737,0.2376,0.8042 spacing screen 0.1382,0.1036
set label 'blast: throughput by number of threads' at screen 0.0211,0.9549 font "DejaVu Sans Bold,14" textcolor rgb "#222222"
set label '1 scheduler, the other threads workers, jobs 1024, service 0 ns, sample every 16' at screen 0.0211,0.9186 font "DejaVu Sans,10.5" textcolor rgb "#666666"
set label 'n = 6 runs a point, each a process of its own and a dot. Marker: median. Band or bar: 95 % interval of the median,' at screen 0.0211,0.1177 font "DejaVu Sans,9" textcolor rgb "#666666"
set label 'exact, from order statistics of independent runs.' at screen 0.0211,0.0910 font "DejaVu Sans,9" textcolor rgb "#666666"
set label 'machine intel-xeon-processor-2cpu · 2 CPUs · commit 25b15b2d63e3 · release, gnu 12.2.0 · plan' at screen 0.0211,0.0644 font "DejaVu Sans,9" textcolor rgb "#666666"
set label '376a825dc07d8923' at screen 0.0211,0.0377 font "DejaVu Sans,9" textcolor rgb "#666666"
set arrow from screen 0.0211,0.8738 to screen 0.0684,0.8738 nohead linewidth 2 dashtype 1 linecolor rgb "#0072B2"
set label "" at screen 0.0447,0.8738 point pointtype 7 pointsize 1.2 linecolor rgb "#0072B2"
set label 'erts_mpsc, ready lock none' at screen 0.0816,0.8738
set arrow from screen 0.3822,0.8738 to screen 0.4296,0.8738 nohead linewidth 2 dashtype 1 linecolor rgb "#D55E00"
set label "" at screen 0.4059,0.8738 point pointtype 5 pointsize 1.2 linecolor rgb "#D55E00"
set label 'erts_mpsc, ready lock mutex' at screen 0.4427,0.8738
set arrow from screen 0.0211,0.8396 to screen 0.0684,0.8396 nohead linewidth 2 dashtype 1 linecolor rgb "#009E73"
set label "" at screen 0.0447,0.8396 point pointtype 9 pointsize 1.2 linecolor rgb "#009E73"
set label 'erts_mpsc, ready lock ticket' at screen 0.0816,0.8396
set arrow from screen 0.3875,0.8396 to screen 0.4349,0.8396 nohead linewidth 2 dashtype 1 linecolor rgb "#CC79A7"
set label "" at screen 0.4112,0.8396 point pointtype 13 pointsize 1.2 linecolor rgb "#CC79A7"
set label 'erts_mpsc, ready lock mcs' at screen 0.4480,0.8396

# Panel 1
set label '' at graph 0, graph 1 offset 0,0.9 font "DejaVu Sans Bold,11.5"
set xlabel "threads (log scale)"
set ylabel "million operations a second\n(log scale)"
set object 1 rectangle from 2.7606, graph 0 to graph 1, graph 1 behind fillcolor rgb "#F4F4F4" fillstyle solid 1 noborder
set arrow from 2.7606, graph 0 to 2.7606, graph 1 nohead dashtype 3 linecolor rgb "#999999"
set label 'more threads than CPUs' at 2.7606, graph 0.96 offset 0.6,0 font "DejaVu Sans,9.5" textcolor rgb "#666666"
plot data index 1 using ($1*0.9924):($2/1e6):($3/1e6) with filledcurves fillcolor rgb "#0072B2", \
     data index 4 using ($1*0.9975):($2/1e6):($3/1e6) with filledcurves fillcolor rgb "#D55E00", \
     data index 7 using ($1*1.0025):($2/1e6):($3/1e6) with filledcurves fillcolor rgb "#009E73", \
     data index 10 using ($1*1.0076):($2/1e6):($3/1e6) with filledcurves fillcolor rgb "#CC79A7", \
     data index 2 using ($1*0.9985):($2/1e6) with points pointtype 7 pointsize 0.35 linecolor rgb "#800072B2", \
     data index 5 using ($1*1.0036):($2/1e6) with points pointtype 7 pointsize 0.35 linecolor rgb "#80D55E00", \
     data index 8 using ($1*1.0087):($2/1e6) with points pointtype 7 pointsize 0.35 linecolor rgb "#80009E73", \
     data index 11 using ($1*1.0138):($2/1e6) with points pointtype 7 pointsize 0.35 linecolor rgb "#80CC79A7", \
     data index 0 using ($1*0.9924):($2/1e6) with lines linewidth 2 dashtype 1 linecolor rgb "#0072B2", \
     data index 3 using ($1*0.9975):($2/1e6) with lines linewidth 2 dashtype 1 linecolor rgb "#D55E00", \
     data index 6 using ($1*1.0025):($2/1e6) with lines linewidth 2 dashtype 1 linecolor rgb "#009E73", \
     data index 9 using ($1*1.0076):($2/1e6) with lines linewidth 2 dashtype 1 linecolor rgb "#CC79A7", \
     data index 0 using ($1*0.9924):($2/1e6) with points pointtype 7 pointsize 1.6 linecolor rgb "white", \
     data index 0 using ($1*0.9924):($2/1e6) with points pointtype 7 pointsize 1.2 linecolor rgb "#0072B2", \
     data index 3 using ($1*0.9975):($2/1e6) with points pointtype 5 pointsize 1.6 linecolor rgb "white", \
     data index 3 using ($1*0.9975):($2/1e6) with points pointtype 5 pointsize 1.2 linecolor rgb "#D55E00", \
     data index 6 using ($1*1.0025):($2/1e6) with points pointtype 9 pointsize 1.6 linecolor rgb "white", \
     data index 6 using ($1*1.0025):($2/1e6) with points pointtype 9 pointsize 1.2 linecolor rgb "#009E73", \
     data index 9 using ($1*1.0076):($2/1e6) with points pointtype 13 pointsize 1.6 linecolor rgb "white", \
     data index 9 using ($1*1.0076):($2/1e6) with points pointtype 13 pointsize 1.2 linecolor rgb "#CC79A7"
unset label
unset arrow
unset multiplot
