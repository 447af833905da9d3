# SPDX-License-Identifier: Apache-2.0
# closed_loop: throughput by number of threads
# To draw it again: gnuplot -c contention-closed_loop-gnuplot.gp svg (or png)
format = exists("ARG1") && ARG1 ne "" ? ARG1 : "svg"
if (format eq "png") {
    set terminal pngcairo noenhanced size 1520,1389 font "DejaVu Sans,10.5" fontscale 2 linewidth 2 pointscale 2
} else {
    set terminal svg noenhanced size 730,667 font "DejaVu Sans,10.5" background "white"
}
set output "contention-closed_loop-gnuplot." . format
data = "contention-closed_loop-gnuplot.dat"

unset key
set border 3 linecolor rgb "#999999"
set tics nomirror scale 0.5 textcolor rgb "#222222"
set grid linecolor rgb "#E4E4E4" linetype 1 linewidth 0.8
set style fill transparent solid 0.16 noborder
set logscale x 2
set xrange [1.7917:5.5811]
set xtics (2, 3, 5)
set yrange [0:1.93916]

set multiplot layout 1,1 margins screen 0.1118,0.9737,0.2498,0.7855 spacing screen 0.1382,0.0979
set label 'closed_loop: throughput by number of threads' at screen 0.0211,0.9574 font "DejaVu Sans Bold,14" textcolor rgb "#222222"
set label '1 scheduler, the other threads workers, service 0 ns, sample every 16, window 256, keys 0, other' at screen 0.0211,0.9231 font "DejaVu Sans,10.5" textcolor rgb "#666666"
set label 'work 0 ns' at screen 0.0211,0.8937 font "DejaVu Sans,10.5" textcolor rgb "#666666"
set label 'n = 6 runs a point, each a process of its own and a dot. Marker: median. Band or bar: 95 % interval of the median,' at screen 0.0211,0.1364 font "DejaVu Sans,9" textcolor rgb "#666666"
set label 'exact, from order statistics of independent runs.' at screen 0.0211,0.1112 font "DejaVu Sans,9" textcolor rgb "#666666"
set label 'In brackets: what each queue promises. Unlike ones are shown together, not ranked.' at screen 0.0211,0.0860 font "DejaVu Sans,9" textcolor rgb "#666666"
set label 'machine intel-xeon-processor-2cpu · 2 CPUs · commit 25b15b2d63e3 · release, gnu 12.2.0 · plan' at screen 0.0211,0.0608 font "DejaVu Sans,9" textcolor rgb "#666666"
set label '376a825dc07d8923' at screen 0.0211,0.0356 font "DejaVu Sans,9" textcolor rgb "#666666"
set arrow from screen 0.0211,0.8513 to screen 0.0684,0.8513 nohead linewidth 2 dashtype 1 linecolor rgb "#0072B2"
set label "" at screen 0.0447,0.8513 point pointtype 7 pointsize 1.2 linecolor rgb "#0072B2"
set label 'erts_mpsc [FIFO, lock-free]' at screen 0.0816,0.8513
set arrow from screen 0.3762,0.8513 to screen 0.4236,0.8513 nohead linewidth 2 dashtype 1 linecolor rgb "#D55E00"
set label "" at screen 0.3999,0.8513 point pointtype 5 pointsize 1.2 linecolor rgb "#D55E00"
set label 'mutex_list [FIFO, blocking]' at screen 0.4368,0.8513
set arrow from screen 0.0211,0.8189 to screen 0.0684,0.8189 nohead linewidth 2 dashtype 1 linecolor rgb "#009E73"
set label "" at screen 0.0447,0.8189 point pointtype 9 pointsize 1.2 linecolor rgb "#009E73"
set label 'ticket_list [FIFO, blocking]' at screen 0.0816,0.8189

# Panel 1
set label '' at graph 0, graph 1 offset 0,0.9 font "DejaVu Sans Bold,11.5"
set xlabel "threads (log scale)"
set ylabel "million operations a second"
set object 1 rectangle from 2.4495, graph 0 to graph 1, graph 1 behind fillcolor rgb "#F4F4F4" fillstyle solid 1 noborder
set arrow from 2.4495, graph 0 to 2.4495, graph 1 nohead dashtype 3 linecolor rgb "#999999"
set label 'more threads than CPUs' at 2.4495, graph 0.96 offset 0.6,0 font "DejaVu Sans,9.5" textcolor rgb "#666666"
plot data index 1 using ($1*0.9887):($2/1e6):($3/1e6) with filledcurves fillcolor rgb "#0072B2", \
     data index 4 using ($1*1.0000):($2/1e6):($3/1e6) with filledcurves fillcolor rgb "#D55E00", \
     data index 7 using ($1*1.0114):($2/1e6):($3/1e6) with filledcurves fillcolor rgb "#009E73", \
     data index 2 using ($1*0.9989):($2/1e6) with points pointtype 7 pointsize 0.35 linecolor rgb "#800072B2", \
     data index 5 using ($1*1.0103):($2/1e6) with points pointtype 7 pointsize 0.35 linecolor rgb "#80D55E00", \
     data index 8 using ($1*1.0218):($2/1e6) with points pointtype 7 pointsize 0.35 linecolor rgb "#80009E73", \
     data index 0 using ($1*0.9887):($2/1e6) with lines linewidth 2 dashtype 1 linecolor rgb "#0072B2", \
     data index 3 using ($1*1.0000):($2/1e6) with lines linewidth 2 dashtype 1 linecolor rgb "#D55E00", \
     data index 6 using ($1*1.0114):($2/1e6) with lines linewidth 2 dashtype 1 linecolor rgb "#009E73", \
     data index 0 using ($1*0.9887):($2/1e6) with points pointtype 7 pointsize 1.6 linecolor rgb "white", \
     data index 0 using ($1*0.9887):($2/1e6) with points pointtype 7 pointsize 1.2 linecolor rgb "#0072B2", \
     data index 3 using ($1*1.0000):($2/1e6) with points pointtype 5 pointsize 1.6 linecolor rgb "white", \
     data index 3 using ($1*1.0000):($2/1e6) with points pointtype 5 pointsize 1.2 linecolor rgb "#D55E00", \
     data index 6 using ($1*1.0114):($2/1e6) with points pointtype 9 pointsize 1.6 linecolor rgb "white", \
     data index 6 using ($1*1.0114):($2/1e6) with points pointtype 9 pointsize 1.2 linecolor rgb "#009E73"
unset label
unset arrow
unset multiplot
